import { describe, expect, it } from 'vitest';
import { City } from '#city';
import { addressHash, DnsBatch } from '#events';
import type { Coverage, Finding } from '#findings';
import { hashLowerCased } from '#lib/wirename';
import { Dnssec, dnssec } from './dnssec.ts';
import { typeNumber, wire } from './oracle/records.ts';
import { collidingKeys, message, NOW, type Record, rr, Zone } from './testing.ts';

const top = new Zone('example');
const city = new Zone('city.example');
const www = rr('www.city.example', 'A', '192.0.2.1');
const evil = rr('www.city.example', 'A', '203.0.113.9');
const good = city.signed([www]);
const ds: Record = { owner: city.name, type: 43, rdata: city.ds };

interface Seen {
  name: string;
  type: string;
  answer?: Record[];
  authority?: Record[];
  rcode?: number;
  dnssecOk?: boolean;
  /** The response's own OPT; as the query where not told. */
  responseOk?: boolean;
  server?: number;
  /** Seconds after the start. */
  at?: number;
  bytes?: Buffer;
}

class Bench {
  readonly claims = new Map<string, Finding>();
  readonly coverage = new Map<string, Coverage>();
  detector: Dnssec;
  readonly #batch = new DnsBatch();
  readonly #city: City;
  readonly #evidenceAll: boolean;
  #place = 0;

  constructor(dns: object = { signed: ['city.example'], anchors: [top.anchor] }, evidenceAll = false) {
    this.#city = new City({ dns, assets: [{ id: 'resolver-1', ip: '10.0.0.53', role: 'resolver' }] } as never, '.');
    this.#evidenceAll = evidenceAll;
    this.detector = this.#create();
  }

  #create(): Dnssec {
    return new Dnssec({
      city: this.#city,
      evidenceAll: this.#evidenceAll,
      claim: (f) => this.claims.set(f.id, f),
      cover: (c) => this.coverage.set(c.what, c),
    });
  }

  /** The query and its answer. */
  ask(s: Seen): void {
    this.#row(s, 0);
    this.#row(s, 1);
  }

  #row(s: Seen, isResponse: number): void {
    const b = this.#batch;
    const name = wire(s.name);
    const bytes = s.bytes ?? message(s.name, s.type, { id: 7, ...pick(s) });
    b.count = 1;
    b.origin = { file: 'test.pcap', placed: 'frame' };
    b.at[0] = (NOW + (s.at ?? this.#place / 100)) * 1e6;
    b.place[0] = ++this.#place;
    b.addresses.set([0, 0, 0xffff, 0x0a000001, 0, 0, 0xffff, s.server ?? 0x0a000035]);
    b.clientHash[0] = addressHash(b.addresses, 0);
    b.clientPort[0] = 4000;
    b.id[0] = 7;
    b.isResponse[0] = isResponse;
    b.opcode[0] = 0;
    b.qclass[0] = 1;
    b.foreign[0] = 0;
    b.qtype[0] = typeNumber(s.type);
    b.dnssecOk[0] = (isResponse === 1 ? (s.responseOk ?? s.dnssecOk) : s.dnssecOk) === false ? 0 : 1;
    b.bytes.set(name, 30);
    b.nameOffset[0] = 30;
    b.nameBytes[0] = name.length;
    b.nameHash[0] = hashLowerCased(b.bytes, 30, name.length);
    b.answerTtlSeconds[0] = (s.answer ?? []).length > 0 ? 3600 : -1;
    b.wire = Buffer.concat([Buffer.alloc(9), bytes]);
    b.wireOffset[0] = 9;
    b.wireBytes[0] = isResponse === 1 ? bytes.length : 0;
    this.detector.observe(b);
    this.detector.advance(b.at[0]!);
    b.wire.fill(0xa5);
    b.bytes.fill(0xa5, 0, 400);
    b.addresses.fill(0xa5a5a5a5, 0, 8);
  }

  keys(at?: number): void {
    const when = at === undefined ? {} : { at };
    this.ask({ name: 'example', type: 'DNSKEY', answer: top.keys, ...when });
    this.ask({ name: 'city.example', type: 'DS', answer: top.signed([ds]), ...when });
    this.ask({ name: 'city.example', type: 'DNSKEY', answer: city.keys, ...when });
  }

  wait(seconds: number): void {
    this.detector.advance((NOW + seconds) * 1e6);
  }

  restart(): void {
    const state: unknown = JSON.parse(JSON.stringify(this.detector.snapshot()));
    this.detector = this.#create();
    this.detector.restore(state);
  }

  get all(): Finding[] {
    return [...this.claims.values()];
  }
}

