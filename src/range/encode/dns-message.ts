// Whole DNS messages (RFC 1035, EDNS(0) by RFC 6891) of one exchange, written into a buffer the caller owns. Owner names
// are compressed; names inside rdata never are, so that followers of an alias can point at it.
import type { Exchange } from '../worlds/dns/exchange.ts';

/** Largest message written: 255 octets of question and what fits 4,096 octets of EDNS payload. */
export const MESSAGE_BYTES_MAX = 4096;

/** Header bits of a query: RD; AD asks for the validation state (RFC 6840 5.7). */
const RECURSION_DESIRED = 0x0100;
const RESPONSE = 0x8180;
const AUTHENTIC = 0x0020;

export function queryFlags(_: Exchange): number {
  return RECURSION_DESIRED;
}
export function responseFlags(exchange: Exchange): number {
  return RESPONSE | (exchange.authentic ? AUTHENTIC : 0) | exchange.rcode;
}

/** @returns the offset behind the message. */
export function encodeQuery(exchange: Exchange, out: Uint8Array, at: number): number {
  let o = header(exchange, out, at, queryFlags(exchange), 0);
  o = question(exchange, out, o);
  return options(exchange, out, o);
}

/** @returns the offset behind the message. */
export function encodeResponse(exchange: Exchange, out: Uint8Array, at: number): number {
  const { answers, ageSeconds } = exchange;
  let o = header(exchange, out, at, responseFlags(exchange), answers.length);
  o = question(exchange, out, o);
  let owner = 12;
  for (let i = 0; i < answers.length; i++) {
    const answer = answers[i]!;
    const { type, rdata } = answer;
    const ttl = answer.ttlSeconds > ageSeconds ? answer.ttlSeconds - ageSeconds : 0;
    const length = rdata.length;
    out[o] = 0xc0 | (owner >>> 8);
    out[o + 1] = owner;
    out[o + 2] = type >>> 8;
    out[o + 3] = type;
    out[o + 4] = 0;
    out[o + 5] = 1;
    out[o + 6] = ttl >>> 24;
    out[o + 7] = ttl >>> 16;
    out[o + 8] = ttl >>> 8;
    out[o + 9] = ttl;
    out[o + 10] = length >>> 8;
    out[o + 11] = length;
    o += 12;
    // An alias' target owns the records behind it.
    if (type === 5) owner = o - at;
    if (length > 32) out.set(rdata, o);
    else for (let k = 0; k < length; k++) out[o + k] = rdata[k]!;
    o += length;
  }
  return options(exchange, out, o);
}

function header(exchange: Exchange, out: Uint8Array, at: number, flags: number, answers: number): number {
  out[at] = exchange.id >>> 8;
  out[at + 1] = exchange.id;
  out[at + 2] = flags >>> 8;
  out[at + 3] = flags;
  out[at + 4] = 0;
  out[at + 5] = 1;
  out[at + 6] = answers >>> 8;
  out[at + 7] = answers;
  out[at + 8] = 0;
  out[at + 9] = 0;
  out[at + 10] = 0;
  out[at + 11] = exchange.udpBytesMax > 0 ? 1 : 0;
  return at + 12;
}

function question(exchange: Exchange, out: Uint8Array, at: number): number {
  const { name, nameBytes, qtype } = exchange;
  for (let i = 0; i < nameBytes; i++) out[at + i] = name[i]!;
  const o = at + nameBytes;
  out[o] = qtype >>> 8;
  out[o + 1] = qtype;
  out[o + 2] = 0;
  out[o + 3] = 1;
  return o + 4;
}

/** OPT: root, type 41, UDP size as class, DO in the TTL (RFC 3225), no options. */
function options(exchange: Exchange, out: Uint8Array, at: number): number {
  const size = exchange.udpBytesMax;
  if (size === 0) return at;
  out.fill(0, at, at + 11);
  out[at + 2] = 41;
  out[at + 3] = size >>> 8;
  out[at + 4] = size;
  if (exchange.dnssecOk) out[at + 7] = 0x80;
  return at + 11;
}
