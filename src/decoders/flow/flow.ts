// Packets to bidirectional flows, with Zeek's words for how a TCP connection went. The rules, each with its test, stand in
// README.md: who is the originator, what counts as bytes, when a flow ends. Time is event time only.
import {
  BATCH_ROWS,
  type Decoder,
  type EventBatch,
  FlowBatch,
  FlowPhase,
  type Origin,
  PacketBatch,
  Service,
  type Sink,
  serviceOf,
} from '#events';
import type { DecoderKind, DecoderOptions } from '../contract.ts';
import { icmpPair, isOriginator, isSelf } from './direction.ts';
import { HISTORY_LETTERS_MAX } from './history.ts';
import { JA4_BYTES, Looker } from './look.ts';
import { NAME_BYTES_MAX, NAMES_MAX } from './names.ts';
import { PREFIX_BYTES_MAX, PREFIXES_MAX } from './prefix.ts';
import {
  characterOf,
  FLIPPED,
  idleOf,
  isTold,
  Letter,
  letterOf,
  RETRANSMISSION,
  stateOf,
  ZERO_WINDOW,
} from './state.ts';
import { CROWDED, FlowTable, ROWS_MAX, Seen } from './table.ts';

export { stateOf } from './state.ts';

const Tcp = { Fin: 1, Syn: 2, Rst: 4, Ack: 16 } as const;
/** A living flow is told at most this often while payload moves, and this often while only the connection is kept. */
const TELL_MICROS = 1e6;
const TELL_QUIET_MICROS = 300e6;
/** The last octets of a flow's burst are told without waiting for its next, where it has lived so long: most end with their only one. */
const TELL_TAIL_MICROS = 10e6;
/** Event time between looks for silent flows. */
const SWEEP_MICROS = 5e6;
/** The largest window there is (RFC 7323 2.3): what lies further back was never sent before. */
const WINDOW_MAX = 2 ** 30;
/** Bytes that may be under way before a first answer, generously: the window of a SYN is not scaled. */
const FIRST_WINDOW_MAX = 2 ** 16;
/** Added to a capital letter it is the small one. */
const SMALL = 0x20;
/** What one row may put into a batch's bytes: name, fingerprint, protocol, hash, history. */
const ROW_BYTES_MAX = 3 * NAME_BYTES_MAX + HISTORY_LETTERS_MAX;

export const flow: DecoderKind = {
  card: {
    name: 'flow',
    takes: ['packet'],
    gives: ['flow'],
    recognisedBy: 'any IP packet',
    limits: `${ROWS_MAX} live flows, the idlest of sixteen goes; ${PREFIXES_MAX} cut messages of ${PREFIX_BYTES_MAX >> 10} KiB wait, the oldest goes; ${NAMES_MAX} names`,
    faults: {},
  },
  create: (options) => new FlowDecoder(options),
};

class FlowDecoder implements Decoder {
  readonly card = flow.card;
  readonly #withoutDns: boolean;
  readonly #table = new FlowTable();
  readonly #out = new FlowBatch();
  readonly #looker: Looker;
  #bytesEnd = 0;
  readonly #inputs: Origin[] = [];
  #input = 0;
  #numbers = 0;
  #hand = 0;
  #sweptAt = Number.NEGATIVE_INFINITY;
  #shed = 0;

  /** Flows, cut messages, names and QUIC datagrams that found no room. */
  get shed(): number {
    const { unread, prefixes } = this.#looker;
    return this.#shed + unread + prefixes.lost + this.#table.pool.lost;
  }

  constructor(options: DecoderOptions = {}) {
    this.#withoutDns = options.withoutDns ?? false;
    this.#looker = new Looker(this.#table);
  }

