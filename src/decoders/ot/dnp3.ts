// DNP3 (IEEE 1815-2012): link frames with a CRC each 16 octets (9), transport segments joined to application fragments (8),
// their function and what the outstation says of it (4). Over TCP and UDP alike (13).
import { OperationAct, OperationProtocol, OperationRole } from '#events';
import type { Framing } from './frames.ts';
import { type Rows, u16le } from './rows.ts';

const { Other, Read, Login, Write, Command, Engineering } = OperationAct;
const acts: Readonly<Record<number, number>> = {
  1: Read,
  2: Write,
  3: Command,
  4: Command,
  5: Command,
  6: Command,
  9: Write,
  10: Write,
  13: Engineering,
  14: Engineering,
  15: Engineering,
  16: Engineering,
  17: Engineering,
  18: Engineering,
  19: Engineering,
  20: Write,
  // An outstation that may not report by itself leaves its master blind.
  21: Command,
  22: Write,
  27: Write,
  28: Read,
  31: Engineering,
  32: Login,
  33: Login,
};
/** DIR of the link's control octet: set by masters (9.2.4.1.3.1). */
const DIRECTION = 0x80;
/** Authentication request without acknowledgement; what lies between it and the responses is no function (4.2.2.1). */
const REQUEST_LAST = 33;
const RESPONSE = 129;
const UNSOLICITED = 130;
const AUTHENTICATION_RESPONSE = 131;
/** Function not supported, object unknown, parameter error (IIN2.0 to 2.2, 4.2.2.2). */
const IIN2_ERRORS = 7;
/** Fragments under way; a fragment has 2,048 octets at the most where nothing else is agreed (4.1). */
const FRAGMENTS_MAX = 1024;
const FRAGMENT_BYTES_MAX = 4096;

const crcTable = new Uint16Array(256);
for (let n = 0; n < 256; n++) {
  let c = n;
  for (let k = 0; k < 8; k++) c = (c & 1) !== 0 ? (c >>> 1) ^ 0xa6bc : c >>> 1;
  crcTable[n] = c;
}

/** CRC-16/DNP (9.2.4.1) of [from, to), compared with the two octets behind. */
function sound(b: Uint8Array, from: number, to: number): boolean {
  let crc = 0;
  for (let i = from; i < to; i++) crc = (crc >>> 8) ^ crcTable[(crc ^ b[i]!) & 255]!;
  return (~crc & 0xffff) === u16le(b, to);
}

export const dnp3Framing: Framing = {
  headBytes: 292,
  measure(b, at, left) {
    if (b[at] !== 0x05 || (left > 1 && b[at + 1] !== 0x64)) return -1;
    if (left < 10) return 0;
    const user = b[at + 2]! - 5;
    return user < 0 ? -1 : 10 + user + 2 * Math.ceil(user / 16);
  },
  find(b, at, end) {
    for (let i = at; i < end; i++) if (b[i] === 0x05 && (i + 1 === end || b[i + 1] === 0x64)) return i;
    return -1;
  },
};

interface Fragment {
  readonly bytes: Uint8Array;
  length: number;
  sequence: number;
}

export class Dnp3 {
  shed = 0;
  /** Fragments under way by connection, direction and link addresses. */
  readonly #fragments = new Map<string, Fragment>();
  readonly #user = new Uint8Array(256);

  get size(): number {
    return this.#fragments.size;
  }

  read(b: Uint8Array, at: number, _length: number, rows: Rows): void {
    const user = b[at + 2]! - 5;
    if (!sound(b, at, at + 8)) {
      rows.malformed(OperationProtocol.Dnp3, 'DNP3_CRC');
      return;
    }
    const fromMaster = (b[at + 3]! & DIRECTION) !== 0;
    const destination = u16le(b, at + 4);
    const source = u16le(b, at + 6);
    const out = this.#user;
    let n = 0;
    for (let from = at + 10; n < user; from += 18) {
      const block = Math.min(16, user - n);
      if (!sound(b, from, from + block)) {
        rows.malformed(OperationProtocol.Dnp3, 'DNP3_CRC', fromMaster);
        return;
      }
      for (let k = 0; k < block; k++) out[n++] = b[from + k]!;
    }
    // Link control alone (reset link, status) carries no application.
    if (user < 2) return;
    this.#segment(out, user, source, destination, rows);
  }

  #segment(user: Uint8Array, length: number, source: number, destination: number, rows: Rows): void {
    const head = user[0]!;
    const first = (head & 0x40) !== 0;
    const final = (head & 0x80) !== 0;
    const sequence = head & 0x3f;
    if (first && final) {
      this.#application(user, 1, length, source, destination, rows);
      return;
    }
    const key = `${rows.connection}|${source}|${destination}`;
    let f = this.#fragments.get(key);
    if (first) {
      f = { bytes: new Uint8Array(FRAGMENT_BYTES_MAX), length: 0, sequence };
      this.#fragments.delete(key);
      if (this.#fragments.size >= FRAGMENTS_MAX) {
        this.#fragments.delete(this.#fragments.keys().next().value!);
        this.shed += 1;
      }
      this.#fragments.set(key, f);
    } else if (f === undefined || sequence !== ((f.sequence + 1) & 0x3f)) {
      // Retransmissions of a segment repeat its number and are passed over; anything else is a hole.
      if (f !== undefined && sequence === f.sequence) return;
      this.#fragments.delete(key);
      rows.fault('DNP3_SEGMENT');
      return;
    }
    if (f.length + length - 1 > FRAGMENT_BYTES_MAX) {
      // What it asks stands at its head, which is there.
      this.#fragments.delete(key);
      rows.fault('DNP3_LONG');
      this.#application(f.bytes, 0, f.length, source, destination, rows);
      return;
    }
    f.bytes.set(user.subarray(1, length), f.length);
    f.length += length - 1;
    f.sequence = sequence;
    if (!final) return;
    this.#fragments.delete(key);
    this.#application(f.bytes, 0, f.length, source, destination, rows);
  }

  #application(b: Uint8Array, at: number, end: number, source: number, destination: number, rows: Rows): void {
    if (end - at < 2) {
      rows.malformed(OperationProtocol.Dnp3, 'OT_SHORT');
      return;
    }
    const control = b[at]!;
    const code = b[at + 1]!;
    const response = code >= RESPONSE && code <= AUTHENTICATION_RESPONSE;
    if (!response && code > REQUEST_LAST) {
      rows.malformed(OperationProtocol.Dnp3, 'DNP3_FUNCTION');
      return;
    }
    const role = !response
      ? OperationRole.Request
      : code === UNSOLICITED
        ? OperationRole.Unsolicited
        : OperationRole.Response;
    // A master may wait for the outstation to connect, so who asks is told by the function, not by the SYN.
    const i = rows.add(OperationProtocol.Dnp3, acts[code] ?? Other, role, code, !response);
    rows.batch.unit[i] = response ? source : destination;
    let object = at + 2;
    if (response && end - at >= 4) {
      rows.batch.status[i] = b[at + 3]! & IIN2_ERRORS;
      object += 2;
    }
    // Only the first fragment of a message begins with an object header.
    if ((control & 0x80) !== 0 && object + 2 <= end) rows.batch.objectNumber[i] = 256 * b[object]! + b[object + 1]!;
  }
}
