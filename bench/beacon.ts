// Beacons, exfiltration, scans and floods among the flows of a benign city of 2,000 devices over three days: the first is learned,
// the attacks begin on the second. F1 by jitter, false alerts by device-day, what RITA's score makes of the same rows. Everything is
// synthetic and seeded; seeds 1 to 3 were tuned on, seeds from 11 are the test. Counts, not times: no machine matters.
import { City } from '#city';
import { beacon, RitaRecord } from '#detectors/beacon';
import { exfiltration } from '#detectors/exfiltration';
import { scan } from '#detectors/scan';
import { BATCH_ROWS, FlowBatch, FlowPhase, FlowState } from '#events';
import type { Finding } from '#findings';
import { poissonInterval, wilson } from '#lib/interval';
import { type Random, seededRandom } from '#lib/random';

const SECOND = 1e6;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const START = 1_767_225_600e6;

interface Call {
  readonly at: number;
  readonly lasted: number;
  readonly client: number;
  readonly server: number;
  readonly port: number;
  readonly protocol: number;
  readonly state: number;
  readonly up: number;
  readonly down: number;
  readonly upPackets: number;
  readonly downPackets: number;
  readonly name: string;
}
type Told = Partial<Call> & Pick<Call, 'at' | 'client'>;

export const jitters = [0, 0.1, 0.2, 0.3, 0.4, 0.5] as const;
const roles = ['smart-meter', 'camera', 'signal-controller', 'bus', 'workstation'] as const;
const shares = [800, 300, 250, 200, 450];

interface Host {
  readonly ip: number;
  readonly id: string;
  readonly role: (typeof roles)[number];
  readonly random: Random;
}

export interface Attack {
  readonly host: Host;
  readonly what: 'beacon' | 'exfiltration' | 'scan' | 'flood';
  readonly jitter: number;
  readonly from: number;
  readonly period: number;
  readonly name: string;
}

/** An address for a name, the same each time. */
function addressOf(name: string): number {
  let h = 0x811c9dc5;
  for (let i = 0; i < name.length; i++) h = Math.imul(h ^ name.charCodeAt(i), 0x01000193);
  return (0x2d000000 | ((h ^ (h >>> 13)) & 0x00ffffff)) >>> 0;
}

export class BenignCity {
  readonly hosts: Host[] = [];
  readonly attacks: Attack[] = [];
  readonly #random: Random;

  constructor(seed: number, perJitter = 30) {
    this.#random = seededRandom(`beacon city ${seed}`);
    for (const [r, role] of roles.entries())
      for (let i = 0; i < shares[r]!; i++)
        this.hosts.push({
          ip: 0x0a000000 + (20 + r) * 65_536 + 10 + i,
          id: `${role}-${i}`,
          role,
          random: this.#random.split(`${role} ${i}`),
        });
    const picked = this.#random.split('attacks').shuffled(this.hosts);
    const r = this.#random.split('attack draws');
    const add = (what: Attack['what'], jitter: number, name: string): void => {
      this.attacks.push({
        host: picked[this.attacks.length]!,
        what,
        jitter,
        from: START + DAY + HOUR + r.uniform() * 10 * HOUR,
        period: 30 * SECOND * 60 ** r.uniform(),
        name,
      });
    };
    for (const jitter of jitters)
      for (let k = 0; k < perJitter; k++)
        add('beacon', jitter, k % 4 === 0 ? '' : `c${Math.round(100 * jitter)}-${k}.example`);
    for (let k = 0; k < 30; k++) add('exfiltration', 0, k % 3 === 0 ? '' : `drop${k}.example`);
    for (let k = 0; k < 30; k++) add('scan', 0, '');
    for (let k = 0; k < 20; k++) add('flood', 0, '');
  }

