// BACnet/IP (ASHRAE 135, annex J): BVLC, NPDU (6), and of the APDU (20) type, service and the object named first.
import { OperationAct, OperationProtocol, OperationRole } from '#events';
import { type Rows, u16be, u32be } from './rows.ts';

const { Other, Read, Write, Engineering } = OperationAct;
/** Confirmed services (21): lists, files, objects, properties; communication control, reinitialise. */
const acts: Readonly<Record<number, number>> = {
  3: Read,
  4: Read,
  6: Read,
  7: Write,
  8: Write,
  9: Write,
  10: Write,
  11: Write,
  12: Read,
  13: Read,
  14: Read,
  15: Write,
  16: Write,
  17: Engineering,
  20: Engineering,
  26: Read,
  29: Read,
};
/** Codes of unconfirmed services lie above those of confirmed ones. */
export const BACNET_UNCONFIRMED = 256;

export function isBacnet(b: Uint8Array, at: number, length: number): boolean {
  return length >= 4 && b[at] === 0x81 && b[at + 1]! <= 0x0c && u16be(b, at + 2) === length;
}

export function readBacnet(b: Uint8Array, at: number, length: number, rows: Rows): void {
  const end = at + length;
  const kind = b[at + 1]!;
  // Forwarded (6 octets of address more), distribute broadcast, unicast, broadcast carry an NPDU; the rest keeps tables.
  if (kind !== 4 && kind !== 9 && kind !== 10 && kind !== 11) return;
  let from = at + (kind === 4 ? 10 : 4);
  if (from + 2 > end || b[from] !== 1) {
    rows.malformed(OperationProtocol.Bacnet, 'OT_SHORT');
    return;
  }
  const control = b[from + 1]!;
  from += 2;
  // Messages of the network layer have no APDU.
  if ((control & 0x80) !== 0) return;
  if ((control & 0x20) !== 0) from += 3 + (from + 2 < end ? b[from + 2]! : 0);
  if ((control & 0x08) !== 0) from += 3 + (from + 2 < end ? b[from + 2]! : 0);
  if ((control & 0x20) !== 0) from += 1;
  if (from + 2 > end) {
    rows.malformed(OperationProtocol.Bacnet, 'OT_SHORT');
    return;
  }
  apdu(b, from, end, rows);
}

function apdu(b: Uint8Array, at: number, end: number, rows: Rows): void {
  const type = b[at]! >> 4;
  const segmented = (b[at]! & 8) !== 0;
  const { Request, Response, Unsolicited } = OperationRole;
  if (type === 0) {
    const service = at + (segmented ? 5 : 3);
    if (service >= end) {
      rows.malformed(OperationProtocol.Bacnet, 'OT_SHORT');
      return;
    }
    // Both ends use one port: who asks is told by the kind of APDU.
    const i = rows.add(OperationProtocol.Bacnet, acts[b[service]!] ?? Other, Request, b[service]!, true);
    if (b[service + 1] === 0x0c && service + 6 <= end) rows.batch.objectNumber[i] = u32be(b, service + 2);
  } else if (type === 1) {
    const service = b[at + 1]!;
    const act = service === 6 || service === 9 ? Write : service === 10 ? Write : Read;
    rows.add(OperationProtocol.Bacnet, act, Unsolicited, BACNET_UNCONFIRMED + service, true);
  } else if (type === 2 || type === 3 || type === 5) {
    const service = at + (type === 3 && segmented ? 4 : 2);
    if (service >= end) {
      rows.malformed(OperationProtocol.Bacnet, 'OT_SHORT');
      return;
    }
    const i = rows.add(OperationProtocol.Bacnet, acts[b[service]!] ?? Other, Response, b[service]!, false);
    rows.batch.status[i] = type === 5 ? 1 : 0;
  } else if (type === 6 || type === 7) {
    const i = rows.add(OperationProtocol.Bacnet, Other, Response, -1, (b[at]! & 1) === 0 && type === 7);
    rows.batch.status[i] = 256 * type + (at + 2 < end ? b[at + 2]! : 0);
  }
}
