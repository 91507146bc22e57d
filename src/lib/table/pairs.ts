// A bounded table keyed by two 32-bit hashes, in buckets of eight slots. Keys, weight and a word of the owner's lie side by side
// in 16 octets, so that a look-up reads two neighbouring cache lines; further columns of the owner are indexed by slot. A full
// bucket gives up its row of least weight, so that insertion is O(1) for ever.
import { packColumn, unpackColumn } from '#lib/snapshot';

const BUCKET = 8;
/** Words a slot. */
const ROW = 4;

/** A table as something JSON can carry. */
export interface PackedPairs {
  readonly rows: string;
  readonly count: number;
  readonly shed: number;
}

export class PairTable {
  readonly capacity: number;
  /** Of each slot both hashes, the weight (as a float) and the owner's word. */
  readonly #words: Uint32Array;
  readonly #floats: Float32Array;
  readonly #mask: number;
  count = 0;
  /** Rows given up at the capacity. */
  shed = 0;
  /** Whether the last `insert` put out another row, what that one was worth, and its word. */
  evicted = false;
  evictedWeight = 0;
  evictedWord = 0;

  /** @param bits log2 of the capacity, 3 at the least */
  constructor(bits: number) {
    this.capacity = 2 ** bits;
    this.#mask = this.capacity - BUCKET;
    this.#words = new Uint32Array(ROW * this.capacity);
    this.#floats = new Float32Array(this.#words.buffer);
  }

  #home(a: number, b: number): number {
    const h = Math.imul(a ^ Math.imul(b, 0x9e3779b1), 0x85ebca6b);
    return (h ^ (h >>> 15)) & this.#mask;
  }

  /** Slot of the key, or -1. `a` must not be 0. */
  find(a: number, b: number): number {
    const words = this.#words;
    const from = ROW * this.#home(a, b);
    for (let k = from; k < from + ROW * BUCKET; k += ROW) if (words[k] === a && words[k + 1] === b) return k / ROW;
    return -1;
  }

  /** Takes a slot for a key that is not there; its word is 0, and the owner clears its columns at that slot. */
  insert(a: number, b: number): number {
    const words = this.#words;
    const from = ROW * this.#home(a, b);
    let best = from;
    let least = Number.POSITIVE_INFINITY;
    for (let k = from; k < from + ROW * BUCKET; k += ROW) {
      if (words[k] === 0) {
        best = k;
        least = -1;
        break;
      }
      if (this.#floats[k + 2]! < least) {
        least = this.#floats[k + 2]!;
        best = k;
      }
    }
    this.evicted = least >= 0;
    if (this.evicted) {
      this.evictedWeight = least;
      this.evictedWord = words[best + 3]!;
      this.shed += 1;
    } else this.count += 1;
    words[best] = a;
    words[best + 1] = b;
    this.#floats[best + 2] = 0;
    words[best + 3] = 0;
    return best / ROW;
  }

  remove(slot: number): void {
    if (this.#words[ROW * slot] === 0) return;
    this.#words.fill(0, ROW * slot, ROW * slot + ROW);
    this.count -= 1;
  }

  /** What a row is worth: the owner sets it, eviction reads it. */
  weight(slot: number): number {
    return this.#floats[ROW * slot + 2]!;
  }

  setWeight(slot: number, weight: number): void {
    this.#floats[ROW * slot + 2] = weight;
  }

  /** A word of 32 bits that is the owner's. */
  word(slot: number): number {
    return this.#words[ROW * slot + 3]!;
  }

  setWord(slot: number, word: number): void {
    this.#words[ROW * slot + 3] = word;
  }

  pack(): PackedPairs {
    return { rows: packColumn(this.#words), count: this.count, shed: this.shed };
  }

  /** @throws Error where the column is damaged */
  unpack(from: PackedPairs): void {
    unpackColumn(from.rows, this.#words);
    this.count = from.count;
    this.shed = from.shed;
  }
}
