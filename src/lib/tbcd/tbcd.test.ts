import { describe, expect, it } from 'vitest';
import { bcdDigits, tbcdDigits } from './index.ts';

describe('digits in swapped nibbles', () => {
  it('TBCD ends at the filler F and keeps a real zero before it (pycrate#136)', () => {
    expect(tbcdDigits(Uint8Array.of(0x19, 0x02, 0xf0), 0, 3)).toBe('91200');
    expect(tbcdDigits(Uint8Array.of(0x19, 0x20), 0, 2)).toBe('9102');
  });
  it('a counted title keeps zeros that look like a filler', () => {
    expect(bcdDigits(Uint8Array.of(0x21, 0x03), 0, 2, 4)).toBe('1230');
    expect(bcdDigits(Uint8Array.of(0x21, 0x03), 0, 2, 3)).toBe('123');
  });
  it('never reads past its octets', () => {
    expect(bcdDigits(Uint8Array.of(0x21), 0, 1, 99)).toBe('12');
  });
});
