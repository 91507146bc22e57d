// Domain names in uncompressed wire form (RFC 1035, 3.1): length octets and labels up to the root's zero.

/** ASCII A-Z to a-z (RFC 4343), all else itself. Length octets are at most 63, below 'A', so a whole wire name may pass through it. */
export const LOWER = new Uint8Array(256);
for (let i = 0; i < 256; i++) LOWER[i] = i >= 0x41 && i <= 0x5a ? i + 0x20 : i;

/** FNV-1a over the lower-cased octets of a name, wire form or text, then mixed; never 0, so that zero can mark an empty slot. */
export function hashLowerCased(bytes: Uint8Array, offset: number, length: number): number {
  let h = 0x811c9dc5;
  const end = offset + length;
  for (let i = offset; i < end; i++) h = Math.imul(h ^ LOWER[bytes[i]!]!, 0x01000193);
  h = Math.imul(h ^ (h >>> 16), 0x7feb352d);
  return (h ^ (h >>> 15)) >>> 0 || 1;
}

/**
 * Writes a name's presentation form (`\.` and `\DDD` escapes, final dot optional) as wire form at `at`.
 * @returns octets written, root included; -1 where the text is no name (RFC 1035 limits), and nothing then counts
 */
export function textToWire(text: string, out: Uint8Array, at: number): number {
  if (text === '.' || text === '') {
    out[at] = 0;
    return 1;
  }
  let lengthAt = at;
  let to = at + 1;
  const limit = Math.min(at + 255, out.length);
  for (let i = 0; i < text.length; i++) {
    let c = text.charCodeAt(i);
    if (c === 0x2e) {
      const label = to - lengthAt - 1;
      if (label === 0 || label > 63) return -1;
      out[lengthAt] = label;
      lengthAt = to++;
      if (to > limit) return -1;
      continue;
    }
    if (c === 0x5c) {
      const digits = text.slice(i + 1, i + 4);
      if (/^\d{3}$/.test(digits) && Number(digits) < 256) {
        c = Number(digits);
        i += 3;
      } else if (text[i + 1] === 'x' && /^[0-9a-fA-F]{2}$/.test(text.slice(i + 2, i + 4))) {
        // Zeek writes octets outside of ASCII as \xHH.
        c = Number.parseInt(text.slice(i + 2, i + 4), 16);
        i += 3;
      } else if (i + 1 < text.length) c = text.charCodeAt(++i);
      else return -1;
    }
    if (c > 255 || to >= limit) return -1;
    out[to++] = c;
  }
  const label = to - lengthAt - 1;
  if (label > 63) return -1;
  if (label === 0) {
    // A final dot: the octet reserved for the next length is the root.
    out[lengthAt] = 0;
    return to - at;
  }
  out[lengthAt] = label;
  if (to >= limit) return -1;
  out[to++] = 0;
  return to - at;
}
