// What of a name a registry could have sold, read without making a string.
import { registeredAt } from '#lib/suffix';
import { hashLowerCased, LOWER } from '#lib/wirename';

/** Last labels that no registry of the root sells: RFC 6761, 6762, 8375, 9476, and what sites and home routers use. */
const local = new Set(
  'local localhost localdomain home lan internal intranet corp private workgroup domain router gateway fritz box invalid test arpa onion alt'.split(
    ' ',
  ),
);
const localHashes = new Set<number>();
for (const label of local) {
  const wire = Buffer.concat([Buffer.from([label.length]), Buffer.from(label), Buffer.from([0])]);
  localHashes.add(hashLowerCased(wire, 0, wire.length));
}

/** A name taken apart; one is reused for all rows. */
export class NameParts {
  readonly starts = new Int32Array(128);
  /** Offset of the registered domain. */
  zoneAt = 0;
  zoneHash = 0;
  /** Offset of the last label. */
  tldAt = 0;
  /** The name is a registered domain itself, or `www` below it: what is tried where a domain is looked for. */
  isApex = false;
}

/** @returns false where the name holds no domain that could be bought: single labels, local suffixes, reversed addresses */
export function takeApart(bytes: Uint8Array, offset: number, end: number, parts: NameParts): boolean {
  let labels = 0;
  let at = offset;
  while (at < end && bytes[at]! !== 0 && labels < 127) {
    parts.starts[labels++] = at;
    at += bytes[at]! + 1;
  }
  if (labels < 2 || at !== end - 1) return false;
  const tldAt = parts.starts[labels - 1]!;
  if (!isTopLevel(bytes, tldAt) || localHashes.has(hashLowerCased(bytes, tldAt, end - tldAt))) return false;
  parts.tldAt = tldAt;
  parts.zoneAt = registeredAt(bytes, parts.starts, labels, end);
  // A bare suffix was sold to nobody in particular.
  if (parts.zoneAt === tldAt) return false;
  parts.zoneHash = hashLowerCased(bytes, parts.zoneAt, end - parts.zoneAt);
  parts.isApex = parts.zoneAt === offset || (parts.starts[1] === parts.zoneAt && isWww(bytes, offset));
  return true;
}

/** Letters only (RFC 3696, 2), or an internationalised label. */
function isTopLevel(bytes: Uint8Array, at: number): boolean {
  const length = bytes[at]!;
  if (length < 2 || length > 24) return false;
  if (length > 4 && LOWER[bytes[at + 1]!] === 0x78 && bytes[at + 3] === 0x2d && bytes[at + 4] === 0x2d) return true;
  for (let i = at + 1; i <= at + length; i++) {
    const c = LOWER[bytes[i]!]!;
    if (c < 0x61 || c > 0x7a) return false;
  }
  return true;
}

function isWww(bytes: Uint8Array, at: number): boolean {
  if (bytes[at] !== 3) return false;
  for (let i = 1; i <= 3; i++) if (LOWER[bytes[at + i]!] !== 0x77) return false;
  return true;
}

/** Lower-cased text of the wire name from `at` on; octets outside of printable ASCII as `?`. */
export function domainText(bytes: Uint8Array, at: number, end: number): string {
  let text = '';
  for (let i = at; i < end && bytes[i]! !== 0; i += bytes[i]! + 1) {
    if (text !== '') text += '.';
    for (let k = i + 1; k <= i + bytes[i]! && k < end; k++) {
      const c = LOWER[bytes[k]!]!;
      text += c > 0x20 && c < 0x7f && c !== 0x2e && c !== 0x5c ? String.fromCharCode(c) : '?';
    }
  }
  return text;
}
