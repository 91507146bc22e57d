// Holds a run's output against truth.ndjson: pure arithmetic from claims and truth to the contract's `score` records.

import type { City } from '#city';
import { atLeast, type Finding } from '#findings';
import { medianInterval, poissonInterval, quantile, wilson } from '#lib/interval';
import type { Outcome } from './analyze.ts';

/** One entry of truth.ndjson (contract), times in microseconds. */
export interface Truth {
  readonly at: number;
  readonly until: number;
  readonly plane: string;
  readonly what: string;
  readonly assets: readonly string[];
  readonly campaign: string;
  readonly harmful?: boolean;
  /** For commands: the id in commands.ndjson. */
  readonly command?: string;
  readonly leakedBytes?: number;
}

export interface Score {
  readonly kind: 'score';
  readonly plane: string;
  readonly n: number;
  readonly recall: Rate;
  readonly precision: Rate;
  readonly falsePerDeviceDay: Rate;
  readonly delaySeconds: {
    readonly median: number;
    readonly p95: number;
    readonly n: number;
    readonly interval: readonly [number, number];
  };
  readonly leakedBytes: {
    readonly median: number;
    readonly max: number;
    readonly n: number;
    readonly interval: readonly [number, number];
  };
  readonly harmfulExecuted?: Rate;
  readonly honestHeldShare?: Rate;
  readonly loadLostShare?: Rate;
  readonly incidentsPerCampaign?: Rate;
}

interface Rate {
  readonly value: number;
  readonly n: number;
  readonly interval: readonly [number, number];
}

/** Findings up to this long after an entry ends still count for it: detectors look back. */
const TAIL_MICROS = 3600e6;

/**
 * @param spanMicros event time the input covers
 * @param loadLostShare what the passed commands did to the true grid, where the scenario can tell
 */
export function scoreRun(
  outcome: Outcome,
  truth: readonly Truth[],
  city: City,
  spanMicros: number,
  loadLostShare: number | undefined,
): Score[] {
  // What the gateway faces are commands, which are counted by themselves below.
  const attacks = truth.filter((t) => t.campaign !== '' && t.command === undefined && t.plane !== 'gateway');
  const alerts = outcome.findings.filter((f) => atLeast(f.severity, 'medium'));
  const planes = [...new Set([...attacks.map((t) => t.plane), ...alerts.map((f) => f.plane)])].sort();
  const deviceDays = Math.max(1, city.assets.length) * (spanMicros / 86_400e6);
  const decided = new Map(outcome.verdicts.map((v) => [v.command, v.decision]));
  const scores = planes
    .filter((plane) => plane !== 'gateway')
    .map((plane) =>
      scorePlane(
        plane,
        alerts.filter((f) => f.plane === plane),
        attacks.filter((t) => t.plane === plane),
        attacks,
        city,
        deviceDays,
      ),
    );
  const all = scorePlane('all', alerts, attacks, attacks, city, deviceDays, true);
  const commands = truth.filter((t) => t.command !== undefined);
  const harmful = commands.filter((c) => c.harmful === true);
  const honest = commands.filter((c) => c.harmful !== true);
  const executed = harmful.filter((c) => (decided.get(c.command!) ?? 'pass') === 'pass').length;
  const held = honest.filter((c) => (decided.get(c.command!) ?? 'pass') !== 'pass').length;
  const campaigns = [...new Set(attacks.map((t) => t.campaign))];
  const perCampaign = campaigns.map((campaign) => {
    const own = attacks.filter((t) => t.campaign === campaign);
    return outcome.incidents.filter(
      (i) =>
        atLeast(i.severity, 'medium') &&
        i.findings.some((id) => alerts.some((f) => f.id === id && own.some((t) => touches(f, t, city)))),
    ).length;
  });
  const mean = perCampaign.length === 0 ? 0 : perCampaign.reduce((a, b) => a + b, 0) / perCampaign.length;
  return [
    ...scores,
    {
      ...all,
      harmfulExecuted: {
        value: executed,
        n: harmful.length,
        interval: scaled(wilson(executed, harmful.length), harmful.length),
      },
      honestHeldShare: share(held, honest.length),
      ...(loadLostShare === undefined
        ? {}
        : { loadLostShare: { value: loadLostShare, n: 1, interval: [loadLostShare, loadLostShare] as const } }),
      incidentsPerCampaign: {
        value: mean,
        n: campaigns.length,
        interval: [Math.min(...perCampaign, mean), Math.max(...perCampaign, mean)],
      },
    },
  ];
}

function scorePlane(
  plane: string,
  alerts: readonly Finding[],
  own: readonly Truth[],
  all: readonly Truth[],
  city: City,
  deviceDays: number,
  anyPlane = false,
): Score {
  let hits = 0;
  let pairs = 0;
  const delays: number[] = [];
  const leaks: number[] = [];
  const byAsset = new Map<string, Finding[]>();
  for (const f of alerts) for (const name of namesOf(f, city)) byAsset.set(name, [...(byAsset.get(name) ?? []), f]);
  for (const t of own) {
    for (const asset of t.assets.length > 0 ? t.assets : ['']) {
      pairs += 1;
      const match = (byAsset.get(asset) ?? []).filter((f) => inTime(f, t) && (anyPlane || f.plane === t.plane));
      if (match.length === 0) continue;
      hits += 1;
      const first = match.reduce((a, b) => (a.at <= b.at ? a : b));
      delays.push(Math.max(0, first.at - t.at) / 1e6);
      if (first.leakedBytesAtAlert !== undefined) leaks.push(first.leakedBytesAtAlert);
    }
  }
  const right = alerts.filter((f) => all.some((t) => touches(f, t, city))).length;
  const wrong = alerts.length - right;
  delays.sort((a, b) => a - b);
  leaks.sort((a, b) => a - b);
  return {
    kind: 'score',
    plane,
    n: pairs,
    recall: share(hits, pairs),
    precision: share(right, alerts.length),
    falsePerDeviceDay: { value: wrong / deviceDays, n: wrong, interval: poissonInterval(wrong, deviceDays) },
    delaySeconds: {
      median: quantile(delays, 0.5),
      p95: quantile(delays, 0.95),
      n: delays.length,
      interval: medianInterval(delays),
    },
    leakedBytes: {
      median: quantile(leaks, 0.5),
      max: leaks[leaks.length - 1] ?? Number.NaN,
      n: leaks.length,
      interval: medianInterval(leaks),
    },
  };
}

function namesOf(f: Finding, city: City): string[] {
  const names = [f.asset.id, f.asset.ip, f.asset.host].filter((x) => x !== undefined);
  const byIp = f.asset.ip === undefined ? undefined : city.assetByIp(f.asset.ip)?.id;
  if (byIp !== undefined && !names.includes(byIp)) names.push(byIp);
  if (f.subject.type === 'asset') names.push(f.subject.value);
  return [...new Set(names)];
}

function inTime(f: Finding, t: Truth): boolean {
  return f.lastAt >= t.at && f.firstAt <= t.until + TAIL_MICROS;
}

function touches(f: Finding, t: Truth, city: City): boolean {
  return inTime(f, t) && namesOf(f, city).some((n) => t.assets.includes(n));
}

function share(hits: number, n: number): Rate {
  return { value: n === 0 ? Number.NaN : hits / n, n, interval: wilson(hits, n) };
}

function scaled(interval: readonly [number, number], n: number): [number, number] {
  return [interval[0] * n, interval[1] * n];
}
