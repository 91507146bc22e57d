import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readAnchors } from './anchors.ts';
import { DEFAULT_LIMITS, type Limits } from './limits.ts';
import { readMessage } from './message.ts';
import { nameOf, parseName, textOf } from './names.ts';
import { hashName } from './nsec3.ts';
import { wire } from './oracle/records.ts';
import type { Result } from './result.ts';
import { collidingKeys, message, NOW, type Record, rr, type SignOptions, Zone, ZoneKey } from './testing.ts';
import { settle, validate } from './validate.ts';

const top = new Zone('example');
const city = new Zone('city.example');

/** What the servers of the zones would say, by `type name`. */
type World = Map<string, Buffer>;

function world(more: [string, Buffer][] = []): World {
  const ds: Record = { owner: city.name, type: 43, rdata: city.ds };
  return new Map([
    ['48 example', message('example', 'DNSKEY', { answer: top.keys })],
    ['43 city.example', message(city.name, 'DS', { answer: top.signed([ds]) })],
    ['48 city.example', message(city.name, 'DNSKEY', { answer: city.keys })],
    ...more,
  ]);
}

interface Run {
  readonly anchors?: string[];
  readonly now?: number;
  readonly limits?: Limits;
}

function run(name: string, type: number, bytes: Buffer, w: World = world(), options: Run = {}): Result {
  const { anchors } = readAnchors(options.anchors ?? [top.anchor]);
  const steps = validate(bytes, { name: wire(name), type }, anchors, options.now ?? NOW, options.limits);
  return settle(steps, (n, t) => {
    const text = textOf(nameOf(n));
    const isHost = t === 43 && w.size > 0 && text.endsWith('.city.example');
    return w.get(`${t} ${text}`) ?? (isHost ? noCut(text) : undefined);
  });
}

const www = rr('www.city.example', 'A', '192.0.2.1');
const nsec = (owner: string, data: string, options: SignOptions = {}): Record[] =>
  city.signed([rr(owner, 'NSEC', data)], options);
/** That no zone begins at a name of the city's. */
function noCut(name: string): Buffer {
  return message(name, 'DS', { authority: [...soa, ...nsec(name, 'zzz.city.example A RRSIG NSEC')] });
}
const soa = city.signed([rr('city.example', 'SOA', 'ns.city.example host.city.example 1 2 3 4 5')]);
const A = 1;

