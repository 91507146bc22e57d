// EtherNet/IP encapsulation (CIP Networks Library vol. 2, 2) and the CIP services in it (vol. 1, appendix A): unconnected and
// connected, several in one (0x0a), one wrapped in an unconnected send (0x52 to the connection manager), PCCC behind 0x4b.
import { OperationAct, OperationProtocol, OperationRole } from '#events';
import type { Framing } from './frames.ts';
import { pcccAct, systemFiles, typedLogical } from './pccc.ts';
import { type Rows, u16le, u32le } from './rows.ts';

const { Other, Read, Write, Engineering } = OperationAct;
const commands = new Set([0x0000, 0x0001, 0x0004, 0x0063, 0x0064, 0x0065, 0x0066, 0x006f, 0x0070, 0x0072, 0x0073]);
/** Codes of encapsulation commands lie above those of services. */
export const ENIP_COMMAND = 0x10000;
/** Codes of PCCC: command and function. */
export const PCCC = 0x20000;
const Item = { Connected: 0x00b1, Unconnected: 0x00b2 } as const;
const SERVICES_MAX = 64;
const CONNECTION_MANAGER = 6;
const PCCC_CLASS = 0x67;

/** Set attributes, create, delete; common services (vol. 1, appendix A-4). */
const changes = new Set([2, 4, 8, 9, 16]);
/** Clock (0x8b), mode (0x8e) of Logix controllers, and the interface's address (0xf5, vol. 2, 5-4): to set them is no write of data. */
const deviceClasses = new Set([0x8b, 0x8e, 0xf5]);
/** Program, routine and tag of Logix controllers (as public dissectors and captures show them): made, deleted, filled. */
const programClasses = new Set([0x68, 0x6a, 0x6b]);
/** Create, delete, and the two that fill them. */
const programChanges = new Set([0x08, 0x09, 0x4f, 0x50]);
/** File object (vol. 1, 5-42): initiate download, initiate partial write, download transfer, clear. */
const FILE_CLASS = 0x37;
const fileChanges = new Set([0x4c, 0x4e, 0x50, 0x51]);

const acts: Readonly<Record<number, number>> = {
  1: Read,
  2: Write,
  3: Read,
  4: Write,
  5: Engineering,
  6: Engineering,
  7: Engineering,
  8: Write,
  9: Write,
  14: Read,
  16: Write,
  21: Engineering,
  22: Engineering,
  24: Read,
  25: Write,
  76: Read,
  77: Write,
  83: Write,
  85: Read,
};

export const enipFraming: Framing = {
  headBytes: 4096,
  measure(b, at, left) {
    if (left < 24) return left >= 2 && !commands.has(u16le(b, at)) ? -1 : 0;
    if (!commands.has(u16le(b, at)) || u32le(b, at + 20) !== 0) return -1;
    return 24 + u16le(b, at + 2);
  },
};

export function readEnip(b: Uint8Array, at: number, length: number, rows: Rows): void {
  const command = u16le(b, at);
  const end = at + length;
  const failed = u32le(b, at + 8);
  if (command !== 0x6f && command !== 0x70) {
    const i = rows.add(OperationProtocol.Cip, Other, roleOf(rows.fromClient), ENIP_COMMAND + command);
    if (!rows.fromClient) rows.batch.status[i] = failed;
    return;
  }
  if (at + 32 > end) {
    if (failed === 0) rows.malformed(OperationProtocol.Cip, 'OT_SHORT');
    return;
  }
  let item = at + 32;
  const items = u16le(b, at + 30);
  for (let n = 0; n < Math.min(items, 8) && item + 4 <= end; n++) {
    const type = u16le(b, item);
    const bytes = u16le(b, item + 2);
    const data = item + 4 + (type === Item.Connected ? 2 : 0);
    item += 4 + bytes;
    if (type === Item.Connected || type === Item.Unconnected) service(b, data, Math.min(item, end), rows, 0);
  }
}

const roleOf = (fromClient: boolean): number => (fromClient ? OperationRole.Request : OperationRole.Response);

