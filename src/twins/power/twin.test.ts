import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Command, Reading } from '#events';
import { seededRandom } from '#lib/random';
import { branchFlows, twoPorts } from './admittance.ts';
import { TrustedBound } from './bound.ts';
import { bridges } from './bridges.ts';
import { createPowerTwin } from './create.ts';
import { Estimator } from './estimate.ts';
import { type Grid, gridFromText, islands } from './grid.ts';
import { caseInput, NodeKind, PowerFlow } from './newton.ts';
import { makeRow, type Row, RowKind } from './rows.ts';
import { ourGrid } from './testgrid.ts';

const grid = gridFromText(ourGrid, 'ours.m').value!;
const minute = 60e6;
const start = 1_800_000_000e6;
const everyone = (): number => 1;

function reading(at: number, asset: string, quantity: string, value: number, sigma = 0): Reading {
  return {
    kind: 'reading',
    at,
    asset,
    quantity,
    value,
    sigma,
    via: '',
    seq: 0,
    origin: { file: 't', placed: 'line' },
    place: 0,
  };
}
function command(target: string, action: string, value?: number, at = start + 1): Command {
  const origin = { file: 't', placed: 'line' } as const;
  return {
    kind: 'command',
    id: 'c',
    at,
    requester: 'r',
    target,
    action,
    value,
    deadline: 0,
    reason: '',
    nonce: '',
    origin,
    place: 0,
  };
}

/** Every quantity of the solved grid, one station (`rtu-BUS`) a bus, loads from two meters each. */
function telemetry(at = start, g: Grid = grid, closed = g.closed): Reading[] {
  const input = caseInput(g, closed);
  const s = new PowerFlow(g).solve(input);
  const f = branchFlows(g, twoPorts(g), closed, s.vm, s.va);
  const base = g.baseMva * 1e6;
  const out: Reading[] = [];
  const netP = new Float64Array(g.busCount);
  const netQ = new Float64Array(g.busCount);
  for (let k = 0; k < g.branchCount; k++) {
    const a = g.busId[g.from[k]!]!;
    const b = g.busId[g.to[k]!]!;
    out.push(reading(at, `rtu-${a}`, `power/branch/${k + 1}/status`, closed[k]!));
    for (const [bus, side, p, q] of [
      [a, 'from', f.pf[k]!, f.qf[k]!],
      [b, 'to', f.pt[k]!, f.qt[k]!],
    ] as const) {
      out.push(reading(at, `rtu-${bus}`, `power/branch/${k + 1}/${side}/p`, p * base, 4e5));
      out.push(reading(at, `rtu-${bus}`, `power/branch/${k + 1}/${side}/q`, q * base, 4e5));
    }
    netP[g.from[k]!]! += f.pf[k]!;
    netP[g.to[k]!]! += f.pt[k]!;
    netQ[g.from[k]!]! += f.qf[k]!;
    netQ[g.to[k]!]! += f.qt[k]!;
  }
  for (let i = 0; i < g.busCount; i++) {
    const id = g.busId[i]!;
    const v2 = s.vm[i]! ** 2;
    out.push(reading(at, `rtu-${id}`, `power/bus/${id}/v`, s.vm[i]! * g.baseKv[i]! * 1000, 200));
    for (const [m, share] of [
      ['a', 0.3],
      ['b', 0.7],
    ] as const) {
      if (g.loadP[i] !== 0) out.push(reading(at, `meter-${id}${m}`, `power/load/${id}/p`, g.loadP[i]! * base * share));
      if (g.loadQ[i] !== 0) out.push(reading(at, `meter-${id}${m}`, `power/load/${id}/q`, g.loadQ[i]! * base * share));
    }
    if (!g.unitBus.includes(i)) continue;
    out.push(reading(at, `rtu-${id}`, `power/gen/${id}/p`, (netP[i]! + g.loadP[i]! + g.shuntG[i]! * v2) * base, 4e5));
    out.push(reading(at, `rtu-${id}`, `power/gen/${id}/q`, (netQ[i]! + g.loadQ[i]! - g.shuntB[i]! * v2) * base, 4e5));
  }
  return out;
}