describe('a positive answer', () => {
  const good = message('www.city.example', A, { answer: city.signed([www]) });
  it('is secure by the chain from the anchor', () => {
    expect(run('www.city.example', A, good)).toMatchObject({ status: 'secure', code: 'VALID', zone: 'city.example' });
  });
  it('whatever the letter case of names (RFC 4034 6.2)', () => {
    const bytes = Buffer.from(good);
    for (let i = 12; i < 20; i++) if (bytes[i]! >= 0x61) bytes[i]! -= 0x20;
    expect(run('WWW.city.example', A, bytes).status).toBe('secure');
  });
  it('is bogus when a record is altered, added or taken away', () => {
    const other = rr('www.city.example', 'A', '203.0.113.9');
    const [record, signature] = city.signed([www]) as [Record, Record];
    const cases = [[other, signature], [record, other, signature], city.signed([www, other]).slice(1)];
    for (const answer of cases)
      expect(run('www.city.example', A, message('www.city.example', A, { answer }))).toMatchObject({
        status: 'bogus',
        code: 'SIGNATURE_WRONG',
        ede: 6,
        isInChain: false,
      });
  });
  it('is bogus without signature, not insecure', () => {
    const answer = [www];
    expect(run('www.city.example', A, message('www.city.example', A, { answer }))).toMatchObject({
      status: 'bogus',
      code: 'SIGNATURE_MISSING',
      ede: 10,
    });
  });
  it('has a time, told apart: expired, not yet', () => {
    expect(run('www.city.example', A, good, world(), { now: NOW + 90_000 }).code).toBe('SIGNATURE_EXPIRED');
    expect(run('www.city.example', A, good, world(), { now: NOW - 90_000 }).code).toBe('SIGNATURE_EARLY');
  });
  it('whose validity spans the end of 32-bit seconds is good on both sides (RFC 1982)', () => {
    const options = { inception: 0xffffff00, expiration: 0x200 };
    const keys = city.signed([{ owner: 'city.example', type: 48, rdata: city.key.rdata }], options);
    const w: World = new Map([['48 city.example', message('city.example', 'DNSKEY', { answer: keys })]]);
    const bytes = message('www.city.example', A, { answer: city.signed([www], options) });
    for (const now of [0xffffffff, 2 ** 32 + 0x100])
      expect(run('www.city.example', A, bytes, w, { now, anchors: [city.anchor] }).status).toBe('secure');
    expect(run('www.city.example', A, bytes, w, { now: 0xfffffe00, anchors: [city.anchor] }).status).toBe('bogus');
  });
  it('by a signer that is no zone, above every anchor or beside the name is bogus', () => {
    for (const signer of ['www.city.example', '.', 'other.example']) {
      const answer = city.signed([www], { signer });
      const w = world([
        [
          '43 www.city.example',
          message('www.city.example', 'DS', { authority: nsec('www.city.example', 'x.city.example A RRSIG NSEC') }),
        ],
      ]);
      const bytes = message('www.city.example', A, { answer });
      expect(run('www.city.example', A, bytes, w)).toMatchObject({ status: 'bogus' });
    }
  });
  it('is not judged without keys, and not without an anchor', () => {
    expect(run('www.city.example', A, good, new Map())).toMatchObject({
      status: 'indeterminate',
      code: 'KEYS_MISSING',
    });
    expect(run('www.city.example', A, good, world(), { anchors: ['other DS 1 8 2 00'] })).toMatchObject({
      status: 'indeterminate',
      code: 'NO_ANCHOR',
    });
  });
  it('cut, failed, damaged or about something else says so', () => {
    expect(run('www.city.example', A, message('www.city.example', A, { flags: 0x8380 })).code).toBe(
      'MESSAGE_TRUNCATED',
    );
    expect(run('www.city.example', A, message('www.city.example', A, { rcode: 2 })).code).toBe('NO_ANSWER');
    expect(run('www.city.example', A, good.subarray(0, 60)).code).toBe('MESSAGE_UNREADABLE');
    expect(run('www.city.example', A, good.subarray(0, 8)).code).toBe('MESSAGE_UNREADABLE');
    expect(run('mail.city.example', A, good).code).toBe('QUESTION_OTHER');
  });
  it('under a header that denies the name is bogus', () => {
    const bytes = message('www.city.example', A, { answer: city.signed([www]), rcode: 3 });
    expect(run('www.city.example', A, bytes)).toMatchObject({ status: 'bogus', code: 'RCODE_WRONG' });
  });
});

