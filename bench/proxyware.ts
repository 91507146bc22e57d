// Sold devices found by behaviour alone: recall, precision, false alerts and delay over the flow city, tune and held-out profiles
// apart, under each ablation; and over real benign captures with relays mixed in. Counts, not times: no machine matters.
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { City, defaultCity } from '#city';
import { relay } from '#detectors/relay';
import type { EventBatch } from '#events';
import type { Finding } from '#findings';
import { medianInterval, poissonInterval, quantile, wilson } from '#lib/interval';
import { seededRandom } from '#lib/random';
import { analyze, Engine, Feed } from '#pipeline';
import { type Profile, profiles } from '../src/range/attackers/proxyware-profiles.ts';
import { ipText } from '../src/range/encode/ethernet.ts';
import { PcapWriter } from '../src/range/encode/pcap.ts';
import { seedCiphertext } from '../src/range/encode/tls.ts';
import { addSales, flowStartMicros, salesOf } from '../src/range/scenario-flow.ts';
import {
  day,
  FlowWorld,
  type RowOptions,
  renderFlowBatches,
  type Talk,
  Writer,
  writeTalk,
} from '../src/range/worlds/flow/index.ts';

export interface Tally {
  sold: number;
  found: number;
  falseAlerts: number;
  deviceDays: number;
  delaysMinutes: number[];
  missed: string[];
  falseOn: string[];
}
export interface Ablation extends RowOptions {
  readonly name: string;
  /** Changes a profile before it is sold. */
  readonly change?: (p: Profile) => Profile;
  /** Changes the world's talks of a day. */
  readonly talks?: (talks: Talk[]) => Talk[];
  readonly nat?: boolean;
  /** Only devices of this role are sold. */
  readonly role?: string;
}

/** One seed: two days, sales on the second, devices with the roles of city.yaml unless `learned`. */
export function measure(
  seed: number,
  which: readonly Profile[],
  a: Ablation,
  tally: Tally,
  devices = 50,
  learned = false,
): void {
  const world = new FlowWorld({ seed, devices, startMicros: flowStartMicros });
  const city = new City(
    { assets: learned ? [] : world.devices.map((d) => ({ id: d.id, role: d.role, ip: ipText(d.ip) })) },
    '.',
  );
  const claims = new Map<string, Finding>();
  const detector = relay.create({ city, evidenceAll: false, claim: (f) => void claims.set(f.id, f), cover: () => {} });
  const random = seededRandom(`${seed} sampling`);
  // Ten hosts behind one address, where it is asked for.
  const translate =
    a.nat === true
      ? (ip: number): number => (ip >>> 24 === 10 ? (ip & 0xffff0000) + 240 + ((ip & 255) >> 3) : ip)
      : (ip: number): number => ip;
  const options: RowOptions = { ...a, uniform: () => random.uniform(), translate };
  const first = new Map<string, number>();
  let flows = 1;
  let at = 0;
  for (let d = 0; d < 2; d++) {
    const plot = world.day(d);
    if (d === 1) {
      const sales = salesOf(
        seed,
        a.role === undefined ? world.devices : world.devices.filter((x) => x.role === a.role),
        which.map(a.change ?? ((p) => p)),
        flowStartMicros + d * day,
      );
      const truths = addSales(seed, plot, sales);
      for (const [i, s] of sales.entries())
        if (truths[i]!.requests > 0)
          first.set(
            ipText(translate(s.device.ip)),
            Math.min(truths[i]!.firstAt, first.get(ipText(translate(s.device.ip))) ?? Number.POSITIVE_INFINITY),
          );
      for (const [i, s] of sales.entries())
        if (truths[i]!.requests > 0)
          profileOf.set(`${seed} ${ipText(translate(s.device.ip))}`, `${s.profile.name} on ${s.device.role}`);
    }
    const talks = a.talks?.(plot.talks) ?? plot.talks;
    renderFlowBatches(
      talks,
      (batch) => {
        // Time moves with each second of rows, as it does live.
        if (batch.at[0]! > at) detector.advance((at = batch.at[0]!));
        detector.observe(batch);
      },
      options,
      flows,
    );
    flows += talks.length;
  }
  detector.end?.();
  const names = new Set(world.devices.map((d) => ipText(translate(d.ip))));
  tally.deviceDays += names.size * 2;
  tally.sold += first.size;
  const told = new Map<string, Finding>();
  for (const f of claims.values()) told.set(f.asset.ip!, f);
  for (const [ip, f] of told) {
    const since = first.get(ip);
    if (since === undefined || f.at < since) {
      tally.falseAlerts += 1;
      tally.falseOn.push(`seed ${seed} ${f.asset.id ?? ip} ${f.bits}: ${f.reasons[0]!.text}`);
      continue;
    }
    tally.found += 1;
    tally.delaysMinutes.push((f.at - since) / 60e6);
  }
  for (const ip of first.keys()) if (!told.has(ip)) tally.missed.push(profileOf.get(`${seed} ${ip}`) ?? ip);
}
const profileOf = new Map<string, string>();

