import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { seededRandom } from '#lib/random';
import { analyse, doubled, Ldl, Lu } from './index.ts';

/** A connected graph with a few loops, as grids are. */
function graph(seed: number, n: number): [number, number][] {
  const random = seededRandom(seed);
  const edges: [number, number][] = [];
  for (let i = 1; i < n; i++) edges.push([i, random.integer(0, i - 1)]);
  for (let i = 0; i < n / 2; i++) edges.push([random.integer(0, n - 1), random.integer(0, n - 1)]);
  return edges;
}

describe('sparse factors', () => {
  it('a matrix times its inverse applied is the identity (LU, unsymmetric values)', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1e6 }), fc.integer({ min: 1, max: 40 }), (seed, n) => {
        const random = seededRandom(seed);
        const edges = graph(seed, n);
        const lu = new Lu(doubled(analyse(n, edges)));
        const size = 2 * n;
        const dense = Array.from({ length: size }, () => new Float64Array(size));
        const put = (i: number, j: number, v: number): void => {
          dense[i]![j]! += v;
          lu.values[lu.address(i, j)]! += v;
        };
        for (let i = 0; i < size; i++) put(i, i, 10 + random.uniform());
        for (let v = 0; v < n; v++) put(2 * v, 2 * v + 1, random.uniform());
        for (const [a, b] of edges)
          if (a !== b)
            for (const p of [0, 1])
              for (const q of [0, 1]) {
                put(2 * a + p, 2 * b + q, random.uniform() - 0.5);
                put(2 * b + p, 2 * a + q, random.uniform() - 0.5);
              }
        const x = Float64Array.from({ length: size }, () => random.uniform());
        const b = Float64Array.from(dense, (row) => row.reduce((s, v, j) => s + v * x[j]!, 0));
        lu.factor();
        lu.solve(b);
        for (let i = 0; i < size; i++) expect(b[i]).toBeCloseTo(x[i]!, 9);
        expect(lu.weakPivots).toBe(0);
      }),
      { numRuns: 60 },
    );
  });

  it("solves and the inverse inside the pattern agree with solving for unit vectors (LDL')", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1e6 }), fc.integer({ min: 2, max: 30 }), (seed, n) => {
        const random = seededRandom(seed);
        const edges = graph(seed, n);
        const ldl = new Ldl(analyse(n, edges));
        const add = (i: number, j: number, v: number): void => {
          ldl.values[ldl.address(i, j)]! += v;
        };
        for (let i = 0; i < n; i++) add(i, i, 0.5 + random.uniform());
        for (const [a, b] of edges) {
          if (a === b) continue;
          const w = random.uniform();
          add(a, a, w);
          add(b, b, w);
          add(a, b, -w);
        }
        ldl.factor();
        expect(ldl.zeroPivots).toEqual([]);
        const z = new Float64Array(ldl.values.length);
        ldl.inverseSubset(z);
        for (let j = 0; j < n; j++) {
          const e = new Float64Array(n);
          e[j] = 1;
          ldl.solve(e);
          expect(z[ldl.address(j, j)]).toBeCloseTo(e[j]!, 9);
          for (const [a, b] of edges) if (a === j && b !== j) expect(z[ldl.address(a, b)]).toBeCloseTo(e[b]!, 9);
        }
      }),
      { numRuns: 60 },
    );
  });

  it('a Laplacian without a grounded vertex has exactly one zero pivot', () => {
    const n = 25;
    const edges = graph(7, n);
    const ldl = new Ldl(analyse(n, edges));
    for (const [a, b] of edges) {
      if (a === b) continue;
      ldl.values[ldl.address(a, a)]! += 1;
      ldl.values[ldl.address(b, b)]! += 1;
      ldl.values[ldl.address(a, b)]! -= 1;
    }
    ldl.factor();
    expect(ldl.zeroPivots.length).toBe(1);
  });

  it('a zero pivot in LU is reported, not divided by', () => {
    const lu = new Lu(analyse(2, [[0, 1]]));
    lu.factor();
    expect(lu.weakPivots).toBe(2);
  });

  it('a tree needs no fill', () => {
    const edges = Array.from({ length: 99 }, (_, i): [number, number] => [i + 1, i >> 1]);
    expect(analyse(100, edges).rows.length).toBe(99);
  });
});
