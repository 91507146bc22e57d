import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BerForm, BerHeader, findTag, oidText, readHeader } from './index.ts';

const h = new BerHeader();

describe('BER headers', () => {
  it('long lengths, extended tags and indefinite lengths are followed and noted', () => {
    expect(readHeader(Uint8Array.of(0x04, 0x82, 0, 1, 7), 0, 5, h)).toBe(true);
    expect([h.content, h.next, h.forms]).toEqual([4, 5, BerForm.LongLength]);
    expect(readHeader(Uint8Array.of(0x9f, 0x00, 1, 7), 0, 4, h)).toBe(true);
    expect([h.tagClass, h.tagNumber, h.forms]).toEqual([2, 0, BerForm.ExtendedTag]);
    expect(readHeader(Uint8Array.of(0x30, 0x80, 0x30, 0x80, 4, 1, 9, 0, 0, 0, 0, 5), 0, 12, h)).toBe(true);
    expect([h.content, h.contentEnd, h.next]).toEqual([2, 9, 11]);
  });
  it('an indefinite length that never closes, or nests past the bound, is refused', () => {
    expect(readHeader(Uint8Array.of(0x30, 0x80, 4, 1, 9), 0, 5, h)).toBe(false);
    const deep = new Uint8Array(4000);
    for (let i = 0; i < 2000; i++) deep.set([0x30, 0x80], 2 * i);
    expect(readHeader(deep, 0, deep.length, h)).toBe(false);
  });
  it('OIDs read as text, pad octets skipped', () => {
    expect(oidText(Uint8Array.of(4, 0, 0, 1, 0, 29, 3), 0, 7)).toBe('0.4.0.0.1.0.29.3');
    expect(oidText(Uint8Array.of(4, 0, 0, 1, 0, 0x80, 29, 3), 0, 8)).toBe('0.4.0.0.1.0.29.3');
  });
  it('for any bytes: no throw, the next element is behind this one and within the end', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(3), fc.nat(40), (bytes, tagClass, number) => {
        let at = 0;
        while (at < bytes.length && readHeader(bytes, at, bytes.length, h)) {
          expect(h.next).toBeGreaterThan(at);
          expect(h.next).toBeLessThanOrEqual(bytes.length);
          expect(h.contentEnd).toBeLessThanOrEqual(h.next);
          at = h.next;
        }
        findTag(bytes, 0, bytes.length, tagClass, number, h);
      }),
    );
  });
});
