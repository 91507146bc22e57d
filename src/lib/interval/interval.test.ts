import { describe, expect, it } from 'vitest';
import { medianInterval, poissonInterval, quantile, wilson } from '#lib/interval';

describe('interval', () => {
  it("Wilson's limits agree with published values", () => {
    // Newcombe 1998, table I: 81 of 263 and 0 of 20.
    const [low, high] = wilson(81, 263);
    expect(low).toBeCloseTo(0.2553, 4);
    expect(high).toBeCloseTo(0.3662, 4);
    expect(wilson(0, 20)[1]).toBeCloseTo(0.1611, 4);
    expect(wilson(0, 20)[0]).toBe(0);
  });

  it('Poisson limits agree with the exact ones within a percent', () => {
    const [low, high] = poissonInterval(10, 1);
    expect(Math.abs(low / 4.7954 - 1)).toBeLessThan(0.01);
    expect(Math.abs(high / 18.3904 - 1)).toBeLessThan(0.01);
    expect(poissonInterval(0, 2)[0]).toBe(0);
  });

  it('quantiles and the median interval come from the sample', () => {
    const sample = Array.from({ length: 101 }, (_, i) => i);
    expect(quantile(sample, 0.5)).toBe(50);
    expect(quantile([], 0.5)).toBeNaN();
    const [low, high] = medianInterval(sample);
    expect(low).toBeGreaterThan(35);
    expect(high).toBeLessThan(65);
  });
});
