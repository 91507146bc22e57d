// JA4 of a client hello (FoxIO, BSD-3-Clause; the client fingerprint only, none of the JA4+ family, which has another
// licence). One string a hello: made when a hello is whole, never per packet.
import { hash } from 'node:crypto';
import { type ClientHello, isGrease, LIST_MAX } from './hello.ts';

/** What carries the hello: TCP, QUIC, DTLS. */
export type Ja4Transport = 't' | 'q' | 'd';

const EMPTY = '000000000000';
const versionWord: Readonly<Record<number, string>> = {
  772: '13',
  771: '12',
  770: '11',
  769: '10',
  768: 's3',
  2: 's2',
  65279: 'd1',
  65277: 'd2',
  65276: 'd3',
};
const hexOf: readonly string[] = Array.from({ length: 256 }, (_, n) => n.toString(16).padStart(2, '0'));
const digits = Uint8Array.from(Buffer.from('0123456789abcdef'));
const COMMA = 0x2c;
const UNDERSCORE = 0x5f;

/** Lists without GREASE, sorted in place; and the text that is hashed, five octets an entry. */
const ciphers = new Uint16Array(LIST_MAX);
const extensions = new Uint16Array(LIST_MAX);
const text = Buffer.alloc(2 * 5 * LIST_MAX + 1);

/** @param b the bytes in which the hello's ranges lie */
export function ja4Of(h: ClientHello, transport: Ja4Transport, b: Uint8Array): string {
  const cipherCount = withoutGrease(h.ciphers, h.cipherCount, ciphers);
  let extensionCount = withoutGrease(h.extensions, h.extensionCount, extensions);
  const head =
    transport +
    (versionWord[h.version] ?? '00') +
    (h.hasServerName ? 'd' : 'i') +
    twoDigits(cipherCount) +
    twoDigits(extensionCount) +
    alpnLetters(b, h.alpnOffset, h.alpnBytes);
  // Server name and ALPN are counted, not hashed.
  let kept = 0;
  for (let i = 0; i < extensionCount; i++)
    if (extensions[i] !== 0 && extensions[i] !== 16) extensions[kept++] = extensions[i]!;
  extensionCount = kept;
  ciphers.subarray(0, cipherCount).sort();
  extensions.subarray(0, extensionCount).sort();
  const first = short(words(ciphers, cipherCount, 0));
  let end = words(extensions, extensionCount, 0);
  if (end > 0 && h.signatureCount > 0) {
    text[end] = UNDERSCORE;
    end = words(h.signatures, h.signatureCount, end + 1);
  }
  return `${head}_${first}_${short(end)}`;
}

function withoutGrease(list: Uint16Array, count: number, out: Uint16Array): number {
  let kept = 0;
  for (let i = 0; i < count; i++) if (!isGrease(list[i]!)) out[kept++] = list[i]!;
  return kept;
}

function twoDigits(count: number): string {
  return String(Math.min(99, count)).padStart(2, '0');
}

/** First and last character of the first protocol; of its hexadecimal form where one of them is no letter or digit. */
function alpnLetters(b: Uint8Array, at: number, bytes: number): string {
  if (bytes === 0) return '00';
  const first = b[at]!;
  const last = b[at + bytes - 1]!;
  if (isAlphanumeric(first) && isAlphanumeric(last)) return String.fromCharCode(first, last);
  return hexOf[first]![0]! + hexOf[last]![1]!;
}

function isAlphanumeric(c: number): boolean {
  return (c >= 0x30 && c <= 0x39) || (c >= 0x41 && c <= 0x5a) || (c >= 0x61 && c <= 0x7a);
}

/** Writes entries as four digits, commas between, at `at`; @returns where they end */
function words(list: Uint16Array, count: number, at: number): number {
  let to = at;
  for (let i = 0; i < count; i++) {
    if (i > 0) text[to++] = COMMA;
    const value = list[i]!;
    text[to++] = digits[value >> 12]!;
    text[to++] = digits[(value >> 8) & 15]!;
    text[to++] = digits[(value >> 4) & 15]!;
    text[to++] = digits[value & 15]!;
  }
  return to;
}

function short(bytes: number): string {
  return bytes === 0 ? EMPTY : hash('sha256', text.subarray(0, bytes), 'hex').slice(0, 12);
}
