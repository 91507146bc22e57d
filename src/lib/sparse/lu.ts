// LU of a matrix with symmetric structure in a fixed elimination order (Crout, by columns of L and rows of U).
// Analysed once, refilled and refactored in place many times. There is no exchange of rows: on 2x2 bus blocks the order is
// safe but near collapse, so every pivot is compared with the largest entry of its row; one below `pivotFloor` of it is
// replaced by that bound (static pivoting, Li and Demmel 2003) and counted, and the caller's Newton step repairs the rest.
import { type Pattern, positionOf } from './order.ts';
import { type RowIndex, rowIndex } from './rows.ts';

const pivotFloor = 1e-12;

export class Lu {
  readonly pattern: Pattern;
  /** Entries before `factor`, factors after, by address: lower, then upper, then diagonal. */
  readonly values: Float64Array;
  /** Views into `values`: below the diagonal by column, above it by row, at the pattern's positions. */
  readonly lower: Float64Array;
  readonly upper: Float64Array;
  readonly diagonal: Float64Array;
  /** Pivots replaced in the last factorisation: above 0 the answer is approximate. */
  weakPivots = 0;
  readonly #rows: RowIndex;
  readonly #below: Float64Array;
  readonly #right: Float64Array;
  readonly #work: Float64Array;

  constructor(pattern: Pattern) {
    this.pattern = pattern;
    this.#rows = rowIndex(pattern);
    const entries = pattern.rows.length;
    this.values = new Float64Array(2 * entries + pattern.n);
    this.lower = this.values.subarray(0, entries);
    this.upper = this.values.subarray(entries, 2 * entries);
    this.diagonal = this.values.subarray(2 * entries);
    this.#below = new Float64Array(pattern.n);
    this.#right = new Float64Array(pattern.n);
    this.#work = new Float64Array(pattern.n);
  }
  /** Where entry (row, column), by unknown, lies in `values`. */
  address(row: number, column: number): number {
    const i = this.pattern.place[row]!;
    const j = this.pattern.place[column]!;
    const entries = this.pattern.rows.length;
    if (i === j) return 2 * entries + i;
    return i > j ? positionOf(this.pattern, i, j) : entries + positionOf(this.pattern, j, i);
  }
  factor(): void {
    const { n, start, rows } = this.pattern;
    const { lower, upper, diagonal } = this;
    const below = this.#below;
    const right = this.#right;
    const reach = this.#rows;
    this.weakPivots = 0;
    for (let j = 0; j < n; j++) {
      const from = start[j]!;
      const to = start[j + 1]!;
      for (let q = from; q < to; q++) {
        below[rows[q]!] = lower[q]!;
        right[rows[q]!] = upper[q]!;
      }
      let pivot = diagonal[j]!;
      for (let a = reach.start[j]!; a < reach.start[j + 1]!; a++) {
        const p = reach.position[a]!;
        const l = lower[p]!;
        const u = upper[p]!;
        if (l === 0 && u === 0) continue;
        pivot -= l * u;
        const end = start[reach.column[a]! + 1]!;
        for (let q = p + 1; q < end; q++) {
          const r = rows[q]!;
          below[r]! -= lower[q]! * u;
          right[r]! -= upper[q]! * l;
        }
      }
      let largest = Math.abs(pivot);
      for (let q = from; q < to; q++) {
        const u = right[rows[q]!]!;
        upper[q] = u;
        if (u > largest) largest = u;
        else if (-u > largest) largest = -u;
      }
      if (!(Math.abs(pivot) > pivotFloor * largest)) {
        this.weakPivots += 1;
        pivot = (pivot < 0 ? -1 : 1) * (largest > 0 ? Math.sqrt(pivotFloor) * largest : 1);
      }
      diagonal[j] = pivot;
      for (let q = from; q < to; q++) lower[q] = below[rows[q]!]! / pivot;
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
      let v = x[k]!;
      for (let q = start[k]!; q < start[k + 1]!; q++) v -= this.upper[q]! * x[rows[q]!]!;
      x[k] = v / this.diagonal[k]!;
    }
    for (let k = 0; k < n; k++) b[order[k]!] = x[k]!;
  }
}
