import { describe, expect, test } from 'vitest';
import { seededRandom } from './index.ts';

describe('a seeded stream', () => {
  test('repeats itself', () => {
    const draw = () => {
      const r = seededRandom(42);
      return [r.uniform(), r.word(), r.integer(1, 6), r.normal(2), r.exponential(3)];
    };
    expect(draw()).toEqual(draw());
  });
  test('splits by name without regard to what was drawn before', () => {
    const a = seededRandom(1);
    const b = seededRandom(1);
    a.word();
    b.split('another');
    expect(a.split('meters').word()).toBe(b.split('meters').word());
    expect(a.split('meters').word()).not.toBe(a.split('cameras').word());
  });
  test('is uniform, and its normal has the asked deviation', () => {
    const r = seededRandom('figures');
    let sum = 0;
    let square = 0;
    const n = 20_000;
    for (let i = 0; i < n; i++) {
      sum += r.uniform();
      square += r.normal(3) ** 2;
    }
    expect(sum / n).toBeCloseTo(0.5, 1);
    expect(Math.sqrt(square / n)).toBeCloseTo(3, 0);
  });
  test('shuffles without losing anything and fills every octet', () => {
    const r = seededRandom(3);
    expect(r.shuffled([1, 2, 3, 4, 5]).sort()).toEqual([1, 2, 3, 4, 5]);
    const bytes = new Uint8Array(11);
    r.fill(bytes, 2, 9);
    expect(bytes[0]).toBe(0);
    expect(bytes.subarray(2, 9).some((b) => b !== 0)).toBe(true);
    expect(bytes[10]).toBe(0);
  });
});
