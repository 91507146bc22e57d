// Diameter over SCTP and TCP: one SignallingMessage at the request, one at its answer. Answers are paired by connection and
// hop-by-hop id (RFC 6733, 6.2). Peer upkeep (capabilities, watchdog, disconnect) is read and not told.
import {
  type Decoder,
  type DecoderCard,
  type EventBatch,
  type FaultTable,
  type Origin,
  recordBatch,
  SctpMessage,
  type SignallingMessage,
  type Sink,
  StreamBatch,
} from '#events';
import { addressHash } from '#lib/address';
import type { DecoderKind } from '../contract.ts';
import { commandName } from './dictionary.ts';
import {
  type DiameterMessage,
  HEADER_BYTES,
  looksLikeHeader,
  MESSAGE_BYTES_MAX,
  messageBytes,
  readMessage,
} from './message.ts';

const PPID = { diameter: 46, dtls: 47 } as const;
const PORTS = new Set([3868, 5868]);
const PENDING_MAX = 16384;
/** Directions of TCP connections with an unfinished message; the oldest goes first. */
const STREAMS_MAX = 1024;
/** A peer answers within Tx timers of seconds; relays add theirs. */
const ANSWER_MICROS = 30e6;
const SAME_MICROS = 500e3;
/** Upkeep between peers: no subscriber in it. */
const upkeep = new Set([257, 280, 282]);

const faults: FaultTable = {
  DIAMETER_FRAMING: {
    text: 'A Diameter connection has bytes where a message should begin.',
    remedy: 'Look for packet loss at the tap, or for another protocol on the port.',
    lost: 'what stands before the next message',
  },
  DIAMETER_AVP_LENGTH: {
    text: 'A Diameter AVP says it is shorter than its header or longer than what holds it.',
    remedy: 'Look at the frame: the sender is broken or tries something.',
    lost: 'the rest of that message or group',
  },
  DIAMETER_ENCRYPTED: {
    text: 'A Diameter association is encrypted (DTLS).',
    remedy: 'Tap behind the edge agent.',
    lost: 'its messages',
  },
};

const card: DecoderCard = {
  name: 'diameter',
  takes: ['sctp', 'stream'],
  tcpPorts: [3868],
  gives: ['signalling'],
  recognisedBy:
    'SCTP payload protocol 46 (or 0 with a well-formed header); TCP port 3868 or 5868 with a well-formed header, or a well-formed header whose length ends the first chunk',
  limits: '64 KiB a message, 2,048 AVPs, 16 groups deep; 16,384 requests waiting 30 s; 1,024 unfinished streams',
  faults,
};

interface Unfinished {
  readonly bytes: Uint8Array;
  readonly place: number;
}

class Diameter implements Decoder {
  readonly card = card;
  shed = 0;
  readonly #pending = new Map<string, { message: SignallingMessage; endToEnd: number }>();
  readonly #streams = new Map<number, Unfinished>();
  /** Connections that were looked at and are something else, with those that are Diameter. */
  readonly #isDiameter = new Map<number, boolean>();

  decode(batch: EventBatch, sink: Sink): void {
    if (batch instanceof SctpMessage) this.#sctp(batch, sink);
    else if (batch instanceof StreamBatch) this.#stream(batch, sink);
  }

  advance(to: number, sink: Sink): void {
    for (const [key, p] of this.#pending) {
      if (to - p.message.at < ANSWER_MICROS) break;
      this.#pending.delete(key);
      sink.emit(recordBatch([{ ...p.message, outcome: 'no-answer' as const }]));
    }
  }

  end(sink: Sink): void {
    this.advance(Number.POSITIVE_INFINITY, sink);
  }

