// What was seen lately, by 32-bit keys: a direct-mapped table, asked for a whole batch at a time. No branch depends on a look-up,
// so that those of one batch overlap in the memory system instead of waiting for each other.
import { BATCH_ROWS } from '#events';

export class RecentGate {
  /** One key a slot, 0 where there was none. */
  readonly seen: Uint32Array;
  readonly #mask: number;
  /** The batch's rows that take part, and their keys, both filled by `add`. */
  readonly rows = new Int32Array(BATCH_ROWS);
  readonly #keys = new Uint32Array(BATCH_ROWS);
  /** Filled by `look`: 0 where the key was seen lately. */
  readonly isNew = new Uint8Array(BATCH_ROWS);
  count = 0;

  /** @param bits log2 of the slots */
  constructor(bits: number) {
    this.seen = new Uint32Array(2 ** bits);
    this.#mask = 2 ** bits - 1;
  }

  /** A row of the batch, told apart by two hashes. */
  add(row: number, a: number, b: number): void {
    const mixed = Math.imul(a ^ Math.imul(b, 0x9e3779b1), 0x85ebca6b) ^ b;
    this.rows[this.count] = row;
    this.#keys[this.count] = (mixed ^ (mixed >>> 15)) >>> 0 || 1;
    this.count += 1;
  }

  /** Looks up all that were added and marks them as seen, in their order. */
  look(): void {
    const { seen, isNew } = this;
    const keys = this.#keys;
    const mask = this.#mask;
    for (let k = 0; k < this.count; k++) {
      const key = keys[k]!;
      const slot = key & mask;
      isNew[k] = seen[slot] === key ? 0 : 1;
      seen[slot] = key;
    }
  }
}
