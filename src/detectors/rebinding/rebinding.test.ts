import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { City } from '#city';
import { parseAddress } from '#events';
import { textToWire } from '#lib/wirename';
import { chanceRows, DnsBench, letters, numbers } from '../dga/testing.ts';
import { familyOf, Place, placeOf } from './address.ts';
import { rebinding } from './index.ts';
import { outsideZone, siteZones, spells } from './outside.ts';
import { type Rebinding, SUSPECTS_MAX } from './rebinding.ts';

const words = new Uint32Array(4);
const place = (text: string): number => {
  if (!parseAddress(text, words, 0)) throw new Error(text);
  return placeOf(words, 0);
};

describe('the place of an address', () => {
  it.each([
    ['192.0.2.1', Place.Public],
    ['10.1.2.3', Place.Private],
    ['172.15.0.1', Place.Public],
    ['172.31.255.255', Place.Private],
    ['172.32.0.1', Place.Public],
    ['192.168.0.1', Place.Private],
    ['127.0.0.1', Place.Loopback],
    ['127.0.0.4', Place.List],
    ['169.254.169.254', Place.LinkLocal],
    ['0.0.0.0', Place.Zero],
    ['100.64.0.1', Place.Shared],
    ['100.128.0.1', Place.Public],
    ['::', Place.Zero],
    ['::1', Place.Loopback],
    ['::ffff:10.0.0.1', Place.Private],
    ['::10.0.0.1', Place.Private],
    ['64:ff9b::10.0.0.1', Place.Private],
    ['64:ff9b::192.0.2.1', Place.Public],
    ['64:ff9b:1::1', Place.Private],
    ['2002:c0a8:101::1', Place.Private],
    ['2002:c000:201::1', Place.Public],
    ['fe80::1', Place.LinkLocal],
    ['fd00::1', Place.Private],
    ['fec0::1', Place.Private],
    ['2001:db8::1', Place.Public],
  ])('%s', (text, want) => {
    expect(place(text)).toBe(want);
  });
  it('IPv4 in any dress is one family', () => {
    const family = (text: string): number => {
      parseAddress(text, words, 0);
      return familyOf(words, 0);
    };
    expect(['192.0.2.1', '::ffff:10.0.0.1', '64:ff9b::10.0.0.1', '2002:a00:1::'].map(family)).toEqual([4, 4, 4, 4]);
    expect(['::', '::1', 'fd00::1', '2001:db8::1', '64:ff9b:1::1'].map(family)).toEqual([6, 6, 6, 6, 6]);
  });
});

const outside = ['203.0.113.5'];
const inside = ['192.168.1.1'];
/** The name turns inward `turns` times. */
function rebind(
  b: DnsBench,
  o: {
    name?: string;
    ttl?: number;
    to?: string[];
    turns?: number;
    start?: number;
    server?: string;
    client?: string;
  } = {},
): void {
  const name = o.name ?? 'a7.pages.com';
  const client = o.client === undefined ? {} : { client: o.client };
  for (let k = 0; k < (o.turns ?? 1); k++) {
    const at = (o.start ?? 0) + 20 * k;
    b.row({ at, name, isResponse: false, ...client });
    b.row({ at, name, addresses: outside, ttl: o.ttl ?? 1, ...client });
    b.row({
      at: at + 10,
      name,
      addresses: o.to ?? inside,
      ttl: o.ttl ?? 1,
      ...client,
      ...(o.server === undefined ? {} : { server: o.server }),
    });
  }
  b.wait((o.start ?? 0) + 20 * (o.turns ?? 1));
}

