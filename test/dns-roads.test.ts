// The same queries by every road: one run of the range as a capture, as dnstap and as ten text logs, and the corpus's 62
// queries through four servers. The verdicts must be one another's; one that is missing must rest on something that the
// road does not bring, and coverage must say so.
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { defaultCity, loadCity } from '#city';
import { atLeast, type Finding, type Reason } from '#findings';
import { analyze, type Outcome } from '#pipeline';
import { runScenario } from '#range';

/** What verdicts rest on beside names, types, clients and times, which every road brings. */
const lacks = ['rcodes', 'answer data', 'answer addresses', 'lifetimes', 'signatures'] as const;
type Lack = (typeof lacks)[number];

/** The sentence of coverage that says so, whichever format prints it. */
const saidBy: Readonly<Record<Lack, RegExp>> = {
  rcodes: /^answers: rcodes only/,
  'answer data': /^answers(?:, beyond|:)|^text of TXT/,
  'answer addresses': /^answers(?:, beyond|:)/,
  lifetimes: /^answers(?:, beyond|:)|\bTTLs\b/,
  signatures: /road that brings no message|^answers: rcodes only/,
};

const noAnswers: readonly Lack[] = ['answer data', 'answer addresses', 'lifetimes'];

/** What each rendering does not bring. Signatures are in messages only. */
const roads: Readonly<Record<string, readonly Lack[]>> = {
  'dns.pcap': [],
  'logs/dns.dnstap': [],
  'logs/zeek-dns.log': ['signatures'],
  'logs/eve-v2.json': ['signatures'],
  'logs/eve-v3.json': ['signatures'],
  'logs/infoblox.log': ['signatures'],
  'logs/dnsmasq.log': ['answer data', 'lifetimes', 'signatures'],
  'logs/unbound.log': [...noAnswers, 'signatures'],
  'logs/pdns.log': [...noAnswers, 'signatures'],
  'logs/coredns.log': [...noAnswers, 'signatures'],
  'logs/umbrella.csv': [...noAnswers, 'signatures'],
  'logs/bind-query.log': ['rcodes', ...noAnswers, 'signatures'],
};

const MEDIUM_BITS = 10;

/** What a detector can't do without. */
const needs: Readonly<Record<string, readonly Lack[]>> = {
  dga: ['rcodes'],
  rebinding: ['answer addresses'],
  dnssec: ['signatures'],
  // A look-up counts that comes after the last answer has died.
  'dns-repeats': ['lifetimes'],
};

/** What one reason of a finding rests on. */
function restsOn(reason: Reason): Lack | undefined {
  if (/\breceived \d+ bytes of answer data|each answer brings data/.test(reason.text)) return 'answer data';
  if (/\blives? for\b|lifetime/.test(reason.text)) return 'lifetimes';
  if (/no address to go to/.test(reason.text)) return 'answer addresses';
  return undefined;
}

/** What of a verdict this road does not bring, so that it may be missing; empty where it should be there. */
function excuse(f: Finding, road: readonly Lack[]): readonly Lack[] {
  const needed = (needs[f.detector] ?? []).filter((n) => road.includes(n));
  if (needed.length > 0) return needed;
  const missing = new Set<Lack>();
  let bits = f.bits;
  for (const reason of f.reasons) {
    const on = restsOn(reason);
    if (on === undefined || !road.includes(on) || reason.bits <= 0) continue;
    missing.add(on);
    bits -= reason.bits;
  }
  return bits < MEDIUM_BITS ? [...missing] : [];
}

const told = (o: Outcome): Finding[] => o.findings.filter((f) => f.plane === 'dns' && atLeast(f.severity, 'medium'));
const named = (f: Finding): string => `${f.detector} ${f.asset.ip ?? f.asset.id} ${f.subject.value}`;

