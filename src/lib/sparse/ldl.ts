// L D L' of a symmetric matrix in a fixed elimination order (left-looking, in place), solves, and the part of the inverse
// that lies in the pattern of L (Takahashi, Fagan and Chen 1973): with G = L D L' and Z = G^-1,
// Z_ij = -sum_{k>j} L_kj Z_ik for i > j in the pattern, Z_jj = 1/D_j - sum_{k>j} L_kj Z_kj, from the last column up.
import { type Pattern, positionOf } from './order.ts';
import { type RowIndex, rowIndex } from './rows.ts';

/** A pivot below this share of its own entry of G before elimination is rounding: the matrix is singular there. */
const zeroPivot = 1e-11;

export class Ldl {
  readonly pattern: Pattern;
  /** The matrix before `factor`, the factor after, by address: below the diagonal, then the diagonal. */
  readonly values: Float64Array;
  /** Views into `values`. */
  readonly lower: Float64Array;
  readonly diagonal: Float64Array;
  /** Elimination places whose pivot vanished in the last factorisation; they were given an infinite pivot instead. */
  readonly zeroPivots: number[] = [];
  readonly #rows: RowIndex;
  readonly #work: Float64Array;
  readonly #slot: Int32Array;

  constructor(pattern: Pattern) {
    this.pattern = pattern;
    this.#rows = rowIndex(pattern);
    this.values = new Float64Array(pattern.rows.length + pattern.n);
    this.lower = this.values.subarray(0, pattern.rows.length);
    this.diagonal = this.values.subarray(pattern.rows.length);
    this.#work = new Float64Array(pattern.n);
    this.#slot = new Int32Array(pattern.n).fill(-1);
  }
  /** Where entry (a, b), by unknown, lies in `values`; the same for both orders. */
  address(a: number, b: number): number {
    const i = this.pattern.place[a]!;
    const j = this.pattern.place[b]!;
    if (i === j) return this.pattern.rows.length + i;
    return i > j ? positionOf(this.pattern, i, j) : positionOf(this.pattern, j, i);
  }
  factor(): void {
    const { n, start, rows } = this.pattern;
    const { lower, diagonal } = this;
    const work = this.#work;
    const reach = this.#rows;
    this.zeroPivots.length = 0;
    for (let j = 0; j < n; j++) {
      const from = start[j]!;
      const to = start[j + 1]!;
      for (let q = from; q < to; q++) work[rows[q]!] = lower[q]!;
      const before = diagonal[j]!;
      let pivot = before;
      for (let a = reach.start[j]!; a < reach.start[j + 1]!; a++) {
        const p = reach.position[a]!;
        const l = lower[p]!;
        if (l === 0) continue;
        const scaled = l * diagonal[reach.column[a]!]!;
        pivot -= l * scaled;
        const end = start[reach.column[a]! + 1]!;
        for (let q = p + 1; q < end; q++) work[rows[q]!]! -= lower[q]! * scaled;
      }
      if (!(Math.abs(pivot) > zeroPivot * Math.abs(before))) {
        this.zeroPivots.push(j);
        pivot = Number.MAX_VALUE;
      }
      diagonal[j] = pivot;
      for (let q = from; q < to; q++) lower[q] = work[rows[q]!]! / pivot;
    }
  }
  /** Overwrites `b` (by unknown) with the solution. */
  solve(b: Float64Array): void {
    const { n, start, rows, order } = this.pattern;
    const x = this.#work;
    for (let k = 0; k < n; k++) x[k] = b[order[k]!]!;
    for (let k = 0; k < n; k++) {
      const v = x[k]!;
      if (v === 0) continue;
      for (let q = start[k]!; q < start[k + 1]!; q++) x[rows[q]!]! -= this.lower[q]! * v;
    }
    for (let k = n - 1; k >= 0; k--) {
      let v = x[k]! / this.diagonal[k]!;
      for (let q = start[k]!; q < start[k + 1]!; q++) v -= this.lower[q]! * x[rows[q]!]!;
      x[k] = v;
    }
    for (let k = 0; k < n; k++) b[order[k]!] = x[k]!;
  }
  /** Entries of the inverse inside the pattern, at the same addresses as the matrix's own. */
  inverseSubset(out: Float64Array): void {
    const { n, start, rows } = this.pattern;
    const slot = this.#slot;
    const sum = this.#work;
    const { lower } = this;
    const z = out.subarray(0, rows.length);
    const zd = out.subarray(rows.length);
    for (let j = n - 1; j >= 0; j--) {
      const from = start[j]!;
      const to = start[j + 1]!;
      for (let q = from; q < to; q++) {
        slot[rows[q]!] = q;
        sum[rows[q]!] = 0;
      }
      for (let q = from; q < to; q++) {
        const k = rows[q]!;
        const l = lower[q]!;
        let own = l * zd[k]!;
        for (let p = start[k]!; p < start[k + 1]!; p++) {
          const s = slot[rows[p]!]!;
          if (s < 0) continue;
          sum[rows[p]!]! += l * z[p]!;
          own += lower[s]! * z[p]!;
        }
        sum[k]! += own;
      }
      let d = 1 / this.diagonal[j]!;
      for (let q = from; q < to; q++) {
        const v = -sum[rows[q]!]!;
        z[q] = v;
        d -= lower[q]! * v;
        slot[rows[q]!] = -1;
      }
      zd[j] = d;
    }
  }
}