function fed(readings = telemetry()) {
  const twin = createPowerTwin(ourGrid).value!;
  twin.observe(readings);
  return twin;
}

describe('the power twin', () => {
  it('estimates the solved state from readings in SI units', () => {
    const state = fed().estimate(start, everyone);
    expect(state.status).toBe('solved');
    expect(state.suspects).toEqual([]);
    expect(state.values['power/bus/1/v']).toBeCloseTo(1.02 * 110e3, -1);
  });

  it('shares of a load add up, and one missing share drops the load instead of halving it', () => {
    const all = telemetry().filter((r) => !/branch.*[pq]$/.test(r.quantity) || /branch\/[13]\//.test(r.quantity));
    const whole = fed(all).estimate(start, everyone);
    const twin = createPowerTwin(ourGrid, {
      assets: ['a', 'b'].map((m) => ({ id: `meter-5${m}`, feeds: ['power/load/5/p', 'power/load/5/q'] })),
    }).value!;
    twin.observe(all.filter((r) => r.asset !== 'meter-5b'));
    const part = twin.estimate(start, everyone);
    expect(whole.suspects).toEqual([]);
    expect(part.suspects).toEqual([]);
    expect(part.text).toContain('incomplete');
    expect(Math.abs(part.values['power/bus/5/v']! - whole.values['power/bus/5/v']!)).toBeLessThan(300);
  });

  it('a stranger cannot add a share to a load whose meters the city names', () => {
    const twin = createPowerTwin(ourGrid, {
      assets: ['a', 'b'].map((m) => ({ id: `meter-5${m}`, feeds: ['power/load/5/p', 'power/load/5/q'] })),
    }).value!;
    twin.observe(telemetry());
    twin.observe([reading(start, 'meter-evil', 'power/load/5/p', 90e6)]);
    expect(twin.estimate(start, everyone).suspects).toEqual([]);
  });

  it('a gross error is named and left out', () => {
    const wrong = telemetry().map((r) =>
      r.quantity === 'power/branch/2/from/p' ? { ...r, value: r.value + 40e6 } : r,
    );
    const state = fed(wrong).estimate(start, everyone);
    expect(state.suspects[0]?.reading).toBe('power/branch/2/from/p');
    expect(state.values['power/branch/2/from/p']).toBeCloseTo(
      telemetry().find((r) => r.quantity === 'power/branch/2/from/p')!.value,
      -6,
    );
  });

  it('the order of readings changes nothing, and an old reading does not replace a newer one', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1e6 }), (seed) => {
        const old = telemetry(start - minute).map((r) => ({ ...r, value: r.value * 1.1 }));
        const mixed = seededRandom(seed).shuffled([...telemetry(), ...old]);
        expect(fed(mixed).estimate(start, everyone)).toEqual(fed([...old, ...telemetry()]).estimate(start, everyone));
      }),
      { numRuns: 20 },
    );
  });

  it('stale readings are not counted: the twin says what it cannot see and holds', () => {
    const twin = fed();
    const late = start + 120 * minute;
    const state = twin.estimate(late, everyone);
    expect(state.status).toBe('unobservable');
    expect(state.text).toContain('Not observable');
    const verdict = twin.judge(command('power/branch/6', 'open', undefined, late), late, everyone);
    expect(verdict.decision).toBe('hold');
    expect(verdict.harm).toContain('unobservable');
  });

  it('an open branch by its status takes its flow readings out', () => {
    const closed = grid.closed.slice();
    closed[5] = 0;
    const state = fed(telemetry(start, grid, closed)).estimate(start, everyone);
    expect(state.status).toBe('solved');
    expect(state.suspects).toEqual([]);
    expect(state.values['power/branch/6/from/p']).toBe(0);
  });

  it('a harmless command passes with a reason, and judging twice gives the same', () => {
    const twin = fed();
    const verdict = twin.judge(command('power/branch/6', 'open'), start + 1, everyone);
    expect(verdict).toMatchObject({ decision: 'pass', harm: [], leansOn: [] });
    expect(verdict.reasons.length).toBeGreaterThan(0);
    expect(twin.judge(command('power/branch/6', 'open'), start + 1, everyone)).toEqual(verdict);
  });

  it('the same command is held once the readings it leans on are not trusted, and they are named', () => {
    const twin = fed();
    const wary = (asset: string): number => (/-[1235]/.test(asset) ? 0.05 : 1);
    const verdict = twin.judge(command('power/branch/6', 'open'), start + 1, wary);
    expect(verdict.decision).toBe('hold');
    expect(verdict.harm).toContain('untrusted');
    expect(verdict.leansOn).toContain('rtu-2');
  });

  it('distrust elsewhere does not hold it', () => {
    const twin = fed();
    expect(twin.judge(command('power/branch/6', 'open'), start + 1, (a) => (a === 'rtu-4' ? 0.05 : 1)).decision).toBe(
      'pass',
    );
  });

  it('cutting off load is refused with the load, and the cascade share is given', () => {
    const radial = ourGrid.replace(/ 4 5 0\.02[^\n]*\n/, '').replace(' 4 1 0 0 0', ' 4 1 25 5 0');
    const g = gridFromText(radial, 'r.m').value!;
    const twin = createPowerTwin(radial).value!;
    twin.observe(telemetry(start, g));
    const verdict = twin.judge(command('power/branch/3', 'open'), start + 1, everyone);
    expect(verdict.decision).toBe('refuse');
    expect(verdict.harm).toContain('islanding');
    expect(verdict.reasons[0]).toMatch(/cuts off 25\.\d MW/);
    expect(verdict.loadLostShare).toBeGreaterThan(0.2);
  });

  it('an overload after the command is held, or refused where it cascades', () => {
    const tight = ourGrid
      .replace(/(5 1 0\.01 0\.06 0\.02) 100/, '$1 30')
      .replace(/(1 2 0\.01 0\.06 0\.02) 100/, '$1 45');
    const g = gridFromText(tight, 't.m').value!;
    const twin = createPowerTwin(tight).value!;
    twin.observe(telemetry(start, g));
    const verdict = twin.judge(command('power/branch/1', 'open'), start + 1, everyone);
    expect(verdict.decision).not.toBe('pass');
    expect(verdict.harm).toContain('overload');
    expect(verdict.reasons.join(' ')).toContain('branch 5 (5-1)');
  });

  it('targets, actions and values that mean nothing are refused in words', () => {
    const twin = fed();
    for (const c of [
      command('power/branch/99', 'open'),
      command('power/branch/0', 'open'),
      command('power/branch/1', 'explode'),
      command('power/bus/1', 'open'),
      command('water/pump/1', 'open'),
      command('power/gen/2', 'set', 1e6),
      command('power/gen/3', 'set', 1e12),
      command('power/gen/3', 'set', Number.NaN),
      command('power/gen/3', 'set'),
      command('power/load/5', 'shed', -1),
      command('power/load/5', 'shed', 500e6),
    ]) {
      const verdict = twin.judge(c, start + 1, everyone);
      expect(verdict.decision, `${c.target} ${c.action} ${c.value}`).toBe('refuse');
      expect(verdict.reasons[0]!.length).toBeGreaterThan(10);
    }
  });

  it('a sequence is judged as a whole: a command let through is there before telemetry shows it', () => {
    const twin = fed();
    const first = command('power/branch/4', 'open');
    const second = command('power/branch/3', 'open', undefined, start + 2);
    expect(twin.judge(second, start + 2, everyone).harm).not.toContain('islanding');
    twin.commandPassed(first);
    const third = command('power/branch/2', 'open', undefined, start + 2);
    const alone = fed().judge(third, start + 2, everyone);
    const after = twin.judge(third, start + 2, everyone);
    expect(alone.harm).not.toContain('islanding');
    expect(after.harm).toContain('islanding');
  });

  it('what telemetry shows is no longer added on top', () => {
    const twin = fed();
    const set = command('power/gen/3', 'set', 45e6);
    twin.commandPassed(set);
    twin.observe(telemetry(start + 5 * minute));
    const again = twin.judge(
      command('power/gen/3', 'set', 36e6, start + 5 * minute + 1),
      start + 5 * minute + 1,
      everyone,
    );
    expect(again.decision).toBe('pass');
  });

  it('readings of quantities the grid does not have are ignored, values no grid has are named', () => {
    const twin = fed();
    twin.observe([
      reading(start, 'x', 'power/bus/77/v', 1),
      reading(start, 'x', 'power/branch/1e3/from/p', 1),
      reading(start, 'x', '__proto__', 1),
      reading(start, 'x', 'power/bus/1/v', Number.NaN),
      reading(start, 'y', 'power/bus/2/v', 0),
    ]);
    const state = twin.estimate(start, everyone);
    expect(state.status).toBe('solved');
    expect(state.suspects.map((s) => s.reading)).toEqual(['power/bus/2/v']);
  });
});

