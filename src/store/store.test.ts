import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as wait } from 'node:timers/promises';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { type Finding, type Incident, severities, type TrustRecord, type Verdict } from '#findings';
import { openStore, StoreError } from '#store';

const root = mkdtempSync(join(tmpdir(), 'store-'));
const canMount = process.getuid?.() === 0 && spawnSync('mount', ['--version']).status === 0;
if (!canMount) console.log('skipped: a full disk needs a tmpfs, and root to mount it');
let folders = 0;
const fresh = (): string => join(root, String(++folders));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const finding = (id: string, at: number, more: Partial<Finding> = {}): Finding => ({
  kind: 'finding',
  id,
  plane: 'dns',
  detector: 'dns-tunnel',
  family: 'tunnel',
  title: `finding ${id}`,
  severity: 'high',
  confidence: 0.9,
  bits: 12,
  asset: { ip: '10.0.0.1' },
  subject: { type: 'domain', value: 'x.example' },
  firstAt: at - 10,
  at,
  lastAt: at,
  techniques: [],
  reasons: [],
  evidence: [{ file: 'a.pcap', frame: 1 }],
  count: 1,
  response: [],
  ...more,
});
const incident = (id: string, lastAt: number): Incident => ({
  kind: 'incident',
  id,
  title: id,
  severity: 'critical',
  confidence: 1,
  assets: [],
  planes: ['dns'],
  findings: [],
  firstAt: 1,
  lastAt,
  story: [],
  techniques: [],
  response: [],
});
const trust = (asset: string, at: number, value: number): TrustRecord => ({
  kind: 'trust',
  asset,
  at,
  trust: value,
  because: [],
});
const verdict: Verdict = {
  kind: 'verdict',
  id: 'v1',
  at: 5,
  command: 'c1',
  decision: 'hold',
  reasons: ['r'],
  leansOn: ['m1'],
  harm: [],
  decidedInMicros: 100,
};
const codeOf = (work: () => unknown): string => {
  try {
    work();
  } catch (error) {
    if (error instanceof StoreError) {
      expect(error.fault.remedy).not.toBe('');
      return error.code;
    }
    throw error;
  }
  return 'none';
};

