// SCCP connectionless (Q.713, Q.714): UDT, XUDT, LUDT and their returns, segments put together. Pointers count from the
// pointer octet itself and the parts may stand in any order (Q.713, 1.5). Connection-oriented messages (CR ... IT) carry
// radio signalling inside a network and are passed over.
import {
  type Decoder,
  type DecoderCard,
  type EventBatch,
  type FaultTable,
  FrameBatch,
  LinkType,
  MtpMessage,
  type Origin,
  SccpMessage,
  type Sink,
} from '#events';
import type { DecoderKind } from '../contract.ts';
import { readAddress, SccpAddress } from './address.ts';

const SI_SCCP = 3;
export const MessageType = { UDT: 0x09, UDTS: 0x0a, XUDT: 0x11, XUDTS: 0x12, LUDT: 0x13, LUDTS: 0x14 } as const;
const SEGMENTATION = 0x10;
/** Unfinished segmented messages held; the oldest goes first. */
const REASSEMBLIES_MAX = 512;
/** The remaining-segments field has four bits (Q.713, 3.17). */
const SEGMENTS_MAX = 16;
/** T(reass) is 10 to 20 s (Q.714, annex C). */
const REASSEMBLY_MICROS = 20e6;

const faults: FaultTable = {
  SCCP_POINTER: {
    text: 'An SCCP message has a pointer or length that leads out of it.',
    remedy: 'Look at the frame: the sender is broken or tries something.',
    lost: 'that message',
  },
  SCCP_ADDRESS: {
    text: 'An SCCP address could not be read to its end.',
    remedy: 'Look at the frame: an ANSI link read as ITU looks like this.',
    lost: 'that address',
  },
  SCCP_ANSI: {
    text: 'An SCCP address is coded by ANSI T1.112 on a link that is read as ITU.',
    remedy: 'Tap ANSI links apart; they are not decoded further.',
    lost: 'nothing of the address; the layer above may not be decoded',
  },
  SCCP_SEGMENTS: {
    text: 'A segmented SCCP message was never completed.',
    remedy: 'Look for packet loss at the tap, or for someone who tests reassembly.',
    lost: 'that message',
  },
};

const card: DecoderCard = {
  name: 'sccp',
  takes: ['mtp', 'frame'],
  gives: ['sccp'],
  recognisedBy: 'MTP3 service indicator 3; capture link type SCCP',
  limits: '512 unfinished segmented messages of at most 16 segments, for 20 s',
  faults,
};

interface Reassembly {
  readonly at: number;
  readonly origin: Origin;
  readonly parts: Uint8Array[];
  readonly places: number[];
  remaining: number;
}

class Sccp implements Decoder {
  readonly card = card;
  shed = 0;
  readonly #message = new SccpMessage();
  readonly #called = new SccpAddress();
  readonly #calling = new SccpAddress();
  /** By calling address, called address and local reference; oldest first. */
  readonly #reassemblies = new Map<string, Reassembly>();

  decode(batch: EventBatch, sink: Sink): void {
    const m = this.#message;
    if (batch instanceof MtpMessage) {
      if (batch.serviceIndicator !== SI_SCCP) return;
      m.origin = batch.origin;
      m.at = batch.at;
      m.place = batch.place;
      m.places = batch.places;
      this.#read(batch.bytes, batch.offset, batch.offset + batch.length, batch.opc, batch.dpc, sink);
    } else if (batch instanceof FrameBatch) {
      for (let i = 0; i < batch.count; i++) {
        if (batch.linkType[i] !== LinkType.Sccp) continue;
        m.origin = batch.origin;
        m.at = batch.at[i]!;
        m.place = batch.place[i]!;
        m.places = none;
        this.#read(batch.bytes, batch.offset[i]!, batch.offset[i]! + batch.length[i]!, -1, -1, sink);
      }
    }
  }

  advance(to: number, sink: Sink): void {
    for (const [key, r] of this.#reassemblies) {
      if (to - r.at < REASSEMBLY_MICROS) break;
      this.#reassemblies.delete(key);
      sink.fault('SCCP_SEGMENTS', r.origin, r.places[0]!, -1);
    }
  }

  end(sink: Sink): void {
    this.advance(Number.POSITIVE_INFINITY, sink);
  }

