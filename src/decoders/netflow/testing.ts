// Export datagrams for tests, byte by byte, and what the decoder makes of them.
import {
  type Decoder,
  type EventBatch,
  FlowBatch,
  formatAddress,
  type Origin,
  PacketBatch,
  parseAddress,
} from '#events';
import { type Flow, flowsOf } from '../flow/testing.ts';
import { Conversations } from './conversations.ts';
import { netflow } from './netflow.ts';
import type { FlowRecord } from './record.ts';

export type { Flow } from '../flow/testing.ts';

/** 2023-11-14T22:13:20Z. */
export const T0 = 1_700_000_000;

export interface Told {
  ends: string;
  protocol: number;
  packets: number;
  bytes: number;
  reverse: [packets: number, bytes: number];
  flags: number;
  firstAt: number;
  lastAt: number;
  rate: number;
  icmpType: number;
}

export interface Sent {
  /** Seconds after T0. */
  at?: number;
  from?: string;
  fromPort?: number;
  port?: number;
  bytes: Uint8Array;
}

/** The decoder, the rows and faults it gave, and the records on their way to flows. */
export class Collector {
  readonly flows: Flow[] = [];
  /** Sampling rates of closed flows. */
  readonly rates: number[] = [];
  readonly faults: { code: string; place: number; offset: number; file: string }[] = [];
  /** Text of what could not be seen, by its short name. */
  readonly coverage = new Map<string, string>();
  readonly decoder: Decoder;
  origin: Origin = { file: 'test.pcap', placed: 'frame' };
  #place = 0;
  readonly sink = {
    emit: (batch: EventBatch): void => {
      if (!(batch instanceof FlowBatch)) return;
      for (const flow of flowsOf(batch)) this.flows.push(flow);
      if (batch instanceof FlowBatch)
        for (let i = 0; i < batch.count; i++) if (batch.phase[i] === 2) this.rates.push(batch.samplingRate[i]!);
      batch.addresses.fill(0xa5a5a5a5);
    },
    fault: (code: string, origin: Origin, place: number, offset: number): void => {
      this.faults.push({ code, place, offset, file: origin.file });
    },
    cover: (_plane: string, what: string, count: number, text: string): void => {
      this.coverage.set(what, `${count}: ${text}`);
    },
  };

  /** @param sampling what the operator set for every exporter, 0 for nothing */
  constructor(sampling = 0) {
    this.decoder = netflow.create({ samplingOf: () => sampling });
  }

