// Signalling written byte by byte for tests, sharing nothing with the decoders, and the decoders joined into a chain as the
// pipeline joins them.
import { diameter } from '#decoders/diameter';
import { ip } from '#decoders/ip';
import { m2pa } from '#decoders/m2pa';
import { m3ua } from '#decoders/m3ua';
import { map } from '#decoders/map';
import { sccp } from '#decoders/sccp';
import { sctp } from '#decoders/sctp';
import { tcp } from '#decoders/tcp';
import { type Decoder, type EventBatch, FrameBatch, type SignallingMessage, type Sink } from '#events';

export const cat = (...parts: (Uint8Array | readonly number[])[]): Buffer =>
  Buffer.concat(parts.map((p) => Buffer.from(p)));

/** Tag, shortest length, contents. */
export function tlv(tag: number, ...parts: (Uint8Array | readonly number[])[]): Buffer {
  const body = cat(...parts);
  const head =
    body.length < 128
      ? [body.length]
      : body.length < 256
        ? [0x81, body.length]
        : [0x82, body.length >> 8, body.length & 255];
  return cat([tag], head, body);
}

/** Swapped nibbles; `filler` fills an odd count. */
export function digits(text: string, filler: number): Buffer {
  const out: number[] = [];
  for (let i = 0; i < text.length; i += 2) {
    const high = i + 1 < text.length ? Number(text[i + 1]) : filler;
    out.push((high << 4) | Number(text[i]));
  }
  return Buffer.from(out);
}
export const imsi = (text: string): Buffer => digits(text, 15);
export const isdn = (text: string): Buffer => cat([0x91], digits(text, 15));

export const oid = (arcs: readonly number[]): Buffer => Buffer.from([40 * arcs[0]! + arcs[1]!, ...arcs.slice(2)]);
export const context = (package_: number, version: number): Buffer =>
  tlv(
    0x6b,
    tlv(
      0x28,
      tlv(0x06, oid([0, 0, 17]).subarray(0, 1), [0x11, 0x86, 0x05, 1, 1, 1]),
      tlv(0xa0, tlv(0x60, [0x80, 2, 7, 0x80], tlv(0xa1, tlv(0x06, oid([0, 4, 0, 0, 1, 0, package_, version]))))),
    ),
  );

export const invoke = (id: number, code: number, argument: Uint8Array | readonly number[] = []): Buffer =>
  tlv(0xa1, [2, 1, id], [2, 1, code], argument);
export const result = (id: number, code: number, value: Uint8Array): Buffer =>
  tlv(0xa2, [2, 1, id], tlv(0x30, [2, 1, code], value));
export const failure = (id: number, code: number): Buffer => tlv(0xa3, [2, 1, id], [2, 1, code]);

export function begin(tid: readonly number[], dialogue: Uint8Array | undefined, ...components: Uint8Array[]): Buffer {
  return tlv(0x62, tlv(0x48, tid), dialogue ?? [], tlv(0x6c, ...components));
}
export const continues = (own: readonly number[], other: readonly number[], ...components: Uint8Array[]): Buffer =>
  tlv(0x65, tlv(0x48, own), tlv(0x49, other), tlv(0x6c, ...components));
export const ends = (other: readonly number[], ...components: Uint8Array[]): Buffer =>
  tlv(0x64, tlv(0x49, other), tlv(0x6c, ...components));

/** A party with a global title of format 4. */
export function party(title: string, ssn: number): Buffer {
  return cat([0x12, ssn, 0, 0x10 | (title.length & 1 ? 1 : 2), 4], digits(title, 0));
}
export function udt(called: Uint8Array, calling: Uint8Array, data: Uint8Array, type = 9): Buffer {
  const a = tlv0(called);
  const b = tlv0(calling);
  return cat([type, type === 9 ? 0 : 1, 3, 2 + a.length, 1 + a.length + b.length], a, b, [data.length], data);
}
const tlv0 = (body: Uint8Array): Buffer => cat([body.length], body);

/** XUDT with a segmentation parameter. */
export function xudt(
  called: Uint8Array,
  calling: Uint8Array,
  data: Uint8Array,
  first: boolean,
  remaining: number,
  reference: number,
): Buffer {
  const a = tlv0(called);
  const b = tlv0(calling);
  const d = tlv0(data);
  const option = [
    0x10,
    4,
    (first ? 0x80 : 0) | 0x40 | remaining,
    reference & 255,
    (reference >> 8) & 255,
    reference >> 16,
    0,
  ];
  return cat(
    [0x11, 1, 15, 4, 3 + a.length, 2 + a.length + b.length, 1 + a.length + b.length + d.length],
    a,
    b,
    d,
    option,
  );
}

export function m3uaData(sccpBytes: Uint8Array): Buffer {
  const length = 16 + sccpBytes.length;
  const padded = (length + 3) & ~3;
  const b = Buffer.alloc(8 + padded);
  b.set([1, 0, 1, 1]);
  b.writeUInt32BE(8 + padded, 4);
  b.writeUInt16BE(0x0210, 8);
  b.writeUInt16BE(length, 10);
  b.writeUInt32BE(11, 12);
  b.writeUInt32BE(22, 16);
  b[20] = 3;
  b[21] = 2;
  b.set(sccpBytes, 24);
  return b;
}

