// A bounded table keyed by two 32-bit hashes: open addressing in a window of eight slots on typed arrays. Columns of the
// owner lie beside it, indexed by slot. A full window gives up its row of least weight, so that insertion is O(1) for ever.

const WINDOW = 8;

export class PairTable {
  readonly capacity: number;
  readonly a: Uint32Array;
  readonly b: Uint32Array;
  /** What a row is worth; the owner writes it, eviction reads it. */
  readonly weight: Float32Array;
  readonly #mask: number;
  count = 0;
  /** Rows given up at the capacity. */
  shed = 0;
  /** Whether the last `insert` put out another row, and what that one was worth. */
  evicted = false;
  evictedWeight = 0;

  /** @param bits log2 of the capacity */
  constructor(bits: number) {
    this.capacity = 2 ** bits;
    this.#mask = this.capacity - 1;
    this.a = new Uint32Array(this.capacity);
    this.b = new Uint32Array(this.capacity);
    this.weight = new Float32Array(this.capacity);
  }

  #home(a: number, b: number): number {
    const h = Math.imul(a ^ Math.imul(b, 0x9e3779b1), 0x85ebca6b);
    return (h ^ (h >>> 15)) & this.#mask;
  }

  /** Slot of the key, or -1. `a` must not be 0. */
  find(a: number, b: number): number {
    const home = this.#home(a, b);
    for (let i = 0; i < WINDOW; i++) {
      const slot = (home + i) & this.#mask;
      if (this.a[slot] === a && this.b[slot] === b) return slot;
    }
    return -1;
  }

  /** Takes a slot for a key that is not there; the owner clears its columns at that slot. */
  insert(a: number, b: number): number {
    const home = this.#home(a, b);
    let best = -1;
    let least = Number.POSITIVE_INFINITY;
    this.evicted = false;
    for (let i = 0; i < WINDOW; i++) {
      const slot = (home + i) & this.#mask;
      if (this.a[slot] === 0) {
        best = slot;
        least = -1;
        break;
      }
      if (this.weight[slot]! < least) {
        least = this.weight[slot]!;
        best = slot;
      }
    }
    if (least >= 0) {
      this.evicted = true;
      this.evictedWeight = least;
      this.shed += 1;
    } else this.count += 1;
    this.a[best] = a;
    this.b[best] = b;
    this.weight[best] = 0;
    return best;
  }

  remove(slot: number): void {
    if (this.a[slot] === 0) return;
    this.a[slot] = 0;
    this.b[slot] = 0;
    this.weight[slot] = 0;
    this.count -= 1;
  }
}
