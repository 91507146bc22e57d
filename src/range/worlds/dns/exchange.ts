// One question and its answer, as a resolver's client sees it, and streams of them in the order of their questions.
// An exchange is borrowed: a stream fills the same one again at its next step. `copyExchange` keeps one.
import type { Answer } from './answers.ts';

export const noAnswers: readonly Answer[] = [];

export class Exchange {
  atMicros = 0;
  /** When the answer reaches the client; 0 where none ever does. */
  answeredAtMicros = 0;
  /** IPv4 as a number. */
  client = 0;
  clientPort = 0;
  resolver = 0;
  id = 0;
  /** Uncompressed wire form, root included: the first `nameBytes` octets. */
  readonly name = new Uint8Array(256);
  nameBytes = 1;
  qtype = 1;
  rcode = 0;
  answers: readonly Answer[] = noAnswers;
  /** Time the answer has lain in the resolver's cache: taken off each TTL. */
  ageSeconds = 0;
  /** The resolver had it. */
  cached = false;
  /** EDNS(0) payload size; 0 without OPT. */
  udpBytesMax = 0;
  dnssecOk = false;
  /** AD in the answer (RFC 4035 3.1.6). */
  authentic = false;
  /** Place in the order of all questions, from 1; set where messages are put in order. */
  number = 0;
  /** Number of the attack that made it, -1 for honest ones. */
  attack = -1;
}

export function copyExchange(from: Exchange, to: Exchange): Exchange {
  to.atMicros = from.atMicros;
  to.answeredAtMicros = from.answeredAtMicros;
  to.client = from.client;
  to.clientPort = from.clientPort;
  to.resolver = from.resolver;
  to.id = from.id;
  const bytes = from.nameBytes;
  for (let i = 0; i < bytes; i++) to.name[i] = from.name[i]!;
  to.nameBytes = bytes;
  to.qtype = from.qtype;
  to.rcode = from.rcode;
  to.answers = from.answers;
  to.ageSeconds = from.ageSeconds;
  to.cached = from.cached;
  to.udpBytesMax = from.udpBytesMax;
  to.dnssecOk = from.dnssecOk;
  to.authentic = from.authentic;
  to.number = from.number;
  to.attack = from.attack;
  return to;
}

/** A stream of exchanges in the order of `atMicros`. */
export interface ExchangeSource {
  /** The current exchange, borrowed until the next step. */
  readonly head: Exchange;
  /** One step on. @returns false at the end; `head` then means nothing */
  advance(): boolean;
}

/** A source out of a generator that yields one borrowed exchange again and again. */
export class GeneratedSource implements ExchangeSource {
  readonly #from: Iterator<Exchange>;
  head = new Exchange();
  constructor(from: Iterator<Exchange>) {
    this.#from = from;
  }
  advance(): boolean {
    const step = this.#from.next();
    if (step.done === true) return false;
    this.head = step.value;
    return true;
  }
}

/** Several sources as one in time order; the earlier in the list goes first where times are equal. */
export class MergedSource implements ExchangeSource {
  readonly #sources: ExchangeSource[];
  #taken: number;
  head = new Exchange();
  constructor(sources: readonly ExchangeSource[]) {
    this.#sources = sources.filter((s) => s.advance());
    this.#taken = -1;
  }
  advance(): boolean {
    if (this.#taken >= 0 && !this.#sources[this.#taken]!.advance()) this.#sources.splice(this.#taken, 1);
    if (this.#sources.length === 0) return false;
    let best = 0;
    let bestAt = this.#sources[0]!.head.atMicros;
    for (let i = 1; i < this.#sources.length; i++) {
      const at = this.#sources[i]!.head.atMicros;
      if (at < bestAt) {
        best = i;
        bestAt = at;
      }
    }
    this.#taken = best;
    this.head = this.#sources[best]!.head;
    return true;
  }
}

/** A source as an iterator; what it yields is borrowed until the next step. */
export function* exchanges(source: ExchangeSource): Generator<Exchange> {
  while (source.advance()) yield source.head;
}
