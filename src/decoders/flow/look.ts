// Into the first payloads of a flow: whom the client asks for, its fingerprint, the server's certificate. The hot path
// comes here for a few packets of each flow only; what begins a message and does not end it waits in Prefixes.
import { hash } from 'node:crypto';
import { type CryptoSink, InitialReader, isInitial } from '#decoders/quic';
import {
  type ClientHello,
  datagramHello,
  Found,
  Handshake,
  HELLO_BYTES_MAX,
  type HelloFragment,
  type Ja4Transport,
  ja4Of,
  readClientHello,
} from '#decoders/tls';
import { type PacketBatch, Service, serviceOf } from '#events';
import { Head, mayBeRequest, readHttp, type Target } from './http.ts';
import { PREFIX_BYTES_MAX, Prefixes } from './prefix.ts';
import { serviceOfPayload } from './service.ts';
import { readSocks, Socks } from './socks.ts';
import { type FlowTable, Seen } from './table.ts';

/** Protections of QUIC that are taken off in a second of event time: some 50 microseconds each. */
const QUIC_TRIES_MAX = 10_000;
export const JA4_BYTES = 36;
/** First protocol names longer than this are cut: registered ones have some ten octets. */
const ALPN_BYTES_MAX = 64;
const CLIENT_HELLO = 1;
const SYN = 2;

export class Looker implements CryptoSink {
  /** QUIC datagrams that were not read because there were too many in their second. */
  unread = 0;
  readonly prefixes = new Prefixes();
  readonly #table: FlowTable;
  readonly #handshake = new Handshake();
  readonly #initials = new InitialReader();
  readonly #target: Target = { bytes: new Uint8Array(0), offset: 0, length: 0, port: 0 };
  readonly #fragment: HelloFragment = { position: 0, offset: 0, bytes: 0, bodyBytes: 0, sequence: 0 };
  readonly #text = new Uint8Array(JA4_BYTES + ALPN_BYTES_MAX);
  /** Where the beginning of a side's stream waits. */
  readonly #places = new Map<number, number>();
  #place = 0;
  #added = 0;
  #second = 0;
  #triesBefore = 0;

  constructor(table: FlowTable) {
    this.#table = table;
  }

