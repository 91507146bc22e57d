// What is remembered of outside answers, by row of their table: 48 octets that lie together, since each is written and read whole.
import type { DnsBatch } from '#events';
import { addressHash } from '#lib/address';

/** Words a row: two doubles (time, place), then origin, lifetime, server, and the address. */
const ROW = 12;

export class OutsideAnswers {
  readonly words: Uint32Array;
  readonly #doubles: Float64Array;

  constructor(rows: number) {
    this.words = new Uint32Array(ROW * rows);
    this.#doubles = new Float64Array(this.words.buffer);
  }

  /** @param address offset of the address in the batch's answer addresses @param origin number of the file */
  put(row: number, batch: DnsBatch, i: number, address: number, origin: number): void {
    const at = ROW * row;
    this.#doubles[at / 2] = batch.at[i]!;
    this.#doubles[at / 2 + 1] = batch.place[i]!;
    this.words[at + 4] = origin;
    this.words[at + 5] = batch.answerTtlSeconds[i]!;
    this.words[at + 6] = addressHash(batch.addresses, 8 * i + 4);
    for (let k = 0; k < 4; k++) this.words[at + 8 + k] = batch.answerAddresses[address + k]!;
  }

  /** Microseconds. */
  at(row: number): number {
    return this.#doubles[(ROW * row) / 2]!;
  }

  place(row: number): number {
    return this.#doubles[(ROW * row) / 2 + 1]!;
  }

  origin(row: number): number {
    return this.words[ROW * row + 4]!;
  }

  /** -1 where none was told. */
  ttlSeconds(row: number): number {
    return this.words[ROW * row + 5]! | 0;
  }

  server(row: number): number {
    return this.words[ROW * row + 6]!;
  }

  /** Offset of the address in `words`. */
  addressAt(row: number): number {
    return ROW * row + 8;
  }
}