  day(d: number): Call[] {
    const calls: Call[] = [];
    const put = (t: Told): void => {
      const name = t.name ?? '';
      const up = t.up ?? 400;
      const down = t.down ?? 600;
      calls.push({
        lasted: 0.2 * SECOND,
        server: name === '' ? 0x2d000001 : addressOf(name),
        port: 443,
        protocol: 6,
        state: FlowState.SF,
        upPackets: 4 + Math.ceil(up / 1400),
        downPackets: 4 + Math.ceil(down / 1400),
        ...t,
        ...{ name, up, down },
      });
    };
    const from = START + d * DAY;
    for (const [i, h] of this.hosts.entries()) this.#live(h, i, from, d, put);
    for (const a of this.attacks) this.#attack(a, from, d, put);
    return calls.sort((a, b) => a.at + a.lasted - b.at - b.lasted);
  }

  #live(h: Host, i: number, from: number, d: number, put: (t: Told) => void): void {
    const r = h.random.split(d);
    const every = (period: number, jitter: number, made: (at: number) => void, a = from, b = from + DAY): void => {
      for (let at = a + r.uniform() * period; at < b; at += period * (1 + jitter * (2 * r.uniform() - 1))) made(at);
    };
    const client = h.ip;
    every(1024 * SECOND, 0, (at) =>
      put({ at, client, server: 0x2d000100 + (i & 1), port: 123, protocol: 17, up: 48, down: 48 }),
    );
    // One in twenty is alone of its kind, with a maker of its own that it asks, as it did from the start.
    if (h.role !== 'workstation' && i % 20 === 7)
      every(5 * MINUTE, 0.02, (at) => put({ at, client, name: `maker-${h.id}.example`, up: 310, down: 200 }));
    switch (h.role) {
      case 'smart-meter':
        every(15 * MINUTE, 0, (at) =>
          put({ at, client, name: 'headend.utility.example', up: r.integer(280, 340), down: 96 }),
        );
        break;
      case 'camera':
        every(18 * MINUTE, 0.9, (at) =>
          put({
            at,
            client,
            name: `ingest${r.integer(1, 4)}.video.example`,
            up: r.integer(100_000, 1_500_000),
            down: 1200,
          }),
        );
        put({
          at: from + 5 * SECOND,
          lasted: DAY - MINUTE,
          client,
          name: 'signal.video.example',
          up: 90_000,
          down: 90_000,
        });
        if (i % 15 === 3)
          // Its recorder stands outside, and is its own.
          put({
            ...{ at: from + 3 * HOUR, lasted: HOUR, client, name: `recorder-${h.id}.example` },
            ...{ up: r.integer(100e6, 400e6), down: 90_000 },
          });
        break;
      case 'signal-controller':
        every(HOUR, 0, (at) =>
          put({ at, client, name: 'status.signals.example', up: r.integer(900, 1500), down: 300 }),
        );
        if (r.chance(0.04))
          put({
            at: from + 2 * HOUR,
            lasted: MINUTE,
            client,
            name: `d${r.integer(1, 5)}.delivery.example`,
            up: 9000,
            down: 2e6,
          });
        break;
      case 'bus':
        put({
          at: from + 4 * HOUR,
          lasted: 17 * HOUR,
          client,
          name: 'position.transit.example',
          up: 900_000,
          down: 30_000,
        });
        every(
          4 * MINUTE,
          0.9,
          (at) => put({ at, client, name: 'tickets.transit.example', up: r.integer(700, 2600) }),
          from + 4 * HOUR,
          from + 21 * HOUR,
        );
        put({
          at: from + 22 * HOUR,
          lasted: 5 * MINUTE,
          client,
          name: 'archive.transit.example',
          up: r.integer(2e6, 6e6),
          down: 9000,
        });
        break;
      default:
        this.#office(h, i, from, r, every, put);
    }
  }

  #office(
    h: Host,
    i: number,
    from: number,
    r: Random,
    every: (period: number, jitter: number, made: (at: number) => void, a?: number, b?: number) => void,
    put: (t: Told) => void,
  ): void {
    const client = h.ip;
    const on = from + 7 * HOUR + r.uniform() * 2 * HOUR;
    const off = on + 7 * HOUR + r.uniform() * 3 * HOUR;
    // Services of everybody: mail, chat, updates, telemetry, at their own paces.
    for (let s = 0; s < 8; s++)
      every(
        [2, 5, 10, 15, 20, 30, 60, 60][s]! * MINUTE,
        0.05 * (s % 4),
        (at) => put({ at, client, name: `service${s}.example`, up: r.integer(300, 1200), down: r.integer(200, 5000) }),
        on,
        off,
      );
    // One in ten has an application that nobody else has.
    if (i % 10 === 4)
      every(4 * MINUTE, 0.1, (at) => put({ at, client, name: `niche-${h.id}.example`, up: 380, down: 300 }), on, off);
    if (i % 33 === 5) put({ at: on, lasted: off - on, client, name: `vpn-${h.id}.example`, up: 8e6, down: 60e6 });
    const page = (at: number, site: string): void => {
      const flows = r.integer(3, 8);
      for (let k = 0; k < flows; k++)
        put({
          at: at + r.exponential(0.4 * SECOND),
          client,
          name: site,
          up: r.integer(500, 6000),
          down: r.integer(5000, 400_000),
        });
    };
    for (let at = on + r.exponential(12 * MINUTE); at < off; at += r.exponential(14 * MINUTE)) {
      // Half of the sites are everybody's, half hardly anyone's; one is read for some pages.
      const site = r.chance(0.5) ? `site${r.integer(1, 300)}.example` : `rare${r.integer(1, 40_000)}.example`;
      for (let k = r.integer(1, 6), t = at; k > 0; k--, t += 4 * SECOND + r.exponential(50 * SECOND)) page(t, site);
    }
    // A page of a rare site stays open and polls; a rare stream is watched; a large file is sent away.
    if (r.chance(0.01)) {
      const at = on + r.uniform() * 6 * HOUR;
      const site = `polls${r.integer(1, 1e6)}.example`;
      page(at, site);
      const lasts = (20 + 100 * r.uniform()) * MINUTE;
      every(
        (30 + 270 * r.uniform()) * SECOND,
        0.05,
        (t) => put({ at: t, client, name: site, up: r.integer(600, 700), down: r.integer(200, 3000) }),
        at + 5 * SECOND,
        at + lasts,
      );
    }
    if (r.chance(0.05)) {
      const at = on + r.uniform() * 6 * HOUR;
      const site = `stream${r.integer(1, 1e6)}.example`;
      every(
        6 * SECOND,
        0.2,
        (t) => put({ at: t, client, name: site, up: r.integer(700, 800), down: r.integer(1e6, 3e6) }),
        at,
        at + 30 * MINUTE,
      );
    }
    if (r.chance(0.1))
      put({
        at: on + HOUR,
        lasted: 2 * MINUTE,
        client,
        name: `upload${r.integer(1, 20)}.example`,
        up: r.integer(5e6, 60e6),
        down: 20_000,
      });
    if (r.chance(0.02))
      put({
        at: on + 2 * HOUR,
        lasted: 2 * MINUTE,
        client,
        name: `rareupload${r.integer(1, 1e6)}.example`,
        up: r.integer(1e6, 30e6),
        down: 20_000,
      });
    // Some peers are gone: printers that moved, a share that was renamed.
    if (r.chance(0.1))
      for (let k = r.integer(1, 6); k > 0; k--)
        put({
          at: on + r.uniform() * 5 * HOUR,
          client,
          server: 0x0a0b0000 + r.integer(1, 200),
          port: r.pick([445, 9100, 80]),
          state: FlowState.S0,
          up: 0,
          down: 0,
          upPackets: 3,
          downPackets: 0,
        });
  }

  #attack(a: Attack, from: number, d: number, put: (t: Told) => void): void {
    if (d === 0) return;
    const client = a.host.ip;
    const r = a.host.random.split(`attack ${d}`);
    const begin = Math.max(from, a.from);
    const server = (0x2e000000 | (a.host.ip & 0xffffff)) >>> 0;
    if (a.what === 'beacon') {
      const turning = a.name !== '' && a.host.ip % 3 === 0;
      // Half sleep anew each time, half keep a clock and stray from it.
      const clock = a.host.ip % 2 === 0;
      let tick = begin;
      for (let at = begin; at < from + DAY; ) {
        const task = r.chance(0.05);
        if (!r.chance(0.05))
          put({
            ...{ at, client, name: a.name, up: task ? r.integer(2000, 60_000) : r.integer(250, 420) },
            ...{ down: task ? r.integer(2000, 60_000) : r.integer(150, 300) },
            ...(a.name === '' ? { server } : turning ? { server: (server & 0xffffff00) | r.integer(1, 250) } : {}),
          });
        const stray = a.jitter * (2 * r.uniform() - 1) * a.period;
        tick += a.period;
        at = clock ? Math.max(at + 1000, tick + stray / 2) : at + a.period + stray;
      }
    } else if (a.what === 'exfiltration') {
      // 50 MB over a day, in pieces at no pace.
      const step = (50e6 / DAY) * 1.05;
      for (let at = begin; at < from + DAY; ) {
        const wait = r.exponential(10 * MINUTE);
        at += wait;
        put({
          at,
          client,
          name: a.name,
          up: Math.round(step * wait) + 500,
          down: 900,
          ...(a.name === '' ? { server } : {}),
        });
      }
    } else if (a.what === 'scan') {
      const slow = a.host.ip % 3;
      const wait = [0.02 * SECOND, 5 * SECOND, 5 * MINUTE][slow]!;
      const vertical = a.host.ip % 2 === 0;
      for (let k = 0, at = begin; k < 250 && at < from + DAY; k++, at += r.exponential(wait))
        put({
          ...{ at, client, server: 0x0a150000 + (vertical ? 7 : 1000 + k), port: vertical ? 1 + 7 * k : 445 },
          ...(k % 20 === 9
            ? { up: 200, down: 200 }
            : {
                state: k % 3 === 0 ? FlowState.REJ : FlowState.S0,
                up: 0,
                down: 0,
                upPackets: 1,
                downPackets: k % 3 === 0 ? 1 : 0,
              }),
        });
    } else {
      const syn = a.host.ip % 2 === 0;
      for (let at = begin; at < begin + 5 * MINUTE && at < from + DAY; at += syn ? 0.1 * SECOND : 10 * SECOND)
        put(
          syn
            ? {
                at,
                client,
                server: 0x2f000009,
                port: 80,
                state: FlowState.S0,
                up: 0,
                down: 0,
                upPackets: 1,
                downPackets: 0,
              }
            : {
                at,
                lasted: 10 * SECOND,
                client,
                server: 0x2f000009,
                port: 80,
                protocol: 17,
                up: 7e6,
                down: 0,
                upPackets: 10_000,
                downPackets: 0,
              },
        );
    }
  }
}

