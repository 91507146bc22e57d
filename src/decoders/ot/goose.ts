// GOOSE (IEC 61850-8-1, 18 and annex A): EtherType 88B8 in Ethernet frames, with or without VLAN tags. A row is one message:
// publisher and group by MAC, control block by name, stNum and sqNum by which repeats, changes and replays are told apart.
import { OperationAct, OperationProtocol, OperationRole } from '#events';
import { BerHeader, readHeader } from '#lib/ber';
import { type Rows, u16be } from './rows.ts';

export const GOOSE = 0x88b8;
const header = new BerHeader();

/** @param appid where APPID lies, behind the EtherType */
export function readGoose(b: Uint8Array, appid: number, end: number, rows: Rows): void {
  if (appid + 8 > end || !readHeader(b, appid + 8, end, header) || !header.is(1, 1)) {
    rows.fault('GOOSE_PDU');
    return;
  }
  let from = header.content;
  const to = header.contentEnd;
  let reference = -1;
  let referenceBytes = 0;
  let stNum = -1;
  let sqNum = -1;
  for (let n = 0; n < 12 && from < to && readHeader(b, from, to, header); n++) {
    if (header.identifier === 0x80) {
      reference = header.content;
      referenceBytes = header.contentEnd - header.content;
    } else if (header.identifier === 0x85) stNum = integer(b, header);
    else if (header.identifier === 0x86) sqNum = integer(b, header);
    from = header.next;
  }
  if (stNum < 0 || sqNum < 0) {
    rows.fault('GOOSE_PDU');
    return;
  }
  // A new state is sent with sqNum 0 and then repeated.
  const act = sqNum === 0 ? OperationAct.Write : OperationAct.Read;
  const i = rows.add(OperationProtocol.Goose, act, OperationRole.Unsolicited, 0);
  rows.batch.unit[i] = u16be(b, appid);
  rows.batch.objectNumber[i] = stNum;
  rows.batch.objectCount[i] = sqNum;
  if (reference >= 0) rows.batch.setObject(i, b, reference, referenceBytes);
}

function integer(b: Uint8Array, h: BerHeader): number {
  let value = 0;
  for (let i = h.content; i < h.contentEnd && i < h.content + 6; i++) value = value * 256 + b[i]!;
  return value;
}