describe('the store', () => {
  it('keeps claims and gives them back whole, newest first', () => {
    const dir = fresh();
    let store = openStore(dir);
    store.saveFindings([
      finding('a', 10),
      finding('b', 20, { severity: 'low' }),
      finding('c', 30, { plane: 'flow', asset: { id: 'm1', ip: '10.0.0.2' } }),
    ]);
    store.saveFinding(finding('a', 40, { title: 'more evidence' }));
    store.saveIncidents([incident('i1', 5), incident('i2', 9), incident('i1', 10)]);
    store.saveTrust([trust('m1', 1, 1), trust('m1', 2, 0.1), trust('m2', 1, 0.5)]);
    store.saveVerdicts([verdict]);
    const action = {
      id: 'x',
      at: 3,
      actor: 'op',
      what: 'enforce',
      subject: 'd',
      logFile: 'l',
      logOffset: 7,
      hash: 'h',
    };
    store.saveActions([action]);
    store.close();
    store = openStore(dir);
    expect(store.findings().map((f) => f.id)).toEqual(['a', 'c', 'b']);
    expect(store.finding('a')).toEqual(finding('a', 40, { title: 'more evidence' }));
    expect(store.findings({ severity: 'medium', plane: 'dns' }).map((f) => f.id)).toEqual(['a']);
    expect(store.findings({ since: 20, until: 40 }).map((f) => f.id)).toEqual(['c', 'b']);
    expect(store.findings({ asset: 'm1', limit: 1 }).map((f) => f.id)).toEqual(['c']);
    expect(store.incidents().map((i) => i.id)).toEqual(['i1', 'i2']);
    expect(store.trust().map((t) => [t.asset, t.trust])).toEqual([
      ['m1', 0.1],
      ['m2', 0.5],
    ]);
    expect(store.trustOf('m1').map((t) => t.at)).toEqual([2, 1]);
    expect(store.verdicts()).toEqual([verdict]);
    expect(store.actions()).toEqual([action]);
    expect(store.prune(35)).toBe(6);
    expect(store.findings().map((f) => f.id)).toEqual(['a']);
    expect(store.trust().map((t) => t.asset)).toEqual(['m1', 'm2']);
    store.close();
  });

  it('returns any finding as it was given', () => {
    const store = openStore(fresh());
    fc.assert(
      fc.property(
        fc.record({
          id: fc.string({ unit: 'binary', maxLength: 20 }),
          title: fc.string({ unit: 'binary' }),
          severity: fc.constantFrom(...severities),
          at: fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
        }),
        (more) => {
          // SQLite ends a text key at a NUL; ids are hexadecimal, so the key is made to fit.
          const f = finding('', 0, { ...more, id: Buffer.from(more.id).toString('hex') });
          store.saveFinding(f);
          expect(store.finding(f.id)).toEqual(f);
        },
      ),
      { numRuns: 60 },
    );
    store.close();
  });

  it('gives back the last checkpoint and keeps two', () => {
    const store = openStore(fresh());
    expect(store.lastCheckpoint()).toBeUndefined();
    for (let n = 1; n <= 5; n++)
      store.checkpoint({
        at: n,
        sources: [{ file: 'b', position: n * 2 ** 40 }, ...(n === 5 ? [] : [{ file: 'a', position: 1 }])],
        detectors: [{ name: 'd', state: { version: 1, table: [n, null, 'x'] } }],
        trust: [trust('m1', n, 1 / n)],
        incidents: [incident('i', n)],
      });
    expect(store.lastCheckpoint()).toEqual({
      number: 5,
      at: 5,
      sources: [{ file: 'b', position: 5 * 2 ** 40 }],
      detectors: [{ name: 'd', state: { version: 1, table: [5, null, 'x'] } }],
    });
    const db = new DatabaseSync(store.file);
    expect(db.prepare('SELECT count(*) AS n FROM checkpoint_detectors').get()).toEqual({ n: 2 });
    db.close();
    expect(store.trust()[0]!.trust).toBe(0.2);
    store.close();
  });

  it('takes all of a call or nothing', () => {
    const store = openStore(fresh());
    const broken = { ...finding('bad', 1), at: Number.NaN };
    expect(codeOf(() => store.saveFindings([finding('good', 1), broken]))).toBe('STORE_RECORD');
    expect(store.findings()).toEqual([]);
    const cycle: { self?: unknown } = {};
    cycle.self = cycle;
    const states = [{ name: 'd', state: cycle }];
    expect(codeOf(() => store.checkpoint({ at: 1, sources: [], detectors: states, trust: [], incidents: [] }))).toBe(
      'STORE_STATE',
    );
    store.saveFinding(finding('after', 1));
    store.close();
  });

  it('refuses by code what it can not use', () => {
    const dir = fresh();
    mkdirSync(dir, { recursive: true });
    writeFileSync(join(dir, 'file'), '');
    expect(codeOf(() => openStore(join(dir, 'file', 'sub')))).toBe('STORE_UNWRITABLE');
    writeFileSync(join(dir, 'parapet.db'), 'this is no database, though it is long enough to look at'.repeat(20));
    expect(codeOf(() => openStore(dir))).toBe('STORE_DAMAGED');
    const newer = fresh();
    openStore(newer).close();
    const db = new DatabaseSync(join(newer, 'parapet.db'));
    db.exec('PRAGMA user_version = 999');
    db.close();
    expect(codeOf(() => openStore(newer))).toBe('STORE_NEWER');
    expect(codeOf(() => openStore(fresh(), { readOnly: true }))).toBe('STORE_UNWRITABLE');
  });

  it('says so when another process holds it', () => {
    const dir = fresh();
    const store = openStore(dir, { busyMillis: 20 });
    const other = new DatabaseSync(store.file);
    other.exec('BEGIN IMMEDIATE');
    expect(codeOf(() => store.saveFinding(finding('a', 1)))).toBe('STORE_BUSY');
    other.exec('ROLLBACK');
    other.close();
    store.saveFinding(finding('a', 1));
    store.close();
  });

  it.skipIf(!canMount)('says so when the disk is full, keeps what it had, and goes on when there is room', () => {
    const dir = fresh();
    mkdirSync(dir, { recursive: true });
    expect(spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=600k', 'tmpfs', dir]).status).toBe(0);
    try {
      const store = openStore(dir);
      store.saveFinding(finding('first', 1));
      writeFileSync(join(dir, 'ballast'), Buffer.alloc(200_000));
      const many = Array.from({ length: 2000 }, (_, i) => finding(`f${i}`, i));
      expect(codeOf(() => store.saveFindings(many))).toBe('STORE_FULL');
      expect(store.findings().map((f) => f.id)).toEqual(['first']);
      rmSync(join(dir, 'ballast'));
      store.saveFinding(finding('second', 2));
      expect(store.findings()).toHaveLength(2);
      store.close();
    } finally {
      spawnSync('umount', [dir]);
    }
  });

  it('has its last committed checkpoint intact and whole after kill -9, at 20 moments', {
    timeout: 60_000,
  }, async () => {
    const dir = fresh();
    let state = 7;
    const random = (): number => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return state / 2 ** 32;
    };
    let least = 0;
    for (let n = 0; n < 20; n++) {
      const child = spawn(process.execPath, [join(import.meta.dirname, 'kill.fixture.ts'), dir], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      let said = '';
      child.stdout.setEncoding('utf8').on('data', (text: string) => {
        said = (said + text).slice(-4000);
      });
      const exit = once(child, 'close');
      while (!said.includes('\n')) await wait(5);
      await wait(random() * 120);
      child.kill('SIGKILL');
      await exit;
      // The number of the last whole line was printed after its commit.
      const committed = Number(said.slice(0, said.lastIndexOf('\n')).split('\n').at(-1));
      const store = openStore(dir);
      const last = store.lastCheckpoint()!;
      expect(last.at).toBeGreaterThanOrEqual(committed);
      expect(last.at).toBeGreaterThanOrEqual(least);
      expect(last.sources).toEqual(
        Array.from({ length: 5 }, (_, i) => ({ file: `in${i}`, position: last.at * 10 + i })),
      );
      expect(last.detectors.map((d) => d.name)).toEqual(Array.from({ length: 8 }, (_, i) => `d${i}`));
      for (const d of last.detectors) {
        const table = (d.state as { table: number[] }).table;
        expect(table).toHaveLength(2000);
        expect(table.every((v) => v === last.at)).toBe(true);
      }
      expect(store.trustOf('m1', 1)[0]!.at).toBe(last.at);
      expect(store.incident('i1')!.lastAt).toBe(last.at);
      least = last.at;
      store.close();
      const db = new DatabaseSync(store.file);
      expect(db.prepare('PRAGMA integrity_check').get()).toEqual({ integrity_check: 'ok' });
      db.close();
    }
    expect(least).toBeGreaterThan(20);
    expect(existsSync(join(dir, 'parapet.db'))).toBe(true);
  });
});
