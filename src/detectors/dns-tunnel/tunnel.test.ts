import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { City } from '#city';
import { addressHash, DnsBatch } from '#events';
import type { Finding } from '#findings';
import { hashLowerCased, textToWire } from '#lib/wirename';
import { NameCode } from './bound.ts';
import { NameMeasure } from './names.ts';
import { DnsTunnel, findZone, SUSPECTS_MAX } from './tunnel.ts';
import { zoneCut } from './zonecut.ts';

type CityFile = ConstructorParameters<typeof City>[0];

const A = 1;
const CNAME = 5;
const NULL = 10;
const MX = 15;
const TXT = 16;

interface Ask {
  name: string;
  qtype?: number;
  /** Seconds. */
  at?: number;
  client?: number;
  /** Answer data octets; undefined leaves the answer out. */
  down?: number;
  rcode?: number;
  serverPort?: number;
  server?: number;
}

/** A detector with what it claimed; rows are fed one at a time and spoiled afterwards. */
class Bench {
  readonly claims = new Map<string, Finding>();
  first: Finding | undefined;
  readonly detector: DnsTunnel;
  #place = 0;
  readonly #batch = new DnsBatch();

  constructor(file: CityFile = {}) {
    this.detector = new DnsTunnel({
      city: new City(file, '.'),
      evidenceAll: false,
      claim: (f) => {
        this.first ??= f;
        this.claims.set(f.id, f);
      },
      cover: () => {},
    });
  }

  ask(a: Ask): void {
    this.#row(a, 0);
    if (a.down !== undefined || a.rcode !== undefined) this.#row(a, 1);
  }

  #row(a: Ask, isResponse: number): void {
    const b = this.#batch;
    b.count = 1;
    b.origin = { file: 'test.pcap', placed: 'frame' };
    b.at[0] = 1.7e15 + (a.at ?? this.#place) * 1e6;
    b.place[0] = ++this.#place;
    b.addresses.set([0, 0, 0xffff, a.client ?? 0x0a000001, 0, 0, 0xffff, a.server ?? 0x0a000035]);
    b.clientHash[0] = addressHash(b.addresses, 0);
    b.serverPort[0] = a.serverPort ?? 53;
    b.isResponse[0] = isResponse;
    b.opcode[0] = 0;
    b.rcode[0] = isResponse === 1 ? (a.rcode ?? 0) : -1;
    b.qtype[0] = a.qtype ?? A;
    b.nameOffset[0] = 0;
    b.nameBytes[0] = textToWire(a.name, b.bytes, 0);
    if (b.nameBytes[0]! <= 0) throw new Error(`no name: ${a.name}`);
    b.nameHash[0] = hashLowerCased(b.bytes, 0, b.nameBytes[0]!);
    b.answerDataBytes[0] = isResponse === 1 ? (a.down ?? 0) : 0;
    b.answerType[0] = isResponse === 1 && (a.rcode ?? 0) === 0 ? (a.qtype ?? A) : 0;
    this.detector.observe(b);
    b.bytes.fill(0xa5, 0, 300);
  }

  end(): Finding[] {
    this.detector.end();
    return [...this.claims.values()];
  }
}

const base32 = 'abcdefghijklmnopqrstuvwxyz234567';
function random(seed: number): (n: number, alphabet?: string) => string {
  let s = seed >>> 0;
  return (n, alphabet = base32) =>
    Array.from({ length: n }, () => {
      s = (Math.imul(s, 1664525) + 1013904223) >>> 0;
      return alphabet[(s >>> 10) % alphabet.length];
    }).join('');
}
const hex = '0123456789abcdef';

