// Records in presentation form to wire form, for tests: only what scenarios hold. Shares nothing with the reader under test
// but the name encoder of lib.
import { textToWire } from '#lib/wirename';

export const types: Readonly<Record<string, number>> = {
  A: 1,
  NS: 2,
  CNAME: 5,
  SOA: 6,
  PTR: 12,
  MX: 15,
  TXT: 16,
  PX: 26,
  AAAA: 28,
  LOC: 29,
  SRV: 33,
  NAPTR: 35,
  DNAME: 39,
  DS: 43,
  RRSIG: 46,
  NSEC: 47,
  DNSKEY: 48,
  NSEC3: 50,
  TLSA: 52,
  CDS: 59,
  ANY: 255,
  NSEC3PARAM: 51,
  SPF: 99,
  HINFO: 13,
};

export interface TextRecord {
  readonly owner: string;
  readonly ttl: number;
  readonly type: number;
  readonly rdata: Buffer;
}

export function wire(name: string): Buffer {
  const out = Buffer.alloc(256);
  const length = textToWire(name, out, 0);
  if (length < 0) throw new Error(`no name: ${name}`);
  return Buffer.from(out.subarray(0, length));
}

const u8 = (t: string | undefined): Buffer => Buffer.from([Number(t)]);
const u16 = (t: string | undefined): Buffer => Buffer.from([Number(t) >> 8, Number(t) & 255]);
function u32(t: string | undefined): Buffer {
  const b = Buffer.alloc(4);
  b.writeUInt32BE(Number(t) >>> 0);
  return b;
}
const text = (t: string): Buffer => Buffer.concat([u8(String(Buffer.byteLength(t))), Buffer.from(t)]);

/** `20070926134150` or seconds. */
export function seconds(t: string): number {
  const m = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)$/.exec(t);
  if (m === null) return Number(t);
  const [y, mo, d, h, mi, s] = m.slice(1).map(Number);
  return Date.UTC(y!, mo! - 1, d, h, mi, s) / 1000;
}

export function typeNumber(t: string): number {
  const n = types[t.toUpperCase()] ?? Number(/^TYPE(\d+)$/i.exec(t)?.[1]);
  if (!Number.isInteger(n)) throw new Error(`type ${t}`);
  return n;
}

function bitmap(names: readonly string[]): Buffer {
  const windows = new Map<number, Buffer>();
  for (const n of names.map(typeNumber)) {
    const w = windows.get(n >> 8) ?? Buffer.alloc(32);
    w[(n & 255) >> 3]! |= 0x80 >> (n & 7);
    windows.set(n >> 8, w);
  }
  return Buffer.concat(
    [...windows]
      .sort((a, b) => a[0] - b[0])
      .map(([k, b]) => {
        let length = 32;
        while (b[length - 1] === 0) length -= 1;
        return Buffer.concat([Buffer.from([k, length]), b.subarray(0, length)]);
      }),
  );
}

function base32hex(t: string): Buffer {
  let bits = '';
  for (const c of t.toUpperCase()) bits += '0123456789ABCDEFGHIJKLMNOPQRSTUV'.indexOf(c).toString(2).padStart(5, '0');
  return Buffer.from((bits.match(/.{8}/g) ?? []).map((b) => Number.parseInt(b, 2)));
}

function ipv6(t: string): Buffer {
  const [head = '', tail] = t.split('::');
  const groups = (s: string): number[] => (s === '' ? [] : s.split(':').map((g) => Number.parseInt(g, 16)));
  const left = groups(head);
  const right = tail === undefined ? [] : groups(tail);
  const all = [...left, ...new Array<number>(8 - left.length - right.length).fill(0), ...right];
  return Buffer.concat(all.map((g) => u16(String(g))));
}

const algorithms: Readonly<Record<string, string>> = { DSA: '3', RSASHA1: '5', RSASHA256: '8' };

export function rdataOf(type: number, w: readonly string[]): Buffer {
  if (w[0] === '\\#') return Buffer.from(w.slice(2).join(''), 'hex');
  const b64 = (from: number): Buffer => Buffer.from(w.slice(from).join(''), 'base64');
  const alg = (t: string | undefined): Buffer => u8(algorithms[t ?? ''] ?? t);
  switch (type) {
    case 1:
      return Buffer.from(w[0]!.split('.').map(Number));
    case 28:
      return ipv6(w[0]!);
    case 2:
    case 5:
    case 12:
    case 39:
      return wire(w[0]!);
    case 6:
      return Buffer.concat([wire(w[0]!), wire(w[1]!), ...w.slice(2, 7).map(u32)]);
    case 15:
      return Buffer.concat([u16(w[0]), wire(w[1]!)]);
    case 26:
      return Buffer.concat([u16(w[0]), wire(w[1]!), wire(w[2]!)]);
    case 13:
    case 16:
    case 99:
      return Buffer.concat(w.map(text));
    case 33:
      return Buffer.concat([...w.slice(0, 3).map(u16), wire(w[3]!)]);
    case 35:
      return Buffer.concat([u16(w[0]), u16(w[1]), ...w.slice(2, 5).map(text), wire(w[5]!)]);
    case 43:
    case 59:
      return Buffer.concat([u16(w[0]), alg(w[1]), u8(w[2]), Buffer.from(w.slice(3).join(''), 'hex')]);
    case 46:
      return Buffer.concat([
        u16(String(typeNumber(w[0]!))),
        alg(w[1]),
        u8(w[2]),
        u32(w[3]),
        u32(String(seconds(w[4]!))),
        u32(String(seconds(w[5]!))),
        u16(w[6]),
        wire(w[7]!),
        b64(8),
      ]);
    case 47:
      return Buffer.concat([wire(w[0]!), bitmap(w.slice(1))]);
    case 48:
      return Buffer.concat([u16(w[0]), u8(w[1]), alg(w[2]), b64(3)]);
    case 50: {
      const salt = w[3] === '-' ? Buffer.alloc(0) : Buffer.from(w[3]!, 'hex');
      const next = base32hex(w[4]!);
      return Buffer.concat([
        u8(w[0]),
        u8(w[1]),
        u16(w[2]),
        u8(String(salt.length)),
        salt,
        u8(String(next.length)),
        next,
        bitmap(w.slice(5)),
      ]);
    }
    case 52:
      return Buffer.concat([...w.slice(0, 3).map(u8), Buffer.from(w.slice(3).join(''), 'hex')]);
    default:
      throw new Error(`no encoder for type ${type}`);
  }
}

/** One line of a zone file, or undefined where it is of a type that is not encoded. */
export function parseRecord(line: string): TextRecord | undefined {
  const words: string[] = [];
  for (const m of line.matchAll(/"((?:[^"\\]|\\.)*)"|;.*$|([^\s"();]+)/g))
    if (m[1] !== undefined) words.push(m[1]);
    else if (m[2] !== undefined) words.push(m[2]);
  const owner = words.shift()!.toLowerCase();
  let ttl = 3600;
  while (/^(\d+|IN|CH)$/i.test(words[0] ?? '')) {
    if (/^\d+$/.test(words[0]!)) ttl = Number(words[0]);
    words.shift();
  }
  try {
    const type = typeNumber(words.shift() ?? '');
    return { owner: absolute(owner), ttl, type, rdata: rdataOf(type, words) };
  } catch {
    return undefined;
  }
}

export function absolute(name: string): string {
  return name === '.' ? '.' : name.toLowerCase().replace(/\.$/, '');
}
