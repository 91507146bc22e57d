// The client's Initial packets of a QUIC connection (RFC 9000 17.2.2, RFC 9001 5, RFC 9369): header protection and
// AES-128-GCM taken off, CRYPTO frames handed on. Only the packets before the handshake: all later ones are secret.
import { createCipheriv, createDecipheriv } from 'node:crypto';
import { clientKeys, type InitialKeys, versionOf } from './keys.ts';

const CONNECTION_ID_BYTES_MAX = 20;
const TAG_BYTES = 16;
const SAMPLE_BYTES = 16;
/** Packets of one datagram that are looked at. */
const COALESCED_MAX = 8;
const Frame = { Padding: 0, Ping: 1, Ack: 2, AckEcn: 3, Crypto: 6, Close: 0x1c } as const;

/** Takes the CRYPTO stream's pieces, in any order. */
export interface CryptoSink {
  /** The connection began anew (after a Retry the hello comes again): what came so far is void. */
  restart(): void;
  /** Octets [from, to) of `bytes` belong at `offset` of the stream. Lent until the call returns. */
  crypto(offset: number, bytes: Uint8Array, from: number, to: number): void;
}

/** Whether a datagram begins with an Initial of a version known here: costs a few comparisons. */
export function isInitial(b: Uint8Array, at: number, end: number): boolean {
  // Long header and fixed bit; room for the smallest header, a sample and a tag.
  if (end - at < 28 || (b[at]! & 0xc0) !== 0xc0) return false;
  const version = versionOf(u32(b, at + 1));
  return version !== undefined && ((b[at]! >> 4) & 3) === version.initialType && b[at + 5]! <= CONNECTION_ID_BYTES_MAX;
}

export class InitialReader {
  /** Attempts to take off a protection: what this costs. */
  tries = 0;
  #at = 0;
  #failed = false;

  /**
   * Reads the client's Initials of one datagram.
   * @param keys of the connection, where an earlier datagram gave them
   * @returns the keys that fit, undefined where none did
   */
  read(
    b: Uint8Array,
    start: number,
    end: number,
    keys: InitialKeys | undefined,
    sink: CryptoSink,
  ): InitialKeys | undefined {
    let fit = keys;
    let found: InitialKeys | undefined;
    let at = start;
    for (let n = 0; n < COALESCED_MAX && end - at >= 28 && (b[at]! & 0xc0) === 0xc0; n++) {
      const version = versionOf(u32(b, at + 1));
      if (version === undefined) break;
      const type = (b[at]! >> 4) & 3;
      const idBytes = b[at + 5]!;
      const idFrom = at + 6;
      if (idBytes > CONNECTION_ID_BYTES_MAX || idFrom + idBytes >= end) break;
      const sourceBytes = b[idFrom + idBytes]!;
      this.#at = idFrom + idBytes + 1 + sourceBytes;
      this.#failed = sourceBytes > CONNECTION_ID_BYTES_MAX;
      if (type === version.initialType) {
        const tokenBytes = this.#varint(b, end);
        this.#at += tokenBytes;
      }
      // A Retry has no length: nothing is coalesced behind it.
      else if (type === ((version.initialType + 3) & 3)) break;
      const bytes = this.#varint(b, end);
      const numberAt = this.#at;
      if (this.#failed || numberAt + bytes > end || bytes < 4 + TAG_BYTES) break;
      if (type === version.initialType) {
        let plain = fit === undefined ? undefined : this.#open(b, at, numberAt, bytes, fit);
        if (plain === undefined && (fit === undefined || !isSame(fit.connectionId, b, idFrom, idBytes))) {
          const fresh = clientKeys(version, copy(b, idFrom, idFrom + idBytes));
          plain = this.#open(b, at, numberAt, bytes, fresh);
          if (plain !== undefined) {
            if (fit !== undefined) sink.restart();
            fit = fresh;
          }
        }
        if (plain === undefined) break;
        found = fit;
        this.#frames(plain, sink);
      }
      at = numberAt + bytes;
    }
    return found;
  }

  /** RFC 9001 5.4, 5.3. */
  #open(b: Uint8Array, at: number, numberAt: number, bytes: number, keys: InitialKeys): Uint8Array | undefined {
    this.tries += 1;
    const sample = b.subarray(numberAt + 4, numberAt + 4 + SAMPLE_BYTES);
    const mask = createCipheriv('aes-128-ecb', keys.hp, null).update(sample);
    const first = b[at]! ^ (mask[0]! & 0x0f);
    const numberBytes = (first & 3) + 1;
    if (bytes < numberBytes + TAG_BYTES) return undefined;
    const header = copy(b, at, numberAt + numberBytes);
    const nonce = Uint8Array.from(keys.iv);
    header[0] = first;
    for (let k = 0; k < numberBytes; k++) {
      const octet = b[numberAt + k]! ^ mask[1 + k]!;
      header[numberAt - at + k] = octet;
      nonce[12 - numberBytes + k]! ^= octet;
    }
    const to = numberAt + bytes - TAG_BYTES;
    const cipher = createDecipheriv('aes-128-gcm', keys.key, nonce);
    cipher.setAAD(header);
    cipher.setAuthTag(b.subarray(to, to + TAG_BYTES));
    const plain = cipher.update(b.subarray(numberAt + numberBytes, to));
    try {
      cipher.final();
    } catch {
      // The only way that node:crypto tells of a tag that does not fit.
      return undefined;
    }
    return plain;
  }