  #sctp(batch: SctpMessage, sink: Sink): void {
    if (is(batch.ppid, PPID.dtls)) {
      sink.fault('DIAMETER_ENCRYPTED', batch.origin, batch.place, -1);
      return;
    }
    const known = is(batch.ppid, PPID.diameter);
    if (!known && batch.ppid !== 0) return;
    const a = connectionHash(batch.addresses, batch.sourcePort, batch.destinationPort);
    let at = batch.offset;
    const end = at + batch.length;
    while (at + HEADER_BYTES <= end && looksLikeHeader(batch.bytes, at)) {
      const length = messageBytes(batch.bytes, at);
      if (length > end - at) break;
      this.#message(batch.bytes, at, at + length, a, batch.origin, batch.at, batch.place, batch.places, sink);
      at += length;
    }
    if (at < end && known) sink.fault('DIAMETER_FRAMING', batch.origin, batch.place, -1);
  }

  #stream(batch: StreamBatch, sink: Sink): void {
    const connection = batch.connection;
    let isDiameter = this.#isDiameter.get(connection);
    if (isDiameter === false) return;
    const key = 2 * connection + (batch.fromClient ? 1 : 0);
    if (isDiameter === undefined) {
      if (batch.length < HEADER_BYTES) return;
      const header = looksLikeHeader(batch.bytes, batch.offset);
      const port = PORTS.has(batch.serverPort) || PORTS.has(batch.clientPort);
      isDiameter = header && (port || messageBytes(batch.bytes, batch.offset) === batch.length);
      // On the port a first chunk may lie in the middle of a message: the next one is looked at anew.
      if (!isDiameter && port) return;
      if (this.#isDiameter.size >= 65536) this.#isDiameter.delete(this.#isDiameter.keys().next().value!);
      this.#isDiameter.set(connection, isDiameter);
      if (!isDiameter) return;
    }
    if (batch.gapBytes > 0) this.#streams.delete(key);
    const before = this.#streams.get(key);
    let { bytes, offset } = batch;
    let length = batch.length;
    let place = batch.place;
    if (before !== undefined) {
      const joined = new Uint8Array(before.bytes.length + length);
      joined.set(before.bytes);
      joined.set(bytes.subarray(offset, offset + length), before.bytes.length);
      bytes = joined;
      offset = 0;
      length = joined.length;
      place = before.place;
      this.#streams.delete(key);
    }
    const a = connectionHash(batch.addresses, batch.clientPort, batch.serverPort);
    let at = offset;
    const end = offset + length;
    let lost = false;
    while (at + HEADER_BYTES <= end) {
      if (!looksLikeHeader(bytes, at)) {
        // Resynchronises on the next octets that look like a header: four at a time, as messages are aligned.
        if (!lost) sink.fault('DIAMETER_FRAMING', batch.origin, batch.place, -1);
        lost = true;
        at += 4;
        continue;
      }
      const size = messageBytes(bytes, at);
      if (size > end - at) break;
      const places = place === batch.place ? none : [place];
      this.#message(bytes, at, at + size, a, batch.origin, batch.at, batch.place, places, sink);
      at += size;
      place = batch.place;
    }
    if (batch.ended) this.#isDiameter.delete(connection);
    if (at < end && !batch.ended && end - at < MESSAGE_BYTES_MAX) {
      if (this.#streams.size >= STREAMS_MAX) {
        this.#streams.delete(this.#streams.keys().next().value!);
        this.shed += 1;
      }
      this.#streams.set(key, { bytes: bytes.slice(at, end), place });
    }
  }

  #message(
    bytes: Uint8Array,
    from: number,
    to: number,
    connection: number,
    origin: Origin,
    at: number,
    place: number,
    places: readonly number[],
    sink: Sink,
  ): void {
    const d = readMessage(bytes, from, to);
    if (d.oddities.has('DIAMETER_AVP_LENGTH')) sink.fault('DIAMETER_AVP_LENGTH', origin, place, -1);
    if (upkeep.has(d.command)) return;
    const key = `${connection}:${d.hopByHop}:${d.command}`;
    const waiting = this.#pending.get(key);
    if (!d.request) {
      if (waiting === undefined) return;
      this.#pending.delete(key);
      sink.emit(recordBatch([answered(waiting.message, d, at, place)]));
      return;
    }
    if (waiting !== undefined) {
      if (waiting.endToEnd === d.endToEnd && at - waiting.message.at < SAME_MICROS) return;
      this.#pending.delete(key);
      sink.emit(recordBatch([{ ...waiting.message, outcome: 'no-answer' as const }]));
    } else if (this.#pending.size >= PENDING_MAX) {
      const [oldest, p] = this.#pending.entries().next().value!;
      this.#pending.delete(oldest);
      this.shed += 1;
      sink.emit(recordBatch([{ ...p.message, outcome: 'no-answer' as const }]));
    }
    const message = record(d, connection, origin, at, place, places);
    this.#pending.set(key, { message, endToEnd: d.endToEnd });
    sink.emit(recordBatch([message]));
  }
}

