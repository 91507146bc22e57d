// IEC 60870-5-104: APCI formats I, S and U (5), and of the ASDU (IEC 60870-5-101, 7) type, cause, common address and first
// object. Lengths of these fields are those that 104 fixes (7.1: cause 2, common address 2, object 3 octets).
import { OperationAct, OperationProtocol, OperationRole } from '#events';
import type { Framing } from './frames.ts';
import { type Rows, u16le } from './rows.ts';

const { Other, Read, Write, Command, Engineering } = OperationAct;
const START = 0x68;
/** STARTDT, STOPDT, TESTFR, each act and con (5.1). */
const unnumbered = new Set([0x07, 0x0b, 0x13, 0x23, 0x43, 0x83]);
/** Codes of U frames lie above those of types. */
export const U_FRAME = 256;

function actOf(type: number): number {
  if ((type >= 45 && type <= 51) || (type >= 58 && type <= 64)) return Command;
  if (type >= 100 && type <= 102) return Read;
  if (type === 103 || (type >= 110 && type <= 113)) return Write;
  if (type === 105) return Engineering;
  return type < 45 ? Read : Other;
}

export const iec104Framing: Framing = {
  headBytes: 255,
  measure(b, at, left) {
    if (b[at] !== START) return -1;
    if (left < 6) return 0;
    const length = b[at + 1]!;
    if (length < 4 || length > 253) return -1;
    const control = b[at + 2]!;
    if ((control & 1) === 0) return length < 12 || (b[at + 4]! & 1) !== 0 ? -1 : 2 + length;
    if (length !== 4) return -1;
    if (control === 1) return 6;
    return unnumbered.has(control) ? 6 : -1;
  },
  find(b, at, end) {
    for (let i = at; i < end; i++) if (b[i] === START) return i;
    return -1;
  },
};

export function readIec104(b: Uint8Array, at: number, length: number, rows: Rows): void {
  const control = b[at + 2]!;
  if (control === 1) return;
  if ((control & 1) === 1) {
    const confirms = (control & 0xa8) !== 0 && control !== 0x13 && control !== 0x43 && control !== 0x07;
    rows.add(
      OperationProtocol.Iec104,
      Other,
      confirms ? OperationRole.Response : OperationRole.Request,
      U_FRAME + control,
    );
    return;
  }
  if (length < 15) {
    rows.malformed(OperationProtocol.Iec104, 'OT_SHORT');
    return;
  }
  const type = b[at + 6]!;
  const cause = b[at + 8]! & 0x3f;
  const negative = (b[at + 8]! & 0x40) !== 0;
  // Causes 6 and 8 are asked by the controlling station; 7, 9, 10 and 44 to 47 answer it; the rest comes from the station.
  const asks = rows.fromClient && (cause === 6 || cause === 8 || type > 44);
  const answers = cause === 7 || cause === 9 || cause === 10 || cause >= 44 || cause === 5 || cause >= 20;
  const role = asks ? OperationRole.Request : answers ? OperationRole.Response : OperationRole.Unsolicited;
  const i = rows.add(OperationProtocol.Iec104, actOf(type), role, type);
  if (role === OperationRole.Response) rows.batch.status[i] = negative || (cause >= 44 && cause <= 47) ? cause : 0;
  rows.batch.unit[i] = u16le(b, at + 10);
  rows.batch.objectNumber[i] = b[at + 12]! + 256 * u16le(b, at + 13);
  rows.batch.objectCount[i] = b[at + 7]! & 0x7f;
}
