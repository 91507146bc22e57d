// DNS rows from text: what a log says of one message, in words, into the columns of a DnsBatch.
import { ANSWER_ADDRESSES_MAX, DnsBatch } from '#events';
import { addressHash, parseAddress } from '#lib/address';
import { hashLowerCased, textToWire } from '#lib/wirename';
import type { Rows } from './source.ts';

/** One question of one message, as a log tells it. What it does not tell keeps the value of `emptyEntry`. */
export interface DnsEntry {
  client: string;
  clientPort: number;
  server: string;
  serverPort: number;
  /** Presentation form, one character an octet; with or without the final dot. */
  name: string;
  id: number;
  isResponse: boolean;
  opcode: number;
  /** Full rcode; -1 in queries and where the log does not tell. */
  rcode: number;
  qtype: number;
  qclass: number;
  /** 17 UDP, 6 TCP, 0 unknown. */
  transport: number;
  /** Bits of the header's second word (RFC 1035 4.1.1) that the log tells. */
  flags: number;
  dnssecOk: boolean;
  messageBytes: number;
  answers: Answers | undefined;
}

export function emptyEntry(): DnsEntry {
  return {
    client: '',
    clientPort: 0,
    server: '',
    serverPort: 0,
    name: '',
    id: 0,
    isResponse: false,
    opcode: 0,
    rcode: -1,
    qtype: 0,
    qclass: 1,
    transport: 0,
    flags: 0,
    dnssecOk: false,
    messageBytes: 0,
    answers: undefined,
  };
}

/**
 * Types whose rdata is an address, a delegation, a signature or service parameters: what a client would ask for anyway. The same
 * line that the decoder of messages draws.
 */
const ordinary = new Set([1, 2, 6, 12, 28, 41, 43, 46, 47, 48, 50, 51, 64, 65, 250]);

/** The answer section of one message, summed record by record. */
export class Answers {
  count = 0;
  /** Octets of rdata that can carry data down. */
  dataBytes = 0;
  /** Type of the first record that is not the followed CNAME. */
  type = 0;
  ttlSeconds = -1;
  readonly addresses: string[] = [];

  /**
   * @param qtype of the question; 0 where it is not told
   * @param ttlSeconds -1 where it is not told
   */
  add(type: number, rdata: string, ttlSeconds: number, qtype: number): void {
    this.count += 1;
    if (this.type === 0 && (type !== 5 || qtype === 5)) this.type = type;
    if (!ordinary.has(type)) this.dataBytes += rdataBytes(type, rdata);
    else if ((type === 1 || type === 28) && this.addresses.length < ANSWER_ADDRESSES_MAX) this.addresses.push(rdata);
    if (ttlSeconds >= 0) this.ttlSeconds = this.ttlSeconds < 0 ? ttlSeconds : Math.min(this.ttlSeconds, ttlSeconds);
  }
}

