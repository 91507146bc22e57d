// The first bytes of streams whose first message did not come in one piece, put together in any order: a hello over
// several segments, QUIC CRYPTO frames, a request's head. A fixed number of places, given to whoever needs one; when all
// are taken the one that was given longest ago is taken away.
import type { InitialKeys } from '#decoders/quic';

/** Streams that wait at once. */
export const PREFIXES_MAX = 1024;
/** Octets of a stream that are kept: the largest hello or server flight that is read. */
export const PREFIX_BYTES_MAX = 1 << 14;
/** Separate pieces of a stream that wait at once; Chrome cuts a hello into some ten. */
const SPANS_MAX = 32;

export class Prefixes {
  /** Streams that lost their place to another. */
  lost = 0;
  /** Sequence number at offset 0, where there is one. */
  readonly base = new Uint32Array(PREFIXES_MAX);
  /** Octets from the start without which looking again is of no use. */
  readonly need = new Int32Array(PREFIXES_MAX);
  /** Of QUIC connections. */
  readonly keys: (InitialKeys | undefined)[] = new Array<InitialKeys | undefined>(PREFIXES_MAX).fill(undefined);
  /** Whose place it is, -1 where it is free. */
  readonly owner = new Int32Array(PREFIXES_MAX).fill(-1);
  readonly #bytes: Uint8Array[] = new Array<Uint8Array>(PREFIXES_MAX).fill(new Uint8Array(0));
  /** From, to in order, disjoint. */
  readonly #spans = new Int32Array(2 * SPANS_MAX * PREFIXES_MAX);
  readonly #spanCount = new Uint8Array(PREFIXES_MAX);
  readonly #free = Int32Array.from({ length: PREFIXES_MAX }, (_, n) => PREFIXES_MAX - 1 - n);
  #freeCount = PREFIXES_MAX;
  #hand = 0;

  /** @returns a place; where `owner` of it is not -1, the caller tells that owner that it has lost it, before `claim` */
  next(): number {
    if (this.#freeCount > 0) return this.#free[--this.#freeCount]!;
    const place = this.#hand;
    this.#hand = (this.#hand + 1) % PREFIXES_MAX;
    this.lost += 1;
    return place;
  }

  claim(place: number, owner: number, base: number): void {
    this.owner[place] = owner;
    this.base[place] = base;
    this.need[place] = 1;
    this.keys[place] = undefined;
    this.#spanCount[place] = 0;
    if (this.#bytes[place]!.length === 0) this.#bytes[place] = new Uint8Array(PREFIX_BYTES_MAX);
  }

  /** Forgets what was added. */
  clear(place: number): void {
    this.#spanCount[place] = 0;
    this.need[place] = 1;
  }

  release(place: number): void {
    this.owner[place] = -1;
    this.keys[place] = undefined;
    this.#free[this.#freeCount++] = place;
  }

  bytesOf(place: number): Uint8Array {
    return this.#bytes[place]!;
  }

  /** Octets that are there from the start without a hole. */
  contiguous(place: number): number {
    const s = 2 * SPANS_MAX * place;
    return this.#spanCount[place]! > 0 && this.#spans[s] === 0 ? this.#spans[s + 1]! : 0;
  }

  /** Adds octets [from, to) of `b` at `offset`; those that are there already stay. @returns how many were new */
  add(place: number, offset: number, b: Uint8Array, from: number, to: number): number {
    let low = offset;
    let source = from;
    if (low < 0) {
      source -= low;
      low = 0;
    }
    const high = Math.min(PREFIX_BYTES_MAX, offset + (to - from));
    if (high <= low) return 0;
    const spans = this.#spans;
    const s = 2 * SPANS_MAX * place;
    const count = this.#spanCount[place]!;
    // The spans that [low, high) touches are first to last - 1; they and it become one.
    let first = 0;
    while (first < count && spans[s + 2 * first + 1]! < low) first += 1;
    let last = first;
    while (last < count && spans[s + 2 * last]! <= high) last += 1;
    if (first === last && count === SPANS_MAX) return 0;
    const target = this.#bytes[place]!;
    let fresh = 0;
    let at = low;
    for (let n = first; n <= last; n++) {
      const until = n < last ? Math.min(high, spans[s + 2 * n]!) : high;
      for (; at < until; at++, fresh++) target[at] = b[source + at - low]!;
      if (n < last) at = Math.max(at, Math.min(high, spans[s + 2 * n + 1]!));
    }
    const joinedLow = first < last ? Math.min(low, spans[s + 2 * first]!) : low;
    const joinedHigh = first < last ? Math.max(high, spans[s + 2 * last - 1]!) : high;
    spans.copyWithin(s + 2 * first + 2, s + 2 * last, s + 2 * count);
    spans[s + 2 * first] = joinedLow;
    spans[s + 2 * first + 1] = joinedHigh;
    this.#spanCount[place] = count - (last - first) + 1;
    return fresh;
  }
}
