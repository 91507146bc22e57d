// Names, fingerprints and certificate hashes of live flows: each distinct string is kept once and counted, since a
// million flows speak to some thousands of servers. Bounded: beyond it a string is not kept, and counted as lost.

const ENTRIES_FIRST = 1 << 10;
/** Distinct strings held at once. */
export const NAMES_MAX = 1 << 18;
const BYTES_FIRST = 1 << 16;
export const NAME_POOL_BYTES_MAX = 1 << 24;
export const NAME_BYTES_MAX = 255;
/** Blocks are of 16, 32, 64, 128 and 256 octets. */
const CLASSES = 5;

export class NamePool {
  bytes: Uint8Array = new Uint8Array(BYTES_FIRST);
  /** Strings that found no room. */
  lost = 0;
  /** Entries by number, from 1; number 0 is no string. */
  offset = new Uint32Array(ENTRIES_FIRST);
  length = new Uint8Array(ENTRIES_FIRST);
  #uses = new Uint32Array(ENTRIES_FIRST);
  #hash = new Uint32Array(ENTRIES_FIRST);
  #index = new Int32Array(2 * ENTRIES_FIRST);
  #end = 0;
  #used = 1;
  readonly #freeEntries: number[] = [];
  readonly #freeBlocks: number[][] = Array.from({ length: CLASSES }, () => []);

  /** Distinct strings held. */
  get count(): number {
    return this.#used - 1 - this.#freeEntries.length;
  }

  /** @returns the string's number, which counts as one use more; 0 where it is empty, too long or there is no room */
  take(b: Uint8Array, from: number, bytes: number): number {
    if (bytes <= 0 || bytes > NAME_BYTES_MAX) return 0;
    let h = bytes;
    for (let k = 0; k < bytes; k++) h = Math.imul(h ^ b[from + k]!, 0x01000193);
    h = Math.imul(h ^ (h >>> 15), 0x85ebca6b);
    h = (h ^ (h >>> 13)) >>> 0;
    const mask = this.#index.length - 1;
    for (let slot = h & mask; this.#index[slot] !== 0; slot = (slot + 1) & mask) {
      const n = this.#index[slot]!;
      if (this.#hash[n] !== h || this.length[n] !== bytes || !this.#isAt(this.offset[n]!, b, from, bytes)) continue;
      this.#uses[n]! += 1;
      return n;
    }
    const offset = this.#block(bytes);
    const n = offset < 0 ? 0 : this.#entry();
    if (n === 0) {
      if (offset >= 0) this.#freeBlocks[classOf(bytes)]!.push(offset);
      this.lost += 1;
      return 0;
    }
    for (let k = 0; k < bytes; k++) this.bytes[offset + k] = b[from + k]!;
    this.offset[n] = offset;
    this.length[n] = bytes;
    this.#uses[n] = 1;
    this.#hash[n] = h;
    this.#place(h, n);
    return n;
  }

  /** One use less; with the last the string goes. */
  drop(n: number): void {
    if (n === 0) return;
    this.#uses[n]! -= 1;
    if (this.#uses[n]! > 0) return;
    const index = this.#index;
    const mask = index.length - 1;
    let hole = this.#hash[n]! & mask;
    while (index[hole] !== n) hole = (hole + 1) & mask;
    // Later entries of the chain move back (Knuth 6.4 R).
    for (let slot = (hole + 1) & mask; index[slot] !== 0; slot = (slot + 1) & mask) {
      const home = this.#hash[index[slot]!]! & mask;
      if (((slot - home) & mask) >= ((slot - hole) & mask)) {
        index[hole] = index[slot]!;
        hole = slot;
      }
    }
    index[hole] = 0;
    this.#freeBlocks[classOf(this.length[n]!)]!.push(this.offset[n]!);
    this.#freeEntries.push(n);
  }

  #isAt(offset: number, b: Uint8Array, from: number, bytes: number): boolean {
    for (let k = 0; k < bytes; k++) if (this.bytes[offset + k] !== b[from + k]) return false;
    return true;
  }

  #block(bytes: number): number {
    const free = this.#freeBlocks[classOf(bytes)]!.pop();
    if (free !== undefined) return free;
    const size = 16 << classOf(bytes);
    if (this.#end + size > this.bytes.length) {
      if (this.bytes.length >= NAME_POOL_BYTES_MAX) return -1;
      const more = new Uint8Array(2 * this.bytes.length);
      more.set(this.bytes);
      this.bytes = more;
    }
    this.#end += size;
    return this.#end - size;
  }

  #entry(): number {
    const free = this.#freeEntries.pop();
    if (free !== undefined) return free;
    if (this.#used >= this.offset.length) {
      if (this.#used >= NAMES_MAX) return 0;
      this.offset = wide(this.offset);
      this.length = wide(this.length);
      this.#uses = wide(this.#uses);
      this.#hash = wide(this.#hash);
      this.#index = new Int32Array(2 * this.#index.length);
      for (let n = 1; n < this.#used; n++) if (this.#uses[n] !== 0) this.#place(this.#hash[n]!, n);
    }
    return this.#used++;
  }

  #place(hash: number, n: number): void {
    const mask = this.#index.length - 1;
    let slot = hash & mask;
    while (this.#index[slot] !== 0) slot = (slot + 1) & mask;
    this.#index[slot] = n;
  }
}

/** 0 for up to 16 octets, 4 for up to 256. */
function classOf(bytes: number): number {
  return bytes <= 16 ? 0 : 28 - Math.clz32(bytes - 1);
}

function wide<T extends Uint8Array | Uint32Array>(old: T): T {
  const more = new (old.constructor as new (n: number) => T)(2 * old.length);
  more.set(old);
  return more;
}
