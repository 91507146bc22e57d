// The wall without a kernel: what records are taken, who is never shut out, what nft is told, what is made of its answers. The
// packets themselves are in test/live/zones.test.ts.
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { City } from '#city';
import type { Action, Fault, Finding } from '#findings';
import {
  ELEMENTS_MAX,
  NftEnforcer,
  nftSettings,
  putLines,
  readRecord,
  standing,
  wallChains,
  wallRules,
} from './index.ts';

const city = new City(
  {
    networks: [{ name: 'field', cidr: '10.20.0.0/16' }],
    dns: { resolvers: ['10.20.0.53'] },
    assets: [{ id: 'plc-1', zone: 'field', ip: '10.20.0.7' }],
  },
  '/',
);
const dir = mkdtempSync(join(tmpdir(), 'parapet-nft-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

/** A stand-in for nft: keeps what it is told, and answers `list` with what we wrote down. */
function fake(answer: string, failure = ''): { nft: string[]; told(): string } {
  const name = join(dir, `nft-${Math.abs(hash(answer + failure))}`);
  const log = `${name}.log`;
  writeFileSync(log, '');
  writeFileSync(`${name}.json`, answer);
  writeFileSync(
    name,
    `#!/bin/sh\nfor a in "$@"; do if [ "$a" = list ]; then ${answer === '' ? 'echo "Error: No such file or directory" >&2; exit 1' : `cat '${name}.json'; exit 0`}; fi; done\n${failure === '' ? `cat >> '${log}'` : `cat > /dev/null; echo '${failure}' >&2; exit 1`}\n`,
  );
  chmodSync(name, 0o755);
  return { nft: [name], told: () => readFileSync(log, 'utf8') };
}
function hash(text: string): number {
  let h = 7;
  for (const c of text) h = (Math.imul(h, 31) + c.charCodeAt(0)) | 0;
  return h;
}

let at = 1.7e15;
const make = (nft: string[], faults: Fault[] = []): NftEnforcer =>
  new NftEnforcer({
    city,
    settings: nftSettings({ remediation: ['10.20.0.250'] }, []),
    never: ['plc-1', '10.20.0.8'],
    now: () => at,
    own: ['10.20.0.1'],
    commands: { nft, conntrack: ['/nonexistent'] },
    isWatching: false,
    onFault: (f) => faults.push(f),
  });
const action = (records: string[], seconds = 60, id = 'a'): Action => ({
  kind: 'action',
  id,
  at,
  enforcer: 'nft',
  state: 'proposed',
  records: records.map((record) => ({ type: 'nft', record })),
  subject: '',
  until: at + seconds * 1e6,
  because: [],
  by: 'ana',
  text: '',
  proofs: [],
});
const one = (ip: string): string => `add element inet parapet quarantine { ${ip} }`;
/** What the kernel says of a wall as we make it, with these members. */
function kernelSays(members: Record<string, unknown[]>, more: object[] = []): string {
  const sets = ['quarantine', 'quarantine6', 'blocked', 'blocked6', 'denied', 'denied6'];
  return JSON.stringify({
    nftables: [
      ...sets.map((name) => ({ set: { name, flags: ['timeout'], elem: members[name] ?? [] } })),
      { set: { name: 'remediation', elem: ['10.20.0.250'] } },
      ...wallChains.flatMap((name) => [
        { chain: { name, hook: name } },
        ...wallRules.map((r) => ({ rule: { chain: name, comment: r.comment, expr: [{ counter: { packets: 2 } }] } })),
      ]),
      ...more,
    ],
  });
}

describe('records', () => {
  it('of our detectors are read, IPv6 goes to its own set', () => {
    expect(readRecord('add element inet parapet quarantine { 10.20.0.9 timeout 4h }')).toEqual({
      set: 'quarantine',
      version: 4,
      addresses: ['10.20.0.9'],
    });
    expect(readRecord('add element inet parapet blocked { 2001:db8:0::1 timeout 4h }')).toEqual({
      set: 'blocked',
      version: 6,
      addresses: ['2001:db8::1'],
    });
    expect(readRecord('add element inet parapet denied { 10.0.0.1 . 10.0.0.2 timeout 4h }')).toEqual({
      set: 'denied',
      version: 4,
      addresses: ['10.0.0.1', '10.0.0.2'],
    });
  });
  it('of any other shape are refused: nothing of a record reaches nft as text', () => {
    for (const r of [
      'add element inet parapet quarantine { 10.0.0.1 }; flush ruleset',
      'add element inet parapet quarantine { 10.0.0.0/8 }',
      'add element inet parapet quarantine { 10.0.0.1, 10.0.0.2 }',
      'add element ip filter quarantine { 10.0.0.1 }',
      'add element inet parapet denied { 10.0.0.1 . 2001:db8::1 }',
      'add element inet parapet quarantine { 999.0.0.1 }',
      'flush ruleset',
    ])
      expect(typeof readRecord(r), r).toBe('string');
  });
  it('for any text: an element with addresses only, or a reason', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.string().map((s) => `add element inet parapet quarantine { ${s} }`),
        ),
        (text) => {
          const e = readRecord(text);
          if (typeof e !== 'string') for (const a of e.addresses) expect(a).toMatch(/^[0-9a-f.:]+$/);
        },
      ),
      { seed: 1, numRuns: 500 },
    );
  });
});

