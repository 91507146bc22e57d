// DC power flow, N-1 screening and the overload cascade on the true grid.
// Cascade rules: flow by 1/(x tap); each stage balances every island (generation short: raise units in proportion to
// headroom, or all to their maximum and scale loads down; generation long: scale units down), solves, and trips all
// branches above their rating at once; it ends when none trips.
import { baseWatts, type Grid } from './grid.ts';

/** Island label of each bus: the smallest bus index in it. */
export function islandsOf(grid: Grid, closed: Uint8Array): Int32Array {
  const parent = Int32Array.from({ length: grid.busCount }, (_, i) => i);
  const find = (i: number): number => {
    let r = i;
    while (parent[r] !== r) r = parent[r] = parent[parent[r]!]!;
    return r;
  };
  for (let k = 0; k < grid.branchCount; k++) {
    if (closed[k] === 0) continue;
    const a = find(grid.from[k]!);
    const b = find(grid.to[k]!);
    if (a !== b) parent[Math.max(a, b)] = Math.min(a, b);
  }
  return parent.map((_, i) => find(i));
}

/** Branch flows in W leaving `from`; each island's first bus is its reference. */
export function dcFlows(
  grid: Grid,
  closed: Uint8Array,
  injectedWatts: Float64Array,
  islands: Int32Array,
): Float64Array {
  const n = grid.busCount;
  const a = new Float64Array(n * n);
  const x = new Float64Array(n);
  for (let k = 0; k < grid.branchCount; k++) {
    if (closed[k] === 0) continue;
    const f = grid.from[k]!;
    const t = grid.to[k]!;
    const b = 1 / (grid.reactance[k]! * grid.tap[k]!);
    a[f * n + f]! += b;
    a[t * n + t]! += b;
    a[f * n + t]! -= b;
    a[t * n + f]! -= b;
  }
  for (let i = 0; i < n; i++) {
    if (islands[i] !== i) {
      x[i] = injectedWatts[i]! / baseWatts;
      continue;
    }
    for (let j = 0; j < n; j++) a[i * n + j] = a[j * n + i] = 0;
    a[i * n + i] = 1;
  }
  for (let k = 0; k < n; k++) {
    const pivot = a[k * n + k]!;
    for (let i = k + 1; i < n; i++) {
      const m = a[i * n + k]! / pivot;
      if (m === 0) continue;
      for (let j = k; j < n; j++) a[i * n + j]! -= m * a[k * n + j]!;
      x[i]! -= m * x[k]!;
    }
  }
  for (let i = n - 1; i >= 0; i--) {
    let s = x[i]!;
    for (let j = i + 1; j < n; j++) s -= a[i * n + j]! * x[j]!;
    x[i] = s / a[i * n + i]!;
  }
  return Float64Array.from({ length: grid.branchCount }, (_, k) =>
    closed[k] === 0 ? 0 : ((x[grid.from[k]!]! - x[grid.to[k]!]!) / (grid.reactance[k]! * grid.tap[k]!)) * baseWatts,
  );
}

export interface CascadeEnd {
  readonly lostShare: number;
  readonly stages: number;
  readonly tripped: readonly number[];
  /** The grid when nothing more trips. */
  readonly closed: Uint8Array;
  readonly loads: Float64Array;
  readonly units: Float64Array;
}

export function cascade(grid: Grid, closedAtStart: Uint8Array, loads: Float64Array, units: Float64Array): CascadeEnd {
  const n = grid.busCount;
  const closed = closedAtStart.slice();
  const load = loads.slice();
  const unit = units.slice();
  const before = load.reduce((s, v) => s + v, 0);
  const capacity = units.map((w, i) => Math.max(w, grid.unitWattsMax[i]!));
  const tripped: number[] = [];
  for (let stages = 1; ; stages++) {
    const islands = islandsOf(grid, closed);
    balance(n, islands, load, unit, capacity);
    const flows = dcFlows(
      grid,
      closed,
      unit.map((w, i) => w - load[i]!),
      islands,
    );
    let trips = 0;
    for (let k = 0; k < grid.branchCount; k++) {
      if (closed[k] === 0 || Math.abs(flows[k]!) <= grid.ratingWatts[k]! * (1 + 1e-9)) continue;
      closed[k] = 0;
      tripped.push(k);
      trips += 1;
    }
    if (trips === 0) {
      const lostShare = 1 - load.reduce((s, v) => s + v, 0) / before;
      return { lostShare, stages, tripped, closed, loads: load, units: unit };
    }
  }
}

function balance(n: number, islands: Int32Array, load: Float64Array, unit: Float64Array, capacity: Float64Array): void {
  const sums = new Float64Array(3 * n);
  for (let i = 0; i < n; i++) {
    const r = islands[i]!;
    sums[r]! += load[i]!;
    sums[n + r]! += unit[i]!;
    sums[2 * n + r]! += capacity[i]!;
  }
  for (let i = 0; i < n; i++) {
    const r = islands[i]!;
    const need = sums[r]!;
    const have = sums[n + r]!;
    const most = sums[2 * n + r]!;
    if (need > most) {
      unit[i] = capacity[i]!;
      load[i]! *= most / need;
    } else if (need > have) unit[i]! += ((need - have) / (most - have)) * (capacity[i]! - unit[i]!);
    else if (have > 0) unit[i]! *= need / have;
  }
}

