// Evidence in Parquet, by plane and hour of event time: DIR/evidence/plane=dns/hour=2026-01-02-03/000001.parquet.
// A file is written under another name, synced and renamed, so that a reader sees whole files only. After a crash the events
// since the last checkpoint are read again and their rows written again; the view of `hunt` shows equal rows once.
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { join } from 'node:path';
import { type DuckDBConnection, DuckDBInstance, DuckDBTimestampValue } from '@duckdb/node-api';
import { type Finding, isoTime } from '#findings';
import { StoreError, storeError } from './errors.ts';

/** One event behind a finding. Absent strings are '', absent numbers -1. */
export interface EvidenceRow {
  /** Event time, microseconds. */
  readonly at: number;
  readonly plane: string;
  readonly detector: string;
  /** Id of the finding. */
  readonly finding: string;
  readonly file: string;
  readonly frame: number;
  readonly line: number;
  /** Who: the asset's id, else its address, subscriber or host. */
  readonly client: string;
  /** What about, as `type:value`. */
  readonly subject: string;
  readonly text: string;
}

export interface EvidenceOptions {
  /** Rows in memory at the most; what comes beyond is shed. */
  readonly capacity?: number;
  /** Rows from which `add` says that it is time to flush. */
  readonly flushAt?: number;
}

/** The evidence that a finding names, as rows. Its places carry no time of their own: they stand at the alert. */
export function evidenceRows(f: Finding): EvidenceRow[] {
  return f.evidence.map((e) => ({
    at: f.at,
    plane: f.plane,
    detector: f.detector,
    finding: f.id,
    file: e.file,
    frame: e.frame ?? -1,
    line: e.line ?? -1,
    client: f.asset.id ?? f.asset.ip ?? f.asset.imsi ?? f.asset.host ?? f.asset.mac ?? '',
    subject: `${f.subject.type}:${f.subject.value}`,
    text: f.title,
  }));
}

export class EvidenceWriter {
  readonly dir: string;
  /** Rows dropped because the buffer was full. */
  shed = 0;
  /** Rows that stand in Parquet files by now. */
  written = 0;
  readonly #capacity: number;
  readonly #flushAt: number;
  #rows: EvidenceRow[] = [];
  #connection: DuckDBConnection | undefined;
  #flushing: Promise<void> | undefined;
  #isClosed = false;

  /** @param dir the store's folder; evidence goes below it. @throws StoreError */
  constructor(dir: string, options: EvidenceOptions = {}) {
    this.dir = join(dir, 'evidence');
    this.#capacity = options.capacity ?? 200_000;
    this.#flushAt = Math.min(options.flushAt ?? 50_000, this.#capacity);
    try {
      mkdirSync(this.dir, { recursive: true });
      // Half-written files of a run that was killed.
      for (const name of readdirSync(this.dir, { recursive: true, encoding: 'utf8' }))
        if (name.endsWith('.parquet.part')) rmSync(join(this.dir, name), { force: true });
    } catch (error) {
      throw storeError(error, this.dir);
    }
  }

  get buffered(): number {
    return this.#rows.length;
  }

