// Who attacks whom, how and when over DNS: one of each family for a day, and the slow ones for a month.
import type { Random } from '#lib/random';
import { ipv4 } from '../encode/ethernet.ts';
import type { Client, Role } from '../worlds/dns/clients.ts';
import { registered } from '../worlds/names.ts';
import type { DnsAttack, DnsPlace } from './dns-attack.ts';
import { beacon, downstreamOrders, rebinding, sleeper } from './dns-beacons.ts';
import { codecs, encodeBits } from './dns-codecs.ts';
import { generatedDomains } from './dns-generated.ts';
import { iodine } from './dns-iodine.ts';
import { reverseTunnel, slowLeak, smallLeak, tenantTunnel, timedGaps, twoNames, wordCoded } from './dns-slow.ts';
import { dns2tcp, dnscat2, dnsExfiltrator, dnsteal, ozyman } from './dns-tools.ts';

export interface Cast {
  readonly random: Random;
  readonly clients: readonly Client[];
  readonly resolver: number;
  readonly fromMicros: number;
  readonly untilMicros: number;
  /** Names for the sleeper; made ones by default. */
  readonly sleeperNames?: readonly string[];
}
export interface NamedAttack {
  /** Campaign of truth. */
  readonly name: string;
  readonly attack: DnsAttack;
}

const second = 1e6;
const minute = 60e6;
const hour = 3600e6;
const day = 86_400e6;
const endings = ['example', 'test', 'net.example', 'biz.example'];

