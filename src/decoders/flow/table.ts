// Live flows as columns, found by open addressing. Rows are dense: a freed row is used again. The index holds row + 1; its
// size is a power of two, at least twice the rows, so that probes stay short.
import { addressHash } from '#lib/address';
import { Histories } from './history.ts';
import { NamePool } from './names.ts';

const ROWS_FIRST = 1 << 14;
/** Flows held at once; beyond it the idlest of a handful goes. */
export const ROWS_MAX = 1 << 20;

/** At most half the slots are in use, so honest keys lie within a few dozen; more is a flood of made collisions. */
const PROBES_MAX = 512;
export const CROWDED = -2;
const INDEX_SLOTS_A_ROW = 2;

/** Bits of `seen`. */
export const Seen = {
  OriginatorSyn: 1,
  ResponderSynAck: 2,
  OriginatorFin: 4,
  ResponderFin: 8,
  OriginatorRst: 16,
  ResponderRst: 32,
  Originator: 64,
  Responder: 128,
  /** Begun by a SYN-ACK, not yet told: what follows says who began it. */
  Held: 256,
  OriginatorSequence: 512,
  ResponderSequence: 1024,
  /** The client has greeted a SOCKS 5 proxy. */
  Greeted: 2048,
} as const;

/** Packets with payload, by side, whose beginning is looked at: past a proxy's or a mail server's greeting. */
const LOOKS = 8;

export class FlowTable {
  rows = ROWS_FIRST;
  addresses = new Uint32Array(8 * ROWS_FIRST);
  originatorPort = new Uint16Array(ROWS_FIRST);
  responderPort = new Uint16Array(ROWS_FIRST);
  protocol = new Uint8Array(ROWS_FIRST);
  vlan = new Uint16Array(ROWS_FIRST);
  seen = new Uint16Array(ROWS_FIRST);
  service = new Uint8Array(ROWS_FIRST);
  firstAt = new Float64Array(ROWS_FIRST);
  lastAt = new Float64Array(ROWS_FIRST);
  toldAt = new Float64Array(ROWS_FIRST);
  place = new Float64Array(ROWS_FIRST);
  lastPlace = new Float64Array(ROWS_FIRST);
  /** Flow number, 0 in a free row. */
  number = new Float64Array(ROWS_FIRST);
  /** Packets (of one flow fewer than 2^32), IP bytes and payload, originator at 2i, responder at 2i + 1. */
  packets = new Uint32Array(2 * ROWS_FIRST);
  ipBytes = new Float64Array(2 * ROWS_FIRST);
  payload = new Float64Array(2 * ROWS_FIRST);
  /** Payload that the last row told. */
  toldPayload = new Float64Array(2 * ROWS_FIRST);
  /** Next sequence number by side, where `seen` says that it is known. */
  next = new Uint32Array(2 * ROWS_FIRST);
  /** Bytes by side that later ones overtook. */
  missing = new Uint32Array(2 * ROWS_FIRST);
  /** Initial sequence number of the originator's SYN. */
  initial = new Uint32Array(ROWS_FIRST);
  hash = new Uint32Array(ROWS_FIRST);
  /** Number of the input the flow was first seen in. */
  input = new Uint16Array(ROWS_FIRST);
  /** Packets of a side that will still be looked into; 0 when done. */
  looks = new Uint8Array(2 * ROWS_FIRST);
  /** Numbers in `pool`. */
  name = new Uint32Array(ROWS_FIRST);
  /** JA4 and, behind it, the first protocol of ALPN. */
  client = new Uint32Array(ROWS_FIRST);
  certificate = new Uint32Array(ROWS_FIRST);
  readonly pool = new NamePool();
  /** Port that a proxy is asked to go to, 0 where none is. */
  targetPort = new Uint16Array(ROWS_FIRST);
  /** Place in `histories`. */
  history = new Uint16Array(ROWS_FIRST);
  readonly histories = new Histories();
  /** Bits of Letter that are written, by side. */
  written = new Uint8Array(2 * ROWS_FIRST);
  /** Retransmissions and zero windows by side, up to 255. */
  again = new Uint8Array(2 * ROWS_FIRST);
  closedWindow = new Uint8Array(2 * ROWS_FIRST);
  used = 0;
  live = 0;
  #index = new Int32Array(INDEX_SLOTS_A_ROW * ROWS_FIRST);
  #free: Int32Array = new Int32Array(ROWS_FIRST);
  #freeCount = 0;