describe('one day of the range by twelve roads', () => {
  const dir = mkdtempSync(join(tmpdir(), 'parapet-roads-'));
  const outcomes = new Map<string, Outcome>();
  let truth: { campaign: string; zone?: string }[] = [];
  beforeAll(async () => {
    runScenario('dns-day', { seed: 1, clients: 30, days: 0.6, out: dir, logs: 'all' });
    const city = loadCity(join(dir, 'city.yaml'));
    for (const road of Object.keys(roads)) outcomes.set(road, await analyze([join(dir, road)], { city }));
    truth = readFileSync(join(dir, 'truth.ndjson'), 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { campaign: string; zone?: string });
  });
  afterAll(() => rmSync(dir, { recursive: true, force: true }));

  const whole = (): Finding[] => told(outcomes.get('dns.pcap')!);

  it('has a rendering for each road, and no road that is not known here', () => {
    const files = ['dns.pcap', ...readdirSync(join(dir, 'logs')).map((f) => `logs/${f}`)].sort();
    expect(files).toEqual(Object.keys(roads).sort());
  });

  it('the capture has verdicts of four detectors, so that there is something to lose', () => {
    const detectors = new Set(whole().map((f) => f.detector));
    for (const d of ['dns-tunnel', 'dns-repeats', 'dga', 'rebinding']) expect(detectors, d).toContain(d);
    expect(whole().length).toBeGreaterThanOrEqual(20);
  });

  describe.each(Object.entries(roads))('%s', (road, lost) => {
    it('a verdict that is missing rests on what the road does not bring', () => {
      const here = new Set(told(outcomes.get(road)!).map(named));
      const missing = whole().filter((f) => !here.has(named(f)));
      const unexcused = missing.filter((f) => excuse(f, lost).length === 0).map(named);
      expect(unexcused).toEqual([]);
    });

    it('what is not brought is in coverage', () => {
      const texts = outcomes.get(road)!.coverage.map((c) => c.text);
      for (const l of lost)
        expect(
          texts.some((t) => saidBy[l].test(t)),
          `${l}: ${texts.join(' | ')}`,
        ).toBe(true);
    });

    it('there is no verdict that the capture does not have', () => {
      const there = new Set(whole().map(named));
      const extra = told(outcomes.get(road)!)
        .map(named)
        .filter((n) => !there.has(n));
      expect(extra).toEqual([]);
    });

    it('nothing is claimed about encryption that the capture shows to be plain', () => {
      const encrypted = outcomes.get(road)!.coverage.filter((c) => c.what === 'encrypted-dns');
      expect(encrypted.map((c) => c.text)).toEqual([]);
    });
  });

  it('tunnels in the names alone are told by every road, and truth has each of them', () => {
    const zones = new Set(truth.map((t) => t.zone).filter((z) => z !== undefined));
    const plain = whole().filter((f) => f.detector === 'dns-tunnel' && excuse(f, [...lacks]).length === 0);
    const real = plain.filter((f) => [...zones].some((z) => f.subject.value.endsWith(z)));
    expect(real.length).toBeGreaterThanOrEqual(18);
    // A virus scanner that asks in TXT, and fewer than three clients that have it: the one innocent cause the card names.
    expect(plain.filter((f) => !real.includes(f)).every((f) => f.subject.value.startsWith('ext.'))).toBe(true);
    for (const [road, outcome] of outcomes) {
      const here = new Set(told(outcome).map(named));
      expect(
        plain.map(named).filter((n) => !here.has(n)),
        road,
      ).toEqual([]);
    }
  });
});

const corpus = join(process.env.PARAPET_CORPUS ?? '../shared/corpus', 'dns');
const there = existsSync(join(corpus, 'logs/same-queries'));
if (!there) console.log(`skipped: no corpus at ${corpus} (set PARAPET_CORPUS)`);

describe.skipIf(!there)('the corpus: 62 queries through four servers (needs the corpus)', () => {
  const files = {
    bind: 'logs/same-queries/bind-query.log',
    unbound: 'logs/same-queries/unbound.log',
    dnsmasq: 'logs/same-queries/dnsmasq.log',
    'powerdns-recursor': 'logs/same-queries/pdns-recursor.log',
    dnstap: 'dnstap/bind-client-same-queries.tap',
  };
  /** Unbound resolves through itself and is asked by its secondary: those clients are not of the 62 queries. */
  const clients = new Set(['10.77.0.20', '10.77.0.67']);
  const verdicts = new Map<string, Finding[]>();
  const coverage = new Map<string, string[]>();
  beforeAll(async () => {
    for (const [kind, file] of Object.entries(files)) {
      const outcome = await analyze([join(corpus, file)], { city: defaultCity() });
      verdicts.set(
        kind,
        told(outcome).filter((f) => clients.has(f.asset.ip!)),
      );
      coverage.set(
        kind,
        outcome.coverage.map((c) => c.text),
      );
    }
  });

  it.each(Object.keys(files))('%s: the tunnel, its client and its zone', (kind) => {
    expect(verdicts.get(kind)!.map(named)).toContain('dns-tunnel 10.77.0.20 t.meterhub.example');
  });

  it.each(Object.keys(files))(
    '%s: whatever else the messages say, but for names whose octets the log hides',
    (kind) => {
      const here = verdicts.get(kind)!.map(named);
      const whole = verdicts.get('dnstap')!;
      expect(here.filter((n) => !whole.map(named).includes(n))).toEqual([]);
      for (const f of whole.filter((w) => !here.includes(named(w)))) {
        expect(f.reasons.map((r) => r.text).join('; '), f.title).toMatch(/raw octets|characters or letter case/);
        expect(coverage.get(kind)!.some((t) => /octets/.test(t))).toBe(true);
      }
    },
  );
});

describe('an empty road', () => {
  it('says that nothing was there instead of nothing', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'parapet-roads-'));
    try {
      writeFileSync(join(dir, 'empty.log'), '');
      const outcome = await analyze([join(dir, 'empty.log')], { city: defaultCity() });
      expect(outcome.faults.map((f) => f.code)).toEqual(['FILE_EMPTY']);
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  });
});