function pick(s: Seen): { answer: Record[]; authority: Record[]; rcode: number } {
  return { answer: s.answer ?? [], authority: s.authority ?? [], rcode: s.rcode ?? 0 };
}

const ask = { name: 'www.city.example', type: 'A' };

describe('answers about signed zones', () => {
  it('that validate are no findings, in any order of keys and answers', () => {
    const bench = new Bench();
    bench.ask({ ...ask, answer: good });
    expect(bench.detector.waiting).toHaveLength(1);
    bench.keys();
    expect(bench.detector.waiting).toHaveLength(0);
    bench.ask({ ...ask, answer: good });
    expect(bench.all).toEqual([]);
    expect(bench.detector.counts).toMatchObject({ unjudged: 0, unasked: 0 });
  });
  it('altered: the server that gave it is named, with reason and evidence', () => {
    const bench = new Bench();
    bench.keys();
    bench.ask({ ...ask, answer: good });
    bench.ask({ ...ask, answer: [evil, good[1]!] });
    expect(bench.all).toHaveLength(1);
    expect(bench.all[0]).toMatchObject({
      detector: 'dnssec',
      plane: 'dns',
      severity: 'high',
      asset: { id: 'resolver-1', ip: '10.0.0.53', role: 'resolver' },
      subject: { type: 'domain', value: 'city.example' },
      title: 'resolver-1 gave an answer that the zone did not sign: www.city.example',
      evidence: [{ file: 'test.pcap', frame: 10 }],
      count: 1,
    });
    expect(bench.all[0]!.bits).toBeCloseTo(bench.all[0]!.reasons.reduce((sum, r) => sum + r.bits, 0));
    bench.ask({ ...ask, answer: [evil, good[1]!] });
    expect(bench.all).toHaveLength(1);
    expect(bench.all[0]).toMatchObject({ count: 2, evidence: [{ frame: 10 }, { frame: 12 }] });
  });
  it('a negative anchor (RFC 7646) silences its zone and no other', () => {
    for (const [insecure, count] of [
      ['city.example', 0],
      ['other.example', 1],
    ] as const) {
      const bench = new Bench({ signed: ['city.example'], anchors: [top.anchor], insecure: [insecure] });
      bench.keys();
      bench.ask({ ...ask, answer: [evil, good[1]!] });
      expect(bench.all).toHaveLength(count);
    }
  });
  it('altered before its keys came is found when they come', () => {
    const bench = new Bench();
    bench.ask({ ...ask, answer: [evil, good[1]!] });
    expect(bench.all).toEqual([]);
    bench.keys();
    expect(bench.all).toHaveLength(1);
  });
  it('expired alone weighs little; beside fresh signatures it is an old answer sent again', () => {
    const old = city.signed([evil], { inception: NOW - 900_000, expiration: NOW - 100_000 });
    const alone = new Bench();
    alone.keys();
    alone.detector.sound.clear();
    alone.ask({ ...ask, answer: old });
    expect(alone.all[0]).toMatchObject({ severity: 'low', bits: 4 });
    const beside = new Bench();
    beside.keys();
    beside.ask({ ...ask, answer: good });
    beside.ask({ ...ask, answer: old });
    expect(beside.all[0]).toMatchObject({ severity: 'medium', bits: 10 });
  });
  it('stripped: signatures were asked for, the server has given them before', () => {
    const bench = new Bench();
    bench.keys();
    bench.ask({ ...ask, answer: good });
    // The answer's OPT is gone as well; the query remembers.
    bench.ask({ ...ask, answer: [evil], responseOk: false });
    expect(bench.all).toEqual([]);
    bench.wait(60);
    expect(bench.all).toMatchObject([{ severity: 'low', bits: 9 }]);
    expect(bench.all[0]!.title).toContain('without the signatures that were asked for');
  });
  it('stripped where a cut below the zone is known not to be, weighs more', () => {
    const bench = new Bench();
    bench.keys();
    const denial = city.signed([rr('www.city.example', 'NSEC', 'x.city.example A RRSIG NSEC')]);
    bench.ask({ name: 'www.city.example', type: 'DS', authority: denial });
    bench.ask({ ...ask, answer: [evil] });
    expect(bench.all).toMatchObject([{ severity: 'high', bits: 14 }]);
  });
  it('stripped by a server that never gave signatures says next to nothing', () => {
    const bench = new Bench();
    bench.keys();
    bench.ask({ ...ask, answer: [www], server: 0x0a000099 });
    bench.wait(60);
    expect(bench.all.every((f) => f.severity === 'low')).toBe(true);
  });
  it('unsigned below a cut proven unsigned is in order', () => {
    const bench = new Bench();
    bench.keys();
    const denial = city.signed([rr('sub.city.example', 'NSEC', 'x.city.example NS RRSIG NSEC')]);
    bench.ask({ name: 'sub.city.example', type: 'DS', authority: denial });
    bench.ask({ name: 'a.sub.city.example', type: 'A', answer: [rr('a.sub.city.example', 'A', '192.0.2.9')] });
    // Long after the denial has run out, the cut is remembered.
    bench.keys(5000);
    bench.ask({ ...ask, answer: good, at: 5000 });
    bench.ask({
      name: 'b.sub.city.example',
      type: 'A',
      answer: [rr('b.sub.city.example', 'A', '192.0.2.9')],
      at: 5001,
    });
    bench.wait(5060);
    expect(bench.all).toEqual([]);
  });
  it('downgraded: a zone found secure before is shown as delegated without keys', () => {
    const bench = new Bench();
    bench.keys();
    bench.ask({ ...ask, answer: good });
    const denial = top.signed([rr('city.example', 'NSEC', 'x.example NS RRSIG NSEC')]);
    bench.ask({ name: 'city.example', type: 'DS', authority: denial, at: 4000 });
    bench.ask({ name: 'example', type: 'DNSKEY', answer: top.keys, at: 4001 });
    bench.ask({ name: 'city.example', type: 'DS', authority: denial, at: 4002 });
    bench.ask({ ...ask, answer: [evil], at: 4003 });
    expect(bench.all).toMatchObject([{ severity: 'medium', bits: 10, count: 1 }]);
    expect(bench.all[0]!.title).toContain('a signed zone is unsigned');
  });
  it('forged key sets are told, not kept, and no other server is blamed for them', () => {
    const forger = new Zone('city.example', 'forger');
    const bench = new Bench();
    // The false keys come first, when nothing can be said of them yet; then an honest answer waits with them.
    bench.ask({ name: 'city.example', type: 'DNSKEY', answer: forger.keys, server: 0x0a000066 });
    bench.ask({ ...ask, answer: good });
    bench.ask({ name: 'example', type: 'DNSKEY', answer: top.keys });
    bench.ask({ name: 'city.example', type: 'DS', answer: top.signed([ds]) });
    bench.ask({ name: 'city.example', type: 'DNSKEY', answer: city.keys });
    expect(bench.all.map((f) => f.asset.ip)).toEqual(['10.0.0.102']);
    expect(bench.detector.counts.unjudged).toBe(0);
    expect(bench.detector.waiting).toHaveLength(0);
    bench.ask({ ...ask, answer: good });
    expect(bench.all).toHaveLength(1);
  });
  it('CVE-2023-50387 (KeyTrap): an answer made to exhaust is told, with the server that gave it', () => {
    const real: Record = { owner: city.name, type: 48, rdata: city.key.rdata };
    const trap = new Bench();
    trap.ask({ name: 'example', type: 'DNSKEY', answer: top.keys });
    trap.ask({ name: 'city.example', type: 'DS', answer: top.signed([ds]) });
    trap.ask({ name: 'city.example', type: 'DNSKEY', answer: city.signed([real, ...collidingKeys(city, 30)]) });
    const bad = Array.from({ length: 30 }, (_, i) => ({
      ...city.signature([rr('www.city.example', 'A', `198.51.100.${i}`)]),
      owner: 'www.city.example',
    }));
    trap.ask({ ...ask, answer: [www, ...bad] });
    trap.wait(60);
    expect(trap.all).toHaveLength(1);
    expect(trap.all[0]).toMatchObject({ severity: 'high', asset: { id: 'resolver-1' }, techniques: ['T1499.004'] });
    expect(trap.all[0]!.title).toContain('made to exhaust');
  });
  it('keys live as long as their records', () => {
    const bench = new Bench();
    bench.keys();
    bench.ask({ ...ask, answer: [evil, good[1]!], at: 4000 });
    bench.wait(4100);
    expect(bench.all).toEqual([]);
    expect(bench.coverage.get('dnssec-unjudged')).toMatchObject({ plane: 'dns', count: 1 });
  });
});

