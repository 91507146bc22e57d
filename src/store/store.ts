// One file, parapet.db (SQLite by node:sqlite): what was claimed, what was decided, and checkpoints from which a hub resumes.
// Write-ahead log with synchronous=FULL: what a call has returned from survives kill -9 and the loss of power.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite';
import { type Finding, type Incident, type Severity, severities, type TrustRecord, type Verdict } from '#findings';
import { holdLock } from '#lib/lock';
import { StoreError, storeError } from './errors.ts';
import { migrations } from './schema.ts';

/** An entry of the append-only audit log, found again by id, time and subject. */
export interface ActionEntry {
  readonly id: string;
  readonly at: number;
  /** Who: a person, or the rule that acted. */
  readonly actor: string;
  /** `propose`, `enforce`, `prove`, `undo`, `approve`... */
  readonly what: string;
  readonly subject: string;
  /** Where the entry stands in the hash-chained log, and its hash there. */
  readonly logFile: string;
  readonly logOffset: number;
  readonly hash: string;
  readonly detail?: unknown;
}

export interface Checkpoint {
  /** Event time up to which everything is in the states. */
  readonly at: number;
  /** How far each input is read: a byte offset, line or message number, as its source counts. */
  readonly sources: readonly { readonly file: string; readonly position: number }[];
  readonly detectors: readonly { readonly name: string; readonly state: unknown }[];
  readonly trust: readonly TrustRecord[];
  readonly incidents: readonly Incident[];
}

/** What a hub resumes from; trust and incidents are read by their own calls. */
export interface LastCheckpoint extends Omit<Checkpoint, 'trust' | 'incidents'> {
  readonly number: number;
}

export interface FindingQuery {
  readonly since?: number;
  readonly until?: number;
  readonly severity?: Severity;
  readonly plane?: string;
  /** Asset key: id, else address, subscriber or host. */
  readonly asset?: string;
  /** Newest first, at most this many (default 1,000). */
  readonly limit?: number;
}

export interface StoreOptions {
  readonly readOnly?: boolean;
  /** How long to wait for another process's transaction. */
  readonly busyMillis?: number;
}

/** Checkpoints kept: the last, and the one before it for looking back. */
const CHECKPOINTS_KEPT = 2;
/** A hub whose supervisor was killed ends within 2 s. */
const LOCK_MILLIS = 10_000;

/** Opens DIR/parapet.db, makes or migrates it. @throws StoreError */
export function openStore(dir: string, options: StoreOptions = {}): Store {
  return new Store(dir, options);
}

/**
 * Lets no second hub write to DIR until this process ends; waits for one that is just ending.
 * @throws StoreError STORE_BUSY
 */
export function lockStore(dir: string): void {
  const file = join(dir, 'hub');
  try {
    mkdirSync(dir, { recursive: true });
  } catch (error) {
    throw storeError(error, file);
  }
  if (holdLock(file, LOCK_MILLIS) === undefined) throw new StoreError('STORE_BUSY', dir);
}

export class Store {
  readonly file: string;
  readonly #db: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();

  constructor(dir: string, options: StoreOptions) {
    this.file = join(dir, 'parapet.db');
    const readOnly = options.readOnly === true;
    let db: DatabaseSync | undefined;
    try {
      if (!readOnly) mkdirSync(dir, { recursive: true });
      db = new DatabaseSync(this.file, { readOnly, timeout: options.busyMillis ?? 5000 });
      if (!readOnly) db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;');
      migrate(db, this.file, readOnly);
    } catch (error) {
      db?.close();
      throw storeError(error, this.file);
    }
    this.#db = db;
  }

