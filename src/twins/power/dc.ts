// The linear (DC) model: flow = (angle difference - shift) / (x tap), no losses, all voltages one. For screening and for
// consequences; it knows nothing of voltage collapse (anchors: case39 row 9 loses 14 % here, 45 % in an AC cascade).
import { analyse, Ldl } from '#lib/sparse';
import { type Grid, islands } from './grid.ts';

/** Share of a branch's own flow that finds no other way: above 1 minus this the branch is a bridge. */
const bridgeShare = 1e-8;

export class DcModel {
  readonly grid: Grid;
  /** Susceptance of each branch, pu. */
  readonly b: Float64Array;
  readonly #ldl: Ldl;
  readonly #diagonal: Int32Array;
  readonly #off: Int32Array;
  /** Positions that the factor belongs to. */
  #closed: Uint8Array = new Uint8Array(0);
  #island: Int32Array = new Int32Array(0);
  #lodf: Lodf | undefined;

  constructor(grid: Grid) {
    this.grid = grid;
    const n = grid.busCount;
    this.b = Float64Array.from({ length: grid.branchCount }, (_, k) =>
      grid.busbar[k] === 1 || grid.x[k] === 0 ? 0 : 1 / (grid.x[k]! * grid.tap[k]!),
    );
    const ends = Array.from({ length: grid.branchCount }, (_, k): [number, number] => [
      grid.node[grid.from[k]!]!,
      grid.node[grid.to[k]!]!,
    ]);
    this.#ldl = new Ldl(analyse(n, ends));
    this.#diagonal = Int32Array.from({ length: n }, (_, i) => this.#ldl.address(i, i));
    this.#off = Int32Array.from(ends, ([f, t]) => this.#ldl.address(f, t));
  }

  /** Island of each bus under the positions last set. */
  get island(): Int32Array {
    return this.#island;
  }

  /** Refactors where positions changed. The lowest node of each island is its angle reference. */
  set(closed: Uint8Array): void {
    if (closed.length === this.#closed.length && closed.every((v, k) => v === this.#closed[k])) return;
    const { grid } = this;
    this.#closed = closed.slice();
    this.#island = islands(grid, closed);
    this.#lodf = undefined;
    const { values } = this.#ldl;
    values.fill(0);
    for (let i = 0; i < grid.busCount; i++) if (this.#isReference(i)) values[this.#diagonal[i]!] = 1;
    for (let k = 0; k < grid.branchCount; k++) {
      if (closed[k] === 0 || this.b[k] === 0) continue;
      const f = grid.node[grid.from[k]!]!;
      const t = grid.node[grid.to[k]!]!;
      if (f === t) continue;
      const fixedF = this.#isReference(f);
      const fixedT = this.#isReference(t);
      if (!fixedF) values[this.#diagonal[f]!]! += this.b[k]!;
      if (!fixedT) values[this.#diagonal[t]!]! += this.b[k]!;
      if (!fixedF && !fixedT) values[this.#off[k]!]! -= this.b[k]!;
    }
    this.#ldl.factor();
  }
  #isReference(i: number): boolean {
    return this.grid.node[i] !== i || this.#island[i]! < 0 || this.#island[i] === i;
  }

  /** Angles for net injections by bus (pu); each island's sum is taken up by its reference. */
  angles(injected: Float64Array): Float64Array {
    const { grid } = this;
    const x = new Float64Array(grid.busCount);
    for (let i = 0; i < grid.busCount; i++) x[grid.node[i]!]! += injected[i]!;
    for (let k = 0; k < grid.branchCount; k++) {
      if (this.#closed[k] === 0 || grid.shift[k] === 0) continue;
      x[grid.node[grid.from[k]!]!]! += this.b[k]! * grid.shift[k]!;
      x[grid.node[grid.to[k]!]!]! -= this.b[k]! * grid.shift[k]!;
    }
    this.#solve(x);
    return x;
  }
  #solve(x: Float64Array): void {
    for (let i = 0; i < x.length; i++) if (this.#isReference(i)) x[i] = 0;
    this.#ldl.solve(x);
  }

  flows(injected: Float64Array): Float64Array {
    const { grid } = this;
    const angle = this.angles(injected);
    return Float64Array.from({ length: grid.branchCount }, (_, k) =>
      this.#closed[k] === 0
        ? 0
        : this.b[k]! * (angle[grid.node[grid.from[k]!]!]! - angle[grid.node[grid.to[k]!]!]! - grid.shift[k]!),
    );
  }

  /** Change of all flows for one pu into `into` and out of `out` (node indices). */
  transfer(into: number, out: number): Float64Array {
    const { grid } = this;
    const x = new Float64Array(grid.busCount);
    x[grid.node[into]!]! += 1;
    x[grid.node[out]!]! -= 1;
    this.#solve(x);
    return Float64Array.from({ length: grid.branchCount }, (_, k) =>
      this.#closed[k] === 0 ? 0 : this.b[k]! * (x[grid.node[grid.from[k]!]!]! - x[grid.node[grid.to[k]!]!]!),
    );
  }

  /** Outage factors of the positions last set; made on first use. */
  lodf(): Lodf {
    this.#lodf ??= new Lodf(this, this.#closed);
    return this.#lodf;
  }
}

/** Line outage distribution: what share of an opened branch's flow every other branch takes over. */
export class Lodf {
  readonly #model: DcModel;
  readonly #closed: Uint8Array;
  readonly #columns: (Float64Array | undefined)[];
  readonly #bridge: Uint8Array;

  constructor(model: DcModel, closed: Uint8Array) {
    this.#model = model;
    this.#closed = closed;
    this.#columns = new Array(closed.length).fill(undefined);
    this.#bridge = new Uint8Array(closed.length);
  }
  /** Shares by branch when `k` opens; undefined where it is open or nothing else joins its ends. */
  column(k: number): Float64Array | undefined {
    if (this.#closed[k] === 0 || this.#bridge[k] === 1) return undefined;
    const known = this.#columns[k];
    if (known !== undefined) return known;
    const { grid } = this.#model;
    const shares = this.#model.transfer(grid.from[k]!, grid.to[k]!);
    const rest = 1 - shares[k]!;
    if (!(Math.abs(rest) > bridgeShare) || this.#model.b[k] === 0) {
      this.#bridge[k] = 1;
      return undefined;
    }
    for (let l = 0; l < shares.length; l++) shares[l]! /= rest;
    shares[k] = -1;
    this.#columns[k] = shares;
    return shares;
  }
}
