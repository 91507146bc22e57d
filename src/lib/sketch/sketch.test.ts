import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { linearCount, ones } from './index.ts';

describe('bitmaps', () => {
  it('bits are counted as one by one', () => {
    fc.assert(
      fc.property(fc.uint32Array({ minLength: 3, maxLength: 6 }), (words) => {
        let slow = 0;
        for (const w of words.subarray(1, 3)) for (let b = 0; b < 32; b++) slow += (w >>> b) & 1;
        expect(ones(words, 1, 2)).toBe(slow);
      }),
      { seed: 1 },
    );
  });
  it('few marks are as many things, all marks are more than can be told', () => {
    const words = new Uint32Array(2);
    expect(linearCount(words, 0, 2, 256)).toBeCloseTo(0);
    words[0] = 0b111;
    expect(Math.round(linearCount(words, 0, 2, 256))).toBe(3);
    words.fill(0xffffffff);
    expect(linearCount(words, 0, 2, 256)).toBe(256);
  });
});
