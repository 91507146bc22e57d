// A zone that signs, for tests: keys from a seed (Ed25519, so that the same test has the same bytes), records in presentation
// form, canonical form and signatures by its own hand.
import { createHash, createPrivateKey, createPublicKey, type KeyObject, sign } from 'node:crypto';
import { rdataOf, typeNumber, wire } from './oracle/records.ts';

export interface Record {
  readonly owner: string;
  readonly type: number;
  readonly rdata: Buffer;
}

export interface SignOptions {
  readonly inception?: number;
  readonly expiration?: number;
  /** Labels field; that of a record from a wildcard is smaller than its owner's. */
  readonly labels?: number;
  readonly signer?: string;
  readonly key?: ZoneKey;
}

export const NOW = 1_700_000_000;

export function rr(owner: string, type: string, data: string): Record {
  const number = typeNumber(type);
  return { owner: owner.toLowerCase(), type: number, rdata: rdataOf(number, data.split(' ')) };
}

const u16 = (n: number): Buffer => Buffer.from([n >> 8, n & 255]);
const u32 = (n: number): Buffer => Buffer.from([n >>> 24, (n >>> 16) & 255, (n >>> 8) & 255, n & 255]);

export class ZoneKey {
  readonly #secret: KeyObject;
  readonly rdata: Buffer;
  readonly tag: number;

  constructor(seed: string, flags = 257) {
    const bytes = createHash('sha256').update(seed).digest();
    const pkcs8 = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), bytes]);
    this.#secret = createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' });
    const { x } = createPublicKey(this.#secret).export({ format: 'jwk' });
    this.rdata = Buffer.concat([u16(flags), Buffer.from([3, 15]), Buffer.from(x as string, 'base64url')]);
    let sum = 0;
    for (const [i, octet] of this.rdata.entries()) sum += i % 2 === 0 ? octet * 256 : octet;
    this.tag = (sum + Math.floor(sum / 65536)) % 65536;
  }

  sign(data: Buffer): Buffer {
    return sign(null, data, this.#secret);
  }
}

const labelsIn = (name: string): number => (name === '.' ? 0 : name.split('.').filter((l) => l !== '*').length);

export class Zone {
  readonly name: string;
  readonly key: ZoneKey;

  constructor(name: string, seed = name) {
    this.name = name;
    this.key = new ZoneKey(seed);
  }

  /** Records of one set, with their signature. */
  signed(records: readonly Record[], options: SignOptions = {}): Record[] {
    return [...records, this.signature(records, options)];
  }

  signature(records: readonly Record[], options: SignOptions = {}): Record {
    const { owner, type } = records[0]!;
    const key = options.key ?? this.key;
    const labels = options.labels ?? labelsIn(owner);
    const head = Buffer.concat([
      u16(type),
      Buffer.from([15, labels]),
      u32(3600),
      u32(options.expiration ?? NOW + 86_400),
      u32(options.inception ?? NOW - 86_400),
      u16(key.tag),
      wire(options.signer ?? this.name),
    ]);
    const parts = owner === '.' ? [] : owner.split('.');
    const name = labels < labelsIn(owner) ? `*.${parts.slice(parts.length - labels).join('.')}` : owner;
    const sorted = records.map((r) => r.rdata).sort(Buffer.compare);
    const body = sorted.map((d) => Buffer.concat([wire(name), u16(type), u16(1), u32(3600), u16(d.length), d]));
    return { owner, type: 46, rdata: Buffer.concat([head, key.sign(Buffer.concat([head, ...body]))]) };
  }

  get keys(): Record[] {
    return this.signed([{ owner: this.name, type: 48, rdata: this.key.rdata }]);
  }

  /** Its delegation signer data: tag, algorithm, SHA-256. */
  get ds(): Buffer {
    const digest = createHash('sha256').update(wire(this.name)).update(this.key.rdata).digest();
    return Buffer.concat([u16(this.key.tag), Buffer.from([15, 2]), digest]);
  }

  get anchor(): string {
    const d = this.ds;
    return `${this.name} DS ${this.key.tag} 15 2 ${d.subarray(4).toString('hex')}`;
  }
}

export interface MessageParts {
  readonly id?: number;
  readonly flags?: number;
  readonly rcode?: number;
  readonly answer?: readonly Record[];
  readonly authority?: readonly Record[];
  readonly dnssecOk?: boolean;
}

/** A response (QR RD RA), uncompressed. */
export function message(name: string, type: string | number, parts: MessageParts = {}): Buffer {
  const { answer = [], authority = [] } = parts;
  const opt = parts.dnssecOk === true ? [Buffer.from([0, 0, 41, 16, 0, 0, 0, 0x80, 0, 0, 0])] : [];
  return Buffer.concat([
    u16(parts.id ?? 1),
    u16((parts.flags ?? 0x8180) | (parts.rcode ?? 0)),
    ...[1, answer.length, authority.length, opt.length].map(u16),
    wire(name),
    u16(typeof type === 'number' ? type : typeNumber(type)),
    u16(1),
    ...[...answer, ...authority].map((r) =>
      Buffer.concat([wire(r.owner), u16(r.type), u16(1), u32(3600), u16(r.rdata.length), r.rdata]),
    ),
    ...opt,
  ]);
}

/** Zone keys that are all wrong and have the tag of the zone's own: the last two octets make up for the rest. */
export function collidingKeys(zone: Zone, count: number): Record[] {
  const tagOf = (b: Buffer): number => {
    let sum = 0;
    for (let i = 0; i < b.length; i += 2) sum += b.readUInt16BE(i);
    return (sum + (sum >> 16)) & 0xffff;
  };
  const records: Record[] = [];
  for (let i = 0; records.length < count; i++) {
    const rdata = Buffer.concat([zone.key.rdata.subarray(0, 4), Buffer.alloc(32, 7)]);
    rdata.writeUInt16BE(i, 4);
    for (let low = 0; low < 65536 && tagOf(rdata) !== zone.key.tag; low++) rdata.writeUInt16BE(low, 34);
    if (tagOf(rdata) === zone.key.tag) records.push({ owner: zone.name, type: 48, rdata });
  }
  return records;
}
