// Frames of a stream to rows of dns-message batches: who asked whom, when, over what, and where the message lies.
import { BATCH_ROWS, DnsMessageBatch, type Origin, type Sink } from '#events';
import { Control, readControl } from './frames.ts';
import { DnstapMessage, readMessage } from './message.ts';

/** SocketProtocol to IP protocol: what the server decrypted counts by what carried it (DNSCryptUDP 5, the rest TCP; DoQ as TLS). */
const TRANSPORT: readonly number[] = [0, 17, 6, 6, 6, 17, 6, 6];
/** Seconds that a Date can still say (year 9999). */
const SECONDS_MAX = 253_402_300_799;
/** Faults kept between two pulls. */
const FAULTS_MAX = 1024;

/** Where a stream stands; one for each sender. */
export class StreamState {
  isStarted = false;

  /** Takes a control frame in. @returns its type and '' or a fault */
  control(bytes: Uint8Array, at: number, length: number): { type: number; hasContentType: boolean; fault: string } {
    const { type, isDnstap, hasContentType, isBroken } = readControl(bytes, at, length);
    let fault = isBroken || type === 0 || type > Control.Finish ? 'DNSTAP_CONTROL' : '';
    if (type === Control.Start) this.isStarted = isDnstap;
    else if (type === Control.Stop) this.isStarted = false;
    if ((type === Control.Start || type === Control.Ready) && !isDnstap) fault = 'DNSTAP_CONTENT_TYPE';
    return { type, hasContentType, fault };
  }
}

/** Decodes one frame at a time and holds it until `put` makes it a row. */
export class Rows {
  readonly batch = new DnsMessageBatch();
  readonly #message = new DnstapMessage();
  readonly #faults: { code: string; place: number; offset: number }[] = [];
  /** Faults past FAULTS_MAX, by code: how many. */
  readonly #repeats = new Map<string, number>();
  /** Data frames so far: a row's place, from 1. */
  frames = 0;
  /** Event time of the frame decoded last, microseconds. */
  at = 0;
  #frameAt = 0;

  constructor(origin: Origin) {
    this.batch.origin = origin;
  }

  note(code: string, offset: number): void {
    if (this.#faults.length < FAULTS_MAX) this.#faults.push({ code, place: this.frames, offset });
    else this.#repeats.set(code, (this.#repeats.get(code) ?? 0) + 1);
  }

  tell(sink: Sink): void {
    const { origin } = this.batch;
    for (const f of this.#faults.splice(0)) sink.fault(f.code, origin, f.place, f.offset);
    for (const [code, count] of this.#repeats)
      for (let i = 0; i < count; i++) sink.fault(code, origin, this.frames, -1);
    this.#repeats.clear();
  }

  /** Decodes the data frame [at, at + length). @param offset where it stands in the input. @returns whether it makes a row */
  decode(bytes: Uint8Array, at: number, length: number, offset: number): boolean {
    this.frames += 1;
    this.#frameAt = at;
    const m = this.#message;
    const fault = readMessage(bytes, at, length, m);
    if (fault !== '') {
      this.note(fault, offset);
      return false;
    }
    const micros = timeOf(m);
    if (micros < 0) this.note('DNSTAP_NO_TIME', offset);
    else this.at = micros;
    return true;
  }

  /** The frame decoded last becomes the next row; it may have moved to `at` since. */
  put(bytes: Uint8Array, at: number): void {
    const batch = this.batch;
    const m = this.#message;
    const row = batch.count;
    const moved = at - this.#frameAt;
    const isQuery = usesQuery(m);
    batch.bytes = bytes;
    batch.at[row] = this.at;
    batch.place[row] = this.frames;
    batch.clientPort[row] = port(m.queryPort);
    batch.serverPort[row] = port(m.responsePort);
    batch.transport[row] = TRANSPORT[m.protocol] ?? 0;
    batch.offset[row] = (isQuery ? m.queryAt : m.responseAt) + moved;
    batch.length[row] = isQuery ? m.queryBytes : m.responseBytes;
    address(bytes, m.queryAddressAt + moved, m.queryAddressBytes, batch.addresses, 8 * row);
    address(bytes, m.responseAddressAt + moved, m.responseAddressBytes, batch.addresses, 8 * row + 4);
    batch.count = row + 1;
  }

  get isFull(): boolean {
    return this.batch.count === BATCH_ROWS;
  }
}

/**
 * Whether the row is the query. The type says which of the two a frame is about: a response frame may repeat its query, which
 * has had a frame of its own. Where the one it is about is missing, the other is better than nothing.
 */
function usesQuery(m: DnstapMessage): boolean {
  if (m.type % 2 === 0) return m.responseBytes <= 0;
  return m.queryBytes > 0;
}

/** Microseconds, or -1: the time of the message that makes the row, or else of the other one. */
function timeOf(m: DnstapMessage): number {
  const query = micros(m.querySeconds, m.queryNanos);
  const response = micros(m.responseSeconds, m.responseNanos);
  if (usesQuery(m)) return query >= 0 ? query : response;
  return response >= 0 ? response : query;
}

function micros(seconds: number, nanos: number): number {
  return seconds < 0 || seconds >= SECONDS_MAX || nanos >= 1e9 ? -1 : seconds * 1e6 + Math.floor(nanos / 1000);
}

function port(value: number): number {
  return value >= 0 && value <= 65_535 ? value : 0;
}

/** Four words of an address of 4 or 16 octets; anything else is not told: zeros. */
function address(bytes: Uint8Array, at: number, length: number, words: Uint32Array, word: number): void {
  if (length === 4) {
    words[word] = 0;
    words[word + 1] = 0;
    words[word + 2] = 0xffff;
    words[word + 3] = u32(bytes, at);
  } else if (length === 16) for (let i = 0; i < 4; i++) words[word + i] = u32(bytes, at + 4 * i);
  else words.fill(0, word, word + 4);
}

function u32(b: Uint8Array, at: number): number {
  return ((b[at]! << 24) | (b[at + 1]! << 16) | (b[at + 2]! << 8) | b[at + 3]!) >>> 0;
}
