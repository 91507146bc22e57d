// Scenarios of flows alone: a city's devices by role over days, some of them sold as proxies; a capture and its truth.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Random, seededRandom } from '#lib/random';
import { type Sale, type SaleTruth, sell } from './attackers/proxyware.ts';
import { type Profile, profiles } from './attackers/proxyware-profiles.ts';
import { resetIdentification } from './encode/ethernet.ts';
import { PcapWriter } from './encode/pcap.ts';
import type { Emit } from './encode/tcp.ts';
import { seedCiphertext } from './encode/tls.ts';
import type { RangeOptions, RangeSummary } from './scenario.ts';
import { TruthLog } from './truth.ts';
import {
  type Device,
  day,
  FlowWorld,
  flowCityText,
  hour,
  type Plot,
  type Role,
  writeAsk,
  writeTalk,
} from './worlds/flow/index.ts';
import { NdjsonWriter } from './writer.ts';

export interface FlowSpec {
  readonly name: string;
  readonly text: string;
  readonly devices: number;
  readonly days: number;
  readonly half: 'tune' | 'held' | 'none';
  /** How long each device is sold; 8 where it is not told. */
  readonly soldHours?: number;
}

export const flowScenarios: readonly FlowSpec[] = [
  {
    name: 'proxyware',
    text: 'a city of meters, cameras, buses, signals, gateways and offices, seven devices of it sold as proxies',
    devices: 20,
    days: 1,
    half: 'tune',
  },
  {
    name: 'proxyware-held',
    text: 'the same with the ways of selling that no detector was tuned on',
    devices: 20,
    days: 1,
    half: 'held',
  },
  {
    name: 'flow-quiet',
    text: 'a city day of flows without an attack, for false alerts',
    devices: 60,
    days: 1,
    half: 'none',
  },
];

/** A Monday. */
export const flowStartMicros = Date.UTC(2026, 2, 2) * 1000;
const soldRoles: readonly Role[] = ['smart-meter', 'camera', 'bus', 'signal-controller', 'workstation'];

/** Who is sold how: each profile on one device of each of `roles` in turn, starting after the learning day's first hours. */
export function salesOf(
  seed: number | string,
  devices: readonly Device[],
  which: readonly Profile[],
  dayStart: number,
  hours = 8,
): Sale[] {
  const random = seededRandom(seed).split('sales');
  const free = new Map(soldRoles.map((r) => [r, random.shuffled(devices.filter((d) => d.role === r))]));
  const sales: Sale[] = [];
  which.forEach((profile, i) => {
    for (let k = 0; k < soldRoles.length; k++) {
      const device = free.get(soldRoles[(i + k) % soldRoles.length]!)!.pop();
      if (device === undefined) continue;
      const from = dayStart + 7 * hour + random.integer(0, 7200) * 1e6;
      sales.push({ profile, device, from, until: Math.min(dayStart + day - hour / 6, from + hours * hour) });
      break;
    }
  });
  return sales;
}

/** The sales' talks are added to the day's. */
export function addSales(seed: number | string, plot: Plot, sales: readonly Sale[]): SaleTruth[] {
  const random = seededRandom(seed).split('proxyware');
  return sales.map((sale, i) => sell(random.split(`${i} ${sale.profile.name}`), plot, sale, i));
}

export function runFlow(spec: FlowSpec, options: RangeOptions): RangeSummary {
  mkdirSync(options.out, { recursive: true });
  resetIdentification();
  const random = seededRandom(options.seed).split('flow wire');
  seedCiphertext(random.split('ciphertext'));
  const world = new FlowWorld({
    seed: options.seed,
    devices: options.clients ?? spec.devices,
    startMicros: flowStartMicros,
  });
  const days = options.days ?? spec.days;
  const until = flowStartMicros + days * day;
  const which = options.attack === false || spec.half === 'none' ? [] : profiles.filter((p) => p.half === spec.half);
  const lastDay = flowStartMicros + (days - 1) * day;
  const sales = salesOf(options.seed, world.devices, which, lastDay, spec.soldHours);
  const city = flowCityText(world.devices);
  writeFileSync(join(options.out, 'city.yaml'), city);
  const pcap = new PcapWriter(join(options.out, 'flow.pcap'));
  const emit = (at: number, frame: Uint8Array, onFrame?: (frame: number) => void): void => pcap.add(at, frame, onFrame);
  const firstFrame = new Float64Array(sales.length);
  let told: SaleTruth[] = [];
  for (let d = 0; d < days; d++) {
    const plot = world.day(d);
    if (d === days - 1) told = addSales(options.seed, plot, sales);
    const mark = (attack: number): ((frame: number) => void) | undefined =>
      attack < 0
        ? undefined
        : (frame) => void (firstFrame[attack] = Math.min(firstFrame[attack] || Number.POSITIVE_INFINITY, frame));
    write(random, plot, emit, mark, (to) => pcap.flush(to), flowStartMicros + d * day);
  }
  pcap.close();

  const truth = new TruthLog();
  for (const [i, sale] of sales.entries()) {
    const t = told[i]!;
    if (t.requests === 0) continue;
    const step = {
      at: t.firstAt,
      until: t.lastAt,
      plane: 'flow',
      what: 'proxyjacking',
      assets: [sale.device.id],
      campaign: `${sale.profile.name}-${i}`,
      tool: sale.profile.name,
      leakedBytes: Math.round(t.relayedBytes),
    } as const;
    truth.begin(step, 'flow.pcap')(firstFrame[i]!);
  }
  const truthFile = new NdjsonWriter(join(options.out, 'truth.ndjson'));
  truth.write(truthFile);
  truthFile.close();
  return {
    scenario: spec.name,
    seed: options.seed,
    from: flowStartMicros,
    attackAt: Math.min(until, ...told.filter((t) => t.requests > 0).map((t) => t.firstAt)),
    until,
    meters: world.devices.length,
    honestCommands: 0,
    harmfulCommands: 0,
    surge: 1,
    lostShare: [],
    truthSteps: truth.count,
    decoys: { faultyMeter: '', noisyHost: '' },
    files: {
      'city.yaml': { bytes: Buffer.byteLength(city), items: world.devices.length },
      'flow.pcap': { bytes: pcap.bytes, items: pcap.frames },
      'truth.ndjson': { bytes: truthFile.bytes, items: truthFile.lines },
    },
  };
}

/** A day's packets, a quarter of an hour at a time: frames are held no longer than that. */
function write(
  random: Random,
  plot: Plot,
  emit: Emit,
  mark: (attack: number) => ((frame: number) => void) | undefined,
  flush: (to: number) => void,
  from: number,
): void {
  const talks = plot.talks.sort((a, b) => a.openAt - b.openAt);
  const asks = plot.asks.sort((a, b) => a.at - b.at);
  const step = hour / 4;
  let running: { next: number; steps: Generator<number, void> }[] = [];
  let talk = 0;
  let ask = 0;
  for (let until = from + step; talk < talks.length || running.length > 0; until += step) {
    for (; ask < asks.length && asks[ask]!.at < until; ask++)
      writeAsk(random, asks[ask]!, emit, mark(asks[ask]!.attack));
    for (; talk < talks.length && talks[talk]!.openAt < until; talk++) {
      const t = talks[talk]!;
      running.push({ next: t.openAt, steps: writeTalk(random, t, emit, mark(t.attack)) });
    }
    for (const r of running)
      while (r.next < until) {
        const { done, value } = r.steps.next();
        r.next = done === true ? Number.POSITIVE_INFINITY : value;
      }
    running = running.filter((r) => r.next < Number.POSITIVE_INFINITY);
    flush(until - 60e6);
  }
}
