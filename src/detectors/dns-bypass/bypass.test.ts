import { describe, expect, it } from 'vitest';
import { addressHash, FlowBatch, FlowPhase, parseAddress } from '#events';
import { chanceRows, DnsBench, letters, numbers } from '../dga/testing.ts';
import { type CityFile, FlowBench, type Row } from '../testing.ts';
import { CLIENTS_MAX, type DnsBypass } from './bypass.ts';
import { dnsBypass } from './index.ts';
import list from './resolvers.json' with { type: 'json' };
import { hintOf, operatorAt, operatorOf } from './resolvers.ts';

/** One detector that is fed rows of both kinds. */
class Bench {
  readonly dns: DnsBench;
  readonly #flow: FlowBench;
  #flows = 0;
  constructor(file: CityFile = {}) {
    this.dns = new DnsBench(dnsBypass, file);
    this.#flow = new FlowBench(dnsBypass, file);
    this.#flow.detector = this.dns.detector;
  }
  flow(r: Partial<Row> & { at: number }): void {
    this.#flow.row({ flow: ++this.#flows, phase: 'Open', ...r });
  }
  restart(): void {
    this.dns.restart();
    this.#flow.detector = this.dns.detector;
  }
  get all() {
    return this.dns.all;
  }
  covered(what: string): string {
    return this.dns.coverage.get(what)?.text ?? '';
  }
}

const city: CityFile = {
  dns: { resolvers: ['10.0.0.53'] },
  assets: [
    { id: 'meter-1', role: 'smart-meter', ip: '10.0.0.1' },
    { id: 'pc-1', role: 'workstation', ip: '10.0.0.2' },
  ],
};
const ask = (b: Bench, at: number, name: string, more: Record<string, unknown> = {}): void =>
  b.dns.row({ at, name, isResponse: false, ...more });

const signs: [string, string, (b: Bench, from: string) => void][] = [
  ['DoT', 'encrypted-dns', (b, from) => b.flow({ at: 1, from, to: '192.0.2.53', toPort: 853 })],
  ['DoQ', 'encrypted-dns', (b, from) => b.flow({ at: 1, from, to: '192.0.2.53', toPort: 853, protocol: 17 })],
  ['DoH', 'encrypted-dns', (b, from) => b.flow({ at: 1, from, to: '192.0.2.53', name: 'eu.cloudflare-dns.com' })],
  ['DoH', 'encrypted-dns', (b, from) => b.flow({ at: 1, from, to: '9.9.9.9' })],
  ['DoH', 'encrypted-dns', (b, from) => b.flow({ at: 1, from, to: '2620:fe::fe', protocol: 17 })],
  [
    'DNSCrypt',
    'encrypted-dns',
    (b, from) => ask(b, 1, '2.DNSCrypt-cert.Example.org', { qtype: 16, client: from, server: '192.0.2.53' }),
  ],
  [
    'DNSCrypt',
    'encrypted-dns',
    (b, from) => ask(b, 1, '2.secure.provider.org', { qtype: 16, client: from, server: '192.0.2.53', serverPort: 443 }),
  ],
  ['questions', 'foreign-resolvers', (b, from) => ask(b, 1, 'www.site.com', { client: from, server: '8.8.8.8' })],
];

