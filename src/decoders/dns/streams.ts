// DNS over TCP (RFC 1035 4.2.2, RFC 7766): messages with a two-octet length, several in a chunk, one over many. Keeps the
// unfinished message of each direction, and finds the boundary again after a start in the middle or a gap.
import type { StreamBatch } from '#events';
import { looksLikeDns } from './message.ts';

/** Directions with an unfinished message. */
const STREAMS_MAX = 1024;
/** Octets held for them in all. */
const HELD_BYTES_MAX = 8 << 20;
/** How far into a chunk a message boundary is looked for. */
const RESYNC_BYTES = 1500;
const FIRST_BYTES = 2048;
/** Length, header and the shortest question: what a boundary is known by. */
const BOUNDARY_BYTES = 19;

interface Direction {
  /** False until a boundary is known. */
  synced: boolean;
  held: Uint8Array;
  length: number;
}

const EMPTY = new Uint8Array(0);

export class Streams {
  readonly #directions = new Map<number, Direction>();
  #heldBytes = 0;
  shed = 0;
  /** The message that `next` found lies here; lent until `keep`. */
  bytes: Uint8Array = EMPTY;
  messageAt = 0;
  messageBytes = 0;
  #at = 0;
  #end = 0;
  #key = 0;
  #ended = false;
  #done = true;

  /** Takes a chunk; `next` then gives its messages. @returns true where bytes are lost because no boundary is known */
  push(chunk: StreamBatch): boolean {
    this.#done = true;
    this.#key = 2 * chunk.connection + (chunk.fromClient ? 0 : 1);
    this.#ended = chunk.ended;
    let d = this.#directions.get(this.#key);
    const hinted = chunk.serverPort === 53;
    if (d === undefined) {
      if (chunk.length === 0) return false;
      if (!hinted && !this.#boundary(chunk.bytes, chunk.offset, chunk.length, false)) return false;
      d = { synced: false, held: EMPTY, length: 0 };
      if (this.#directions.size >= STREAMS_MAX) this.#drop(this.#directions.keys().next().value!);
      this.#directions.set(this.#key, d);
    }
    if (chunk.gapBytes > 0) {
      this.#release(d);
      d.synced = false;
    }
    this.bytes = chunk.bytes;
    this.#at = chunk.offset;
    this.#end = chunk.offset + chunk.length;
    // Too few bytes to tell a boundary are held until there are more; so is the rest of a message.
    if (d.length > 0 || (!d.synced && chunk.length < BOUNDARY_BYTES)) {
      this.#append(d, chunk.bytes, this.#at, this.#end);
      this.bytes = d.held;
      this.#at = 0;
      this.#end = d.length;
    }
    let lost = false;
    if (!d.synced) {
      const length = this.#end - this.#at;
      if (length < BOUNDARY_BYTES && !chunk.ended) return false;
      const found = this.#resync(this.bytes, this.#at, length);
      if (found < 0) {
        this.#release(d);
        if (chunk.ended) this.#drop(this.#key, false);
        return length > 0;
      }
      lost = found > 0;
      this.#at += found;
      d.synced = true;
    }
    this.#done = false;
    return lost;
  }

  /** The next whole message of the chunk. */
  next(): boolean {
    if (this.#done) return false;
    const left = this.#end - this.#at;
    if (left >= 2) {
      const length = (this.bytes[this.#at]! << 8) | this.bytes[this.#at + 1]!;
      if (left >= 2 + length) {
        this.messageAt = this.#at + 2;
        this.messageBytes = length;
        this.#at += 2 + length;
        return true;
      }
    }
    return false;
  }

  /** Keeps the rest of the chunk. Call once `next` has no more and the messages given are done with: their bytes may move. */
  keep(): void {
    if (this.#done) return;
    this.#done = true;
    const d = this.#directions.get(this.#key);
    if (d === undefined) return;
    const left = this.#end - this.#at;
    if (this.#ended) this.#drop(this.#key, false);
    else if (this.bytes === d.held && d.length > 0) {
      d.held.copyWithin(0, this.#at, this.#end);
      d.length = left;
      if (left === 0) this.#release(d);
    } else if (left > 0) this.#append(d, this.bytes, this.#at, this.#end);
  }

  clear(): void {
    this.#directions.clear();
    this.#heldBytes = 0;
  }

  /** Offset in the chunk of the first message boundary, -1 where none is found. */
  #resync(bytes: Uint8Array, offset: number, length: number): number {
    const limit = Math.min(length, RESYNC_BYTES);
    for (let i = 0; i < limit; i++) if (this.#boundary(bytes, offset + i, length - i, i === 0)) return i;
    return -1;
  }

  /**
   * Whether a length and a message stand here. At the start of a chunk the beginning of a message is enough, and a message
   * that ends with the chunk is believed unseen; further in only a whole sound message is.
   */
  #boundary(bytes: Uint8Array, offset: number, length: number, first: boolean): boolean {
    if (length < 14) return false;
    const message = (bytes[offset]! << 8) | bytes[offset + 1]!;
    if (message < 12) return false;
    if (first && message === length - 2) return true;
    if (message <= length - 2) return looksLikeDns(bytes, offset + 2, message);
    if (!first || length < BOUNDARY_BYTES) return false;
    const at = offset + 2;
    const flags = (bytes[at + 2]! << 8) | bytes[at + 3]!;
    const one = bytes[at + 4] === 0 && bytes[at + 5] === 1;
    return one && (flags & 0x7840) === 0 && bytes[at + 8] === 0 && bytes[at + 12]! < 64;
  }

  #append(d: Direction, bytes: Uint8Array, from: number, to: number): void {
    const need = d.length + (to - from);
    if (need > d.held.length) {
      let size = Math.max(FIRST_BYTES, d.held.length);
      while (size < need) size *= 2;
      const grown = new Uint8Array(size);
      grown.set(d.held.subarray(0, d.length));
      this.#heldBytes += size - d.held.length;
      d.held = grown;
      while (this.#heldBytes > HELD_BYTES_MAX && this.#directions.size > 1) {
        const oldest = this.#directions.keys().next().value!;
        if (oldest === this.#key) {
          // Its turn comes last: moved behind the others.
          this.#directions.delete(oldest);
          this.#directions.set(oldest, d);
        } else this.#drop(oldest);
      }
    }
    d.held.set(bytes.subarray(from, to), d.length);
    d.length = need;
  }

  #release(d: Direction): void {
    this.#heldBytes -= d.held.length;
    d.held = EMPTY;
    d.length = 0;
  }

  #drop(key: number, counted = true): void {
    const d = this.#directions.get(key);
    if (d === undefined) return;
    if (counted) this.shed += 1;
    this.#release(d);
    this.#directions.delete(key);
  }
}