  /** Adds, or replaces by id; all of them or none. */
  saveFindings(findings: readonly Finding[]): void {
    this.#write(() => {
      for (const f of findings) this.#putFinding(f);
    });
  }
  saveFinding(finding: Finding): void {
    this.saveFindings([finding]);
  }
  /** @param gone ids of incidents that were joined to others since, and are forgotten */
  saveIncidents(incidents: readonly Incident[], gone: readonly string[] = []): void {
    this.#write(() => {
      for (const id of gone) this.#run('DELETE FROM incidents WHERE id = ?', id);
      for (const i of incidents) this.#putIncident(i);
    });
  }
  saveTrust(records: readonly TrustRecord[]): void {
    this.#write(() => {
      for (const t of records) this.#putTrust(t);
    });
  }
  saveVerdicts(verdicts: readonly Verdict[]): void {
    this.#write(() => {
      for (const v of verdicts)
        this.#run(
          'INSERT OR REPLACE INTO verdicts VALUES (?, ?, ?, ?, ?)',
          v.id,
          Math.floor(v.at),
          v.command,
          v.decision,
          JSON.stringify(v),
        );
    });
  }
  saveActions(actions: readonly ActionEntry[]): void {
    this.#write(() => {
      for (const a of actions)
        this.#run(
          'INSERT OR REPLACE INTO actions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)',
          a.id,
          a.at,
          a.actor,
          a.what,
          a.subject,
          a.logFile,
          a.logOffset,
          a.hash,
          JSON.stringify(a),
        );
    });
  }

  /** All of it in one transaction; older checkpoints go in the same one. */
  checkpoint(c: Checkpoint): void {
    // States become text before the transaction, so that one that can't costs no lock.
    const states = c.detectors.map((d) => ({ name: d.name, text: this.#stateText(d.name, d.state) }));
    this.#write(() => {
      const { lastInsertRowid: number } = this.#run('INSERT INTO checkpoints (at) VALUES (?)', Math.floor(c.at));
      for (const s of c.sources)
        this.#run('INSERT INTO checkpoint_sources VALUES (?, ?, ?)', number, s.file, s.position);
      for (const s of states) this.#run('INSERT INTO checkpoint_detectors VALUES (?, ?, ?)', number, s.name, s.text);
      for (const t of c.trust) this.#putTrust(t);
      for (const i of c.incidents) this.#putIncident(i);
      this.#run('DELETE FROM checkpoints WHERE number <= ?', Number(number) - CHECKPOINTS_KEPT);
    });
  }

  lastCheckpoint(): LastCheckpoint | undefined {
    return this.#read(() => {
      const row = this.#prepare('SELECT number, at FROM checkpoints ORDER BY number DESC LIMIT 1').get() as
        | { number: number; at: number }
        | undefined;
      if (row === undefined) return undefined;
      const sources = this.#prepare(
        'SELECT file, position FROM checkpoint_sources WHERE checkpoint = ? ORDER BY file',
      ).all(row.number) as unknown as { file: string; position: number }[];
      const detectors = this.#prepare(
        'SELECT name, state FROM checkpoint_detectors WHERE checkpoint = ? ORDER BY name',
      ).all(row.number) as unknown as { name: string; state: string }[];
      return {
        number: row.number,
        at: row.at,
        sources: sources.map((s) => ({ ...s })),
        detectors: detectors.map((d) => ({ name: d.name, state: JSON.parse(d.state) as unknown })),
      };
    });
  }

  findings(query: FindingQuery = {}): Finding[] {
    const where: string[] = [];
    const values: SQLInputValue[] = [];
    const add = (text: string, value: SQLInputValue | undefined): void => {
      if (value === undefined) return;
      where.push(text);
      values.push(value);
    };
    add('at >= ?', query.since);
    add('at < ?', query.until);
    add('severity >= ?', query.severity === undefined ? undefined : severities.indexOf(query.severity));
    add('plane = ?', query.plane);
    add('asset = ?', query.asset);
    values.push(query.limit ?? 1000);
    return this.#all(
      `SELECT json FROM findings${where.length === 0 ? '' : ` WHERE ${where.join(' AND ')}`} ORDER BY at DESC, id LIMIT ?`,
      ...values,
    );
  }
  finding(id: string): Finding | undefined {
    return this.#all<Finding>('SELECT json FROM findings WHERE id = ?', id)[0];
  }
  /** Latest activity first. */
  incidents(limit = 1000): Incident[] {
    return this.#all('SELECT json FROM incidents ORDER BY lastAt DESC, id LIMIT ?', limit);
  }
  incident(id: string): Incident | undefined {
    return this.#all<Incident>('SELECT json FROM incidents WHERE id = ?', id)[0];
  }
  /** The latest record of each asset, least trusted first. */
  trust(limit = 100_000): TrustRecord[] {
    return this.#all(
      `SELECT json FROM trust t WHERE at = (SELECT max(at) FROM trust WHERE asset = t.asset)
       ORDER BY trust, asset LIMIT ?`,
      limit,
    );
  }
  /** One asset's records, newest first. */
  trustOf(asset: string, limit = 1000): TrustRecord[] {
    return this.#all('SELECT json FROM trust WHERE asset = ? ORDER BY at DESC LIMIT ?', asset, limit);
  }
  /** Newest first. */
  verdicts(limit = 1000): Verdict[] {
    return this.#all('SELECT json FROM verdicts ORDER BY at DESC, id LIMIT ?', limit);
  }
  /** Newest first. */
  actions(limit = 1000): ActionEntry[] {
    return this.#all('SELECT json FROM actions ORDER BY at DESC, id LIMIT ?', limit);
  }

  /** Walks the claims of a table as they are kept, one by one: memory stays bounded however many there are. */
  *eachJson(table: 'findings' | 'incidents' | 'trust' | 'verdicts' | 'actions'): Generator<string> {
    try {
      for (const row of this.#db.prepare(`SELECT json FROM ${table}`).iterate()) yield (row as { json: string }).json;
    } catch (error) {
      throw storeError(error, this.file);
    }
  }

  /**
   * Forgets what ended before `before` (event time), as store.keep says. The last trust record of each asset stays, and
   * checkpoints are not touched.
   * @returns rows deleted
   */
  prune(before: number): number {
    return this.#write(() => {
      let count = 0;
      for (const sql of [
        'DELETE FROM findings WHERE at < ?',
        'DELETE FROM incidents WHERE lastAt < ?',
        'DELETE FROM verdicts WHERE at < ?',
        'DELETE FROM trust WHERE at < ? AND at < (SELECT max(at) FROM trust t WHERE t.asset = trust.asset)',
      ])
        count += Number(this.#run(sql, before).changes);
      return count;
    });
  }

  close(): void {
    if (this.#db.isOpen) this.#db.close();
  }

  // Times are whole microseconds by contract; a fraction from an average must not cost a whole call.
  #putFinding(f: Finding): void {
    const asset = f.asset.id ?? f.asset.ip ?? f.asset.imsi ?? f.asset.host ?? f.asset.mac ?? '';
    this.#run(
      'INSERT OR REPLACE INTO findings VALUES (?, ?, ?, ?, ?, ?, ?)',
      f.id,
      Math.floor(f.at),
      f.plane,
      f.detector,
      severities.indexOf(f.severity),
      asset,
      JSON.stringify(f),
    );
  }
  #putIncident(i: Incident): void {
    this.#run(
      'INSERT OR REPLACE INTO incidents VALUES (?, ?, ?, ?, ?)',
      i.id,
      Math.floor(i.firstAt),
      Math.floor(i.lastAt),
      severities.indexOf(i.severity),
      JSON.stringify(i),
    );
  }
  #putTrust(t: TrustRecord): void {
    this.#run(
      'INSERT OR REPLACE INTO trust VALUES (?, ?, ?, ?)',
      t.asset,
      Math.floor(t.at),
      t.trust,
      JSON.stringify(t),
    );
  }

  #stateText(name: string, state: unknown): string {
    let text: string | undefined;
    try {
      text = JSON.stringify(state);
    } catch (error) {
      throw new StoreError('STORE_STATE', this.file, `${name}: ${(error as Error).message}`);
    }
    if (text === undefined) throw new StoreError('STORE_STATE', this.file, `${name}: there is no state.`);
    return text;
  }

  #prepare(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#db.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }
  #run(sql: string, ...values: SQLInputValue[]): { changes: number | bigint; lastInsertRowid: number | bigint } {
    return this.#prepare(sql).run(...values);
  }
  #all<T>(sql: string, ...values: SQLInputValue[]): T[] {
    return this.#read(() =>
      this.#prepare(sql)
        .all(...values)
        .map((row) => JSON.parse((row as { json: string }).json) as T),
    );
  }
  #read<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw storeError(error, this.file);
    }
  }
  #write<T>(work: () => T): T {
    try {
      this.#db.exec('BEGIN IMMEDIATE');
      const result = work();
      this.#db.exec('COMMIT');
      return result;
    } catch (error) {
      // SQLite itself rolls back on a full disk; a second roll-back is then refused, and that is fine.
      try {
        if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
      } catch {}
      throw storeError(error, this.file);
    }
  }
}

function migrate(db: DatabaseSync, file: string, readOnly: boolean): void {
  const { user_version: done } = db.prepare('PRAGMA user_version').get() as { user_version: number };
  if (done > migrations.length) throw new StoreError('STORE_NEWER', file, `It has schema ${done}.`);
  if (readOnly) {
    if (done === 0) throw new StoreError('STORE_DAMAGED', file);
    return;
  }
  for (let n = done; n < migrations.length; n++) {
    db.exec('BEGIN IMMEDIATE');
    // Two processes may open a new store at once: whoever comes second finds the step done.
    const { user_version: now } = db.prepare('PRAGMA user_version').get() as { user_version: number };
    if (now === n) db.exec(`${migrations[n]!} PRAGMA user_version = ${n + 1};`);
    db.exec('COMMIT');
  }
}
