// Names that flows opened with, until they close: logs tell a name (http, ssl) apart from the octets (conn). Direct-mapped by the
// flow's number, so that a forgotten name is overwritten and nothing grows.
import type { FlowBatch } from '#events';
import { packColumn, unpackColumn } from '#lib/snapshot';
import { hashLowerCased } from '#lib/wirename';

const BITS = 13;
export const NAME_BYTES = 64;

export class FlowNames {
  readonly #flow = new Float64Array(2 ** BITS);
  readonly #length = new Uint8Array(2 ** BITS);
  readonly #text = new Uint8Array(NAME_BYTES * 2 ** BITS);
  /** Where `find` left the name. */
  bytes: Uint8Array = this.#text;
  from = 0;
  length = 0;

  remember(batch: FlowBatch, i: number): void {
    const slot = batch.flow[i]! % 2 ** BITS;
    const length = Math.min(NAME_BYTES, batch.nameBytes[i]!);
    this.#flow[slot] = batch.flow[i]!;
    this.#length[slot] = length;
    for (let k = 0; k < length; k++) this.#text[NAME_BYTES * slot + k] = batch.bytes[batch.nameOffset[i]! + k]!;
  }

  /** The row's own name, else the one its flow opened with. @returns false where there is none */
  find(batch: FlowBatch, i: number): boolean {
    if (batch.nameBytes[i]! > 0) {
      this.bytes = batch.bytes;
      this.from = batch.nameOffset[i]!;
      this.length = Math.min(NAME_BYTES, batch.nameBytes[i]!);
      return true;
    }
    const slot = batch.flow[i]! % 2 ** BITS;
    this.bytes = this.#text;
    this.from = NAME_BYTES * slot;
    this.length = this.#flow[slot] === batch.flow[i] ? this.#length[slot]! : 0;
    return this.length > 0;
  }

  /** A hash of the name found, whatever its case; never 0. */
  hash(): number {
    return hashLowerCased(this.bytes, this.from, this.length);
  }

  text(): string {
    return Buffer.from(this.bytes.subarray(this.from, this.from + this.length))
      .toString('latin1')
      .toLowerCase();
  }

  pack(): string[] {
    return [packColumn(this.#flow), packColumn(this.#length), packColumn(this.#text)];
  }

  /** @throws Error where a column is damaged */
  unpack(from: unknown): void {
    const columns = from as string[];
    unpackColumn(columns[0], this.#flow);
    unpackColumn(columns[1], this.#length);
    unpackColumn(columns[2], this.#text);
  }
}