describe('wildcards', () => {
  const made = city.signed([rr('x.y.city.example', 'A', '192.0.2.7')], { labels: 2 });
  const ask = (authority: Record[]): Result =>
    run('x.y.city.example', A, message('x.y.city.example', A, { answer: made, authority }));
  it('public fault 28 (pdns#17136, sdns#512, hickory-dns#3349, dnssec-prover#1): need the proof that the next closer name is absent', () => {
    expect(ask(nsec('www.city.example', 'z.city.example A RRSIG NSEC'))).toMatchObject({ status: 'secure' });
    expect(ask([])).toMatchObject({ status: 'bogus', code: 'WILDCARD_UNPROVEN' });
    // Covers the name asked for, but shows that the next closer name y.city.example is there.
    expect(ask(nsec('a.y.city.example', 'z.city.example A RRSIG NSEC')).status).toBe('bogus');
    expect(ask(nsec('www.city.example', 'x.y.city.example A RRSIG NSEC')).status).toBe('bogus');
    expect(ask(nsec('a.city.example', 'b.city.example A RRSIG NSEC')).status).toBe('bogus');
  });
  it('CVE-2017-15105, hickory-dns#3174: a denial made from a wildcard proves nothing', () => {
    const denial = nsec('www.city.example', 'z.city.example A RRSIG NSEC', { labels: 2 });
    expect(ask(denial).status).toBe('bogus');
    const bytes = message('x.city.example', A, { authority: [...soa, ...denial], rcode: 3 });
    expect(run('x.city.example', A, bytes)).toMatchObject({ status: 'bogus', code: 'WILDCARD_DENIAL' });
  });
  it('delegation signers made from a wildcard are none', () => {
    const ds: Record = { owner: city.name, type: 43, rdata: city.ds };
    const w = world([['43 city.example', message(city.name, 'DS', { answer: top.signed([ds], { labels: 1 }) })]]);
    const bytes = message('www.city.example', A, { answer: city.signed([www]) });
    expect(run('www.city.example', A, bytes, w)).toMatchObject({
      status: 'bogus',
      code: 'WILDCARD_DENIAL',
      isInChain: true,
    });
  });
});

describe('denial by NSEC', () => {
  const apex = nsec('city.example', 'b.city.example SOA NS DNSKEY RRSIG NSEC');
  const ask = (name: string, rcode: number, ...sets: Record[][]): Result =>
    run(name, A, message(name, A, { authority: [...soa, ...sets.flat()], rcode }));
  it('of a name needs the name and the wildcard', () => {
    const gap = nsec('m.city.example', 'p.city.example A RRSIG NSEC');
    expect(ask('n.city.example', 3, gap, apex).status).toBe('secure');
    expect(ask('n.city.example', 3, gap)).toMatchObject({ status: 'bogus', code: 'DENIAL_WRONG' });
    expect(ask('n.city.example', 3)).toMatchObject({ status: 'bogus', code: 'DENIAL_MISSING', ede: 12 });
  });
  it('of a type, by the name itself, and never where the type is listed', () => {
    expect(ask('m.city.example', 0, nsec('m.city.example', 'p.city.example TXT RRSIG NSEC')).status).toBe('secure');
    expect(ask('m.city.example', 0, nsec('m.city.example', 'p.city.example A RRSIG NSEC')).status).toBe('bogus');
    expect(ask('m.city.example', 0, nsec('m.city.example', 'p.city.example CNAME RRSIG NSEC')).status).toBe('bogus');
  });
  it('of an empty non-terminal, and no denial of the name', () => {
    const ent = nsec('m.city.example', 'a.n.city.example A RRSIG NSEC');
    expect(ask('n.city.example', 0, ent, apex).status).toBe('secure');
    // The code alone is wrong then; the type is denied.
    expect(ask('x.n.city.example', 3, ent, apex).status).toBe('bogus');
  });
  it('by a record whose next name leaves the zone is none', () => {
    expect(ask('n.city.example', 3, nsec('m.city.example', 'p.other.example A RRSIG NSEC'), apex).status).toBe('bogus');
  });
  it('from above a cut says nothing of names below (RFC 6840 4.1)', () => {
    const cut = nsec('m.city.example', 'z.city.example DS NS RRSIG NSEC');
    expect(ask('n.m.city.example', 3, cut, apex).status).toBe('bogus');
    const dname = nsec('m.city.example', 'z.city.example DNAME RRSIG NSEC');
    expect(ask('n.m.city.example', 3, dname, apex).status).toBe('bogus');
  });
  it('of all types, where nothing but signatures stands there', () => {
    const any = (data: string): Result =>
      run(
        'm.city.example',
        255,
        message('m.city.example', 255, { authority: [...soa, ...nsec('m.city.example', data)] }),
      );
    expect(any('p.city.example RRSIG NSEC').status).toBe('secure');
    expect(any('p.city.example A RRSIG NSEC').status).toBe('bogus');
  });
});

