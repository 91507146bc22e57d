// What a client's activity has to hand: the exchange being filled, the resolver's and the stub's caches, follow-ups.
import type { Random } from '#lib/random';
import { type Answer, Rtype } from './answers.ts';
import type { Client } from './clients.ts';
import { Exchange, noAnswers } from './exchange.ts';
import type { Host } from './hosts.ts';
import { zone } from './labels.ts';
import type { Popularity } from './popularity.ts';
import type { Timers } from './timers.ts';
import type { Zones } from './zones.ts';

/** Entries of one stub cache; a later name in the same place pushes the earlier out. */
const STUB_ENTRIES = 128;

export const Rcode = { NoError: 0, ServFail: 2, NxDomain: 3, Refused: 5 } as const;

export class Site {
  readonly head = new Exchange();
  readonly zones: Zones;
  readonly popular: Popularity;
  readonly clients: readonly Client[];
  readonly #timers: Timers;
  readonly #resolver: number;
  readonly #stubKey: Uint32Array;
  readonly #stubUntil: Float64Array;
  /** Time of the activity that runs. */
  at = 0;

  constructor(zones: Zones, popular: Popularity, clients: readonly Client[], timers: Timers, resolver: number) {
    this.zones = zones;
    this.popular = popular;
    this.clients = clients;
    this.#timers = timers;
    this.#resolver = resolver;
    this.#stubKey = new Uint32Array(clients.length * STUB_ENTRIES);
    this.#stubUntil = new Float64Array(clients.length * STUB_ENTRIES);
  }

  /** Lets the client do something more, `delayMicros` from now. */
  later(client: Client, delayMicros: number, act: number, a = 0, b = 0): void {
    this.#timers.add(this.at + delayMicros, client.index, act, a, b);
  }

  /** Begins a name to which labels are then written. */
  begin(): Exchange {
    this.head.nameBytes = 0;
    return this.head;
  }

  /** Asks for A, AAAA or HTTPS of a host. @returns false where the client still knows */
  host(client: Client, host: Host, qtype: number): boolean {
    const { at, head } = this;
    if (client.caches && this.#remembered(client, (host.hash ^ Math.imul(qtype, 0x9e3779b1)) >>> 0, host.ttlSeconds))
      return false;
    head.nameBytes = 0;
    zone(head, host.wire);
    const slot = host.slot(qtype);
    const ageSeconds = Math.floor((at - host.fetchedAt[slot]!) / 1e6);
    const cached = ageSeconds < host.ttlSeconds;
    if (!cached) host.fetchedAt[slot] = at;
    this.#fill(client, qtype, Rcode.NoError, host.answers(qtype), cached);
    head.ageSeconds = cached ? ageSeconds : 0;
    return true;
  }

  /** Asks for the name written; the resolver has it in its cache where `cached`. */
  ask(client: Client, qtype: number, rcode: number, answers: readonly Answer[] = noAnswers, cached = false): true {
    this.#fill(client, qtype, rcode, answers, cached);
    return true;
  }

  #fill(client: Client, qtype: number, rcode: number, answers: readonly Answer[], cached: boolean): void {
    const { head, at } = this;
    const { random } = client;
    head.atMicros = at;
    head.client = client.ip;
    head.clientPort = client.port;
    client.port = client.port >= 60_999 ? 32_768 : client.port + 1 + (client.serial & 15);
    head.resolver = this.#resolver;
    const draw = random.word();
    // Drawn whether or not it is needed: what others have put into the resolver's cache must not change this client's life.
    const away = delay(random);
    head.id = draw & 0xffff;
    head.qtype = qtype;
    head.cached = cached;
    head.ageSeconds = 0;
    head.udpBytesMax = client.udpBytesMax;
    head.dnssecOk = false;
    head.authentic = false;
    // One question in 1,500 gets no answer, one in 1,000 a failure of the servers behind the resolver.
    const luck = draw >>> 16;
    const failed = luck < 65 && !cached;
    head.rcode = failed ? Rcode.ServFail : rcode;
    head.answers = failed ? noAnswers : answers;
    head.answeredAtMicros = luck > 65_491 ? 0 : at + (cached ? 150 + (luck >>> 6) : away);
  }

  #remembered(client: Client, key: number, ttlSeconds: number): boolean {
    const slot = client.index * STUB_ENTRIES + (key & (STUB_ENTRIES - 1));
    const known = this.#stubKey[slot] === key && this.#stubUntil[slot]! > this.at;
    if (known) return true;
    this.#stubKey[slot] = key;
    this.#stubUntil[slot] = this.at + ttlSeconds * 1e6;
    return false;
  }
}

/** Microseconds until servers elsewhere have answered: 8 ms and a tail of some tens. */
function delay(random: Random): number {
  const u = random.uniform();
  return 8_000 + Math.floor(30_000 * u * u + (u > 0.99 ? 200_000 : 0));
}

export const addressTypes = [Rtype.A, Rtype.AAAA, Rtype.HTTPS] as const;
