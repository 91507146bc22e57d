// Failures of the store: coded, with a remedy, thrown at its door. Nothing that should have been kept is lost in silence.
import { FaultError } from '#findings';

const texts = {
  STORE_UNWRITABLE: {
    text: 'The store can not be written.',
    remedy:
      'Let this user write the folder of store.dir (or name another), and check that the disk is not mounted read-only.',
  },
  STORE_FULL: {
    text: 'The disk of the store is full.',
    remedy: 'Free space there, or shorten store.keep; until then nothing new is kept.',
  },
  STORE_BUSY: {
    text: 'Another process holds the store.',
    remedy: 'Let one hub write to a store folder; end the other one.',
  },
  STORE_DAMAGED: {
    text: 'The store is damaged or is no store.',
    remedy: 'Move parapet.db away and start again; the evidence in Parquet stays readable by parapet hunt.',
  },
  STORE_NEWER: {
    text: 'The store was written by a newer Parapet.',
    remedy: 'Use that version or a newer one, or another store folder.',
  },
  STORE_MISSING: {
    text: 'There is no store here.',
    remedy: 'Name the folder with --store; parapet analyze --store DIR and parapet serve make one.',
  },
  STORE_STATE: {
    text: 'A state could not be written as JSON.',
    remedy: 'This is a mistake of ours; report it with the name of the detector.',
  },
  STORE_RECORD: {
    text: 'A record does not fit the schema, so that its whole call was not kept.',
    remedy: 'This is a mistake of ours; report it with these words.',
  },
  EVIDENCE_FAILED: {
    text: 'Evidence could not be written to Parquet.',
    remedy: 'Check space and rights of the evidence folder; rows stay in memory up to their capacity, then are shed.',
  },
  HUNT_SQL: {
    text: 'The query could not be run.',
    remedy: 'See parapet hunt --help for the tables and three examples.',
  },
  HUNT_READ_ONLY: {
    text: 'Only one statement that reads is taken.',
    remedy: 'Write one SELECT (or WITH, DESCRIBE, SUMMARIZE, EXPLAIN); the store is changed by Parapet alone.',
  },
} as const;

export type StoreCode = keyof typeof texts;

export class StoreError extends FaultError {
  readonly code: StoreCode;
  constructor(code: StoreCode, file: string, detail = '', lost = 'what should have been kept') {
    const { text, remedy } = texts[code];
    super({ kind: 'fault', code, file, text: detail === '' ? text : `${text} ${detail}`, remedy, lost });
    this.name = 'StoreError';
    this.code = code;
  }
}

/** The coded form of what SQLite, DuckDB or the file system threw. */
export function storeError(error: unknown, file: string): StoreError {
  if (error instanceof StoreError) return error;
  const { message, code, errcode } = error as { message: string; code?: string; errcode?: number };
  // The low octet of SQLite's extended result code is the primary one: 8 READONLY, 14 CANTOPEN, 13 FULL...
  const primary = errcode === undefined ? -1 : errcode & 0xff;
  if (primary === 13 || code === 'ENOSPC' || code === 'EDQUOT' || /no space left|disk is full/i.test(message))
    return new StoreError('STORE_FULL', file, message);
  if (primary === 5 || primary === 6) return new StoreError('STORE_BUSY', file, message);
  // 19 CONSTRAINT, 20 MISMATCH, 25 RANGE.
  if (primary === 19 || primary === 20 || primary === 25 || code === 'ERR_INVALID_ARG_TYPE')
    return new StoreError('STORE_RECORD', file, message);
  if (primary === 11 || primary === 26) return new StoreError('STORE_DAMAGED', file, message);
  return new StoreError('STORE_UNWRITABLE', file, message);
}