export const newTally = (): Tally => ({
  sold: 0,
  found: 0,
  falseAlerts: 0,
  deviceDays: 0,
  delaysMinutes: [],
  missed: [],
  falseOn: [],
});

export const ablations: readonly Ablation[] = [
  { name: 'as it is' },
  { name: 'QUIC on every side', change: (p) => ({ ...p, control: 'quic', gatewayWire: 'quic', exitWire: 'quic' }) },
  { name: 'no names', withoutNames: true },
  { name: 'sampling 1:100', sampling: 100 },
  { name: 'NAT, eight to one', nat: true },
  {
    name: 'every device fetches firmware at ten',
    talks: (talks) => {
      const writer = new Writer({ talks, asks: [] }, -1, 20_000);
      const random = seededRandom('firmware');
      const start = flowStartMicros + Math.floor((talks[0]!.openAt - flowStartMicros) / day) * day;
      for (const ip of new Set(talks.map((t) => t.client).filter((c) => c >>> 24 === 10)))
        writer.exchange(
          random,
          start + 10 * 3600e6 + random.integer(0, 600) * 1e6,
          ip,
          `image${random.integer(1, 20)}.delivery.example`,
          900,
          3_000_000,
          { seconds: 8 },
        );
      return talks;
    },
  },
  { name: 'low rate, 5 requests an hour', change: (p) => ({ ...p, requestsPerHour: 5, burst: 0, customers: 1 }) },
  { name: 'cameras sold while they upload', role: 'camera' },
  { name: 'workstations sold, one in five on a VPN', role: 'workstation' },
];

export interface Figure {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  readonly goal?: string;
}

export function figuresOf(name: string, t: Tally, goals = false): Figure[] {
  const range = ([a, b]: readonly [number, number]): string => `[${a.toPrecision(3)}, ${b.toPrecision(3)}]`;
  const delays = [...t.delaysMinutes].sort((a, b) => a - b);
  return [
    {
      name: `${name}: recall`,
      value: t.found / Math.max(1, t.sold),
      unit: `${t.found} of ${t.sold} ${range(wilson(t.found, t.sold))}`,
      ...(goals ? { goal: '>= 0.95' } : {}),
    },
    {
      name: `${name}: precision`,
      value: t.found / Math.max(1, t.found + t.falseAlerts),
      unit: range(wilson(t.found, t.found + t.falseAlerts)),
      ...(goals ? { goal: '>= 0.95' } : {}),
    },
    {
      name: `${name}: false alerts a device-day`,
      value: t.falseAlerts / t.deviceDays,
      unit: range(poissonInterval(t.falseAlerts, t.deviceDays)),
      ...(goals ? { goal: '<= 0.1' } : {}),
    },
    {
      name: `${name}: delay, median`,
      value: quantile(delays, 0.5),
      unit: `min ${delays.length > 5 ? range(medianInterval(delays)) : ''}`,
    },
    { name: `${name}: delay, p95`, value: quantile(delays, 0.95), unit: 'min', ...(goals ? { goal: '<= 15' } : {}) },
    {
      name: `${name}: found within 15 minutes of the first relay`,
      value: delays.filter((d) => d <= 15).length,
      unit: `of ${delays.length} found`,
    },
  ];
}

/** Each real benign input alone, then with a device of it sold: the sale's packets lie in its own time, from its own host. */
export async function mixed(which: readonly Profile[], seed: number, share: readonly string[]): Promise<Tally> {
  const t = newTally();
  const dir = mkdtempSync(join(tmpdir(), 'proxyware-'));
  const city = defaultCity();
  let n = 0;
  for (const path of share) {
    const host = await hostOf(path);
    if (host === undefined) continue;
    const random = seededRandom(`${seed} ${n}`);
    const profile = which[n++ % which.length]!;
    const plot = { talks: [], asks: [] };
    const device = { id: 'sold', role: 'workstation', zone: '', ip: host.ip, random } as const;
    const [truth] = addSales(`${seed} ${n}`, plot, [
      { profile, device, from: host.from + 30e6, until: host.from + 30e6 + 4 * 3600e6 },
    ]);
    seedCiphertext(random);
    const pcap = new PcapWriter(join(dir, 'sale.pcap'));
    for (const talk of plot.talks as Talk[])
      for (const _ of writeTalk(random, talk, (at, f, on) => pcap.add(at, f, on)));
    pcap.close();
    const planes = new Set(['flow']);
    const alone = await analyze([path], { city, planes });
    const both = await analyze([path, join(dir, 'sale.pcap')], { city, planes });
    t.deviceDays += host.devices * Math.min(1, Math.max(1 / 1440, (alone.at - alone.firstAt) / day));
    const tell = (f: Finding): boolean => f.detector === 'relay';
    for (const f of alone.findings.filter(tell)) {
      t.falseAlerts += 1;
      t.falseOn.push(`${path.split('/').slice(-2).join('/')} ${f.title} ${f.bits}`);
    }
    t.sold += 1;
    const hit = both.findings.filter(tell).find((f) => f.asset.ip === ipText(host.ip));
    if (hit === undefined || truth!.requests === 0)
      t.missed.push(`${profile.name} in ${path.split('/').slice(-2).join('/')}`);
    else {
      t.found += 1;
      t.delaysMinutes.push((hit.at - truth!.firstAt) / 60e6);
    }
  }
  rmSync(dir, { recursive: true, force: true });
  return t;
}