describe('denial by NSEC3', () => {
  const base32 = (latin1: string): string => {
    let bits = '';
    for (const c of latin1) bits += c.charCodeAt(0).toString(2).padStart(8, '0');
    return (bits.match(/.{5}/g) ?? []).map((b) => '0123456789abcdefghijklmnopqrstuv'[Number.parseInt(b, 2)]).join('');
  };
  const hashed = (name: string, iterations = 1, delta = 0): string => {
    const bytes = Buffer.from(hashName(parseName(name)!, Buffer.from('ab', 'hex'), iterations), 'latin1');
    bytes[19] = (bytes[19]! + delta) & 255;
    return base32(bytes.toString('latin1'));
  };
  const match = (name: string, types: string, iterations = 1): Record[] =>
    city.signed([
      rr(
        `${hashed(name, iterations)}.city.example`,
        'NSEC3',
        `1 0 ${iterations} ab ${hashed(name, iterations, 1)} ${types}`,
      ),
    ]);
  const cover = (name: string, flags = 0, iterations = 1): Record[] =>
    city.signed([
      rr(
        `${hashed(name, iterations, -1)}.city.example`,
        'NSEC3',
        `1 ${flags} ${iterations} ab ${hashed(name, iterations, 1)} A RRSIG`,
      ),
    ]);
  const ask = (name: string, rcode: number, sets: Record[][], limits?: Limits): Result =>
    run(
      name,
      A,
      message(name, A, { authority: [...soa, ...sets.flat()], rcode }),
      world(),
      limits === undefined ? {} : { limits },
    );
  const apex = (iterations = 1): Record[] => match('city.example', 'SOA NS DNSKEY RRSIG', iterations);
  it('of a name: closest encloser, next closer and wildcard (RFC 5155 8.4)', () => {
    const all = [apex(), cover('n.city.example'), cover('*.city.example')];
    expect(ask('n.city.example', 3, all).status).toBe('secure');
    for (let i = 0; i < 3; i++)
      expect(
        ask(
          'n.city.example',
          3,
          all.filter((_, k) => k !== i),
        ).status,
      ).toBe('bogus');
  });
  it('of a type by the name itself', () => {
    expect(ask('n.city.example', 0, [match('n.city.example', 'TXT RRSIG')]).status).toBe('secure');
    expect(ask('n.city.example', 0, [match('n.city.example', 'A RRSIG')]).status).toBe('bogus');
  });
  it('in an opt-out range is insecure', () => {
    const all = [apex(), cover('n.city.example', 1), cover('*.city.example')];
    expect(ask('n.city.example', 3, all)).toMatchObject({ status: 'insecure', code: 'OPT_OUT' });
    // Without the wildcard's denial it is no proof at all.
    expect(ask('n.city.example', 3, all.slice(0, 2)).status).toBe('bogus');
  });
  it('with more than 150 iterations is insecure and costs no hash (RFC 9276 3.2)', () => {
    const result = ask('n.city.example', 3, [apex(151), cover('n.city.example', 0, 151)]);
    expect(result).toMatchObject({ status: 'insecure', code: 'ITERATIONS', ede: 27 });
    expect(result.cost.hashes).toBe(0);
  });
  it('CVE-2023-50868: hashes are counted and bounded; one name never uses them up, aliases between long names may', () => {
    const long = (i: number): string => `${'a.'.repeat(100)}x${i}.city.example`;
    const sets = [cover('n.city.example', 0, 150), cover('*.city.example', 0, 150)];
    const one = ask(long(0), 3, sets);
    expect(one).toMatchObject({ status: 'bogus', code: 'DENIAL_WRONG' });
    expect(one.cost.hashes).toBeLessThan(110);
    const answer = [0, 1, 2].flatMap((i) => city.signed([rr(long(i), 'CNAME', long(i + 1))], { labels: 2 }));
    const bytes = message(long(0), A, { answer, authority: sets.flat() });
    const tight = { ...DEFAULT_LIMITS, hashesPerAnswer: 40 };
    for (const limits of [DEFAULT_LIMITS, tight])
      expect(run(long(0), A, bytes, world(), { limits }).cost.hashes).toBeLessThanOrEqual(limits.hashesPerAnswer);
    const refused = run(long(0), A, message(long(0), A, { authority: sets.flat(), rcode: 3 }), world(), {
      limits: tight,
    });
    expect(refused).toMatchObject({ status: 'bogus', code: 'BUDGET_HASHES', cost: { hashes: 40 } });
  });
  it('CVE-2023-50868: sets of many parameters do not multiply the hashes: one set of parameters counts', () => {
    const many = Array.from({ length: 20 }, (_, i) =>
      city.signed([
        rr(
          `${hashed('n.city.example', 150, -1 - i)}.city.example`,
          'NSEC3',
          `1 0 150 ${(i + 16).toString(16)} ${hashed('n.city.example', 150, 1)} A RRSIG`,
        ),
      ]),
    );
    const result = ask('a.b.c.n.city.example', 3, many);
    expect(result.status).toBe('bogus');
    // Each name from the one asked for to the apex, at most twice.
    expect(result.cost.hashes).toBeLessThanOrEqual(12);
  });
});

