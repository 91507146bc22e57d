// How tools turn octets into characters of names: k bits a character out of an alphabet of 2^k, most significant bit first,
// without padding. Characters are Latin-1, one octet each.

export interface Codec {
  readonly alphabet: string;
  readonly bits: number;
}
const range = (from: number, to: number): string =>
  String.fromCharCode(...Array.from({ length: to - from + 1 }, (_, i) => from + i));
const lower = 'abcdefghijklmnopqrstuvwxyz';
const upper = lower.toUpperCase();
const digits = '0123456789';

export const codecs = {
  hex: { alphabet: `${digits}abcdef`, bits: 4 },
  /** RFC 4648 6, lower case. */
  base32: { alphabet: `${lower}234567`, bits: 5 },
  /** RFC 4648 4. */
  base64: { alphabet: `${upper}${lower}${digits}+/`, bits: 6 },
  /** RFC 4648 5. */
  base64url: { alphabet: `${upper}${lower}${digits}-_`, bits: 6 },
  iodine32: { alphabet: `${lower}012345`, bits: 5 },
  iodine64: { alphabet: `${lower}${upper}-${digits}+`, bits: 6 },
  /** Letters, digits and the raw octets 0xBC to 0xFD. */
  iodine128: { alphabet: `${lower}${upper}${digits}${range(0xbc, 0xfd)}`, bits: 7 },
} as const satisfies Record<string, Codec>;

export function encodeBits(codec: Codec, bytes: Uint8Array): string {
  const { alphabet, bits } = codec;
  let out = '';
  let held = 0;
  let count = 0;
  for (const octet of bytes) {
    held = (held << 8) | octet;
    count += 8;
    while (count >= bits) {
      count -= bits;
      out += alphabet[(held >>> count) & ((1 << bits) - 1)];
    }
    held &= (1 << count) - 1;
  }
  return count > 0 ? out + alphabet[(held << (bits - count)) & ((1 << bits) - 1)] : out;
}

/** Characters that `bytes` octets need. */
export function encodedLength(codec: Codec, bytes: number): number {
  return Math.ceil((8 * bytes) / codec.bits);
}

/** Parts of at most `length` characters, joined by dots. */
export function dotted(text: string, length: number): string {
  const parts: string[] = [];
  for (let o = 0; o < text.length; o += length) parts.push(text.slice(o, o + length));
  return parts.join('.');
}
