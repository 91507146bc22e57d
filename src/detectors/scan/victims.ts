// Targets: who of ours floods them, up to four, and what stays unanswered at a service of those that are ours.
import type { FlowBatch } from '#events';
import { addressHash } from '#lib/address';
import { PairTable } from '#lib/table';
import calibration from './calibration.json' with { type: 'json' };
import { VICTIMS_BITS } from './card.ts';
import { Spread } from './spread.ts';

const c = calibration;

export class Victims {
  readonly table = new PairTable(VICTIMS_BITS);
  readonly at = new Float64Array(2 ** VICTIMS_BITS);
  readonly tries = new Uint32Array(2 ** VICTIMS_BITS);
  readonly usual = new Uint32Array(2 ** VICTIMS_BITS);
  readonly place = new Float64Array(2 ** VICTIMS_BITS);
  readonly sources = new Spread(2 ** VICTIMS_BITS);
  readonly #flooders = new Uint32Array(4 * 2 ** VICTIMS_BITS);
  readonly #flooderAt = new Float64Array(4 * 2 ** VICTIMS_BITS);
  readonly columns: readonly ArrayBufferView[] = [
    ...[this.at, this.tries, this.usual, this.place, this.sources.words, this.#flooders, this.#flooderAt],
  ];

  #slotOf(key: number, at: number): number {
    let slot = this.table.find(key, 1);
    if (slot >= 0) return slot;
    slot = this.table.insert(key, 1);
    this.at[slot] = at;
    this.tries[slot] = 0;
    this.usual[slot] = 0;
    this.sources.clear(slot);
    this.#flooders.fill(0, 4 * slot, 4 * slot + 4);
    return slot;
  }

  /** Remembers who floods a place. @returns hosts that do within five minutes, at most four */
  floodersOf(host: number, source: number, at: number): number {
    const slot = this.#slotOf(host, at);
    let count = 0;
    let free = -1;
    let found = false;
    for (let k = 4 * slot; k < 4 * slot + 4; k++) {
      if (this.#flooders[k] === source) {
        this.#flooderAt[k] = at;
        found = true;
      } else if (this.#flooders[k] === 0 || at - this.#flooderAt[k]! > 5 * c.floodWindowMicros) {
        if (free < 0) free = k;
        continue;
      }
      count += 1;
    }
    if (!found && free >= 0) {
      this.#flooders[free] = source;
      this.#flooderAt[free] = at;
      count += 1;
    }
    return Math.max(1, count);
  }

  /** A connection that the responder did not complete. @returns the service where it is worth a look, else -1 */
  add(batch: FlowBatch, i: number): number {
    const at = batch.at[i]!;
    const service = Math.imul(batch.responderPort[i]! + 1, 0x9e3779b1);
    const slot = this.#slotOf((addressHash(batch.addresses, 8 * i + 4) ^ service) >>> 0 || 1, at);
    if (at - this.at[slot]! >= c.victimWindowMicros) {
      if (this.tries[slot]! < c.victimTriesMin)
        this.usual[slot] = Math.max(this.tries[slot]!, Math.floor(0.99 * this.usual[slot]!));
      this.at[slot] = at;
      this.tries[slot] = 0;
      this.sources.clear(slot);
    }
    if (this.tries[slot] === 0) this.place[slot] = batch.place[i]!;
    this.tries[slot]! += 1;
    this.sources.add(slot, addressHash(batch.addresses, 8 * i));
    const tries = this.tries[slot]!;
    this.table.setWeight(slot, Math.max(this.table.weight(slot), tries));
    return tries < c.victimTriesMin || (tries & (tries - 1) && tries !== c.victimTriesMin) ? -1 : slot;
  }
}
