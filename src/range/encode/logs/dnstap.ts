// dnstap (protobuf, dnstap.proto) in Frame Streams, unidirectional: START with the content type, data frames, STOP.
// Times: whole seconds and nanoseconds. CLIENT_QUERY and CLIENT_RESPONSE, each with its message.
import { closeSync, openSync, writeSync } from 'node:fs';
import type { Exchange } from '../../worlds/dns/exchange.ts';
import { encodeQuery, encodeResponse, MESSAGE_BYTES_MAX } from '../dns-message.ts';

const contentType = 'protobuf:dnstap.Dnstap';
const identity = Buffer.from('resolver');
const version = Buffer.from('range 1');
const messageType = { query: 5, response: 6 } as const;

export class DnstapWriter {
  readonly #fd: number;
  readonly #out = Buffer.alloc(1 << 20);
  readonly #wire = new Uint8Array(MESSAGE_BYTES_MAX);
  readonly #body = Buffer.alloc(MESSAGE_BYTES_MAX + 128);
  #used = 0;
  frames = 0;
  bytes = 0;

  constructor(path: string) {
    this.#fd = openSync(path, 'w');
    const start = Buffer.alloc(20 + contentType.length);
    // Escape, length of the control frame, START (2), field 1 with its length.
    start.writeUInt32BE(12 + contentType.length, 4);
    start.writeUInt32BE(2, 8);
    start.writeUInt32BE(1, 12);
    start.writeUInt32BE(contentType.length, 16);
    start.write(contentType, 20, 'latin1');
    this.#put(start, start.length);
  }
  query(exchange: Exchange): void {
    this.#frame(exchange, messageType.query, encodeQuery(exchange, this.#wire, 0));
  }
  response(exchange: Exchange): void {
    this.#frame(exchange, messageType.response, encodeResponse(exchange, this.#wire, 0));
  }
  close(): void {
    const stop = Buffer.alloc(12);
    stop.writeUInt32BE(4, 4);
    stop.writeUInt32BE(3, 8);
    this.#put(stop, 12);
    this.#drain();
    closeSync(this.#fd);
  }
  #frame(e: Exchange, type: number, wireBytes: number): void {
    const message = new Fields(this.#body, 0);
    message.varint(1, type);
    // INET, UDP.
    message.varint(2, 1);
    message.varint(3, 1);
    message.address(4, e.client);
    message.address(5, e.resolver);
    message.varint(6, e.clientPort);
    message.varint(7, 53);
    message.varint(8, Math.floor(e.atMicros / 1e6));
    message.fixed32(9, (e.atMicros % 1e6) * 1000);
    if (type === messageType.query) message.octets(10, this.#wire.subarray(0, wireBytes));
    else {
      message.varint(12, Math.floor(e.answeredAtMicros / 1e6));
      message.fixed32(13, (e.answeredAtMicros % 1e6) * 1000);
      message.octets(14, this.#wire.subarray(0, wireBytes));
    }
    const frame = new Fields(Buffer.alloc(message.end + 64), 4);
    frame.octets(1, identity);
    frame.octets(2, version);
    frame.octets(14, this.#body.subarray(0, message.end));
    frame.varint(15, 1);
    frame.bytes.writeUInt32BE(frame.end - 4, 0);
    this.#put(frame.bytes, frame.end);
    this.frames += 1;
  }
  #put(bytes: Buffer, length: number): void {
    if (this.#used + length > this.#out.length) this.#drain();
    bytes.copy(this.#out, this.#used, 0, length);
    this.#used += length;
    this.bytes += length;
  }
  #drain(): void {
    for (let o = 0; o < this.#used; ) o += writeSync(this.#fd, this.#out, o, this.#used - o);
    this.#used = 0;
  }
}

/** Protobuf fields one behind the other: varint (0), length-delimited (2), fixed32 (5). */
class Fields {
  readonly bytes: Buffer;
  end: number;
  constructor(bytes: Buffer, at: number) {
    this.bytes = bytes;
    this.end = at;
  }
  varint(field: number, value: number): void {
    this.#number(field << 3);
    this.#number(value);
  }
  fixed32(field: number, value: number): void {
    this.#number((field << 3) | 5);
    this.end = this.bytes.writeUInt32LE(value, this.end);
  }
  octets(field: number, value: Uint8Array): void {
    this.#number((field << 3) | 2);
    this.#number(value.length);
    this.bytes.set(value, this.end);
    this.end += value.length;
  }
  address(field: number, ip: number): void {
    this.octets(field, Uint8Array.of(ip >>> 24, ip >>> 16, ip >>> 8, ip));
  }
  #number(value: number): void {
    let v = value;
    for (; v > 127; v = Math.floor(v / 128)) this.bytes[this.end++] = (v & 127) | 128;
    this.bytes[this.end++] = v;
  }
}
