// S7 communication of Siemens controllers, protocol id 0x32, and its successor 0x72 (S7 plus). No specification is public: the
// layout is that of public dissectors. Of S7 plus only function numbers are read, where they aren't behind a key.
import { OperationAct, OperationProtocol, OperationRole } from '#events';
import { type Rows, u16be } from './rows.ts';

const { Other, Read, Login, Write, Command, Engineering } = OperationAct;
const Rosctr = { Job: 1, Ack: 2, AckData: 3, UserData: 7 } as const;
/** Read, write; download (1a to 1c); upload; program invocation (start, insert, delete, copy); stop. */
const jobs: Readonly<Record<number, number>> = {
  4: Read,
  5: Write,
  26: Engineering,
  27: Engineering,
  28: Engineering,
  29: Read,
  30: Read,
  31: Read,
  40: Engineering,
  41: Engineering,
};
const PROGRAM_INVOCATION = 0x28;
const STOP = 0x29;
/** Codes of user data: group and subfunction lie above those of jobs. */
export const S7_USER_DATA = 0x10000;

export function readS7(b: Uint8Array, at: number, end: number, rows: Rows): void {
  if (end - at < 10) {
    rows.malformed(OperationProtocol.S7, 'OT_SHORT');
    return;
  }
  const rosctr = b[at + 1]!;
  const parameterBytes = u16be(b, at + 6);
  const isAck = rosctr === Rosctr.Ack || rosctr === Rosctr.AckData;
  const parameter = at + (isAck ? 12 : 10);
  const role = isAck ? OperationRole.Response : OperationRole.Request;
  if (rosctr === Rosctr.Ack || parameterBytes === 0 || parameter >= end) {
    const i = rows.add(OperationProtocol.S7, Other, role, -1);
    if (isAck && end - at >= 12) rows.batch.status[i] = u16be(b, at + 10);
    return;
  }
  if (rosctr === Rosctr.UserData) {
    userData(b, parameter, end, rows);
    return;
  }
  const code = b[parameter]!;
  // A controller asks for the blocks of a download itself, so the job may come from the server.
  const i = rows.add(OperationProtocol.S7, jobs[code] ?? Other, role, code);
  if (isAck) rows.batch.status[i] = u16be(b, at + 10);
  else if (code === 4 || code === 5) {
    rows.batch.objectCount[i] = parameter + 1 < end ? b[parameter + 1]! : 0;
  } else if (code === PROGRAM_INVOCATION && parameter + 10 <= end) {
    const argument = u16be(b, parameter + 8);
    name(b, parameter + 10 + argument, end, i, rows);
  } else if (code === STOP) name(b, parameter + 6, end, i, rows);
  else if (code >= 0x1a && code <= 0x1f && parameter + 9 <= end) name(b, parameter + 8, end, i, rows);
}

/** A name with its length in front. */
function name(b: Uint8Array, at: number, end: number, row: number, rows: Rows): void {
  if (at < end) rows.batch.setObject(row, b, at + 1, Math.min(b[at]!, end - at - 1));
}

/** Parameter head 00 01 12, length, method, type and group, subfunction, sequence. */
function userData(b: Uint8Array, at: number, end: number, rows: Rows): void {
  if (end - at < 8) {
    rows.malformed(OperationProtocol.S7, 'OT_SHORT');
    return;
  }
  const type = b[at + 5]! >> 4;
  const group = b[at + 5]! & 15;
  const sub = b[at + 6]!;
  const role = type === 8 ? OperationRole.Response : type === 4 ? OperationRole.Request : OperationRole.Unsolicited;
  const i = rows.add(OperationProtocol.S7, userAct(group, sub), role, S7_USER_DATA + 256 * group + sub);
  if (role === OperationRole.Response && end - at >= 12) rows.batch.status[i] = u16be(b, at + 10);
}

function userAct(group: number, sub: number): number {
  switch (group) {
    case 1: // Programmer: erase, force, modify variables.
      return sub === 0x0c || sub === 0x09 || sub === 0x10 ? Engineering : sub === 0x02 || sub === 0x14 ? Read : Other;
    case 2:
    case 3:
      return Read;
    case 4:
      return sub === 1 ? Read : Other;
    case 5: // Security: a password is shown (1) or taken back (2).
      return sub === 1 ? Login : Other;
    case 7:
      return sub === 2 || sub === 4 ? Write : Read;
    default:
      return Other;
  }
}

const plus: Readonly<Record<number, number>> = {
  1211: Read, // Explore
  1236: Other, // DeleteObject
  1266: Write, // SetVariable
  1276: Read, // GetVariable
  1346: Write, // SetMultiVariables
  1356: Read, // GetMultiVariables
  1387: Command, // Invoke
  1414: Read, // GetVarSubStreamed
};

export function readS7Plus(b: Uint8Array, at: number, end: number, rows: Rows): void {
  const version = b[at + 1]!;
  // Keep-alive (0xff) has no data; from version 3 on a digest stands in front, with its length.
  let data = at + 4;
  if (version === 0xff || version === 0xfe) return;
  if (version === 3) data += 1 + (data < end ? b[data]! : 0);
  if (end - data < 5) return;
  const opcode = b[data]!;
  const role =
    opcode === 0x31
      ? OperationRole.Request
      : opcode === 0x32
        ? OperationRole.Response
        : opcode === 0x33
          ? OperationRole.Unsolicited
          : -1;
  if (role < 0) {
    rows.fault('OT_UNKNOWN');
    return;
  }
  const code = role === OperationRole.Unsolicited ? 0 : u16be(b, data + 3);
  rows.add(OperationProtocol.S7Plus, plus[code] ?? Other, role, code);
}
