// What a kind of Zeek log adds to the shared reader: how to know it, and how its rows become a batch.
import type { Rows } from '../lines/index.ts';
import type { ZeekRow } from './row.ts';

export interface ZeekLog {
  /** `#path` in TSV headers. */
  readonly path: string;
  /** A JSON line with all of these fields is of this log. */
  readonly jsonFields: readonly string[];
  create(): ZeekRows;
}

export type ZeekRows = Rows<ZeekRow>;
