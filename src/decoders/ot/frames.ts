// Messages out of the chunks of a TCP connection, where each message tells its own length: several in a chunk, one over many,
// the middle of one first (a session that lives for months shows no start). Of a long message only the head is kept and the
// rest is passed over, whether it came or is missing from the capture.
import type { StreamBatch } from '#events';

export interface Framing {
  /** Octets of a message that are kept; what is behind is passed over. */
  readonly headBytes: number;
  /** @returns octets of the message at `at`; 0 where more are needed to tell; -1 where there is none */
  measure(b: Uint8Array, at: number, left: number): number;
  /** Where the next message may begin, for protocols with start octets; -1 where none is in sight. */
  find?(b: Uint8Array, at: number, end: number): number;
}

/** Directions in the middle of a message. */
const DIRECTIONS_MAX = 4096;
/** log2 of the connections remembered as ones that speak the protocol. */
const SPEAKERS_BITS = 14;
/** Octets held for all of them. */
const HELD_BYTES_MAX = 8 << 20;

interface Direction {
  held: Uint8Array;
  /** Octets of the message under way that are still to be passed over. */
  skip: number;
}

const EMPTY = new Uint8Array(0);

export class Frames {
  shed = 0;
  readonly #directions = new Map<number, Direction>();
  #heldBytes = 0;
  /** Connections in which some message was recognised: what uses the port for something else has lost nothing here. */
  readonly #speakers = new Float64Array(2 ** SPEAKERS_BITS);

  get size(): number {
    return this.#directions.size;
  }

  /**
   * Gives each message of a chunk: where its head lies, how much of it is there.
   * @param isPatient octets of a connection in which nothing was ever recognised are no loss: others use the port too
   * @returns whether octets could not be placed
   */
  push(
    chunk: StreamBatch,
    framing: Framing,
    give: (bytes: Uint8Array, at: number, length: number) => void,
    isPatient: boolean,
  ): boolean {
    const key = 2 * chunk.connection + (chunk.fromClient ? 0 : 1);
    const d = this.#directions.get(key);
    let held: Uint8Array = EMPTY;
    let skip = 0;
    if (d !== undefined) {
      held = d.held;
      skip = d.skip;
      this.#drop(key, d);
    }
    let lost = false;
    if (chunk.gapBytes > 0) {
      if (skip >= chunk.gapBytes) skip -= chunk.gapBytes;
      else {
        lost = held.length > 0;
        skip = 0;
        held = EMPTY;
      }
    }
    let bytes = chunk.bytes;
    let at = chunk.offset;
    let end = at + chunk.length;
    const passed = Math.min(skip, end - at);
    at += passed;
    skip -= passed;
    if (held.length > 0) {
      const joined = new Uint8Array(held.length + end - at);
      joined.set(held);
      joined.set(bytes.subarray(at, end), held.length);
      bytes = joined;
      at = 0;
      end = joined.length;
    }
    while (at < end) {
      const total = framing.measure(bytes, at, end - at);
      if (total < 0) {
        lost = true;
        const next = framing.find === undefined ? -1 : framing.find(bytes, at + 1, end);
        if (next < 0) {
          at = end;
          break;
        }
        at = next;
        continue;
      }
      if (total > 0) this.#speakers[chunk.connection & (2 ** SPEAKERS_BITS - 1)] = chunk.connection + 1;
      if (total === 0 || end - at < Math.min(total, framing.headBytes)) break;
      give(bytes, at, Math.min(total, framing.headBytes));
      skip = Math.max(0, total - (end - at));
      at = Math.min(end, at + total);
    }
    const speaks = !isPatient || this.#speakers[chunk.connection & (2 ** SPEAKERS_BITS - 1)] === chunk.connection + 1;
    if (chunk.ended) return speaks && (lost || at < end);
    if (at < end || skip > 0) this.#keep(key, at < end ? bytes.slice(at, end) : EMPTY, skip);
    return speaks && lost;
  }

  clear(): void {
    this.#directions.clear();
    this.#heldBytes = 0;
    this.#speakers.fill(0);
  }

  #keep(key: number, held: Uint8Array, skip: number): void {
    this.#directions.set(key, { held, skip });
    this.#heldBytes += held.length;
    while (this.#directions.size > DIRECTIONS_MAX || (this.#heldBytes > HELD_BYTES_MAX && this.#directions.size > 1)) {
      const [oldest, d] = this.#directions.entries().next().value!;
      this.#drop(oldest, d);
      this.shed += 1;
    }
  }

  #drop(key: number, d: Direction): void {
    this.#heldBytes -= d.held.length;
    this.#directions.delete(key);
  }
}