describe('what can not be judged is coverage, never a finding', () => {
  it('answers to those who asked for no signatures, without keys, without anchor, without message', () => {
    const bench = new Bench();
    bench.ask({ ...ask, answer: [evil], dnssecOk: false });
    bench.ask({ ...ask, answer: good });
    bench.ask({ ...ask, answer: good, bytes: Buffer.alloc(0) });
    bench.wait(60);
    const other = new Bench({ signed: ['city.example'], anchors: ['elsewhere DS 1 8 2 00', 'nonsense'] });
    other.ask({ ...ask, answer: good });
    other.wait(1);
    expect([...bench.all, ...other.all]).toEqual([]);
    expect([...bench.coverage.keys()].sort()).toEqual(['dnssec-no-message', 'dnssec-unasked', 'dnssec-unjudged']);
    expect([...other.coverage.keys()].sort()).toEqual(['dnssec-anchors', 'dnssec-no-anchor']);
  });
  it('without dns.signed, or for other zones, nothing is read or kept', () => {
    for (const bench of [new Bench({}), new Bench({ signed: ['ty.example', 'other.example'] })]) {
      bench.keys();
      bench.ask({ ...ask, answer: [evil, good[1]!] });
      bench.wait(60);
      expect(bench.all).toEqual([]);
      expect(bench.detector.counts.judged).toBe(0);
      expect(bench.detector.waiting).toHaveLength(0);
    }
  });
  it('the root is the anchor where none is named', () => {
    const bench = new Bench({ signed: ['city.example'] });
    bench.ask({ ...ask, answer: good });
    expect(bench.detector.waiting[0]!.needs).toBe('48 \u0000');
  });
});