describe('the trusted-only bound', () => {
  const input = caseInput(grid);
  const solved = new PowerFlow(grid).solve(input);
  const f = branchFlows(grid, twoPorts(grid), grid.closed, solved.vm, solved.va);
  const fixed = new Uint8Array(10);
  input.kind.forEach((k, i) => {
    if (k === NodeKind.Reference) fixed[2 * i] = 1;
  });
  const rowsWith = (trust: readonly number[]): Row[] => {
    const out: Row[] = [];
    for (let i = 0; i < 5; i++)
      out.push(makeRow(RowKind.V, i, solved.vm[i]!, 0.004, trust[out.length]!, 'v', [`${i}`]));
    for (let k = 0; k < 7; k++) {
      out.push(makeRow(RowKind.FromP, k, f.pf[k]!, 0.008, trust[out.length]!, 'p', [`${k}`]));
      out.push(makeRow(RowKind.FromQ, k, f.qf[k]!, 0.008, trust[out.length]!, 'q', [`${k}`]));
    }
    return out;
  };
  const boundsOf = (trust: readonly number[]): number[] => {
    const estimator = new Estimator(grid);
    const rows = rowsWith(trust);
    const e = estimator.estimate({ rows, closed: grid.closed, fixed, vm: solved.vm, va: solved.va, removeBad: false });
    const bound = new TrustedBound(estimator.gain, e, 3);
    return [0, 1, 2, 3, 4, 5, 6].map((k) => bound.of(bound.flow(k, false)));
  };

  it('never shrinks when anything is trusted less', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 19, maxLength: 19 }),
        fc.integer({ min: 0, max: 18 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (trust, which, factor) => {
          const less = trust.slice();
          less[which]! *= factor;
          const a = boundsOf(trust);
          const b = boundsOf(less);
          for (let k = 0; k < 7; k++) expect(b[k]!).toBeGreaterThanOrEqual(a[k]! * (1 - 1e-6));
        },
      ),
      { numRuns: 100 },
    );
  });

  it('is what the owner of the untrusted rows can reach: three sigma of the trusted-only estimate', () => {
    const all = boundsOf(new Array(19).fill(1));
    for (const b of all) {
      expect(b).toBeGreaterThan(0);
      // No wider than the meter of that branch alone would leave it.
      expect(b).toBeLessThan(3 * 0.008);
    }
  });

  it('is infinite where the trusted rows do not determine the flow', () => {
    const trust = new Array(19).fill(1);
    for (let r = 5; r < 19; r++) trust[r] = 0.1;
    expect(boundsOf(trust).every((b) => b === Number.POSITIVE_INFINITY)).toBe(true);
  });
});

describe('topology', () => {
  it('bridges are exactly the branches whose opening makes more islands', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(0, 1), { minLength: 7, maxLength: 7 }), (positions) => {
        const closed = Uint8Array.from(positions);
        const count = (c: Uint8Array): number => new Set(islands(grid, c)).size;
        const found = bridges(grid, closed);
        for (let k = 0; k < 7; k++) {
          if (closed[k] === 0) continue;
          const less = closed.slice();
          less[k] = 0;
          expect(found[k] === 1).toBe(count(less) > count(closed));
        }
      }),
    );
  });
});