  /** RFC 9000 19; in an Initial only these frames may stand (12.4). */
  #frames(b: Uint8Array, sink: CryptoSink): void {
    const end = b.length;
    this.#at = 0;
    this.#failed = false;
    while (this.#at < end && !this.#failed) {
      const type = b[this.#at++]!;
      if (type === Frame.Padding || type === Frame.Ping) continue;
      if (type === Frame.Crypto) {
        const offset = this.#varint(b, end);
        const bytes = this.#varint(b, end);
        if (this.#failed || this.#at + bytes > end) return;
        sink.crypto(offset, b, this.#at, this.#at + bytes);
        this.#at += bytes;
      } else if (type === Frame.Ack || type === Frame.AckEcn) {
        this.#varint(b, end);
        this.#varint(b, end);
        const ranges = this.#varint(b, end);
        this.#varint(b, end);
        for (let n = 0; n < ranges && !this.#failed; n++) {
          this.#varint(b, end);
          this.#varint(b, end);
        }
        if (type === Frame.AckEcn) for (let n = 0; n < 3; n++) this.#varint(b, end);
      } else return;
    }
  }

  /** RFC 9000 16; what passes 2^53 can't fit any packet. */
  #varint(b: Uint8Array, end: number): number {
    const at = this.#at;
    if (this.#failed || at >= end) {
      this.#failed = true;
      return 0;
    }
    const bytes = 1 << (b[at]! >> 6);
    if (at + bytes > end) {
      this.#failed = true;
      return 0;
    }
    let value = b[at]! & 0x3f;
    for (let k = 1; k < bytes; k++) value = value * 256 + b[at + k]!;
    this.#at = at + bytes;
    return value;
  }
}

/** Owned octets; a Buffer's own slice would be a view, and writing into it would change the packet. */
function copy(b: Uint8Array, from: number, to: number): Uint8Array {
  return new Uint8Array(b.subarray(from, to));
}

function isSame(id: Uint8Array, b: Uint8Array, at: number, bytes: number): boolean {
  if (id.length !== bytes) return false;
  for (let k = 0; k < bytes; k++) if (id[k] !== b[at + k]) return false;
  return true;
}

function u32(b: Uint8Array, at: number): number {
  return ((b[at]! << 24) | (b[at + 1]! << 16) | (b[at + 2]! << 8) | b[at + 3]!) >>> 0;
}