  /** @returns true when it is time to flush */
  add(row: EvidenceRow): boolean {
    if (this.#rows.length >= this.#capacity) this.shed += 1;
    else this.#rows.push(row);
    return this.#rows.length >= this.#flushAt;
  }

  /**
   * Writes all that is buffered; calls at the same time share one run. Rows whose file could not be written go back into the buffer.
   * @throws StoreError
   */
  async flush(): Promise<void> {
    while (this.#flushing !== undefined) await this.#flushing.catch(() => {});
    if (this.#rows.length === 0) return;
    this.#flushing = this.#flush();
    try {
      await this.#flushing;
    } finally {
      this.#flushing = undefined;
    }
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    await this.flush();
    this.#isClosed = true;
    this.#connection?.closeSync();
    this.#connection = undefined;
  }

  async #flush(): Promise<void> {
    const rows = this.#rows;
    this.#rows = [];
    const parts = new Map<string, EvidenceRow[]>();
    for (const row of rows) {
      const key = `plane=${safe(row.plane)}/hour=${hourOf(row.at)}`;
      const part = parts.get(key);
      if (part === undefined) parts.set(key, [row]);
      else part.push(row);
    }
    let failure: unknown;
    for (const [key, part] of parts) {
      try {
        if (failure === undefined) await this.#writePart(join(this.dir, key), part);
      } catch (error) {
        failure = error;
      }
      if (failure !== undefined) this.#putBack(part);
    }
    if (failure !== undefined) {
      const coded = storeError(failure, this.dir);
      throw coded.code === 'STORE_FULL'
        ? coded
        : new StoreError('EVIDENCE_FAILED', this.dir, (failure as Error).message, `${this.#rows.length} rows wait`);
    }
  }

  #putBack(part: readonly EvidenceRow[]): void {
    for (const row of part) this.add(row);
  }

  async #writePart(folder: string, rows: EvidenceRow[]): Promise<void> {
    this.#connection ??= await (await DuckDBInstance.create(':memory:', { threads: '1' })).connect();
    const db = this.#connection;
    rows.sort((a, b) => a.at - b.at);
    await db.run(`CREATE OR REPLACE TEMP TABLE part ("at" TIMESTAMP, detector VARCHAR, finding VARCHAR, file VARCHAR,
      frame BIGINT, line BIGINT, client VARCHAR, subject VARCHAR, text VARCHAR)`);
    const appender = await db.createAppender('part');
    for (const r of rows) {
      appender.appendTimestamp(new DuckDBTimestampValue(BigInt(Math.trunc(r.at))));
      appender.appendVarchar(r.detector);
      appender.appendVarchar(r.finding);
      appender.appendVarchar(r.file);
      if (r.frame < 0) appender.appendNull();
      else appender.appendBigInt(BigInt(r.frame));
      if (r.line < 0) appender.appendNull();
      else appender.appendBigInt(BigInt(r.line));
      appender.appendVarchar(r.client);
      appender.appendVarchar(r.subject);
      appender.appendVarchar(r.text);
      appender.endRow();
    }
    appender.closeSync();
    mkdirSync(folder, { recursive: true });
    const path = nextPath(folder);
    const partial = `${path}.part`;
    try {
      await db.run(`COPY part TO '${partial.replaceAll("'", "''")}' (FORMAT parquet, COMPRESSION zstd)`);
      sync(partial);
      renameSync(partial, path);
      sync(folder);
    } catch (error) {
      rmSync(partial, { force: true });
      throw error;
    }
    await db.run('DROP TABLE part');
    this.written += rows.length;
  }
}

/** The number after the highest there: neither clock nor chance names a file. */
function nextPath(folder: string): string {
  let highest = 0;
  for (const name of readdirSync(folder)) {
    const number = /^(\d+)\.parquet$/.exec(name)?.[1];
    if (number !== undefined) highest = Math.max(highest, Number(number));
  }
  return join(folder, `${String(highest + 1).padStart(6, '0')}.parquet`);
}

function sync(path: string): void {
  const fd = openSync(path, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** A plane's name becomes a folder: nothing in it may lead elsewhere. */
function safe(plane: string): string {
  return /^[a-z][a-z0-9-]{0,31}$/.test(plane) ? plane : 'other';
}

function hourOf(micros: number): string {
  return isoTime(micros).slice(0, 13).replace('T', '-');
}

/** Deletes the hours that ended before `before` (event time), as store.keep says. @returns files deleted */
export function pruneEvidence(dir: string, before: number): number {
  const root = join(dir, 'evidence');
  if (!existsSync(root)) return 0;
  const last = hourOf(before);
  let count = 0;
  for (const plane of readdirSync(root)) {
    const folder = join(root, plane);
    if (!statSync(folder).isDirectory()) continue;
    for (const hour of readdirSync(folder)) {
      if (!/^hour=\d{4}-\d\d-\d\d-\d\d$/.test(hour) || hour.slice(5) >= last) continue;
      count += readdirSync(join(folder, hour)).length;
      rmSync(join(folder, hour), { recursive: true });
    }
  }
  return count;
}
