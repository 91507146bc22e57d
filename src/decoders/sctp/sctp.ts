// SCTP (RFC 9260) as a tap sees it: DATA chunks to user messages. No handshake is needed; a direction is known by its
// addresses and ports. Messages are handed on as they become complete, whatever the order of their TSNs: the layers above
// are pairs of requests and answers, and waiting for a lost packet would stall a tap for ever. A TSN seen again with the same
// bytes is a retransmission or a second tap and is dropped; with other bytes it is handed on, since a receiver might take it.
import { type Decoder, type DecoderCard, type EventBatch, PacketBatch, SctpMessage, type Sink } from '#events';
import { addressHash } from '#lib/address';
import { PairTable } from '#lib/table';
import type { DecoderKind } from '../contract.ts';
import { faults } from './faults.ts';

const PROTOCOL_SCTP = 132;
/** log2 of directions known at a time (2 KiB each). */
const DIRECTION_BITS = 11;
/** TSNs remembered a direction, for retransmissions. */
const TSN_RING = 256;
const FRAGMENTS_MAX = 64;
const MESSAGE_BYTES_MAX = 65536;

const Chunk = { Data: 0, Init: 1, InitAck: 2, IData: 64 } as const;

interface Fragment {
  /** RFC 9260, 3.3.1: 2 first, 1 last. */
  readonly flags: number;
  readonly bytes: Uint8Array;
  readonly place: number;
}
interface Direction {
  readonly tsns: Uint32Array;
  readonly sums: Uint32Array;
  /** By TSN, oldest first. */
  readonly fragments: Map<number, Fragment>;
  fragmentBytes: number;
}

const card: DecoderCard = {
  name: 'sctp',
  takes: ['packet'],
  gives: ['sctp'],
  recognisedBy: 'IP protocol 132',
  limits:
    '2,048 directions; 64 fragments and 64 KiB of unfinished messages each; 256 TSNs remembered against repetition',
  faults,
};