  /** The flow ends: what waits for it goes. */
  leave(row: number): void {
    if (this.#places.size === 0) return;
    this.#release(2 * row);
    this.#release(2 * row + 1);
  }

  /** A packet with new payload, of a side that is still looked at. */
  look(row: number, side: number, p: PacketBatch, i: number): void {
    const t = this.#table;
    if (t.protocol[row] === 6) this.#segment(row, side, p, i);
    else if (t.protocol[row] === 17) this.#datagram(row, side, p, i);
    else t.looks[side] = 0;
    if (t.looks[side] === 0) this.#release(side);
  }

  #segment(row: number, side: number, p: PacketBatch, i: number): void {
    const t = this.#table;
    const at = p.payloadOffset[i]!;
    const to = at + p.payloadCaptured[i]!;
    const sequence = (p.tcpSequence[i]! + ((p.tcpFlags[i]! & SYN) !== 0 ? 1 : 0)) >>> 0;
    const place = this.#places.get(side);
    if (place === undefined) {
      if (t.payload[side] === p.payloadBytes[i] && t.missing[side]! > 0) {
        // The first payload that is seen is not the first that was sent: it waits for what it overtook.
        t.looks[side]! -= 1;
        if (t.missing[side]! >= PREFIX_BYTES_MAX) return;
        const waiting = this.#claim(side, (sequence - t.missing[side]!) >>> 0);
        this.prefixes.add(waiting, t.missing[side]!, p.bytes, at, to);
        return;
      }
      t.looks[side]! -= 1;
      if (!this.#read(row, side, p.bytes, at, to)) return;
      const need = this.#need;
      const waiting = this.#claim(side, sequence);
      this.prefixes.add(waiting, 0, p.bytes, at, to);
      this.prefixes.need[waiting] = need;
      return;
    }
    const added = this.prefixes.add(place, (sequence - this.prefixes.base[place]!) | 0, p.bytes, at, to);
    // Each octet that fills its place is paid for by the place's size; what adds nothing uses up a look.
    if (added === 0) t.looks[side]! -= 1;
    const ready = this.prefixes.contiguous(place);
    if (ready < this.prefixes.need[place]!) return;
    if (this.#read(row, side, this.prefixes.bytesOf(place), 0, ready)) {
      this.prefixes.need[place] = this.#need;
      if (this.#need > PREFIX_BYTES_MAX) t.looks[side] = 0;
    } else {
      t.looks[side]! -= t.looks[side]! > 0 ? 1 : 0;
      this.#release(side);
    }
  }

  /** Bytes wanted by the last #read that said true. */
  #need = 0;

  /** @returns whether these bytes begin a message that needs more of them */
  #read(row: number, side: number, b: Uint8Array, from: number, to: number): boolean {
    const t = this.#table;
    const h = this.#handshake;
    const isClient = (side & 1) === 0;
    const found = b[from] === 0x16 ? h.read(b, from, to) : Found.Nothing;
    if (found !== Found.Nothing) {
      const isHello = to - from <= 5 || b[from + 5] === CLIENT_HELLO;
      // A hello from the responder is believed only where nobody saw who began.
      if (isHello && !isClient && (t.seen[row]! & Seen.OriginatorSyn) !== 0) {
        t.looks[side] = 0;
        return false;
      }
      t.service[row] = serviceOf(Service.Tls, t.responderPort[row]!, 6);
      if (found === Found.More) {
        if (isHello) this.#nameOf(row, h.hello, h.bytes);
        this.#need = h.need;
        return true;
      }
      if (found === Found.Hello || (found === Found.Other && isHello)) this.#hello(row, h.hello, 't', h.bytes);
      if (found === Found.Certificate && t.certificate[row] === 0)
        t.certificate[row] = t.pool.take(
          hash('sha256', h.bytes.subarray(h.certificateFrom, h.certificateTo), 'buffer'),
          0,
          32,
        );
      t.looks[side] = 0;
      return false;
    }
    if (to - from < 4 && isClient && mayBeRequest(b[from]!)) {
      this.#need = 4;
      return true;
    }
    const service = serviceOfPayload(b, from, to - from);
    if (service !== Service.Unknown) t.service[row] = serviceOf(service, t.responderPort[row]!, 6);
    if (!isClient) return false;
    if (service === Service.Http) return this.#http(row, side, b, from, to);
    if (b[from] === 4 || b[from] === 5) this.#socks(row, b, from, to);
    return false;
  }

  #http(row: number, side: number, b: Uint8Array, from: number, to: number): boolean {
    const t = this.#table;
    const head = readHttp(b, from, to, this.#target);
    if (head === Head.More) {
      this.#need = to - from + 1;
      return true;
    }
    if (head === Head.Whole) this.#targetOf(row);
    // Behind a CONNECT the tunnel begins, and with it perhaps a hello; other requests have said what they are.
    if (b[from] !== 0x43) t.looks[side] = 0;
    return false;
  }

  #socks(row: number, b: Uint8Array, from: number, to: number): void {
    const t = this.#table;
    const what = readSocks(b, from, to, (t.seen[row]! & Seen.Greeted) !== 0, this.#target);
    if (what === Socks.Greeting) t.seen[row]! |= Seen.Greeted;
    if (what !== Socks.Request) return;
    t.service[row] = Service.Socks;
    this.#targetOf(row);
  }

  #targetOf(row: number): void {
    const t = this.#table;
    const { bytes, offset, length, port } = this.#target;
    if (length > 0) {
      t.pool.drop(t.name[row]!);
      t.name[row] = t.pool.take(bytes, offset, length);
    }
    if (port !== 0) t.targetPort[row] = port;
  }

  #hello(row: number, hello: ClientHello, transport: Ja4Transport, b: Uint8Array): void {
    const t = this.#table;
    this.#nameOf(row, hello, b);
    if (!hello.isWhole || t.client[row] !== 0) return;
    const ja4 = ja4Of(hello, transport, b);
    for (let k = 0; k < JA4_BYTES; k++) this.#text[k] = ja4.charCodeAt(k);
    const alpnBytes = Math.min(hello.alpnBytes, ALPN_BYTES_MAX);
    for (let k = 0; k < alpnBytes; k++) this.#text[JA4_BYTES + k] = b[hello.alpnOffset + k]!;
    t.client[row] = t.pool.take(this.#text, 0, JA4_BYTES + alpnBytes);
  }

  /** The server name, unless a proxy was asked for a host by name: that is where the flow goes. */
  #nameOf(row: number, hello: ClientHello, b: Uint8Array): void {
    const t = this.#table;
    if (hello.nameBytes === 0 || (t.name[row] !== 0 && t.targetPort[row] !== 0 && !this.#isLiteral(t.name[row]!)))
      return;
    t.pool.drop(t.name[row]!);
    t.name[row] = t.pool.take(b, hello.nameOffset, hello.nameBytes);
  }

  /** Whether a name is an IP address: no host name ends in a digit (RFC 3696 2) or has a colon. */
  #isLiteral(n: number): boolean {
    const pool = this.#table.pool;
    const from = pool.offset[n]!;
    const to = from + pool.length[n]!;
    const last = pool.bytes[to - 1]!;
    if (last >= 0x30 && last <= 0x39) return true;
    for (let k = from; k < to; k++) if (pool.bytes[k] === 0x3a) return true;
    return false;
  }