describe('fires on', () => {
  it('a name that turns inward within its short life', () => {
    const b = new DnsBench(rebinding);
    rebind(b);
    expect(b.all).toMatchObject([
      {
        severity: 'medium',
        family: 'dns-rebinding',
        subject: { type: 'domain', value: 'pages.com' },
        title: 'a7.pages.com turned from 203.0.113.5 to 192.168.1.1 for 10.0.0.1',
      },
    ]);
    expect(b.all[0]!.evidence).toEqual([
      { file: 'test.pcap', frame: 2 },
      { file: 'test.pcap', frame: 3 },
    ]);
    expect(b.all[0]!.firstAt).toBeLessThan(b.all[0]!.at);
  });
  it('one that turns again and again: high, and the name is refused', () => {
    const b = new DnsBench(rebinding);
    rebind(b, { turns: 3 });
    expect(b.all[0]).toMatchObject({ severity: 'high', response: [{ type: 'rpz', record: 'a7.pages.com CNAME .' }] });
  });
  it('both kinds in one short-lived answer', () => {
    const b = new DnsBench(rebinding);
    b.row({ at: 0, name: 'a7.pages.com', addresses: ['203.0.113.5', '10.0.0.9'], ttl: 0 });
    expect(b.all).toHaveLength(1);
    expect(b.all[0]!.severity).toBe('medium');
  });
  it.each([['::ffff:10.0.0.9'], ['64:ff9b::10.0.0.9'], ['0.0.0.0'], ['127.0.0.1'], ['169.254.169.254']])(
    'a turn to %s',
    (to) => {
      const b = new DnsBench(rebinding);
      rebind(b, { to: [to] });
      expect(b.all[0]?.severity).toBe('medium');
    },
  );
  it('a turn to a device of the city, by private or by public address, and says which', () => {
    const file = {
      networks: [{ name: 'field', cidr: '198.51.100.0/24' }],
      assets: [
        { id: 'rtu-1', role: 'rtu', ip: '192.168.1.1' },
        { id: 'rtu-2', role: 'rtu', ip: '198.51.100.7' },
      ],
    };
    const one = new DnsBench(rebinding, file);
    rebind(one);
    expect(one.all[0]).toMatchObject({ severity: 'high', links: ['domain:pages.com', 'ip:192.168.1.1'] });
    expect(one.all[0]!.title).toContain('rtu-1');
    const two = new DnsBench(rebinding, file);
    rebind(two, { to: ['198.51.100.7'] });
    expect(two.all[0]?.severity).toBe('medium');
  });
});

describe('silent despite', () => {
  const none = (b: DnsBench): void => {
    b.wait(1e6);
    expect(b.all.filter((f) => f.severity !== 'low')).toEqual([]);
  };
  it('split names of the city: protected, allowed, or of a private suffix', () => {
    const b = new DnsBench(rebinding, { dns: { protected: ['city.org'], allow: ['partner.com'] } });
    for (const name of [
      'www.city.org',
      'portal.partner.com',
      'nas.home.arpa',
      'printer.fritz.box',
      'server.corp',
      'wpad',
    ])
      rebind(b, { name });
    expect(b.all).toEqual([]);
  });
  it('names that only ever point inside: split horizons nobody listed, plex.direct and its like', () => {
    const b = new DnsBench(rebinding);
    for (let i = 0; i < 500; i++)
      b.row({ at: i, name: `192-168-1-${i & 255}.${i >> 3}.direct.tv`, addresses: [`192.168.1.${i & 255}`], ttl: 1 });
    expect(b.all).toEqual([]);
  });
  it('block lists: codes in 127.0.0.0/8 for addresses and for domains', () => {
    const b = new DnsBench(rebinding);
    const next = numbers(4);
    for (let i = 0; i < 2000; i++) {
      b.row({ at: i, name: `${i & 255}.2.0.192.zen.list.org`, addresses: [`127.0.0.${2 + (i % 10)}`], ttl: 60 });
      b.row({ at: i, name: `${letters(next, 8)}.com.dbl.list.org`, addresses: ['127.0.1.2'], ttl: 60 });
    }
    expect(b.all).toEqual([]);
  });
  it('a filter that turns many names to nowhere', () => {
    const b = new DnsBench(rebinding);
    for (let i = 0; i < 40; i++) b.row({ at: i, name: `ads.track${i}.com`, addresses: ['0.0.0.0'], ttl: 2 });
    for (let i = 0; i < 40; i++) b.row({ at: 100 + i, name: `x.ads${i}.net`, addresses: outside, ttl: 2 });
    for (let i = 0; i < 40; i++) b.row({ at: 200 + i, name: `x.ads${i}.net`, addresses: ['0.0.0.0'], ttl: 2 });
    none(b);
  });
  it('a portal whose lease runs out: all names at once', () => {
    const b = new DnsBench(rebinding);
    for (let i = 0; i < 8; i++) b.row({ at: i, name: `www.early${i}.com`, addresses: ['10.0.0.1'], ttl: 0 });
    for (let i = 0; i < 30; i++) b.row({ at: 100 + i, name: `www.site${i}.com`, addresses: outside, ttl: 0 });
    for (let i = 0; i < 30; i++) b.row({ at: 500 + i, name: `www.site${i}.com`, addresses: ['10.0.0.1'], ttl: 0 });
    none(b);
  });
  it('a laptop that comes home: another resolver gives the inside answer', () => {
    const b = new DnsBench(rebinding);
    rebind(b, { server: '10.0.0.54', ttl: 60 });
    none(b);
  });
  it('a public name whose IPv6 address is an inside one', () => {
    const b = new DnsBench(rebinding);
    b.row({ at: 0, name: 'dns.probe.com', addresses: outside, ttl: 10 });
    b.row({ at: 0, name: 'dns.probe.com', qtype: 28, addresses: ['fd3e::1'], ttl: 10 });
    expect(b.all).toEqual([]);
  });
  it('an inside address beside the outside one in an answer that lives for long', () => {
    const b = new DnsBench(rebinding);
    for (let i = 0; i < 30; i++)
      b.row({ at: 3600 * i, name: 'mail.firm.com', addresses: ['203.0.113.5', '10.0.0.9'], ttl: 3600 });
    none(b);
  });
  it('multicast names', () => {
    const b = new DnsBench(rebinding);
    b.row({ at: 0, name: 'tv.cast.com', addresses: outside, serverPort: 5353, ttl: 1 });
    b.row({ at: 1, name: 'tv.cast.com', addresses: inside, serverPort: 5353, ttl: 1 });
    expect(b.all).toEqual([]);
  });
  it('a turn hours later', () => {
    const b = new DnsBench(rebinding);
    b.row({ at: 0, name: 'a7.pages.com', addresses: outside, ttl: 1 });
    b.row({ at: 4000, name: 'a7.pages.com', addresses: inside, ttl: 1 });
    expect(b.all).toEqual([]);
  });
});

