// What all attacks over DNS share: where they happen, how they send, and a ledger of what has leaked by when.
import type { Random } from '#lib/random';
import { type Answer, a, wireName } from '../worlds/dns/answers.ts';
import { Exchange, type ExchangeSource, GeneratedSource, noAnswers } from '../worlds/dns/exchange.ts';
import { publicAddress } from '../worlds/net.ts';

export interface DnsPlace {
  readonly random: Random;
  /** Who is compromised, and where. */
  readonly victim: { readonly id: string; readonly ip: number };
  readonly resolver: number;
  readonly fromMicros: number;
  readonly untilMicros: number;
  /** Number that its exchanges bear; 0 by default. */
  readonly attack?: number;
  /** The zone that the attacker answers for. */
  readonly zone: string;
}

/** Octets of the attacker's data that had left (up) and come in (down), as steps over time. */
export class Ledger {
  readonly #at: number[] = [];
  readonly #up: number[] = [];
  readonly #down: number[] = [];
  up = 0;
  down = 0;
  firstMicros = 0;
  lastMicros = 0;
  queries = 0;

  note(at: number, up: number, down: number): void {
    if (this.queries === 0) this.firstMicros = at;
    this.lastMicros = at;
    this.queries += 1;
    this.up += up;
    this.down += down;
    if (up === 0 && down === 0) return;
    this.#at.push(at);
    this.#up.push(this.up);
    this.#down.push(this.down);
  }
  /** What had leaked with everything sent up to and including `at`. */
  at(at: number): { up: number; down: number } {
    let low = 0;
    let high = this.#at.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#at[middle]! <= at) low = middle + 1;
      else high = middle;
    }
    return low === 0 ? { up: 0, down: 0 } : { up: this.#up[low - 1]!, down: this.#down[low - 1]! };
  }
  /** At most `count` of the steps, the last always among them: microseconds, up, down. */
  points(count: number): [number, number, number][] {
    const n = this.#at.length;
    const step = Math.max(1, Math.ceil(n / count));
    const out: [number, number, number][] = [];
    for (let i = step - 1; i < n - 1; i += step) out.push([this.#at[i]!, this.#up[i]!, this.#down[i]!]);
    if (n > 0) out.push([this.#at[n - 1]!, this.up, this.down]);
    return out;
  }
}

export interface DnsAttack {
  /** `what` of truth. */
  readonly what: string;
  /** The family of tools whose bytes it writes; empty where it is none. */
  readonly tool: string;
  /** What all its names end in; empty where they have nothing in common. */
  readonly zone: string;
  readonly assets: readonly string[];
  readonly ledger: Ledger;
  /** What it set out to send up; empty where it sends nothing of its own. */
  readonly payload: Uint8Array;
  readonly source: ExchangeSource;
}

/** Sends one victim's questions; the exchange is one and the same, filled again. */
export class Sender {
  readonly place: DnsPlace;
  readonly random: Random;
  readonly ledger: Ledger;
  readonly #exchange = new Exchange();
  #zone: Uint8Array;
  #up = 0;
  #down = 0;
  /** EDNS(0) size of the tool's questions. */
  udpBytesMax = 0;
  /** Time of the next question. */
  at: number;

  constructor(place: DnsPlace, ledger: Ledger) {
    this.place = place;
    this.random = place.random;
    this.ledger = ledger;
    this.#zone = wireName(place.zone);
    this.at = place.fromMicros;
  }
  /** From now on names end in another zone. */
  turnTo(zone: string): void {
    this.#zone = wireName(zone);
  }
  /**
   * One question under the zone at `this.at`.
   * @param labels dotted Latin-1 text left of the zone; empty for the zone itself
   * @param up octets of the attacker's data in the name, `down` in the answer
   * @param late microseconds by which the server holds the answer back
   */
  send(labels: string, qtype: number, answers: readonly Answer[], up: number, down: number, late = 0): Exchange {
    const { random, at } = this;
    const exchange = this.#exchange;
    writeName(exchange, labels, this.#zone);
    exchange.atMicros = at;
    exchange.client = this.place.victim.ip;
    exchange.clientPort = random.integer(32_768, 60_999);
    exchange.resolver = this.place.resolver;
    exchange.id = random.integer(0, 65_535);
    exchange.qtype = qtype;
    exchange.rcode = 0;
    exchange.answers = answers;
    exchange.ageSeconds = 0;
    exchange.cached = false;
    exchange.attack = this.place.attack ?? 0;
    exchange.udpBytesMax = this.udpBytesMax;
    exchange.answeredAtMicros = at + 9_000 + Math.floor(26_000 * random.uniform() ** 2) + late;
    this.#up = up;
    this.#down = down;
    return exchange;
  }
  /** Counts the question made last as sent. */
  commit(): void {
    this.ledger.note(this.#exchange.atMicros, this.#up, this.#down);
  }
  /** A question that the zone's server denies. */
  denied(labels: string, qtype: number, up: number): Exchange {
    const exchange = this.send(labels, qtype, noAnswers, up, 0);
    exchange.rcode = 3;
    return exchange;
  }
  /** Lets time pass: `micros` and up to `jitter` of them more or less. */
  wait(micros: number, jitter = 0.1): void {
    this.at += Math.max(1, Math.floor(micros * (1 + jitter * (2 * this.random.uniform() - 1))));
  }
  bytes(count: number): Uint8Array {
    const out = new Uint8Array(count);
    this.random.fill(out);
    return out;
  }
}

function writeName(exchange: Exchange, labels: string, zone: Uint8Array): void {
  const { name } = exchange;
  let at = 0;
  let o = 1;
  if (labels !== '') {
    for (let i = 0; i < labels.length; i++) {
      const c = labels.charCodeAt(i);
      if (c === 0x2e) {
        name[at] = o - at - 1;
        at = o++;
      } else name[o++] = c;
      if (o - at > 64 || o + zone.length > 256) throw new RangeError(`the name is too long: ${labels}`);
    }
    name[at] = o - at - 1;
  } else o = 0;
  if (o + zone.length > 255) throw new RangeError(`the name is too long: ${labels}`);
  name.set(zone, o);
  exchange.nameBytes = o + zone.length;
}

/** Characters left of the zone that a name may hold, dots included. */
export function roomBeside(zone: string): number {
  return 253 - zone.length - 1;
}

/** Puts an attack together; nothing runs until its source is asked. */
export function attackOf(
  place: DnsPlace,
  facts: { what: string; tool?: string; payloadBytes?: number; zone?: string },
  body: (sender: Sender, payload: Uint8Array) => Generator<Exchange>,
): DnsAttack {
  const ledger = new Ledger();
  const payload = new Uint8Array(facts.payloadBytes ?? 0);
  place.random.split('payload').fill(payload);
  const { untilMicros } = place;
  function* bounded(): Generator<Exchange> {
    const sender = new Sender(place, ledger);
    for (const exchange of body(sender, payload)) {
      if (exchange.atMicros >= untilMicros) return;
      sender.commit();
      yield exchange;
    }
  }
  return {
    what: facts.what,
    tool: facts.tool ?? '',
    zone: facts.zone ?? place.zone,
    assets: [place.victim.id],
    ledger,
    payload,
    source: new GeneratedSource(bounded()),
  };
}

/** The address an attacker's zone gives. */
export function addressOf(zone: string, ttlSeconds = 60): Answer {
  return a(publicAddress(zone), ttlSeconds);
}
