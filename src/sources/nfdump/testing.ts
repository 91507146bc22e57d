// For tests: the flows that rows printed by nfdump become, by way of decoders/netflow as the pipeline joins them.
import { type Decoder, type EventBatch, FlowBatch, FlowPhase, FlowState, formatAddress, type Sink } from '#events';
import type { SourceKind } from '../contract.ts';
import { Drip } from '../lines/testing.ts';

export interface Told {
  ends: string;
  protocol: number;
  state: string;
  packets: [number, number];
  bytes: [number, number];
  firstAt: number;
  lastAt: number;
  line: number;
  rate: number;
  service: number;
}

export interface Read {
  /** Closed flows, in the order of their ends. */
  flows: Told[];
  faults: { code: string; line: number }[];
}

const states = Object.keys(FlowState);

export function toldOf(b: FlowBatch, i: number): Told {
  const from = formatAddress(b.addresses, 8 * i);
  const to = formatAddress(b.addresses, 8 * i + 4);
  return {
    ends: `${from} ${b.originatorPort[i]} ${to} ${b.responderPort[i]}`,
    protocol: b.protocol[i]!,
    state: states[b.state[i]!]!,
    packets: [b.originatorPackets[i]!, b.responderPackets[i]!],
    bytes: [b.originatorIpBytes[i]!, b.responderIpBytes[i]!],
    firstAt: b.firstAt[i]!,
    lastAt: b.lastAt[i]!,
    line: b.place[i]!,
    rate: b.samplingRate[i]!,
    service: b.service[i]!,
  };
}

export function byEnds(a: Told, b: Told): number {
  return a.ends < b.ends ? -1 : a.ends > b.ends ? 1 : a.firstAt - b.firstAt;
}

/** Reads texts one behind the other with one decoder; every column that was lent is spoiled afterwards. */
export async function readTexts(
  kind: SourceKind,
  decoder: Decoder,
  texts: readonly string[],
  step = 1 << 16,
): Promise<Read> {
  const out: Read = { flows: [], faults: [] };
  const flows: Sink = {
    emit: (b: EventBatch): void => {
      if (!(b instanceof FlowBatch)) return;
      for (let i = 0; i < b.count; i++) if (b.phase[i] === FlowPhase.Close) out.flows.push(toldOf(b, i));
    },
    fault: (code, _origin, line) => void out.faults.push({ code, line }),
  };
  const sink: Sink = {
    emit: (b) => {
      decoder.decode(b, flows);
      let newest = Number.NEGATIVE_INFINITY;
      for (let i = 0; i < (b as FlowBatch).count; i++) newest = Math.max(newest, (b as FlowBatch).at[i]!);
      for (const column of Object.values(b)) if (ArrayBuffer.isView(column)) new Uint8Array(column.buffer).fill(0xa5);
      decoder.advance(newest, flows);
    },
    fault: flows.fault,
  };
  for (const text of texts) {
    const reader = new Drip(text, step);
    await reader.fill(4096);
    const source = kind.open(reader, 'flows.csv');
    while (await source.pull(Number.POSITIVE_INFINITY, sink));
    source.close();
  }
  decoder.end(flows);
  return out;
}
