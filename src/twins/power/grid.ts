// The grid as elements: buses, units, branches, in per unit and radians, by index. Bus numbers are labels; the same
// number is never used as an index. Branch rows keep their place in the case, parallel circuits stay apart.
import type { Fault } from '#findings';
import type { MatpowerCase } from './matpower/read.ts';
import { matpowerFault, readMatpower } from './matpower/read.ts';
import type { Read } from './types.ts';

/** Impedance in per unit below which a branch is a busbar: its two ends become one node (never 1/0, never a tiny x). */
export const busbarImpedance = 1e-8;

export interface Grid {
  readonly baseMva: number;
  readonly busCount: number;
  readonly busId: Int32Array;
  readonly busIndex: ReadonlyMap<number, number>;
  /** As in the case: 1 load, 2 held voltage, 3 reference, 4 out of service. */
  readonly busType: Uint8Array;
  /** Electrical node of each bus: buses joined by closed busbar branches share the lowest index. */
  readonly node: Int32Array;
  /** Demand in pu, by bus. */
  readonly loadP: Float64Array;
  readonly loadQ: Float64Array;
  /** Shunt in pu at one pu voltage, by bus: conductance consumes P, susceptance gives Q. */
  readonly shuntG: Float64Array;
  readonly shuntB: Float64Array;
  readonly baseKv: Float64Array;
  readonly startVm: Float64Array;
  readonly startVa: Float64Array;
  readonly unitCount: number;
  readonly unitBus: Int32Array;
  readonly unitOn: Uint8Array;
  readonly unitP: Float64Array;
  readonly unitQ: Float64Array;
  readonly unitPMax: Float64Array;
  readonly unitPMin: Float64Array;
  readonly unitQMax: Float64Array;
  readonly unitQMin: Float64Array;
  readonly unitVm: Float64Array;
  readonly branchCount: number;
  readonly from: Int32Array;
  readonly to: Int32Array;
  /** In service in the case, both ends too. */
  readonly closed: Uint8Array;
  /** 1 where the branch joins two buses into one node, or both ends are the same node. */
  readonly busbar: Uint8Array;
  readonly r: Float64Array;
  readonly x: Float64Array;
  readonly charging: Float64Array;
  /** Ratio at the from-bus; 1 for lines. */
  readonly tap: Float64Array;
  /** Radians; positive delays the to-side. */
  readonly shift: Float64Array;
  /** Apparent power in pu, 0 where there is no limit: normal, and short-time (never below normal). */
  readonly rating: Float64Array;
  readonly ratingShort: Float64Array;
  /** What the reader had to decide, in words. */
  readonly notes: readonly string[];
}

export function gridFromText(text: string, file: string): Read<Grid> {
  const read = readMatpower(text, file);
  return read.value === undefined ? read : gridFromCase(read.value, file);
}

