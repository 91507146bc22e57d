import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { branchFlows, twoPorts } from './admittance.ts';
import { cascade } from './cascade.ts';
import { DcModel } from './dc.ts';
import { type Grid, gridFromText } from './grid.ts';
import { caseInput, NodeKind, PowerFlow } from './newton.ts';

const corpus = join(process.env.PARAPET_CORPUS ?? '../shared/corpus', 'power');
const there = existsSync(corpus);
if (!there) console.log('skipped: the power corpus is not here (PARAPET_CORPUS)');

const gridOf = (name: string): Grid =>
  gridFromText(readFileSync(join(corpus, 'cases', `${name}.m`), 'utf8'), name).value!;
const table = (path: string): string[][] =>
  readFileSync(join(corpus, path), 'utf8')
    .split('\n')
    .filter((line) => /^\d/.test(line))
    .map((line) => line.split('\t'));

function input(grid: Grid) {
  const n = grid.busCount;
  const load = grid.loadP.map((p, i) => p + grid.shuntG[i]!);
  const generation = new Float64Array(n);
  const most = new Float64Array(n);
  for (let g = 0; g < grid.unitCount; g++) {
    if (grid.unitOn[g] === 0) continue;
    generation[grid.unitBus[g]!]! += grid.unitP[g]!;
    most[grid.unitBus[g]!]! += grid.unitPMax[g]!;
  }
  const slack = grid.busType.indexOf(3);
  generation[slack]! += load.reduce((s, v) => s + v, 0) - generation.reduce((s, v) => s + v, 0);
  return { load, generation, capacity: most.map((v, i) => Math.max(v, generation[i]!)) };
}

describe.skipIf(!there)('DC cascade against the published rules', () => {
  for (const name of ['case39', 'case24_ieee_rts', 'case30']) {
    for (const kind of ['n1', 'n2']) {
      it(`${name}: every outage of ${kind} trips the same branches in the same stages and loses the same load`, () => {
        const grid = gridOf(name);
        const model = new DcModel(grid);
        const start = input(grid);
        const total = start.load.reduce((s, v) => s + v, 0);
        for (const [outage, , stages, , left, lost] of table(`expect/cascade_dc/${name}.${kind}.tsv`)) {
          const closed = grid.closed.slice();
          for (const row of outage!.split('+')) closed[Number(row) - 1] = 0;
          const end = cascade(model, { ...start, closed });
          expect(end.stages.map((s) => s.map((k) => k + 1).join(',')).join(';'), `outage ${outage}`).toBe(stages);
          expect(Math.abs(end.loadLeft * grid.baseMva - Number(left))).toBeLessThan(1e-2);
          expect(Math.abs(100 * (1 - end.loadLeft / total) - Number(lost))).toBeLessThan(1e-3);
        }
      });
    }
  }
});

describe.skipIf(!there)('linear factors and single outages', () => {
  it('DC flows agree with MATPOWER', () => {
    for (const name of ['case14', 'case30', 'case39', 'case57', 'case118', 'case300', 'case5', 'case9']) {
      const grid = gridOf(name);
      const model = new DcModel(grid);
      model.set(grid.closed);
      const { load, generation } = input(grid);
      const flows = model.flows(generation.map((w, i) => w - load[i]!));
      for (const [row, , , status, pf] of table(`expect/pf/${name}.dc.flows.tsv`))
        if (status === '1') expect(Math.abs(flows[Number(row) - 1]! * grid.baseMva - Number(pf))).toBeLessThan(1e-4);
    }
  });

  it('an outage factor is undefined exactly where the outage splits the grid', () => {
    for (const name of ['case14', 'case30', 'case39', 'case57', 'case118']) {
      const grid = gridOf(name);
      const model = new DcModel(grid);
      model.set(grid.closed);
      for (const row of table(`expect/n1/${name}.n1.tsv`)) {
        if (row[0] === '0') continue;
        expect(model.lodf().column(Number(row[0]) - 1) === undefined, `${name} row ${row[0]}`).toBe(Number(row[3]) > 1);
      }
    }
  });

  it('AC single outages give the published extremes, and what does not converge says so (lightsim2grid#129)', () => {
    for (const name of ['case9', 'case14', 'case30', 'case39', 'case57']) {
      const grid = gridOf(name);
      const flow = new PowerFlow(grid);
      const base = caseInput(grid);
      const solved = flow.solve(base);
      for (const [row, , , parts, , , converged, , minVm, , loading] of table(`expect/n1/${name}.n1.tsv`)) {
        if (row === '0' || Number(parts) > 1) continue;
        const closed = grid.closed.slice();
        closed[Number(row) - 1] = 0;
        const result = flow.solve({ ...base, closed, vm: solved.vm, va: solved.va });
        expect(result.status, `${name} row ${row}`).toBe(converged === 'yes' ? 'solved' : 'diverged');
        if (converged !== 'yes') continue;
        let low = 9;
        result.vm.forEach((v, i) => {
          if (base.kind[i] !== NodeKind.Out) low = Math.min(low, v);
        });
        expect(low).toBeCloseTo(Number(minVm), 5);
        if (!Number.isFinite(Number(loading))) continue;
        const f = branchFlows(grid, twoPorts(grid), closed, result.vm, result.va);
        let worst = 0;
        for (let k = 0; k < grid.branchCount; k++)
          if (grid.rating[k]! > 0)
            worst = Math.max(
              worst,
              Math.hypot(f.pf[k]!, f.qf[k]!) / grid.rating[k]!,
              Math.hypot(f.pt[k]!, f.qt[k]!) / grid.rating[k]!,
            );
        expect(100 * worst).toBeCloseTo(Number(loading), 3);
      }
    }
  });
});
