// AC power flow of the true grid: fast decoupled (Stott and Alsac 1974, XB form), dense inverses kept per topology.
// Small and plain on purpose: it shares nothing with the twin, so that a mistake in one shows in the other.
import { invertInPlace } from './dc.ts';
import { baseWatts, type Grid } from './grid.ts';

export interface AcState {
  readonly magnitude: Float64Array;
  readonly angle: Float64Array;
  /** Largest mismatch left, per unit. */
  readonly mismatch: number;
  readonly iterations: number;
}
/** Flows in W and var: power leaving `from` and leaving `to` into the branch. */
export interface AcFlows {
  readonly fromWatts: Float64Array;
  readonly fromVars: Float64Array;
  readonly toWatts: Float64Array;
  readonly toVars: Float64Array;
  /** Net injection of each bus, W and var. */
  readonly busWatts: Float64Array;
  readonly busVars: Float64Array;
}
/** Bus kinds: voltage fixed in both parts, voltage magnitude held, load. */
export const BusKind = { fixed: 0, held: 1, load: 2 } as const;

export class AcNetwork {
  readonly grid: Grid;
  readonly closed: Uint8Array;
  readonly kind: Uint8Array;
  readonly #angleInverse: Float64Array;
  readonly #magnitudeInverse: Float64Array;
  readonly #angleBuses: number[];
  readonly #magnitudeBuses: number[];
  readonly #flows: AcFlows;

  constructor(grid: Grid, closed: Uint8Array, kind: Uint8Array) {
    this.grid = grid;
    this.closed = closed.slice();
    this.kind = kind.slice();
    const n = grid.busCount;
    const m = grid.branchCount;
    const buses = Array.from({ length: n }, (_, i) => i);
    this.#angleBuses = buses.filter((i) => kind[i] !== BusKind.fixed);
    this.#magnitudeBuses = buses.filter((i) => kind[i] === BusKind.load);
    const simple = new Float64Array(n * n);
    const full = new Float64Array(n * n);
    for (let i = 0; i < n; i++) full[i * n + i]! -= grid.shuntPu[i]!;
    for (let k = 0; k < m; k++) {
      if (closed[k] === 0) continue;
      const f = grid.from[k]!;
      const t = grid.to[k]!;
      const b = 1 / grid.reactance[k]!;
      stamp(simple, n, f, t, b, b, b);
      const r = grid.resistance[k]!;
      const x = grid.reactance[k]!;
      const series = x / (r * r + x * x);
      const tap = grid.tap[k]!;
      const half = grid.charging[k]! / 2;
      stamp(full, n, f, t, (series - half) / (tap * tap), series - half, series / tap);
    }
    this.#angleInverse = reducedInverse(simple, n, this.#angleBuses);
    this.#magnitudeInverse = reducedInverse(full, n, this.#magnitudeBuses);
    this.#flows = {
      fromWatts: new Float64Array(m),
      fromVars: new Float64Array(m),
      toWatts: new Float64Array(m),
      toVars: new Float64Array(m),
      busWatts: new Float64Array(n),
      busVars: new Float64Array(n),
    };
  }
  /** Solves for the given net injections; `start` gives fixed voltages, held magnitudes and the first guess. */
  solve(
    injectedWatts: Float64Array,
    injectedVars: Float64Array,
    start: { magnitude: Float64Array; angle: Float64Array },
  ): AcState {
    const v = start.magnitude.slice();
    const a = start.angle.slice();
    let mismatch = Number.POSITIVE_INFINITY;
    for (let iterations = 1; iterations <= 60; iterations++) {
      let flows = this.flows(v, a);
      mismatch = this.#step(flows.busWatts, injectedWatts, v, this.#angleBuses, this.#angleInverse, a);
      flows = this.flows(v, a);
      const vars = this.#step(flows.busVars, injectedVars, v, this.#magnitudeBuses, this.#magnitudeInverse, v);
      mismatch = Math.max(mismatch, vars);
      if (mismatch < 1e-8) return { magnitude: v, angle: a, mismatch, iterations };
    }
    return { magnitude: v, angle: a, mismatch, iterations: 60 };
  }
  /** Flows of a state; the arrays are lent until the next call. */
  flows(v: Float64Array, a: Float64Array): AcFlows {
    const g = this.grid;
    const out = this.#flows;
    out.busWatts.fill(0);
    out.busVars.fill(0);
    for (let i = 0; i < g.busCount; i++) out.busVars[i] = -g.shuntPu[i]! * v[i]! * v[i]! * baseWatts;
    for (let k = 0; k < g.branchCount; k++) {
      if (this.closed[k] === 0) {
        out.fromWatts[k] = out.fromVars[k] = out.toWatts[k] = out.toVars[k] = 0;
        continue;
      }
      const f = g.from[k]!;
      const t = g.to[k]!;
      const r = g.resistance[k]!;
      const x = g.reactance[k]!;
      const conductance = r / (r * r + x * x);
      const susceptance = -x / (r * r + x * x);
      const half = g.charging[k]! / 2;
      const vf = v[f]! / g.tap[k]!;
      const vt = v[t]!;
      const d = a[f]! - a[t]!;
      const c = Math.cos(d) * vf * vt;
      const s = Math.sin(d) * vf * vt;
      const pf = baseWatts * (conductance * vf * vf - conductance * c - susceptance * s);
      const qf = baseWatts * (-(susceptance + half) * vf * vf + susceptance * c - conductance * s);
      const pt = baseWatts * (conductance * vt * vt - conductance * c + susceptance * s);
      const qt = baseWatts * (-(susceptance + half) * vt * vt + susceptance * c + conductance * s);
      out.fromWatts[k] = pf;
      out.fromVars[k] = qf;
      out.toWatts[k] = pt;
      out.toVars[k] = qt;
      out.busWatts[f]! += pf;
      out.busVars[f]! += qf;
      out.busWatts[t]! += pt;
      out.busVars[t]! += qt;
    }
    return out;
  }
  /** One half step; returns the largest mismatch before it, per unit. */
  #step(
    have: Float64Array,
    want: Float64Array,
    v: Float64Array,
    buses: number[],
    inverse: Float64Array,
    into: Float64Array,
  ): number {
    const size = buses.length;
    const rhs = new Float64Array(size);
    let largest = 0;
    for (let j = 0; j < size; j++) {
      const i = buses[j]!;
      const miss = (want[i]! - have[i]!) / baseWatts;
      largest = Math.max(largest, Math.abs(miss));
      rhs[j] = miss / v[i]!;
    }
    for (let j = 0; j < size; j++) {
      let s = 0;
      for (let q = 0; q < size; q++) s += inverse[j * size + q]! * rhs[q]!;
      into[buses[j]!]! += s;
    }
    return largest;
  }
}

function stamp(a: Float64Array, n: number, f: number, t: number, ff: number, tt: number, ft: number): void {
  a[f * n + f]! += ff;
  a[t * n + t]! += tt;
  a[f * n + t]! -= ft;
  a[t * n + f]! -= ft;
}

function reducedInverse(a: Float64Array, n: number, buses: number[]): Float64Array {
  const size = buses.length;
  const reduced = new Float64Array(size * size);
  const inverse = new Float64Array(size * size);
  for (let i = 0; i < size; i++) for (let j = 0; j < size; j++) reduced[i * size + j] = a[buses[i]! * n + buses[j]!]!;
  invertInPlace(reduced, inverse, size);
  return inverse;
}
