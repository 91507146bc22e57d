// Packets for tests as rows, and flows read back as plain objects before the batch is spoiled.
import {
  type Decoder,
  type EventBatch,
  FlowBatch,
  FlowState,
  formatAddress,
  PacketBatch,
  parseAddress,
  type Sink,
} from '#events';
import { flow } from './flow.ts';

export interface Packet {
  /** Seconds. */
  at?: number;
  from?: string;
  to?: string;
  fromPort?: number;
  toPort?: number;
  /** Protocol number; 6 where it is not told. */
  protocol?: number;
  /** Letters of TCP flags: S A F R P. */
  flags?: string;
  sequence?: number;
  icmp?: number;
  /** TCP window; 8192 where it is not told. */
  window?: number;
  /** Fragments that it came in. */
  parts?: number;
  vlan?: number;
  /** Payload bytes, or how many of them. */
  payload?: Uint8Array | number;
  /** How much of the payload was captured; all where it is not told. */
  captured?: number;
  fragment?: boolean;
}

export interface Flow {
  phase: number;
  at: number;
  firstAt: number;
  lastAt: number;
  flow: number;
  ends: string;
  from: string;
  to: string;
  state: string;
  protocol: number;
  service: number;
  name: string;
  targetPort: number;
  ja4: string;
  alpn: string;
  /** Hexadecimal. */
  certificate: string;
  history: string;
  packets: [number, number];
  ipBytes: [number, number];
  payload: [number, number];
  delta: [number, number];
  place: number;
  lastPlace: number;
}

const stateWords = Object.keys(FlowState);
const flagBits: Readonly<Record<string, number>> = { F: 1, S: 2, R: 4, P: 8, A: 16 };

export function packetBatch(packets: readonly Packet[], firstPlace = 1): PacketBatch {
  const b = new PacketBatch();
  b.origin = { file: 'test.pcap', placed: 'frame' };
  const parts: Uint8Array[] = [];
  let end = 0;
  for (const [i, p] of packets.entries()) {
    const payload = typeof p.payload === 'number' ? new Uint8Array(p.payload) : (p.payload ?? new Uint8Array(0));
    const protocol = p.protocol ?? 6;
    b.at[i] = 1.7e15 + Math.round((p.at ?? 0) * 1e6);
    b.place[i] = firstPlace + i;
    if (!parseAddress(p.from ?? '10.0.0.1', b.addresses, 8 * i)) throw new Error(`no address: ${p.from}`);
    if (!parseAddress(p.to ?? '10.0.0.2', b.addresses, 8 * i + 4)) throw new Error(`no address: ${p.to}`);
    b.protocol[i] = protocol;
    b.sourcePort[i] = p.fromPort ?? 0;
    b.destinationPort[i] = p.toPort ?? 0;
    b.tcpFlags[i] = [...(p.flags ?? '')].reduce((bits, letter) => bits | flagBits[letter]!, 0);
    b.tcpSequence[i] = p.sequence ?? 0;
    b.icmp[i] = (p.icmp ?? 0) << 8;
    b.tcpWindow[i] = p.window ?? 8192;
    b.parts[i] = p.parts ?? 1;
    b.vlan[i] = p.vlan ?? 0;
    b.fragment[i] = p.fragment === true ? 1 : 0;
    b.ipBytes[i] = 20 + (protocol === 6 ? 20 : 8) + payload.length;
    b.payloadBytes[i] = payload.length;
    b.payloadOffset[i] = end;
    b.payloadCaptured[i] = p.captured ?? payload.length;
    parts.push(payload);
    end += payload.length;
  }
  b.bytes = Buffer.concat(parts);
  b.count = packets.length;
  return b;
}

