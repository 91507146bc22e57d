// Reads back, for tests, what the range writes: captures and Frame Streams, by hand and apart from the encoders.
import { readFileSync } from 'node:fs';

export interface ReadMessage {
  readonly at: number;
  readonly frame: number;
  readonly isResponse: boolean;
  readonly client: string;
  readonly clientPort: number;
  readonly server: string;
  readonly id: number;
  readonly flags: number;
  readonly rcode: number;
  /** Labels as Latin-1. */
  readonly labels: readonly string[];
  readonly qtype: number;
  readonly answers: number;
  readonly payload: Buffer;
}

function address(b: Buffer, at: number): string {
  return [...b.subarray(at, at + 4)].join('.');
}

/** DNS over UDP and IPv4 in a classic little-endian capture of Ethernet frames. */
export function readCapture(path: string): ReadMessage[] {
  const file = readFileSync(path);
  const out: ReadMessage[] = [];
  let frame = 0;
  for (let o = 24; o < file.length; ) {
    const length = file.readUInt32LE(o + 8);
    const at = file.readUInt32LE(o) * 1e6 + file.readUInt32LE(o + 4);
    const b = file.subarray(o + 16, o + 16 + length);
    o += 16 + length;
    frame += 1;
    const payload = b.subarray(42, 34 + b.readUInt16BE(38));
    const isResponse = (payload[2]! & 0x80) !== 0;
    const labels: string[] = [];
    let p = 12;
    for (; payload[p]! > 0; p += 1 + payload[p]!)
      labels.push(payload.subarray(p + 1, p + 1 + payload[p]!).toString('latin1'));
    out.push({
      at,
      frame,
      isResponse,
      client: address(b, isResponse ? 30 : 26),
      clientPort: b.readUInt16BE(isResponse ? 36 : 34),
      server: address(b, isResponse ? 26 : 30),
      id: payload.readUInt16BE(0),
      flags: payload.readUInt16BE(2),
      rcode: payload[3]! & 15,
      labels,
      qtype: payload.readUInt16BE(p + 1),
      answers: payload.readUInt16BE(6),
      payload,
    });
  }
  return out;
}

/** Data frames of a unidirectional Frame Streams file. @throws Error where START or STOP is missing */
export function readFrameStreams(path: string): Buffer[] {
  const file = readFileSync(path);
  const out: Buffer[] = [];
  const controls: number[] = [];
  for (let o = 0; o < file.length; ) {
    const length = file.readUInt32BE(o);
    if (length === 0) {
      controls.push(file.readUInt32BE(o + 8));
      o += 8 + file.readUInt32BE(o + 4);
    } else {
      out.push(file.subarray(o + 4, o + 4 + length));
      o += 4 + length;
    }
  }
  if (controls.join() !== '2,3') throw new Error(`control frames ${controls.join()}, not START and STOP`);
  return out;
}

/** Fields of a protobuf message by number: numbers, or octets where length-delimited. */
export function readFields(b: Buffer): Map<number, number | Buffer> {
  const out = new Map<number, number | Buffer>();
  let o = 0;
  const varint = (): number => {
    let value = 0;
    for (let shift = 1; ; shift *= 128) {
      const octet = b[o++]!;
      value += (octet & 127) * shift;
      if (octet < 128) return value;
    }
  };
  while (o < b.length) {
    const tag = varint();
    const field = Math.floor(tag / 8);
    const wire = tag % 8;
    if (wire === 0) out.set(field, varint());
    else if (wire === 5) {
      out.set(field, b.readUInt32LE(o));
      o += 4;
    } else if (wire === 2) {
      const length = varint();
      out.set(field, b.subarray(o, o + length));
      o += length;
    } else throw new Error(`wire type ${wire}`);
  }
  return out;
}
