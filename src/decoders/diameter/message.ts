// One Diameter message (RFC 6733, 3 and 4): header, AVPs, groups. Every AVP moves on by at least its header, so that no
// length can stop the walk; groups are walked with a stack of bounded depth. AVP Length leaves padding out; padding counts in
// the message (4.1), and its content is ignored.
import { Avp, fitsApplication, isS6aAvp, RELAY_APPLICATION } from './dictionary.ts';

export const HEADER_BYTES = 20;
/** The field allows 16 MiB; subscriber profiles have some kilobytes. */
export const MESSAGE_BYTES_MAX = 65536;
const AVPS_MAX = 2048;
const DEPTH_MAX = 16;
const TEXT_MAX = 255;

/** Groups that are looked into; others are passed over. */
const groups = new Set<number>([
  Avp.ExperimentalResult,
  Avp.SubscriptionId,
  1400,
  1413,
  1414,
  1428,
  1429,
  1430,
  1475,
  1496,
  2401,
]);

export class DiameterMessage {
  request = false;
  command = 0;
  application = 0;
  hopByHop = 0;
  endToEnd = 0;
  originHost = '';
  originRealm = '';
  destinationHost = '';
  destinationRealm = '';
  userName = '';
  msisdn = '';
  visitedPlmn = '';
  apn = '';
  routeRecords: string[] = [];
  resultCode = -1;
  subscriptionType = -1;
  idrFlags = 0;
  hasKeys = false;
  hasLocation = false;
  hasServingNode = false;
  hasProfile = false;
  oddities: Set<string> = new Set();
}

/** Whether a header that a peer would accept starts at `at` (20 octets must be there). */
export function looksLikeHeader(bytes: Uint8Array, at: number): boolean {
  const length = u24(bytes, at + 1);
  return (
    bytes[at] === 1 &&
    length >= HEADER_BYTES &&
    length <= MESSAGE_BYTES_MAX &&
    (length & 3) === 0 &&
    (bytes[at + 4]! & 15) === 0
  );
}

export function messageBytes(bytes: Uint8Array, at: number): number {
  return u24(bytes, at + 1);
}

/** Reads the message at [start, end). What could not be read is in `oddities`. */
export function readMessage(bytes: Uint8Array, start: number, end: number): DiameterMessage {
  const m = new DiameterMessage();
  m.request = (bytes[start + 4]! & 0x80) !== 0;
  m.command = u24(bytes, start + 5);
  m.application = u32(bytes, start + 8);
  m.hopByHop = u32(bytes, start + 12);
  m.endToEnd = u32(bytes, start + 16);
  walk(bytes, start + HEADER_BYTES, end, m);
  if (m.request) {
    if (m.application === RELAY_APPLICATION && m.command !== 257) m.oddities.add('DIAMETER_RELAY_APPLICATION');
    else if (!fitsApplication(m.command, m.application)) m.oddities.add('DIAMETER_APPLICATION');
  }
  return m;
}

const ends = new Int32Array(DEPTH_MAX + 1);

function walk(bytes: Uint8Array, from: number, end: number, m: DiameterMessage): void {
  let at = from;
  let depth = 0;
  const seen = new Set<number>();
  ends[0] = end;
  for (let n = 0; n < AVPS_MAX; n++) {
    while (depth > 0 && at >= ends[depth]!) depth -= 1;
    if (at >= end) return;
    if (at + 8 > ends[depth]!) {
      m.oddities.add('DIAMETER_AVP_LENGTH');
      if (depth === 0) return;
      at = ends[depth]!;
      continue;
    }
    const code = u32(bytes, at);
    const vendorBit = (bytes[at + 4]! & 0x80) !== 0;
    const length = u24(bytes, at + 5);
    const head = vendorBit ? 12 : 8;
    // A length shorter than its header (GHSA-6r28-9ppf-4hj5) or past its parent ends the group: what follows has no place.
    if (length < head || length > ends[depth]! - at) {
      m.oddities.add('DIAMETER_AVP_LENGTH');
      if (depth === 0) return;
      at = ends[depth]!;
      continue;
    }
    const body = at + head;
    const bodyEnd = at + length;
    if (depth === 0 && once.has(code)) {
      if (seen.has(code)) m.oddities.add('DIAMETER_DUPLICATE_AVP');
      seen.add(code);
    }
    if (isS6aAvp(code) && !vendorBit) m.oddities.add('DIAMETER_VENDOR_BIT');
    take(bytes, code, body, bodyEnd, depth, m);
    const next = Math.min(at + ((length + 3) & ~3), ends[depth]!);
    if (groups.has(code) && bodyEnd - body >= 8) {
      if (depth < DEPTH_MAX) {
        // The padding of a group is behind it: closing it goes on at `next`.
        ends[depth + 1] = bodyEnd;
        depth += 1;
        at = body;
        continue;
      }
      m.oddities.add('DIAMETER_DEPTH');
    }
    at = next;
  }
  m.oddities.add('DIAMETER_AVP_COUNT');
}

