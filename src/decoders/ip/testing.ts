// Rows of frames for tests, owned, and packets made by an encoder that shares nothing with the decoder.
import { ip } from '#decoders/ip';
import { type EventBatch, FrameBatch, formatAddress, PacketBatch, type Sink } from '#events';

export interface Row {
  place: number;
  at: number;
  from: string;
  to: string;
  ports: [number, number];
  protocol: number;
  /** Captured payload, hex. */
  payload: string;
  payloadBytes: number;
  ipBytes: number;
  parts: number;
  vlan: number;
  fragment: number;
}

/** Owns what it is lent, and spoils the batch afterwards as the pipeline's poison mode does. */
export class Collector implements Sink {
  readonly rows: Row[] = [];
  readonly faults: string[] = [];
  /** Place of each fault, as `faults` has them. */
  readonly places: number[] = [];
  /** Whether a range lay outside of its bytes. */
  broken = false;

  emit(batch: EventBatch): void {
    if (!(batch instanceof PacketBatch)) return;
    for (let i = 0; i < batch.count; i++) this.rows.push(this.#row(batch, i));
    for (const column of Object.values(batch))
      if (ArrayBuffer.isView(column) && column !== batch.bytes) (column as Uint8Array).fill(0xa5);
  }

  #row(p: PacketBatch, i: number): Row {
    const offset = p.payloadOffset[i]!;
    const captured = p.payloadCaptured[i]!;
    if (offset < 0 || captured < 0 || offset + captured > p.bytes.length || captured > p.payloadBytes[i]!)
      this.broken = true;
    return {
      place: p.place[i]!,
      at: p.at[i]!,
      from: formatAddress(p.addresses, 8 * i),
      to: formatAddress(p.addresses, 8 * i + 4),
      ports: [p.sourcePort[i]!, p.destinationPort[i]!],
      protocol: p.protocol[i]!,
      payload: Buffer.from(p.bytes.subarray(offset, offset + captured)).toString('hex'),
      payloadBytes: p.payloadBytes[i]!,
      ipBytes: p.ipBytes[i]!,
      parts: p.parts[i]!,
      vlan: p.vlan[i]!,
      fragment: p.fragment[i]!,
    };
  }

  fault(code: string, _origin: unknown, place: number): void {
    this.faults.push(code);
    this.places.push(place);
  }
}

/** Frames of one link type in one batch, in the order of time, one microsecond after another unless `at` says otherwise. */
export function framesOf(packets: readonly Uint8Array[], linkType: number, at = (n: number): number => n): FrameBatch {
  const frames = new FrameBatch();
  frames.bytes = Buffer.concat(packets);
  frames.count = packets.length;
  let offset = 0;
  for (const [n, packet] of packets.entries()) {
    frames.at[n] = at(n);
    frames.place[n] = n + 1;
    frames.offset[n] = offset;
    frames.length[n] = packet.length;
    frames.wireLength[n] = packet.length;
    frames.linkType[n] = linkType;
    offset += packet.length;
  }
  return frames;
}

/** All frames through a decoder of their own, to the end; the source's bytes are gone after each batch. */
export function run(packets: readonly Uint8Array[], linkType: number, at?: (n: number) => number): Collector {
  const collector = new Collector();
  const decoder = ip.create();
  for (let n = 0; n < packets.length; n += 1024) {
    const frames = framesOf(packets.slice(n, n + 1024), linkType, at);
    decoder.decode(frames, collector);
    frames.bytes.fill(0xa5);
  }
  decoder.end(collector);
  return collector;
}

export const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replace(/\s+/g, ''), 'hex'));

const word = (n: number): number[] => [(n >> 8) & 255, n & 255];

/** An IPv4 packet without a checksum. @param field flags and fragment offset */
export function ipv4(protocol: number, payload: Uint8Array, id = 1, field = 0, from = 1, to = 2): Uint8Array {
  const total = 20 + payload.length;
  return Buffer.concat([
    Buffer.from([
      0x45,
      0,
      ...word(total),
      ...word(id),
      ...word(field),
      64,
      protocol,
      0,
      0,
      10,
      0,
      0,
      from,
      10,
      0,
      0,
      to,
    ]),
    payload,
  ]);
}

/** An IPv6 packet. */
export function ipv6(next: number, payload: Uint8Array, from = 1, to = 2): Uint8Array {
  const address = (last: number): number[] => [0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last];
  return Buffer.concat([
    Buffer.from([0x60, 0, 0, 0, ...word(payload.length), next, 64, ...address(from), ...address(to)]),
    payload,
  ]);
}

export function udp(from: number, to: number, payload: Uint8Array): Uint8Array {
  return Buffer.concat([Buffer.from([...word(from), ...word(to), ...word(8 + payload.length), 0, 0]), payload]);
}

export function ethernet(type: number, payload: Uint8Array): Uint8Array {
  return Buffer.concat([Buffer.from([2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, ...word(type)]), payload]);
}

/** Fragments of a datagram's payload, cut at `cuts` (octets, multiples of eight, rising). */
export function fragments(
  version: 4 | 6,
  protocol: number,
  payload: Uint8Array,
  cuts: readonly number[],
): Uint8Array[] {
  const edges = [0, ...cuts.filter((c) => c > 0 && c < payload.length), payload.length];
  return edges
    .slice(1)
    .map((to, n) => fragment(version, protocol, payload.subarray(edges[n]!, to), edges[n]!, to < payload.length));
}

export function fragment(
  version: 4 | 6,
  protocol: number,
  data: Uint8Array,
  offset: number,
  more: boolean,
  id = 7,
): Uint8Array {
  if (version === 4) return ipv4(protocol, data, id, (offset >> 3) | (more ? 0x2000 : 0));
  const header = Buffer.from([protocol, 0, ...word(offset | (more ? 1 : 0)), 0, 0, ...word(id)]);
  return ipv6(44, Buffer.concat([header, data]));
}