describe('delegations', () => {
  const sub = 'sub.city.example';
  const plain = message(`www.${sub}`, A, { answer: [rr(`www.${sub}`, 'A', '192.0.2.3')] });
  const with_ = (...records: Record[]): World =>
    world([
      [`43 ${sub}`, message(sub, 'DS', { authority: [...soa, ...records] })],
      [`43 www.${sub}`, message(`www.${sub}`, 'DS', {})],
    ]);
  it('proven unsigned make what lies below insecure', () => {
    const result = run(`www.${sub}`, A, plain, with_(...nsec(sub, 'z.city.example NS RRSIG NSEC')));
    expect(result).toMatchObject({ status: 'insecure', code: 'DELEGATION_UNSIGNED', zone: sub });
  });
  it('neither shown nor denied, or denied by the child, are bogus', () => {
    expect(run(`www.${sub}`, A, plain, with_())).toMatchObject({ status: 'bogus', code: 'DS_UNPROVEN' });
    expect(run(`www.${sub}`, A, plain, with_(...nsec(sub, 'z.city.example NS SOA RRSIG NSEC'))).status).toBe('bogus');
    expect(run(`www.${sub}`, A, plain, with_(...nsec(sub, 'z.city.example NS DS RRSIG NSEC'))).status).toBe('bogus');
  });
  it('asked for by DS are denied by the parent alone', () => {
    const deny = (by: Zone, types: string): Result => {
      const authority = by.signed([rr('city.example', 'NSEC', `z.city.example ${types} RRSIG NSEC`)]);
      return run('city.example', 43, message('city.example', 'DS', { authority }));
    };
    expect(deny(top, 'NS').status).toBe('secure');
    expect(deny(top, 'NS SOA').status).toBe('bogus');
    expect(deny(city, 'NS SOA').status).toBe('bogus');
  });
  it('with unknown algorithm or digest are insecure, not bogus (RFC 4035 5.2)', () => {
    for (const [algorithm, digest, code] of [
      [253, 2, 'ALGORITHM_UNKNOWN'],
      [15, 3, 'DIGEST_UNKNOWN'],
    ] as const) {
      const rdata = Buffer.from(city.ds);
      rdata[2] = algorithm;
      rdata[3] = digest;
      const answer = top.signed([{ owner: city.name, type: 43, rdata }]);
      const w = world([['43 city.example', message(city.name, 'DS', { answer })]]);
      const bytes = message('www.city.example', A, { answer: [www] });
      expect(run('www.city.example', A, bytes, w)).toMatchObject({ status: 'insecure', code });
    }
  });
  it('SHA-1 is not looked at where SHA-256 is present (RFC 4509 3)', () => {
    const forged = new Zone('city.example', 'forger');
    const sha1 = Buffer.concat([forged.ds.subarray(0, 3), Buffer.from([1]), Buffer.alloc(20)]);
    const real: Record = { owner: city.name, type: 43, rdata: city.ds };
    const answer = top.signed([{ owner: city.name, type: 43, rdata: sha1 }, real]);
    const w = world([['43 city.example', message(city.name, 'DS', { answer })]]);
    const bytes = message('www.city.example', A, { answer: city.signed([www]) });
    expect(run('www.city.example', A, bytes, w)).toMatchObject({ status: 'secure', cost: { digests: 2 } });
  });
  it('keys that match no delegation, or do not sign their set, are bogus', () => {
    const forged = new Zone('city.example', 'forger');
    const bytes = message('www.city.example', A, { answer: forged.signed([www]) });
    const unmatched = world([['48 city.example', message(city.name, 'DNSKEY', { answer: forged.keys })]]);
    expect(run('www.city.example', A, bytes, unmatched)).toMatchObject({ status: 'bogus', code: 'KEYS_UNMATCHED' });
    const both = [city.key, forged.key].map((k) => ({ owner: city.name, type: 48, rdata: k.rdata }));
    const slipped = world([['48 city.example', message(city.name, 'DNSKEY', { answer: forged.signed(both) })]]);
    expect(run('www.city.example', A, bytes, slipped)).toMatchObject({ status: 'bogus', code: 'KEYS_UNSIGNED' });
  });
  it('revoked keys sign nothing (RFC 5011 2.1)', () => {
    const revoked = new ZoneKey('revoked', 257 | 0x80);
    const set = [city.key, revoked].map((k) => ({ owner: city.name, type: 48, rdata: k.rdata }));
    const w = world([['48 city.example', message(city.name, 'DNSKEY', { answer: city.signed(set) })]]);
    const bytes = message('www.city.example', A, { answer: city.signed([www], { key: revoked }) });
    expect(run('www.city.example', A, bytes, w)).toMatchObject({ status: 'bogus', code: 'SIGNATURE_KEY' });
  });
});