  #datagram(row: number, side: number, p: PacketBatch, i: number): void {
    const t = this.#table;
    const at = p.payloadOffset[i]!;
    const to = at + p.payloadCaptured[i]!;
    if (isInitial(p.bytes, at, to)) this.#quic(row, side, p, i, at, to);
    else if (datagramHello(p.bytes, at, to, this.#fragment)) this.#dtls(row, side, p.bytes);
    else t.looks[side]! -= 1;
  }

  #quic(row: number, side: number, p: PacketBatch, i: number, at: number, to: number): void {
    const t = this.#table;
    t.service[row] = Service.Quic;
    const second = Math.floor(p.at[i]! / 1e6);
    if (second !== this.#second) {
      this.#second = second;
      this.#triesBefore = this.#initials.tries;
    }
    if (this.#initials.tries - this.#triesBefore >= QUIC_TRIES_MAX) {
      this.unread += 1;
      t.looks[side]! -= 1;
      return;
    }
    const place = this.#places.get(side) ?? this.#claim(side, 0);
    this.#place = place;
    this.#added = 0;
    const keys = this.#initials.read(p.bytes, at, to, this.prefixes.keys[place], this);
    if (keys !== undefined) this.prefixes.keys[place] = keys;
    if (this.#added === 0) t.looks[side]! -= 1;
    if (this.prefixes.keys[place] === undefined) this.#release(side);
    else if (this.#added > 0) this.#message(row, side, place, 'q');
  }

  /** CryptoSink. */
  restart(): void {
    this.prefixes.clear(this.#place);
  }

  /** CryptoSink. */
  crypto(offset: number, bytes: Uint8Array, from: number, to: number): void {
    if (offset < PREFIX_BYTES_MAX) this.#added += this.prefixes.add(this.#place, offset, bytes, from, to);
  }

  #dtls(row: number, side: number, b: Uint8Array): void {
    const t = this.#table;
    const f = this.#fragment;
    t.service[row] = Service.Dtls;
    if (f.offset === 0 && f.bytes === f.bodyBytes) {
      readClientHello(b, f.position, f.position + f.bytes, f.position + f.bodyBytes, true, this.#handshake.hello);
      this.#hello(row, this.#handshake.hello, 'd', b);
      t.looks[side] = 0;
      return;
    }
    const place = this.#places.get(side) ?? this.#claim(side, f.sequence);
    if (this.prefixes.base[place] !== f.sequence) {
      this.prefixes.clear(place);
      this.prefixes.base[place] = f.sequence;
    }
    const added = this.prefixes.add(place, f.offset, b, f.position, f.position + f.bytes);
    if (added === 0) t.looks[side]! -= 1;
    const ready = this.prefixes.contiguous(place);
    const hello = this.#handshake.hello;
    const body = this.prefixes.bytesOf(place);
    readClientHello(body, 0, ready, f.bodyBytes, true, hello);
    this.#hello(row, hello, 'd', body);
    if (ready >= f.bodyBytes) t.looks[side] = 0;
  }

  /** A handshake message without records, as CRYPTO frames carry it. */
  #message(row: number, side: number, place: number, transport: Ja4Transport): void {
    const t = this.#table;
    const b = this.prefixes.bytesOf(place);
    const ready = this.prefixes.contiguous(place);
    if (ready < 4) return;
    const bodyBytes = (b[1]! << 16) | (b[2]! << 8) | b[3]!;
    if (b[0] !== CLIENT_HELLO || bodyBytes > HELLO_BYTES_MAX) {
      t.looks[side] = 0;
      return;
    }
    const hello = this.#handshake.hello;
    readClientHello(b, 4, ready, 4 + bodyBytes, false, hello);
    this.#hello(row, hello, transport, b);
    if (ready >= 4 + bodyBytes) t.looks[side] = 0;
  }

  #claim(side: number, base: number): number {
    const place = this.prefixes.next();
    const loser = this.prefixes.owner[place]!;
    if (loser >= 0) {
      this.#places.delete(loser);
      this.#table.looks[loser] = 0;
    }
    this.prefixes.claim(place, side, base);
    this.#places.set(side, place);
    return place;
  }

  #release(side: number): void {
    const place = this.#places.get(side);
    if (place === undefined) return;
    this.prefixes.release(place);
    this.#places.delete(side);
  }
}
