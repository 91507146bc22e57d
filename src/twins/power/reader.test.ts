import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Grid, gridFromText } from './grid.ts';
import { readMatpower, readMatpowerBytes } from './matpower/read.ts';
import { caseInput, NodeKind, PowerFlow } from './newton.ts';
import { ourGrid } from './testgrid.ts';

const grid = (text: string): Grid => {
  const made = gridFromText(text, 'a.m');
  expect(made.faults).toEqual([]);
  return made.value!;
};
const faultOf = (text: string) => gridFromText(text, 'a.m').faults[0];
const solve = (g: Grid) => ({ input: caseInput(g), result: new PowerFlow(g).solve(caseInput(g)) });

/** A case with these rows. */
function text(bus: string, gen: string, branch: string, more = ''): string {
  return `function mpc = t\nmpc.version = '2';\nmpc.baseMVA = 100;\nmpc.bus = [${bus}];\nmpc.gen = [${gen}];\nmpc.branch = [${branch}];\n${more}`;
}
const bus = (id: number, type: number, p = 0, kv = 110): string => `${id} ${type} ${p} 0 0 0 1 1 0 ${kv} 1 1.1 0.9;\n`;
const gen = (id: number, p = 0, vg = 1, on = 1): string => `${id} ${p} 0 Inf -Inf ${vg} 100 ${on} 200 0;\n`;
const line = (f: number, t: number, x = 0.1, on = 1): string => `${f} ${t} 0.01 ${x} 0 100 0 0 0 0 ${on};\n`;

describe('the MATPOWER reader', () => {
  it('reads commas, tabs, continuations, comments, expressions, Inf and several rows on a line', () => {
    const g = grid(
      text(
        `1, 3, 0, 0, 0, 0, 1, 1, 0, 135/sqrt(3), 1, 1.1, .9; 2 1 1e1 -2 0 0 ... still the row\n 1 1 0 2^3*10 1 1.1 0.9 % the end\n`,
        gen(1),
        `1\t2\t0.01\t(0.2 - 0.1)\t0\tInf\t0\t0\t0\t-30\t1\n`,
      ),
    );
    expect(g.baseKv[0]).toBeCloseTo(77.942, 3);
    expect(g.baseKv[1]).toBe(80);
    expect(g.loadQ[1]).toBe(-0.02);
    expect(g.x[0]).toBeCloseTo(0.1, 12);
    expect(g.rating[0]).toBe(0);
    expect(g.shift[0]).toBeCloseTo(-Math.PI / 6, 12);
  });

  it('evaluates unit conversions after the tables (PowerModels#928)', () => {
    const g = grid(
      text(
        bus(1, 3) + bus(2, 1, 50),
        gen(1),
        line(1, 2, 12.1),
        `[PQ, PV, REF, NONE, BUS_I, BUS_TYPE, PD, QD, GS, BS, BUS_AREA, VM, ...
    VA, BASE_KV, ZONE, VMAX, VMIN, LAM_P, LAM_Q, MU_VMAX, MU_VMIN] = idx_bus;
[F_BUS, T_BUS, BR_R, BR_X] = idx_brch;
Vbase = mpc.bus(1, BASE_KV) * 1e3;
Sbase = mpc.baseMVA * 1e6;
mpc.branch(:, [BR_R BR_X]) = mpc.branch(:, [BR_R BR_X]) / (Vbase^2 / Sbase);
pf = 0.8;
mpc.bus(:, QD) = mpc.bus(:, PD) * sin(acos(pf));
mpc.bus(:, [PD, QD]) = mpc.bus(:, [PD, QD]) / 1e3;`,
      ),
    );
    expect(g.x[0]).toBeCloseTo(0.1, 12);
    expect(g.loadP[1]).toBeCloseTo(0.0005, 12);
    expect(g.loadQ[1]).toBeCloseTo(0.0003, 12);
  });

  it('refuses code it does not know with the line, and never runs it', () => {
    const f = faultOf(text(bus(1, 3), gen(1), '', 'mpc.bus(:, 3) = system("true");'))!;
    expect(f.code).toBe('MATPOWER_STATEMENT');
    expect(f.line).toBe(8 + 1 + 0);
    expect(faultOf(text(bus(1, 3), gen(1), '', 'if 1\n mpc.baseMVA = 1;\nend'))!.code).toBe('MATPOWER_STATEMENT');
    expect(faultOf(text(bus(1, 3), gen(1), '', '[PD, QD] = idx_bus;'))!.code).toBe('MATPOWER_STATEMENT');
  });

  it('format version 1 is refused by name', () => {
    expect(faultOf('function [baseMVA, bus, gen, branch] = old\nbaseMVA = 100;\n')!.code).toBe('MATPOWER_VERSION');
    expect(faultOf('function mpc = old\nmpc.baseMVA = 100;\n')!.code).toBe('MATPOWER_VERSION');
  });

  it('rows of different length are named', () => {
    const f = faultOf(text('1 3 0 0 0 0 1 1 0 110 1 1.1 0.9;\n2 1 0;\n', gen(1), ''))!;
    expect(f.code).toBe('MATPOWER_TABLE');
    expect(f.line).toBe(5);
  });

  it('strings may hold comment signs and quotes', () => {
    const g = grid(text(bus(1, 3), gen(1), '', "mpc.bus_name = {\n 'a % b'; 'it''s'; \"q\" };\nmpc.note = 'x';"));
    expect(g.busCount).toBe(1);
  });

  it('no text makes it throw', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: ourGrid.length - 1 }),
        fc.string({ maxLength: 12 }),
        fc.nat(40),
        (at, put, cut) => {
          gridFromText(ourGrid.slice(0, at) + put + ourGrid.slice(at + cut), 'a.m');
          readMatpower(put, 'a.m');
          readMatpowerBytes(new TextEncoder().encode(put), 'a.m');
        },
      ),
      { numRuns: 500 },
    );
    expect(faultOf(`mpc.x = ${'('.repeat(100_000)}`)!.code).toBe('MATPOWER_SYNTAX');
    expect(faultOf(`mpc.x = ${'-'.repeat(100_000)}1`)!.code).toBe('MATPOWER_SYNTAX');
    expect(readMatpowerBytes(Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 1, 2), 'a.m').faults[0]!.code).toBe(
      'MATPOWER_BYTES',
    );
  });
});