/** The calls as closed flows. */
export function batches(calls: readonly Call[], firstFlow: number, emit: (b: FlowBatch) => void): void {
  const b = new FlowBatch();
  b.origin = { file: 'city.log', placed: 'line' };
  let used = 0;
  for (const [k, c] of calls.entries()) {
    if (b.count === BATCH_ROWS || used > b.bytes.length - 128) {
      emit(b);
      b.count = 0;
      used = 0;
    }
    const i = b.count++;
    b.at[i] = c.at + c.lasted;
    b.firstAt[i] = c.at;
    b.lastAt[i] = c.at + c.lasted;
    b.place[i] = firstFlow + k;
    b.lastPlace[i] = firstFlow + k;
    b.flow[i] = firstFlow + k;
    b.phase[i] = FlowPhase.Close;
    b.addresses.set([0, 0, 0xffff, c.client, 0, 0, 0xffff, c.server], 8 * i);
    b.originatorPort[i] = 32_768 + (k & 16_383);
    b.responderPort[i] = c.port;
    b.protocol[i] = c.protocol;
    b.state[i] = c.state;
    b.originatorPackets[i] = c.upPackets;
    b.responderPackets[i] = c.downPackets;
    b.originatorPayloadBytes[i] = c.up;
    b.responderPayloadBytes[i] = c.down;
    b.originatorPayloadDelta[i] = c.up;
    b.responderPayloadDelta[i] = c.down;
    b.originatorIpBytes[i] = c.up + 40 * c.upPackets;
    b.responderIpBytes[i] = c.down + 40 * c.downPackets;
    b.service[i] = c.name === '' ? 0 : 1;
    b.nameOffset[i] = used;
    b.nameBytes[i] = c.name.length;
    b.ja4Bytes[i] = 0;
    b.certificateBytes[i] = 0;
    for (let n = 0; n < c.name.length; n++) b.bytes[used + n] = c.name.charCodeAt(n);
    used += c.name.length;
  }
  if (b.count > 0) emit(b);
}

