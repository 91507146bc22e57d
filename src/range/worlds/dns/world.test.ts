import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { zstdDecompressSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { formatName } from '#events';
import {
  copyExchange,
  DnsWorld,
  type DnsWorldOptions,
  Exchange,
  exchanges,
  MergedSource,
  Rtype,
  roles,
} from './index.ts';

const startMicros = Date.UTC(2026, 2, 2) * 1000;
const world = (more: Partial<DnsWorldOptions> = {}): DnsWorld =>
  new DnsWorld({ seed: 1, clients: 60, days: 1, startMicros, ...more });
const nameOf = (e: Exchange): string => formatName(e.name, 0, e.nameBytes);
const wireIsName = (e: Exchange): boolean => {
  let o = 0;
  for (; e.name[o]! > 0 && o < 255; o += 1 + e.name[o]!) if (e.name[o]! > 63) return false;
  return o + 1 === e.nameBytes && e.nameBytes <= 255;
};
const digest = (w: DnsWorld): string[] =>
  Array.from(
    exchanges(w),
    (e) =>
      `${e.atMicros} ${e.answeredAtMicros} ${e.client} ${e.clientPort} ${e.id} ${nameOf(e)} ${e.qtype} ${e.rcode} ${e.ageSeconds}`,
  );

describe('a world of DNS', () => {
  const day = digest(world());

  test('the same seed gives the same exchanges, another seed others', () => {
    expect(digest(world())).toEqual(day);
    expect(digest(world({ seed: 2 }))).not.toEqual(day);
  });

  test('a client does the same whether or not there are more of them', () => {
    const of = (lines: string[], client: number): string[] =>
      lines
        .map((l) => l.split(' '))
        .filter((c) => Number(c[2]) === client)
        .map((c) => `${c[0]} ${c[5]}`);
    const small = world();
    const meter = small.clients.find((c) => c.id === 'smart-meter-0003')!;
    expect(of(digest(world({ clients: 90 })), meter.ip)).toEqual(of(day, meter.ip));
  });

  test('questions come in the order of time, inside the days asked for, and answers after them', () => {
    const w = world({ days: 2 });
    let last = startMicros;
    let count = 0;
    for (const e of exchanges(w)) {
      if (e.atMicros < last) throw new Error(`time runs back at exchange ${count}`);
      if (e.answeredAtMicros !== 0 && e.answeredAtMicros <= e.atMicros) throw new Error('answered before asked');
      last = e.atMicros;
      count += 1;
    }
    expect(last).toBeLessThan(w.untilMicros);
    expect(count).toBeGreaterThan(5000);
    expect(w.shed).toBe(0);
  });

  test('every name is one: labels of 1 to 63 octets, a root, 255 octets at the most', () => {
    for (const e of exchanges(world({ clients: 120 }))) {
      expect(wireIsName(e)).toBe(true);
    }
  });

  test('every role is there from 22 clients on and each asks something in a week', () => {
    const w = world({ clients: 22, days: 7 });
    expect(new Set(w.clients.map((c) => c.role))).toEqual(new Set(roles));
    expect(new Set(w.clients.map((c) => c.ip)).size).toBe(22);
    const asked = new Set(Array.from(exchanges(w), (e) => e.client));
    for (const c of w.clients) expect(asked.has(c.ip), c.id).toBe(true);
  });

  test('the office sleeps at night, meters do not', () => {
    const w = world({ clients: 200 });
    const role = new Map(w.clients.map((c) => [c.ip, c.role]));
    const byHour = { 'office-pc': new Float64Array(24), 'smart-meter': new Float64Array(24) };
    for (const e of exchanges(w)) {
      const hours = byHour[role.get(e.client) as keyof typeof byHour];
      if (hours !== undefined) hours[Math.floor((e.atMicros - startMicros) / 3600e6)]! += 1;
    }
    const office = byHour['office-pc'];
    expect(office[9]! + office[10]!).toBeGreaterThan(15 * (office[2]! + office[3]! + 1));
    const meters = byHour['smart-meter'];
    expect(Math.min(...meters)).toBeGreaterThan(0.6 * Math.max(...meters));
  });

  test('the innocent things that look bad are all there', () => {
    const w = world({ clients: 200, days: 2 });
    const seen = new Map<string, number>();
    const see = (what: string): void => void seen.set(what, (seen.get(what) ?? 0) + 1);
    const ends = (name: string, zone: Uint8Array): boolean => name.endsWith(`.${formatName(zone, 0, zone.length)}`);
    for (const e of exchanges(w)) {
      const name = nameOf(e);
      const labels = name.split('.');
      if (labels.length === 1) see('browser probe');
      if (name.endsWith('.in-addr.arpa')) see('reverse');
      if (labels.some((l) => /^[0-9a-f]{8}-[0-9a-f]{4}-/.test(l))) see('GUID');
      if (name.endsWith('.riverton.example') && e.rcode === 3) see('search list');
      if (w.zones.antivirus.some((z) => ends(name, z))) see('antivirus');
      if (w.zones.blockLists.some((z) => ends(name, z))) see('block list');
      if (w.zones.content.some((z) => ends(name, z))) see('shard');
      if (w.zones.telemetry.some((z) => ends(name, z))) see('telemetry');
      if (ends(name, w.zones.userSites)) see('wildcard');
      if (ends(name, w.zones.privateNetwork)) see('private network');
      if (e.qtype === Rtype.HTTPS) see('HTTPS');
      if (e.qtype === Rtype.DNSKEY && e.authentic && e.dnssecOk) see('DNSSEC');
      if (e.answeredAtMicros === 0) see('unanswered');
      if (e.ageSeconds > 0) see('cache');
    }
    for (const what of [
      'browser probe',
      'reverse',
      'GUID',
      'search list',
      'antivirus',
      'block list',
      'shard',
      'telemetry',
      'wildcard',
      'private network',
      'HTTPS',
      'DNSSEC',
      'unanswered',
      'cache',
    ])
      expect(seen.get(what) ?? 0, what).toBeGreaterThan(2);
  });

  test('popularity follows the list given: the first name is asked more than the hundredth', () => {
    const names = Array.from({ length: 1000 }, (_, i) => `name${i}.example`);
    const w = world({ clients: 200, names });
    const count = new Map<string, number>();
    for (const e of exchanges(w)) count.set(nameOf(e), (count.get(nameOf(e)) ?? 0) + 1);
    const asked = (i: number): number =>
      (count.get(`name${i}.example`) ?? 0) + (count.get(`www.name${i}.example`) ?? 0);
    expect(asked(0)).toBeGreaterThan(4 * asked(100));
    expect(asked(0)).toBeGreaterThan(50);
  });

  test('odd lists do no harm: single letters, single labels, names too long or none', () => {
    const long = `${'a'.repeat(63)}.${'b'.repeat(63)}.${'c'.repeat(63)}.${'d'.repeat(50)}`;
    const names = ['t.co', 'x', 'com', long, 'a..b', '', `${'e'.repeat(64)}.example`, 'ok.example'];
    const w = world({ names, clients: 60, days: 1 });
    expect(w.popular.names).toEqual(['t.co', 'x', 'com', 'ok.example']);
    for (const e of exchanges(w)) expect(wireIsName(e)).toBe(true);
    expect(() => world({ names: ['a..b'] })).toThrow(RangeError);
  });

  test('merging keeps order and loses nothing', () => {
    const merged = new MergedSource([world(), world({ seed: 2 }), world({ seed: 3 })]);
    const all: Exchange[] = [];
    for (const e of exchanges(merged)) all.push(copyExchange(e, new Exchange()));
    expect(all.length).toBe([1, 2, 3].reduce((n, seed) => n + digest(world({ seed })).length, 0));
    for (let i = 1; i < all.length; i++) expect(all[i]!.atMicros >= all[i - 1]!.atMicros).toBe(true);
  });
});

const corpus = join(process.env.PARAPET_CORPUS ?? '../shared/corpus', 'dns', 'domains');
describe.skipIf(!existsSync(corpus))(
  'popularity lists of the corpus (skipped where the corpus is not there: set PARAPET_CORPUS)',
  () => {
    test('serve as names: the first are asked most', () => {
      const packed = readFileSync(join(corpus, 'popular-65535.csv.zst'));
      const names = zstdDecompressSync(packed)
        .toString('utf8')
        .split('\n')
        .map((l) => l.split(',')[1] ?? '')
        .filter((n) => n !== '');
      const w = world({ clients: 100, names });
      expect(w.popular.names.length).toBeGreaterThan(0.99 * names.length);
      let first = 0;
      let all = 0;
      for (const e of exchanges(w)) {
        expect(wireIsName(e)).toBe(true);
        if (nameOf(e).endsWith(names[0]!)) first += 1;
        all += 1;
      }
      expect(first).toBeGreaterThan(0.005 * all);
    });
  },
);
