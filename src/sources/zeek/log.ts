// What a kind of Zeek log adds to the shared reader: how to know it, and how its rows become a batch.
import type { EventBatch, Origin } from '#events';
import type { ZeekRow } from './row.ts';

export interface ZeekLog {
  /** `#path` in TSV headers. */
  readonly path: string;
  /** A JSON line with all of these fields is of this log. */
  readonly jsonFields: readonly string[];
  create(): ZeekRows;
}

export interface ZeekRows {
  /** Emptied, with its origin set, by `clear`; `count` rows are filled by `add`. */
  readonly batch: EventBatch & { count: number; origin: Origin };
  clear(): void;
  /**
   * Adds a row at `at` microseconds from line `line`.
   * @returns '' or the code of the fault for which the row was left out
   */
  add(row: ZeekRow, at: number, line: number): string;
}