class Casting {
  readonly #cast: Cast;
  readonly #taken = new Set<string>();
  readonly attacks: NamedAttack[] = [];
  constructor(cast: Cast) {
    this.#cast = cast;
  }
  /** Adds one: at `share` of the time from the start, on a victim of the role (each device once while there are others). */
  add(
    name: string,
    role: Role,
    share: number,
    make: (place: DnsPlace) => DnsAttack,
    zone?: string,
    lastsMicros?: number,
  ): void {
    const { random, clients, resolver, fromMicros, untilMicros } = this.#cast;
    const own = random.split(name);
    const ofRole = clients.filter((c) => c.role === role);
    const free = ofRole.filter((c) => !this.#taken.has(c.id));
    const victim = own.pick(free.length > 0 ? free : ofRole.length > 0 ? ofRole : clients);
    this.#taken.add(victim.id);
    const from = Math.floor(fromMicros + (untilMicros - fromMicros) * share + own.integer(0, 60) * second);
    const place: DnsPlace = {
      random: own,
      victim,
      resolver,
      fromMicros: from,
      untilMicros: Math.min(untilMicros, lastsMicros === undefined ? untilMicros : from + lastsMicros),
      attack: this.attacks.length,
      zone: zone ?? `${own.chance(0.5) ? 't.' : ''}${registered(own)}`,
    };
    this.attacks.push({ name, attack: make(place) });
  }
  get sleeperNames(): readonly string[] | undefined {
    return this.#cast.sleeperNames;
  }
}

/** A zone of a sleeper's list is what its names have in common; made names have the region of a cloud in them. */
function sleeperOf(casting: Casting, random: Random, count: number): { zone: string; names: readonly string[] } {
  const given = casting.sleeperNames;
  if (given !== undefined && given.length > 0)
    return { zone: given[0]!.split('.').slice(-2).join('.'), names: given.slice(0, count) };
  const regions = ['eu-west-1', 'us-west-2', 'us-east-1', 'us-east-2'];
  const names = Array.from({ length: count }, () => {
    const bytes = new Uint8Array(random.integer(10, 19));
    random.fill(bytes);
    return `${encodeBits(codecs.base32, bytes)}.api.${random.pick(regions)}`;
  });
  return { zone: registered(random), names };
}

/** Every family once, spread over the time between. Spans from half a day on hold all of them. */
export function dnsCast(cast: Cast): NamedAttack[] {
  const c = new Casting(cast);
  for (const [i, type] of (['NULL', 'TXT', 'CNAME', 'MX', 'SRV', 'A', 'PRIVATE'] as const).entries()) {
    const up = type === 'A' ? 'base32' : (['base128', 'base64', 'base32'] as const)[i % 3]!;
    c.add(`iodine-${type.toLowerCase()}-${up}`, 'office-pc', 0.3 + 0.03 * i, (p) =>
      iodine(p, { type, up, upBytes: 6000 }),
    );
  }
  c.add('dnscat2', 'office-pc', 0.34, (p) => dnscat2(p, { upBytes: 12_000, encrypted: true }));
  c.add('dnscat2-plain-prefix', 'camera', 0.2, (p) =>
    dnscat2(p, { upBytes: 3000, encrypted: false, prefix: 'dnscat' }),
  );
  c.add('dns2tcp-txt', 'office-pc', 0.41, (p) => dns2tcp(p, { type: 'TXT', upBytes: 9000 }));
  c.add('dns2tcp-key', 'backup-server', 0.1, (p) => dns2tcp(p, { type: 'KEY', upBytes: 9000 }));
  c.add('ozymandns', 'office-pc', 0.45, (p) => ozyman(p, { down: 'TXT', upBytes: 5000, downBytes: 5000 }));
  c.add('sods', 'office-pc', 0.5, (p) => ozyman(p, { down: 'CNAME', upBytes: 5000, downBytes: 5000 }));
  c.add('dnsexfiltrator', 'office-pc', 0.55, (p) => dnsExfiltrator(p, { file: 'network-model.m', bytes: 20_000 }));
  c.add('dnsteal', 'office-pc', 0.6, (p) => dnsteal(p, { file: 'keys.txt', bytes: 4000 }));
  c.add('beacon', 'office-pc', 0.1, (p) => beacon(p, { sleepMicros: minute, jitter: 0.2, tasks: 6, resultBytes: 900 }));
  c.add('beacon-idle-8888', 'smart-meter', 0.15, (p) =>
    beacon(p, { sleepMicros: 5 * minute, jitter: 0.1, idle: ipv4('8.8.8.8'), tasks: 2, resultBytes: 200 }),
  );
  const sleeping = sleeperOf(c, cast.random.split('sleeper names'), 48);
  c.add('sleeper', 'backup-server', 0.02, (p) => sleeper(p, { names: sleeping.names }), sleeping.zone);
  c.add('slow-leak', 'rtu', 0.25, (p) => slowLeak(p, { bytesPerSecond: 0.7, gapMicros: 30 * second }));
  c.add('slow-leak-aaaa', 'camera', 0.1, (p) =>
    slowLeak(p, { bytesPerSecond: 0.1, gapMicros: 5 * minute, type: 'AAAA' }),
  );
  c.add('small-leak', 'plc', 0.4, (p) => smallLeak(p, { bytes: 144, perQuery: 24, gapMicros: 20 * minute }));
  c.add('small-leak-one-query', 'smart-meter', 0.6, (p) =>
    smallLeak(p, { bytes: 48, perQuery: 48, gapMicros: minute, codec: 'base32' }),
  );
  c.add('two-names', 'camera', 0.3, (p) => twoNames(p, { bytes: 60, gapMicros: 20 * second, names: ['www', 'mail'] }));
  c.add('timed-gaps', 'traffic-light', 0.3, (p) =>
    timedGaps(p, { bytes: 40, zeroMicros: 20 * second, oneMicros: 60 * second, name: 'time' }),
  );
  c.add('orders-txt', 'bus', 0.5, (p) => downstreamOrders(p, { type: 'TXT', downBytes: 4200, gapMicros: 10 * second }));
  c.add('orders-a', 'tv', 0.7, (p) => downstreamOrders(p, { type: 'A', downBytes: 2400, gapMicros: 15 * second }));
  for (const [i, generator] of (['letters', 'digest', 'spoken', 'words'] as const).entries())
    c.add(`generated-${generator}`, (['phone', 'tv', 'camera', 'office-pc'] as const)[i]!, 0.35 + 0.1 * i, (p) =>
      generatedDomains(p, { generator, perDay: 120, gapMicros: 4 * second, endings }),
    );
  c.add('rebinding', 'phone', 0.75, (p) =>
    rebinding(p, { targets: [ipv4('10.1.0.10'), ipv4('192.168.1.1')], rounds: 8 }),
  );
  c.add(
    'reverse-tunnel',
    'office-pc',
    0.65,
    (p) => reverseTunnel(p, { bytes: 4000, gapMicros: 3 * second, decimal: false }),
    '100.51.198.in-addr.arpa',
  );
  c.add(
    'reverse-tunnel-decimal',
    'mail-server',
    0.7,
    (p) => reverseTunnel(p, { bytes: 2000, gapMicros: 10 * second, decimal: true }),
    '113.0.203.in-addr.arpa',
  );
  c.add(
    'tenant-tunnel',
    'office-pc',
    0.7,
    (p) => tenantTunnel(p, { bytes: 9000, gapMicros: 4 * second }),
    'meterhub7.duckdns.org',
  );
  c.add('word-coded', 'rtu', 0.5, (p) => wordCoded(p, { bytes: 1500, perQuery: 6, gapMicros: 20 * second }));
  return c.attacks;
}

/** Low and slow for a month: nothing that a window of minutes would count. */
export function monthCast(cast: Cast): NamedAttack[] {
  const c = new Casting(cast);
  c.add(
    'slow-leak',
    'office-pc',
    0.2,
    (p) => slowLeak(p, { bytesPerSecond: 0.7, gapMicros: minute }),
    undefined,
    10 * day,
  );
  c.add('slow-leak-hours', 'rtu', 0.1, (p) => slowLeak(p, { bytesPerSecond: 0.02, gapMicros: hour / 2 }));
  c.add('small-leak-days', 'plc', 0.3, (p) => smallLeak(p, { bytes: 144, perQuery: 12, gapMicros: 1.5 * day }));
  c.add('small-leak-words', 'smart-meter', 0.4, (p) => wordCoded(p, { bytes: 120, perQuery: 2, gapMicros: 6 * hour }));
  c.add('beacon-hourly', 'office-pc', 0.05, (p) =>
    beacon(p, { sleepMicros: hour, jitter: 0.3, tasks: 12, resultBytes: 600 }),
  );
  const sleeping = sleeperOf(c, cast.random.split('sleeper names'), 1400);
  c.add('sleeper', 'backup-server', 0.02, (p) => sleeper(p, { names: sleeping.names }), sleeping.zone);
  c.add('two-names', 'camera', 0.15, (p) => twoNames(p, { bytes: 64, gapMicros: hour, names: ['www', 'mail'] }));
  c.add('timed-gaps', 'traffic-light', 0.2, (p) =>
    timedGaps(p, { bytes: 48, zeroMicros: hour / 2, oneMicros: 1.5 * hour, name: 'time' }),
  );
  c.add('generated-daily', 'tv', 0.1, (p) =>
    generatedDomains(p, { generator: 'spoken', perDay: 40, gapMicros: 30 * second, endings }),
  );
  c.add(
    'reverse-tunnel',
    'camera',
    0.3,
    (p) => reverseTunnel(p, { bytes: 16_000, gapMicros: hour / 2, decimal: true }),
    '100.51.198.in-addr.arpa',
  );
  c.add(
    'tenant-tunnel',
    'bus',
    0.25,
    (p) => tenantTunnel(p, { bytes: 40_000, gapMicros: hour }),
    'meterhub7.duckdns.org',
  );
  c.add('orders-a', 'phone', 0.3, (p) => downstreamOrders(p, { type: 'A', downBytes: 6000, gapMicros: hour }));
  return c.attacks;
}
