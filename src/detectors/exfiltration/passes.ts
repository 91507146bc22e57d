// What a host fetched from outside lately and what it pushed inside, the last four of each, in columns.
import { packColumn, unpackColumn } from '#lib/snapshot';
import { DEVICES_BITS } from './card.ts';

export const RING = 4;
const COUNT = RING * 2 ** DEVICES_BITS;

/** Sums of octets between a host and one other, kept together while they come within a minute of each other. */
export class Ring {
  readonly peer = new Uint32Array(COUNT);
  readonly bytes = new Float64Array(COUNT);
  readonly firstAt = new Float64Array(COUNT);
  readonly lastAt = new Float64Array(COUNT);
  readonly place = new Float64Array(COUNT);
  readonly words = new Uint32Array(4 * COUNT);
  readonly service = new Uint8Array(COUNT);

  clear(device: number): void {
    this.peer.fill(0, RING * device, RING * device + RING);
  }

  /** @returns the cell that holds the sum */
  add(device: number, peer: number, bytes: number, firstAt: number, lastAt: number, within: number): number {
    let oldest = RING * device;
    for (let k = RING * device; k < RING * device + RING; k++) {
      if (this.peer[k] === peer) {
        if (firstAt - this.lastAt[k]! > within) {
          this.bytes[k] = 0;
          this.firstAt[k] = firstAt;
          this.place[k] = 0;
        }
        this.bytes[k]! += bytes;
        this.firstAt[k] = Math.min(firstAt, this.firstAt[k]!);
        this.lastAt[k] = Math.max(lastAt, this.lastAt[k]!);
        return k;
      }
      if (this.peer[k] === 0) {
        if (this.peer[oldest] !== 0) oldest = k;
      } else if (this.peer[oldest] !== 0 && this.lastAt[k]! < this.lastAt[oldest]!) oldest = k;
    }
    this.peer[oldest] = peer;
    this.bytes[oldest] = bytes;
    this.firstAt[oldest] = firstAt;
    this.lastAt[oldest] = lastAt;
    this.place[oldest] = 0;
    return oldest;
  }

  #columns(): ArrayBufferView[] {
    return [this.peer, this.bytes, this.firstAt, this.lastAt, this.place, this.words, this.service];
  }
  pack(): string[] {
    return this.#columns().map(packColumn);
  }
  /** @throws Error where a column is damaged */
  unpack(from: unknown): void {
    for (const [i, column] of this.#columns().entries()) unpackColumn((from as string[])[i], column);
  }
}