const none: readonly never[] = [];

function record(
  d: DiameterMessage,
  connection: number,
  origin: Origin,
  at: number,
  place: number,
  segments: readonly number[],
): SignallingMessage {
  const imsi = imsiOf(d.userName, d.oddities);
  return {
    kind: 'signalling',
    at,
    origin,
    place,
    segments,
    answerPlace: -1,
    answerAt: -1,
    protocol: 'diameter',
    operation: d.command,
    name: commandName(d.command),
    context: String(d.application),
    dialogue: `${connection}:${d.hopByHop}:${d.endToEnd}`,
    calling: d.originHost,
    called: d.destinationHost,
    callingSsn: -1,
    calledSsn: -1,
    originRealm: d.originRealm,
    destinationRealm: d.destinationRealm,
    visitedPlmn: d.visitedPlmn,
    routeRecords: d.routeRecords,
    imsi,
    msisdn: d.msisdn,
    servingNode: d.command === 316 ? d.originHost : '',
    apn: d.apn,
    outcome: 'pending',
    errorCode: -1,
    // IDR-Flags bits 3 and 4: EPS location information, current location (TS 29.272, 7.3.103).
    asksLocation: (d.idrFlags & 0x18) !== 0,
    gaveLocation: false,
    gaveKeys: false,
    gaveIdentity: false,
    oddities: d.oddities.size === 0 ? none : [...d.oddities],
  };
}

function answered(m: SignallingMessage, d: DiameterMessage, at: number, place: number): SignallingMessage {
  const success = d.resultCode >= 2000 && d.resultCode < 3000;
  return {
    ...m,
    answerAt: at,
    answerPlace: place,
    outcome: success ? 'success' : 'refused',
    errorCode: success ? -1 : d.resultCode,
    msisdn: m.msisdn === '' ? d.msisdn : m.msisdn,
    imsi: m.imsi === '' ? imsiOf(d.userName, new Set()) : m.imsi,
    apn: m.apn === '' ? d.apn : m.apn,
    gaveLocation:
      success && (d.hasLocation || d.hasServingNode || ((m.operation === 306 || m.operation === 8388620) && success)),
    gaveKeys: success && d.hasKeys,
    gaveIdentity: success && m.imsi === '' && d.userName !== '',
    oddities: d.oddities.size === 0 ? m.oddities : [...new Set([...m.oddities, ...d.oddities])],
  };
}

/** IMSI of a User-Name: bare digits, or the decorated forms of TS 23.003 (`0<IMSI>@nai...`), which are noted. */
function imsiOf(userName: string, oddities: Set<string>): string {
  if (/^\d{6,15}$/.test(userName)) return userName;
  const nai = /^[0-9]?(\d{15})@/.exec(userName) ?? /^(\d{6,15})@/.exec(userName);
  if (nai === null) return '';
  if (/@(nai|wlan|ims)\./i.test(userName)) oddities.add('DIAMETER_NAI');
  return nai[1]!;
}

function is(ppid: number, value: number): boolean {
  return ppid === value || ppid === value << 24;
}

/** The same for both directions. */
function connectionHash(addresses: Uint32Array, portA: number, portB: number): number {
  const a = (addressHash(addresses, 0) + Math.imul(portA, 0x9e3779b1)) >>> 0;
  const b = (addressHash(addresses, 4) + Math.imul(portB, 0x9e3779b1)) >>> 0;
  return Math.imul(a ^ b, 0x85ebca6b) >>> 0;
}

export const diameter: DecoderKind = { card, create: () => new Diameter() };
