import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LAYOUT_HEIGHT, LAYOUT_WIDTH, layoutGrid } from './layout.ts';
import { topology } from './testing.ts';

describe('the drawing of a grid', () => {
  it('is the same each time and keeps neighbours nearer than strangers', () => {
    const { buses, branches } = topology(3);
    const places = layoutGrid(buses, branches);
    expect(layoutGrid([...buses], [...branches])).toBe(places);
    const far = (a: number, b: number): number =>
      Math.hypot(places.get(a)!.x - places.get(b)!.x, places.get(a)!.y - places.get(b)!.y);
    const mean = (values: number[]): number => values.reduce((s, v) => s + v, 0) / values.length;
    const lines = mean(branches.map((b) => far(b.from, b.to)));
    const all = mean(buses.flatMap((a) => buses.filter((b) => b > a).map((b) => far(a, b))));
    expect(lines).toBeLessThan(all / 3);
  });

  it('places every bus inside the frame, whatever the topology', () => {
    const edge = fc.record({ from: fc.integer({ min: 0, max: 24 }), to: fc.integer({ min: 0, max: 24 }) });
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.integer({ min: 0, max: 20 }), { maxLength: 20 }),
        fc.array(edge, { maxLength: 40 }),
        (buses, branches) => {
          const places = layoutGrid(buses, branches);
          expect(places.size).toBe(buses.length);
          for (const { x, y } of places.values()) {
            expect(x).toBeGreaterThanOrEqual(0);
            expect(x).toBeLessThanOrEqual(LAYOUT_WIDTH);
            expect(y).toBeGreaterThanOrEqual(0);
            expect(y).toBeLessThanOrEqual(LAYOUT_HEIGHT);
          }
        },
      ),
      { numRuns: 60 },
    );
  });
});
