// Row access to a lower factor: which columns reach row j, and where their entry of row j lies.
import type { Pattern } from './order.ts';

export interface RowIndex {
  readonly start: Int32Array;
  /** Columns k < j with an entry in row j, ascending. */
  readonly column: Int32Array;
  /** Where that entry lies in the pattern's `rows`. */
  readonly position: Int32Array;
}

export function rowIndex(p: Pattern): RowIndex {
  const start = new Int32Array(p.n + 1);
  for (let q = 0; q < p.rows.length; q++) start[p.rows[q]! + 1]! += 1;
  for (let j = 0; j < p.n; j++) start[j + 1]! += start[j]!;
  const fill = start.slice();
  const column = new Int32Array(p.rows.length);
  const position = new Int32Array(p.rows.length);
  for (let k = 0; k < p.n; k++) {
    for (let q = p.start[k]!; q < p.start[k + 1]!; q++) {
      const at = fill[p.rows[q]!]!++;
      column[at] = k;
      position[at] = q;
    }
  }
  return { start, column, position };
}
