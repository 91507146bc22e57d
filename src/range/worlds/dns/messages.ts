// Exchanges as messages in the order of time: questions and answers interleaved, for captures, logs and columns alike.
// What waits for its answer is copied into pooled exchanges; there are as many as are in flight at once.
import { copyExchange, Exchange, type ExchangeSource } from './exchange.ts';

export interface MessageSink {
  query(exchange: Exchange): void;
  response(exchange: Exchange): void;
}

/** Exchanges in flight at the most; the oldest answers are given early where more are (no world comes near). */
const FLIGHT_MAX = 65_536;

export class MessageOrder {
  readonly #sink: MessageSink;
  /** Binary heap by time of answer, then by order of asking. */
  readonly #heap: { exchange: Exchange; serial: number }[] = [];
  readonly #pool: { exchange: Exchange; serial: number }[] = [];
  #serial = 0;
  #asked = 0;
  constructor(sink: MessageSink) {
    this.#sink = sink;
  }
  /** Answers that came before the question of `exchange`, then the question. */
  add(exchange: Exchange): void {
    this.drain(exchange.atMicros);
    exchange.number = ++this.#asked;
    this.#sink.query(exchange);
    if (exchange.answeredAtMicros > 0) {
      if (this.#heap.length >= FLIGHT_MAX) this.#pop();
      this.#push(exchange);
    }
  }
  /** Gives every answer earlier than `until`. */
  drain(until: number): void {
    while (this.#heap.length > 0 && this.#heap[0]!.exchange.answeredAtMicros < until) this.#pop();
  }
  #push(exchange: Exchange): void {
    const entry = this.#pool.pop() ?? { exchange: new Exchange(), serial: 0 };
    copyExchange(exchange, entry.exchange);
    entry.serial = this.#serial++;
    const heap = this.#heap;
    let i = heap.length;
    heap.push(entry);
    while (i > 0) {
      const up = (i - 1) >>> 1;
      if (!before(entry, heap[up]!)) break;
      heap[i] = heap[up]!;
      i = up;
    }
    heap[i] = entry;
  }
  #pop(): void {
    const heap = this.#heap;
    const first = heap[0]!;
    const last = heap.pop()!;
    const size = heap.length;
    if (size > 0) {
      let i = 0;
      for (;;) {
        let down = 2 * i + 1;
        if (down >= size) break;
        if (down + 1 < size && before(heap[down + 1]!, heap[down]!)) down += 1;
        if (!before(heap[down]!, last)) break;
        heap[i] = heap[down]!;
        i = down;
      }
      heap[i] = last;
    }
    this.#sink.response(first.exchange);
    this.#pool.push(first);
  }
}

function before(a: { exchange: Exchange; serial: number }, b: { exchange: Exchange; serial: number }): boolean {
  const x = a.exchange.answeredAtMicros;
  const y = b.exchange.answeredAtMicros;
  return x < y || (x === y && a.serial < b.serial);
}

/** Runs a source to its end. */
export function deliver(source: ExchangeSource, sink: MessageSink): void {
  const order = new MessageOrder(sink);
  while (source.advance()) order.add(source.head);
  order.drain(Number.POSITIVE_INFINITY);
}