  decode(batch: EventBatch, sink: Sink): void {
    if (!(batch instanceof PacketBatch)) return;
    if (this.#inputs[this.#input] !== batch.origin) this.#input = this.#inputOf(batch.origin);
    for (let i = 0; i < batch.count; i++) this.#packet(batch, i, sink);
    this.#flush(sink);
  }

  /** Inputs are few; what comes after 65,535 of them shares the last number. */
  #inputOf(origin: Origin): number {
    const known = this.#inputs.indexOf(origin);
    if (known >= 0) return known;
    if (this.#inputs.length < 65_535) this.#inputs.push(origin);
    return this.#inputs.length - 1;
  }

  #packet(p: PacketBatch, i: number, sink: Sink): void {
    // An export datagram that a collector took: no packet of it was seen.
    if (p.parts[i] === 0) return;
    const t = this.#table;
    const protocol = p.protocol[i]!;
    let sourcePort = p.sourcePort[i]!;
    let destinationPort = p.destinationPort[i]!;
    if (this.#withoutDns && (destinationPort === 53 || sourcePort === 53)) return;
    if (protocol === 1 || protocol === 58) {
      // Request and reply of one kind meet in one flow: the type pair stands for the ports.
      const pair = icmpPair(p.icmp[i]! >> 8, protocol);
      sourcePort = pair;
      destinationPort = pair;
    }
    const at = p.at[i]!;
    const vlan = p.vlan[i]!;
    const hash = t.hashOf(p.addresses, 8 * i, sourcePort, destinationPort, protocol, vlan);
    let row = t.find(hash, p.addresses, 8 * i, sourcePort, destinationPort, protocol, vlan);
    if (row === CROWDED) {
      this.#shed += 1;
      return;
    }
    const flags = p.tcpFlags[i]!;
    if (row >= 0 && (flags & (Tcp.Syn | Tcp.Ack)) === Tcp.Syn && protocol === 6) {
      // A SYN with another number on a known tuple is a new connection; with the same number it was sent again.
      // Where only the answer was seen so far, this is the SYN that it answers, out of order.
      const again = (t.seen[row]! & Seen.OriginatorSyn) !== 0 && t.initial[row] === p.tcpSequence[i];
      if (!t.forward || !(again || t.packets[2 * row] === 0)) {
        this.#row(row, FlowPhase.Close, at, sink);
        this.#forget(row);
        row = -1;
      }
    }
    let fromOriginator: boolean;
    if (row < 0) {
      fromOriginator = isOriginator(p, i, protocol, flags, sourcePort, destinationPort);
      row = this.#open(hash, p, i, sourcePort, destinationPort, fromOriginator, sink);
    } else {
      fromOriginator = t.forward;
      // A reply's own kind says who asked, whatever came first (zeek#5830).
      if (sourcePort === destinationPort && isSelf(p.addresses, 8 * i))
        fromOriginator = isOriginator(p, i, protocol, flags, sourcePort, destinationPort);
      if ((t.seen[row]! & Seen.Held) !== 0) {
        if (fromOriginator) fromOriginator = this.#settle(row, p, i, flags, sink);
        else if ((flags & Tcp.Syn) === 0) this.#tell(row, t.firstAt[row]!, sink);
      }
    }
    if (p.payloadBytes[i]! > 0 && at - t.lastAt[row]! >= TELL_MICROS && this.#owes(row)) {
      // The burst before is over: it is told by itself, and this packet begins the next.
      this.#row(row, FlowPhase.Update, t.lastAt[row]!, sink);
      t.toldAt[row] = at;
    }
    const side = 2 * row + (fromOriginator ? 0 : 1);
    t.packets[side]! += p.parts[i]!;
    t.ipBytes[side]! += p.ipBytes[i]!;
    if (at > t.lastAt[row]!) t.lastAt[row] = at;
    t.lastPlace[row] = p.place[i]!;
    t.seen[row]! |= fromOriginator ? Seen.Originator : Seen.Responder;
    let payload = p.payloadBytes[i]!;
    if (protocol === 6) payload = this.#tcp(row, side, fromOriginator, flags, p, i, payload);
    else if (payload > 0 && (t.written[side]! & Letter.Data) === 0 && protocol === 17) {
      t.written[side]! |= Letter.Data;
      t.write(row, characterOf(Letter.Data) + (fromOriginator ? 0 : SMALL));
    }
    if (payload > 0) {
      t.payload[side]! += payload;
      if (t.looks[side] !== 0) this.#looker.look(row, side, p, i);
      if (at - t.toldAt[row]! >= TELL_MICROS) this.#row(row, FlowPhase.Update, at, sink);
    } else if (at - t.toldAt[row]! >= TELL_QUIET_MICROS) this.#row(row, FlowPhase.Update, at, sink);
  }

  /** Whether payload has moved that no row has told. */
  #owes(row: number): boolean {
    const t = this.#table;
    return t.payload[2 * row] !== t.toldPayload[2 * row] || t.payload[2 * row + 1] !== t.toldPayload[2 * row + 1];
  }

