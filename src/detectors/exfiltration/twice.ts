// Flows that two sensors tell of under two numbers: the second's octets are not counted. Direct-mapped by tuple.
import type { FlowBatch } from '#events';
import { addressHash } from '#lib/address';
import { SAME_FLOW_MICROS } from '../same-flow.ts';

const TUPLES_BITS = 13;

export class Twice {
  readonly #tuple = new Uint32Array(2 ** TUPLES_BITS);
  readonly #flow = new Float64Array(2 ** TUPLES_BITS);
  readonly #firstAt = new Float64Array(2 ** TUPLES_BITS);
  readonly columns: readonly ArrayBufferView[] = [this.#tuple, this.#flow, this.#firstAt];

  isTwice(batch: FlowBatch, i: number): boolean {
    const ports = batch.originatorPort[i]! * 65_536 + batch.responderPort[i]!;
    const hash =
      addressHash(batch.addresses, 8 * i) ^ Math.imul(addressHash(batch.addresses, 8 * i + 4), 0x9e3779b1) ^ ports;
    const slot = (hash ^ (hash >>> 15)) & (2 ** TUPLES_BITS - 1);
    const at = batch.firstAt[i]!;
    if (
      this.#tuple[slot] === hash >>> 0 &&
      this.#flow[slot] !== batch.flow[i] &&
      Math.abs(this.#firstAt[slot]! - at) < SAME_FLOW_MICROS
    )
      return true;
    this.#tuple[slot] = hash >>> 0;
    this.#flow[slot] = batch.flow[i]!;
    this.#firstAt[slot] = at;
    return false;
  }
}
