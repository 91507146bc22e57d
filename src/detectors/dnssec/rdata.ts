// Record data in canonical form (RFC 4034 6.2): embedded names uncompressed, and lower-cased for the types that RFC lists.
import { LOWER } from '#lib/wirename';

/** Octets of fixed data, 'n' a name, 's' a character-string, '*' the rest as it is. */
type Layout = readonly (number | 'n' | 's' | '*')[];

/**
 * Types whose names are lower-cased: RFC 4034 6.2 item 3, less NSEC and with RRSIG kept, by RFC 6840 5.1. HINFO stands in that
 * list but has no name. A6 (38) left the standards track. Addresses are here for their length.
 */
const layouts: Readonly<Record<number, Layout>> = {
  1: [4],
  28: [16],
  2: ['n'],
  3: ['n'],
  4: ['n'],
  5: ['n'],
  6: ['n', 'n', 20],
  7: ['n'],
  8: ['n'],
  9: ['n'],
  12: ['n'],
  14: ['n', 'n'],
  15: [2, 'n'],
  17: ['n', 'n'],
  18: [2, 'n'],
  21: [2, 'n'],
  24: [18, 'n', '*'],
  26: [2, 'n', 'n'],
  30: ['n', '*'],
  33: [6, 'n'],
  35: [4, 's', 's', 's', 'n'],
  36: [2, 'n'],
  39: ['n'],
  46: [18, 'n', '*'],
};

/**
 * Copies a name, following pointers, to `out` at `to`.
 * @returns octets written and where reading goes on, or undefined where it runs out, loops or is longer than 255 octets
 */
export function copyName(
  bytes: Uint8Array,
  at: number,
  out: Uint8Array,
  to: number,
  lower: boolean,
): { length: number; next: number } | undefined {
  let next = -1;
  let written = 0;
  let from = at;
  // Each pointer must go back (RFC 1035 4.1.4 "a prior occurrence"), which ends every loop.
  let floor = at;
  for (;;) {
    const length = bytes[from];
    if (length === undefined) return undefined;
    if (length >= 0xc0) {
      const low = bytes[from + 1];
      if (low === undefined) return undefined;
      if (next < 0) next = from + 2;
      const target = ((length & 0x3f) << 8) | low;
      if (target >= floor) return undefined;
      floor = target;
      from = target;
      continue;
    }
    if (length > 63 || from + 1 + length > bytes.length || written + 1 + length > 255) return undefined;
    out[to + written++] = length;
    for (let i = from + 1; i <= from + length; i++) out[to + written++] = lower ? LOWER[bytes[i]!]! : bytes[i]!;
    from += 1 + length;
    if (length === 0) return { length: written, next: next < 0 ? from : next };
  }
}

/** @returns canonical data, or undefined where it does not fit its type */
export function canonicalRdata(bytes: Uint8Array, at: number, length: number, type: number): Uint8Array | undefined {
  const layout = layouts[type];
  const end = at + length;
  if (layout === undefined) return new Uint8Array(bytes.subarray(at, end));
  const out = new Uint8Array(length + 512);
  let to = 0;
  let from = at;
  for (const part of layout) {
    if (part === 'n') {
      const name = copyName(bytes, from, out, to, true);
      if (name === undefined) return undefined;
      to += name.length;
      from = name.next;
    } else {
      const size = part === '*' ? end - from : part === 's' ? 1 + (bytes[from] ?? 0) : part;
      if (size < 0 || from + size > end) return undefined;
      out.set(bytes.subarray(from, from + size), to);
      to += size;
      from += size;
    }
    if (from > end) return undefined;
  }
  return from === end ? out.slice(0, to) : undefined;
}

/** Order of records within a set: as left-justified octets (RFC 4034 6.3). */
export function compareRdata(a: Uint8Array, b: Uint8Array): number {
  const shared = Math.min(a.length, b.length);
  for (let i = 0; i < shared; i++) if (a[i] !== b[i]) return a[i]! - b[i]!;
  return a.length - b.length;
}
