// The measurement model h(x), its derivatives H and the gain matrix G = H' R^-1 H + P on a structure analysed once.
// x has angle and magnitude of every node. P is a weak prior towards the present point (sigma 30 rad, 30 pu): a direction
// that no row sees keeps that variance instead of making G singular, so what cannot be observed shows in the inverse.
// At convergence the prior pulls nowhere, so the estimate is the plain weighted least-squares one.
import { analyse, doubled, Ldl } from '#lib/sparse';
import { Admittance } from './admittance.ts';
import type { Grid } from './grid.ts';
import { type Row, RowKind } from './rows.ts';

const priorSigma = 30;
/** A variance above this (rad^2 or pu^2) can only come from the prior: not observable. */
export const unseenVariance = 1;

export class Gain {
  readonly grid: Grid;
  readonly admittance: Admittance;
  readonly ldl: Ldl;
  /** Unknowns (2 node + half) that are fixed: reference angles, dark nodes. */
  readonly fixed: Uint8Array;
  rows: readonly Row[] = [];
  /** Row r has `unknowns[start[r] .. start[r+1])` with derivatives in `h` at the same places. */
  start = new Int32Array(1);
  unknowns = new Int32Array(0);
  h = new Float64Array(0);
  /** Row r's products lie at `addresses[pairStart[r] ..)`: pairs (a, b), a <= b, row by row of the triangle. */
  pairStart = new Int32Array(1);
  addresses = new Int32Array(0);
  calculated = new Float64Array(0);
  readonly inverse: Float64Array;
  readonly #nodeUnknowns: Int32Array[];
  readonly #nodePairs: (Int32Array | undefined)[];
  readonly #branchPairs: (Int32Array | undefined)[];
  readonly #diagonal: Int32Array;

