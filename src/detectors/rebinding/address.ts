// What an answer address points at, from its four words. IPv6 forms that carry an IPv4 address are judged by what they carry.

/** Kinds of place. `Public` is everything that is not ours by nature. */
export const Place = { Public: 0, Private: 1, Loopback: 2, LinkLocal: 3, Zero: 4, Shared: 5, List: 6 } as const;

/**
 * @param words four words at `at` (lib/address)
 * @returns one of `Place`
 */
export function placeOf(words: Uint32Array, at: number): number {
  const a = words[at]!;
  const b = words[at + 1]!;
  const c = words[at + 2]!;
  const d = words[at + 3]!;
  if (a === 0 && b === 0) {
    // IPv4-mapped (RFC 4291 2.5.5.2); the older compatible form holds :: and ::1 (2.5.2, 2.5.3).
    if (c === 0xffff) return placeOfV4(d);
    if (c === 0) return d === 0 ? Place.Zero : d === 1 ? Place.Loopback : placeOfV4(d);
    return Place.Public;
  }
  // NAT64 (RFC 6052 2.1, RFC 8215): the well-known prefix carries the address in its last word, the local ones lead inside.
  if (a === 0x0064ff9b) return b === 0 && c === 0 ? placeOfV4(d) : b >>> 16 === 1 ? Place.Private : Place.Public;
  // 6to4 (RFC 3056): the address follows the first 16 bits.
  if (a >>> 16 === 0x2002) return placeOfV4((((a & 0xffff) << 16) | (b >>> 16)) >>> 0);
  if (a >>> 22 === 0x3fa) return Place.LinkLocal;
  // Unique local (RFC 4193) and the site-local range before it (RFC 3879).
  if (a >>> 25 === 0x7e || a >>> 22 === 0x3fb) return Place.Private;
  return Place.Public;
}

/**
 * 4 where the address is IPv4 in whatever dress, 6 where it is not. Public names have inside addresses of the other family in
 * ordinary life, so a turn is one within a family; an IPv4 address in the dress of IPv6 is the same family.
 */
export function familyOf(words: Uint32Array, at: number): 4 | 6 {
  const a = words[at]!;
  if (a === 0 && words[at + 1] === 0)
    return words[at + 2] === 0xffff || (words[at + 2] === 0 && words[at + 3]! > 1) ? 4 : 6;
  return a >>> 16 === 0x2002 || (a === 0x0064ff9b && words[at + 1] === 0) ? 4 : 6;
}

function placeOfV4(v: number): number {
  const first = v >>> 24;
  if (first === 10 || v >>> 20 === 0xac1 || v >>> 16 === 0xc0a8) return Place.Private;
  // 127.0.0.1 is a host; block lists say their codes in the rest of the range (RFC 5782 2.1).
  if (first === 127) return v === 0x7f000001 ? Place.Loopback : Place.List;
  if (v >>> 16 === 0xa9fe) return Place.LinkLocal;
  if (first === 0) return Place.Zero;
  if (v >>> 22 === 0x191) return Place.Shared;
  return Place.Public;
}
