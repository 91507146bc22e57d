// Whether a UDP payload is an export datagram: on a collector's port by its version, elsewhere only where every length in it
// adds up to its end.
import { u16, u32 } from './record.ts';
import { V5_HEADER_BYTES, V5_RECORD_BYTES, V5_RECORDS_MAX } from './v5.ts';

/** NetFlow's usual ports, IPFIX (RFC 7011 10.3.4) and sFlow (IANA). */
export function isCollectorPort(port: number): boolean {
  return port === 2055 || port === 9995 || port === 4739 || port === 6343;
}

export const Version = { V5: 5, V9: 9, Ipfix: 10, Sflow: 0 } as const;

/** @returns the version's number, -1 where the first octets are of none */
export function versionOf(b: Uint8Array, at: number, end: number): number {
  if (end - at < 4) return -1;
  const version = u16(b, at);
  if (version === 0) return u16(b, at + 2) === 5 ? Version.Sflow : -1;
  return version === Version.V5 || version === Version.V9 || version === Version.Ipfix ? version : -1;
}

/** @param wholeBytes the payload's length by its length field: what is cut proves nothing */
export function isExport(b: Uint8Array, at: number, end: number, wholeBytes: number): boolean {
  const version = versionOf(b, at, end);
  if (version < 0 || end - at !== wholeBytes) return false;
  if (version === Version.V5) {
    const count = u16(b, at + 2);
    return count > 0 && count <= V5_RECORDS_MAX && wholeBytes === V5_HEADER_BYTES + count * V5_RECORD_BYTES;
  }
  if (version === Version.V9) return wholeBytes > 20 && u16(b, at + 2) > 0 && areSets(b, at + 20, end, 0);
  if (version === Version.Ipfix) return wholeBytes > 16 && u16(b, at + 2) === wholeBytes && areSets(b, at + 16, end, 2);
  return areSamples(b, at, end);
}

/** @param first the id of template sets: the only one below 256 besides the next, that of options */
function areSets(b: Uint8Array, start: number, end: number, first: number): boolean {
  let at = start;
  while (at + 4 <= end) {
    const id = u16(b, at);
    const length = u16(b, at + 2);
    if (length < 4 || at + length > end || (id < 256 && id !== first && id !== first + 1)) return false;
    at += length;
  }
  return at === end;
}

function areSamples(b: Uint8Array, start: number, end: number): boolean {
  if (end - start < 28) return false;
  const kind = u32(b, start + 4);
  if (kind !== 1 && kind !== 2) return false;
  let at = start + (kind === 1 ? 28 : 40);
  if (at > end) return false;
  for (let left = u32(b, at - 4); left > 0; left--) {
    if (at + 8 > end) return false;
    at += 8 + u32(b, at + 4);
  }
  return at === end;
}