describe('who is never shut out', () => {
  const wall = make(['/nonexistent']);
  it.each([
    ['10.20.0.53', 'dns.resolvers'],
    ['10.20.0.7', 'response.never'],
    ['10.20.0.8', 'response.never'],
    ['10.20.0.250', 'remediation'],
    ['10.20.0.1', 'this machine'],
    ['198.51.100.1', 'not an address of the city'],
    ['224.0.0.1', 'not the address of one device'],
    ['127.0.0.1', 'not the address of one device'],
    ['::ffff:10.20.0.7', 'response.never'],
    ['nobody', 'no address'],
  ])('%s', (address, why) => {
    expect(wall.proposeQuarantine(address).refused).toContain(why);
  });
  it('not even where the action was made before it was protected', () => {
    expect(wall.enforce(action([one('10.20.0.7')]))).toContain('never shut out');
  });
  it('a place inside is not blocked for all', () => {
    const finding = {
      response: [{ type: 'nft', record: 'add element inet parapet blocked { 10.20.3.3 }' }],
      subject: { value: '10.20.3.3' },
    } as unknown as Finding;
    expect(wall.propose(finding)!.refused).toContain("city's own");
  });
});

describe('what nft is told', () => {
  it('first the whole table, then the element with what is left of its time; all in one transaction', () => {
    const { nft, told } = fake('');
    expect(make(nft).enforce(action([one('10.20.0.9')], 90))).toBeUndefined();
    const lines = told().trim().split('\n');
    expect(lines[0]).toBe('add table inet parapet');
    expect(lines.slice(-3)).toEqual([
      'add element inet parapet quarantine { 10.20.0.9 timeout 90000ms }',
      'delete element inet parapet quarantine { 10.20.0.9 }',
      'add element inet parapet quarantine { 10.20.0.9 timeout 90000ms }',
    ]);
    expect(told()).not.toContain('ruleset');
  });
  it('where the table stands as made, only the element: counters and others stay', () => {
    const { nft, told } = fake(kernelSays({}));
    make(nft).enforce(action([one('10.20.0.9')]));
    expect(told().trim().split('\n').length).toBe(3);
  });
  it('a time to live is renewed by delete and add (kernels before 6.12)', () => {
    expect(putLines('t', { set: 'quarantine', version: 4, addresses: ['10.0.0.1'] }, 0.2)[2]).toContain('timeout 1ms');
  });
  it('an undo takes out what this action alone holds; what another holds stays for its time', () => {
    const { nft, told } = fake(kernelSays({}, [{}]));
    const wall = make(nft);
    wall.enforce(action([one('10.20.0.9'), one('10.20.0.10')], 60, 'a'));
    wall.enforce(action([one('10.20.0.9')], 30, 'b'));
    const before = told().length;
    wall.undo(action([], 0, 'a'));
    expect(told().slice(before).trim().split('\n')).toEqual([
      'add element inet parapet quarantine { 10.20.0.9 timeout 30000ms }',
      'delete element inet parapet quarantine { 10.20.0.9 }',
      'add element inet parapet quarantine { 10.20.0.9 timeout 30000ms }',
      'add element inet parapet quarantine { 10.20.0.10 timeout 1s }',
      'delete element inet parapet quarantine { 10.20.0.10 }',
    ]);
  });
  it('a refusal of nft is the reason, and the action holds nothing', () => {
    const { nft } = fake('', 'Error: Operation not permitted');
    const wall = make(nft);
    expect(wall.enforce(action([one('10.20.0.9')]))).toContain('Operation not permitted');
    expect(wall.recheck()).toMatchObject({ holds: true, missing: [] });
    expect(make(['/nonexistent/nft']).enforce(action([one('10.20.0.9')]))).toContain('ENOENT');
  });
  it('there is an end to the elements', () => {
    const { nft } = fake(kernelSays({}, [{}, {}]));
    const many = Array.from({ length: ELEMENTS_MAX + 1 }, (_, i) => one(`10.20.${100 + (i >> 16)}.${i & 255}`));
    expect(make(nft).enforce(action(many))).toContain('undo some first');
  });
});

