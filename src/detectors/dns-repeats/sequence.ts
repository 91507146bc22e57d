// The names that one client asks of one domain again and again, as a sequence: an adaptive code gives the most that their
// order, or the gaps between them, can have said. Only repeats past the cached lifetime count: nothing else leaves the site.
import type { Origin } from '#events';

/** Names told apart in one sequence; all further ones are one symbol. */
const NAMES = 8;
const SYMBOLS = NAMES + 1;
/** Octaves of the gap, from half a second. */
const OCTAVES = 24;
const DAY_MICROS = 86_400e6;
const HALF_SECOND_MICROS = 5e5;

export interface Sighting {
  readonly origin: Origin;
  readonly place: number;
}

export class Sequence {
  readonly client: number[];
  readonly clientHash: number;
  readonly zoneHash: number;
  /** Registered domain, and the first names, in wire form as latin1 text. */
  readonly registered: string;
  names: string[] = [];
  hashes: number[] = [];
  /** By city.yaml: the client's role where it is a field device, and whether the domain is allowed to carry data. */
  fieldRole = '';
  isAllowed = false;
  lastOf: number[] = new Array(SYMBOLS).fill(0);
  lastSymbol = 0;
  order: number[] = new Array(SYMBOLS * SYMBOLS).fill(0);
  orderTotals: number[] = new Array(SYMBOLS).fill(0);
  /** Counts of gap octaves with the bounds at two phases: a gap at the bound of one lies inside the other. */
  gaps: number[][] = [new Array(OCTAVES).fill(0), new Array(OCTAVES).fill(0)];
  gapTotal = 0;
  /** Decayed over a day: code lengths in bits, fresh repeats, answer octets. */
  orderBits = 0;
  gapBits: number[] = [0, 0];
  fresh = 0;
  downBytes = 0;
  decayedAt: number;
  /** Answers, and those of them that name no address to go to, that hold chosen data, that live for seconds only. */
  answers = 0;
  nowhere = 0;
  carrying = 0;
  shortLived = 0;
  upBits = 0;
  down = 0;
  rows = 0;
  readonly firstAt: number;
  lastAt: number;
  readonly first: Sighting;
  decisive: Sighting;
  last: Sighting;
  claimed = 0;
  /** The most bits it was claimed with, and those it had when last weighed. */
  bits = 0;
  weighed = 0;
  id = '';
  alertAt = 0;
  upBitsAtAlert = 0;

  constructor(client: number[], clientHash: number, zoneHash: number, registered: string, at: number, first: Sighting) {
    this.client = client;
    this.clientHash = clientHash;
    this.zoneHash = zoneHash;
    this.registered = registered;
    this.firstAt = at;
    this.lastAt = at;
    this.decayedAt = at;
    this.first = first;
    this.decisive = first;
    this.last = first;
  }

  /** A repeat past the cached lifetime. @param wire the name, asked for only where it is one of the first */
  add(nameHash: number, at: number, wire: () => string): void {
    this.#decay(at);
    let symbol = this.hashes.indexOf(nameHash);
    if (symbol < 0 && this.hashes.length < NAMES) {
      symbol = this.hashes.length;
      this.hashes.push(nameHash);
      this.names.push(wire());
    } else if (symbol < 0) symbol = NAMES;
    const kinds = Math.min(SYMBOLS, this.hashes.length + 1);
    const cell = this.lastSymbol * SYMBOLS + symbol;
    const order = -Math.log2((this.order[cell]! + 0.5) / (this.orderTotals[this.lastSymbol]! + kinds / 2));
    // One name alone has no order.
    const orderBits = this.hashes.length > 1 ? Math.max(0, order) : 0;
    this.orderBits += orderBits;
    this.order[cell]! += 1;
    this.orderTotals[this.lastSymbol]! += 1;
    this.lastSymbol = symbol;
    const since = this.lastOf[symbol]!;
    this.lastOf[symbol] = at;
    let gapBits = 0;
    if (since > 0) {
      const octave = Math.log2(Math.max(1, (at - since) / HALF_SECOND_MICROS));
      for (let phase = 0; phase < 2; phase++) {
        const bin = Math.min(OCTAVES - 1, Math.floor(octave + phase / 2));
        const counts = this.gaps[phase]!;
        const bits = -Math.log2((counts[bin]! + 0.5) / (this.gapTotal + OCTAVES / 2));
        counts[bin]! += 1;
        this.gapBits[phase]! += bits;
        gapBits = phase === 0 ? bits : Math.min(gapBits, bits);
      }
      this.gapTotal += 1;
    }
    // Order and gaps of names tell of each other: the larger bounds both.
    this.upBits += Math.max(orderBits, gapBits);
    this.fresh += 1;
  }

  answer(at: number, dataBytes: number, nowhere: boolean, isShort: boolean): void {
    this.#decay(at);
    this.answers += 1;
    if (nowhere) this.nowhere += 1;
    if (dataBytes > 0) this.carrying += 1;
    if (isShort) this.shortLived += 1;
    this.downBytes += dataBytes;
    this.down += dataBytes;
  }

  /** Bytes that a day's order or gaps can have said at most. */
  get infoBytes(): number {
    return Math.max(this.orderBits, Math.min(this.gapBits[0]!, this.gapBits[1]!)) / 8;
  }

  /** Bits a gap costs under the code: next to nothing where all are alike. */
  get bitsPerGap(): number {
    return this.fresh < 1 ? Number.POSITIVE_INFINITY : Math.min(this.gapBits[0]!, this.gapBits[1]!) / this.fresh;
  }

  #decay(at: number): void {
    const elapsed = at - this.decayedAt;
    if (elapsed <= 0) return;
    const keep = Math.exp(-elapsed / DAY_MICROS);
    this.orderBits *= keep;
    this.gapBits[0]! *= keep;
    this.gapBits[1]! *= keep;
    this.fresh *= keep;
    this.downBytes *= keep;
    this.decayedAt = at;
  }
}
