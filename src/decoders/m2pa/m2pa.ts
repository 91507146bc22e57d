// MTP links: M2PA (RFC 4165) over SCTP, and captures of MTP2 and MTP3 links themselves (Q.703, Q.704), to MTP3 user part
// messages. ITU routing label only: 14-bit point codes, little-endian (Q.704, 2.2).
import {
  type Decoder,
  type DecoderCard,
  type EventBatch,
  type FaultTable,
  FrameBatch,
  LinkType,
  MtpMessage,
  type Origin,
  SctpMessage,
  type Sink,
} from '#events';
import type { DecoderKind } from '../contract.ts';

const PPID = 5;
const M2PA_CLASS = 11;
const USER_DATA = 1;

const faults: FaultTable = {
  M2PA_LENGTH: {
    text: 'An M2PA or MTP message is too short for its headers.',
    remedy: 'Look at the frame: the sender or the capture length is broken.',
    lost: 'that message',
  },
};

const card: DecoderCard = {
  name: 'm2pa',
  takes: ['sctp', 'frame'],
  gives: ['mtp'],
  recognisedBy: 'SCTP payload protocol 5, also in swapped byte order; capture link types MTP2 and MTP3',
  limits: 'none kept between messages',
  faults,
};

class M2pa implements Decoder {
  readonly card = card;
  readonly shed = 0;
  readonly #message = new MtpMessage();

  decode(batch: EventBatch, sink: Sink): void {
    if (batch instanceof SctpMessage) this.#m2pa(batch, sink);
    else if (batch instanceof FrameBatch) {
      for (let i = 0; i < batch.count; i++) {
        const type = batch.linkType[i];
        if (type !== LinkType.Mtp3 && type !== LinkType.Mtp2) continue;
        const skip = type === LinkType.Mtp2 ? 3 : 0;
        const at = batch.offset[i]! + skip;
        this.#label(batch.bytes, at, batch.length[i]! - skip, batch.origin, batch.at[i]!, batch.place[i]!, [], sink);
      }
    }
  }

  #m2pa(batch: SctpMessage, sink: Sink): void {
    if (batch.ppid !== PPID && batch.ppid !== PPID << 24) return;
    const { bytes, offset } = batch;
    if (batch.length < 8 || bytes[offset] !== 1 || bytes[offset + 2] !== M2PA_CLASS) {
      sink.fault('M2PA_LENGTH', batch.origin, batch.place, -1);
      return;
    }
    const said =
      ((bytes[offset + 4]! << 24) | (bytes[offset + 5]! << 16) | (bytes[offset + 6]! << 8) | bytes[offset + 7]!) >>> 0;
    const length = Math.min(said, batch.length);
    // Header 16 octets, then the priority octet; user data without content is an acknowledgement (2.3.1).
    if (bytes[offset + 3] !== USER_DATA || length <= 17) return;
    this.#label(bytes, offset + 17, length - 17, batch.origin, batch.at, batch.place, batch.places, sink);
  }

  /** Service information octet and routing label. */
  #label(
    bytes: Uint8Array,
    at: number,
    length: number,
    origin: Origin,
    time: number,
    place: number,
    places: readonly number[],
    sink: Sink,
  ): void {
    if (length < 5) {
      // MTP2 fill-in and status units are shorter and carry nothing.
      if (length < 0) sink.fault('M2PA_LENGTH', origin, place, -1);
      return;
    }
    const label = (bytes[at + 1]! | (bytes[at + 2]! << 8) | (bytes[at + 3]! << 16) | (bytes[at + 4]! << 24)) >>> 0;
    const m = this.#message;
    m.origin = origin;
    m.at = time;
    m.place = place;
    m.places = places;
    m.serviceIndicator = bytes[at]! & 15;
    m.networkIndicator = bytes[at]! >> 6;
    m.dpc = label & 0x3fff;
    m.opc = (label >>> 14) & 0x3fff;
    m.bytes = bytes;
    m.offset = at + 5;
    m.length = length - 5;
    sink.emit(m);
  }

  advance(): void {}
  end(): void {}
}

export const m2pa: DecoderKind = { card, create: () => new M2pa() };