describe('aliases', () => {
  const cname = city.signed([rr('a.city.example', 'CNAME', 'www.city.example')]);
  const dname = city.signed([rr('old.city.example', 'DNAME', 'city.example')]);
  const target = city.signed([www]);
  it('are followed, each step by its own signature', () => {
    const ask = (answer: Record[]): Result => run('a.city.example', A, message('a.city.example', A, { answer }));
    expect(ask([...cname, ...target]).status).toBe('secure');
    expect(ask([cname[0]!, ...target]).status).toBe('bogus');
    expect(ask([...cname, www])).toMatchObject({ status: 'bogus', code: 'SIGNATURE_MISSING' });
  });
  it('made by a DNAME need no signature, but must be what it makes', () => {
    const ask = (to: string): Result => {
      const made = rr('www.old.city.example', 'CNAME', to);
      return run(
        'www.old.city.example',
        A,
        message('www.old.city.example', A, { answer: [...dname, made, ...target] }),
      );
    };
    expect(ask('www.city.example').status).toBe('secure');
    expect(ask('evil.example')).toMatchObject({ status: 'bogus', code: 'ALIAS_WRONG' });
  });
  it('that go round end', () => {
    const back = city.signed([rr('www.city.example', 'CNAME', 'a.city.example')]);
    const bytes = message('a.city.example', A, { answer: [...cname, ...back] });
    expect(run('a.city.example', A, bytes)).toMatchObject({ status: 'bogus', code: 'ALIAS_LONG' });
  });
});

