// Datagrams between the socket and whoever pulls: two slabs of fixed size. One is written, the other read; they change places
// when the read one is used up, and what was borrowed from it dies then.
import type { Ends } from './rows.ts';

/** Datagrams in a slab at the most: small ones must not make the lists beside it long. */
const DATAGRAMS_MAX = 65_536;

class Slab {
  readonly bytes: Buffer;
  readonly at = new Float64Array(DATAGRAMS_MAX);
  readonly place = new Float64Array(DATAGRAMS_MAX);
  readonly offset = new Int32Array(DATAGRAMS_MAX);
  readonly length = new Int32Array(DATAGRAMS_MAX);
  readonly ends: Ends[] = [];
  used = 0;
  count = 0;
  next = 0;

  constructor(bytes: number) {
    this.bytes = Buffer.allocUnsafeSlow(bytes);
  }

  clear(): void {
    this.used = 0;
    this.count = 0;
    this.next = 0;
    this.ends.length = 0;
  }
}

export class DatagramQueue {
  #write: Slab;
  #read: Slab;

  constructor(slabBytes: number) {
    this.#write = new Slab(slabBytes);
    this.#read = new Slab(slabBytes);
  }

  /** Copies a datagram in. @returns false where there is no room */
  push(bytes: Uint8Array, at: number, place: number, ends: Ends): boolean {
    const w = this.#write;
    if (w.used + bytes.length > w.bytes.length || w.count >= DATAGRAMS_MAX) return false;
    w.bytes.set(bytes, w.used);
    w.at[w.count] = at;
    w.place[w.count] = place;
    w.offset[w.count] = w.used;
    w.length[w.count] = bytes.length;
    w.ends.push(ends);
    w.used += bytes.length;
    w.count += 1;
    return true;
  }

  get isReadOut(): boolean {
    return this.#read.next >= this.#read.count;
  }

  get isWritten(): boolean {
    return this.#write.count > 0;
  }

  /** The slabs change places. @returns whether there is something to read */
  swap(): boolean {
    if (!this.isReadOut || !this.isWritten) return false;
    const read = this.#read;
    this.#read = this.#write;
    read.clear();
    this.#write = read;
    return true;
  }

  // The first datagram; only where not isReadOut.
  get bytes(): Uint8Array {
    return this.#read.bytes;
  }
  get at(): number {
    return this.#read.at[this.#read.next]!;
  }
  get place(): number {
    return this.#read.place[this.#read.next]!;
  }
  get offset(): number {
    return this.#read.offset[this.#read.next]!;
  }
  get length(): number {
    return this.#read.length[this.#read.next]!;
  }
  get ends(): Ends {
    return this.#read.ends[this.#read.next]!;
  }

  shift(): void {
    this.#read.next += 1;
  }

  clear(): void {
    this.#read.clear();
    this.#write.clear();
  }
}
