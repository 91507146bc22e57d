// What two hosts say to each other, before it is packets or rows: a flow with the moments at which payload moved.
import type { Random } from '#lib/random';
import { publicAddress } from '../net.ts';

/** `tls` opens with a hello, `plain` with opaque octets, `quic` and `udp` are datagrams. */
export type Wire = 'tls' | 'plain' | 'quic' | 'udp';

export interface Talk {
  readonly client: number;
  readonly server: number;
  readonly clientPort: number;
  readonly serverPort: number;
  readonly wire: Wire;
  /** TLS server name; '' where none is told. */
  readonly name: string;
  readonly openAt: number;
  /** When the client ends it; never before its last step. */
  closeAt: number;
  /** Triples: microseconds, payload octets up, payload octets down. In order of time once `sortSteps` was called. */
  readonly steps: number[];
  /** Index of the attack it belongs to, or -1. */
  attack: number;
}

/** A question to the city's resolver by a device. */
export interface Ask {
  readonly at: number;
  readonly client: number;
  readonly name: string;
  attack: number;
}

/** Where a world or an attacker puts what it makes. */
export interface Plot {
  readonly talks: Talk[];
  readonly asks: Ask[];
}

export class Writer {
  readonly plot: Plot;
  readonly attack: number;
  readonly #ports = new Map<number, number>();

  constructor(plot: Plot, attack = -1, firstPort = 32_768) {
    this.plot = plot;
    this.attack = attack;
    this.#firstPort = firstPort;
  }
  readonly #firstPort: number;

  ask(at: number, client: number, name: string): void {
    this.plot.asks.push({ at, client, name, attack: this.attack });
  }

  open(at: number, client: number, server: number, serverPort: number, wire: Wire, name = ''): Talk {
    const port = this.#ports.get(client) ?? this.#firstPort;
    this.#ports.set(client, port >= this.#firstPort + 12_000 ? this.#firstPort : port + 1);
    const talk: Talk = {
      client,
      server,
      clientPort: port,
      serverPort,
      wire,
      name,
      openAt: Math.floor(at),
      closeAt: Math.floor(at),
      steps: [],
      attack: this.attack,
    };
    this.plot.talks.push(talk);
    return talk;
  }

  /** A TLS or QUIC talk by name: hello and server flight in it, then `up` and `down`, then the end. */
  exchange(
    random: Random,
    at: number,
    client: number,
    name: string,
    up: number,
    down: number,
    options: { wire?: Wire; port?: number; lookup?: boolean; server?: number; seconds?: number } = {},
  ): Talk {
    const wire = options.wire ?? 'tls';
    if (options.lookup ?? true) this.ask(at - 30_000, client, name);
    const talk = this.open(at, client, options.server ?? publicAddress(name), options.port ?? 443, wire, name);
    const t = handshake(random, talk, at);
    bulk(random, talk, t + random.integer(500, 5000), up, down, options.seconds ?? 0);
    return talk;
  }
}

/** Hello up, server flight down. @returns the time after it */
export function handshake(random: Random, talk: Talk, at: number): number {
  const round = roundTripOf(talk);
  if (talk.wire === 'udp' || talk.wire === 'plain') return Math.floor(at + round);
  say(talk, at + round, 320 + talk.name.length, 0);
  say(talk, at + 2 * round, 0, random.integer(2400, 4600));
  say(talk, at + 2 * round + 400, 80, 0);
  return Math.floor(at + 2 * round + 600);
}

export function say(talk: Talk, at: number, up: number, down: number): void {
  const t = Math.floor(at);
  talk.steps.push(t, Math.round(up), Math.round(down));
  if (t > talk.closeAt) talk.closeAt = t + 20_000;
}

/** A request of `up` octets and an answer of `down`, spread over `seconds` where that is more than a round trip. */
export function bulk(random: Random, talk: Talk, at: number, up: number, down: number, seconds = 0): number {
  const round = roundTripOf(talk);
  const pieces = Math.max(1, Math.ceil(seconds / 0.5));
  const gap = pieces === 1 ? 0 : (seconds * 1e6) / pieces;
  for (let k = 0; k < pieces; k++) {
    const t = at + k * gap + random.integer(0, 2000);
    if (up > 0) say(talk, t, up / pieces, 0);
    if (down > 0) say(talk, t + round + 500, 0, down / pieces);
  }
  return at + (pieces - 1) * gap + round + 3000;
}

/** Fixed by the two ends, 8 to 60 ms. */
export function roundTripOf(talk: { client: number; server: number }): number {
  const h = Math.imul(talk.client ^ talk.server, 0x9e3779b1) >>> 0;
  return 8000 + (h % 52_000);
}

/** Steps in order of time. */
export function sortSteps(talk: Talk): void {
  const n = talk.steps.length / 3;
  let isSorted = true;
  for (let i = 1; i < n && isSorted; i++) isSorted = talk.steps[3 * i]! >= talk.steps[3 * i - 3]!;
  if (isSorted) return;
  const order = Array.from({ length: n }, (_, i) => i).sort((a, b) => talk.steps[3 * a]! - talk.steps[3 * b]! || a - b);
  const copy = talk.steps.slice();
  for (const [to, from] of order.entries()) for (let k = 0; k < 3; k++) talk.steps[3 * to + k] = copy[3 * from + k]!;
}