describe('a field device of a city with resolvers', () => {
  it.each(signs)('%s (%s) is an event', (protocol, what, sign) => {
    const b = new Bench(city);
    sign(b, '10.0.0.1');
    b.dns.wait(5);
    expect(b.all).toMatchObject([{ severity: 'medium', family: 'dns-bypass', asset: { id: 'meter-1' } }]);
    expect(b.all[0]!.trustBits).toBeLessThan(b.all[0]!.bits);
    expect(b.covered(what)).toContain(protocol);
  });
  it('two protocols are high, and one finding', () => {
    const b = new Bench(city);
    signs[0]![2](b, '10.0.0.1');
    b.dns.wait(2);
    signs[2]![2](b, '10.0.0.1');
    signs[5]![2](b, '10.0.0.1');
    b.dns.wait(5);
    expect(b.all).toMatchObject([{ severity: 'high' }]);
  });
  it('the city’s own resolver is nobody’s bypass, encrypted or not', () => {
    const b = new Bench(city);
    for (let i = 0; i < 50; i++) ask(b, i, `a${i}.site.com`);
    b.flow({ at: 60, to: '10.0.0.53', toPort: 853 });
    b.dns.wait(100);
    expect(b.all).toEqual([]);
    expect(b.covered('encrypted-dns')).toContain('10.0.0.53');
  });
  it('a canary alone is a hint: no event', () => {
    const b = new Bench(city);
    ask(b, 1, 'use-application-dns.net');
    ask(b, 2, '_dns.resolver.arpa', { qtype: 64 });
    b.dns.wait(5);
    expect(b.all.filter((f) => f.severity !== 'low')).toEqual([]);
    expect(b.covered('encrypted-dns-hints')).toContain('DDR');
  });
});

describe('anybody else', () => {
  const officeLike: [string, CityFile][] = [
    ['no city file', {}],
    ['an office client of a city with resolvers', city],
    ['a field device of a city that names no resolvers', { assets: city.assets! }],
  ];
  it.each(officeLike)('%s: coverage, no event', (title, file) => {
    const b = new Bench(file);
    const from = title.startsWith('a field') ? '10.0.0.1' : '10.0.0.2';
    for (const [, , sign] of signs) for (let k = 0; k < 20; k++) sign(b, from);
    b.dns.wait(100);
    expect(b.all).toEqual([]);
    expect(b.covered('encrypted-dns')).toMatch(/DoT 20 .*DoQ 20 .*DoH 60 .*DNSCrypt 40 /);
  });
  it('the resolvers themselves ask whom they like', () => {
    const b = new Bench(city);
    ask(b, 1, 'www.site.com', { client: '10.0.0.53', server: '198.41.0.4' });
    b.dns.wait(5);
    expect(b.covered('foreign-resolvers')).toBe('');
  });
});

describe('what is no DNS on the DNS port', () => {
  it('is told by volume and direction (fault nDPI-2558: first it is decided that it is no DNS)', () => {
    const b = new Bench();
    for (let i = 0; i < 200; i++)
      b.dns.row({ at: i, foreign: 1, isResponse: i % 2 === 1, bytes: 1200, server: '192.0.2.7' });
    b.dns.wait(300);
    expect(b.all).toMatchObject([{ severity: 'medium', subject: { type: 'ip', value: '192.0.2.7' }, count: 200 }]);
    expect(b.all[0]!.title).toContain('no DNS');
    expect(b.all[0]!.reasons[0]!.text).toContain('120000 bytes up and 120000 down');
  });
  it('a stray datagram is a fault, not a finding', () => {
    const b = new Bench();
    for (let i = 0; i < 4; i++) b.dns.row({ at: i, foreign: 1, bytes: 60_000, client: `10.0.1.${i}` });
    b.dns.wait(300);
    expect(b.all).toEqual([]);
  });
  it('DNS is not taken for something else, malformed or not', () => {
    const b = new Bench();
    for (let i = 0; i < 500; i++) b.dns.row({ at: i, isResponse: false, bytes: 1200, qtype: 0, rcode: -1 });
    b.dns.wait(1000);
    expect(b.all).toEqual([]);
  });
  it('iodine’s raw mode is high at its second message', () => {
    const b = new Bench();
    b.dns.row({ at: 0, foreign: 2, bytes: 30, server: '192.0.2.7' });
    b.dns.wait(0.5);
    expect(b.all).toMatchObject([{ severity: 'medium', tool: 'iodine' }]);
    b.dns.row({ at: 1, foreign: 2, bytes: 30, server: '192.0.2.7' });
    b.dns.wait(2);
    expect(b.all).toMatchObject([{ severity: 'high', response: [{ type: 'nft' }] }]);
    expect(b.all).toHaveLength(1);
  });
});

