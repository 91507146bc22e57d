// Two-port parameters of branches and the nodal admittance matrix on a fixed structure.
// Tap at the from-bus: yff = (ys + jb/2)/tau^2, yft = -ys/(tau e^{-j phi}), ytf = -ys/(tau e^{+j phi}), ytt = ys + jb/2.
// The structure holds every branch, open ones too, so that switching changes values only.
import type { Grid } from './grid.ts';

export interface TwoPorts {
  readonly gff: Float64Array;
  readonly bff: Float64Array;
  readonly gft: Float64Array;
  readonly bft: Float64Array;
  readonly gtf: Float64Array;
  readonly btf: Float64Array;
  readonly gtt: Float64Array;
  readonly btt: Float64Array;
}

export function twoPorts(grid: Grid): TwoPorts {
  const m = grid.branchCount;
  const make = (): Float64Array => new Float64Array(m);
  const y = { gff: make(), bff: make(), gft: make(), bft: make(), gtf: make(), btf: make(), gtt: make(), btt: make() };
  for (let k = 0; k < m; k++) {
    const z2 = grid.r[k]! ** 2 + grid.x[k]! ** 2;
    const half = grid.charging[k]! / 2;
    const tau = grid.tap[k]!;
    // A busbar carries no voltage difference; its charging still hangs on the node.
    const g = grid.busbar[k] === 1 ? 0 : grid.r[k]! / z2;
    const b = grid.busbar[k] === 1 ? 0 : -grid.x[k]! / z2;
    const c = Math.cos(grid.shift[k]!) / tau;
    const s = Math.sin(grid.shift[k]!) / tau;
    y.gff[k] = g / tau ** 2;
    y.bff[k] = (b + half) / tau ** 2;
    y.gtt[k] = g;
    y.btt[k] = b + half;
    y.gft[k] = -(g * c - b * s);
    y.bft[k] = -(g * s + b * c);
    y.gtf[k] = -(g * c + b * s);
    y.btf[k] = -(b * c - g * s);
  }
  return y;
}

export class Admittance {
  readonly grid: Grid;
  readonly ports: TwoPorts;
  /** By node row; every row holds its diagonal. Rows of buses that are not their node's lowest are empty. */
  readonly start: Int32Array;
  readonly column: Int32Array;
  readonly g: Float64Array;
  readonly b: Float64Array;
  readonly diagonal: Int32Array;
  readonly #ft: Int32Array;
  readonly #tf: Int32Array;

  constructor(grid: Grid) {
    this.grid = grid;
    this.ports = twoPorts(grid);
    const n = grid.busCount;
    const sets: Set<number>[] = Array.from({ length: n }, (_, i) => new Set([i]));
    for (const [a, b] of this.edges()) {
      sets[a]!.add(b);
      sets[b]!.add(a);
    }
    this.start = new Int32Array(n + 1);
    for (let i = 0; i < n; i++) this.start[i + 1] = this.start[i]! + sets[i]!.size;
    this.column = new Int32Array(this.start[n]!);
    this.diagonal = new Int32Array(n);
    const where = new Map<number, number>();
    for (let i = 0; i < n; i++) {
      let at = this.start[i]!;
      for (const j of [...sets[i]!].sort((p, q) => p - q)) {
        if (i === j) this.diagonal[i] = at;
        where.set(i * n + j, at);
        this.column[at++] = j;
      }
    }
    this.g = new Float64Array(this.column.length);
    this.b = new Float64Array(this.column.length);
    const position = (a: number, b: number): number => where.get(grid.node[a]! * n + grid.node[b]!)!;
    this.#ft = Int32Array.from({ length: grid.branchCount }, (_, k) => position(grid.from[k]!, grid.to[k]!));
    this.#tf = Int32Array.from({ length: grid.branchCount }, (_, k) => position(grid.to[k]!, grid.from[k]!));
    this.fill(grid.closed);
  }

  /** Node pairs that any branch joins. */
  *edges(): Generator<[number, number]> {
    const { grid } = this;
    for (let k = 0; k < grid.branchCount; k++) yield [grid.node[grid.from[k]!]!, grid.node[grid.to[k]!]!];
  }

  /** Values under switch positions (1 closed). */
  fill(closed: Uint8Array): void {
    const { grid, ports: y, g, b, diagonal } = this;
    g.fill(0);
    b.fill(0);
    for (let i = 0; i < grid.busCount; i++) {
      if (grid.busType[i] === 4) continue;
      const d = diagonal[grid.node[i]!]!;
      g[d]! += grid.shuntG[i]!;
      b[d]! += grid.shuntB[i]!;
    }
    for (let k = 0; k < grid.branchCount; k++) {
      if (closed[k] === 0) continue;
      const f = diagonal[grid.node[grid.from[k]!]!]!;
      const t = diagonal[grid.node[grid.to[k]!]!]!;
      g[f]! += y.gff[k]!;
      b[f]! += y.bff[k]!;
      g[t]! += y.gtt[k]!;
      b[t]! += y.btt[k]!;
      if (grid.busbar[k] === 1 && f !== t) continue;
      g[this.#ft[k]!]! += y.gft[k]!;
      b[this.#ft[k]!]! += y.bft[k]!;
      g[this.#tf[k]!]! += y.gtf[k]!;
      b[this.#tf[k]!]! += y.btf[k]!;
    }
  }
}

/** Power leaving each end of a branch into it, pu. */
export interface BranchFlows {
  readonly pf: Float64Array;
  readonly qf: Float64Array;
  readonly pt: Float64Array;
  readonly qt: Float64Array;
}

export function branchFlows(
  grid: Grid,
  y: TwoPorts,
  closed: Uint8Array,
  vm: Float64Array,
  va: Float64Array,
): BranchFlows {
  const m = grid.branchCount;
  const out = { pf: new Float64Array(m), qf: new Float64Array(m), pt: new Float64Array(m), qt: new Float64Array(m) };
  for (let k = 0; k < m; k++) {
    if (closed[k] === 0) continue;
    const f = grid.node[grid.from[k]!]!;
    const t = grid.node[grid.to[k]!]!;
    const vv = vm[f]! * vm[t]!;
    const c = vv * Math.cos(va[f]! - va[t]!);
    const s = vv * Math.sin(va[f]! - va[t]!);
    const f2 = vm[f]! ** 2;
    const t2 = vm[t]! ** 2;
    out.pf[k] = f2 * y.gff[k]! + c * y.gft[k]! + s * y.bft[k]!;
    out.qf[k] = -f2 * y.bff[k]! + s * y.gft[k]! - c * y.bft[k]!;
    out.pt[k] = t2 * y.gtt[k]! + c * y.gtf[k]! - s * y.btf[k]!;
    out.qt[k] = -t2 * y.btt[k]! - s * y.gtf[k]! - c * y.btf[k]!;
  }
  return out;
}
