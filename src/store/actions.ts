// The ledger of responses, response.db beside parapet.db: every event of every action, hash-chained, the latest state of each
// action, and the policy zones with their serial and journal. A file of its own, because the hub writes it before it acts and
// parapet.db is pruned. What a call has returned from survives kill -9 and the loss of power (synchronous=FULL).
import { createHash } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type Action, isoTime } from '#findings';
import { StoreError, storeError } from './errors.ts';

export interface ActionEvent {
  /** Integer microseconds. */
  readonly at: number;
  /** `propose`, `enforce`, `prove`, `undo`, `expire`, `refuse`... */
  readonly type: string;
  readonly by: string;
  /** The action as it stands after the event. */
  readonly action: Action;
}
/** An event as it was kept. */
export interface KeptEvent extends ActionEvent {
  readonly seq: number;
  readonly hash: string;
}
/** One change of a policy zone; records are zone-file text relative to the zone. */
export interface PolicyZoneStep {
  readonly from: number;
  readonly to: number;
  readonly removed: readonly string[];
  readonly added: readonly string[];
}
export interface PolicyZoneState {
  readonly serial: number;
  readonly records: readonly string[];
  /** Oldest first; each step begins where the one before ends. */
  readonly journal: readonly PolicyZoneStep[];
}
export interface ActionsProof {
  readonly events: number;
  /** Hash of the last good event; noted elsewhere, it later proves that the end was not cut off. */
  readonly head: string;
  readonly fault?: { readonly seq: number; readonly text: string };
}

const genesis = '0'.repeat(64);
const schema = 1;
const tables = `
  CREATE TABLE events (seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, id TEXT NOT NULL, line TEXT NOT NULL, hash TEXT NOT NULL) STRICT;
  CREATE INDEX events_id ON events (id, seq);
  CREATE TABLE latest (id TEXT PRIMARY KEY, seq INTEGER NOT NULL, json TEXT NOT NULL) STRICT, WITHOUT ROWID;
  CREATE INDEX latest_seq ON latest (seq);
  CREATE TABLE zones (name TEXT PRIMARY KEY, serial INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE zone_records (zone TEXT NOT NULL, record TEXT NOT NULL, PRIMARY KEY (zone, record)) STRICT, WITHOUT ROWID;
  CREATE TABLE zone_steps (number INTEGER PRIMARY KEY, zone TEXT NOT NULL, json TEXT NOT NULL) STRICT;
  CREATE INDEX zone_steps_zone ON zone_steps (zone, number);
`;

/** Opens DIR/response.db, makes it where it is absent. @throws StoreError */
export function openActions(dir: string): ActionLedger {
  return new ActionLedger(dir);
}

export class ActionLedger {
  readonly file: string;
  readonly #db: DatabaseSync;

  constructor(dir: string) {
    this.file = join(dir, 'response.db');
    let db: DatabaseSync | undefined;
    try {
      mkdirSync(dir, { recursive: true });
      db = new DatabaseSync(this.file, { timeout: 5000 });
      db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;');
      migrate(db, this.file);
    } catch (error) {
      db?.close();
      throw storeError(error, this.file);
    }
    this.#db = db;
  }

