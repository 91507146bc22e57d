// Resource records of answers with their rdata as octets (RFC 1035 3.3, RFC 2782, RFC 9460).
import { textToWire } from '#lib/wirename';

export const Rtype = {
  A: 1,
  NS: 2,
  CNAME: 5,
  SOA: 6,
  NULL: 10,
  PTR: 12,
  MX: 15,
  TXT: 16,
  KEY: 25,
  AAAA: 28,
  SRV: 33,
  DS: 43,
  RRSIG: 46,
  DNSKEY: 48,
  HTTPS: 65,
  PRIVATE: 65399,
} as const;

export interface Answer {
  readonly type: number;
  /** As the authority gives it. */
  readonly ttlSeconds: number;
  readonly rdata: Uint8Array;
  /** Octets a sender may choose freely: strings of TXT, the name in CNAME, MX and SRV, all of NULL, KEY and unknown types. */
  readonly dataBytes: number;
}

/** Wire form of a name in text. @throws RangeError where it is no name: a mistake of the range */
export function wireName(text: string): Uint8Array {
  const out = new Uint8Array(256);
  const bytes = textToWire(text, out, 0);
  if (bytes < 0) throw new RangeError(`not a name: ${text}`);
  return out.slice(0, bytes);
}

export function a(ip: number, ttlSeconds: number): Answer {
  return { type: Rtype.A, ttlSeconds, rdata: Uint8Array.of(ip >>> 24, ip >>> 16, ip >>> 8, ip), dataBytes: 0 };
}
/** An address out of 2001:db8::/32 (RFC 3849) with the given last word. */
export function aaaa(word: number, ttlSeconds: number): Answer {
  const rdata = new Uint8Array(16);
  rdata.set([0x20, 0x01, 0x0d, 0xb8]);
  rdata.set([word >>> 24, word >>> 16, word >>> 8, word], 12);
  return { type: Rtype.AAAA, ttlSeconds, rdata, dataBytes: 0 };
}
export function cname(target: Uint8Array, ttlSeconds: number): Answer {
  return { type: Rtype.CNAME, ttlSeconds, rdata: target, dataBytes: target.length };
}
/** NS and PTR: a name that any client would ask for. */
export function pointer(type: number, target: Uint8Array, ttlSeconds: number): Answer {
  return { type, ttlSeconds, rdata: target, dataBytes: 0 };
}
export function mx(preference: number, target: Uint8Array, ttlSeconds: number): Answer {
  const rdata = new Uint8Array(2 + target.length);
  rdata.set([preference >>> 8, preference]);
  rdata.set(target, 2);
  return { type: Rtype.MX, ttlSeconds, rdata, dataBytes: target.length };
}
export function srv(priority: number, port: number, target: Uint8Array, ttlSeconds: number): Answer {
  const rdata = new Uint8Array(6 + target.length);
  rdata.set([priority >>> 8, priority, 0, 100, port >>> 8, port]);
  rdata.set(target, 6);
  return { type: Rtype.SRV, ttlSeconds, rdata, dataBytes: target.length };
}
/** Text or octets in strings of 255 at the most. */
export function txt(data: string | Uint8Array, ttlSeconds: number): Answer {
  const bytes = typeof data === 'string' ? Buffer.from(data, 'latin1') : data;
  const parts = Math.max(1, Math.ceil(bytes.length / 255));
  const rdata = new Uint8Array(bytes.length + parts);
  for (let p = 0, o = 0; p < parts; p++) {
    const part = bytes.subarray(255 * p, 255 * (p + 1));
    rdata[o] = part.length;
    rdata.set(part, o + 1);
    o += part.length + 1;
  }
  return { type: Rtype.TXT, ttlSeconds, rdata, dataBytes: bytes.length };
}
/** Octets as they are. NULL, KEY, PRIVATE and unknown types carry data; DNSSEC and HTTPS records are what was asked. */
export function opaque(type: number, rdata: Uint8Array, ttlSeconds: number): Answer {
  const ordinary = [Rtype.DS, Rtype.RRSIG, Rtype.DNSKEY, Rtype.HTTPS, Rtype.SOA].some((t) => t === type);
  return { type, ttlSeconds, rdata, dataBytes: ordinary ? 0 : rdata.length };
}
/** `1 . alpn=h2,h3` (RFC 9460). */
export function https(ttlSeconds: number): Answer {
  return opaque(Rtype.HTTPS, Uint8Array.of(0, 1, 0, 0, 1, 0, 6, 2, 0x68, 0x32, 2, 0x68, 0x33), ttlSeconds);
}
