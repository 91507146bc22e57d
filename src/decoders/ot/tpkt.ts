// ISO on TCP (RFC 1006) and COTP class 0 (RFC 905, X.224), which S7 and MMS ride on: data units (DT) are joined up to the one
// marked as the last, and the first octet tells who speaks: 0x32 S7, 0x72 S7 plus, else the OSI session of MMS.
import type { Framing } from './frames.ts';
import { readMms } from './mms.ts';
import { type Rows, u16be } from './rows.ts';
import { readS7, readS7Plus } from './s7.ts';

const COTP_DATA = 0xf0;
const UNITS_MAX = 512;
const UNIT_BYTES_MAX = 65_536;

export const tpktFraming: Framing = {
  headBytes: 8192,
  measure(b, at, left) {
    if (b[at] !== 3 || (left > 1 && b[at + 1] !== 0)) return -1;
    if (left < 7) return 0;
    const length = u16be(b, at + 2);
    return length < 7 || b[at + 4]! + 5 > length ? -1 : length;
  },
};

export class Tpkt {
  shed = 0;
  /** Units under way by connection and direction. */
  readonly #units = new Map<number, Uint8Array>();

  get size(): number {
    return this.#units.size;
  }

  read(b: Uint8Array, at: number, length: number, rows: Rows): void {
    const header = b[at + 4]!;
    if ((b[at + 5]! & 0xf0) !== COTP_DATA || header < 2) return;
    const last = (b[at + 6]! & 0x80) !== 0;
    const from = at + 5 + header;
    const end = at + length;
    const key = 2 * rows.connection + (rows.fromClient ? 0 : 1);
    const before = this.#units.get(key);
    if (before === undefined && last) {
      dispatch(b, from, end, rows);
      return;
    }
    this.#units.delete(key);
    const total = (before?.length ?? 0) + end - from;
    if (total > UNIT_BYTES_MAX) {
      rows.fault('OT_LONG');
      return;
    }
    const joined = new Uint8Array(total);
    if (before !== undefined) joined.set(before);
    joined.set(b.subarray(from, end), before?.length ?? 0);
    if (last) {
      dispatch(joined, 0, total, rows);
      return;
    }
    if (this.#units.size >= UNITS_MAX) {
      this.#units.delete(this.#units.keys().next().value!);
      this.shed += 1;
    }
    this.#units.set(key, joined);
  }
}

function dispatch(b: Uint8Array, at: number, end: number, rows: Rows): void {
  if (end - at < 4) return;
  if (b[at] === 0x32) readS7(b, at, end, rows);
  else if (b[at] === 0x72) readS7Plus(b, at, end, rows);
  else readMms(b, at, end, rows);
}