describe('names', () => {
  const city = new City({ dns: { protected: ['city.org'] } }, '.');
  const site = siteZones(city);
  const isSite = (name: string): boolean => {
    const wire = new Uint8Array(256);
    return site.holds(wire, 0, textToWire(name, wire, 0));
  };
  it('of strangers have a registered domain; others have none', () => {
    expect(outsideZone('a.b.Shop.co.uk')).toBe('shop.co.uk');
    for (const name of ['host', '.', 'x.local', '1.2.3.4.list.org', 'a.1']) expect(outsideZone(name), name).toBe('');
    for (const name of ['www.City.org', 'city.org', 'x.local', 'printer.home']) expect(isSite(name), name).toBe(true);
    for (const name of ['evilcity.org', 'org', 'city.org.example']) expect(isSite(name), name).toBe(false);
    expect(outsideZone('evilcity.org')).toBe('evilcity.org');
  });
  it('that spell an address are known', () => {
    expect(spells('7f000001.c0a80101.rb.us', '192.168.1.1')).toBe(true);
    expect(spells('s-203-0-113-5-192-168-1-1-x.d.com', '192.168.1.1')).toBe(true);
    expect(spells('www.pages.com', '192.168.1.1')).toBe(false);
    expect(spells('www.pages.com', 'fd00::1')).toBe(false);
  });
});

describe('state', () => {
  it('keeps its bound under a flood of clients and names, counts what it drops, and still sees a rebinding', () => {
    const b = new DnsBench(rebinding);
    const next = numbers(9);
    for (let i = 0; i < 20_000; i++) {
      const client = `10.${next() & 63}.${next() & 255}.${next() & 255}`;
      const name = `${letters(next, 6)}.${letters(next, 9)}.com`;
      b.row({ at: i / 50, client, name, addresses: outside, ttl: 1 });
      if (i % 10 === 0) b.row({ at: i / 50, client, name, addresses: inside, ttl: 1 });
    }
    rebind(b, { start: 500 });
    const d = b.detector as Rebinding;
    expect(d.suspects.size).toBeLessThanOrEqual(SUSPECTS_MAX);
    expect(d.shed).toBeGreaterThan(0);
    expect(b.all.some((f) => f.subject.value === 'pages.com')).toBe(true);
  });
  it('resumes: cut anywhere, the claims are those of one run', () => {
    const run = (cut: number): DnsBench => {
      const b = new DnsBench(rebinding);
      for (let k = 0; k < 5; k++) {
        if (k === cut) b.restart();
        b.row({ at: 20 * k, name: 'a7.pages.com', addresses: outside, ttl: 1 });
        if (k === cut) b.restart();
        b.row({ at: 20 * k + 10, name: 'a7.pages.com', addresses: [`192.168.1.${k}`], ttl: 1 });
      }
      return b;
    };
    const whole = run(-1);
    expect(whole.all).toHaveLength(1);
    for (let cut = 0; cut < 5; cut++) expect(run(cut).all, `cut ${cut}`).toEqual(whole.all);
  });
  it('refuses a state of another version', () => {
    expect(() => new DnsBench(rebinding).detector.restore({ version: 99 })).toThrow('version 99');
  });
  it('10,000 rows of chance: no throw, and what is claimed is whole', () => {
    const b = new DnsBench(rebinding);
    for (const batch of chanceRows(10_000, 4)) b.detector.observe(batch);
    for (const f of b.all) expect(Number.isFinite(f.bits)).toBe(true);
    expect(JSON.parse(JSON.stringify(b.detector.snapshot())).version).toBe(2);
  });
  it('any words are of one place', () => {
    fc.assert(
      fc.property(fc.uint32Array({ minLength: 4, maxLength: 4 }), (w) => {
        expect(placeOf(w, 0)).toBeGreaterThanOrEqual(0);
        expect([4, 6]).toContain(familyOf(w, 0));
      }),
      { seed: 6 },
    );
  });
});
