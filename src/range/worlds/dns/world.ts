// A city's and an office's DNS life as one stream in event time. Memory is bounded: timers, one stub cache a client,
// and one host a name of the list.
import { seededRandom } from '#lib/random';
import { ipv4 } from '../../encode/ethernet.ts';
import { activities, type Routine, routines } from './activities.ts';
import { Act } from './acts.ts';
import { type Client, makeClients } from './clients.ts';
import type { Exchange, ExchangeSource } from './exchange.ts';
import { Popularity, plausibleNames } from './popularity.ts';
import { nextRandom, nextRegular } from './rhythm.ts';
import { Site } from './site.ts';
import { Timers } from './timers.ts';
import { makeZones, type Zones } from './zones.ts';

export interface DnsWorldOptions {
  readonly seed: number | string;
  readonly clients: number;
  readonly days: number;
  /** Event time, integer microseconds. */
  readonly startMicros: number;
  /** Public names, most popular first; 4,000 made ones by default. */
  readonly names?: readonly string[];
}

/** The site's resolver. */
export const resolverIp = ipv4('10.1.0.53');
/** Follow-ups that may wait at once besides the routines. */
const FOLLOW_UPS_MAX = 65_536;
const namesByDefault = 4000;

export class DnsWorld implements ExchangeSource {
  readonly clients: readonly Client[];
  readonly zones: Zones;
  readonly popular: Popularity;
  readonly head: Exchange;
  readonly startMicros: number;
  readonly untilMicros: number;
  readonly #site: Site;
  readonly #timers: Timers;
  /** Routine r of a client is number firstRoutine[role] + r. */
  readonly #routines: readonly Routine[];

  constructor(options: DnsWorldOptions) {
    const random = seededRandom(options.seed);
    const names = options.names ?? plausibleNames(random.split('names'), namesByDefault);
    this.popular = new Popularity(names);
    this.zones = makeZones(random.split('zones'));
    this.clients = makeClients(random.split('clients'), options.clients, (r) => this.popular.draw(r));
    this.startMicros = options.startMicros;
    this.untilMicros = options.startMicros + Math.round(options.days * 86_400e6);
    const all: Routine[] = [];
    const first = new Map<string, number>();
    for (const [role, list] of Object.entries(routines)) {
      first.set(role, all.length);
      all.push(...list);
    }
    this.#routines = all;
    const regular = this.clients.reduce((n, c) => n + routines[c.role].length, 0);
    this.#timers = new Timers(regular + FOLLOW_UPS_MAX);
    this.#site = new Site(this.zones, this.popular, this.clients, this.#timers, resolverIp);
    this.head = this.#site.head;
    for (const client of this.clients)
      for (let r = 0; r < routines[client.role].length; r++) this.#first(client, first.get(client.role)! + r);
  }

  /** Follow-ups left out because too many waited. */
  get shed(): number {
    return this.#timers.shed;
  }

  advance(): boolean {
    const timers = this.#timers;
    while (timers.take(this.untilMicros)) {
      const { act, a, b, at } = timers;
      const client = this.clients[timers.client]!;
      this.#site.at = at;
      // Acts from `routineBase` on are routines, which plan their own next turn.
      if (act >= routineBase) {
        const routine = this.#routines[act - routineBase]!;
        this.#plan(client, act - routineBase, at);
        if (activities[routine.act]!(this.#site, client, 0, 0)) return true;
      } else if (activities[act]!(this.#site, client, a, b)) return true;
    }
    return false;
  }

  /** A routine's first turn: regular ones begin anywhere in their gap. */
  #first(client: Client, number: number): void {
    const routine = this.#routines[number]!;
    const before = routine.regular ? Math.floor(routine.seconds * 1e6 * client.random.uniform()) : 0;
    this.#plan(client, number, this.startMicros - before);
  }
  #plan(client: Client, number: number, from: number): void {
    const { seconds, rhythm, regular } = this.#routines[number]!;
    const next = regular ? nextRegular : nextRandom;
    let at = from;
    do at = next(client.random, rhythm, seconds * 1e6, at);
    while (at < this.startMicros);
    if (at < this.untilMicros) this.#timers.add(at, client.index, routineBase + number, 0, 0);
  }
}
const routineBase = Object.keys(Act).length;