export function chunk(tsn: number, ppid: number, data: Uint8Array, flags = 3): Buffer {
  const b = Buffer.alloc((16 + data.length + 3) & ~3);
  b[1] = flags;
  b.writeUInt16BE(16 + data.length, 2);
  b.writeUInt32BE(tsn >>> 0, 4);
  b.writeUInt32BE(ppid >>> 0, 12);
  b.set(data, 16);
  return b;
}

export function ethernet(from: string, to: string, protocol: number, payload: Uint8Array): Buffer {
  const address = (text: string): number[] => text.split('.').map(Number);
  const total = 20 + payload.length;
  return cat(
    [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0],
    [0x45, 0, total >> 8, total & 255, 0, 0, 0, 0, 64, protocol, 0, 0, ...address(from), ...address(to)],
    payload,
  );
}
export const sctpPacket = (from: string, to: string, port: number, ...chunks: Uint8Array[]): Buffer =>
  ethernet(from, to, 132, cat([port >> 8, port & 255, port >> 8, port & 255, 0, 0, 0, 1, 0, 0, 0, 0], ...chunks));

export function avp(code: number, data: Uint8Array | readonly number[] | string, vendor = 0, length = -1): Buffer {
  const body = typeof data === 'string' ? Buffer.from(data) : Buffer.from(data);
  const head = vendor === 0 ? 8 : 12;
  const b = Buffer.alloc((head + body.length + 3) & ~3);
  b.writeUInt32BE(code, 0);
  b.writeUInt32BE(((vendor === 0 ? 0x40 : 0xc0) << 24) >>> 0, 4);
  b.writeUIntBE(length < 0 ? head + body.length : length, 5, 3);
  if (vendor !== 0) b.writeUInt32BE(vendor, 8);
  b.set(body, head);
  return b;
}
export function diameterMessage(
  request: boolean,
  command: number,
  application: number,
  id: number,
  ...avps: Uint8Array[]
): Buffer {
  const body = cat(...avps);
  const b = Buffer.alloc(20);
  b[0] = 1;
  b.writeUIntBE(20 + body.length, 1, 3);
  b[4] = request ? 0xc0 : 0x40;
  b.writeUIntBE(command, 5, 3);
  b.writeUInt32BE(application, 8);
  b.writeUInt32BE(id, 12);
  b.writeUInt32BE(id, 16);
  return cat(b, body);
}

/** The decoders as the pipeline joins them; frames go in, records and faults come out. */
export class Chain implements Sink {
  readonly messages: SignallingMessage[] = [];
  readonly faults: string[] = [];
  readonly #decoders: Decoder[] = [ip, tcp, sctp, m3ua, m2pa, sccp, map, diameter].map((k) => k.create());
  readonly #frames = new FrameBatch();
  #place = 0;
  keep = true;
  count = 0;

  emit(batch: EventBatch): void {
    if (batch.kind === 'signalling') {
      this.count += batch.records.length;
      if (this.keep) this.messages.push(...batch.records);
    }
    for (const d of this.#decoders) if (d.card.takes.includes(batch.kind)) d.decode(batch, this);
  }
  fault(code: string): void {
    if (this.keep) this.faults.push(code);
  }
  frame(bytes: Uint8Array, at: number, linkType = 1, place = ++this.#place): void {
    const f = this.#frames;
    f.origin = { file: 'test', placed: 'frame' };
    f.count = 1;
    f.bytes = bytes;
    f.at[0] = at;
    f.place[0] = place;
    f.offset[0] = 0;
    f.length[0] = bytes.length;
    f.wireLength[0] = bytes.length;
    f.linkType[0] = linkType;
    this.emit(f);
  }
  advance(to: number): void {
    for (const d of this.#decoders) d.advance(to, this);
  }
  end(): void {
    for (const d of this.#decoders) d.end(this);
  }
  /** Settled messages only. */
  get settled(): SignallingMessage[] {
    return this.messages.filter((m) => m.outcome !== 'pending');
  }
}

/** Classic pcap, either byte order, micro- or nanoseconds. */
export function* pcapFrames(
  file: Uint8Array,
): Generator<{ bytes: Uint8Array; at: number; linkType: number; place: number }> {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const magic = view.getUint32(0, true);
  const little = magic === 0xa1b2c3d4 || magic === 0xa1b23c4d;
  const nano = magic === 0xa1b23c4d || view.getUint32(0) === 0xa1b23c4d;
  const linkType = view.getUint32(20, little) & 0xffff;
  let place = 0;
  for (let at = 24; at + 16 <= file.length; ) {
    const length = view.getUint32(at + 8, little);
    const sub = view.getUint32(at + 4, little);
    place += 1;
    yield {
      bytes: file.subarray(at + 16, at + 16 + length),
      at: view.getUint32(at, little) * 1e6 + (nano ? Math.floor(sub / 1000) : sub),
      linkType,
      place,
    };
    at += 16 + length;
  }
}