describe('fires on', () => {
  it('an unknown tool in TXT, with the exact records a policy zone needs', () => {
    const r = random(1);
    const b = new Bench();
    for (let i = 0; i < 20; i++) b.ask({ name: `${r(40)}.up.tunnel.example`, qtype: TXT, at: i, down: 100 });
    const [f] = b.end();
    expect(f).toMatchObject({
      severity: 'high',
      plane: 'dns',
      asset: { ip: '10.0.0.1' },
      subject: { type: 'domain', value: 'up.tunnel.example' },
    });
    expect(f!.response).toEqual([
      { type: 'rpz', record: 'up.tunnel.example CNAME .' },
      { type: 'rpz', record: '*.up.tunnel.example CNAME .' },
    ]);
    expect(f!.confidence).toBeGreaterThanOrEqual(0.9);
    expect(f!.leakedBytesAtAlert).toBeLessThanOrEqual(200);
    expect(f!.leakedBytes).toBeGreaterThan(400);
    expect(f!.evidence[0]).toEqual({ file: 'test.pcap', frame: 1 });
    expect(f!.tool).toBeUndefined();
    const bits = f!.reasons.map((x) => Math.abs(x.bits));
    expect(bits).toEqual([...bits].sort((x, y) => y - x));
  });

  it('short hex, whose entropy a character is that of words (fault pipelock-642)', () => {
    const r = random(7);
    const b = new Bench();
    for (let i = 0; i < 40; i++) b.ask({ name: `${r(16, hex)}.k.notes.example`, qtype: TXT, at: i, down: 20 });
    expect(b.end()[0]).toMatchObject({ severity: 'high', subject: { value: 'k.notes.example' } });
  });

  it('two queries of iodine, and says so', () => {
    const b = new Bench();
    b.ask({ name: 'vaaaakardli.pirate.example', qtype: NULL, down: 9 });
    b.ask({ name: 'laegpumiplhhpz12ynd1efljwlkjcgwy.pirate.example', qtype: NULL, down: 29 });
    expect(b.end()[0]).toMatchObject({ tool: 'iodine', severity: 'high', subject: { value: 'pirate.example' } });
  });

  it('answers that bring a script down though the names are tiny and numbered', () => {
    const b = new Bench();
    for (let i = 0; i < 50; i++) b.ask({ name: `l.${i}.ns.script.example`, qtype: TXT, at: i, down: 85 });
    expect(b.end()[0]).toMatchObject({ subject: { value: 'ns.script.example' } });
  });

  it('names without any zone (tools that ask their server directly)', () => {
    const r = random(2);
    const b = new Bench();
    for (let i = 0; i < 5; i++) b.ask({ name: `tool.${r(60, hex)}.${r(30, hex)}7`, qtype: MX, at: i, down: 20 });
    const [f] = b.end();
    expect(f!.subject.value).toBe('tool.*');
    expect(f!.response).toEqual([]);
  });
});

describe('fires despite', () => {
  it('days between the queries', () => {
    const r = random(3);
    const b = new Bench();
    for (let i = 0; i < 12; i++) b.ask({ name: `${r(32)}.slow.example`, qtype: CNAME, at: i * 86400, down: 40 });
    expect(b.end()).toHaveLength(1);
  });

  it('a search suffix appended to the zone: the cut lies below the site domain', () => {
    const r = random(4);
    const b = new Bench();
    for (let i = 0; i < 8; i++) b.ask({ name: `${r(34, hex)}.evil.example.CORP.LOCAL`, qtype: TXT, at: i, down: 20 });
    expect(b.end()[0]!.subject.value).toBe('evil.example.corp.local');
  });

  it('a shared dynamic suffix: only the tenant is cut', () => {
    const r = random(5);
    const b = new Bench();
    for (let i = 0; i < 8; i++) b.ask({ name: `${r(40)}.victim.duckdns.org`, qtype: TXT, at: i, down: 60 });
    expect(b.end()[0]!.response[0]!.record).toBe('victim.duckdns.org CNAME .');
  });

  it('address look-ups only, once the volume outgrows a service', () => {
    const r = random(6);
    const b = new Bench();
    for (let i = 0; i < 600; i++) b.ask({ name: `${r(60, hex)}.evil.example`, at: i / 5, rcode: 0 });
    expect(b.end()[0]!.severity).toBe('high');
  });

  it('benign look-ups of the same client in between', () => {
    const r = random(7);
    const b = new Bench();
    for (let i = 0; i < 2000; i++) {
      b.ask({ name: `${['www', 'mail', 'api', 'img'][i % 4]}.site${i % 300}.example`, at: i, rcode: 0 });
      if (i % 200 === 0) b.ask({ name: `${r(30)}.evil.example`, qtype: CNAME, at: i, down: 40 });
    }
    expect(b.end().map((f) => f.subject.value)).toEqual(['evil.example']);
  });
});