  constructor(grid: Grid) {
    this.grid = grid;
    const y = new Admittance(grid);
    this.admittance = y;
    const n = grid.busCount;
    this.ldl = new Ldl(doubled(analyse(n, cliques(y, n))));
    this.fixed = new Uint8Array(2 * n);
    this.inverse = new Float64Array(this.ldl.values.length);
    this.#nodeUnknowns = Array.from({ length: n }, (_, i) => {
      const out: number[] = [];
      for (let e = y.start[i]!; e < y.start[i + 1]!; e++) out.push(2 * y.column[e]!, 2 * y.column[e]! + 1);
      return Int32Array.from(out);
    });
    this.#nodePairs = new Array(n).fill(undefined);
    this.#branchPairs = new Array(grid.branchCount).fill(undefined);
    this.#diagonal = Int32Array.from({ length: 2 * n }, (_, u) => this.ldl.address(u, u));
  }

  /** Takes rows and switch positions; structure of rows only, values follow in `linearise`. */
  setRows(rows: readonly Row[], closed: Uint8Array): void {
    this.rows = rows;
    this.admittance.fill(closed);
    const m = rows.length;
    this.start = new Int32Array(m + 1);
    this.pairStart = new Int32Array(m + 1);
    for (let r = 0; r < m; r++) {
      const width = this.#unknownsOf(rows[r]!).length;
      this.start[r + 1] = this.start[r]! + width;
      this.pairStart[r + 1] = this.pairStart[r]! + (width * (width + 1)) / 2;
    }
    this.unknowns = new Int32Array(this.start[m]!);
    this.addresses = new Int32Array(this.pairStart[m]!);
    this.h = new Float64Array(this.start[m]!);
    this.calculated = new Float64Array(m);
    for (let r = 0; r < m; r++) {
      this.unknowns.set(this.#unknownsOf(rows[r]!), this.start[r]!);
      this.addresses.set(this.#pairsOf(rows[r]!), this.pairStart[r]!);
    }
  }

  #unknownsOf(row: Row): Int32Array {
    const { node, from, to } = this.grid;
    if (row.kind === RowKind.V) return Int32Array.of(2 * node[row.element]! + 1);
    if (row.kind === RowKind.P || row.kind === RowKind.Q) return this.#nodeUnknowns[node[row.element]!]!;
    return branchUnknowns(node[from[row.element]!]!, node[to[row.element]!]!);
  }
  #pairsOf(row: Row): Int32Array {
    if (row.kind === RowKind.V) return Int32Array.of(this.#diagonal[2 * this.grid.node[row.element]! + 1]!);
    const nodal = row.kind === RowKind.P || row.kind === RowKind.Q;
    const cache = nodal ? this.#nodePairs : this.#branchPairs;
    const at = nodal ? this.grid.node[row.element]! : row.element;
    return (cache[at] ??= pairs(this.ldl, this.#unknownsOf(row)));
  }

  /** Calculated values and derivatives of all rows at a state. */
  linearise(vm: Float64Array, va: Float64Array): void {
    const { grid, rows, h, calculated, start, fixed, unknowns } = this;
    for (let r = 0; r < rows.length; r++) {
      const row = rows[r]!;
      const at = start[r]!;
      if (row.kind === RowKind.V) {
        calculated[r] = vm[grid.node[row.element]!]!;
        h[at] = 1;
      } else if (row.kind === RowKind.P || row.kind === RowKind.Q)
        calculated[r] = this.#injection(grid.node[row.element]!, row.kind === RowKind.Q, vm, va, at);
      else calculated[r] = this.flow(row.kind, row.element, vm, va, h, at);
      for (let c = at; c < start[r + 1]!; c++) if (fixed[unknowns[c]!] === 1) h[c] = 0;
    }
  }

  #injection(i: number, reactive: boolean, vm: Float64Array, va: Float64Array, at: number): number {
    const y = this.admittance;
    const h = this.h;
    const v = vm[i]!;
    let p = 0;
    let q = 0;
    let self = at;
    let selfG = 0;
    let selfB = 0;
    let to = at;
    for (let e = y.start[i]!; e < y.start[i + 1]!; e++, to += 2) {
      const k = y.column[e]!;
      const g = y.g[e]!;
      const b = y.b[e]!;
      if (k === i) {
        self = to;
        selfG = g;
        selfB = b;
        p += v * v * g;
        q -= v * v * b;
        continue;
      }
      const vv = v * vm[k]!;
      const c = vv * Math.cos(va[i]! - va[k]!);
      const s = vv * Math.sin(va[i]! - va[k]!);
      const own = g * c + b * s;
      const cross = g * s - b * c;
      p += own;
      q += cross;
      h[to] = reactive ? -own : cross;
      h[to + 1] = (reactive ? cross : own) / vm[k]!;
    }
    h[self] = reactive ? p - selfG * v * v : -q - selfB * v * v;
    h[self + 1] = reactive ? q / v - selfB * v : p / v + selfG * v;
    return reactive ? q : p;
  }

  /**
   * Power leaving an end of a branch, pu, and its derivatives by (from angle, from magnitude, to angle, to magnitude),
   * written to `out` at `at`.
   */
  flow(kind: RowKind, k: number, vm: Float64Array, va: Float64Array, out: Float64Array, at: number): number {
    const { grid, admittance } = this;
    const y = admittance.ports;
    const atFrom = kind === RowKind.FromP || kind === RowKind.FromQ;
    const near = grid.node[atFrom ? grid.from[k]! : grid.to[k]!]!;
    const far = grid.node[atFrom ? grid.to[k]! : grid.from[k]!]!;
    const gs = atFrom ? y.gff[k]! : y.gtt[k]!;
    const bs = atFrom ? y.bff[k]! : y.btt[k]!;
    const gm = atFrom ? y.gft[k]! : y.gtf[k]!;
    const bm = atFrom ? y.bft[k]! : y.btf[k]!;
    const vn = vm[near]!;
    const vf = vm[far]!;
    const c = vn * vf * Math.cos(va[near]! - va[far]!);
    const s = vn * vf * Math.sin(va[near]! - va[far]!);
    const own = gm * c + bm * s;
    const cross = gm * s - bm * c;
    const reactive = kind === RowKind.FromQ || kind === RowKind.ToQ;
    const n = atFrom ? at : at + 2;
    const f = atFrom ? at + 2 : at;
    // Both ends the same node: derivatives add up in the caller's products; a busbar row is not used.
    out[n] = reactive ? own : -cross;
    out[f] = reactive ? -own : cross;
    out[n + 1] = reactive ? -2 * vn * bs + cross / vn : 2 * vn * gs + own / vn;
    out[f + 1] = (reactive ? cross : own) / vf;
    return reactive ? -vn * vn * bs + cross : vn * vn * gs + own;
  }

  /** G from the present derivatives with weight 1 / variance(row); a negative or infinite variance leaves the row out. */
  factor(variance: (row: Row, index: number) => number): void {
    const { values } = this.ldl;
    const { rows, h, start, addresses, pairStart } = this;
    values.fill(0);
    const prior = 1 / priorSigma ** 2;
    for (let u = 0; u < this.fixed.length; u++) values[this.#diagonal[u]!] = this.fixed[u] === 1 ? 1 : prior;
    for (let r = 0; r < rows.length; r++) {
      const v = variance(rows[r]!, r);
      if (!(v > 0) || v === Number.POSITIVE_INFINITY) continue;
      const weight = 1 / v;
      let p = pairStart[r]!;
      const end = start[r + 1]!;
      for (let a = start[r]!; a < end; a++) {
        const scaled = h[a]! * weight;
        if (scaled === 0) {
          p += end - a;
          continue;
        }
        for (let b = a; b < end; b++, p++) values[addresses[p]!]! += scaled * h[b]!;
      }
    }
    this.ldl.factor();
  }

  /** h' Z h of a row from the inverse subset; call `invert` before. */
  spread(r: number): number {
    const { h, start, addresses, pairStart, inverse } = this;
    let p = pairStart[r]!;
    let sum = 0;
    const end = start[r + 1]!;
    for (let a = start[r]!; a < end; a++) {
      let part = 0.5 * h[a]! * inverse[addresses[p]!]!;
      p += 1;
      for (let b = a + 1; b < end; b++, p++) part += h[b]! * inverse[addresses[p]!]!;
      sum += 2 * h[a]! * part;
    }
    return sum;
  }

  invert(): void {
    this.ldl.inverseSubset(this.inverse);
  }

  /** Variance of an unknown from the inverse subset. */
  varianceOf(unknown: number): number {
    return this.fixed[unknown] === 1 ? 0 : this.inverse[this.#diagonal[unknown]!]!;
  }
}

function* cliques(y: Admittance, n: number): Generator<[number, number]> {
  for (let i = 0; i < n; i++)
    for (let a = y.start[i]!; a < y.start[i + 1]!; a++)
      for (let b = a + 1; b < y.start[i + 1]!; b++) yield [y.column[a]!, y.column[b]!];
}

export function branchUnknowns(from: number, to: number): Int32Array {
  return Int32Array.of(2 * from, 2 * from + 1, 2 * to, 2 * to + 1);
}

function pairs(ldl: Ldl, unknowns: Int32Array): Int32Array {
  const out: number[] = [];
  for (let a = 0; a < unknowns.length; a++)
    for (let b = a; b < unknowns.length; b++) out.push(ldl.address(unknowns[a]!, unknowns[b]!));
  return Int32Array.from(out);
}
