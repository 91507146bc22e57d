// The first handshake messages of a TLS or DTLS stream (RFC 8446 5.1, RFC 6347 4.3): the client's hello, or the server's
// certificate where it is sent in clear (TLS 1.2 and before). The caller holds the bytes and comes again with more of
// them where `need` says so; a message that spans records is put together here.
import { type ClientHello, HELLO_BYTES_MAX, ClientHello as Hello, readClientHello } from './hello.ts';

const Content = { Handshake: 22 } as const;
const Message = { ClientHello: 1, ServerHello: 2, Certificate: 11 } as const;
const RECORD_HEADER_BYTES = 5;
const MESSAGE_HEADER_BYTES = 4;
const DATAGRAM_RECORD_BYTES = 13;
const DATAGRAM_MESSAGE_BYTES = 12;
const SCRATCH_BYTES = 1 << 14;

export const Found = {
  /** Nothing that begins a handshake. */
  Nothing: 0,
  /** A hello, whole. */
  Hello: 1,
  /** The server's first certificate, whole. */
  Certificate: 2,
  /** The beginning of one of these; with `need` bytes in all it may be whole. A hello's name may be known already. */
  More: 3,
  /** TLS, but what is looked for will not come: a hello too long, a server without a certificate in clear. */
  Other: 4,
} as const;

export class Handshake {
  readonly hello: ClientHello = new Hello();
  /** In which the ranges of the hello or certificate lie. */
  bytes: Uint8Array = new Uint8Array(0);
  certificateFrom = 0;
  certificateTo = 0;
  /** Bytes from the start of the stream without which reading again is of no use. */
  need = 0;
  readonly #scratch = new Uint8Array(SCRATCH_BYTES);
  #handshakeBytes = 0;
  #ended = false;

  /** @param at start of a record; @returns one of Found */
  read(b: Uint8Array, at: number, end: number): number {
    if (at >= end || b[at] !== Content.Handshake || (end - at > 1 && b[at + 1] !== 3)) return Found.Nothing;
    if (end - at < 11) {
      const type = end - at > 5 ? b[at + 5]! : Message.ClientHello;
      this.hello.clear(false);
      this.need = 11;
      return type === Message.ClientHello || type === Message.ServerHello ? Found.More : Found.Nothing;
    }
    const type = b[at + 5]!;
    if (type === Message.ClientHello) return this.#client(b, at, end);
    return type === Message.ServerHello || type === Message.Certificate ? this.#server(b, at, end) : Found.Nothing;
  }

  #client(b: Uint8Array, at: number, end: number): number {
    const recordBytes = (b[at + 3]! << 8) | b[at + 4]!;
    const from = at + RECORD_HEADER_BYTES;
    if (recordBytes >= MESSAGE_HEADER_BYTES + 2) {
      if (b[from + 4] !== 3) return Found.Nothing;
      const bodyBytes = u24(b, from + 1);
      if (MESSAGE_HEADER_BYTES + bodyBytes <= recordBytes) {
        const body = from + MESSAGE_HEADER_BYTES;
        this.bytes = b;
        readClientHello(b, body, end, body + bodyBytes, false, this.hello);
        this.need = body - at + bodyBytes;
        if (this.hello.isWhole) return Found.Hello;
        return bodyBytes > HELLO_BYTES_MAX || end - at >= this.need ? Found.Other : Found.More;
      }
    }
    // Over several records, perhaps so that nobody reads it: its own header may be cut as well.
    this.#unwrap(b, at, end);
    const have = this.#handshakeBytes;
    const s = this.#scratch;
    if (have > MESSAGE_HEADER_BYTES && s[MESSAGE_HEADER_BYTES] !== 3) return Found.Nothing;
    const bodyBytes = have >= MESSAGE_HEADER_BYTES ? u24(s, 1) : 0;
    const to = MESSAGE_HEADER_BYTES + bodyBytes;
    this.bytes = s;
    readClientHello(s, MESSAGE_HEADER_BYTES, have, to, false, this.hello);
    if (this.hello.isWhole) return Found.Hello;
    const isTold = have >= MESSAGE_HEADER_BYTES;
    if (bodyBytes > HELLO_BYTES_MAX || this.#ended || (isTold && have >= to)) return Found.Other;
    this.need = end - at + Math.max(1, to - have);
    return Found.More;
  }

