import { isIP, isIPv4 } from 'node:net';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatAddress, parseAddress } from './index.ts';

const words = new Uint32Array(4);
const near = fc.array(fc.constantFrom(...'0123456789.:af '), { maxLength: 18 }).map((c) => c.join(''));
const quads = fc.array(fc.integer({ min: 0, max: 300 }), { minLength: 3, maxLength: 5 }).map((p) => p.join('.'));

describe('parseAddress', () => {
  it('takes what Node takes for an address, and nothing else', () => {
    fc.assert(
      fc.property(fc.oneof(near, quads, fc.ipV4(), fc.ipV6()), (text) => {
        expect(parseAddress(text, words, 0)).toBe(isIP(text) !== 0);
      }),
      { numRuns: 5000 },
    );
  });

  it.each(['', '1.2.3', '1.2.3.4.5', '01.2.3.4', '1.2.3.256', '1..2.3', '.1.2.3', '1.2.3.', ' 1.2.3.4', '1.2.3.4\0'])(
    'refuses %j, and leaves zeros',
    (text) => {
      words.fill(7);
      expect(parseAddress(text, words, 0)).toBe(false);
      expect([...words]).toEqual([0, 0, 0, 0]);
    },
  );

  it('passes over a zone, whatever letters the system gave it', () => {
    expect(parseAddress('fe80::1%br_lan', words, 0)).toBe(true);
    expect(formatAddress(words, 0)).toBe('fe80::1');
  });

  it('gives back what was written', () => {
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), (text) => {
        parseAddress(text, words, 0);
        const once = formatAddress(words, 0);
        const again = new Uint32Array(4);
        parseAddress(once, again, 0);
        expect([...again]).toEqual([...words]);
        if (isIPv4(text)) expect(once).toBe(text);
      }),
    );
  });
});