export function gridFromCase(c: MatpowerCase, file: string): Read<Grid> {
  const faults: Fault[] = [];
  const notes: string[] = [];
  const fault = (code: string, text: string): void => {
    if (faults.length < 100) faults.push(matpowerFault(file, code, text));
  };
  const base = c.baseMva;
  const bus = column(c.bus);
  const n = c.bus.rows;
  const busId = Int32Array.from({ length: n }, (_, i) => bus(i, 0));
  const busIndex = new Map<number, number>();
  for (let i = 0; i < n; i++) {
    const id = bus(i, 0);
    if (!Number.isInteger(id) || id < 1 || id > 2 ** 31 - 1)
      fault('MATPOWER_BUS', `bus row ${i + 1} has the number ${id}`);
    if (busIndex.has(id)) fault('MATPOWER_BUS', `bus ${id} appears twice`);
    busIndex.set(id, i);
    for (const k of [2, 3, 4, 5, 7, 8])
      if (!Number.isFinite(bus(i, k))) fault('MATPOWER_VALUE', `bus ${id} has no finite value in column ${k + 1}`);
    if (![1, 2, 3, 4].includes(bus(i, 1))) fault('MATPOWER_VALUE', `bus ${id} has the type ${bus(i, 1)}`);
  }
  const find = (id: number, what: string): number => {
    const i = busIndex.get(id);
    if (i === undefined) fault('MATPOWER_BUS', `${what} is at bus ${id}, which the case does not have`);
    return i ?? 0;
  };
  const gen = column(c.gen);
  const units = c.gen.rows;
  const unitBus = Int32Array.from({ length: units }, (_, g) => find(gen(g, 0), `unit row ${g + 1}`));
  const branch = column(c.branch);
  const m = c.branch.rows;
  const from = Int32Array.from({ length: m }, (_, k) => find(branch(k, 0), `branch row ${k + 1}`));
  const to = Int32Array.from({ length: m }, (_, k) => find(branch(k, 1), `branch row ${k + 1}`));
  const busType = Uint8Array.from({ length: n }, (_, i) => bus(i, 1));
  const closed = Uint8Array.from({ length: m }, (_, k) =>
    branch(k, 10) > 0 && busType[from[k]!] !== 4 && busType[to[k]!] !== 4 ? 1 : 0,
  );
  for (let k = 0; k < m; k++)
    for (const col of [2, 3, 4, 8, 9])
      if (!Number.isFinite(branch(k, col)))
        fault('MATPOWER_VALUE', `branch row ${k + 1} has no finite value in column ${col + 1}`);
  for (let g = 0; g < units; g++)
    for (const col of [1, 2, 5])
      if (!Number.isFinite(gen(g, col)) && gen(g, 7) > 0)
        fault('MATPOWER_VALUE', `unit row ${g + 1} has no finite value in column ${col + 1}`);
  if (faults.length > 0) return { faults };

  const node = Int32Array.from({ length: n }, (_, i) => i);
  const busbar = new Uint8Array(m);
  for (let k = 0; k < m; k++) {
    if (closed[k] === 0 || Math.hypot(branch(k, 2), branch(k, 3)) >= busbarImpedance) continue;
    join(node, from[k]!, to[k]!);
  }
  for (let i = 0; i < n; i++) node[i] = root(node, i);
  for (let k = 0; k < m; k++) {
    const zero = Math.hypot(branch(k, 2), branch(k, 3)) < busbarImpedance;
    if (zero || node[from[k]!] === node[to[k]!]) busbar[k] = 1;
    if (zero)
      notes.push(
        `Branch row ${k + 1} has no impedance: ${closed[k] === 1 ? 'its two buses are one node' : 'it stays out'}.`,
      );
  }
  if (c.dcLines > 0) notes.push(`${c.dcLines} DC line(s) in the case are left out.`);
  const pu = (col: number): Float64Array => Float64Array.from({ length: n }, (_, i) => bus(i, col) / base);
  const limit = (g: number, col: number): number => {
    const v = gen(g, col) / base;
    // Limits like 1e30 mean none (powsybl-open-loadflow#675).
    return Number.isNaN(v) ? 0 : Math.abs(v) > 1e6 ? Math.sign(v) * Number.POSITIVE_INFINITY : v;
  };
  const perUnit = (f: (g: number) => number): Float64Array => Float64Array.from({ length: units }, (_, g) => f(g));
  const perBranch = (f: (k: number) => number): Float64Array => Float64Array.from({ length: m }, (_, k) => f(k));
  const rate = (k: number): number => {
    const v = branch(k, 5) / base;
    return v > 0 && v < 1e6 ? v : 0;
  };
  return {
    faults: [],
    value: {
      baseMva: base,
      busCount: n,
      busId,
      busIndex,
      busType,
      node,
      loadP: pu(2),
      loadQ: pu(3),
      shuntG: pu(4),
      shuntB: pu(5),
      baseKv: Float64Array.from({ length: n }, (_, i) => bus(i, 9)),
      startVm: Float64Array.from({ length: n }, (_, i) => bus(i, 7)),
      startVa: Float64Array.from({ length: n }, (_, i) => (bus(i, 8) * Math.PI) / 180),
      unitCount: units,
      unitBus,
      unitOn: Uint8Array.from({ length: units }, (_, g) => (gen(g, 7) > 0 && busType[unitBus[g]!] !== 4 ? 1 : 0)),
      unitP: perUnit((g) => gen(g, 1) / base),
      unitQ: perUnit((g) => gen(g, 2) / base),
      unitQMax: perUnit((g) => limit(g, 3)),
      unitQMin: perUnit((g) => limit(g, 4)),
      unitVm: perUnit((g) => gen(g, 5)),
      unitPMax: perUnit((g) => limit(g, 8)),
      unitPMin: perUnit((g) => limit(g, 9)),
      branchCount: m,
      from,
      to,
      closed,
      busbar,
      r: perBranch((k) => branch(k, 2)),
      x: perBranch((k) => branch(k, 3)),
      charging: perBranch((k) => branch(k, 4)),
      tap: perBranch((k) => (branch(k, 8) === 0 ? 1 : branch(k, 8))),
      shift: perBranch((k) => (branch(k, 9) * Math.PI) / 180),
      rating: perBranch(rate),
      ratingShort: perBranch((k) => {
        const short = branch(k, 7) / base;
        return short > rate(k) && short < 1e6 ? short : rate(k);
      }),
      notes,
    },
  };
}

function column(m: { columns: number; data: Float64Array }): (row: number, column: number) => number {
  return (row, col) => m.data[row * m.columns + col]!;
}

/** Representative of a set; halves the path on the way. */
export function root(parent: Int32Array, i: number): number {
  let r = i;
  while (parent[r] !== r) {
    parent[r] = parent[parent[r]!]!;
    r = parent[r]!;
  }
  return r;
}

/** Unites two sets under the lower index. */
export function join(parent: Int32Array, a: number, b: number): void {
  const x = root(parent, a);
  const y = root(parent, b);
  if (x < y) parent[y] = x;
  else parent[x] = y;
}

/** Island of each bus under switch positions: the lowest node index in it; -1 for buses out of service. */
export function islands(grid: Grid, closed: Uint8Array): Int32Array {
  const parent = grid.node.slice();
  for (let k = 0; k < grid.branchCount; k++) if (closed[k] === 1) join(parent, grid.from[k]!, grid.to[k]!);
  return parent.map((_, i) => (grid.busType[i] === 4 ? -1 : root(parent, i)));
}
