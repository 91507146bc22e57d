// Distinct keys of late: how many, and which.

export class Recent {
  readonly #max: number;
  readonly #seen: Map<string, number>;

  /** @param max keys kept; with more the oldest goes */
  constructor(max: number, seen: readonly (readonly [string, number])[] = []) {
    this.#max = max;
    this.#seen = new Map(seen);
  }

  /** Notes a key at `at` and forgets what is older than `window`, both in microseconds. @returns distinct keys left */
  note(key: string, at: number, window: number): number {
    this.#seen.delete(key);
    this.#seen.set(key, at);
    for (const [k, when] of this.#seen) {
      if (at - when <= window && this.#seen.size <= this.#max) break;
      this.#seen.delete(k);
    }
    return this.#seen.size;
  }

  has(key: string): boolean {
    return this.#seen.has(key);
  }

  /** How many keys begin so. */
  count(prefix: string): number {
    let n = 0;
    for (const key of this.#seen.keys()) if (key.startsWith(prefix)) n += 1;
    return n;
  }

  get size(): number {
    return this.#seen.size;
  }

  /** The first of them, for people. */
  some(n: number): string[] {
    return [...this.#seen.keys()].slice(0, n);
  }

  save(): [string, number][] {
    return [...this.#seen];
  }
}
