import { describe, expect, it } from 'vitest';
import { chiSquaredQuantile, chiSquaredTail, normalQuantile } from './index.ts';

describe('stats', () => {
  it('chi-squared quantiles agree with printed tables', () => {
    expect(chiSquaredQuantile(0.99, 2)).toBeCloseTo(9.2103404, 6);
    expect(chiSquaredQuantile(0.99, 9)).toBeCloseTo(21.665994, 5);
    expect(chiSquaredQuantile(0.99, 95)).toBeCloseTo(129.97268, 4);
    expect(chiSquaredQuantile(0.95, 1)).toBeCloseTo(3.841459, 5);
  });
  it('tail and quantile are inverse', () => {
    for (const dof of [0.5, 1, 3, 12.5, 100, 900])
      for (const p of [0.01, 0.5, 0.99, 0.9999])
        expect(1 - chiSquaredTail(chiSquaredQuantile(p, dof), dof)).toBeCloseTo(p, 8);
  });
  it('normal quantiles agree with printed tables', () => {
    expect(normalQuantile(0.975)).toBeCloseTo(1.959963985, 7);
    expect(normalQuantile(0.00001)).toBeCloseTo(-4.264890794, 6);
    expect(normalQuantile(0.5)).toBe(0);
  });
});
