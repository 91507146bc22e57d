// Flows that are being put together, found by open addressing as in decoders/flow. A row's values lie side by side in one
// buffer, for a record touches nearly all of them and a million rows are far more than a cache holds.
//
//   doubles 0..14   times, places, number, counts by side, rate
//   words  30..42   both addresses, ports, protocol and exporter, hash, seen, service and input
import { addressHash } from '#lib/address';

const ROWS_FIRST = 1 << 12;
/** Flows held at once; beyond it the idlest of a handful goes. */
export const ROWS_MAX = 1 << 20;
/** At most half the slots are in use, so honest keys lie within a few dozen; more is a flood of made collisions. */
const PROBES_MAX = 512;
export const CROWDED = -2;

export const DOUBLES = 22;
export const WORDS: number = 2 * DOUBLES;

/** Doubles of a row. Those by side: originator, then responder. */
export const D = {
  FirstAt: 0,
  LastAt: 1,
  /** Arrival of the newest record. */
  ToldAt: 2,
  Place: 3,
  LastPlace: 4,
  /** Flow number, 0 in a free row. */
  Number: 5,
  Packets: 6,
  IpBytes: 8,
  Payload: 10,
  /** Payload that the last row told. */
  PayloadTold: 12,
  /** Packets on the wire for each one counted, 0 where one of its records did not tell. */
  Rate: 14,
} as const;

/** Words of a row. */
export const W = {
  Addresses: 30,
  /** Originator's port << 16 | responder's. */
  Ports: 38,
  /** Protocol << 16 | exporter. */
  Key: 39,
  Hash: 40,
  Seen: 41,
  /** Service << 16 | input. */
  Rest: 42,
} as const;

export class Table {
  #rows = ROWS_FIRST;
  #max: number;
  doubles = new Float64Array(DOUBLES * ROWS_FIRST);
  words = new Uint32Array(this.doubles.buffer);
  used = 0;
  live = 0;
  /** Whether the record that `find` found a row for comes from the originator. */
  forward = true;
  #index = new Int32Array(2 * ROWS_FIRST);
  #free = new Int32Array(ROWS_FIRST);
  #freeCount = 0;

  constructor(max: number = ROWS_MAX) {
    this.#max = max;
  }

  /** Order-free hash of the key: both directions meet. Signed, for V8 boxes what goes beyond 31 bits. */
  hashOf(a: Uint32Array, portA: number, portB: number, key: number): number {
    const x = addressHash(a, 0) + Math.imul(portA + 1, 0x9e3779b1);
    const y = addressHash(a, 4) + Math.imul(portB + 1, 0x9e3779b1);
    let h = (Math.imul(x ^ (x >>> 15), 0x85ebca6b) + Math.imul(y ^ (y >>> 15), 0x85ebca6b)) | 0;
    h = Math.imul(h ^ (h >>> 13) ^ key, 0xc2b2ae35);
    return h ^ (h >>> 16);
  }

  /** Row of the flow, -1, or CROWDED where so many others lie under this hash that looking on would cost too much. */
  find(hash: number, a: Uint32Array, source: number, destination: number, key: number): number {
    const index = this.#index;
    const mask = index.length - 1;
    const words = this.words;
    const there = ((source << 16) | destination) >>> 0;
    const back = ((destination << 16) | source) >>> 0;
    let probes = 0;
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const row = index[slot]! - 1;
      if (row < 0) return -1;
      if (++probes > PROBES_MAX) return CROWDED;
      const w = WORDS * row;
      if ((words[w + W.Hash]! | 0) !== hash || words[w + W.Key] !== key) continue;
      const ports = words[w + W.Ports]!;
      if (ports === there && areSame(words, w + W.Addresses, a, 0) && areSame(words, w + W.Addresses + 4, a, 4)) {
        this.forward = true;
        return row;
      }
      if (ports === back && areSame(words, w + W.Addresses, a, 4) && areSame(words, w + W.Addresses + 4, a, 0)) {
        this.forward = false;
        return row;
      }
    }
  }

  /** A fresh row for the hash, zeroed; the caller fills it. -1 where the table is full. */
  insert(hash: number): number {
    let row: number;
    if (this.#freeCount > 0) row = this.#free[--this.#freeCount]!;
    else {
      if (this.used >= this.#max) return -1;
      if (this.used >= this.#rows) this.#grow();
      row = this.used++;
    }
    this.live += 1;
    // Not fill(): for so few a call costs more than the loop.
    for (let d = DOUBLES * row; d < DOUBLES * (row + 1); d++) this.doubles[d] = 0;
    this.words[WORDS * row + W.Hash] = hash;
    this.#put(hash, row);
    return row;
  }

  #put(hash: number, row: number): void {
    const mask = this.#index.length - 1;
    let slot = hash & mask;
    while (this.#index[slot] !== 0) slot = (slot + 1) & mask;
    this.#index[slot] = row + 1;
  }

  /** Frees a row. Later entries of the probe chain move back (Knuth 6.4 R), so that no tombstones pile up. */
  remove(row: number): void {
    const index = this.#index;
    const mask = index.length - 1;
    let hole = this.words[WORDS * row + W.Hash]! & mask;
    while (index[hole] !== row + 1) hole = (hole + 1) & mask;
    for (let slot = (hole + 1) & mask; index[slot] !== 0; slot = (slot + 1) & mask) {
      const home = this.words[WORDS * (index[slot]! - 1) + W.Hash]! & mask;
      if (((slot - home) & mask) >= ((slot - hole) & mask)) {
        index[hole] = index[slot]!;
        hole = slot;
      }
    }
    index[hole] = 0;
    this.doubles[DOUBLES * row + D.Number] = 0;
    this.live -= 1;
    this.#free[this.#freeCount++] = row;
  }

  /** Originator and responder change places. Only before a flow is told. */
  turn(row: number): void {
    const w = WORDS * row;
    for (let k = w + W.Addresses; k < w + W.Addresses + 4; k++) swap(this.words, k, k + 4);
    const ports = this.words[w + W.Ports]!;
    this.words[w + W.Ports] = (ports << 16) | (ports >>> 16);
    const d = DOUBLES * row;
    for (let k = d + D.Packets; k < d + D.Rate; k += 2) swap(this.doubles, k, k + 1);
  }

  #grow(): void {
    this.#rows *= 2;
    const doubles = new Float64Array(DOUBLES * this.#rows);
    doubles.set(this.doubles);
    this.doubles = doubles;
    this.words = new Uint32Array(doubles.buffer);
    const free = new Int32Array(this.#rows);
    free.set(this.#free);
    this.#free = free;
    this.#index = new Int32Array(2 * this.#rows);
    for (let row = 0; row < this.used; row++)
      if (doubles[DOUBLES * row + D.Number] !== 0) this.#put(this.words[WORDS * row + W.Hash]!, row);
  }
}

function areSame(a: Uint32Array, i: number, b: Uint32Array, k: number): boolean {
  return a[i + 3] === b[k + 3] && a[i + 2] === b[k + 2] && a[i + 1] === b[k + 1] && a[i] === b[k];
}

function swap(a: Uint32Array | Float64Array, i: number, k: number): void {
  const value = a[i]!;
  a[i] = a[k]!;
  a[k] = value;
}
