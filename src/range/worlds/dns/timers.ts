// What happens next: a binary heap of timers in columns. A timer is a time, a client, what to do, and two numbers for it.

export class Timers {
  readonly #at: Float64Array;
  readonly #client: Int32Array;
  readonly #act: Int32Array;
  readonly #a: Int32Array;
  readonly #b: Int32Array;
  readonly #heap: Int32Array;
  readonly #free: Int32Array;
  #freeCount: number;
  #size = 0;
  /** Timers refused because all were in use. */
  shed = 0;
  /** The timer taken last. */
  at = 0;
  client = 0;
  act = 0;
  a = 0;
  b = 0;

  constructor(capacity: number) {
    this.#at = new Float64Array(capacity);
    this.#client = new Int32Array(capacity);
    this.#act = new Int32Array(capacity);
    this.#a = new Int32Array(capacity);
    this.#b = new Int32Array(capacity);
    this.#heap = new Int32Array(capacity);
    this.#free = Int32Array.from({ length: capacity }, (_, i) => capacity - 1 - i);
    this.#freeCount = capacity;
  }
  add(at: number, client: number, act: number, a: number, b: number): void {
    if (this.#freeCount === 0) {
      this.shed += 1;
      return;
    }
    const slot = this.#free[--this.#freeCount]!;
    this.#at[slot] = at;
    this.#client[slot] = client;
    this.#act[slot] = act;
    this.#a[slot] = a;
    this.#b[slot] = b;
    const heap = this.#heap;
    const times = this.#at;
    let i = this.#size++;
    while (i > 0) {
      const up = (i - 1) >>> 1;
      if (times[heap[up]!]! <= at) break;
      heap[i] = heap[up]!;
      i = up;
    }
    heap[i] = slot;
  }
  /** Takes the earliest. @returns false where there is none before `until` */
  take(until: number): boolean {
    if (this.#size === 0) return false;
    const heap = this.#heap;
    const times = this.#at;
    const first = heap[0]!;
    if (times[first]! >= until) return false;
    const last = heap[--this.#size]!;
    const size = this.#size;
    const lastAt = times[last]!;
    let i = 0;
    for (;;) {
      let down = 2 * i + 1;
      if (down >= size) break;
      if (down + 1 < size && times[heap[down + 1]!]! < times[heap[down]!]!) down += 1;
      if (times[heap[down]!]! >= lastAt) break;
      heap[i] = heap[down]!;
      i = down;
    }
    if (size > 0) heap[i] = last;
    this.at = times[first]!;
    this.client = this.#client[first]!;
    this.act = this.#act[first]!;
    this.a = this.#a[first]!;
    this.b = this.#b[first]!;
    this.#free[this.#freeCount++] = first;
    return true;
  }
}
