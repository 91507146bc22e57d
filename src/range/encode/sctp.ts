// SCTP (RFC 9260): one association with INIT, DATA and SACK, CRC32c in the common header.
import { ipFrame } from './ethernet.ts';
import type { Emit } from './tcp.ts';

const crcTable = new Uint32Array(256);
for (let i = 0; i < 256; i++) {
  let c = i;
  for (let k = 0; k < 8; k++) c = c & 1 ? (c >>> 1) ^ 0x82f63b78 : c >>> 1;
  crcTable[i] = c;
}
export function crc32c(bytes: Uint8Array, start: number, end: number): number {
  let c = 0xffffffff;
  for (let i = start; i < end; i++) c = crcTable[(c ^ bytes[i]!) & 255]! ^ (c >>> 8);
  return ~c >>> 0;
}

export class SctpAssociation {
  readonly #emit: Emit;
  readonly #ends: readonly [{ ip: number; port: number }, { ip: number; port: number }];
  readonly #tags: readonly [number, number];
  readonly #tsn: [number, number];
  readonly #streamNext: [number, number] = [0, 0];

  constructor(emit: Emit, a: { ip: number; port: number }, b: { ip: number; port: number }) {
    this.#emit = emit;
    this.#ends = [a, b];
    this.#tags = [(a.ip ^ 0x5bd1e995) >>> 0 || 1, (b.ip ^ 0x1b873593) >>> 0 || 1];
    this.#tsn = [(a.ip & 0xffff) + 1, (b.ip & 0xffff) + 1];
  }
  /** Association set-up from side 0: INIT, INIT ACK, COOKIE ECHO, COOKIE ACK. */
  open(at: number): void {
    this.#packet(at, 0, [this.#init(1, 0)], true);
    this.#packet(at + 4000, 1, [this.#init(2, 1)]);
    this.#packet(at + 8000, 0, [Uint8Array.from([10, 0, 0, 12, 1, 2, 3, 4, 5, 6, 7, 8])]);
    this.#packet(at + 12000, 1, [Uint8Array.from([11, 0, 0, 4])]);
  }
  /** One unfragmented user message on stream 0, and the SACK of the other side. */
  data(at: number, side: 0 | 1, protocol: number, payload: Uint8Array, onFrame?: (frame: number) => void): void {
    const chunk = new Uint8Array((16 + payload.length + 3) & ~3);
    const view = new DataView(chunk.buffer);
    const tsn = this.#tsn[side];
    this.#tsn[side] = (tsn + 1) >>> 0;
    view.setUint16(0, 0x0003);
    view.setUint16(2, 16 + payload.length);
    view.setUint32(4, tsn);
    view.setUint16(10, this.#streamNext[side]++ & 0xffff);
    view.setUint32(12, protocol);
    chunk.set(payload, 16);
    this.#packet(at, side, [chunk], false, onFrame);
    const sack = new Uint8Array(16);
    const s = new DataView(sack.buffer);
    s.setUint16(0, 0x0300);
    s.setUint16(2, 16);
    s.setUint32(4, tsn);
    s.setUint32(8, 131072);
    this.#packet(at + 900, side === 0 ? 1 : 0, [sack]);
  }
  #init(type: number, side: 0 | 1): Uint8Array {
    const bytes = type === 2 ? 32 : 20;
    const chunk = new Uint8Array(bytes);
    const view = new DataView(chunk.buffer);
    chunk[0] = type;
    view.setUint16(2, bytes);
    view.setUint32(4, this.#tags[side]);
    view.setUint32(8, 131072);
    view.setUint16(12, 16);
    view.setUint16(14, 16);
    view.setUint32(16, this.#tsn[side]);
    if (type === 2) chunk.set([0, 7, 0, 12, 1, 2, 3, 4, 5, 6, 7, 8], 20);
    return chunk;
  }
  #packet(
    at: number,
    side: 0 | 1,
    chunks: readonly Uint8Array[],
    first = false,
    onFrame?: (frame: number) => void,
  ): void {
    const bytes = 12 + chunks.reduce((total, c) => total + c.length, 0);
    const from = this.#ends[side];
    const to = this.#ends[side === 0 ? 1 : 0];
    const b = ipFrame(from.ip, to.ip, 132, bytes);
    const view = new DataView(b.buffer);
    view.setUint16(34, from.port);
    view.setUint16(36, to.port);
    view.setUint32(38, first ? 0 : this.#tags[side === 0 ? 1 : 0]);
    let o = 46;
    for (const chunk of chunks) {
      b.set(chunk, o);
      o += chunk.length;
    }
    view.setUint32(42, crc32c(b, 34, 34 + bytes), true);
    this.#emit(at, b, onFrame);
  }
}
