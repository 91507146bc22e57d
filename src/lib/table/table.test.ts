import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PairTable } from './index.ts';

describe('PairTable', () => {
  it('finds what was inserted and not evicted, as a Map does', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.integer({ min: 1, max: 50 }), fc.nat(3)), { maxLength: 200 }), (keys) => {
        const table = new PairTable(10);
        const model = new Map<string, number>();
        for (const [a, b] of keys) {
          if (table.find(a, b) < 0) model.set(`${a},${b}`, table.insert(a, b));
          if (table.evicted) return;
          expect(table.find(a, b)).toBe(model.get(`${a},${b}`));
        }
        expect(table.count).toBe(model.size);
      }),
      { seed: 1 },
    );
  });
  it('at its capacity gives up the row of least weight and counts it', () => {
    const table = new PairTable(3);
    for (let a = 1; a <= 8; a++) table.setWeight(table.insert(a, 0), a);
    table.insert(99, 0);
    expect(table.evicted).toBe(true);
    expect(table.shed).toBe(1);
    expect(table.find(1, 0)).toBe(-1);
    expect(table.find(8, 0)).toBeGreaterThanOrEqual(0);
    expect(table.count).toBe(8);
  });
});
