import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, describe, expect, it } from 'vitest';
import { City } from '#city';
import type { Action, Finding } from '#findings';
import { type Ledger, ResponseDesk } from '#response';
import { type ActionLedger, openActions } from './actions.ts';

const root = mkdtempSync(join(tmpdir(), 'actions-'));
let folders = 0;
const fresh = (): string => join(root, String(++folders));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const action = (id: string, more: Partial<Action> = {}): Action => ({
  kind: 'action',
  id,
  at: 5,
  enforcer: 'rpz',
  state: 'proposed',
  records: [{ type: 'rpz', record: `${id}.evil.example CNAME .` }],
  subject: `${id}.evil.example`,
  because: [],
  by: 'parapet',
  text: '',
  proofs: [],
  ...more,
});
const step = (from: number, to: number, removed: string[], added: string[]) => ({ from, to, removed, added });

describe('events', () => {
  it('are kept in order, and the latest state of each action is at hand after a reopening', () => {
    const dir = fresh();
    const ledger = openActions(dir);
    ledger.append({ at: 1, type: 'propose', by: 'parapet', action: action('a') });
    ledger.append({ at: 2, type: 'propose', by: 'parapet', action: action('b') });
    ledger.append({
      at: 3,
      type: 'enforce',
      by: 'ana',
      action: action('a', { state: 'enforced', until: 1_800_000_000_123_456 }),
    });
    ledger.close();
    const again = openActions(dir);
    expect(again.latest().map((a) => [a.id, a.state])).toEqual([
      ['a', 'enforced'],
      ['b', 'proposed'],
    ]);
    expect(again.latest()[0]!.until).toBe(1_800_000_000_123_456);
    expect(again.events().map((e) => [e.seq, e.type, e.by, e.at])).toEqual([
      [1, 'propose', 'parapet', 1],
      [2, 'propose', 'parapet', 2],
      [3, 'enforce', 'ana', 3],
    ]);
    expect(again.verify()).toMatchObject({ events: 3 });
    expect(again.verify().fault).toBeUndefined();
    again.close();
  });

  it('a changed, removed or exchanged event breaks the chain, and is named', () => {
    const spoil = (sql: string): unknown => {
      const dir = fresh();
      const ledger = openActions(dir);
      for (const id of ['a', 'b', 'c']) ledger.append({ at: 1, type: 'propose', by: 'parapet', action: action(id) });
      ledger.close();
      const db = new DatabaseSync(join(dir, 'response.db'));
      db.exec(sql);
      db.close();
      const spoilt = openActions(dir);
      const { fault } = spoilt.verify();
      spoilt.close();
      return fault;
    };
    expect(spoil("UPDATE events SET line = replace(line, 'parapet', 'nobody') WHERE seq = 2")).toMatchObject({
      seq: 2,
    });
    expect(spoil('DELETE FROM events WHERE seq = 2')).toMatchObject({ seq: 3 });
    expect(spoil('UPDATE events SET hash = (SELECT hash FROM events WHERE seq = 1) WHERE seq = 2')).toMatchObject({
      seq: 2,
    });
    expect(spoil('SELECT 1')).toBeUndefined();
  });
});

describe('policy zones', () => {
  it('keep serial, records and a bounded journal', () => {
    const dir = fresh();
    const ledger = openActions(dir);
    expect(ledger.zone('z')).toBeUndefined();
    ledger.saveZone('z', step(0, 10, [], ['a A 10.0.0.1', 'b CNAME .']), 3);
    for (let i = 10; i < 16; i++) ledger.saveZone('z', step(i, i + 1, [], [`x${i} CNAME .`]), 3);
    ledger.saveZone('z', step(16, 17, ['b CNAME .'], []), 3);
    ledger.saveZone('other', step(0, 1, [], ['q CNAME .']), 3);
    ledger.close();
    const again = openActions(dir);
    const zone = again.zone('z')!;
    expect(zone.serial).toBe(17);
    expect(zone.records).toEqual([
      'a A 10.0.0.1',
      'x10 CNAME .',
      'x11 CNAME .',
      'x12 CNAME .',
      'x13 CNAME .',
      'x14 CNAME .',
      'x15 CNAME .',
    ]);
    expect(zone.journal.map((s) => [s.from, s.to])).toEqual([
      [14, 15],
      [15, 16],
      [16, 17],
    ]);
    again.close();
  });
});

describe('failures', () => {
  it('a store of a newer version, and a file that is none, are refused with their code', () => {
    const dir = fresh();
    openActions(dir).close();
    const db = new DatabaseSync(join(dir, 'response.db'));
    db.exec('PRAGMA user_version = 99');
    db.close();
    expect(() => openActions(dir)).toThrow(expect.objectContaining({ code: 'STORE_NEWER' }));
    expect(() => openActions(join(dir, 'response.db', 'below-a-file'))).toThrow(
      expect.objectContaining({ code: 'STORE_UNWRITABLE' }),
    );
  });
});

describe('the desk on this ledger', () => {
  it('is rebuilt after a restart: rules in force, serial higher, journal whole', async () => {
    const dir = fresh();
    const response = { mode: 'enforce', rpz: { listen: '127.0.0.1:0', canaries: false, consumers: [] } };
    const city = new City({ response } as ConstructorParameters<typeof City>[0], dir);
    const now = 1_800_000_000e6;
    const finding = {
      kind: 'finding',
      id: 'f',
      asset: {},
      lastAt: now,
      subject: { type: 'domain', value: 't.evil.example' },
      response: [{ type: 'rpz', record: '*.t.evil.example CNAME .' }],
    } as unknown as Finding;
    const open = async (): Promise<{ desk: ResponseDesk; ledger: ActionLedger }> => {
      const ledger = openActions(dir);
      const shape: Ledger = ledger;
      const desk = new ResponseDesk({ city, ledger: shape, now: () => now });
      await desk.start();
      return { desk, ledger };
    };
    const first = await open();
    first.desk.offer(finding);
    await first.desk.settled();
    const { serial, lines } = first.desk.rpz!.zone;
    await first.desk.close();
    first.ledger.close();
    const second = await open();
    const zone = second.desk.rpz!.zone;
    expect(zone.serial).toBeGreaterThan(serial);
    expect(zone.lines.filter((l) => l.includes('evil'))).toEqual(lines.filter((l) => l.includes('evil')));
    expect(zone.stepsFrom(serial)).toHaveLength(1);
    expect(second.ledger.verify().fault).toBeUndefined();
    await second.desk.close();
    second.ledger.close();
  });
});