export interface Tally {
  readonly found: Record<string, number>;
  readonly of: Record<string, number>;
  readonly false: Record<string, string[]>;
  /** Delays from the first call to the alert, minutes. */
  readonly delays: Record<string, number[]>;
  deviceDays: number;
  rows: number;
  ritaFound: Record<string, number>;
  ritaFalse: number;
  readonly missed: string[];
}

const ipText = (ip: number): string => [24, 16, 8, 0].map((s) => (ip >>> s) & 255).join('.');
const kindOf = (a: Attack): string => (a.what === 'beacon' ? `jitter ${Math.round(100 * a.jitter)} %` : a.what);

/** @param ending false for a sensor that lives on, true for a recorded input that ends */
export function measure(seeds: readonly number[], ending: boolean, withRita = false): Tally {
  const t: Tally = {
    found: {},
    of: {},
    false: {},
    delays: {},
    deviceDays: 0,
    rows: 0,
    ritaFound: {},
    ritaFalse: 0,
    missed: [],
  };
  for (const seed of seeds) {
    const world = new BenignCity(seed);
    const city = new City({ assets: world.hosts.map((h) => ({ id: h.id, role: h.role, ip: ipText(h.ip) })) }, '.');
    const claims = new Map<string, Finding>();
    const all = [beacon, exfiltration, scan].map((k) =>
      k.create({ city, evidenceAll: false, claim: (f) => void claims.set(f.id, f), cover: () => {} }),
    );
    const rita = new RitaRecord();
    let flow = 1;
    for (let d = 0; d < 3; d++) {
      const calls = world.day(d);
      batches(calls, flow, (b) => {
        for (const x of all) x.observe(b);
        if (d === 2 && withRita) rita.observe(b);
      });
      flow += calls.length;
      t.rows += calls.length;
    }
    if (ending) for (const x of all) x.end?.();
    t.deviceDays += 2 * world.hosts.length;
    const attackOf = new Map(world.attacks.map((a) => [a.host.id, a]));
    const hit = new Map<string, Finding>();
    const wrong = new Map<string, string>();
    for (const f of claims.values()) {
      const a = attackOf.get(f.asset.id ?? '');
      const fits =
        a !== undefined && f.at >= a.from && (a.what === f.detector || (a.what === 'flood' && f.detector === 'scan'));
      // A beacon carries bytes and a bulk sender calls: another detector's word about the same host is no false alert.
      if (fits) hit.set(a.host.id, f);
      else if (a === undefined || f.at < a.from)
        wrong.set(
          `${f.detector} ${f.asset.id}`,
          `seed ${seed} ${f.title} ${f.bits}: ${f.reasons.map((x) => `${x.text} ${x.bits}`).join('; ')}`,
        );
    }
    for (const a of world.attacks) {
      const kind = kindOf(a);
      t.of[kind] = (t.of[kind] ?? 0) + 1;
      const f = hit.get(a.host.id);
      if (f === undefined) {
        t.missed.push(`seed ${seed} ${kind} ${a.host.id} "${a.name}" period ${Math.round(a.period / SECOND)} s`);
        continue;
      }
      t.found[kind] = (t.found[kind] ?? 0) + 1;
      t.delays[kind] ??= [];
      t.delays[kind].push((f.at - a.from) / MINUTE);
    }
    for (const [key, text] of wrong) {
      const detector = key.split(' ')[0]!;
      t.false[detector] ??= [];
      t.false[detector].push(text);
    }
    if (withRita) {
      const told = new Set<string>();
      for (const row of rita.score().rows)
        if (typeof row.told !== 'string' && row.told.score >= 0.8) told.add(row.source);
      for (const h of world.hosts) {
        if (!told.has(ipText(h.ip))) continue;
        const a = attackOf.get(h.id);
        if (a?.what === 'beacon') t.ritaFound[kindOf(a)] = (t.ritaFound[kindOf(a)] ?? 0) + 1;
        else if (a === undefined) t.ritaFalse += 1;
      }
    }
  }
  return t;
}

