// Talks straight into columns of events/flow.ts, for runs of weeks: the rows a flow table gives that tells at most once a
// second while payload moves, when a flow opens and when it ends. Place is the number of the row.
import { BATCH_ROWS, FlowBatch, FlowPhase, FlowState } from '#events';
import { sortSteps, type Talk } from './talk.ts';

const TELL_MICROS = 1e6;
/** After the last datagram; after FIN. */
const UDP_IDLE_MICROS = 60e6;
const LINGER_MICROS = 5e6;

export interface RowOptions {
  /** One packet of this many is seen; 1 where all are. */
  readonly sampling?: number;
  /** Hosts behind one address: their rows carry it. */
  readonly translate?: (ip: number) => number;
  /** Uniform in [0, 1), for sampling. */
  readonly uniform?: () => number;
  /** Names are not told (encrypted hello, or an exporter without names). */
  readonly withoutNames?: boolean;
}

interface Pending {
  readonly at: number;
  readonly lastAt: number;
  readonly phase: number;
  readonly talk: number;
  readonly up: number;
  readonly down: number;
  readonly upTotal: number;
  readonly downTotal: number;
}

/** Turns the talks into rows in order of time. @returns rows given */
export function renderFlowBatches(
  talks: readonly Talk[],
  emit: (batch: FlowBatch) => void,
  options: RowOptions = {},
  firstFlow = 1,
): number {
  const rows: Pending[] = [];
  for (let i = 0; i < talks.length; i++) rowsOf(talks[i]!, i, rows, options);
  rows.sort((a, b) => a.at - b.at || a.talk - b.talk || a.phase - b.phase);
  const batch = new FlowBatch();
  batch.origin = { file: 'flow.pcap', placed: 'frame' };
  let used = 0;
  let place = 0;
  for (const row of rows) {
    const talk = talks[row.talk]!;
    if (batch.count === BATCH_ROWS || used > batch.bytes.length - 256) {
      emit(batch);
      batch.count = 0;
      used = 0;
    }
    const i = batch.count++;
    batch.at[i] = row.at;
    batch.firstAt[i] = talk.openAt;
    batch.lastAt[i] = row.lastAt;
    batch.place[i] = ++place;
    batch.lastPlace[i] = place;
    batch.flow[i] = firstFlow + row.talk;
    batch.phase[i] = row.phase;
    const w = 8 * i;
    const client = options.translate?.(talk.client) ?? talk.client;
    const server = options.translate?.(talk.server) ?? talk.server;
    batch.addresses.set([0, 0, 0xffff, client, 0, 0, 0xffff, server], w);
    batch.originatorPort[i] = talk.clientPort;
    batch.responderPort[i] = talk.serverPort;
    const isTcp = talk.wire === 'tls' || talk.wire === 'plain';
    batch.protocol[i] = isTcp ? 6 : 17;
    batch.state[i] = row.phase === FlowPhase.Close ? FlowState.SF : FlowState.S1;
    batch.originatorPayloadDelta[i] = row.up;
    batch.responderPayloadDelta[i] = row.down;
    batch.originatorPayloadBytes[i] = row.upTotal;
    batch.responderPayloadBytes[i] = row.downTotal;
    batch.originatorPackets[i] = Math.ceil(row.upTotal / 1200);
    batch.responderPackets[i] = Math.ceil(row.downTotal / 1200);
    batch.originatorIpBytes[i] = row.upTotal + 40 * batch.originatorPackets[i]!;
    batch.responderIpBytes[i] = row.downTotal + 40 * batch.responderPackets[i]!;
    // A QUIC hello is encrypted with a key from the packet itself; this road does not open it.
    const name = talk.wire === 'tls' && row.phase !== FlowPhase.Open && options.withoutNames !== true ? talk.name : '';
    batch.samplingRate[i] = options.sampling ?? 1;
    batch.service[i] = talk.wire === 'tls' ? 1 : talk.wire === 'quic' ? 14 : 0;
    batch.nameOffset[i] = used;
    batch.nameBytes[i] = name.length;
    for (let k = 0; k < name.length; k++) batch.bytes[used + k] = name.charCodeAt(k);
    used += name.length;
  }
  if (batch.count > 0) emit(batch);
  return rows.length;
}

function rowsOf(talk: Talk, index: number, out: Pending[], options: RowOptions): void {
  sortSteps(talk);
  const sampling = options.sampling ?? 1;
  const { steps } = talk;
  let up = 0;
  let down = 0;
  let upTotal = 0;
  let downTotal = 0;
  let toldAt = talk.openAt;
  let lastAt = talk.openAt;
  let isOpen = sampling === 1;
  const tell = (at: number, phase: number): void => {
    out.push({ at, lastAt, phase, talk: index, up, down, upTotal, downTotal });
    toldAt = at;
    up = 0;
    down = 0;
  };
  if (isOpen) tell(talk.openAt, FlowPhase.Open);
  for (let k = 0; k < steps.length; k += 3) {
    const at = steps[k]!;
    const u = sampling === 1 ? steps[k + 1]! : sampled(steps[k + 1]!, sampling, options.uniform!);
    const d = sampling === 1 ? steps[k + 2]! : sampled(steps[k + 2]!, sampling, options.uniform!);
    if (u + d === 0) continue;
    lastAt = at;
    if (!isOpen) {
      isOpen = true;
      tell(at, FlowPhase.Open);
    }
    up += u;
    down += d;
    upTotal += u;
    downTotal += d;
    if (at - toldAt >= TELL_MICROS) tell(at, FlowPhase.Update);
  }
  if (!isOpen) return;
  const isTcp = talk.wire === 'tls' || talk.wire === 'plain';
  if (isTcp) lastAt = Math.max(lastAt, talk.closeAt);
  tell(lastAt + (isTcp ? LINGER_MICROS : UDP_IDLE_MICROS), FlowPhase.Close);
}

/** Octets of the packets that a sampler of one in `n` took, scaled back. */
function sampled(bytes: number, n: number, uniform: () => number): number {
  let taken = 0;
  for (let left = bytes; left > 0; left -= 1400) if (uniform() < 1 / n) taken += Math.min(left, 1400);
  return taken * n;
}
