// The form of a registered domain's own label: how much likelier its letter pairs are in the output of a generator than in
// names that people chose. Families that put words together read as ordinary here; they are seen by their number.
import { LOWER } from '#lib/wirename';
import calibration from './calibration.json' with { type: 'json' };

/** The label's edge, a-z, 0-9, and one for all else. */
export const SYMBOLS = 38;
/** A single name says this much at the most, either way. */
const NAME_BITS_MAX = 6;

export function symbolOf(c: number): number {
  if (c >= 0x61 && c <= 0x7a) return c - 0x60;
  if (c >= 0x30 && c <= 0x39) return 27 + c - 0x30;
  return 37;
}

const pairs = Buffer.from(calibration.pairBitEighths, 'base64');
const pairBits = new Float32Array(SYMBOLS * SYMBOLS);
for (let i = 0; i < pairs.length && i < pairBits.length; i++) pairBits[i] = pairs.readInt8(i) / 8;
const tlds = new Map<string, number>(Object.entries(calibration.tlds));

/**
 * Bits for the label whose length octet stands at `at`.
 * An internationalised label is a code of its own (RFC 3492) and says nothing.
 */
export function formBits(bytes: Uint8Array, at: number): number {
  const length = bytes[at]!;
  if (length > 4 && LOWER[bytes[at + 1]!] === 0x78 && bytes[at + 3] === 0x2d && bytes[at + 4] === 0x2d) return 0;
  let bits = 0;
  let before = 0;
  for (let i = at + 1; i <= at + length; i++) {
    const s = symbolOf(LOWER[bytes[i]!]!);
    bits += pairBits[before * SYMBOLS + s]!;
    before = s;
  }
  bits += pairBits[before * SYMBOLS]!;
  return Math.max(-NAME_BITS_MAX, Math.min(NAME_BITS_MAX, bits));
}

/** Bits for a top-level label, lower case; undefined where it is not among those that popular domains have. */
export function tldBits(tld: string): number | undefined {
  return tlds.get(tld);
}