describe('the detector', () => {
  it('goes on from its snapshot as if it had not stopped', () => {
    const play = (restart: boolean): { findings: Finding[]; state: unknown } => {
      const bench = new Bench(undefined, true);
      bench.ask({ ...ask, answer: [evil, good[1]!] });
      bench.ask({ ...ask, answer: [evil] });
      if (restart) bench.restart();
      bench.keys();
      if (restart) bench.restart();
      bench.ask({ ...ask, answer: [evil, good[1]!] });
      bench.wait(60);
      return { findings: bench.all, state: bench.detector.snapshot() };
    };
    const straight = play(false);
    expect(straight.findings).toHaveLength(2);
    expect(play(true)).toEqual(straight);
  });
  it('refuses a state of another version', () => {
    expect(() => new Bench().detector.restore({ version: 99 })).toThrow(/version 99/);
  });
  it('keeps within its bounds under a flood of answers that wait', () => {
    const bench = new Bench();
    for (let i = 0; i < 400; i++)
      bench.ask({
        name: `h${i}.city.example`,
        type: 'A',
        answer: city.signed([rr(`h${i}.city.example`, 'A', '192.0.2.1')]),
        at: 1,
      });
    expect(bench.detector.waiting.length).toBeLessThanOrEqual(256);
    expect(bench.detector.shed).toBe(400 - 256);
  });
  it('has a card', () => {
    expect(dnssec.card).toMatchObject({
      name: 'dnssec',
      plane: 'dns',
      family: 'dns-integrity',
      scope: 'city',
      takes: ['dns'],
    });
  });
});
