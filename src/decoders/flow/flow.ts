// Packets to bidirectional flows, with Zeek's words for how a TCP connection went. The rules, each with its test, stand in
// README.md: who is the originator, what counts as bytes, when a flow ends. Time is event time only.
import {
  BATCH_ROWS,
  type Decoder,
  type EventBatch,
  FlowBatch,
  FlowPhase,
  FlowState,
  type Origin,
  PacketBatch,
  type Sink,
} from '#events';
import { isGroupAddress } from '#lib/address';
import type { DecoderKind, DecoderOptions } from '../contract.ts';
import { Service, serviceOfPayload, serviceOfPort } from './service.ts';
import { CROWDED, FlowTable, ROWS_MAX, Seen } from './table.ts';

const Tcp = { Fin: 1, Syn: 2, Rst: 4, Ack: 16 } as const;
/** Silence after which a flow is over, microseconds. TCP's is long: a meter polled half-hourly is one session. */
const IDLE = { tcp: 3600e6, attempt: 30e6, ended: 5e6, udp: 60e6, icmp: 60e6, other: 60e6 } as const;
/** A living flow is told at most this often. */
const TELL_MICROS = 1e6;
/** Event time between looks for silent flows. */
const SWEEP_MICROS = 5e6;
/** Packets with payload from the originator in which a name is looked for. */
const NAME_PACKETS = 4;
const NAME_BYTES_MAX = 255;
/** The largest window there is (RFC 7323 2.3): what lies further back was never sent before. */
const WINDOW_MAX = 2 ** 30;
/** Bytes that may be under way before a first answer, generously: the window of a SYN is not scaled. */
const FIRST_WINDOW_MAX = 2 ** 16;

export const flow: DecoderKind = {
  card: {
    name: 'flow',
    takes: ['packet'],
    gives: ['flow'],
    recognisedBy: 'any IP packet',
    limits: `${ROWS_MAX} live flows; when full, the idlest of sixteen goes`,
    faults: {},
  },
  create: (options) => new FlowDecoder(options),
};

class FlowDecoder implements Decoder {
  readonly card = flow.card;
  readonly #withoutDns: boolean;
  readonly #table = new FlowTable();
  readonly #out = new FlowBatch();
  readonly #name = { offset: 0, length: 0 };
  #nameEnd = 0;
  readonly #inputs: Origin[] = [];
  #input = 0;
  #numbers = 0;
  #hand = 0;
  #sweptAt = Number.NEGATIVE_INFINITY;
  shed = 0;

  constructor(options: DecoderOptions = {}) {
    this.#withoutDns = options.withoutDns ?? false;
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
      this.shed += 1;
      return;
    }
    const flags = p.tcpFlags[i]!;
    if (row >= 0 && (flags & (Tcp.Syn | Tcp.Ack)) === Tcp.Syn && protocol === 6) {
      // A SYN with another number on a known tuple is a new connection; with the same number it was sent again.
      // Where only the answer was seen so far, this is the SYN that it answers, out of order.
      const again = (t.seen[row]! & Seen.OriginatorSyn) !== 0 && t.initial[row] === p.tcpSequence[i];
      if (!t.forward || !(again || t.packets[2 * row] === 0)) {
        this.#row(row, FlowPhase.Close, at, sink);
        t.remove(row);
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
      if (sourcePort === destinationPort && same(p.addresses, 8 * i))
        fromOriginator = isOriginator(p, i, protocol, flags, sourcePort, destinationPort);
    }
    const side = 2 * row + (fromOriginator ? 0 : 1);
    t.packets[side]! += 1;
    t.ipBytes[side]! += p.ipBytes[i]!;
    if (at > t.lastAt[row]!) t.lastAt[row] = at;
    t.lastPlace[row] = p.place[i]!;
    t.seen[row]! |= fromOriginator ? Seen.Originator : Seen.Responder;
    let payload = p.payloadBytes[i]!;
    if (protocol === 6) payload = this.#tcp(row, side, fromOriginator, flags, p.tcpSequence[i]!, payload);
    if (payload > 0) {
      t.payload[side]! += payload;
      if ((t.seen[row]! & Seen.NameDone) === 0) this.#look(row, p, i, fromOriginator);
      if (at - t.toldAt[row]! >= TELL_MICROS) this.#row(row, FlowPhase.Update, at, sink);
    }
  }