function service(b: Uint8Array, at: number, end: number, rows: Rows, depth: number): void {
  if (at + 2 > end) {
    rows.malformed(OperationProtocol.Cip, 'OT_SHORT');
    return;
  }
  const code = b[at]! & 0x7f;
  const response = b[at]! >= 0x80;
  if (response) {
    if (at + 4 > end) {
      rows.malformed(OperationProtocol.Cip, 'OT_SHORT');
      return;
    }
    const i = rows.add(OperationProtocol.Cip, acts[code] ?? Other, OperationRole.Response, code);
    rows.batch.status[i] = b[at + 2]!;
    if (code === 0x0a) several(b, at + 4 + 2 * b[at + 3]!, end, rows, depth);
    return;
  }
  const path = at + 2;
  const data = path + 2 * b[at + 1]!;
  if (data > end) {
    rows.malformed(OperationProtocol.Cip, 'OT_SHORT');
    return;
  }
  const classId = classOf(b, path, data);
  if (code === 0x52 && classId === CONNECTION_MANAGER && depth === 0) {
    // Unconnected send: priority, ticks, length of the message, message.
    const i = rows.add(OperationProtocol.Cip, Other, OperationRole.Request, code);
    rows.batch.objectNumber[i] = classId;
    if (data + 4 <= end) service(b, data + 4, Math.min(end, data + 4 + u16le(b, data + 2)), rows, 1);
    return;
  }
  const i = rows.add(OperationProtocol.Cip, actOf(code, classId), OperationRole.Request, code);
  rows.batch.objectNumber[i] = classId;
  symbol(b, path, data, i, rows);
  if (code === 0x0a) several(b, data, end, rows, depth);
  else if (code === 0x4b && classId === PCCC_CLASS) pccc(b, data, end, rows);
}

function actOf(code: number, classId: number): number {
  if (classId === FILE_CLASS && fileChanges.has(code)) return Engineering;
  if (programClasses.has(classId) && programChanges.has(code)) return Engineering;
  if (deviceClasses.has(classId) && changes.has(code)) return Engineering;
  if (code === 0x4e && classId !== CONNECTION_MANAGER) return Write;
  if (code === 0x52 && classId !== CONNECTION_MANAGER) return Read;
  return acts[code] ?? Other;
}

/** Multiple service packet: count, offsets from the count on. */
function several(b: Uint8Array, at: number, end: number, rows: Rows, depth: number): void {
  if (at + 2 > end || depth > 1) return;
  const count = Math.min(u16le(b, at), SERVICES_MAX);
  for (let n = 0; n < count; n++) {
    const slot = at + 2 + 2 * n;
    if (slot + 2 > end) {
      rows.malformed(OperationProtocol.Cip, 'OT_SHORT');
      return;
    }
    const from = at + u16le(b, slot);
    const to = n + 1 < count && slot + 4 <= end ? at + u16le(b, slot + 2) : end;
    if (from >= at + 2 && from < to && to <= end) service(b, from, to, rows, depth + 2);
  }
}

/** Requester id with its length, then command, status, transaction, function (DF1, 7). */
function pccc(b: Uint8Array, at: number, end: number, rows: Rows): void {
  const command = at + (b[at] ?? 0);
  if (command + 5 > end) return;
  const cmd = b[command]! & 0x0f;
  // Commands 0 to 5 and 8 have no function.
  const fnc = cmd < 6 || cmd === 8 ? 0 : b[command + 4]!;
  const i = rows.add(OperationProtocol.Cip, pcccAct(cmd, fnc), OperationRole.Request, PCCC + 256 * cmd + fnc);
  if (cmd !== 0x0f || !typedLogical.has(fnc) || command + 8 > end) return;
  // Size, file number (ff and two octets where it is large), type of the file.
  const type = command + (b[command + 6] === 0xff ? 9 : 7);
  if (type >= end) return;
  rows.batch.objectNumber[i] = b[type]!;
  if (rows.batch.act[i] === Write && systemFiles.has(b[type]!)) rows.batch.act[i] = Engineering;
}

/** Logical class segment (20 8-bit, 21 16-bit) of a padded path; -1 where there is none. */
function classOf(b: Uint8Array, at: number, end: number): number {
  if (at + 2 <= end && b[at] === 0x20) return b[at + 1]!;
  if (at + 4 <= end && b[at] === 0x21) return u16le(b, at + 2);
  return -1;
}

/** Symbolic segment (91): a tag by name. */
function symbol(b: Uint8Array, at: number, end: number, row: number, rows: Rows): void {
  if (at + 2 <= end && b[at] === 0x91) rows.batch.setObject(row, b, at + 2, Math.min(b[at + 1]!, end - at - 2));
}
