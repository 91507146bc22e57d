// Flow records to flows: the two directions that come as two records, and the pieces into which exporters cut long flows, are
// one flow. The rules stand in README.md. Bounded; by event time, which is the arrival of datagrams.
import { FlowPhase, type Origin, Service, type Sink, serviceOf } from '#events';
import { Seen } from '../flow/table.ts';
import { bitsOf, DIRECTED, FINS, Mark, RSTS, SPOKEN, SYNS, turned } from './marks.ts';
import { Began, icmpPair, isToldByTime, sourceBegan } from './orient.ts';
import { type Datagram, type FlowRecord, payloadOf } from './record.ts';
import { FlowRows } from './rows.ts';
import { CROWDED, D, DOUBLES, ROWS_MAX, Table, W, WORDS } from './table.ts';

/** How long one direction waits for the other before it is told alone. */
export const HOLD_MICROS = 30e6;
/** A flow that was still alive when its record was sent (Cisco's longest default, and a minute). */
export const ACTIVE_MICROS = 1860e6;
/** A last packet this close to the export says that the flow was alive: the shortest silence that exporters wait for is 10 s. */
const ALIVE_MICROS = 10e6;
const SWEEP_MICROS = 5e6;
/** Silence after which a flow is over, as in decoders/flow. */
const IDLE = { tcp: 3600e6, attempt: 30e6, other: 60e6 } as const;
/** Flow numbers: those of Zeek's logs lie below, those of packets count from 1. */
const NUMBERS_FROM = 2 ** 52;
const INPUTS_MAX = 65_536;

export class Conversations {
  readonly #table: Table;
  readonly #rows = new FlowRows();
  readonly #inputs: Origin[] = [];
  #numbers = NUMBERS_FROM;
  #hand = 0;
  #sweptAt = Number.NEGATIVE_INFINITY;
  /** Flows closed early or not taken because the table was full. */
  shed = 0;
  /** Records passed over because the same packets were told at the other interface (ingress and egress). */
  doubled = 0;

  constructor(flowsMax: number = ROWS_MAX) {
    this.#table = new Table(flowsMax);
  }

  get live(): number {
    return this.#table.live;
  }

  /**
   * @param exporter its number: flows of different ones are not joined
   * @param d the datagram it came in
   */
  take(r: FlowRecord, exporter: number, d: Datagram, sink: Sink): void {
    const t = this.#table;
    if (r.icmpType >= 0) {
      r.sourcePort = icmpPair(r.icmpType, r.protocol);
      r.destinationPort = r.sourcePort;
    }
    const key = (r.protocol << 16) | exporter;
    const hash = t.hashOf(r.addresses, r.sourcePort, r.destinationPort, key);
    let row = t.find(hash, r.addresses, r.sourcePort, r.destinationPort, key);
    if (row === CROWDED) {
      this.shed += 1;
      return;
    }
    if (row >= 0 && this.#isNew(row, r)) {
      this.#tell(row, FlowPhase.Close, sink);
      t.remove(row);
      row = -1;
    }
    const began = sourceBegan(r);
    let side: number;
    if (row < 0) {
      row = this.#open(hash, key, r, began >= Began.Likely, d.origin, sink);
      t.doubles[DOUBLES * row + D.Place] = d.place;
      if (began === Began.Yes || began === Began.No) t.words[WORDS * row + W.Seen]! |= Mark.Settled;
      side = began >= Began.Likely ? 0 : 1;
    } else {
      side = this.#sideOf(row, r, began);
      if (this.#isDoubled(row, side, r.direction)) return;
    }
    this.#count(row, side, r);
    t.doubles[DOUBLES * row + D.ToldAt] = d.at;
    t.doubles[DOUBLES * row + D.LastPlace] = d.place;
    this.#mark(row, side, r, d);
    this.#tellDue(row, sink);
  }

  /** Whether a record on a known tuple is of another flow: too long after it, or after its end. */
  #isNew(row: number, r: FlowRecord): boolean {
    const t = this.#table;
    const gap = r.firstAt - t.doubles[DOUBLES * row + D.LastAt]!;
    if (gap <= 0) return false;
    const seen = t.words[WORDS * row + W.Seen]!;
    if (gap >= idleOf(seen, r.protocol)) return true;
    const side = t.forward ? Seen.Originator : Seen.Responder;
    return (seen & Mark.Ended) !== 0 && (seen & side) !== 0;
  }

