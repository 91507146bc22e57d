// M3UA (RFC 4666): DATA messages to MTP3 user part messages. Other classes (management, ASP state, routing keys) carry no
// subscriber signalling and are passed over. M2UA (PPID 2) and SUA (PPID 4) are not decoded and say so as a fault.
import {
  type Decoder,
  type DecoderCard,
  type EventBatch,
  type FaultTable,
  MtpMessage,
  SctpMessage,
  type Sink,
} from '#events';
import type { DecoderKind } from '../contract.ts';

const PPID = { m2ua: 2, m3ua: 3, sua: 4 } as const;
const PORT = 2905;
const TRANSFER_CLASS = 1;
const DATA_TYPE = 1;
const PROTOCOL_DATA = 0x0210;

const faults: FaultTable = {
  M3UA_LENGTH: {
    text: 'An M3UA message or parameter has a length that does not fit.',
    remedy: 'Look at the frame: the sender is broken or tries something.',
    lost: 'the rest of that message',
  },
  M3UA_OTHER_LAYER: {
    text: 'An association carries M2UA or SUA, which are not decoded.',
    remedy: 'Tap the link where it runs over M3UA or M2PA.',
    lost: 'the signalling on that association',
  },
};

const card: DecoderCard = {
  name: 'm3ua',
  takes: ['sctp'],
  gives: ['mtp'],
  recognisedBy: 'SCTP payload protocol 3, also in swapped byte order; with 0 a well-formed common header, or port 2905',
  limits: '64 messages in one SCTP message, 32 parameters a message',
  faults,
};

class M3ua implements Decoder {
  readonly card = card;
  readonly shed = 0;
  readonly #message = new MtpMessage();

  decode(batch: EventBatch, sink: Sink): void {
    if (!(batch instanceof SctpMessage)) return;
    const ppid = batch.ppid;
    if (is(ppid, PPID.m2ua) || is(ppid, PPID.sua)) {
      sink.fault('M3UA_OTHER_LAYER', batch.origin, batch.place, -1);
      return;
    }
    const known = is(ppid, PPID.m3ua);
    if (!known && ppid !== 0) return;
    const bytes = batch.bytes;
    let at = batch.offset;
    const end = at + batch.length;
    const hinted = known || batch.sourcePort === PORT || batch.destinationPort === PORT;
    for (let n = 0; n < 64 && at + 8 <= end; n++) {
      if (bytes[at] !== 1 || bytes[at + 1] !== 0) {
        if (hinted) sink.fault('M3UA_LENGTH', batch.origin, batch.place, -1);
        return;
      }
      let length = u32(bytes, at + 4);
      // Some senders leave the padding of the last parameter out of the message length (RFC 4666, 3.1.4 counts it).
      if (length < 8 || length > end - at) {
        if (hinted) sink.fault('M3UA_LENGTH', batch.origin, batch.place, -1);
        if (!hinted || length < 8) return;
        length = end - at;
      }
      if (bytes[at + 2] === TRANSFER_CLASS && bytes[at + 3] === DATA_TYPE) this.#data(batch, at + 8, at + length, sink);
      at += (length + 3) & ~3;
    }
  }

  #data(batch: SctpMessage, from: number, end: number, sink: Sink): void {
    const bytes = batch.bytes;
    let at = from;
    for (let n = 0; n < 32 && at + 4 <= end; n++) {
      const tag = (bytes[at]! << 8) | bytes[at + 1]!;
      const length = (bytes[at + 2]! << 8) | bytes[at + 3]!;
      if (length < 4 || at + length > end) {
        sink.fault('M3UA_LENGTH', batch.origin, batch.place, -1);
        return;
      }
      if (tag === PROTOCOL_DATA && length >= 16) {
        const m = this.#message;
        m.origin = batch.origin;
        m.at = batch.at;
        m.place = batch.place;
        m.places = batch.places;
        m.opc = u32(bytes, at + 4);
        m.dpc = u32(bytes, at + 8);
        m.serviceIndicator = bytes[at + 12]! & 15;
        m.networkIndicator = bytes[at + 13]! & 3;
        m.bytes = bytes;
        m.offset = at + 16;
        m.length = length - 16;
        sink.emit(m);
      }
      at += (length + 3) & ~3;
    }
  }

  advance(): void {}
  end(): void {}
}

/** Payload protocol identifiers are big-endian (RFC 9260, 3.3.1); some senders swap them. */
function is(ppid: number, value: number): boolean {
  return ppid === value || ppid === value << 24;
}

function u32(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
}

export const m3ua: DecoderKind = { card, create: () => new M3ua() };
