// Power twin: Newton from the case's own start with the structure already analysed, estimates and judgements on the
// 118-bus city grid under full telemetry. Cases of peers come from the corpus; without it those lines are left out.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command, Reading } from '#events';
import { seededRandom } from '#lib/random';
import {
  branchFlows,
  caseInput,
  createPowerTwin,
  type Grid,
  gridFromCase,
  gridFromText,
  PowerFlow,
  readMatpowerBytes,
  twoPorts,
} from '#twins/power';
import { secureDispatch } from '../src/range/worlds/dispatch.ts';
import { matpowerText, readGrid } from '../src/range/worlds/grid.ts';
import type { Figure } from './run.ts';

const corpus = join(process.env.PARAPET_CORPUS ?? '../shared/corpus', 'power');

export async function bench(): Promise<Figure[]> {
  const out: Figure[] = [];
  for (const [name, file, goal] of [
    ['case118', 'case118.m', '<= 1'],
    ['case2383wp', 'case2383wp.m.zst', '<= 15'],
  ] as const) {
    const path = join(corpus, 'cases', file);
    if (!existsSync(path)) continue;
    const grid = gridFromCase(readMatpowerBytes(readFileSync(path), file).value!, file).value!;
    const flow = new PowerFlow(grid);
    const input = caseInput(grid);
    out.push({
      name: `Newton ${name}, structure known`,
      value: best(() => flow.solve(input), name === 'case118' ? 300 : 15),
      unit: 'ms',
      goal,
    });
  }
  out.push(...judging());
  return out;
}

function judging(): Figure[] {
  const world = readGrid();
  const grid = gridFromText(matpowerText(world, secureDispatch(world)), 'grid.m').value!;
  const random = seededRandom(11);
  const twin = createPowerTwin(grid).value!;
  const rounds = 150;
  const estimates: number[] = [];
  const judgements: number[] = [];
  const reused: number[] = [];
  // A district loses trust; the rest is honest.
  const trustOf = (asset: string): number => (/^rtu-(5\d|6[0-7])$/.test(asset) ? 0.03 : 1);
  const scan = telemetry(grid);
  for (let r = 0; r < rounds; r++) {
    const at = 1e15 + r * 300e6;
    twin.observe(scan(at, random));
    let start = performance.now();
    twin.estimate(at, trustOf);
    if (r >= 20) estimates.push(performance.now() - start);
    for (const fresh of [false, true]) {
      const command = commandOf(grid, random, at + 1e6, r);
      if (fresh) twin.observe(scan(at + 1e6, random).slice(0, 8));
      start = performance.now();
      twin.judge(command, at + 1e6, trustOf);
      if (r >= 20) (fresh ? judgements : reused).push(performance.now() - start);
    }
  }
  return [
    {
      name: 'estimate, 118 buses, with bad-data tests (median)',
      value: quantile(estimates, 0.5),
      unit: 'ms',
      goal: '<= 10',
    },
    { name: 'estimate, 118 buses (p99)', value: quantile(estimates, 0.99), unit: 'ms' },
    { name: 'judge on the kept estimate, 118 buses (median)', value: quantile(reused, 0.5), unit: 'ms' },
    { name: 'judge on the kept estimate, 118 buses (p99)', value: quantile(reused, 0.99), unit: 'ms', goal: '<= 20' },
    { name: 'judge with a new estimate, 118 buses (median)', value: quantile(judgements, 0.5), unit: 'ms' },
    {
      name: 'judge with a new estimate, 118 buses (p99)',
      value: quantile(judgements, 0.99),
      unit: 'ms',
      goal: '<= 20',
    },
  ];
}

type Draw = ReturnType<typeof seededRandom>;

/** Full telemetry of a solved state with noise. */
function telemetry(grid: Grid): (at: number, random: Draw) => Reading[] {
  const flow = new PowerFlow(grid);
  const input = caseInput(grid);
  const s = flow.solve(input);
  const f = branchFlows(grid, twoPorts(grid), grid.closed, s.vm, s.va);
  const base = grid.baseMva * 1e6;
  return (at, random) => {
    const out: Reading[] = [];
    const add = (bus: number, quantity: string, value: number, sigma: number): void => {
      const asset = `rtu-${bus}`;
      const noisy = value + random.normal(sigma);
      out.push({
        kind: 'reading',
        at,
        asset,
        quantity,
        value: noisy,
        sigma,
        via: '',
        seq: 0,
        origin: { file: '', placed: 'line' },
        place: 0,
      });
    };
    for (let i = 0; i < grid.busCount; i++) {
      const kv = grid.baseKv[i]! * 1000;
      add(grid.busId[i]!, `power/bus/${grid.busId[i]}/v`, s.vm[i]! * kv, 0.001 * kv);
      if (grid.loadP[i] !== 0) {
        add(grid.busId[i]!, `power/load/${grid.busId[i]}/p`, grid.loadP[i]! * base, 5e5);
        add(grid.busId[i]!, `power/load/${grid.busId[i]}/q`, grid.loadQ[i]! * base, 5e5);
      }
    }
    const net = new Float64Array(grid.busCount);
    for (let k = 0; k < grid.branchCount; k++) {
      net[grid.from[k]!]! += f.pf[k]!;
      net[grid.to[k]!]! += f.pt[k]!;
      const bus = grid.busId[grid.from[k]!]!;
      add(bus, `power/branch/${k + 1}/from/p`, f.pf[k]! * base, 5e5);
      add(bus, `power/branch/${k + 1}/from/q`, f.qf[k]! * base, 5e5);
    }
    for (let g = 0; g < grid.unitCount; g++) {
      const i = grid.unitBus[g]!;
      if (grid.unitPMax[g]! > 0)
        add(grid.busId[i]!, `power/gen/${grid.busId[i]}/p`, (net[i]! + grid.loadP[i]!) * base, 5e5);
    }
    return out;
  };
}

function commandOf(grid: Grid, random: Draw, at: number, turn: number): Command {
  const common = {
    kind: 'command',
    id: 'c',
    at,
    requester: 'r',
    deadline: 0,
    reason: '',
    nonce: '',
    origin: { file: '', placed: 'line' },
    place: 0,
  } as const;
  if (turn % 3 === 0) {
    const units = Array.from(grid.unitBus).filter((_, g) => grid.unitP[g]! > 0.5);
    const i = random.pick(units);
    const now = grid.unitP[Array.from(grid.unitBus).indexOf(i)]!;
    return { ...common, target: `power/gen/${grid.busId[i]}`, action: 'set', value: now * grid.baseMva * 1e6 * 0.98 };
  }
  return { ...common, target: `power/branch/${random.integer(1, grid.branchCount)}`, action: 'open', value: undefined };
}

function best(run: () => void, rounds: number): number {
  let lowest = Number.POSITIVE_INFINITY;
  for (let i = 0; i < rounds; i++) {
    const start = performance.now();
    run();
    lowest = Math.min(lowest, performance.now() - start);
  }
  return lowest;
}

function quantile(values: readonly number[], q: number): number {
  return values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(q * values.length))]!;
}

if (import.meta.main)
  for (const f of await bench())
    console.log(`${f.name}: ${f.value.toFixed(3)} ${f.unit}${f.goal === undefined ? '' : ` (goal ${f.goal})`}`);