describe('addresses that nobody named', () => {
  /** The device asks, is answered, and speaks to what it was told; then it speaks to others. */
  const scene = (
    b: Bench,
    o: { asks?: number; later?: boolean; answeredLate?: boolean; client?: string } = {},
  ): void => {
    const client = o.client ?? '10.0.0.1';
    for (let i = 0; i < (o.asks ?? 20); i++) {
      ask(b, i, `a${i}.site.com`, { client });
      b.dns.row({ at: i + 0.1, name: `a${i}.site.com`, addresses: [`198.51.100.${i + 1}`], client });
      b.flow({ at: i + 0.2, from: client, to: `198.51.100.${i + 1}` });
    }
    for (let i = 0; i < 30; i++) {
      const at = 7200 + 10 * i;
      if (o.later) ask(b, at, `b${i}.site.com`, { client });
      b.flow({ at: at + 0.1, from: client, to: `203.0.113.${i + 1}` });
      if (o.answeredLate) b.dns.row({ at: at + 1, name: `b${i}.site.com`, addresses: [`203.0.113.${i + 1}`], client });
    }
    b.dns.wait(7700);
  };
  it('are an event for a field device that asks no more', () => {
    const b = new Bench(city);
    scene(b);
    expect(b.all).toMatchObject([{ severity: 'medium', asset: { id: 'meter-1' } }]);
    expect(b.all[0]!.title).toContain('no answer named');
  });
  it('are coverage for an office client', () => {
    const b = new Bench(city);
    scene(b, { client: '10.0.0.2' });
    expect(b.all).toEqual([]);
    expect(b.covered('unnamed-addresses')).toContain('1 clients');
  });
  it.each([
    ['the capture holds none of its DNS', { asks: 0 }],
    ['it still asks', { later: true }],
    ['the answer came after the flow (fault StratosphereLinuxIPS-752)', { answeredLate: true }],
  ])('are nothing where %s', (_, o) => {
    const b = new Bench(city);
    scene(b, o);
    expect(b.all).toEqual([]);
    expect(b.covered('unnamed-addresses')).toBe('');
  });
});

describe('the list of resolvers', () => {
  it('holds on dot boundaries, and its addresses are addresses', () => {
    expect(operatorOf('a.dns.google')).toBe('Google');
    expect(operatorOf('xdns.google')).toBeUndefined();
    expect(operatorOf('')).toBeUndefined();
    const w = new Uint32Array(4);
    for (const addresses of Object.values(list.addresses))
      for (const a of addresses) {
        expect(parseAddress(a, w, 0), a).toBe(true);
        expect(operatorAt(addressHash(w, 0)), a).toBeDefined();
      }
    expect(hintOf(1)).toBeUndefined();
  });
});

describe('DNSCrypt by its sizes', () => {
  const flows = (up: number, down: number, count: number): string => {
    const b = new Bench();
    const batch = new FlowBatch();
    for (let k = 0; k < count; k++) {
      batch.count = 1;
      batch.at[0] = 1.7e15 + k * 1e6;
      batch.firstAt[0] = batch.at[0]!;
      batch.flow[0] = k + 1;
      batch.phase[0] = FlowPhase.Close;
      batch.protocol[0] = 17;
      parseAddress('10.0.0.1', batch.addresses, 0);
      parseAddress('192.0.2.9', batch.addresses, 4);
      batch.responderPort[0] = 443;
      batch.originatorPackets[0] = 1;
      batch.responderPackets[0] = 1;
      batch.originatorPayloadBytes[0] = up;
      batch.responderPayloadBytes[0] = down;
      b.dns.detector.observe(batch);
    }
    b.dns.wait(100);
    return b.covered('encrypted-dns');
  };
  it('tells from the second flow of that make', () => {
    expect(flows(68 + 256, 48 + 128, 2)).toContain('DNSCrypt');
    expect(flows(512, 48 + 64, 2)).toContain('DNSCrypt');
    expect(flows(512, 48 + 64, 1)).toBe('');
    expect(flows(513, 48 + 64, 20)).toBe('');
    expect(flows(512, 64, 20)).toBe('');
  });
});

