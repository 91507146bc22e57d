import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { seededRandom } from '#lib/random';
import { Estimator } from './estimate.ts';
import { Gain } from './gain.ts';
import { readMeasurements } from './gold.ts';
import { type Grid, gridFromText } from './grid.ts';
import { caseInput, NodeKind } from './newton.ts';
import { makeRow, RowKind } from './rows.ts';
import { ourGrid } from './testgrid.ts';

const corpus = join(process.env.PARAPET_CORPUS ?? '../shared/corpus', 'power');
const there = existsSync(corpus);
if (!there) console.log('skipped: the power corpus is not here (PARAPET_CORPUS)');

const grids = new Map<string, Grid>();
function gridOf(name: string): Grid {
  let g = grids.get(name);
  if (g === undefined) {
    g = gridFromText(readFileSync(join(corpus, 'cases', `${name}.m`), 'utf8'), name).value!;
    grids.set(name, g);
  }
  return g;
}

/** Flat start, the reference angle as in the case. */
function flat(grid: Grid) {
  const input = caseInput(grid);
  const fixed = new Uint8Array(2 * grid.busCount);
  const va = new Float64Array(grid.busCount);
  input.kind.forEach((k, i) => {
    if (k === NodeKind.Reference) {
      fixed[2 * i] = 1;
      va.fill(input.va[i]!);
    }
  });
  return { closed: grid.closed, fixed, va, vm: new Float64Array(grid.busCount).fill(1) };
}

function run(set: string, options: { trustOf?: (row: number) => number; removeBad?: boolean } = {}) {
  const grid = gridOf(set.slice(0, set.indexOf('.')));
  const read = readMeasurements(
    readFileSync(join(corpus, 'se/gold', `${set}.meas.tsv`), 'utf8'),
    set,
    grid,
    options.trustOf,
  );
  expect(read.faults).toEqual([]);
  const estimator = new Estimator(grid);
  const result = estimator.estimate({ ...flat(grid), rows: read.rows, removeBad: options.removeBad ?? false });
  return { grid, result, rows: read.rows };
}

function table(path: string): { head: Map<string, string>; rows: string[][] } {
  const head = new Map<string, string>();
  const rows: string[][] = [];
  for (const line of readFileSync(join(corpus, path), 'utf8').split('\n')) {
    const h = /^# (\w+)\t(.*)/.exec(line);
    if (h !== null) head.set(h[1]!, h[2]!);
    else if (/^\d/.test(line)) rows.push(line.split('\t'));
  }
  return { head, rows };
}

function angleError(grid: Grid, va: Float64Array, set: string, bus: number): number {
  const truth = table(`expect/se/${set}.state.tsv`).rows.find((r) => Number(r[0]) === bus)!;
  return Math.abs((va[grid.busIndex.get(bus)!]! * 180) / Math.PI - Number(truth[2]));
}

