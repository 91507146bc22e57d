// Names that flows opened with, until they close: logs tell a name (http, ssl) apart from the octets (conn). Direct-mapped by the
// flow's number, so that a forgotten name is overwritten and nothing grows.
import type { FlowBatch } from '#events';
import { packColumn, unpackColumn } from '#lib/snapshot';

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

  /** FNV-1a of the name found, lower-cased; never 0. */
  hash(): number {
    let h = 0x811c9dc5;
    for (let k = this.from; k < this.from + this.length; k++) {
      const octet = this.bytes[k]!;
      h = Math.imul(h ^ (octet >= 65 && octet <= 90 ? octet + 32 : octet), 0x01000193);
    }
    h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
    return (h ^ (h >>> 13)) >>> 0 || 1;
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
