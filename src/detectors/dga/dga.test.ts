import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Dga, SUSPECTS_MAX } from './dga.ts';
import { countBits } from './evidence.ts';
import { dga } from './index.ts';
import { chanceRows, DnsBench, type DnsRow, letters, numbers } from './testing.ts';

const NXDOMAIN = 3;
type City = ConstructorParameters<typeof DnsBench>[1];

/** Failed look-ups of generated names, one each `every` seconds. */
function generate(
  b: DnsBench,
  count: number,
  o: { every?: number; start?: number; seed?: number; client?: string } = {},
): void {
  const next = numbers(o.seed ?? 1);
  const tlds = ['com', 'net', 'ru', 'info', 'biz'];
  for (let i = 0; i < count; i++) {
    const at = (o.start ?? 0) + i * (o.every ?? 3);
    const name = `${letters(next, 12 + (next() % 6))}.${tlds[next() % 5]}`;
    b.row({ at, name, rcode: NXDOMAIN, ...(o.client === undefined ? {} : { client: o.client }) });
    b.wait(at + 0.1);
  }
}

const left = 'river stone happy garden silver market winter office border little summer golden'.split(' ');
const right = 'table glass paper cloud train horse light bread house field water round'.split(' ');

/** Failed look-ups of names put together from words, each beside a name that resolves. */
function words(b: DnsBench, count: number, resolves = true): void {
  for (let i = 0; i < count; i++) {
    const site = `www.${left[i % 12]}-${right[(i >> 1) % 12]}.com`;
    b.row({ at: 4 * i, name: site, rcode: resolves ? 0 : NXDOMAIN });
    b.row({ at: 4 * i + 1, name: `${left[i % 12]}${right[Math.floor(i / 12)]}.net`, rcode: NXDOMAIN });
  }
}

describe('fires on', () => {
  it('generated names that fail, and names the one that resolved', () => {
    const b = new DnsBench(dga);
    generate(b, 12);
    b.row({ at: 40, name: 'qvkzwpthxmjr.ru', addresses: ['203.0.113.9'] });
    generate(b, 12, { start: 60, seed: 2 });
    b.wait(200);
    expect(b.all).toHaveLength(1);
    const [f] = b.all;
    expect(f).toMatchObject({
      severity: 'high',
      family: 'dns-command',
      asset: { ip: '10.0.0.1' },
      subject: { type: 'domain', value: 'qvkzwpthxmjr.ru' },
      links: ['domain:qvkzwpthxmjr.ru'],
      count: 24,
    });
    expect(f!.response.map((r) => r.record)).toEqual(['qvkzwpthxmjr.ru CNAME .', '*.qvkzwpthxmjr.ru CNAME .']);
    expect(f!.evidence[0]).toEqual({ file: 'test.pcap', frame: 1 });
    expect(f!.firstAt).toBeLessThanOrEqual(f!.at);
    expect(f!.at).toBeLessThanOrEqual(f!.lastAt);
    expect(f!.confidence).toBeGreaterThanOrEqual(0.9);
  });

  it('names put together from words, by their number alone', () => {
    const b = new DnsBench(dga);
    words(b, 144);
    b.wait(1000);
    expect(b.all).toHaveLength(1);
    expect(b.all[0]!.reasons.some((r) => r.text === 'they look like words' && r.bits < 0)).toBe(true);
  });
});

describe('fires despite', () => {
  it('a busy browser beside it', () => {
    const b = new DnsBench(dga);
    for (let i = 0; i < 300; i++)
      b.row({ at: i * 2, name: `www.${left[i % 12]}${right[(i * 7) % 12]}${i}.com`, addresses: ['192.0.2.1'] });
    generate(b, 20, { start: 600, every: 30 });
    expect(b.all).toHaveLength(1);
  });
  it('five minutes between the names', () => {
    const b = new DnsBench(dga);
    generate(b, 30, { every: 300 });
    expect(b.all).toHaveLength(1);
  });
  it('other infected clients that ask for the same names', () => {
    const b = new DnsBench(dga);
    for (let k = 1; k <= 8; k++) generate(b, 15, { client: `10.0.0.${k}`, start: k * 100 });
    expect(b.all).toHaveLength(8);
  });
});