describe('low and slow', () => {
  /** Look-ups one by one until the first claim. */
  const until = (b: Bench, limit: number, ask: (i: number) => Ask): Finding | undefined => {
    for (let i = 0; i < limit && b.first === undefined; i++) b.ask(ask(i));
    return b.first;
  };
  it.each([
    ['34 characters each 30 s (0.7 B/s)', 34, 30],
    ['50 characters each half hour', 50, 1800],
    ['16 characters a minute', 16, 60],
    ['16 characters each half hour', 16, 1800],
  ])('%s, answered with addresses, within 1 kB', (_, characters, seconds) => {
    const r = random(11);
    const f = until(new Bench(), 200, (i) => ({
      name: `${r(characters)}.cdn.updates.example`,
      at: i * seconds,
      rcode: 0,
    }));
    expect(f).toMatchObject({ severity: 'medium', subject: { value: 'cdn.updates.example' } });
    expect(f!.leakedBytesAtAlert).toBeLessThanOrEqual(1000);
  });

  it('data in labels that are made to look like services', () => {
    const r = random(15);
    const f = until(new Bench(), 200, (i) => ({
      name: `_${r(15)}._${r(15)}._${r(15)}._${r(15)}.evil.example`,
      qtype: TXT,
      at: i,
      down: 60,
    }));
    expect(f).toMatchObject({ severity: 'medium', subject: { value: 'evil.example' } });
    expect(f!.leakedBytesAtAlert).toBeLessThanOrEqual(1000);
  });

  it('data coded as words', () => {
    const r = random(12);
    const words = Array.from(
      { length: 256 },
      () => `${r(1, 'bcdfglmnprst')}${r(1, 'aeiou')}${r(1, 'nrlst')}${r(1, 'aeiou')}${r(1, 'nst')}`,
    );
    const pick = (): string => words[Number.parseInt(r(2, hex), 16)]!;
    const f = until(new Bench(), 5000, (i) => ({
      name: `${pick()}-${pick()}.${pick()}.notes.example`,
      at: i * 20,
      rcode: 0,
    }));
    expect(f).toMatchObject({ severity: 'medium' });
    expect(f!.leakedBytesAtAlert).toBeLessThanOrEqual(6000);
  });

  it('a tunnel inside a delegated reverse zone is cut there, not at the block above', () => {
    const r = random(13);
    const b = new Bench();
    for (let i = 0; i < 20; i++) b.ask({ name: `${r(40)}.17.113.0.203.in-addr.arpa`, qtype: TXT, at: i, down: 80 });
    const [f] = b.end();
    expect(f).toMatchObject({ severity: 'high', subject: { value: '17.113.0.203.in-addr.arpa' } });
    expect(f!.response[1]!.record).toBe('*.17.113.0.203.in-addr.arpa CNAME .');
  });

  const sunburst = join(process.env.PARAPET_CORPUS ?? '../shared/corpus', 'dns/domains/sunburst-hostnames.txt');
  it.skipIf(!existsSync(sunburst))(`names of a real campaign, one in half an hour (${sunburst})`, () => {
    const names = readFileSync(sunburst, 'utf8')
      .split('\n')
      .filter((n) => n !== '');
    for (const start of [0, 400, 1200]) {
      const f = until(new Bench(), 200, (i) => ({ name: names[start + i]!, at: i * 1800, rcode: 0 }));
      expect(f!.leakedBytesAtAlert).toBeLessThanOrEqual(1000);
    }
  });
});

describe('the lossless bound', () => {
  it('of a session’s constant labels is next to nothing, of random ones what they hold', () => {
    const r = random(14);
    const code = new NameCode();
    const m = new NameMeasure();
    const bytes = new Uint8Array(256);
    const cost = (name: string): number => {
      const end = textToWire(name, bytes, 0);
      findZone(bytes, 0, end, m);
      return code.add(bytes, m);
    };
    for (let i = 0; i < 200; i++) cost(`${r(32)}.s.evil.example`);
    const random32 = Array.from({ length: 50 }, () => cost(`${r(32)}.s.evil.example`)).reduce((a, b) => a + b) / 50;
    expect(random32 / 8).toBeGreaterThan(20);
    expect(random32 / 8).toBeLessThan(24);
    expect(cost(`${'a'.repeat(32)}.s.evil.example`)).toBeGreaterThan(100);
    expect(cost(`${'a'.repeat(32)}.s.evil.example`)).toBe(10);
  });
});