  /** One datagram a batch; the batch's octets are spoiled behind it. */
  send(...datagrams: readonly Sent[]): this {
    for (const d of datagrams) {
      const b = packetOf(d, ++this.#place, this.origin);
      this.decoder.advance(b.at[0]!, this.sink);
      this.decoder.decode(b, this.sink);
      b.bytes.fill(0xa5);
    }
    return this;
  }

  /** A batch as it is. */
  take(b: EventBatch): void {
    // A structured clone has lost its class.
    this.decoder.decode(Object.setPrototypeOf(b, PacketBatch.prototype) as PacketBatch, this.sink);
  }

  advance(seconds: number): this {
    this.decoder.advance((T0 + seconds) * 1e6, this.sink);
    return this;
  }

  /** Closed flows at the end of the input. */
  closed(): Flow[] {
    this.decoder.end(this.sink);
    return this.flows.filter((f) => f.phase === 2);
  }

  codes(): string[] {
    return this.faults.map((f) => f.code);
  }
}

export function packetOf(d: Sent, place: number, origin: Origin): PacketBatch {
  const b = new PacketBatch();
  b.origin = origin;
  b.count = 1;
  // A Buffer, as sources lend: its slice() is no copy.
  b.bytes = Buffer.from(d.bytes);
  b.at[0] = (T0 + (d.at ?? 0)) * 1e6;
  b.place[0] = place;
  parseAddress(d.from ?? '192.0.2.1', b.addresses, 0);
  parseAddress('192.0.2.2', b.addresses, 4);
  b.protocol[0] = 17;
  b.sourcePort[0] = d.fromPort ?? 40_000;
  b.destinationPort[0] = d.port ?? 2055;
  b.payloadBytes[0] = d.bytes.length;
  b.payloadCaptured[0] = d.bytes.length;
  return b;
}

/** Runs with every record noted on its way into the flow table. */
export function recording<T>(run: () => T): { result: T; records: Told[] } {
  const records: Told[] = [];
  const take = Conversations.prototype.take;
  Conversations.prototype.take = function (r: FlowRecord, ...rest): void {
    records.push(toldOf(r));
    take.call(this, r, ...rest);
  };
  try {
    return { result: run(), records };
  } finally {
    Conversations.prototype.take = take;
  }
}

function toldOf(r: FlowRecord): Told {
  return {
    ends: `${formatAddress(r.addresses, 0)}:${r.sourcePort} > ${formatAddress(r.addresses, 4)}:${r.destinationPort}`,
    protocol: r.protocol,
    packets: r.packets,
    bytes: r.bytes,
    reverse: [r.reversePackets, r.reverseBytes],
    flags: r.tcpFlags,
    firstAt: r.firstAt,
    lastAt: r.lastAt,
    rate: r.rate,
    icmpType: r.icmpType,
  };
}

/** Big-endian octets: [value, width] pairs, and octets as they are. */
export function octets(...parts: readonly (readonly [value: number, width: number] | Uint8Array)[]): Uint8Array {
  const out: number[] = [];
  for (const part of parts) {
    if (part instanceof Uint8Array) out.push(...part);
    else for (let k = part[1] - 1; k >= 0; k--) out.push(Math.floor(part[0] / 256 ** k) % 256);
  }
  return Uint8Array.from(out);
}

export const ip4 = (text: string): Uint8Array => Uint8Array.from(text.split('.').map(Number));

export interface V5Record {
  from?: string;
  to?: string;
  packets?: number;
  bytes?: number;
  first?: number;
  last?: number;
  fromPort?: number;
  toPort?: number;
  flags?: number;
  protocol?: number;
}

/** @param seconds of the header, from T0 */
export function v5(
  records: readonly V5Record[],
  header: { seconds?: number; uptime?: number; sequence?: number; sampling?: number; count?: number } = {},
): Uint8Array {
  const uptime = header.uptime ?? 1_000_000;
  return octets(
    [5, 2],
    [header.count ?? records.length, 2],
    [uptime, 4],
    [T0 + (header.seconds ?? 0), 4],
    [0, 4],
    [header.sequence ?? 0, 4],
    [0, 2],
    [header.sampling ?? 1, 2],
    ...records.map((r) =>
      octets(
        ip4(r.from ?? '10.0.0.1'),
        ip4(r.to ?? '10.0.0.2'),
        [0, 8],
        [r.packets ?? 1, 4],
        [r.bytes ?? 100, 4],
        [r.first ?? uptime - 1000, 4],
        [r.last ?? r.first ?? uptime - 1000, 4],
        [r.fromPort ?? 40_000, 2],
        [r.toPort ?? 443, 2],
        [0, 1],
        [r.flags ?? 0, 1],
        [r.protocol ?? 17, 1],
        [0, 9],
      ),
    ),
  );
}

export type Field = readonly [element: number, length: number, enterprise?: number];

export function v9(
  sets: readonly Uint8Array[],
  header: { seconds?: number; uptime?: number; sequence?: number; domain?: number; count?: number } = {},
): Uint8Array {
  return octets(
    [9, 2],
    [header.count ?? sets.length, 2],
    [header.uptime ?? 1_000_000, 4],
    [T0 + (header.seconds ?? 0), 4],
    [header.sequence ?? 0, 4],
    [header.domain ?? 1, 4],
    ...sets,
  );
}

export function ipfix(
  sets: readonly Uint8Array[],
  header: { seconds?: number; sequence?: number; domain?: number } = {},
): Uint8Array {
  const body = octets(...sets);
  return octets(
    [10, 2],
    [16 + body.length, 2],
    [T0 + (header.seconds ?? 0), 4],
    [header.sequence ?? 0, 4],
    [header.domain ?? 1, 4],
    body,
  );
}

export function set(id: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const body = octets(...parts);
  return octets([id, 2], [4 + body.length, 2], body);
}

const fieldOctets = ([element, length, enterprise]: Field): Uint8Array =>
  enterprise === undefined
    ? octets([element, 2], [length, 2])
    : octets([element | 0x8000, 2], [length, 2], [enterprise, 4]);

export const template = (id: number, fields: readonly Field[]): Uint8Array =>
  octets([id, 2], [fields.length, 2], ...fields.map(fieldOctets));

/** Field lengths in octets, as v9 has them. */
export const optionsV9 = (id: number, scopes: readonly Field[], fields: readonly Field[]): Uint8Array =>
  octets([id, 2], [4 * scopes.length, 2], [4 * fields.length, 2], ...[...scopes, ...fields].map(fieldOctets));

export const optionsIpfix = (id: number, scopes: readonly Field[], fields: readonly Field[]): Uint8Array =>
  octets([id, 2], [scopes.length + fields.length, 2], [scopes.length, 2], ...[...scopes, ...fields].map(fieldOctets));

/** Addresses, ports, protocol, flags, packets, octets, and uptime of first and last. */
export const PLAIN: readonly Field[] = [
  [8, 4],
  [12, 4],
  [7, 2],
  [11, 2],
  [4, 1],
  [6, 1],
  [2, 4],
  [1, 4],
  [22, 4],
  [21, 4],
];

export function plain(r: V5Record = {}): Uint8Array {
  return octets(
    ip4(r.from ?? '10.0.0.1'),
    ip4(r.to ?? '10.0.0.2'),
    [r.fromPort ?? 40_000, 2],
    [r.toPort ?? 443, 2],
    [r.protocol ?? 17, 1],
    [r.flags ?? 0, 1],
    [r.packets ?? 1, 4],
    [r.bytes ?? 100, 4],
    [r.first ?? 999_000, 4],
    [r.last ?? r.first ?? 999_000, 4],
  );
}

/** sFlow v5 of one agent: each frame a sample. */
export function sflow(
  frames: readonly Uint8Array[],
  options: { rate?: number; expanded?: boolean; sequence?: number } = {},
): Uint8Array {
  const { rate = 1, expanded = false, sequence = 0 } = options;
  const samples = frames.map((frame) => {
    const padded = octets(frame, new Uint8Array((4 - (frame.length % 4)) % 4));
    const record = octets(
      [1, 4],
      [16 + padded.length, 4],
      [1, 4],
      [frame.length + 4, 4],
      [4, 4],
      [frame.length, 4],
      padded,
    );
    const wide: readonly [number, number][] = expanded
      ? [
          [0, 4],
          [3, 4],
        ]
      : [[3, 4]];
    const ports: readonly [number, number][] = expanded
      ? [
          [0, 4],
          [1, 4],
          [0, 4],
          [2, 4],
        ]
      : [
          [1, 4],
          [2, 4],
        ];
    const body = octets([1, 4], ...wide, [rate, 4], [0, 4], [0, 4], ...ports, [1, 4], record);
    return octets([expanded ? 3 : 1, 4], [body.length, 4], body);
  });
  const counters = octets([2, 4], [12, 4], [1, 4], [1, 4], [0, 4]);
  return octets(
    [5, 4],
    [1, 4],
    ip4('192.0.2.1'),
    [0, 4],
    [sequence, 4],
    [1000, 4],
    [samples.length + 1, 4],
    counters,
    ...samples,
  );
}