describe('silent despite', () => {
  const silent = (title: string, rows: Iterable<DnsRow>, file: City = {}): void => {
    it(title, () => {
      const b = new DnsBench(dga, file);
      for (const r of rows) b.row(r);
      b.wait(1e6);
      expect(b.all).toEqual([]);
    });
  };
  const many = (n: number, f: (i: number, next: () => number) => DnsRow): DnsRow[] => {
    const next = numbers(n);
    return Array.from({ length: n }, (_, i) => f(i, next));
  };
  silent(
    'normal names, however many, with a failure in fifty (fault nDPI-2068, -1397)',
    many(3000, (i) => ({
      at: i,
      name: `www.${left[i % 12]}${right[(i * 5) % 12]}${i >> 3}.com`,
      rcode: i % 50 === 0 ? NXDOMAIN : 0,
    })),
  );
  silent(
    'block-list look-ups that fail, of many lists (fault StratosphereLinuxIPS-1061, -1746)',
    many(4000, (i, next) => ({
      at: i,
      name: `${next() & 255}.${next() & 255}.${next() & 255}.${next() & 255}.bl${i % 40}.list${i % 40}.org`,
      rcode: NXDOMAIN,
    })),
  );
  silent(
    'random single labels of a browser, also with a search suffix of the provider',
    many(200, (i, next) => ({
      at: i,
      name: i % 2 === 0 ? letters(next, 11) : `${letters(next, 11)}.customers.isp.net`,
      rcode: NXDOMAIN,
    })),
  );
  silent(
    'names of the home and of the site',
    many(300, (i, next) => ({
      at: i,
      name: `${letters(next, 10)}.${['local', 'lan', 'home', 'fritz.box', 'corp', 'home.arpa', 'internal'][i % 7]}`,
      rcode: NXDOMAIN,
    })),
  );
  silent(
    'a search list put behind whole names',
    many(200, (i) => ({ at: i, name: `www.${left[i % 12]}${i}.com.office.city.org`, rcode: NXDOMAIN })),
  );
  silent(
    'mistyped names, a handful an hour',
    many(24, (i) => ({
      at: i * 900,
      name: `${left[i % 12]}${right[i % 12]}${'x'.repeat(1 + (i % 3))}.com`,
      rcode: NXDOMAIN,
    })),
  );
  silent(
    'hosts of telemetry that are gone, under a domain that exists',
    many(300, (i, next) => ({
      at: i,
      name: i === 0 ? 'www.vendor.com' : `${letters(next, 16)}.vendor.com`,
      rcode: i === 0 ? 0 : NXDOMAIN,
    })),
  );
  silent(
    'a filter that says of hosts of advertisers that they do not exist',
    many(900, (i) => ({
      at: i * 4,
      name: i % 3 === 0 ? `ads.${left[i % 12]}${i % 60}.com` : `www.${left[i % 12]}${right[(i * 7) % 12]}${i}.com`,
      rcode: i % 3 === 0 ? NXDOMAIN : 0,
    })),
  );
  silent(
    'a portal that answers everything with itself',
    many(300, (i, next) => ({ at: i, name: `${letters(next, 12)}.com`, addresses: ['10.0.0.1'], ttl: 0 })),
  );
  it('a network without a way out: machines ask in vain for all that they know', () => {
    const b = new DnsBench(dga);
    words(b, 144, false);
    b.wait(1000);
    expect(b.all).toEqual([]);
  });
  silent(
    'a network that breaks: what resolved fails',
    many(400, (i) => ({ at: i, name: `${left[i % 12]}${i % 200}.com`, rcode: i < 200 ? 0 : NXDOMAIN })),
  );
  silent(
    'a dead domain that the software of all clients asks for',
    many(400, (i) => ({ at: i, name: `update${i >> 5}.com`, client: `10.0.1.${i & 31}`, rcode: NXDOMAIN })),
  );
});

