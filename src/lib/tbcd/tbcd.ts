// Telephone digits in swapped nibbles. Two rules exist and must not be mixed: MAP's TBCD ends at a filler nibble F
// (TS 29.002, TBCD-STRING); an SCCP global title says odd or even apart, and its filler is 0 (Q.713, 3.4.2.3).

const symbols = '0123456789*#abc';

/** TBCD: digits up to the first filler. */
export function tbcdDigits(bytes: Uint8Array, offset: number, length: number): string {
  let text = '';
  for (let i = offset; i < offset + length; i++) {
    const low = bytes[i]! & 15;
    const high = bytes[i]! >> 4;
    if (low === 15) break;
    text += symbols[low];
    if (high === 15) break;
    text += symbols[high];
  }
  return text;
}

const hex = '0123456789abcdef';

/** Exactly `count` nibbles, none taken for a filler; at most what `length` octets hold. */
export function bcdDigits(bytes: Uint8Array, offset: number, length: number, count: number): string {
  let text = '';
  const most = Math.min(count, 2 * length);
  for (let i = 0; i < most; i++) {
    const octet = bytes[offset + (i >> 1)]!;
    text += hex[(i & 1) === 0 ? octet & 15 : octet >> 4];
  }
  return text;
}
