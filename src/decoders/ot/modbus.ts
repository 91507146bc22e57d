// Modbus TCP (MODBUS Messaging on TCP/IP V1.0b, MODBUS Application Protocol V1.1b3): MBAP header, function, exception. And
// UMAS, which Schneider controllers carry in function 90 and which starts, stops and loads them.
import { OperationAct, OperationProtocol, OperationRole } from '#events';
import type { Framing } from './frames.ts';
import { type Rows, u16be } from './rows.ts';

const { Other, Read, Write, Engineering } = OperationAct;
const acts: Readonly<Record<number, number>> = {
  1: Read,
  2: Read,
  3: Read,
  4: Read,
  5: Write,
  6: Write,
  7: Read,
  11: Read,
  12: Read,
  15: Write,
  16: Write,
  17: Read,
  20: Read,
  21: Write,
  22: Write,
  23: Write,
  24: Read,
  43: Read,
};
/** Diagnostics (8): restart communications, force listen only. */
const diagnosticsThatChange = new Set([1, 4]);
/** UMAS: initialise and carry out a download, start, stop, reset (from public dissectors; no specification is public). */
const umasThatChange = new Set([0x30, 0x31, 0x32, 0x40, 0x41]);
const umasWrites = new Set([0x21, 0x23, 0x29, 0x37]);
const UMAS = 90;
const UMAS_BYTES_MAX = 4096;

export const modbusFraming: Framing = {
  headBytes: 260,
  measure(b, at, left) {
    if (left < 8) return left >= 3 && b[at + 2] !== 0 ? -1 : 0;
    const length = u16be(b, at + 4);
    // 254 octets (4.1 of the protocol), but UMAS agrees on longer ones.
    const most = (b[at + 7]! & 0x7f) === UMAS ? UMAS_BYTES_MAX : 254;
    if (b[at + 2] !== 0 || b[at + 3] !== 0 || length < 2 || length > most) return -1;
    return (b[at + 7]! & 0x7f) === 0 ? -1 : 6 + length;
  },
};

export function readModbus(b: Uint8Array, at: number, length: number, rows: Rows): void {
  const wire = b[at + 7]!;
  const code = wire & 0x7f;
  const end = at + length;
  const response = !rows.fromClient;
  let act: number = acts[code] ?? Other;
  if (code === 8 && at + 10 <= end && diagnosticsThatChange.has(u16be(b, at + 8))) act = Engineering;
  const umas = code === UMAS && at + 10 <= end ? b[at + 9]! : -1;
  if (!response && umasThatChange.has(umas)) act = Engineering;
  else if (!response && umasWrites.has(umas)) act = Write;
  const i = rows.add(OperationProtocol.Modbus, act, response ? OperationRole.Response : OperationRole.Request, code);
  rows.batch.unit[i] = b[at + 6]!;
  if (response) rows.batch.status[i] = wire >= 0x80 && at + 9 <= end ? b[at + 8]! : 0;
  else if (umas >= 0) rows.batch.objectNumber[i] = umas;
  else if (code === 23 && at + 16 <= end) {
    rows.batch.objectNumber[i] = u16be(b, at + 12);
    rows.batch.objectCount[i] = u16be(b, at + 14);
  } else if (code <= 24 && at + 12 <= end) {
    rows.batch.objectNumber[i] = u16be(b, at + 8);
    const many = code <= 4 || code === 15 || code === 16;
    rows.batch.objectCount[i] = many ? u16be(b, at + 10) : 1;
  }
}
