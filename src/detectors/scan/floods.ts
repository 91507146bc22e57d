// What a source sends a target in a minute that is not answered, as tries at one port or as packets, against what the pair is
// used to.
import { type FlowBatch, FlowPhase } from '#events';
import { addressHash } from '#lib/address';
import { PairTable } from '#lib/table';
import calibration from './calibration.json' with { type: 'json' };
import { PAIRS_BITS } from './card.ts';

const c = calibration;

export class Floods {
  readonly table = new PairTable(PAIRS_BITS);
  readonly at = new Float64Array(2 ** PAIRS_BITS);
  readonly tries = new Uint32Array(2 ** PAIRS_BITS);
  readonly packets = new Float64Array(2 ** PAIRS_BITS);
  readonly #usual = new Float64Array(2 ** PAIRS_BITS);
  readonly place = new Float64Array(2 ** PAIRS_BITS);
  readonly #looked = new Float64Array(2 ** PAIRS_BITS);
  readonly columns: readonly ArrayBufferView[] = [
    ...[this.at, this.tries, this.packets, this.#usual, this.place, this.#looked],
  ];

  /** @returns the pair where it floods more than at the last look, else -1 */
  add(batch: FlowBatch, i: number, isTry: boolean): number {
    const hash = addressHash(batch.addresses, 8 * i);
    const host = addressHash(batch.addresses, 8 * i + 4);
    const key = isTry ? (host ^ Math.imul(batch.responderPort[i]! + 1, 0x9e3779b1)) >>> 0 : host;
    let slot = this.table.find(hash, key);
    if (slot < 0) {
      slot = this.table.insert(hash, key);
      this.#usual[slot] = 0;
      this.#turn(slot, batch, i);
    } else if (batch.at[i]! - this.at[slot]! >= c.floodWindowMicros) {
      const before = Math.max(this.tries[slot]!, this.packets[slot]!);
      // What was told as a flood is nobody's habit.
      if (this.#looked[slot] === 0) this.#usual[slot] = Math.max(before, 0.99 * this.#usual[slot]!);
      this.#turn(slot, batch, i);
    }
    if (isTry) this.tries[slot]! += 1;
    if (!isTry || batch.originatorPackets[i]! > 20) {
      // The part of a long flow that falls into a minute.
      const lasted = Math.max(1, batch.lastAt[i]! - batch.firstAt[i]!);
      const share = Math.min(1, c.floodWindowMicros / lasted);
      const packets = batch.originatorPackets[i]! * share;
      this.packets[slot] =
        batch.phase[i] === FlowPhase.Update ? Math.max(this.packets[slot]!, packets) : this.packets[slot]! + packets;
    }
    const amount = Math.max(this.tries[slot]! * (c.floodPacketsMin / c.floodTriesMin), this.packets[slot]!);
    this.table.setWeight(slot, amount);
    if (amount < c.floodPacketsMin || amount < 1.5 * this.#looked[slot]!) return -1;
    if (Math.max(this.tries[slot]!, this.packets[slot]!) < c.floodUsualRatio * this.#usual[slot]!) return -1;
    this.#looked[slot] = amount;
    return slot;
  }

  #turn(slot: number, batch: FlowBatch, i: number): void {
    this.at[slot] = batch.at[i]!;
    this.tries[slot] = 0;
    this.packets[slot] = 0;
    this.#looked[slot] = 0;
    this.place[slot] = batch.place[i]!;
  }
}