describe('state', () => {
  it('keeps its bound under a flood of clients, counts what it drops, and still sees the meter', () => {
    const b = new Bench(city);
    const next = numbers(9);
    for (let i = 0; i < 20_000; i++) {
      const from = `10.${1 + (next() & 63)}.${next() & 255}.${next() & 255}`;
      if (i % 2 === 0) ask(b, i / 100, `${letters(next, 9)}.com`, { client: from, server: `8.8.${next() & 255}.8` });
      else b.flow({ at: i / 100, from, to: `192.0.2.${next() & 255}`, toPort: 853 });
      if (i === 100) signs[0]![2](b, '10.0.0.1');
    }
    b.dns.wait(300);
    const d = b.dns.detector as DnsBypass;
    expect(d.clients.size).toBeLessThanOrEqual(CLIENTS_MAX);
    expect(d.shed).toBeGreaterThan(0);
    expect(b.all.map((f) => f.asset.id)).toEqual(['meter-1']);
    // The coverage text stays a sentence.
    expect(b.covered('foreign-resolvers').length).toBeLessThan(400);
  });
  it('resumes: cut anywhere, claims and coverage are those of one run', () => {
    const run = (cut: number): Bench => {
      const b = new Bench(city);
      for (let k = 0; k < 8; k++) {
        if (k === cut) b.restart();
        signs[k]![2](b, '10.0.0.1');
        b.dns.row({ at: k, foreign: 2, bytes: 99 });
        if (k === cut) b.restart();
        for (let i = 0; i < 12; i++) ask(b, 10 * k + i / 2, `a${i}.com`);
        b.flow({ at: 10 * k, to: `203.0.113.${k}` });
        b.dns.wait(10 * k + 7);
      }
      b.dns.wait(9000);
      return b;
    };
    const whole = run(-1);
    expect(whole.all.length).toBe(2);
    for (let cut = 0; cut < 8; cut++) {
      const other = run(cut);
      expect(other.all, `cut ${cut}`).toEqual(whole.all);
      expect([...other.dns.coverage], `cut ${cut}`).toEqual([...whole.dns.coverage]);
    }
  });
  it('refuses a state of another version', () => {
    expect(() => new Bench().dns.detector.restore({ version: 99 })).toThrow('version 99');
  });
  it('10,000 rows of chance of each kind: no throw, and what is claimed is whole', () => {
    const b = new Bench(city);
    for (const batch of chanceRows(10_000, 5)) b.dns.detector.observe(batch);
    const next = numbers(6);
    const batch = new FlowBatch();
    for (let done = 0; done < 10_000; done += 1000) {
      batch.count = 1000;
      for (let k = 0; k < batch.bytes.length; k++) batch.bytes[k] = next();
      for (let k = 0; k < 8 * batch.count; k++) batch.addresses[k] = next() % 3 === 0 ? 0xffff : next() % 9;
      for (let i = 0; i < batch.count; i++) {
        for (const column of [
          batch.flow,
          batch.firstAt,
          batch.lastAt,
          batch.at,
          batch.originatorPayloadBytes,
          batch.responderPayloadBytes,
        ])
          column[i] = next();
        for (const column of [
          batch.phase,
          batch.protocol,
          batch.service,
          batch.state,
          batch.originatorPackets,
          batch.responderPackets,
        ])
          column[i] = next() % 20;
        batch.responderPort[i] = [443, 853, 53, next()][next() % 4]!;
        batch.nameOffset[i] = next() % (batch.bytes.length - 64);
        batch.nameBytes[i] = next() % 64;
      }
      b.dns.detector.observe(batch);
      b.dns.wait(done);
    }
    for (const f of b.all) expect(Number.isFinite(f.bits)).toBe(true);
    expect(JSON.parse(JSON.stringify(b.dns.detector.snapshot())).version).toBe(2);
  });
});