/** Linear sensitivities of one topology: what each injection and each outage does to each flow. */
export class Sensitivities {
  readonly grid: Grid;
  readonly closed: Uint8Array;
  /** Row k, column i: share of an injection at i (withdrawn at the reference) that flows over k. */
  readonly ptdf: Float64Array;
  /** Row k, column j: share of k's flow that moves to j when k opens; row of zeros where k is a bridge. */
  readonly lodf: Float64Array;
  readonly bridge: Uint8Array;

  constructor(grid: Grid, closed: Uint8Array) {
    const n = grid.busCount;
    const m = grid.branchCount;
    this.grid = grid;
    this.closed = closed.slice();
    const x = inverseOf(grid, closed);
    this.ptdf = new Float64Array(m * n);
    this.lodf = new Float64Array(m * m);
    this.bridge = new Uint8Array(m);
    for (let k = 0; k < m; k++) {
      if (closed[k] === 0) continue;
      const b = 1 / (grid.reactance[k]! * grid.tap[k]!);
      const f = grid.from[k]! * n;
      const t = grid.to[k]! * n;
      for (let i = 0; i < n; i++) this.ptdf[k * n + i] = b * (x[f + i]! - x[t + i]!);
    }
    const across = (j: number, k: number): number =>
      this.ptdf[j * n + grid.from[k]!]! - this.ptdf[j * n + grid.to[k]!]!;
    for (let k = 0; k < m; k++) {
      if (closed[k] === 0) continue;
      const rest = 1 - across(k, k);
      if (rest < 1e-9) {
        this.bridge[k] = 1;
        continue;
      }
      for (let j = 0; j < m; j++) if (j !== k && closed[j] === 1) this.lodf[k * m + j] = across(j, k) / rest;
    }
  }
  flows(injectedWatts: Float64Array): Float64Array {
    const n = this.grid.busCount;
    const out = new Float64Array(this.grid.branchCount);
    for (let k = 0; k < out.length; k++) {
      let s = 0;
      for (let i = 0; i < n; i++) s += this.ptdf[k * n + i]! * injectedWatts[i]!;
      out[k] = s;
    }
    return out;
  }
  /** Highest loading over all single outages that split nothing (and none): ratio, outage (-1 none), branch, direction. */
  worst(flows: Float64Array): { loading: number; outage: number; branch: number; sign: number } {
    const m = this.grid.branchCount;
    let loading = 0;
    let outage = -1;
    let branch = 0;
    let sign = 1;
    for (let k = -1; k < m; k++) {
      if (k >= 0 && (this.closed[k] === 0 || this.bridge[k] === 1)) continue;
      for (let j = 0; j < m; j++) {
        if (j === k) continue;
        const flow = k < 0 ? flows[j]! : flows[j]! + this.lodf[k * m + j]! * flows[k]!;
        const ratio = Math.abs(flow) / this.grid.ratingWatts[j]!;
        if (ratio <= loading) continue;
        loading = ratio;
        outage = k;
        branch = j;
        sign = Math.sign(flow);
      }
    }
    return { loading, outage, branch, sign };
  }
}

/** Inverse of the susceptance matrix with bus row 0 as the reference; the network must be in one piece. */
function inverseOf(grid: Grid, closed: Uint8Array): Float64Array {
  const n = grid.busCount;
  const a = new Float64Array(n * n);
  const x = new Float64Array(n * n);
  for (let k = 0; k < grid.branchCount; k++) {
    if (closed[k] === 0) continue;
    const f = grid.from[k]!;
    const t = grid.to[k]!;
    const b = 1 / (grid.reactance[k]! * grid.tap[k]!);
    a[f * n + f]! += b;
    a[t * n + t]! += b;
    a[f * n + t]! -= b;
    a[t * n + f]! -= b;
  }
  for (let j = 0; j < n; j++) a[j] = a[j * n] = 0;
  a[0] = 1;
  invertInPlace(a, x, n);
  for (let j = 0; j < n; j++) x[j] = x[j * n] = 0;
  return x;
}

/** Gauss-Jordan without pivoting: for diagonally dominant matrices. `a` is destroyed, `x` becomes the inverse. */
export function invertInPlace(a: Float64Array, x: Float64Array, n: number): void {
  for (let i = 0; i < n; i++) x[i * n + i] = 1;
  for (let k = 0; k < n; k++) {
    const d = 1 / a[k * n + k]!;
    for (let j = 0; j < n; j++) {
      a[k * n + j]! *= d;
      x[k * n + j]! *= d;
    }
    for (let i = 0; i < n; i++) {
      const m = a[i * n + k]!;
      if (i === k || m === 0) continue;
      for (let j = 0; j < n; j++) {
        a[i * n + j]! -= m * a[k * n + j]!;
        x[i * n + j]! -= m * x[k * n + j]!;
      }
    }
  }
}