  /** The side that a record's source is on; the first record of the other side may turn a guess. */
  #sideOf(row: number, r: FlowRecord, began: number): number {
    const t = this.#table;
    // Equal ends: only the record itself can say.
    if (r.sourcePort === r.destinationPort && isSame(r.addresses)) return began === Began.No ? 1 : 0;
    const side = t.forward ? 0 : 1;
    const seen = t.words[WORDS * row + W.Seen]!;
    if ((seen & (Mark.Settled | Mark.Told)) !== 0 || t.doubles[DOUBLES * row + D.Packets + side]! > 0) return side;
    const firstAt = t.doubles[DOUBLES * row + D.FirstAt]!;
    let isOriginator = side === 0;
    if (began === Began.Yes || began === Began.No) isOriginator = began === Began.Yes;
    else if (r.rate <= 1 && r.firstAt !== firstAt && isToldByTime(r, (seen & SYNS) !== 0))
      isOriginator = r.firstAt < firstAt;
    t.words[WORDS * row + W.Seen] = seen | Mark.Settled;
    if (isOriginator === (side === 0)) return side;
    t.turn(row);
    t.words[WORDS * row + W.Seen] = turned(seen | Mark.Settled);
    this.#serve(row);
    return 1 - side;
  }

  /** Both ingress and egress of a device tell the same packets: the first that told a side goes on telling it. */
  #isDoubled(row: number, side: number, direction: number): boolean {
    if (direction !== 0 && direction !== 1) return false;
    const other = direction === 0 ? Mark.Egress[side]! : Mark.Ingress[side]!;
    if ((this.#table.words[WORDS * row + W.Seen]! & other) === 0) return false;
    this.doubled += 1;
    return true;
  }

  #count(row: number, side: number, r: FlowRecord): void {
    const { doubles } = this.#table;
    const d = DOUBLES * row;
    if (r.firstAt < doubles[d + D.FirstAt]!) doubles[d + D.FirstAt] = r.firstAt;
    if (r.lastAt > doubles[d + D.LastAt]!) doubles[d + D.LastAt] = r.lastAt;
    this.#add(d + side, r.packets, r.bytes, payloadOf(r, r.packets, r.bytes, r.tcpFlags), r);
    if (!r.isBiflow) return;
    const payload = payloadOf(r, r.reversePackets, r.reverseBytes, r.reverseFlags);
    this.#add(d + 1 - side, r.reversePackets, r.reverseBytes, payload, r);
  }

  /** @param s the row's doubles, from the side on */
  #add(s: number, packets: number, bytes: number, payload: number, r: FlowRecord): void {
    const { doubles } = this.#table;
    // Once, here and nowhere else. Where the rate is not known counts stand as they came (and a fault says so).
    const rate = r.rate > 0 ? r.rate : 1;
    add(doubles, s + D.Packets, Math.round(packets * rate), r.isTotal);
    add(doubles, s + D.IpBytes, Math.round(bytes * rate), r.isTotal);
    add(doubles, s + D.Payload, Math.round(payload * rate), r.isTotal);
  }

  #mark(row: number, side: number, r: FlowRecord, d: Datagram): void {
    const t = this.#table;
    let seen = t.words[WORDS * row + W.Seen]!;
    seen |= bitsOf(side, r.packets > 0 || r.bytes > 0 || !r.isBiflow, r.tcpFlags);
    if (r.isBiflow) seen |= bitsOf(1 - side, r.reversePackets > 0 || r.reverseBytes > 0, r.reverseFlags);
    if (r.direction === 0) seen |= Mark.Ingress[side]!;
    else if (r.direction === 1) seen |= Mark.Egress[side]!;
    if (r.endReason === 3 || (r.protocol === 6 && ((seen & RSTS) !== 0 || (seen & FINS) === FINS))) seen |= Mark.Ended;
    // 2: cut because it had lived long enough. Where no reason is told the time since the last packet tells it.
    const isAlive = r.endReason === 2 || (r.endReason === 0 && d.at - r.lastAt < ALIVE_MICROS);
    t.words[WORDS * row + W.Seen] = isAlive ? seen | Mark.Alive : seen & ~Mark.Alive;
    // A rate of one that is not known makes the whole not known.
    const rateAt = DOUBLES * row + D.Rate;
    if (r.rate <= 0 || t.doubles[rateAt] !== 0) t.doubles[rateAt] = Math.max(r.rate, 0);
  }

  /** Tells what is due at once: the end where both sides have spoken, news of a flow that has been told of. */
  #tellDue(row: number, sink: Sink): void {
    const seen = this.#table.words[WORDS * row + W.Seen]!;
    // Where sides of a device are named the same flow may come once more, from the other one: it waits for that.
    if ((seen & Mark.Ended) !== 0 && (seen & SPOKEN) === SPOKEN && (seen & DIRECTED) === 0) {
      this.#tell(row, FlowPhase.Close, sink);
      this.#table.remove(row);
    } else if ((seen & Mark.Told) !== 0) this.#tell(row, FlowPhase.Update, sink);
  }

  #open(hash: number, key: number, r: FlowRecord, isForward: boolean, origin: Origin, sink: Sink): number {
    const t = this.#table;
    let row = t.insert(hash);
    if (row < 0) {
      this.#evict(sink);
      row = t.insert(hash);
    }
    const { doubles, words } = t;
    const w = WORDS * row;
    const o = isForward ? 0 : 4;
    for (let k = 0; k < 4; k++) {
      words[w + W.Addresses + k] = r.addresses[o + k]!;
      words[w + W.Addresses + 4 + k] = r.addresses[4 - o + k]!;
    }
    words[w + W.Ports] = isForward
      ? (r.sourcePort << 16) | r.destinationPort
      : (r.destinationPort << 16) | r.sourcePort;
    words[w + W.Key] = key;
    words[w + W.Rest] = this.#inputOf(origin);
    const d = DOUBLES * row;
    doubles[d + D.FirstAt] = r.firstAt;
    doubles[d + D.LastAt] = r.lastAt;
    doubles[d + D.Number] = ++this.#numbers;
    doubles[d + D.Rate] = Math.max(r.rate, 0);
    this.#serve(row);
    return row;
  }

  /** Notes the service that the responder's port says. */
  #serve(row: number): void {
    const { words } = this.#table;
    const w = WORDS * row;
    const service = serviceOf(Service.Unknown, words[w + W.Ports]! & 0xffff, words[w + W.Key]! >>> 16);
    words[w + W.Rest] = (service << 16) | (words[w + W.Rest]! & 0xffff);
  }

  /** Full: the hand looks at sixteen, the one that was silent longest goes. */
  #evict(sink: Sink): void {
    const t = this.#table;
    let idlest = -1;
    for (let k = 0; k < 16 || idlest < 0; k++) {
      const other = (this.#hand + k) % t.used;
      const d = DOUBLES * other;
      if (t.doubles[d + D.Number] === 0) continue;
      if (idlest < 0 || t.doubles[d + D.ToldAt]! < t.doubles[DOUBLES * idlest + D.ToldAt]!) idlest = other;
    }
    this.#hand = (this.#hand + 16) % t.used;
    this.#tell(idlest, FlowPhase.Close, sink);
    t.remove(idlest);
    this.shed += 1;
  }

  #inputOf(origin: Origin): number {
    const newest = this.#inputs.length - 1;
    if (newest >= 0 && this.#inputs[newest] === origin) return newest;
    const known = this.#inputs.lastIndexOf(origin);
    if (known >= 0) return known;
    if (this.#inputs.length < INPUTS_MAX) this.#inputs.push(origin);
    return this.#inputs.length - 1;
  }

  #tell(row: number, phase: number, sink: Sink): void {
    const input = this.#table.words[WORDS * row + W.Rest]! & 0xffff;
    this.#rows.put(this.#table, row, phase, this.#inputs[input]!, sink);
  }

  flush(sink: Sink): void {
    this.#rows.flush(sink);
  }

  advance(to: number, sink: Sink): void {
    if (to - this.#sweptAt < SWEEP_MICROS) return;
    this.#sweptAt = to;
    const t = this.#table;
    for (let row = 0; row < t.used; row++) {
      if (t.doubles[DOUBLES * row + D.Number] === 0) continue;
      const silent = to - t.doubles[DOUBLES * row + D.ToldAt]!;
      if (silent < HOLD_MICROS) continue;
      const seen = t.words[WORDS * row + W.Seen]!;
      if (silent >= this.#waitOf(row)) {
        this.#tell(row, FlowPhase.Close, sink);
        t.remove(row);
      } else if ((seen & Mark.Told) === 0) {
        t.words[WORDS * row + W.Seen] = seen | Mark.Told | Mark.Settled;
        this.#tell(row, FlowPhase.Open, sink);
        this.#tell(row, FlowPhase.Update, sink);
      }
    }
    this.flush(sink);
  }

  /** How long a row is kept without news: its silence, or the time to the next piece of a flow that was alive. */
  #waitOf(row: number): number {
    const seen = this.#table.words[WORDS * row + W.Seen]!;
    if ((seen & Mark.Ended) !== 0) return HOLD_MICROS;
    const idle = idleOf(seen, this.#table.words[WORDS * row + W.Key]! >>> 16);
    return (seen & Mark.Alive) !== 0 ? Math.max(idle, ACTIVE_MICROS) : idle;
  }

  end(sink: Sink): void {
    const t = this.#table;
    for (let row = 0; row < t.used; row++) {
      if (t.doubles[DOUBLES * row + D.Number] === 0) continue;
      this.#tell(row, FlowPhase.Close, sink);
      t.remove(row);
    }
    this.flush(sink);
  }
}

/** The side's bits of FIN, RST and SYN. */
const FLAGS: number = SYNS | FINS | RSTS;

function idleOf(seen: number, protocol: number): number {
  if (protocol !== 6) return IDLE.other;
  return (seen & SPOKEN) === Seen.Originator && (seen & FLAGS) === Seen.OriginatorSyn ? IDLE.attempt : IDLE.tcp;
}

/** Totals since the flow's start take the place of what they were before; they never fall. */
function add(doubles: Float64Array, at: number, value: number, isTotal: boolean): void {
  if (!isTotal) doubles[at]! += value;
  else if (value > doubles[at]!) doubles[at] = value;
}

function isSame(words: Uint32Array): boolean {
  return words[0] === words[4] && words[1] === words[5] && words[2] === words[6] && words[3] === words[7];
}