export function flowsOf(b: FlowBatch): Flow[] {
  return Array.from({ length: b.count }, (_, i) => {
    const from = `${formatAddress(b.addresses, 8 * i)}:${b.originatorPort[i]}`;
    const to = `${formatAddress(b.addresses, 8 * i + 4)}:${b.responderPort[i]}`;
    const bytes = (from: Int32Array, length: Int32Array): Buffer =>
      Buffer.from(b.bytes.subarray(from[i]!, from[i]! + length[i]!));
    return {
      phase: b.phase[i]!,
      at: b.at[i]!,
      firstAt: b.firstAt[i]!,
      lastAt: b.lastAt[i]!,
      flow: b.flow[i]!,
      ends: `${from} > ${to}`,
      from,
      to,
      state: stateWords[b.state[i]!]!,
      protocol: b.protocol[i]!,
      service: b.service[i]!,
      name: bytes(b.nameOffset, b.nameBytes).toString('latin1'),
      targetPort: b.targetPort[i]!,
      ja4: bytes(b.ja4Offset, b.ja4Bytes).toString('latin1'),
      alpn: bytes(b.alpnOffset, b.alpnBytes).toString('latin1'),
      certificate: bytes(b.certificateOffset, b.certificateBytes).toString('hex'),
      history: bytes(b.historyOffset, b.historyBytes).toString('latin1'),
      packets: [b.originatorPackets[i]!, b.responderPackets[i]!],
      ipBytes: [b.originatorIpBytes[i]!, b.responderIpBytes[i]!],
      payload: [b.originatorPayloadBytes[i]!, b.responderPayloadBytes[i]!],
      delta: [b.originatorPayloadDelta[i]!, b.responderPayloadDelta[i]!],
      place: b.place[i]!,
      lastPlace: b.lastPlace[i]!,
    };
  });
}

/** The decoder with all the rows it gave; event time is advanced to each packet's. */
export class Assembler {
  readonly rows: Flow[] = [];
  readonly decoder: Decoder = flow.create();
  #place = 1;
  readonly sink = {
    emit: (batch: EventBatch): void => {
      if (!(batch instanceof FlowBatch)) return;
      for (const row of flowsOf(batch)) this.rows.push(row);
      batch.bytes.fill(0xa5);
      batch.addresses.fill(0xa5a5a5a5);
    },
    fault: (code: string): void => {
      throw new Error(`unexpected fault ${code}`);
    },
  };

  /** One packet a call: a batch each, time advanced before it. */
  take(...packets: readonly Packet[]): this {
    for (const p of packets) {
      const batch = packetBatch([p], this.#place++);
      this.decoder.advance(batch.at[0]!, this.sink);
      this.decoder.decode(batch, this.sink);
    }
    return this;
  }

  /** Closed flows after the end of the input, in the order of their closing. */
  closed(): Flow[] {
    this.decoder.end(this.sink);
    return this.rows.filter((r) => r.phase === 2);
  }
}

/** A packet the other way. */
export const back = (p: Packet, more: Packet = {}): Packet => ({
  ...p,
  from: p.to ?? '10.0.0.2',
  to: p.from ?? '10.0.0.1',
  fromPort: p.toPort ?? 0,
  toPort: p.fromPort ?? 0,
  ...more,
});

/** What a test opens: a source, which this room does not know. */
export interface Frames {
  pull(until: number, sink: Sink): Promise<boolean>;
  close(): void;
}

/** Closed flows of a capture, through ip and flow as the pipeline joins them. */
export async function flowsFrom(source: Frames, link: Decoder): Promise<Flow[]> {
  const decoder = flow.create();
  const flows: Flow[] = [];
  let at = 0;
  const sink: Sink = {
    emit: (b: EventBatch) => {
      if (b.kind === 'frame') link.decode(b, sink);
      else if (b.kind === 'packet') {
        decoder.decode(b, sink);
        at = Math.max(at, b.at[b.count - 1] ?? 0);
      } else if (b.kind === 'flow') for (const row of flowsOf(b)) if (row.phase === 2) flows.push(row);
    },
    fault: () => {},
  };
  while (await source.pull(Number.POSITIVE_INFINITY, sink)) decoder.advance(at, sink);
  source.close();
  link.end(sink);
  decoder.end(sink);
  return flows;
}