export function f1(found: number, of: number, falseAlerts: number): number {
  return (2 * found) / (of + found + falseAlerts);
}

export async function bench(): Promise<{ name: string; value: number; unit: string; goal?: string }[]> {
  const out: { name: string; value: number; unit: string; goal?: string }[] = [];
  const live = measure([11, 12], false, true);
  for (const j of jitters) {
    const kind = `jitter ${Math.round(100 * j)} %`;
    const of = live.of[kind] ?? 0;
    const found = live.found[kind] ?? 0;
    const [low, high] = wilson(found, of);
    out.push({
      name: `F1, ${kind} (recall ${found}/${of}: ${low.toFixed(2)} to ${high.toFixed(2)})`,
      value: f1(found, of, live.false.beacon?.length ?? 0),
      unit: '',
      ...(j <= 0.3 ? { goal: '>= 0.95' } : {}),
    });
    out.push({
      name: `F1, ${kind}, RITA v5 at 0.8`,
      value: f1(live.ritaFound[kind] ?? 0, of, live.ritaFalse),
      unit: '',
    });
  }
  for (const kind of ['exfiltration', 'scan', 'flood']) {
    const [low, high] = wilson(live.found[kind] ?? 0, live.of[kind] ?? 0);
    out.push({
      name: `recall, ${kind} (${low.toFixed(2)} to ${high.toFixed(2)})`,
      value: (live.found[kind] ?? 0) / (live.of[kind] ?? 1),
      unit: '',
    });
  }
  for (const d of ['beacon', 'exfiltration', 'scan']) {
    const n = live.false[d]?.length ?? 0;
    const [low, high] = poissonInterval(n, live.deviceDays);
    out.push({
      name: `${d}: false alerts (${low.toExponential(1)} to ${high.toExponential(1)})`,
      value: n / live.deviceDays,
      unit: 'a device-day',
    });
  }
  const ended = measure([11], true);
  out.push({
    name: 'beacon: false alerts, a record that ends',
    value: (ended.false.beacon?.length ?? 0) / ended.deviceDays,
    unit: 'a device-day',
  });
  return out;
}

// `node bench/beacon.ts SEED...` prints what was missed or told wrongly, to tune by.
if (process.argv[1]?.endsWith('bench/beacon.ts')) {
  const seeds = process.argv.slice(2).map(Number);
  const t = measure(seeds.length > 0 ? seeds : [1], process.env.ENDING === '1', process.env.RITA === '1');
  const median = (v: number[] = []): number => Math.round(v.sort((a, b) => a - b)[v.length >> 1] ?? -1);
  for (const kind of Object.keys(t.of))
    console.log(
      kind,
      `${t.found[kind] ?? 0}/${t.of[kind]}`,
      `median delay ${median(t.delays[kind])} min`,
      `rita ${t.ritaFound[kind] ?? 0}`,
    );
  console.log(
    'rows',
    t.rows,
    'device-days',
    t.deviceDays,
    'cpu s',
    process.cpuUsage().user / 1e6,
    'rita false',
    t.ritaFalse,
  );
  for (const m of t.missed) console.log('missed', m);
  for (const [d, list] of Object.entries(t.false)) console.log(d, list.length, '\n  ', list.slice(0, 8).join('\n   '));
}
