import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import type { Action, Proof } from '#findings';
import { adviceFor } from './advice/index.ts';
import { type ConsumerFile, type ResponseFile, responseSettings } from './config.ts';
import type { Enforcer } from './contract.ts';
import { cityWith, tunnelFinding } from './desk.fixture.ts';
import { ACTIONS_MAX, ResponseDesk } from './desk.ts';
import { MemoryLedger } from './ledger.fixture.ts';

const hour = 3600e6;
let now = 1_800_000_000e6;
const desks: ResponseDesk[] = [];
const dir = mkdtempSync(join(tmpdir(), 'desk-'));
afterEach(async () => {
  for (const d of desks.splice(0)) await d.close();
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

async function deskWith(
  response: ResponseFile,
  ledger = new MemoryLedger(),
  more: { onAction?: (a: Action) => void; enforcers?: Enforcer[] } = {},
): Promise<ResponseDesk> {
  const city = cityWith(
    { ...response, ...(response.rpz === undefined ? {} : { rpz: { listen: '127.0.0.1:0', ...response.rpz } }) },
    dir,
  );
  const desk = new ResponseDesk({ city, ledger, now: () => now, proveMs: 50, ...more });
  desks.push(desk);
  await desk.start();
  return desk;
}
const finding = (zone: string, more: object = {}) => tunnelFinding(zone, { lastAt: now + 1, ...more });
const owners = (d: ResponseDesk): string[] =>
  d.rpz!.zone.lines.map((l) => l.split(' ')[0]!).filter((o) => !o.endsWith('.internal'));

describe('modes', () => {
  it('observe does nothing, propose waits for a person, enforce acts for ttl', async () => {
    expect((await deskWith({ mode: 'observe', rpz: {} })).offer(finding('t.evil.example'))).toEqual([]);
    const propose = await deskWith({ mode: 'propose', rpz: { canaries: false } });
    const [p] = propose.offer(finding('t.evil.example'));
    expect(p).toMatchObject({
      state: 'proposed',
      by: 'parapet',
      subject: 't.evil.example',
      because: ['f-t.evil.example'],
    });
    expect(p!.until).toBeUndefined();
    expect(owners(propose)).toEqual([]);
    expect(propose.enforce(p!.id, 'ana')).toMatchObject({ until: now + 4 * hour, by: 'ana' });
    expect(owners(propose)).toEqual(['*.t.evil.example', 't.evil.example']);
    const enforce = await deskWith({ mode: 'enforce', ttl: '30m', rpz: { canaries: false } });
    expect(enforce.offer(finding('t.evil.example'))[0]).toMatchObject({ until: now + hour / 2 });
    expect(owners(enforce)).toHaveLength(2);
  });

  it('never claims enforced without having asked', async () => {
    const desk = await deskWith({ mode: 'enforce', rpz: { consumers: [] } });
    const [a] = desk.offer(finding('t.evil.example'));
    await desk.settled();
    expect(desk.find(a!.id)).toMatchObject({
      state: 'proposed',
      text: 'Published; there is nobody to ask, so nothing is claimed.',
    });
    const silent: ConsumerFile = { name: 'dead', kind: 'unbound', address: '127.0.0.1', ask: '127.0.0.1:9' };
    const two = await deskWith({
      mode: 'enforce',
      rpz: { consumers: [silent, { name: 'unasked', kind: 'bind', address: '127.0.0.2' }] },
    });
    const [b] = two.offer(finding('t.evil.example'));
    await two.settled();
    const done = two.find(b!.id)!;
    expect(done.state).toBe('proposed');
    expect(done.proofs.map((p) => p.enforced)).toEqual([false, false]);
    expect(done.proofs[0]!.text).toMatch(/nothing listens there/);
    expect(done.proofs[1]!.text).toMatch(/was not asked/);
    expect(done.text).toMatch(/refused nowhere yet: dead, unasked/);
  });

  it('without response.rpz there is nothing to act with', async () => {
    const desk = await deskWith({ mode: 'enforce' });
    expect(desk.offer(finding('t.evil.example'))).toEqual([]);
    expect(desk.quarantine('10.20.0.9', 'ana')).toBeUndefined();
  });
});

describe('refusals', () => {
  it('a protected name is refused with the reason, and nothing is published', async () => {
    const desk = await deskWith({
      mode: 'enforce',
      never: ['www.partner.example', '10.20.0.7'],
      rpz: { canaries: false },
    });
    expect(desk.offer(finding('x.corp.example'))[0]).toMatchObject({
      state: 'refused',
      text: expect.stringMatching(/protected by dns.protected/),
    });
    expect(desk.offer(finding('partner.example'))[0]).toMatchObject({
      state: 'refused',
      text: expect.stringMatching(/shelters/),
    });
    expect(desk.quarantine('10.20.0.7', 'ana')).toMatchObject({ state: 'refused' });
    expect(desk.offer(finding('x', { response: [{ type: 'rpz', record: 'broken' }] }))[0]).toMatchObject({
      state: 'refused',
    });
    expect(owners(desk)).toEqual([]);
    expect(desk.enforce(desk.list()[0]!.id, 'ana')).toMatchObject({ state: 'refused' });
    expect(owners(desk)).toEqual([]);
  });

  it('an action that conflicts with one in force is refused, and the one in force stays', async () => {
    const desk = await deskWith({ mode: 'enforce', rpz: { canaries: false } });
    desk.offer(finding('t.evil.example'));
    const [second] = desk.offer(finding('t2', { response: [{ type: 'rpz', record: 't.evil.example CNAME *.' }] }));
    expect(second).toMatchObject({ state: 'refused', text: expect.stringMatching(/one owner has one action/) });
    expect(second!.until).toBeUndefined();
    expect(owners(desk)).toHaveLength(2);
  });
});

describe('the life of an action', () => {
  it('undo takes back one step, and what another action holds too stays', async () => {
    const desk = await deskWith({ mode: 'enforce', rpz: { canaries: false } });
    const [wide] = desk.offer(finding('evil.example'));
    const [narrow] = desk.offer(finding('t.evil.example'));
    expect(owners(desk)).toEqual(['*.evil.example', 'evil.example']);
    desk.undo(wide!.id, 'ana');
    expect(owners(desk)).toEqual(['*.t.evil.example', 't.evil.example']);
    expect(desk.undo(narrow!.id, 'ana')).toMatchObject({ state: 'undone', text: 'Taken back by ana.' });
    expect(owners(desk)).toEqual([]);
    expect(desk.undo('nobody', 'ana')).toBeUndefined();
  });

  it('an undo never fails, though an exception loses what it stood under', async () => {
    const desk = await deskWith({ mode: 'enforce', rpz: { canaries: false } });
    const pass = (name: string) =>
      desk.offer(
        finding(name, {
          response: [name, `*.${name}`].map((o) => ({ type: 'rpz', record: `${o} CNAME rpz-passthru.` })),
        }),
      )[0]!;
    desk.offer(finding('evil.example'));
    const outer = pass('b.evil.example');
    const inner = pass('a.b.evil.example');
    expect([outer.state, inner.state]).toEqual(['proposed', 'proposed']);
    expect(desk.undo(outer.id, 'ana')).toMatchObject({ state: 'undone' });
    expect(owners(desk)).toEqual(['*.evil.example', 'evil.example']);
  });

  it('an undone refusal is opened by newer evidence only, and then waits for a person', async () => {
    const desk = await deskWith({ mode: 'enforce', rpz: { canaries: false } });
    const [a] = desk.offer(finding('t.evil.example'));
    desk.undo(a!.id, 'ana');
    expect(desk.offer(finding('t.evil.example', { lastAt: now - 1 }))[0]).toMatchObject({ state: 'undone' });
    const [again] = desk.offer(finding('t.evil.example', { id: 'later' }));
    expect(again).toMatchObject({ id: a!.id, state: 'proposed' });
    expect(again!.until).toBeUndefined();
    expect(owners(desk)).toEqual([]);
  });

  it('time ends it, to the microsecond, and newer evidence enforces it again', async () => {
    const desk = await deskWith({ mode: 'enforce', ttl: '1h', rpz: { canaries: false } });
    const [a] = desk.offer(finding('t.evil.example'));
    expect(desk.expire(now + hour - 1)).toEqual([]);
    now += hour;
    expect(desk.expire(now)).toMatchObject([{ id: a!.id, state: 'expired' }]);
    expect(desk.expire(now)).toEqual([]);
    expect(owners(desk)).toEqual([]);
    expect(desk.offer(finding('t.evil.example'))[0]).toMatchObject({ until: now + hour });
    expect(owners(desk)).toHaveLength(2);
  });

  it('two findings for one zone are one action with two reasons', async () => {
    const desk = await deskWith({ mode: 'enforce', rpz: {} });
    desk.offer(finding('t.evil.example', { id: 'one' }));
    expect(desk.offer(finding('t.evil.example', { id: 'two' }))[0]!.because).toEqual(['one', 'two']);
    expect(desk.list()).toHaveLength(1);
  });

  it('a sink is published instead of NXDOMAIN where the city has one', async () => {
    const desk = await deskWith({ mode: 'enforce', rpz: { canaries: false, sinkhole: { a: '10.20.0.250' } } });
    expect(desk.offer(finding('t.evil.example'))[0]!.records[0]).toEqual({
      type: 'rpz',
      record: 't.evil.example A 10.20.0.250',
    });
  });

  it('memory is bounded: what is over goes first, and where nothing is over new offers are shed', async () => {
    const desk = await deskWith({ mode: 'propose', rpz: {} });
    for (let i = 0; i < ACTIONS_MAX; i++) desk.offer(finding(`n${i}.evil.example`));
    expect(desk.offer(finding('one-more.evil.example'))).toEqual([]);
    expect(desk.shed).toBe(1);
    desk.undo(desk.list()[0]!.id, 'ana');
    expect(desk.offer(finding('one-more.evil.example'))).toHaveLength(1);
    expect(desk.list()).toHaveLength(ACTIONS_MAX);
  });
});

describe('the ledger', () => {
  it('a restart keeps what is in force, ends what ran out, and raises the serial', async () => {
    const ledger = new MemoryLedger();
    const first = await deskWith({ mode: 'enforce', ttl: '1h', rpz: { canaries: false } }, ledger);
    const [old] = first.offer(finding('old.evil.example'));
    now += hour / 2;
    const [young] = first.offer(finding('young.evil.example'));
    const { serial } = first.rpz!.zone;
    await first.close();
    now += hour / 2;
    const second = await deskWith({ mode: 'enforce', ttl: '1h', rpz: { canaries: false } }, ledger);
    expect(second.rpz!.zone.serial).toBeGreaterThan(serial);
    expect(owners(second)).toEqual(['*.young.evil.example', 'young.evil.example']);
    expect(second.find(old!.id)).toMatchObject({
      state: 'expired',
      text: expect.stringMatching(/while Parapet was down/),
    });
    expect(second.find(young!.id)!.until).toBe(young!.until);
    // Consumers that held the old serial come up to date by IXFR.
    expect(second.rpz!.zone.stepsFrom(serial)).toBeDefined();
  });

  it('a name that has become protected meanwhile is not taken up again', async () => {
    const ledger = new MemoryLedger();
    const first = await deskWith({ mode: 'enforce', rpz: { canaries: false } }, ledger);
    const [a] = first.offer(finding('t.evil.example'));
    await first.close();
    const second = await deskWith({ mode: 'enforce', never: ['evil.example'], rpz: { canaries: false } }, ledger);
    expect(owners(second)).toEqual([]);
    expect(second.find(a!.id)).toMatchObject({ state: 'refused', text: expect.stringMatching(/Not taken up again/) });
  });

  it('an action whose enforcer is no longer in city.yaml still ends', async () => {
    const ledger = new MemoryLedger();
    const first = await deskWith({ mode: 'enforce', ttl: '1h', rpz: {} }, ledger);
    const [a] = first.offer(finding('t.evil.example'));
    await first.close();
    const second = await deskWith({ mode: 'enforce' }, ledger);
    expect(await second.prove(a!.id)).toMatchObject({ state: 'proposed' });
    expect(second.expire(a!.until!)).toMatchObject([{ state: 'expired' }]);
  });

  it('a full disk stops an action before it is in force', async () => {
    const ledger = new MemoryLedger();
    const desk = await deskWith({ mode: 'enforce', rpz: { canaries: false } }, ledger);
    ledger.full = true;
    expect(() => desk.offer(finding('t.evil.example'))).toThrow(/full/);
    expect(owners(desk)).toEqual([]);
    ledger.full = false;
  });

  it('tells who did what, in order', async () => {
    const ledger = new MemoryLedger();
    const desk = await deskWith({ mode: 'propose', rpz: {} }, ledger);
    const [a] = desk.offer(finding('t.evil.example'));
    desk.enforce(a!.id, 'ana');
    desk.undo(a!.id, 'bo');
    expect(ledger.events.map((e) => `${e.type} ${e.by}`)).toEqual(['propose parapet', 'enforce ana', 'undo bo']);
  });
});

describe('a second enforcer', () => {
  it('takes part beside RPZ with the same few verbs', async () => {
    const wall = new Set<string>();
    const proof: Proof = { consumer: 'wall', at: 1, enforced: true, text: 'the set has it' };
    const enforcer: Enforcer = {
      name: 'wall',
      propose: (f) => ({ records: [{ type: 'nft', record: f.asset.ip! }], subject: f.asset.ip!, client: f.asset.ip! }),
      enforce: (a) => void wall.add(a.subject),
      undo: (a) => void wall.delete(a.subject),
      expire: (a) => void wall.delete(a.subject),
      prove: async (a) => [{ ...proof, enforced: wall.has(a.subject) }],
      start: async () => new Map(),
      close: async () => {},
    };
    const states: string[] = [];
    const desk = await deskWith({ mode: 'enforce', rpz: {} }, new MemoryLedger(), {
      enforcers: [enforcer],
      onAction: (a) => states.push(`${a.enforcer} ${a.state}`),
    });
    const actions = desk.offer(finding('t.evil.example'));
    expect(actions.map((a) => a.enforcer)).toEqual(['rpz', 'wall']);
    await desk.settled();
    expect(desk.find(actions[1]!.id)).toMatchObject({ state: 'enforced', text: 'Refused at wall.' });
    desk.undo(actions[1]!.id, 'ana');
    expect(wall.size).toBe(0);
    expect(states).toContain('wall enforced');
  });
});

describe('city.yaml', () => {
  it('every wrong value is named at once, and a secret never is', () => {
    const secretText = 'c2hvcnRzZWNyZXQ=';
    writeFileSync(join(dir, 'short.key'), secretText);
    const rpz = {
      listen: 'nowhere',
      ttlSeconds: 3,
      consumers: [
        { name: 'a', kind: 'unbound', address: 'x', tsig: { name: 'k', secretFile: 'short.key' } },
        { name: 'a', kind: 'knot', address: '10.0.0.1', ask: '10.0.0.1' },
      ] as ConsumerFile[],
    };
    const read = (): unknown => responseSettings(cityWith({ rpz }, dir));
    expect(read).toThrow(
      /listen.*ttlSeconds.*a\.address.*Unbound has no TSIG.*16 octets.*named twice.*Knot Resolver reads a file.*ask/s,
    );
    try {
      read();
    } catch (error) {
      expect(JSON.stringify(error)).not.toContain(secretText);
    }
  });

  it('advice never prints a secret, and names the address that counts', () => {
    writeFileSync(
      join(dir, 'k.key'),
      `key k { algorithm hmac-sha256; secret "${Buffer.alloc(32, 5).toString('base64')}"; };`,
    );
    const consumers: ConsumerFile[] = (['unbound', 'bind', 'powerdns', 'knot'] as const).map((kind) => ({
      name: kind,
      kind,
      address: '10.20.0.53',
      ...(kind === 'bind' || kind === 'powerdns' ? { tsig: { name: 'k', secretFile: 'k.key' } } : {}),
      ...(kind === 'knot' ? { file: 'parapet.rpz.zone' } : {}),
    }));
    const { rpz } = responseSettings(cityWith({ rpz: { listen: '10.20.0.1:5300', consumers } }, dir));
    const texts = rpz!.consumers.map((c) =>
      adviceFor(c, rpz!)
        .map((s) => s.text)
        .join('\n'),
    );
    expect(texts.join()).not.toContain(readFileSync(join(dir, 'k.key'), 'utf8').slice(40, 60));
    expect(texts[0]).toMatch(/name: "parapet.rpz"\n {4}primary: 10.20.0.1@5300/);
    expect(texts[1]).toMatch(/qname-wait-recurse no[\s\S]*break-dnssec yes[\s\S]*min-update-interval 1/);
    expect(texts[2]).toMatch(
      /packetcache-ttl=10[\s\S]*rpzPrimary\("10.20.0.1:5300", "parapet.rpz", \{refresh=5, tsigname="k"/,
    );
    expect(texts[3]).toContain(join(dir, 'parapet.rpz.zone'));
  });
});