/** Octets that the text of rdata stands for: of names in wire form, of TXT the strings without their quotes and escapes. */
function rdataBytes(type: number, rdata: string): number {
  if (type === 5 || type === 15 || type === 33) {
    const name = rdata.slice(rdata.lastIndexOf(' ') + 1);
    return name.length + (name.endsWith('.') ? 1 : 2);
  }
  // RFC 3597: \# length hex.
  const unknown = /^\\# (\d{1,5})\b/.exec(rdata);
  if (unknown !== null) return Number(unknown[1]);
  const bare = rdata.includes('\\') ? rdata.replace(/\\(?:\d{3}|.)/g, 'x') : rdata;
  if (!bare.startsWith('"')) return bare.length;
  let sum = 0;
  for (const [text] of bare.matchAll(/"[^"]*"/g)) sum += text.length - 2;
  return sum;
}

/** Text and words of addresses already read: a log repeats those of its clients, and reading one costs as much as all the rest. */
const ADDRESSES_MAX = 4096;
/** Characters of the longest address, with a scope. */
const ADDRESS_TEXT_MAX = 64;

class AddressMemo {
  readonly #known = new Map<string, Uint32Array | undefined>();

  /** As parseAddress. */
  parse(text: string, words: Uint32Array, at: number): boolean {
    if (text.length > ADDRESS_TEXT_MAX) return false;
    let found = this.#known.get(text);
    if (found === undefined && !this.#known.has(text)) {
      const own = new Uint32Array(4);
      if (parseAddress(text, own, 0)) found = own;
      if (this.#known.size >= ADDRESSES_MAX) this.#known.clear();
      // A copy: a part of a line would keep the whole line.
      this.#known.set(Buffer.from(text, 'latin1').toString('latin1'), found);
    }
    if (found === undefined) words.fill(0, at, at + 4);
    else words.set(found, at);
    return found !== undefined;
  }
}

/** Codes of the two faults for which a row is left out. */
export interface RowFaults {
  readonly address: string;
  readonly name: string;
}

export class DnsRows implements Rows<DnsEntry> {
  readonly batch = new DnsBatch();
  readonly #faults: RowFaults;
  readonly #addresses = new AddressMemo();
  /** Octets of `batch.bytes` and words of `batch.answerAddresses` in use. */
  #namesEnd = 0;
  #addressesEnd = 0;

  constructor(faults: RowFaults) {
    this.#faults = faults;
  }

  clear(): void {
    this.batch.count = 0;
    this.#namesEnd = 0;
    this.#addressesEnd = 0;
  }

  add(entry: DnsEntry, at: number, line: number): string {
    const b = this.batch;
    const i = b.count;
    if (!this.#addresses.parse(entry.client, b.addresses, 8 * i)) return this.#faults.address;
    // Most logs do not tell the server: its words are then zero.
    if (!this.#addresses.parse(entry.server, b.addresses, 8 * i + 4) && entry.server !== '')
      return this.#faults.address;
    const nameAt = this.#namesEnd;
    const nameBytes = textToWire(entry.name, b.bytes, nameAt);
    if (nameBytes < 0) return this.#faults.name;
    let labels = 0;
    for (let k = nameAt; b.bytes[k]! !== 0; k += b.bytes[k]! + 1) labels += 1;
    b.at[i] = at;
    b.place[i] = line;
    b.clientHash[i] = addressHash(b.addresses, 8 * i);
    b.clientPort[i] = entry.clientPort;
    b.serverPort[i] = entry.serverPort;
    b.id[i] = entry.id;
    b.isResponse[i] = entry.isResponse ? 1 : 0;
    b.opcode[i] = entry.opcode;
    b.rcode[i] = entry.rcode;
    b.qtype[i] = entry.qtype;
    b.qclass[i] = entry.qclass;
    b.transport[i] = entry.transport;
    b.flags[i] = entry.flags;
    b.dnssecOk[i] = entry.dnssecOk ? 1 : 0;
    b.foreign[i] = 0;
    b.nameOffset[i] = nameAt;
    b.nameBytes[i] = nameBytes;
    b.nameHash[i] = hashLowerCased(b.bytes, nameAt, nameBytes);
    b.labelCount[i] = labels;
    b.messageBytes[i] = entry.messageBytes;
    b.wireOffset[i] = 0;
    b.wireBytes[i] = 0;
    this.#answers(i, entry.answers);
    this.#namesEnd = nameAt + nameBytes;
    b.count = i + 1;
    return '';
  }

  #answers(i: number, answers: Answers | undefined): void {
    const b = this.batch;
    b.answerCount[i] = Math.min(answers?.count ?? 0, 0xffff);
    b.answerDataBytes[i] = Math.min(answers?.dataBytes ?? 0, 0x7fffffff);
    b.answerType[i] = answers?.type ?? 0;
    b.answerTtlSeconds[i] = Math.min(answers?.ttlSeconds ?? -1, 0x7fffffff);
    b.answerAddressOffset[i] = this.#addressesEnd;
    let count = 0;
    for (const text of answers?.addresses ?? []) {
      if (!this.#addresses.parse(text, b.answerAddresses, this.#addressesEnd)) continue;
      this.#addressesEnd += 4;
      count += 1;
    }
    b.answerAddressCount[i] = count;
  }
}