class Sctp implements Decoder {
  readonly card = card;
  readonly #table = new PairTable(DIRECTION_BITS);
  readonly #directions: (Direction | undefined)[] = new Array<Direction | undefined>(2 ** DIRECTION_BITS).fill(
    undefined,
  );
  readonly #message = new SctpMessage();
  #shed = 0;
  #firstAt = -1;

  get shed(): number {
    return this.#shed + this.#table.shed;
  }

  decode(batch: EventBatch, sink: Sink): void {
    if (!(batch instanceof PacketBatch)) return;
    for (let i = 0; i < batch.count; i++) {
      if (batch.protocol[i] === PROTOCOL_SCTP && batch.fragment[i] === 0) this.#packet(batch, i, sink);
    }
  }

  advance(): void {}

  end(sink: Sink): void {
    for (const d of this.#directions) {
      if (d === undefined) continue;
      for (const f of d.fragments.values()) {
        sink.fault('SCTP_FRAGMENTS', this.#message.origin, f.place, -1);
        break;
      }
    }
  }

  #packet(batch: PacketBatch, row: number, sink: Sink): void {
    const bytes = batch.bytes;
    let at = batch.payloadOffset[row]!;
    const end = at + Math.min(batch.payloadCaptured[row]!, batch.payloadBytes[row]!);
    let direction: Direction | undefined;
    while (at + 4 <= end) {
      const type = bytes[at]!;
      const length = (bytes[at + 2]! << 8) | bytes[at + 3]!;
      if (length < 4 || at + length > end) {
        // Zero bytes behind the last chunk are link-layer padding.
        if (type !== 0 || length !== 0) sink.fault('SCTP_CHUNK_LENGTH', batch.origin, batch.place[row]!, -1);
        return;
      }
      if (type === Chunk.Data && length >= 16) {
        direction ??= this.#direction(batch, row);
        this.#data(batch, row, at, length, direction, sink);
      } else if (type === Chunk.Init || type === Chunk.InitAck) {
        // A new association counts from a new TSN.
        direction ??= this.#direction(batch, row);
        direction.fragments.clear();
        direction.fragmentBytes = 0;
        direction.sums.fill(0);
      } else if (type === Chunk.IData) sink.fault('SCTP_IDATA', batch.origin, batch.place[row]!, -1);
      at += (length + 3) & ~3;
    }
  }

  #direction(batch: PacketBatch, row: number): Direction {
    const ports = (batch.sourcePort[row]! << 16) | batch.destinationPort[row]!;
    const source = addressHash(batch.addresses, 8 * row);
    const b = (addressHash(batch.addresses, 8 * row + 4) ^ Math.imul(ports, 0x9e3779b1)) >>> 0;
    let slot = this.#table.find(source, b);
    if (slot < 0) {
      slot = this.#table.insert(source, b);
      this.#directions[slot] = {
        tsns: new Uint32Array(TSN_RING),
        sums: new Uint32Array(TSN_RING),
        fragments: new Map(),
        fragmentBytes: 0,
      };
    }
    // The direction silent for longest goes first. Counted from the first packet, since weights are single precision.
    if (this.#firstAt < 0) this.#firstAt = batch.at[row]!;
    this.#table.setWeight(slot, (batch.at[row]! - this.#firstAt) / 1e6);
    return this.#directions[slot]!;
  }

  #data(batch: PacketBatch, row: number, at: number, length: number, d: Direction, sink: Sink): void {
    const bytes = batch.bytes;
    const flags = bytes[at + 1]! & 3;
    const tsn = word(bytes, at + 4);
    const body = at + 16;
    const end = at + length;
    let sum = 0x811c9dc5;
    for (let i = at + 8; i < end; i++) sum = Math.imul(sum ^ bytes[i]!, 0x01000193);
    sum = sum >>> 0 || 1;
    const ring = tsn & (TSN_RING - 1);
    if (d.tsns[ring] === tsn && d.sums[ring] === sum) return;
    d.tsns[ring] = tsn;
    d.sums[ring] = sum;
    const m = this.#message;
    m.origin = batch.origin;
    m.at = batch.at[row]!;
    m.place = batch.place[row]!;
    for (let i = 0; i < 8; i++) m.addresses[i] = batch.addresses[8 * row + i]!;
    m.sourcePort = batch.sourcePort[row]!;
    m.destinationPort = batch.destinationPort[row]!;
    m.stream = (bytes[at + 8]! << 8) | bytes[at + 9]!;
    m.ppid = word(bytes, at + 12);
    if (flags === 3) {
      m.places = none;
      m.bytes = bytes;
      m.offset = body;
      m.length = end - body;
      sink.emit(m);
      return;
    }
    if (end - body > MESSAGE_BYTES_MAX) return;
    d.fragments.set(tsn, { flags, bytes: bytes.slice(body, end), place: m.place });
    d.fragmentBytes += end - body;
    if (!this.#join(tsn, d, sink)) this.#bound(d, sink);
  }

  /** Emits the message that the fragment `tsn` completes, if it does. TSNs of one message are consecutive (6.9). */
  #join(tsn: number, d: Direction, sink: Sink): boolean {
    let first = tsn;
    let steps = 0;
    for (; (d.fragments.get(first)!.flags & 2) === 0; steps++) {
      const before = (first - 1) >>> 0;
      if (steps > FRAGMENTS_MAX || !d.fragments.has(before)) return false;
      first = before;
    }
    let last = first;
    let total = 0;
    for (steps = 0; ; steps++) {
      const f = d.fragments.get(last);
      if (f === undefined || steps > FRAGMENTS_MAX) return false;
      total += f.bytes.length;
      if ((f.flags & 1) !== 0) break;
      last = (last + 1) >>> 0;
    }
    if (total > MESSAGE_BYTES_MAX) return false;
    const whole = new Uint8Array(total);
    const places: number[] = [];
    let filled = 0;
    for (let t = first; ; t = (t + 1) >>> 0) {
      const f = d.fragments.get(t)!;
      whole.set(f.bytes, filled);
      filled += f.bytes.length;
      if (f.place !== this.#message.place) places.push(f.place);
      d.fragments.delete(t);
      d.fragmentBytes -= f.bytes.length;
      if (t === last) break;
    }
    const m = this.#message;
    m.places = places;
    m.bytes = whole;
    m.offset = 0;
    m.length = total;
    sink.emit(m);
    return true;
  }

  #bound(d: Direction, sink: Sink): void {
    while (d.fragments.size > FRAGMENTS_MAX || d.fragmentBytes > MESSAGE_BYTES_MAX) {
      const [tsn, oldest] = d.fragments.entries().next().value!;
      d.fragments.delete(tsn);
      d.fragmentBytes -= oldest.bytes.length;
      this.#shed += 1;
      sink.fault('SCTP_FRAGMENTS', this.#message.origin, oldest.place, -1);
    }
  }
}

const none: readonly number[] = [];

function word(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
}

export const sctp: DecoderKind = { card, create: () => new Sctp() };