/** Once a message at the most (RFC 6733, 6; TS 29.272, 7.2). */
const once = new Set<number>([
  Avp.UserName,
  Avp.OriginHost,
  Avp.OriginRealm,
  Avp.DestinationHost,
  Avp.DestinationRealm,
  Avp.VisitedPlmnId,
]);

function take(bytes: Uint8Array, code: number, from: number, end: number, depth: number, m: DiameterMessage): void {
  switch (code) {
    case Avp.UserName:
      if (m.userName === '' && depth === 0) m.userName = text(bytes, from, end);
      return;
    case Avp.OriginHost:
      if (m.originHost === '') m.originHost = name(bytes, from, end, m);
      return;
    case Avp.OriginRealm:
      // The last one counts for a peer that takes the last; the first is what a filter sees. Both are worth judging.
      m.originRealm = name(bytes, from, end, m);
      return;
    case Avp.DestinationHost:
      m.destinationHost = name(bytes, from, end, m);
      return;
    case Avp.DestinationRealm:
      m.destinationRealm = name(bytes, from, end, m);
      return;
    case Avp.RouteRecord:
      if (m.routeRecords.length < 16) m.routeRecords.push(name(bytes, from, end, m));
      return;
    case Avp.ResultCode:
    case Avp.ExperimentalResultCode:
      if (end - from === 4) m.resultCode = u32(bytes, from);
      return;
    case Avp.SubscriptionIdType:
      if (end - from === 4) m.subscriptionType = u32(bytes, from);
      return;
    case Avp.SubscriptionIdData:
      // Types (RFC 8506, 8.47): 0 E.164, 1 IMSI.
      if (m.subscriptionType === 1 && m.userName === '') m.userName = text(bytes, from, end);
      else if (m.subscriptionType === 0) m.msisdn = text(bytes, from, end);
      return;
    case Avp.Msisdn:
      if (m.msisdn === '') m.msisdn = tbcd(bytes, from, end);
      return;
    case Avp.VisitedPlmnId:
      if (end - from === 3) m.visitedPlmn = plmn(bytes, from);
      return;
    case Avp.ServiceSelection:
      if (m.apn === '') m.apn = text(bytes, from, end).toLowerCase();
      return;
    case Avp.IdrFlags:
      if (end - from === 4) m.idrFlags = u32(bytes, from);
      return;
    case Avp.AuthenticationInfo:
      m.hasKeys = end > from;
      return;
    case Avp.EpsLocationInformation:
    case Avp.LocationEstimate:
      m.hasLocation = end > from;
      return;
    case Avp.ServingNode:
      m.hasServingNode = end > from;
      return;
    case 1400:
      m.hasProfile = true;
      return;
  }
}

function text(bytes: Uint8Array, from: number, end: number): string {
  let out = '';
  for (let i = from; i < Math.min(end, from + TEXT_MAX); i++) out += String.fromCharCode(bytes[i]!);
  return out;
}

/** DiameterIdentity: compared without case (RFC 6733, 4.3.1); a trailing dot names the same host and is noted. */
function name(bytes: Uint8Array, from: number, end: number, m: DiameterMessage): string {
  let out = text(bytes, from, end);
  const lower = out.toLowerCase();
  if (lower !== out) m.oddities.add('DIAMETER_NAME_CASE');
  out = lower;
  if (out.endsWith('.')) {
    m.oddities.add('DIAMETER_NAME_DOT');
    out = out.replace(/\.+$/, '');
  }
  return out;
}

function tbcd(bytes: Uint8Array, from: number, end: number): string {
  let out = '';
  for (let i = from; i < Math.min(end, from + 10); i++) {
    for (const nibble of [bytes[i]! & 15, bytes[i]! >> 4]) {
      if (nibble > 9) return out;
      out += nibble;
    }
  }
  return out;
}

/** MCC and MNC digits of three octets (TS 29.272, 7.3.9). */
function plmn(bytes: Uint8Array, at: number): string {
  const [a, b, c] = [bytes[at]!, bytes[at + 1]!, bytes[at + 2]!];
  const third = b >> 4;
  return `${a & 15}${a >> 4}${b & 15}${c & 15}${c >> 4}${third === 15 ? '' : third}`;
}

export function u24(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 16) | (bytes[at + 1]! << 8) | bytes[at + 2]!;
}
export function u32(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
}
