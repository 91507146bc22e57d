// DNS rows for the tests of detectors on DNS: a writer that owns nothing and spoils its batch after each row.
import { City } from '#city';
import { addressHash, DnsBatch, parseAddress } from '#events';
import type { Coverage, Finding } from '#findings';
import { hashLowerCased, textToWire } from '#lib/wirename';
import type { Detector, DetectorKind } from '../contract.ts';

type CityFile = ConstructorParameters<typeof City>[0];

export interface DnsRow {
  /** Seconds. */
  at: number;
  name?: string;
  client?: string;
  server?: string;
  serverPort?: number;
  isResponse?: boolean;
  rcode?: number;
  qtype?: number;
  /** A and AAAA answers. */
  addresses?: readonly string[];
  ttl?: number;
  foreign?: number;
  transport?: number;
  bytes?: number;
}

/** A detector with what it claimed. */
export class DnsBench {
  readonly claims = new Map<string, Finding>();
  readonly coverage = new Map<string, Coverage>();
  detector: Detector;
  readonly #kind: DetectorKind;
  readonly #city: City;
  readonly #batch = new DnsBatch();
  #place = 0;

  constructor(kind: DetectorKind, file: CityFile = {}) {
    this.#kind = kind;
    this.#city = new City(file, '.');
    this.detector = this.#create();
  }

  #create(): Detector {
    return this.#kind.create({
      city: this.#city,
      evidenceAll: false,
      claim: (f) => void this.claims.set(f.id, f),
      cover: (c) => void this.coverage.set(c.what, c),
    });
  }

  row(r: DnsRow): void {
    const b = this.#batch;
    b.count = 1;
    b.origin = { file: 'test.pcap', placed: 'frame' };
    b.at[0] = 1.7e15 + Math.round(r.at * 1e6);
    b.place[0] = ++this.#place;
    const isResponse = r.isResponse ?? true;
    if (!parseAddress(r.client ?? '10.0.0.1', b.addresses, 0)) throw new Error(`no address: ${r.client}`);
    if (!parseAddress(r.server ?? '10.0.0.53', b.addresses, 4)) throw new Error(`no address: ${r.server}`);
    b.clientHash[0] = addressHash(b.addresses, 0);
    b.clientPort[0] = 40_000;
    b.serverPort[0] = r.serverPort ?? 53;
    b.isResponse[0] = isResponse ? 1 : 0;
    b.opcode[0] = 0;
    b.rcode[0] = isResponse ? (r.rcode ?? 0) : -1;
    b.qtype[0] = r.qtype ?? 1;
    b.qclass[0] = 1;
    b.transport[0] = r.transport ?? 17;
    b.foreign[0] = r.foreign ?? 0;
    b.messageBytes[0] = r.bytes ?? 60;
    b.nameOffset[0] = 7;
    b.nameBytes[0] = r.name === undefined ? 0 : textToWire(r.name, b.bytes, 7);
    if (b.nameBytes[0]! < 0) throw new Error(`no name: ${r.name}`);
    b.labelCount[0] = r.name === undefined ? 0 : r.name.split('.').length;
    b.nameHash[0] = hashLowerCased(b.bytes, 7, b.nameBytes[0]!);
    const addresses = r.addresses ?? [];
    b.answerAddressOffset[0] = 8;
    b.answerAddressCount[0] = addresses.length;
    for (const [k, a] of addresses.entries()) parseAddress(a, b.answerAddresses, 8 + 4 * k);
    b.answerCount[0] = addresses.length;
    b.answerType[0] = addresses.length > 0 ? (r.qtype ?? 1) : 0;
    b.answerTtlSeconds[0] = r.ttl ?? (addresses.length > 0 ? 300 : -1);
    this.detector.observe(b);
    b.bytes.fill(0xa5, 0, 300);
    b.answerAddresses.fill(0xa5a5a5a5, 0, 64);
    b.addresses.fill(0xa5a5a5a5, 0, 8);
  }

  /** Event time goes on without rows. */
  wait(seconds: number): void {
    this.detector.advance(1.7e15 + seconds * 1e6);
  }

  /** The detector goes on in another process: its state through JSON into a new one. */
  restart(): void {
    const state: unknown = JSON.parse(JSON.stringify(this.detector.snapshot()));
    this.detector = this.#create();
    this.detector.restore(state);
  }

  get all(): Finding[] {
    return [...this.claims.values()];
  }
}

/** Numbers of 32 bits from a seed. */
export function numbers(seed: number): () => number {
  let s = seed >>> 0;
  return () => {
    s = (s + 0x9e3779b9) >>> 0;
    let v = Math.imul(s ^ (s >>> 16), 0x85ebca6b);
    v = Math.imul(v ^ (v >>> 13), 0xc2b2ae35);
    return (v ^ (v >>> 16)) >>> 0;
  };
}

/** Letters of a generator. */
export function letters(next: () => number, length: number, alphabet = 'abcdefghijklmnopqrstuvwxyz'): string {
  return Array.from({ length }, () => alphabet[next() % alphabet.length]).join('');
}

/** Batches of rows whose columns are all chance; names are chance within the bytes, as a decoder would never give them. */
export function* chanceRows(rows: number, seed: number): Generator<DnsBatch> {
  const next = numbers(seed);
  const b = new DnsBatch();
  b.origin = { file: 'chance.pcap', placed: 'frame' };
  for (let done = 0; done < rows; done += 500) {
    b.count = 500;
    for (let k = 0; k < b.bytes.length; k++) b.bytes[k] = next() % 5 === 0 ? next() % 12 : next();
    for (const column of [b.addresses, b.answerAddresses])
      for (let k = 0; k < column.length; k++) column[k] = next() % 3 === 0 ? 0 : next();
    for (let i = 0; i < b.count; i++) {
      b.at[i] = 1.7e15 + done * 1e6 + (next() % 1e9);
      b.place[i] = done + i;
      b.clientHash[i] = next() % 50;
      for (const column of [
        b.nameHash,
        b.clientPort,
        b.id,
        b.flags,
        b.qclass,
        b.messageBytes,
        b.answerCount,
        b.answerDataBytes,
      ])
        column[i] = next();
      b.serverPort[i] = [53, 53, 53, 5353, 5355, next()][next() % 6]!;
      b.isResponse[i] = next() & 1;
      b.opcode[i] = next() % 9 === 0 ? next() : 0;
      b.rcode[i] = [0, 3, -1, next()][next() % 4]!;
      b.qtype[i] = [1, 28, 16, 64, next()][next() % 5]!;
      b.transport[i] = next() % 3 === 0 ? 6 : 17;
      b.foreign[i] = next() % 10 === 0 ? next() : 0;
      b.nameBytes[i] = next() % 256;
      b.nameOffset[i] = next() % (b.bytes.length - 256);
      b.labelCount[i] = next();
      b.answerType[i] = next();
      b.answerTtlSeconds[i] = next() % 5 === 0 ? -1 : next();
      b.answerAddressCount[i] = next();
      b.answerAddressOffset[i] = next() % (b.answerAddresses.length - 32);
    }
    yield b;
  }
}