describe.skipIf(!there)('state estimation against a dense QR estimator', () => {
  const sets = there
    ? readdirSync(join(corpus, 'expect/se'))
        .filter((f) => f.endsWith('.state.tsv'))
        .map((f) => f.replace('.state.tsv', ''))
    : [];
  for (const set of sets) {
    it(`${set}: the same state, residuals and residual variances`, () => {
      const expected = table(`expect/se/${set}.state.tsv`);
      const { grid, result, rows } = run(set);
      if (expected.rows.length === 0) return;
      expect(result.status).toBe('solved');
      for (const [bus, vm, va] of expected.rows.map((r) => r.map(Number))) {
        const i = grid.busIndex.get(bus!)!;
        expect(Math.abs(result.vm[i]! - vm!)).toBeLessThan(1e-8);
        expect(Math.abs((result.va[i]! * 180) / Math.PI - va!)).toBeLessThan(1e-6);
      }
      if (expected.head.has('J')) expect(result.objective).toBeCloseTo(Number(expected.head.get('J')), 5);
      expect(Math.abs(result.trace - result.rank)).toBeLessThan(1e-4);
      expect(result.degreesOfFreedom).toBeCloseTo(rows.length - result.rank, 3);
      if (expected.head.has('chi2_99'))
        expect(result.objectiveLimit).toBeCloseTo(Number(expected.head.get('chi2_99')), 2);
      const path = `expect/se/${set}.resid.tsv`;
      if (!existsSync(join(corpus, path))) return;
      table(path).rows.forEach((r, k) => {
        expect(Math.abs(result.residual[k]! - Number(r[1]))).toBeLessThan(1e-7);
        if (Number(r[2]) > 1e-9) expect(result.omega[k]! / Number(r[2])).toBeCloseTo(1, 3);
        else expect(result.critical[k]).toBe(1);
      });
    });
  }

  it('critical rows are named', () => {
    const { result } = run('case14.critical');
    const named = table('expect/se/case14.critical.critical.tsv').rows.map((r) => Number(r[0]));
    expect(Array.from(result.critical).flatMap((c, r) => (c === 1 ? [r + 1] : []))).toEqual(named);
  });

  it('buses that no measurement fixes are listed', () => {
    const { grid, result } = run('case14.unobservable');
    expect(result.status).toBe('unobservable');
    expect(result.unobservable.map((i) => grid.busId[i])).toEqual([8, 12, 14]);
  });

  it('a clean set has no suspect although its largest normalized residual is 4.48', () => {
    const { result } = run('case14.noisy');
    expect(Math.max(...result.normalized)).toBeCloseTo(4.4798, 3);
    expect(result.suspects).toEqual([]);
  });

  it('one gross error is named, left out, and the state returns to the clean one', () => {
    for (const [name, row] of [['case14', 55]] as const) {
      const { result } = run(`${name}.gross1`, { removeBad: true });
      expect(result.removed.map((r) => r + 1)).toContain(row);
    }
  });

  it('chi-squared catches the attack built on the linear model and not the perfect one', () => {
    for (const name of ['case14', 'case57', 'case118', 'case_ieee30']) {
      const dc = run(`${name}.fdi_dc`).result;
      expect(dc.objective).toBeGreaterThan(dc.objectiveLimit);
      const ac = run(`${name}.fdi_stealth_ac`).result;
      expect(ac.objective).toBeLessThan(ac.objectiveLimit);
    }
  });

  it('a perfect attack is pulled back as far as anything still speaks once its rows are untrusted', () => {
    for (const name of ['case14', 'case118']) {
      const text = readFileSync(join(corpus, `se/gold/${name}.fdi_partial.meas.tsv`), 'utf8');
      const attacked = new Set(/# attacked_rows\t(.*)/.exec(text)![1]!.split(',').map(Number));
      const other = readFileSync(join(corpus, `se/gold/${name}.fdi_stealth_ac.meas.tsv`), 'utf8');
      const bus = Number(/# attacked_bus\t(.*)/.exec(other)![1]);
      const plain = run(`${name}.fdi_partial`);
      const wary = run(`${name}.fdi_partial`, { trustOf: (r) => (attacked.has(r) ? 1e-4 : 1) });
      const before = angleError(plain.grid, plain.result.va, `${name}.exact`, bus);
      const after = angleError(wary.grid, wary.result.va, `${name}.exact`, bus);
      expect(before).toBeGreaterThan(1.5);
      expect(after).toBeLessThan(0.25);
      // The untrusted rows contradict what the trusted ones say alone.
      expect(wary.result.suspects.length).toBeGreaterThan(3);
      for (const r of wary.result.suspects) expect(wary.rows[r]!.trusted).toBe(false);
    }
  });

  it('of the perfect attack nothing trusted speaks: the attacked bus is not observable from trusted rows', () => {
    for (const name of ['case14', 'case118', 'case57', 'case_ieee30']) {
      const text = readFileSync(join(corpus, `se/gold/${name}.fdi_stealth_ac.meas.tsv`), 'utf8');
      const attacked = new Set(/# attacked_rows\t(.*)/.exec(text)![1]!.split(',').map(Number));
      const bus = Number(/# attacked_bus\t(.*)/.exec(text)![1]);
      const { grid, result } = run(`${name}.fdi_stealth_ac`, { trustOf: (r) => (attacked.has(r) ? 1e-4 : 1) });
      expect(result.unobservableTrusted.map((i) => grid.busId[i])).toContain(bus);
    }
  });
});

describe('the measurement model', () => {
  const grid = gridFromText(ourGrid, 'ours.m').value!;
  const all = [
    ...[0, 1, 2, 3, 4].flatMap((i) =>
      [RowKind.V, RowKind.P, RowKind.Q].map((k) => makeRow(k, i, 1, 0.01, 1, `${k}:${i}`, [])),
    ),
    ...[0, 1, 2, 3, 4, 5, 6].flatMap((b) =>
      [RowKind.FromP, RowKind.FromQ, RowKind.ToP, RowKind.ToQ].map((k) => makeRow(k, b, 1, 0.01, 1, `${k}:${b}`, [])),
    ),
  ];

  it('H agrees with central differences for every kind of row', () => {
    const gain = new Gain(grid);
    gain.setRows(all, grid.closed);
    const random = seededRandom(5);
    const vm = Float64Array.from({ length: 5 }, () => 0.95 + 0.1 * random.uniform());
    const va = Float64Array.from({ length: 5 }, () => 0.2 * random.uniform());
    gain.linearise(vm, va);
    const h = gain.h.slice();
    const step = 1e-6;
    for (let u = 0; u < 10; u++) {
      const x = u % 2 === 0 ? va : vm;
      const before = x[u >> 1]!;
      x[u >> 1] = before + step;
      gain.linearise(vm, va);
      const up = gain.calculated.slice();
      x[u >> 1] = before - step;
      gain.linearise(vm, va);
      const down = gain.calculated.slice();
      x[u >> 1] = before;
      for (let r = 0; r < all.length; r++) {
        let own = 0;
        for (let c = gain.start[r]!; c < gain.start[r + 1]!; c++) if (gain.unknowns[c] === u) own += h[c]!;
        expect(Math.abs(own - (up[r]! - down[r]!) / (2 * step))).toBeLessThan(1e-7);
      }
    }
  });

  it('the order of measurements changes nothing', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1e6 }), (seed) => {
        const random = seededRandom(seed);
        const noisy = all.map((row) => ({ ...row, value: (row.kind === RowKind.V ? 1 : 0) + 0.02 * random.normal(1) }));
        const estimator = new Estimator(grid);
        const a = estimator.estimate({ ...flat(grid), rows: noisy, removeBad: false });
        const b = estimator.estimate({ ...flat(grid), rows: random.shuffled(noisy), removeBad: false });
        for (let i = 0; i < 5; i++) {
          expect(a.vm[i]).toBeCloseTo(b.vm[i]!, 9);
          expect(a.va[i]).toBeCloseTo(b.va[i]!, 9);
        }
      }),
      { numRuns: 20 },
    );
  });

  it('an infinite sigma leaves the row out, and a later finite one counts again (power-grid-model#554)', () => {
    const estimator = new Estimator(grid);
    const quiet = all
      .filter((row) => row.kind === RowKind.V || row.kind === RowKind.P)
      .map((row) => ({ ...row, value: row.kind === RowKind.V ? 1 : 0 }));
    const blind = quiet.map((row) => (row.element === 3 ? { ...row, widened: Number.POSITIVE_INFINITY } : row));
    const first = estimator.estimate({ ...flat(grid), rows: blind, removeBad: false });
    expect(first.status).toBe('unobservable');
    expect(first.unobservable).toEqual([3]);
    expect(estimator.estimate({ ...flat(grid), rows: quiet, removeBad: false }).status).toBe('solved');
  });
});