class Watch extends Engine {
  readonly opened = new Map<number, number>();
  from = Number.POSITIVE_INFINITY;
  readonly #city = defaultCity();

  override emit(batch: EventBatch): void {
    if (batch.kind === 'flow')
      for (let i = 0; i < batch.count; i++) {
        const w = 8 * i;
        if (batch.addresses[w + 2] !== 0xffff || !this.#city.isOurs(batch.addresses, w)) continue;
        const ip = batch.addresses[w + 3]!;
        this.opened.set(ip, (this.opened.get(ip) ?? 0) + 1);
        this.from = Math.min(this.from, batch.firstAt[i]!);
      }
    super.emit(batch);
  }
}

/** The inside host that opens most flows, when the first is, and how many such hosts there are. */
async function hostOf(path: string): Promise<{ ip: number; from: number; devices: number } | undefined> {
  const engine = new Watch({ city: defaultCity(), planes: new Set(['flow']), evidenceAll: false, claim: () => {} });
  const feed = new Feed([path], engine.faults, false);
  try {
    for (let w = await feed.next(engine); w !== undefined; w = await feed.next(engine)) engine.advance(w);
    engine.end();
  } finally {
    feed.close();
  }
  const { opened, from } = engine;
  return opened.size === 0
    ? undefined
    : { ip: [...opened].sort((a, b) => b[1] - a[1])[0]![0], from, devices: opened.size };
}

/** Benign inputs of the corpus's flow folder by half: APT29 hosts (their hops and implants are no relays), RITA's logs, OT and TLS. */
export function realInputs(half: 'tune' | 'test'): string[] {
  const root = join(process.env.PARAPET_CORPUS ?? '../shared/corpus', 'flow');
  if (!existsSync(join(root, 'MANIFEST.tsv'))) return [];
  const [head, ...lines] = readFileSync(join(root, 'MANIFEST.tsv'), 'utf8').trim().split('\n');
  const split = head!.split('\t').indexOf('split');
  return lines
    .map((l) => l.split('\t'))
    .filter(
      (c) =>
        c[split] === half &&
        /(?:^|\/)(?:apt29\/.*_conn\.log|rita\/(?:proxy|proxy_rolling|missing_host|open_conns).*conn\.|ndpi\/(?:ot|tls)\/|ndpi\/c2proxy\/(?:443-curl|443-git|ripe_atlas|nest_log_sink))/.test(
          c[0]!,
        ),
    )
    .map((c) => join(root, c[0]!.replace(/^flow\//, '')))
    .filter((p) => existsSync(p))
    .sort();
}

export async function bench(): Promise<Figure[]> {
  const out: Figure[] = [];
  for (const a of ablations) {
    for (const half of ['tune', 'held'] as const) {
      const t = newTally();
      for (let seed = 101; seed <= 103; seed++)
        measure(
          seed,
          profiles.filter((p) => p.half === half),
          a,
          t,
        );
      out.push(...figuresOf(`${a.name}, ${half}`, t, a.name === 'as it is'));
      if (t.missed.length > 0) console.log(`${a.name}, ${half}: missed ${t.missed.join('; ')}`);
    }
  }
  for (const [half, share] of [
    ['tune', 'tune'],
    ['held', 'test'],
  ] as const) {
    const inputs = realInputs(share);
    if (inputs.length === 0) {
      console.log('real captures left out: no corpus (PARAPET_CORPUS)');
      break;
    }
    const t = await mixed(
      profiles.filter((p) => p.half === half),
      7,
      inputs,
    );
    out.push(...figuresOf(`mixed into real captures, ${half} profiles, ${share} half`, t, true));
    for (const text of [...t.missed, ...t.falseOn]) console.log(`  ${half}: ${text}`);
  }
  return out;
}