describe('silent despite', () => {
  const silent = (title: string, asks: Ask[]): void => {
    it(title, () => {
      const b = new Bench();
      for (const a of asks) b.ask(a);
      expect(b.end()).toEqual([]);
    });
  };
  const many = <T>(n: number, f: (i: number, r: ReturnType<typeof random>) => T): T[] => {
    const r = random(n);
    return Array.from({ length: n }, (_, i) => f(i, r));
  };
  const quad = (r: ReturnType<typeof random>): string =>
    Array.from({ length: 4 }, () => Number.parseInt(r(2, hex), 16)).join('.');
  silent(
    'block-list look-ups, a thousand an hour (faults StratosphereLinuxIPS-1061, -1746)',
    many(1000, (i, r) => ({ name: `${quad(r)}.bl.mail.example`, at: i * 3.6, rcode: 3 })),
  );
  silent(
    'origin look-ups in TXT',
    many(200, (i, r) => ({ name: `${quad(r)}.origin.asn.example`, qtype: TXT, at: i * 18, down: 50 })),
  );
  silent(
    'a virus scanner with hashes in address look-ups',
    many(100, (i, r) => ({ name: `${r(50)}.a.e.scan.example`, at: i * 36, rcode: 3 })),
  );
  silent(
    'delivery network shards',
    many(60, (i, r) => ({ name: `d${r(13)}.cdn.example`, at: i * 60, rcode: 0 })),
  );
  silent(
    'key selectors',
    many(8, (i, r) => ({ name: `${r(32)}._domainkey.mailer.example`, qtype: TXT, at: i * 400, down: 230 })),
  );
  silent(
    'domain controllers and their GUIDs',
    many(6, (i, r) => ({
      name: `_ldap._tcp.${r(8, hex)}-${r(4, hex)}-${r(4, hex)}.domains._msdcs.corp.example`,
      qtype: 33,
      at: i * 400,
      down: 40,
    })),
  );
  // Seen in the packets of an emulation's honest hosts (names of [MS-ADTS] 6.3.2.3).
  const located = (type: string, inside: string): string[] =>
    ['', 'Default-First-Site-Name._sites.'].map((site) => `_${type}._tcp.${site}${inside}corp.example`);
  const locators = [
    ...['dc._msdcs.', 'gc._msdcs.', 'pdc._msdcs.', 'ForestDnsZones.', 'DomainDnsZones.', ''].flatMap((x) =>
      located('ldap', x),
    ),
    ...['dc._msdcs.', ''].flatMap((x) => located('kerberos', x)),
  ];
  silent(
    'a member of a domain that looks for its controllers each morning, whose browser probes with random names in its suffix',
    many(14, (day, r) => {
      const at = day * 86_400;
      return [
        ...locators.map((name, i) => ({ name, qtype: 33, at: at + i, down: 40 })),
        ...[1, 2, 3].map((i) => ({
          name: `${r(6 + (day % 5) + i, 'abcdefghijklmnopqrstuvwxyz')}.corp.example`,
          at: at + 60 + i,
          rcode: 3,
        })),
        { name: 'wpad.corp.example', at: at + 90, rcode: 3 },
      ];
    }).flat(),
  );
  silent(
    'a reverse sweep',
    many(500, (i) => ({ name: `${i & 255}.${i >> 8}.0.10.in-addr.arpa`, qtype: 12, at: i })),
  );
  silent(
    'one telemetry host with a hash, asked for ever',
    many(500, (i) => ({ name: 'dd625ffb4fc54735b281862aa1cd6cd4.us.cloud.example', at: i * 60, rcode: 0 })),
  );
  silent(
    'random single labels of browsers',
    many(30, (i, r) => ({ name: r(10, 'abcdefghijklmnopqrstuvwxyz'), at: i, rcode: 3 })),
  );
  silent(
    'multicast names with raw data (fault StratosphereLinuxIPS-2102)',
    many(50, (i, r) => ({
      name: `${r(40)}.local`,
      qtype: TXT,
      at: i,
      down: 200,
      serverPort: 5353,
      server: 0xe00000fb,
    })),
  );
  silent(
    'hosts of many registrants under a country suffix (fault maltrail-11820)',
    many(400, (i) => ({ name: `www.shop${i}.co.uk`, at: i, rcode: 0 })),
  );
});

describe('the city file', () => {
  const tunnel = (b: Bench, zone: string): Finding[] => {
    const r = random(8);
    for (let i = 0; i < 20; i++) b.ask({ name: `${r(40)}.${zone}`, qtype: TXT, at: i, down: 100 });
    return b.end();
  };
  it('an allowed zone is silent at a service volume, on dot boundaries only', () => {
    expect(tunnel(new Bench({ dns: { allow: ['scan.example'] } }), 'scan.example')[0]?.response ?? []).toEqual([]);
    expect(tunnel(new Bench({ dns: { allow: ['scan.example'] } }), 'evilscan.example')[0]!.severity).toBe('high');
  });
  it('a protected zone is reported and never blocked', () => {
    const [f] = tunnel(new Bench({ dns: { protected: ['city.example'] } }), 'city.example');
    expect(f).toMatchObject({ severity: 'medium', response: [] });
  });
  it('the asset and its role are named, and a field role adds bits', () => {
    const plain = tunnel(new Bench(), 'evil.example')[0]!;
    const [f] = tunnel(new Bench({ assets: [{ id: 'meter-1', role: 'smart-meter', ip: '10.0.0.1' }] }), 'evil.example');
    expect(f!.asset).toEqual({ id: 'meter-1', ip: '10.0.0.1', role: 'smart-meter' });
    expect(f!.bits).toBeGreaterThan(plain.bits);
  });
});

