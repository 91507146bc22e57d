// GOOSE (IEC 61850-8-1, 18 and annex A): EtherType 88B8 in Ethernet frames, with or without VLAN tags. A row is one message:
// publisher and group by MAC, control block by name, stNum and sqNum by which repeats, changes and replays are told apart.
import { type FrameBatch, LinkType, OperationAct, OperationProtocol, OperationRole } from '#events';
import { BerHeader, readHeader } from '#lib/ber';
import { type Rows, u16be } from './rows.ts';

const GOOSE = 0x88b8;
const header = new BerHeader();

/** Offset of APPID in a frame; -1 where it is no GOOSE. */
export function gooseAt(b: Uint8Array, at: number, length: number): number {
  let type = at + 12;
  const end = at + length;
  for (let tags = 0; tags < 3 && type + 2 <= end; tags++) {
    const value = u16be(b, type);
    if (value === GOOSE) return type + 2;
    if (value !== 0x8100 && value !== 0x88a8) return -1;
    type += 4;
  }
  return -1;
}

export function readGoose(frames: FrameBatch, row: number, rows: Rows): void {
  if (frames.linkType[row] !== LinkType.Ethernet) return;
  const b = frames.bytes;
  const at = frames.offset[row]!;
  const appid = gooseAt(b, at, frames.length[row]!);
  if (appid < 0) return;
  const end = at + frames.length[row]!;
  rows.origin = frames.origin;
  rows.at = frames.at[row]!;
  rows.place = frames.place[row]!;
  rows.transport = 0;
  rows.fromClient = true;
  rows.clientPort = 0;
  rows.serverPort = 0;
  station(b, at + 6, rows.addresses, 0);
  station(b, at, rows.addresses, 4);
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

/** fe80::/64 with the modified EUI-64 of a MAC. */
function station(b: Uint8Array, at: number, into: Uint32Array, word: number): void {
  into[word] = 0xfe800000;
  into[word + 1] = 0;
  into[word + 2] = (((b[at]! ^ 2) << 24) | (b[at + 1]! << 16) | (b[at + 2]! << 8) | 0xff) >>> 0;
  into[word + 3] = (0xfe000000 | (b[at + 3]! << 16) | (b[at + 4]! << 8) | b[at + 5]!) >>> 0;
}