describe('the look at the wall', () => {
  const elem = (val: unknown, expires: number): object => ({ elem: { val, timeout: 3600, expires } });
  it('members that are gone or end too early are put back, and told (crowdsecurity/cs-firewall-bouncer#509)', () => {
    const { nft, told } = fake(kernelSays({ quarantine: [elem('10.20.0.9', 5), '10.20.0.77'] }));
    const faults: Fault[] = [];
    const wall = make(nft, faults);
    wall.enforce(action([one('10.20.0.9'), one('10.20.0.10')], 600));
    const before = told().length;
    const seen = wall.recheck();
    expect(seen).toMatchObject({
      missing: ['quarantine 10.20.0.9', 'quarantine 10.20.0.10'],
      base: [],
      foreign: ['quarantine 10.20.0.77'],
      holds: true,
    });
    expect(told().slice(before)).toContain('10.20.0.10 timeout 600000ms');
    expect(told().slice(before)).not.toContain('10.20.0.77');
    expect(faults).toMatchObject([{ code: 'NFT_REFILLED' }]);
  });
  it('a set without its flag and a chain that lost a rule are no wall (cs-firewall-bouncer#82, smartdns#1510)', () => {
    const good = JSON.parse(kernelSays({ quarantine: [elem('10.20.0.9', 599)] })) as {
      nftables: { set?: { name: string; flags?: string[] }; rule?: object }[];
    };
    good.nftables.splice(
      good.nftables.findIndex((o) => o.rule !== undefined),
      1,
    );
    good.nftables.find((o) => o.set?.name === 'blocked')!.set!.flags = [];
    const { nft, told } = fake(JSON.stringify(good));
    const wall = make(nft);
    wall.enforce(action([one('10.20.0.9')], 600));
    expect(wall.recheck().base).toEqual(['chain wall_forward is not as it was made', 'set blocked has no time limit']);
    expect(told()).toContain('flush chain inet parapet wall_forward');
  });
  it('where nft can not be asked, that is told and nothing is claimed', async () => {
    const faults: Fault[] = [];
    const wall = make(['/nonexistent/nft'], faults);
    const refused = await wall.start([action([one('10.20.0.9')])]);
    expect(refused.get('a')).toContain('ENOENT');
    expect(faults).toMatchObject([{ code: 'NFT_READ' }]);
    expect(await wall.prove(action([one('10.20.0.9')]), true, () => false)).toMatchObject([{ enforced: false }]);
    await wall.close();
  });
  it('a proof says how long, how many packets, and that nothing comes before', async () => {
    const { nft } = fake(kernelSays({ quarantine: [elem('10.20.0.9', 599)] }, [{}, {}, {}]));
    const wall = make(nft);
    const [proof] = await wall.prove(action([one('10.20.0.9')]), true, () => false);
    expect(proof).toMatchObject({ consumer: 'nft', enforced: true });
    expect(proof!.text).toBe(
      '10.20.0.9 is in quarantine for 599 s more; its rules come before any that accepts a running flow; 12 packets dropped by the rules of quarantine so far',
    );
  });
  it('after its time nothing is put back', () => {
    const { nft, told } = fake(kernelSays({}, [{}, {}, {}, {}]));
    const wall = make(nft);
    wall.enforce(action([one('10.20.0.9')], 10));
    const before = told().length;
    at += 11e6;
    expect(wall.recheck()).toMatchObject({ missing: [] });
    expect(told().length).toBe(before);
  });
  it('answers that are no JSON are a sentence, and any JSON is borne', () => {
    expect(standing('{')).toContain('no JSON');
    fc.assert(
      fc.property(fc.json(), (text) => {
        expect(['string', 'object']).toContain(typeof standing(text));
      }),
      { seed: 1 },
    );
  });
});

it('settings with every wrong value named at once', () => {
  const wrong: string[] = [];
  nftSettings({ table: 'a b', remediation: ['x'], recheckSeconds: 0 }, wrong);
  expect(wrong.length).toBe(3);
});