  #read(bytes: Uint8Array, start: number, end: number, opc: number, dpc: number, sink: Sink): void {
    const m = this.#message;
    if (start + 5 > end) {
      if (start < end) sink.fault('SCCP_POINTER', m.origin, m.place, -1);
      return;
    }
    const type = bytes[start]!;
    if (type !== MessageType.UDT && type !== MessageType.UDTS && (type < MessageType.XUDT || type > MessageType.LUDTS))
      return;
    const extended = type >= MessageType.XUDT;
    const wide = type >= MessageType.LUDT ? 2 : 1;
    m.messageType = type;
    m.returned = type === MessageType.UDTS || type === MessageType.XUDTS || type === MessageType.LUDTS;
    m.returnCause = m.returned ? bytes[start + 1]! : -1;
    let at = start + 2 + (extended ? 1 : 0);
    // Three or four pointers, then the parts. `from` and `to` per part; LUDT has two-octet pointers and data length.
    const parts = extended ? 4 : 3;
    if (at + parts * wide > end) {
      sink.fault('SCCP_POINTER', m.origin, m.place, -1);
      return;
    }
    const firstPart = at + parts * wide;
    const from = [0, 0, 0, 0];
    const to = [0, 0, 0, 0];
    const oddities: string[] = [];
    for (let i = 0; i < parts; i++, at += wide) {
      const pointer = wide === 1 ? bytes[at]! : bytes[at]! | (bytes[at + 1]! << 8);
      if (pointer === 0 && i === 3) break;
      // A two-octet pointer counts from its second octet (Q.713, 1.5).
      let part = at + pointer + (wide === 2 ? 1 : 0);
      if (i === 3) {
        from[3] = part;
        to[3] = end;
        break;
      }
      const lengthOctets = i === 2 ? wide : 1;
      if (part < firstPart || part + lengthOctets > end) {
        sink.fault('SCCP_POINTER', m.origin, m.place, -1);
        return;
      }
      const length = lengthOctets === 1 ? bytes[part]! : bytes[part]! | (bytes[part + 1]! << 8);
      part += lengthOctets;
      if (part + length > end) {
        sink.fault('SCCP_POINTER', m.origin, m.place, -1);
        return;
      }
      from[i] = part;
      to[i] = part + length;
      if (i === 0 && part - 1 !== firstPart) oddities.push('SCCP_POINTER_GAP');
      else if (i > 0 && part < from[i - 1]!) oddities.push('SCCP_POINTER_ORDER');
    }
    readAddress(bytes, from[0]!, to[0]!, this.#called);
    readAddress(bytes, from[1]!, to[1]!, this.#calling);
    this.#address(this.#called, dpc, oddities, sink);
    this.#address(this.#calling, opc, oddities, sink);
    m.called = this.#called.text;
    m.calling = this.#calling.text;
    m.calledSsn = this.#called.ssn;
    m.callingSsn = this.#calling.ssn;
    m.calledPlan = this.#called.plan;
    m.calledNature = this.#called.nature;
    if (m.calledSsn === 0 || m.calledSsn === 254 || (m.calledSsn < 0 && !m.returned)) oddities.push('SCCP_SSN');
    m.oddities = oddities;
    m.bytes = bytes;
    m.offset = from[2]!;
    m.length = to[2]! - from[2]!;
    if (from[3] !== 0 && this.#segment(bytes, from[3]!, end, sink)) return;
    sink.emit(m);
  }

  /** Notes what is odd, and names an address without a title by its point code. */
  #address(a: SccpAddress, pointCode: number, oddities: string[], sink: Sink): void {
    const m = this.#message;
    if (a.ansi) {
      oddities.push('SCCP_ANSI');
      sink.fault('SCCP_ANSI', m.origin, m.place, -1);
    }
    if (a.broken) {
      oddities.push('SCCP_ADDRESS');
      sink.fault('SCCP_ADDRESS', m.origin, m.place, -1);
    }
    if (a.filler) oddities.push('SCCP_FILLER');
    if (a.pointCode < 0) a.pointCode = pointCode;
  }

  /**
   * Takes a segment (Q.714, 4.1.1.2.3).
   * @returns true where the message is not complete yet; else the message's data are the whole
   */
  #segment(bytes: Uint8Array, start: number, end: number, sink: Sink): boolean {
    const m = this.#message;
    let at = start;
    for (let n = 0; n < 16 && at < end && bytes[at] !== 0; n++) {
      if (at + 2 > end) return false;
      const length = bytes[at + 1]!;
      if (at + 2 + length > end) return false;
      if (bytes[at] === SEGMENTATION && length >= 4) {
        const head = bytes[at + 2]!;
        const first = (head & 0x80) !== 0;
        const remaining = head & 15;
        if (first && remaining === 0) return false;
        const reference = bytes[at + 3]! | (bytes[at + 4]! << 8) | (bytes[at + 5]! << 16);
        return this.#part(`${m.calling}>${m.called}#${reference}`, first, remaining, sink);
      }
      at += 2 + length;
    }
    return false;
  }

  #part(key: string, first: boolean, remaining: number, sink: Sink): boolean {
    const m = this.#message;
    const part = m.bytes.slice(m.offset, m.offset + m.length);
    let r = this.#reassemblies.get(key);
    if (first) {
      this.#reassemblies.delete(key);
      if (this.#reassemblies.size >= REASSEMBLIES_MAX) {
        this.#reassemblies.delete(this.#reassemblies.keys().next().value!);
        this.shed += 1;
      }
      this.#reassemblies.set(key, {
        at: m.at,
        origin: m.origin,
        parts: [part],
        places: [...m.places, m.place],
        remaining,
      });
      return true;
    }
    if (r === undefined || remaining !== r.remaining - 1 || r.parts.length >= SEGMENTS_MAX) {
      // A repeated segment (second tap) changes nothing; one that does not follow is lost.
      if (r !== undefined && remaining === r.remaining) return true;
      sink.fault('SCCP_SEGMENTS', m.origin, m.place, -1);
      return true;
    }
    r.parts.push(part);
    r.remaining = remaining;
    if (remaining > 0) {
      r.places.push(...m.places, m.place);
      return true;
    }
    this.#reassemblies.delete(key);
    let total = 0;
    for (const p of r.parts) total += p.length;
    const whole = new Uint8Array(total);
    let filled = 0;
    for (const p of r.parts) {
      whole.set(p, filled);
      filled += p.length;
    }
    m.bytes = whole;
    m.offset = 0;
    m.length = total;
    m.places = r.places.filter((p) => p !== m.place);
    r = undefined;
    return false;
  }
}

const none: readonly number[] = [];

export const sccp: DecoderKind = { card, create: () => new Sccp() };