describe('hostile messages', () => {
  it('CVE-2023-50387 (KeyTrap): colliding keys times signatures stay within the budget', () => {
    const keys = collidingKeys(city, 40);
    const real: Record = { owner: city.name, type: 48, rdata: city.key.rdata };
    // The key set itself must verify at once, so its own key comes first.
    const keySet = city.signed([real, ...keys]);
    const w = world([['48 city.example', message(city.name, 'DNSKEY', { answer: keySet })]]);
    const bad = Array.from({ length: 60 }, (_, i) => {
      const signature = city.signature([rr('www.city.example', 'A', `192.0.2.${i + 100}`)]);
      return { ...signature, owner: 'www.city.example' };
    });
    const result = run('www.city.example', A, message('www.city.example', A, { answer: [www, ...bad] }), w);
    expect(result).toMatchObject({ status: 'bogus', code: 'BUDGET_CHECKS' });
    // One check each for the keys of the top zone, the delegation and the keys of the zone.
    expect(result.cost.checks).toBeLessThanOrEqual(3 + DEFAULT_LIMITS.checksPerSet);
    const many = Array.from({ length: 40 }, (_, i) => rr('www.city.example', `TYPE${1000 + i}`, '\\# 1 00')).flatMap(
      (r) => [
        r,
        ...bad.slice(0, 10).map((b) => ({
          ...b,
          rdata: Buffer.concat([Buffer.from([r.type >> 8, r.type & 255]), b.rdata.subarray(2)]),
        })),
      ],
    );
    const total = run('www.city.example', 255, message('www.city.example', 255, { answer: many }), w);
    expect(total.status).toBe('bogus');
    expect(total.cost.checks).toBeLessThanOrEqual(DEFAULT_LIMITS.checksPerAnswer);
  });
  it.each([
    ['one key, many signatures', 0, 400],
    ['many keys, one signature', 200, 1],
    ['many of both', 200, 400],
  ])('CVE-2023-50387 (KeyTrap): %s cost no more checks than a set may', (_, keys, signatures) => {
    const real: Record = { owner: city.name, type: 48, rdata: city.key.rdata };
    const keySet = city.signed([real, ...collidingKeys(city, keys)]);
    const w = world([['48 city.example', message(city.name, 'DNSKEY', { answer: keySet })]]);
    const bad = Array.from({ length: signatures }, (_, i) => ({
      ...city.signature([rr('www.city.example', 'A', `198.51.${i >> 8}.${i & 255}`)]),
      owner: 'www.city.example',
    }));
    const result = run('www.city.example', A, message('www.city.example', A, { answer: [www, ...bad] }), w);
    expect(result).toMatchObject({ status: 'bogus', code: 'BUDGET_CHECKS' });
    expect(result.cost.checks).toBeLessThanOrEqual(3 + DEFAULT_LIMITS.checksPerSet);
  });
  it('honest keys of one tag (RFC 4034 5.3.1): the right one is found behind others', () => {
    const real: Record = { owner: city.name, type: 48, rdata: city.key.rdata };
    const keySet = city.signed([...collidingKeys(city, 3), real]);
    const w = world([['48 city.example', message(city.name, 'DNSKEY', { answer: keySet })]]);
    const bytes = message('www.city.example', A, { answer: city.signed([www]) });
    expect(run('www.city.example', A, bytes, w).status).toBe('secure');
  });
  it('AD in the header of who answers says nothing (RFC 4035 4.9.3)', () => {
    const bytes = message('www.city.example', A, { answer: [www], flags: 0x81a0 });
    expect(run('www.city.example', A, bytes)).toMatchObject({ status: 'bogus', code: 'SIGNATURE_MISSING' });
  });
  it('colliding delegation signers stay within the budget of digests', () => {
    const keys = collidingKeys(city, 40);
    const ds = Array.from({ length: 30 }, (_, i) => {
      const rdata = Buffer.from(city.ds);
      rdata.fill(i, 10);
      return { owner: city.name, type: 43, rdata };
    });
    const w = world([
      ['43 city.example', message(city.name, 'DS', { answer: top.signed(ds) })],
      ['48 city.example', message(city.name, 'DNSKEY', { answer: city.signed(keys) })],
    ]);
    const result = run('www.city.example', A, message('www.city.example', A, { answer: city.signed([www]) }), w);
    expect(result).toMatchObject({ status: 'bogus', code: 'BUDGET_CHECKS' });
    expect(result.cost.digests).toBeLessThanOrEqual(DEFAULT_LIMITS.digestsPerAnswer);
  });
  it('a name of 127 labels asks for no more messages than the budget', () => {
    const name = `${'a.'.repeat(110)}city.example`;
    const ent = nsec('city.example', 'z.city.example SOA NS RRSIG NSEC');
    const w = world();
    const { anchors } = readAnchors([top.anchor]);
    const steps = validate(
      message(name, A, { answer: [rr(name, 'A', '192.0.2.1')] }),
      { name: wire(name), type: A },
      anchors,
      NOW,
    );
    const result = settle(
      steps,
      (n, t) =>
        w.get(`${t} ${textOf(nameOf(n))}`) ?? message(textOf(nameOf(n)), t, { authority: [...soa, ...ent], rcode: 3 }),
    );
    expect(result).toMatchObject({ status: 'indeterminate', code: 'BUDGET_NEEDS' });
    expect(result.cost.needs).toBe(DEFAULT_LIMITS.needsPerAnswer);
  });
  it('ten thousand mutations: nothing throws, and nothing altered is secure', () => {
    const denial = [
      ...nsec('m.city.example', 'p.city.example A RRSIG NSEC'),
      ...nsec('city.example', 'b.city.example SOA NS RRSIG NSEC'),
    ];
    const seeds: [string, Buffer][] = [
      ['www.city.example', message('www.city.example', A, { answer: city.signed([www]), dnssecOk: true })],
      ['n.city.example', message('n.city.example', A, { authority: [...soa, ...denial], rcode: 3 })],
      [
        'a.city.example',
        message('a.city.example', A, {
          answer: [...city.signed([rr('a.city.example', 'CNAME', 'www.city.example')]), ...city.signed([www])],
        }),
      ],
    ];
    const shown = (bytes: Uint8Array): string =>
      JSON.stringify(
        readMessage(bytes)!
          .answer.filter((s) => s.rdatas.length > 0)
          .map((s) => [s.owner, s.type, ...s.rdatas.map((r) => Buffer.from(r).toString('hex'))]),
      );
    let secure = 0;
    fc.assert(
      fc.property(
        fc.nat(2),
        fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 }),
        fc.option(fc.nat(), { freq: 6 }),
        (which, edits, cut) => {
          const [name, seed] = seeds[which]!;
          let bytes = Buffer.from(seed);
          for (const [at, value] of edits) bytes[at % bytes.length] = value;
          if (cut !== null) bytes = bytes.subarray(0, cut % bytes.length);
          const result = run(name, A, bytes, world(), { anchors: [city.anchor] });
          if (result.status !== 'secure') return;
          secure += 1;
          expect(shown(bytes)).toBe(shown(seed));
        },
      ),
      { numRuns: 10_000, seed: 7 },
    );
    expect(secure).toBeGreaterThan(50);
  });
  it('the messages it asks for may be mutated as well', () => {
    const w = world();
    const keys = [...w.keys()];
    const bytes = message('www.city.example', A, { answer: city.signed([www]) });
    fc.assert(
      fc.property(fc.nat(2), fc.nat(), fc.nat(255), (which, at, value) => {
        const changed = Buffer.from(w.get(keys[which]!)!);
        changed[at % changed.length] = value;
        run('www.city.example', A, bytes, new Map([...w, [keys[which]!, changed]]));
      }),
      { numRuns: 2000, seed: 8 },
    );
  });
});