  /** @throws StoreError; nothing was kept then */
  append(event: ActionEvent): void {
    this.#write(() => {
      const last = this.#db.prepare('SELECT seq, hash FROM events ORDER BY seq DESC LIMIT 1').get() as
        | { seq: number; hash: string }
        | undefined;
      const seq = (last?.seq ?? 0) + 1;
      const prev = last?.hash ?? genesis;
      const { action } = event;
      const line = JSON.stringify({
        seq,
        at: isoTime(event.at),
        micros: event.at,
        type: event.type,
        by: event.by,
        action,
        prev,
      });
      this.#db
        .prepare('INSERT INTO events VALUES (?, ?, ?, ?, ?)')
        .run(seq, event.at, action.id, line, leafHash(prev, line));
      this.#db.prepare('INSERT OR REPLACE INTO latest VALUES (?, ?, ?)').run(action.id, seq, JSON.stringify(action));
    });
  }

  /** The latest state of each action, last changed first. */
  latest(limit = 1000): Action[] {
    const rows = this.#all('SELECT json FROM latest ORDER BY seq DESC LIMIT ?', limit) as { json: string }[];
    return rows.map((r) => JSON.parse(r.json) as Action);
  }

  /** Oldest first, from `since` (a number, inclusive). */
  events(since = 1, limit = 1000): KeptEvent[] {
    const rows = this.#all('SELECT seq, line, hash FROM events WHERE seq >= ? ORDER BY seq LIMIT ?', since, limit) as {
      seq: number;
      line: string;
      hash: string;
    }[];
    return rows.map(({ seq, line, hash }) => {
      const { micros, type, by, action } = JSON.parse(line) as {
        micros: number;
        type: string;
        by: string;
        action: Action;
      };
      return { seq, hash, at: micros, type, by, action };
    });
  }

  zone(name: string): PolicyZoneState | undefined {
    const [row] = this.#all('SELECT serial FROM zones WHERE name = ?', name) as { serial: number }[];
    if (row === undefined) return undefined;
    const records = this.#all('SELECT record FROM zone_records WHERE zone = ? ORDER BY record', name) as {
      record: string;
    }[];
    const steps = this.#all('SELECT json FROM zone_steps WHERE zone = ? ORDER BY number', name) as { json: string }[];
    return {
      serial: row.serial,
      records: records.map((r) => r.record),
      journal: steps.map((s) => JSON.parse(s.json) as PolicyZoneStep),
    };
  }

  /**
   * @param keep steps of the journal that stay, this one included. The first step of a zone makes it and is not kept.
   * @throws StoreError; the zone is then as it was
   */
  saveZone(name: string, step: PolicyZoneStep, keep: number): void {
    this.#write(() => {
      const known = this.#db.prepare('SELECT serial FROM zones WHERE name = ?').get(name) !== undefined;
      this.#db.prepare('INSERT OR REPLACE INTO zones VALUES (?, ?)').run(name, step.to);
      const remove = this.#db.prepare('DELETE FROM zone_records WHERE zone = ? AND record = ?');
      for (const record of step.removed) remove.run(name, record);
      const add = this.#db.prepare('INSERT OR IGNORE INTO zone_records VALUES (?, ?)');
      for (const record of step.added) add.run(name, record);
      if (!known) return;
      this.#db.prepare('INSERT INTO zone_steps (zone, json) VALUES (?, ?)').run(name, JSON.stringify(step));
      this.#db
        .prepare(
          `DELETE FROM zone_steps WHERE zone = ? AND number <=
             (SELECT number FROM zone_steps WHERE zone = ? ORDER BY number DESC LIMIT 1 OFFSET ?)`,
        )
        .run(name, name, keep);
    });
  }

  /** Proves the chain from its first event, or names the first that breaks it. */
  verify(): ActionsProof {
    let prev = genesis;
    let events = 0;
    try {
      for (const row of this.#db.prepare('SELECT seq, line, hash FROM events ORDER BY seq').iterate()) {
        const { seq, line, hash } = row as { seq: number; line: string; hash: string };
        const fault = (text: string): ActionsProof => ({ events, head: prev, fault: { seq, text } });
        if (seq !== events + 1) return fault(`event ${events + 1} is missing`);
        if (leafHash(prev, line) !== hash) return fault('the event was changed: its hash is another');
        const said = JSON.parse(line) as { seq: number; prev: string };
        if (said.seq !== seq || said.prev !== prev) return fault('the event does not follow its predecessor');
        prev = hash;
        events++;
      }
    } catch (error) {
      throw storeError(error, this.file);
    }
    return { events, head: prev };
  }

  close(): void {
    if (this.#db.isOpen) this.#db.close();
  }

  #all(sql: string, ...values: (string | number)[]): unknown[] {
    try {
      return this.#db.prepare(sql).all(...values);
    } catch (error) {
      throw storeError(error, this.file);
    }
  }
  #write(work: () => void): void {
    try {
      this.#db.exec('BEGIN IMMEDIATE');
      work();
      this.#db.exec('COMMIT');
    } catch (error) {
      try {
        if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
      } catch {}
      throw storeError(error, this.file);
    }
  }
}

/** The audit's leaf hash (gateway/audit/chain.ts): SHA-256(0x00 || prev || line), RFC 6962, 2.1. */
function leafHash(prev: string, line: string): string {
  return createHash('sha256').update(Buffer.of(0)).update(Buffer.from(prev, 'hex')).update(line).digest('hex');
}

function migrate(db: DatabaseSync, file: string): void {
  db.exec('BEGIN IMMEDIATE');
  const { user_version: done } = db.prepare('PRAGMA user_version').get() as { user_version: number };
  if (done > schema) throw new StoreError('STORE_NEWER', file, `It has schema ${done}.`);
  if (done === 0) db.exec(`${tables} PRAGMA user_version = ${schema};`);
  db.exec('COMMIT');
}