describe('bounds', () => {
  it('forgets the least suspected at its capacity, counts it, and still sees the tunnel', () => {
    const r = random(9);
    const b = new Bench();
    for (let i = 0; i < SUSPECTS_MAX + 2000; i++) {
      b.ask({ name: `${r(20)}.z${i}.example`, at: i / 100 });
      if (i % 500 === 0) b.ask({ name: `${r(40)}.evil.example`, qtype: TXT, at: i / 100, down: 100 });
    }
    expect(b.detector.suspects.length).toBe(SUSPECTS_MAX);
    expect(b.detector.shed).toBeGreaterThan(0);
    expect(b.end().some((f) => f.subject.value === 'evil.example')).toBe(true);
  });

  it('resumes from a snapshot with the same output', () => {
    const rows: Ask[] = [];
    const r = random(10);
    for (let i = 0; i < 40; i++) {
      rows.push({ name: `${r(24)}.evil.example`, qtype: i % 2 === 0 ? TXT : CNAME, at: i * 50, down: 30 });
      rows.push({ name: `h${i % 9}.site.example`, at: i * 50, rcode: 0 });
    }
    const straight = new Bench();
    for (const a of rows) straight.ask(a);
    for (const cut of [0, 3, 41]) {
      const before = new Bench();
      for (const a of rows.slice(0, cut)) before.ask(a);
      const state = JSON.parse(JSON.stringify(before.detector.snapshot()));
      const resumed = new Bench();
      resumed.detector.restore(state);
      // Places go on where the first run stopped.
      const places = resumed as unknown as { ask(a: Ask): void };
      for (const a of rows.slice(cut)) places.ask(a);
      const [want] = straight.end();
      const [got] = resumed.end();
      expect({ ...got, id: '', evidence: [] }).toEqual({ ...want, id: '', evidence: [] });
    }
  });

  it('refuses a snapshot of another version', () => {
    expect(() => new Bench().detector.restore({ version: 99 })).toThrow('version 99');
  });

  it('any name and type: no throw, bits finite, confidence within 0 and 1', () => {
    const label = fc
      .string({ minLength: 1, maxLength: 30, unit: 'binary-ascii' })
      .map((l) => l.replace(/[^\x21-\x7e]|[\\.]/g, 'x') || 'x');
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.array(label, { minLength: 1, maxLength: 5 }), fc.nat(65535), fc.nat(3000)), {
          maxLength: 30,
        }),
        (asks) => {
          const b = new Bench();
          for (const [labels, qtype, down] of asks) b.ask({ name: labels.join('.'), qtype, down });
          for (const f of b.end()) {
            expect(Number.isFinite(f.bits)).toBe(true);
            expect(f.confidence).toBeGreaterThanOrEqual(0);
            expect(f.confidence).toBeLessThanOrEqual(1);
          }
        },
      ),
      { numRuns: 30, seed: 3 },
    );
  });

  it('more evidence never lowers what was claimed', () => {
    const r = random(11);
    const b = new Bench();
    let last = 0;
    for (let i = 0; i < 60; i++) {
      b.ask({ name: `${r(40)}.evil.example`, qtype: TXT, at: i * 600, down: 100 });
      const bits = b.end()[0]?.bits ?? 0;
      expect(bits).toBeGreaterThanOrEqual(last);
      last = bits;
    }
  });
});

describe('the zone cut', () => {
  const wire = (text: string): string =>
    `${text
      .split('.')
      .map((l) => String.fromCharCode(l.length) + l)
      .join('')}\u0000`;
  const cut = (registered: number, ...names: string[]): string => zoneCut(names.map(wire), registered).join('.');
  it('is the deepest suffix under which labels vary', () => {
    expect(cut(2, 'a.up.t.example', 'b.down.t.example')).toBe('t.example');
    expect(cut(2, 'ab.s.t.example', 'cd.s.t.example')).toBe('s.t.example');
  });
  it('leaves data labels that have not varied yet', () => {
    expect(cut(2, 'laegpumiplhhpz12ynd1efljwlkjcgwy.t.evil.example')).toBe('t.evil.example');
  });
  it('is never above the registered domain', () => {
    expect(cut(2, 'a.evil.example')).toBe('evil.example');
  });
});