describe('the city file', () => {
  it('a resolver that passes its clients’ names on is told low and keeps its trust', () => {
    const b = new DnsBench(dga, { dns: { resolvers: ['10.0.0.1'] } });
    generate(b, 30);
    expect(b.all[0]).toMatchObject({ severity: 'low', trustBits: 0, response: [] });
  });
  it('the asset is named, and a protected domain is never refused', () => {
    const b = new DnsBench(dga, {
      dns: { protected: ['qvkzwpthxmjr.ru'] },
      assets: [{ id: 'meter-1', role: 'smart-meter', ip: '10.0.0.1' }],
    });
    generate(b, 12);
    b.row({ at: 40, name: 'qvkzwpthxmjr.ru', addresses: ['203.0.113.9'] });
    generate(b, 12, { start: 60, seed: 2 });
    b.wait(200);
    expect(b.all[0]).toMatchObject({ asset: { id: 'meter-1', role: 'smart-meter' }, response: [] });
  });
});

describe('bits', () => {
  it('never fall as failures grow, and never rise as what resolves grows', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0, max: 500, noNaN: true }),
        fc.double({ min: 0, max: 5000, noNaN: true }),
        fc.nat(2),
        (n, m, w) => {
          expect(countBits(n + 1, m, m, w)).toBeGreaterThanOrEqual(countBits(n, m, m, w) - 1e-9);
          expect(countBits(n, m + 10, 9, w)).toBeLessThanOrEqual(countBits(n, m, 9, w) + 1e-9);
        },
      ),
      { seed: 5 },
    );
  });
});

describe('state', () => {
  it('keeps its bound under a flood of clients and names, counts what it drops, and still sees the infected one', () => {
    const b = new DnsBench(dga);
    const next = numbers(9);
    for (let i = 0; i < 30_000; i++) {
      b.row({
        at: i / 50,
        client: `10.${next() & 63}.${next() & 255}.${next() & 255}`,
        name: `${letters(next, 9)}.com`,
        rcode: NXDOMAIN,
      });
      if (i % 1000 === 0) generate(b, 1, { start: i / 50, seed: i });
    }
    const d = b.detector as Dga;
    expect(d.suspects.size).toBeLessThanOrEqual(SUSPECTS_MAX);
    expect(d.shed).toBeGreaterThan(0);
    expect(b.all.map((f) => f.asset.ip)).toContain('10.0.0.1');
  });

  it('resumes: cut anywhere, the claims are those of one run', () => {
    const run = (cut: number): DnsBench => {
      const b = new DnsBench(dga);
      for (let k = 0; k < 6; k++) {
        if (k === cut) b.restart();
        generate(b, 5, { start: 100 * k, seed: k });
        b.row({ at: 100 * k + 90, name: `qvkzwpthx${'abcdef'[k]}.ru`, addresses: ['203.0.113.9'] });
        if (k === cut) b.restart();
      }
      b.wait(1000);
      return b;
    };
    const whole = run(-1);
    expect(whole.all).toHaveLength(1);
    for (let cut = 0; cut < 6; cut++) expect(run(cut).all, `cut ${cut}`).toEqual(whole.all);
  });

  it('forgets: failures of long ago do not add up with those of today', () => {
    const b = new DnsBench(dga);
    for (let day = 0; day < 60; day++) generate(b, 1, { start: 86_400 * 2 * day, seed: day });
    expect(b.all).toEqual([]);
  });

  it('refuses a state of another version', () => {
    expect(() => new DnsBench(dga).detector.restore({ version: 99 })).toThrow('version 99');
  });

  it('10,000 rows of chance: no throw, and what is claimed is whole', () => {
    const b = new DnsBench(dga);
    for (const batch of chanceRows(10_000, 3)) b.detector.observe(batch);
    b.wait(2e6);
    for (const f of b.all) {
      expect(Number.isFinite(f.bits)).toBe(true);
      expect(f.confidence).toBeLessThanOrEqual(1);
    }
    expect(JSON.parse(JSON.stringify(b.detector.snapshot())).version).toBe(2);
  });
});