  #server(b: Uint8Array, at: number, end: number): number {
    this.#unwrap(b, at, end);
    const s = this.#scratch;
    const to = this.#handshakeBytes;
    let wanted = MESSAGE_HEADER_BYTES;
    for (let m = 0; ; ) {
      wanted = m + MESSAGE_HEADER_BYTES;
      if (wanted > to) break;
      const type = s[m]!;
      const bytes = u24(s, m + 1);
      if (type === Message.Certificate) {
        // List length, then the first certificate's length and octets.
        wanted = m + MESSAGE_HEADER_BYTES + 6;
        if (bytes < 6) return Found.Other;
        if (wanted > to) break;
        const certificateBytes = u24(s, wanted - 3);
        if (certificateBytes === 0 || certificateBytes + 6 > bytes) return Found.Other;
        if (wanted + certificateBytes > to) {
          wanted += certificateBytes;
          break;
        }
        this.bytes = s;
        this.certificateFrom = wanted;
        this.certificateTo = wanted + certificateBytes;
        return Found.Certificate;
      }
      if (type !== Message.ServerHello) return Found.Other;
      m += MESSAGE_HEADER_BYTES + bytes;
    }
    if (this.#ended || wanted > SCRATCH_BYTES) return Found.Other;
    this.need = end - at + Math.max(1, wanted - to);
    return Found.More;
  }

  /** Copies what the handshake records hold, up to the first that is something else. */
  #unwrap(b: Uint8Array, start: number, end: number): void {
    this.#ended = false;
    let to = 0;
    let at = start;
    while (at + RECORD_HEADER_BYTES <= end) {
      const recordBytes = (b[at + 3]! << 8) | b[at + 4]!;
      if (b[at] !== Content.Handshake || b[at + 1] !== 3 || recordBytes === 0) {
        this.#ended = true;
        break;
      }
      const from = at + RECORD_HEADER_BYTES;
      const take = Math.min(recordBytes, end - from, SCRATCH_BYTES - to);
      for (let k = 0; k < take; k++) this.#scratch[to + k] = b[from + k]!;
      to += take;
      if (to === SCRATCH_BYTES) {
        this.#ended = true;
        break;
      }
      at = from + recordBytes;
    }
    // The next record's first octet tells already that no more will come.
    if (!this.#ended && at < end && b[at] !== Content.Handshake) this.#ended = true;
    this.#handshakeBytes = to;
  }
}

/** Where a fragment of a DTLS client hello lies in a datagram. */
export interface HelloFragment {
  /** Of its octets in the datagram's bytes. */
  position: number;
  /** In the message's body. */
  offset: number;
  bytes: number;
  bodyBytes: number;
  /** Which message of the handshake: a hello sent again with a cookie is another. */
  sequence: number;
}

/** @returns whether the datagram begins with a client hello or a part of one, not encrypted */
export function datagramHello(b: Uint8Array, at: number, end: number, out: HelloFragment): boolean {
  if (end - at < DATAGRAM_RECORD_BYTES + DATAGRAM_MESSAGE_BYTES) return false;
  // Version 254.255 or 254.253, epoch 0.
  if (b[at] !== Content.Handshake || b[at + 1] !== 0xfe || b[at + 3] !== 0 || b[at + 4] !== 0) return false;
  const m = at + DATAGRAM_RECORD_BYTES;
  if (b[m] !== Message.ClientHello) return false;
  out.bodyBytes = u24(b, m + 1);
  out.sequence = (b[m + 4]! << 8) | b[m + 5]!;
  out.offset = u24(b, m + 6);
  out.position = m + DATAGRAM_MESSAGE_BYTES;
  out.bytes = Math.min(u24(b, m + 9), end - out.position);
  return out.bodyBytes <= HELLO_BYTES_MAX && out.offset + out.bytes <= out.bodyBytes;
}

function u24(b: Uint8Array, at: number): number {
  return (b[at]! << 16) | (b[at + 1]! << 8) | b[at + 2]!;
}
