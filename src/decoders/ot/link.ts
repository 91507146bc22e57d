// Plant protocols right in Ethernet frames, with or without VLAN tags (IEEE 802.1Q): which one, and between which stations.
import { type FrameBatch, LinkType } from '#events';
import { GOOSE, readGoose } from './goose.ts';
import { PROFINET, readProfinet } from './profinet.ts';
import { type Rows, u16be } from './rows.ts';

const TAGS_MAX = 2;
const CUSTOMER_TAG = 0x8100;
const SERVICE_TAG = 0x88a8;

export function readFrame(frames: FrameBatch, row: number, rows: Rows): void {
  if (frames.linkType[row] !== LinkType.Ethernet) return;
  const b = frames.bytes;
  const at = frames.offset[row]!;
  const end = at + frames.length[row]!;
  let behind = at + 14;
  for (let tags = 0; tags < TAGS_MAX && behind <= end && isTag(u16be(b, behind - 2)); tags++) behind += 4;
  if (behind > end) return;
  const type = u16be(b, behind - 2);
  if (type !== GOOSE && type !== PROFINET) return;
  rows.origin = frames.origin;
  rows.at = frames.at[row]!;
  rows.place = frames.place[row]!;
  rows.transport = 0;
  rows.fromClient = true;
  rows.clientPort = 0;
  rows.serverPort = 0;
  station(b, at + 6, rows.addresses, 0);
  station(b, at, rows.addresses, 4);
  if (type === GOOSE) readGoose(b, behind, end, rows);
  else readProfinet(b, behind, end, rows);
}

const isTag = (type: number): boolean => type === CUSTOMER_TAG || type === SERVICE_TAG;

/** fe80::/64 with the modified EUI-64 of a MAC. */
function station(b: Uint8Array, at: number, into: Uint32Array, word: number): void {
  into[word] = 0xfe800000;
  into[word + 1] = 0;
  into[word + 2] = (((b[at]! ^ 2) << 24) | (b[at + 1]! << 16) | (b[at + 2]! << 8) | 0xff) >>> 0;
  into[word + 3] = (0xfe000000 | (b[at + 3]! << 16) | (b[at + 4]! << 8) | b[at + 5]!) >>> 0;
}
