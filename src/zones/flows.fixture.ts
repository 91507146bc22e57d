// For tests: flow rows as the sensor lends them, spoiled after each call.
import { FlowBatch, FlowPhase, FlowState, parseAddress } from '#events';
import type { Conversations } from './flows/conversations.ts';

export interface Flow {
  /** Seconds. */
  at: number;
  from: string;
  to: string;
  port: number;
  fromPort?: number;
  protocol?: number;
  phase?: keyof typeof FlowPhase;
  state?: keyof typeof FlowState;
  /** Packets of the responder; none where the state says that nobody answered. */
  back?: number;
}

const batch = new FlowBatch();
let place = 0;

export function see(conversations: Conversations, ...flows: readonly Flow[]): void {
  for (const f of flows) {
    const state = f.state ?? 'SF';
    batch.count = 1;
    batch.origin = { file: 'test.pcap', placed: 'frame' };
    batch.phase[0] = FlowPhase[f.phase ?? 'Close'];
    batch.state[0] = FlowState[state];
    batch.at[0] = batch.firstAt[0] = 1.7e15 + f.at * 1e6;
    batch.lastAt[0] = batch.firstAt[0] + 1e6;
    batch.place[0] = ++place;
    batch.protocol[0] = f.protocol ?? 6;
    batch.originatorPort[0] = f.fromPort ?? 40_000;
    batch.responderPort[0] = f.port;
    batch.originatorPackets[0] = 3;
    batch.responderPackets[0] = f.back ?? (state === 'S0' ? 0 : 3);
    if (!parseAddress(f.from, batch.addresses, 0) || !parseAddress(f.to, batch.addresses, 4))
      throw new Error(`no address: ${f.from} ${f.to}`);
    conversations.observe(batch);
    batch.addresses.fill(0xa5a5a5a5, 0, 8);
    batch.firstAt[0] = Number.NaN;
  }
}