describe('public faults of peers', () => {
  it('all buses out of service: nothing energised, no crash (MATPOWER#13)', () => {
    const { input } = solve(grid(text(bus(1, 4) + bus(2, 4), gen(1), line(1, 2))));
    expect(input.kind.every((k) => k === NodeKind.Out)).toBe(true);
  });

  it('an island without a reference gets one where it has a unit, and is dark where it has none (MATPOWER#81, pandapower#6)', () => {
    const { input, result } = solve(
      grid(
        text(
          bus(1, 3) + bus(2, 1, 10) + bus(3, 2) + bus(4, 1, 5) + bus(5, 1, 7) + bus(6, 1, 1),
          gen(1) + gen(3, 5),
          line(1, 2) + line(3, 4) + line(5, 6),
        ),
      ),
    );
    expect(result.status).toBe('solved');
    expect(input.kind[2]).toBe(NodeKind.Reference);
    expect(input.dark).toEqual([4, 5]);
    expect(input.notes.join(' ')).toContain('no reference');
  });

  it('a bus with only an out-of-service line leaves the system (pandapower#51, gridlabd#245)', () => {
    const { input, result } = solve(
      grid(text(bus(1, 3) + bus(2, 1, 10) + bus(3, 1, 10), gen(1), line(1, 2) + line(2, 3, 0.1, 0))),
    );
    expect(result.status).toBe('solved');
    expect(input.dark).toEqual([2]);
    expect(result.vm[2]).toBe(0);
  });

  it('a reference without a unit in service is no reference (powsybl-core#2399)', () => {
    const { input, result } = solve(grid(text(bus(1, 3) + bus(2, 2, 10), gen(2, 0), line(1, 2))));
    expect(result.status).toBe('solved');
    expect(input.kind[1]).toBe(NodeKind.Reference);
  });

  it('two units at a bus that ask for different voltages: the first decides and it is said (powsybl-open-loadflow#535)', () => {
    const { input, result } = solve(
      grid(text(bus(1, 3) + bus(2, 1, 10), gen(1, 0, 1.02) + gen(1, 0, 0.98), line(1, 2))),
    );
    expect(result.vm[0]).toBe(1.02);
    expect(input.notes.join(' ')).toContain('different voltages');
  });

  it('a unit or branch at an unknown bus is a fault with its row, not a crash (VeraGrid#271)', () => {
    expect(faultOf(text(bus(1, 3), gen(7), ''))).toMatchObject({ code: 'MATPOWER_BUS' });
    expect(faultOf(text(bus(1, 3), gen(1), line(1, 9)))!.text).toContain('branch row 1');
  });

  it('limits like 1e30 mean none (powsybl-open-loadflow#675)', () => {
    const g = grid(text(bus(1, 3), '1 0 0 1e30 -1e30 1 100 1 1e30 0;', ''));
    expect(g.unitQMax[0]).toBe(Number.POSITIVE_INFINITY);
  });

  it('a branch without impedance joins its buses; nothing is divided by zero', () => {
    const g = grid(text(bus(1, 3) + bus(2, 1, 10) + bus(3, 1, 5), gen(1), `${line(1, 2)}2 3 0 0 0 0 0 0 0 0 1;`));
    const { result } = solve(g);
    expect(result.status).toBe('solved');
    expect(g.node[2]).toBe(1);
  });

  it('parallel circuits stay apart: the outage of one leaves the other', () => {
    const g = grid(text(bus(1, 3) + bus(2, 1, 50), gen(1), line(1, 2) + line(1, 2)));
    const both = solve(g).result;
    const one = new PowerFlow(g).solve(caseInput(g, Uint8Array.of(1, 0)));
    expect(one.status).toBe('solved');
    expect(one.va[1]! / both.va[1]!).toBeGreaterThan(1.8);
  });

  it('a load beyond the nose diverges and says so, with no voltages claimed (lightsim2grid#129)', () => {
    expect(solve(grid(text(bus(1, 3) + bus(2, 1, 900), gen(1), line(1, 2)))).result.status).toBe('diverged');
  });

  it('a case that is solved already needs no step (MATPOWER#8)', () => {
    const { result } = solve(grid(text(bus(1, 3) + bus(2, 1, 0), gen(1), line(1, 2))));
    expect(result).toMatchObject({ status: 'solved', iterations: 0 });
  });

  it('the type column does not make a bus without a unit hold voltage (PowerSystems#299)', () => {
    const { input } = solve(grid(text(bus(1, 3) + bus(2, 2, 10), gen(1) + gen(2, 0, 1.1, 0), line(1, 2))));
    expect(input.kind[1]).toBe(NodeKind.Load);
  });
});