  /**
   * A flow that a SYN-ACK began, and now a packet of the side that got it: where that only resets, it asked for nothing
   * (a scan with SYN-ACKs, or the echo of one with forged senders), and who sent the SYN-ACK began it.
   * @returns whether this packet comes from the originator
   */
  #settle(row: number, p: PacketBatch, i: number, flags: number, sink: Sink): boolean {
    const t = this.#table;
    const isRefused = (flags & (Tcp.Syn | Tcp.Fin | Tcp.Rst)) === Tcp.Rst && t.payload[2 * row + 1] === 0;
    if (isRefused && p.payloadBytes[i] === 0) {
      t.turn(row);
      t.seen[row] =
        Seen.Originator | Seen.Held | ((t.seen[row]! & Seen.ResponderSequence) !== 0 ? Seen.OriginatorSequence : 0);
      t.history[row] = 0;
      t.write(row, characterOf(Letter.SynAck));
      t.service[row] = serviceOf(Service.Unknown, t.responderPort[row]!, 6);
    }
    this.#tell(row, t.firstAt[row]!, sink);
    return !(isRefused && p.payloadBytes[i] === 0);
  }

  /** Tells a held flow that it is open. */
  #tell(row: number, at: number, sink: Sink): void {
    this.#table.seen[row]! &= ~Seen.Held;
    this.#row(row, FlowPhase.Open, at, sink);
  }

  /** Keeps the state; @returns payload that is new, so that what is sent again counts once (in packets it counts each time). */
  #tcp(
    row: number,
    side: number,
    fromOriginator: boolean,
    flags: number,
    p: PacketBatch,
    i: number,
    payload: number,
  ): number {
    const t = this.#table;
    const sequence = p.tcpSequence[i]!;
    const letter = letterOf(flags, payload);
    if ((letter & ~t.written[side]!) !== 0) {
      t.written[side]! |= letter;
      t.write(row, characterOf(letter) + (fromOriginator ? 0 : SMALL));
    }
    if (p.tcpWindow[i] === 0 && (flags & Tcp.Rst) === 0) this.#count(row, side, t.closedWindow, ZERO_WINDOW);
    let seen = t.seen[row]!;
    if ((flags & Tcp.Syn) !== 0) {
      if ((flags & Tcp.Ack) !== 0) {
        // From the originator it is the second half of two SYNs that crossed, or a scan: no SYN.
        if (!fromOriginator) seen |= Seen.ResponderSynAck;
      } else {
        seen |= Seen.OriginatorSyn;
        t.initial[row] = sequence;
      }
    }
    if ((flags & Tcp.Fin) !== 0) seen |= fromOriginator ? Seen.OriginatorFin : Seen.ResponderFin;
    if ((flags & Tcp.Rst) !== 0) seen |= fromOriginator ? Seen.OriginatorRst : Seen.ResponderRst;
    const known = fromOriginator ? Seen.OriginatorSequence : Seen.ResponderSequence;
    const start = (sequence + ((flags & Tcp.Syn) !== 0 ? 1 : 0)) >>> 0;
    const end = (start + payload) >>> 0;
    let fresh = payload;
    const isKnown = (seen & known) !== 0;
    // Signed differences: they survive the wrap. Sequence numbers can be forged, so they only ever take payload away.
    if (payload > 0 && isKnown && t.payload[side]! > 0 && ((end - t.next[side]!) | 0) > -WINDOW_MAX) {
      const ahead = (end - t.next[side]!) | 0;
      if (ahead > 0) {
        fresh = Math.min(payload, ahead);
        t.missing[side] = Math.min(t.missing[side]! + ahead - fresh, WINDOW_MAX);
        t.next[side] = end;
      } else {
        // Late or again: it is new only as far as something was missing.
        this.#count(row, side, t.again, RETRANSMISSION);
        fresh = Math.min(payload, t.missing[side]!);
        t.missing[side]! -= fresh;
      }
    } else if (payload > 0 || ((flags & Tcp.Syn) !== 0 && t.payload[side] === 0)) {
      // The first payload counts whatever the hand-shake said (zeek#3313); what it skips is missing, where that can be.
      const skipped = isKnown && payload > 0 && t.payload[side] === 0 ? (start - t.next[side]!) | 0 : 0;
      t.missing[side] = skipped > 0 && skipped < FIRST_WINDOW_MAX ? skipped : 0;
      t.next[side] = end;
      seen |= known;
    }
    t.seen[row] = seen;
    return fresh;
  }

  #count(row: number, side: number, column: Uint8Array, letter: number): void {
    const n = column[side]!;
    if (n === 255) return;
    column[side] = n + 1;
    if (isTold(n + 1)) this.#table.write(row, letter + ((side & 1) === 0 ? 0 : SMALL));
  }

  #forget(row: number): void {
    this.#looker.leave(row);
    this.#table.remove(row);
  }

  #open(
    hash: number,
    p: PacketBatch,
    i: number,
    sourcePort: number,
    destinationPort: number,
    fromOriginator: boolean,
    sink: Sink,
  ): number {
    const t = this.#table;
    let row = t.insert(hash);
    if (row < 0) {
      // Full: the hand looks at sixteen, the idlest of them goes.
      let idlest = -1;
      for (let k = 0; k < 16 || idlest < 0; k++) {
        const other = (this.#hand + k) % t.used;
        if (t.number[other] !== 0 && (idlest < 0 || t.lastAt[other]! < t.lastAt[idlest]!)) idlest = other;
      }
      this.#hand = (this.#hand + 16) % t.used;
      this.#row(idlest, FlowPhase.Close, p.at[i]!, sink);
      this.#forget(idlest);
      this.#shed += 1;
      row = t.insert(hash);
    }
    const w = 8 * row;
    const o = 8 * i + (fromOriginator ? 0 : 4);
    const r = 8 * i + (fromOriginator ? 4 : 0);
    for (let k = 0; k < 4; k++) {
      t.addresses[w + k] = p.addresses[o + k]!;
      t.addresses[w + 4 + k] = p.addresses[r + k]!;
    }
    t.originatorPort[row] = fromOriginator ? sourcePort : destinationPort;
    t.responderPort[row] = fromOriginator ? destinationPort : sourcePort;
    t.protocol[row] = p.protocol[i]!;
    t.vlan[row] = p.vlan[i]!;
    const at = p.at[i]!;
    t.firstAt[row] = at;
    t.lastAt[row] = at;
    t.toldAt[row] = at;
    t.place[row] = p.place[i]!;
    t.lastPlace[row] = p.place[i]!;
    t.number[row] = ++this.#numbers;
    t.input[row] = this.#input;
    t.service[row] = serviceOf(Service.Unknown, t.responderPort[row]!, p.protocol[i]!);
    if (p.protocol[i] === 17) t.looks[2 * row + 1] = 0;
    if (!fromOriginator) t.write(row, FLIPPED);
    const isHeld = p.protocol[i] === 6 && !fromOriginator && (p.tcpFlags[i]! & Tcp.Syn) !== 0;
    if (isHeld) t.seen[row] = Seen.Held;
    else this.#row(row, FlowPhase.Open, at, sink);
    return row;
  }

  #row(row: number, phase: number, at: number, sink: Sink): void {
    const t = this.#table;
    const out = this.#out;
    if ((t.seen[row]! & Seen.Held) !== 0) this.#tell(row, t.firstAt[row]!, sink);
    if (out.count >= BATCH_ROWS || this.#bytesEnd > out.bytes.length - ROW_BYTES_MAX) this.#flush(sink);
    const origin = this.#inputs[t.input[row]!]!;
    // A batch speaks of one input: places of another would name the wrong file.
    if (out.origin !== origin) {
      this.#flush(sink);
      out.origin = origin;
    }
    const i = out.count++;
    out.at[i] = at;
    out.place[i] = t.place[row]!;
    out.lastPlace[i] = t.lastPlace[row]!;
    out.flow[i] = t.number[row]!;
    out.phase[i] = phase;
    out.firstAt[i] = t.firstAt[row]!;
    out.lastAt[i] = t.lastAt[row]!;
    const w = 8 * row;
    for (let k = 0; k < 8; k++) out.addresses[8 * i + k] = t.addresses[w + k]!;
    out.originatorPort[i] = t.originatorPort[row]!;
    out.responderPort[i] = t.responderPort[row]!;
    out.protocol[i] = t.protocol[row]!;
    out.state[i] = stateOf(t.seen[row]!, t.protocol[row]!);
    const s = 2 * row;
    out.originatorPackets[i] = t.packets[s]!;
    out.responderPackets[i] = t.packets[s + 1]!;
    out.originatorIpBytes[i] = t.ipBytes[s]!;
    out.responderIpBytes[i] = t.ipBytes[s + 1]!;
    out.originatorPayloadBytes[i] = t.payload[s]!;
    out.responderPayloadBytes[i] = t.payload[s + 1]!;
    out.originatorPayloadDelta[i] = t.payload[s]! - t.toldPayload[s]!;
    out.responderPayloadDelta[i] = t.payload[s + 1]! - t.toldPayload[s + 1]!;
    t.toldPayload[s] = t.payload[s]!;
    t.toldPayload[s + 1] = t.payload[s + 1]!;
    t.toldAt[row] = at;
    out.service[i] = t.service[row]!;
    out.targetPort[i] = t.targetPort[row]!;
    this.#text(i, t.name[row]!, out.nameOffset, out.nameBytes);
    this.#text(i, t.client[row]!, out.ja4Offset, out.ja4Bytes);
    // One string holds both: a fingerprint has always the same length.
    out.alpnOffset[i] = out.ja4Offset[i]! + JA4_BYTES;
    out.alpnBytes[i] = Math.max(0, out.ja4Bytes[i]! - JA4_BYTES);
    if (out.ja4Bytes[i]! > 0) out.ja4Bytes[i] = JA4_BYTES;
    this.#text(i, t.certificate[row]!, out.certificateOffset, out.certificateBytes);
    const letters = t.histories.write(t.history[row]!, out.bytes, this.#bytesEnd);
    out.historyOffset[i] = this.#bytesEnd;
    out.historyBytes[i] = letters;
    out.samplingRate[i] = 1;
    this.#bytesEnd += letters;
  }

  #text(i: number, n: number, offsets: Int32Array, lengths: Int32Array): void {
    offsets[i] = this.#bytesEnd;
    if (n === 0) {
      lengths[i] = 0;
      return;
    }
    const pool = this.#table.pool;
    const from = pool.offset[n]!;
    const length = pool.length[n]!;
    const bytes = this.#out.bytes;
    for (let k = 0; k < length; k++) bytes[this.#bytesEnd + k] = pool.bytes[from + k]!;
    lengths[i] = length;
    this.#bytesEnd += length;
  }

  #flush(sink: Sink): void {
    if (this.#out.count > 0) sink.emit(this.#out);
    this.#out.count = 0;
    this.#bytesEnd = 0;
  }

  advance(to: number, sink: Sink): void {
    if (to - this.#sweptAt < SWEEP_MICROS) return;
    this.#sweptAt = to;
    const t = this.#table;
    for (let row = 0; row < t.used; row++) {
      if (t.number[row] === 0) continue;
      const quiet = to - t.lastAt[row]!;
      if (quiet >= idleOf(t.seen[row]!, t.protocol[row]!)) {
        this.#row(row, FlowPhase.Close, t.lastAt[row]!, sink);
        this.#forget(row);
      } else if (quiet >= TELL_MICROS && t.lastAt[row]! - t.firstAt[row]! >= TELL_TAIL_MICROS && this.#owes(row))
        this.#row(row, FlowPhase.Update, t.lastAt[row]!, sink);
    }
    this.#flush(sink);
  }

  end(sink: Sink): void {
    const t = this.#table;
    for (let row = 0; row < t.used; row++) {
      if (t.number[row] === 0) continue;
      this.#row(row, FlowPhase.Close, t.lastAt[row]!, sink);
      this.#forget(row);
    }
    this.#flush(sink);
  }
}
