// Weeks in a test: the range's exchanges go straight into the detectors as columns, without a capture between. What is low
// and slow must be told before a kilobyte has left, and a thousand honest clients must be left alone.
//
// The quiet run is small by default; PARAPET_DNS_CLIENTS=1000 PARAPET_DNS_DAYS=30 PARAPET_SEED=n gives the figures of
// docs/benchmarks.md.
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { zstdDecompressSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { type City, loadCity } from '#city';
import type { Detector } from '#detectors';
import { atLeast, type Finding } from '#findings';
import { seededRandom } from '#lib/random';
import { detectors } from '#pipeline';
import { type DnsAttack, type DnsPlace, DnsWorld, type ExchangeSource, MergedSource, renderDnsBatches } from '#range';
import { sleeper } from '../src/range/attackers/dns-beacons.ts';
import { slowLeak } from '../src/range/attackers/dns-slow.ts';
import { dnsCityText, resolverIp } from '../src/range/worlds/dns/index.ts';

const DAY_MICROS = 86_400e6;
const startMicros = Date.UTC(2026, 2, 2) * 1000;
const corpus = join(process.env.PARAPET_CORPUS ?? '../shared/corpus', 'dns/domains');
const there = existsSync(corpus);
if (!there) console.log(`skipped: no corpus at ${corpus} (set PARAPET_CORPUS)`);

function popularNames(): readonly string[] {
  return zstdDecompressSync(readFileSync(join(corpus, 'popular-65535.csv.zst')))
    .toString('latin1')
    .split('\n')
    .map((line) => line.slice(line.indexOf(',') + 1).trim())
    .filter((name) => name !== '');
}

/** The city file that the range would write for this world. */
function cityOf(world: DnsWorld): City {
  const dir = mkdtempSync(join(tmpdir(), 'parapet-month-'));
  try {
    writeFileSync(join(dir, 'city.yaml'), dnsCityText(world.clients, world.zones));
    return loadCity(join(dir, 'city.yaml'));
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

interface Run {
  /** The last claim of each finding, in the order of their alerts. */
  readonly findings: readonly Finding[];
  readonly rows: number;
  /** Rows dropped at a capacity, by detector. */
  readonly shed: Readonly<Record<string, number>>;
}

/** Every registered detector that takes DNS rows, over all exchanges, with time advanced as the engine does. */
function observe(source: ExchangeSource, city: City): Run {
  const claims = new Map<string, Finding>();
  const kinds = detectors.filter((d) => d.card.plane === 'dns' && d.card.takes.includes('dns'));
  const running: Detector[] = kinds.map((d) =>
    d.create({ city, evidenceAll: false, claim: (f) => void claims.set(f.id, f), cover: () => {} }),
  );
  expect(running.length).toBeGreaterThanOrEqual(6);
  const rows = renderDnsBatches(source, (batch) => {
    for (const d of running) d.observe(batch);
    const at = batch.at[batch.count - 1]!;
    for (const d of running) d.advance(at);
  });
  for (const d of running) d.end?.();
  const findings = [...claims.values()].filter((f) => atLeast(f.severity, 'medium')).sort((a, b) => a.at - b.at);
  const shed = Object.fromEntries(running.map((d, i) => [kinds[i]!.card.name, d.shed]));
  return { findings, rows, shed };
}

/** A meter among a few honest clients, and what an attacker does on it. */
function onMeter(days: number, zone: string, make: (place: DnsPlace) => DnsAttack): { attack: DnsAttack; run: Run } {
  const world = new DnsWorld({ seed: 4, clients: 12, days, startMicros });
  const victim = world.clients.find((c) => c.role === 'smart-meter')!;
  const attack = make({
    random: seededRandom('on a meter'),
    victim,
    resolver: resolverIp,
    fromMicros: startMicros + 3600e6,
    untilMicros: world.untilMicros,
    zone,
  });
  return { attack, run: observe(new MergedSource([world, attack.source]), cityOf(world)) };
}

/** The alert on the attack, with what truth says had left by then. */
function alertOn({ attack, run }: ReturnType<typeof onMeter>): { finding: Finding; leaked: number; questions: number } {
  const finding = run.findings.find((f) => f.asset.id === attack.assets[0]);
  if (finding === undefined) throw new Error(`nothing was told of ${attack.zone}`);
  expect(finding.subject.value).toContain(attack.zone.split('.').slice(-2).join('.'));
  return { finding, leaked: attack.ledger.at(finding.at).up, questions: finding.count };
}

describe('low and slow on a meter', () => {
  it.skipIf(!there)('real SUNBURST names, one in half an hour: told within a kilobyte', () => {
    const names = readFileSync(join(corpus, 'sunburst-hostnames.txt'), 'latin1')
      .split('\n')
      .filter(Boolean)
      .slice(0, 300);
    const told = alertOn(onMeter(6, 'avsvmcloud.com', (place) => sleeper(place, { names, gapMicros: 1800e6 })));
    const days = (told.finding.at - told.finding.firstAt) / DAY_MICROS;
    console.log(
      `SUNBURST on a meter: ${told.finding.severity} after ${days.toFixed(2)} days, ${told.leaked} bytes of truth, ${told.finding.leakedBytesAtAlert} estimated`,
    );
    expect(told.finding.leakedBytesAtAlert!).toBeLessThanOrEqual(1000);
    expect(told.leaked).toBeLessThanOrEqual(1000);
  });

  it.each([
    ['0.7 bytes a second, a name a minute', 0.7, 60e6],
    ['0.7 bytes a second, a name every half minute', 0.7, 30e6],
    ['0.02 bytes a second, a name every half hour', 0.02, 1800e6],
  ] as const)('%s: told within a kilobyte', (_, bytesPerSecond, gapMicros) => {
    const told = alertOn(onMeter(3, 'meterdata.example', (place) => slowLeak(place, { bytesPerSecond, gapMicros })));
    console.log(
      `${bytesPerSecond} B/s, a name each ${gapMicros / 1e6} s: ${told.finding.severity} after ${((told.finding.at - told.finding.firstAt) / 1e6).toFixed(0)} s, ${told.leaked} bytes of truth, ${told.finding.leakedBytesAtAlert} estimated`,
    );
    expect(told.finding.leakedBytesAtAlert!).toBeLessThanOrEqual(1000);
    expect(told.leaked).toBeLessThanOrEqual(1000);
  });
});

/** Upper 95 % bound of a Poisson mean of which `seen` were counted (one-sided): the mean at which so few come 1 time in 20. */
function poissonUpper95(seen: number): number {
  let low = seen;
  let high = 3 * seen + 20;
  for (let step = 0; step < 60; step++) {
    const mean = (low + high) / 2;
    let term = Math.exp(-mean);
    let sum = term;
    for (let k = 1; k <= seen; k++) sum += term *= mean / k;
    if (sum > 0.05) low = mean;
    else high = mean;
  }
  return high;
}

/** Alerts by detector and what they are about, most first, with the reasons of one. */
function grouped(findings: readonly Finding[]): string[] {
  const groups = new Map<string, Finding[]>();
  for (const f of findings) {
    const key = `${f.detector} ${f.subject.value}`;
    groups.set(key, [...(groups.get(key) ?? []), f]);
  }
  return [...groups]
    .sort((a, b) => b[1].length - a[1].length)
    .slice(0, 20)
    .map(([key, list]) => {
      const worst = list.reduce((a, b) => (b.bits > a.bits ? b : a));
      const why = worst.reasons.map((r) => `${r.bits} ${r.text}`).join('; ');
      return `  ${list.length} x ${key} (${worst.severity}, ${worst.bits} bits at ${worst.asset.id}): ${why}`;
    });
}

describe.skipIf(!there)('honest clients that ask for the popular names', () => {
  const clients = Number(process.env.PARAPET_DNS_CLIENTS ?? 300);
  const days = Number(process.env.PARAPET_DNS_DAYS ?? 10);
  it(`${clients} of them, ${days} days: at most one false alert in 1,000 device-days`, { timeout: 7_200_000 }, () => {
    const from = process.cpuUsage();
    const world = new DnsWorld({
      seed: Number(process.env.PARAPET_SEED ?? 1),
      clients,
      days,
      startMicros,
      names: popularNames(),
    });
    const { findings, rows, shed } = observe(world, cityOf(world));
    const used = process.cpuUsage(from);
    const deviceDays = clients * days;
    const upper = poissonUpper95(findings.length);
    for (const line of grouped(findings)) console.log(line);
    console.log(
      `${deviceDays} device-days, ${rows} messages, ${findings.length} alerts: ${((1000 * findings.length) / deviceDays).toFixed(3)} in 1,000 device-days, below ${((1000 * upper) / deviceDays).toFixed(3)} at 95 %; shed ${JSON.stringify(shed)}; ${((used.user + used.system) / 1e6).toFixed(1)} s of CPU`,
    );
    expect(rows).toBeGreaterThan(10 * deviceDays);
    expect((1000 * findings.length) / deviceDays).toBeLessThanOrEqual(1);
  });

  it('the bound is Poisson’s', () => {
    expect(poissonUpper95(0)).toBeCloseTo(2.996, 2);
    expect(poissonUpper95(3)).toBeCloseTo(7.754, 2);
  });
});