  /** Order-free hash of the five-tuple: both directions meet. */
  hashOf(addresses: Uint32Array, at: number, portA: number, portB: number, protocol: number, vlan: number): number {
    const a = addressHash(addresses, at) + Math.imul(portA + 1, 0x9e3779b1);
    const b = addressHash(addresses, at + 4) + Math.imul(portB + 1, 0x9e3779b1);
    let h = (Math.imul(a ^ (a >>> 15), 0x85ebca6b) + Math.imul(b ^ (b >>> 15), 0x85ebca6b)) | 0;
    h = Math.imul(h ^ (h >>> 13) ^ (protocol << 16) ^ (vlan << 4), 0xc2b2ae35);
    return (h ^ (h >>> 16)) >>> 0;
  }

  /** Row of the flow, -1, or CROWDED where so many others lie under this hash that looking on would cost too much. Ports are given from the packet's side; `forward` is set to whether it comes from the originator. */
  forward = true;
  find(
    hash: number,
    addresses: Uint32Array,
    at: number,
    sourcePort: number,
    destinationPort: number,
    protocol: number,
    vlan: number,
  ): number {
    const index = this.#index;
    const mask = index.length - 1;
    const A = this.addresses;
    let probes = 0;
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const row = index[slot]! - 1;
      if (row < 0) return -1;
      if (++probes > PROBES_MAX) return CROWDED;
      if (this.hash[row] !== hash || this.protocol[row] !== protocol || this.vlan[row] !== vlan) continue;
      const w = 8 * row;
      const o = this.originatorPort[row]!;
      const r = this.responderPort[row]!;
      if (
        o === sourcePort &&
        r === destinationPort &&
        A[w + 3] === addresses[at + 3] &&
        A[w + 7] === addresses[at + 7] &&
        A[w] === addresses[at] &&
        A[w + 1] === addresses[at + 1] &&
        A[w + 2] === addresses[at + 2] &&
        A[w + 4] === addresses[at + 4] &&
        A[w + 5] === addresses[at + 5] &&
        A[w + 6] === addresses[at + 6]
      ) {
        this.forward = true;
        return row;
      }
      if (
        o === destinationPort &&
        r === sourcePort &&
        A[w + 3] === addresses[at + 7] &&
        A[w + 7] === addresses[at + 3] &&
        A[w] === addresses[at + 4] &&
        A[w + 1] === addresses[at + 5] &&
        A[w + 2] === addresses[at + 6] &&
        A[w + 4] === addresses[at] &&
        A[w + 5] === addresses[at + 1] &&
        A[w + 6] === addresses[at + 2]
      ) {
        this.forward = false;
        return row;
      }
    }
  }

  /** A fresh row for the hash, zeroed; the caller fills addresses, ports, protocol and vlan. -1 where the table is full. */
  insert(hash: number): number {
    let row: number;
    if (this.#freeCount > 0) row = this.#free[--this.#freeCount]!;
    else {
      if (this.used >= this.rows) {
        if (this.rows >= ROWS_MAX) return -1;
        this.#grow();
      }
      row = this.used++;
    }
    this.live += 1;
    this.hash[row] = hash;
    this.seen[row] = 0;
    this.service[row] = 0;
    this.name[row] = 0;
    this.client[row] = 0;
    this.certificate[row] = 0;
    this.targetPort[row] = 0;
    this.history[row] = 0;
    for (let k = 2 * row; k < 2 * row + 2; k++) {
      this.packets[k] = 0;
      this.ipBytes[k] = 0;
      this.payload[k] = 0;
      this.toldPayload[k] = 0;
      this.missing[k] = 0;
      this.looks[k] = LOOKS;
      this.written[k] = 0;
      this.again[k] = 0;
      this.closedWindow[k] = 0;
    }
    this.#place(hash, row);
    return row;
  }

  #place(hash: number, row: number): void {
    const mask = this.#index.length - 1;
    let slot = hash & mask;
    while (this.#index[slot] !== 0) slot = (slot + 1) & mask;
    this.#index[slot] = row + 1;
  }

  /** Frees a row. Later entries of the probe chain move back (Knuth 6.4 R), so that no tombstones pile up. */
  remove(row: number): void {
    const index = this.#index;
    const mask = index.length - 1;
    let hole = this.hash[row]! & mask;
    while (index[hole] !== row + 1) hole = (hole + 1) & mask;
    for (let slot = (hole + 1) & mask; index[slot] !== 0; slot = (slot + 1) & mask) {
      const home = this.hash[index[slot]! - 1]! & mask;
      if (((slot - home) & mask) >= ((slot - hole) & mask)) {
        index[hole] = index[slot]!;
        hole = slot;
      }
    }
    index[hole] = 0;
    this.number[row] = 0;
    const pool = this.pool;
    pool.drop(this.name[row]!);
    pool.drop(this.client[row]!);
    pool.drop(this.certificate[row]!);
    this.live -= 1;
    if (this.#freeCount >= this.#free.length) {
      const more = new Int32Array(2 * this.#free.length);
      more.set(this.#free);
      this.#free = more;
    }
    this.#free[this.#freeCount++] = row;
  }

  /** Writes a letter into a flow's history, as it stands. */
  write(row: number, letter: number): void {
    this.history[row] = this.histories.after(this.history[row]!, letter);
  }

  /** Originator and responder change places, with all that is counted of them. Only before a flow is told. */
  turn(row: number): void {
    for (let k = 8 * row; k < 8 * row + 4; k++) {
      const word = this.addresses[k]!;
      this.addresses[k] = this.addresses[k + 4]!;
      this.addresses[k + 4] = word;
    }
    const port = this.originatorPort[row]!;
    this.originatorPort[row] = this.responderPort[row]!;
    this.responderPort[row] = port;
    const a = 2 * row;
    for (const column of [
      this.packets,
      this.ipBytes,
      this.payload,
      this.toldPayload,
      this.missing,
      this.next,
      this.looks,
      this.written,
      this.again,
      this.closedWindow,
    ]) {
      const value = column[a]!;
      column[a] = column[a + 1]!;
      column[a + 1] = value;
    }
  }

  #grow(): void {
    const rows = 2 * this.rows;
    const wide = <T extends Uint8Array | Uint16Array | Uint32Array | Float64Array>(old: T): T => {
      // The memory itself grows, so that old and new columns never stand beside each other.
      const memory = (old.buffer as ArrayBuffer).transfer(2 * old.byteLength);
      return new (old.constructor as new (b: ArrayBuffer) => T)(memory);
    };
    this.addresses = wide(this.addresses);
    this.originatorPort = wide(this.originatorPort);
    this.responderPort = wide(this.responderPort);
    this.protocol = wide(this.protocol);
    this.vlan = wide(this.vlan);
    this.seen = wide(this.seen);
    this.service = wide(this.service);
    this.firstAt = wide(this.firstAt);
    this.lastAt = wide(this.lastAt);
    this.toldAt = wide(this.toldAt);
    this.place = wide(this.place);
    this.lastPlace = wide(this.lastPlace);
    this.number = wide(this.number);
    this.packets = wide(this.packets);
    this.ipBytes = wide(this.ipBytes);
    this.payload = wide(this.payload);
    this.toldPayload = wide(this.toldPayload);
    this.next = wide(this.next);
    this.missing = wide(this.missing);
    this.initial = wide(this.initial);
    this.hash = wide(this.hash);
    this.input = wide(this.input);
    this.looks = wide(this.looks);
    this.name = wide(this.name);
    this.client = wide(this.client);
    this.certificate = wide(this.certificate);
    this.targetPort = wide(this.targetPort);
    this.history = wide(this.history);
    this.written = wide(this.written);
    this.again = wide(this.again);
    this.closedWindow = wide(this.closedWindow);
    this.rows = rows;
    this.#index = new Int32Array(0);
    this.#index = new Int32Array(INDEX_SLOTS_A_ROW * rows);
    for (let row = 0; row < this.used; row++) if (this.number[row] !== 0) this.#place(this.hash[row]!, row);
  }
}