  /** Keeps the state; @returns payload that is new, so that what is sent again counts once (in packets it counts each time). */
  #tcp(row: number, side: number, fromOriginator: boolean, flags: number, sequence: number, payload: number): number {
    const t = this.#table;
    let seen = t.seen[row]!;
    if ((flags & Tcp.Syn) !== 0) {
      if ((flags & Tcp.Ack) !== 0) seen |= fromOriginator ? Seen.OriginatorSyn : Seen.ResponderSynAck;
      else {
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

  #look(row: number, p: PacketBatch, i: number, fromOriginator: boolean): void {
    const t = this.#table;
    const service = serviceOfPayload(p.bytes, p.payloadOffset[i]!, p.payloadCaptured[i]!, this.#name);
    if (service !== 0) t.service[row] = service;
    if (fromOriginator && this.#name.length > 0) {
      const from = this.#name.offset;
      t.names.set(row, p.bytes.slice(from, from + Math.min(this.#name.length, NAME_BYTES_MAX)));
      t.seen[row]! |= Seen.NameDone;
    } else if (t.packets[2 * row]! >= NAME_PACKETS) t.seen[row]! |= Seen.NameDone;
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
      t.remove(idlest);
      this.shed += 1;
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
    t.place[row] = p.place[i]!;
    t.lastPlace[row] = p.place[i]!;
    t.number[row] = ++this.#numbers;
    t.input[row] = this.#input;
    t.service[row] = serviceOfPort(t.responderPort[row]!);
    this.#row(row, FlowPhase.Open, at, sink);
    return row;
  }

  #row(row: number, phase: number, at: number, sink: Sink): void {
    const t = this.#table;
    const out = this.#out;
    if (out.count >= BATCH_ROWS || this.#nameEnd > out.bytes.length - NAME_BYTES_MAX) this.#flush(sink);
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
    const name = t.names.size === 0 ? undefined : t.names.get(row);
    out.nameOffset[i] = this.#nameEnd;
    out.nameBytes[i] = 0;
    if (name !== undefined) {
      out.bytes.set(name, this.#nameEnd);
      out.nameBytes[i] = name.length;
      this.#nameEnd += name.length;
    }
  }

  #flush(sink: Sink): void {
    if (this.#out.count > 0) sink.emit(this.#out);
    this.#out.count = 0;
    this.#nameEnd = 0;
  }

  advance(to: number, sink: Sink): void {
    if (to - this.#sweptAt < SWEEP_MICROS) return;
    this.#sweptAt = to;
    const t = this.#table;
    for (let row = 0; row < t.used; row++) {
      if (t.number[row] === 0 || to - t.lastAt[row]! < idleOf(t.seen[row]!, t.protocol[row]!)) continue;
      this.#row(row, FlowPhase.Close, t.lastAt[row]!, sink);
      t.remove(row);
    }
    this.#flush(sink);
  }

  end(sink: Sink): void {
    const t = this.#table;
    for (let row = 0; row < t.used; row++) {
      if (t.number[row] === 0) continue;
      this.#row(row, FlowPhase.Close, t.lastAt[row]!, sink);
      t.remove(row);
    }
    this.#flush(sink);
  }
}

function idleOf(seen: number, protocol: number): number {
  if (protocol === 17) return IDLE.udp;
  if (protocol === 1 || protocol === 58) return IDLE.icmp;
  if (protocol !== 6) return IDLE.other;
  if ((seen & (Seen.OriginatorRst | Seen.ResponderRst)) !== 0) return IDLE.ended;
  if ((seen & Seen.OriginatorFin) !== 0 && (seen & Seen.ResponderFin) !== 0) return IDLE.ended;
  if ((seen & Seen.Responder) === 0 && (seen & Seen.OriginatorSyn) !== 0) return IDLE.attempt;
  return IDLE.tcp;
}

/** Whether the sender of the first packet seen began the flow. */
function isOriginator(
  p: PacketBatch,
  i: number,
  protocol: number,
  flags: number,
  sourcePort: number,
  destinationPort: number,
): boolean {
  // Nobody sends from a broadcast or multicast address (zeek#3235), and an answer to all was asked for by nobody.
  if (isGroupAddress(p.addresses, 8 * i + 4)) return true;
  if (isGroupAddress(p.addresses, 8 * i)) return false;
  if (protocol === 6 && (flags & Tcp.Syn) !== 0) return (flags & Tcp.Ack) === 0;
  if (protocol === 1 || protocol === 58) return !isReply(p.icmp[i]! >> 8, protocol);
  const source = portRank(sourcePort);
  const destination = portRank(destinationPort);
  if (source === destination) return protocol !== 6 || sourcePort >= destinationPort;
  return destination > source;
}

/** How much a port looks like a server's: a service that is known, a system port, any other; 0 is none. */
function portRank(port: number): number {
  return serviceOfPort(port) !== Service.Unknown ? 2 : port > 0 && port < 1024 ? 1 : 0;
}

function same(words: Uint32Array, at: number): boolean {
  return (
    words[at] === words[at + 4] &&
    words[at + 1] === words[at + 5] &&
    words[at + 2] === words[at + 6] &&
    words[at + 3] === words[at + 7]
  );
}

/** Type of the request that belongs to an ICMP type; the type itself for those without an answer. */
function icmpPair(type: number, protocol: number): number {
  if (protocol === 58) return type === 129 ? 128 : type === 134 ? 133 : type === 136 ? 135 : type;
  return type === 0 ? 8 : type === 14 ? 13 : type === 16 ? 15 : type === 18 ? 17 : type;
}

function isReply(type: number, protocol: number): boolean {
  return icmpPair(type, protocol) !== type;
}

/** Zeek's conn_state (scripts/base/protocols/conn). */
export function stateOf(seen: number, protocol: number): number {
  const o = (seen & Seen.Originator) !== 0;
  const r = (seen & Seen.Responder) !== 0;
  if (protocol !== 6) return o && r ? FlowState.SF : r ? FlowState.SHR : FlowState.S0;
  const syn = (seen & Seen.OriginatorSyn) !== 0;
  const synAck = (seen & Seen.ResponderSynAck) !== 0;
  const oFin = (seen & Seen.OriginatorFin) !== 0;
  const rFin = (seen & Seen.ResponderFin) !== 0;
  const oRst = (seen & Seen.OriginatorRst) !== 0;
  const rRst = (seen & Seen.ResponderRst) !== 0;
  // A SYN that was missed is taken for sent where its answer was taken up.
  if (synAck && (syn || (o && !oRst))) {
    // A reset behind both FINs is a stack's tidying up, not how the connection went.
    if (oFin && rFin) return FlowState.SF;
    if (oRst) return FlowState.RSTO;
    if (rRst) return FlowState.RSTR;
    return oFin ? FlowState.S2 : rFin ? FlowState.S3 : FlowState.S1;
  }
  if (syn) {
    if (rRst) return FlowState.REJ;
    if (oRst) return FlowState.RSTOS0;
    return oFin ? FlowState.SH : r ? FlowState.OTH : FlowState.S0;
  }
  if (synAck && !o) return rRst ? FlowState.RSTRH : rFin ? FlowState.SHR : FlowState.OTH;
  return FlowState.OTH;
}
