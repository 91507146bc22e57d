// Exchanges straight into columns of events/dns.ts, without a capture between: for runs of months in a test. Rows are
// those that a capture of the same exchanges gives: place is the frame's number, `wire` the message.
import { ANSWER_ADDRESSES_MAX, BATCH_ROWS, DnsBatch } from '#events';
import { addressHash } from '#lib/address';
import { hashLowerCased } from '#lib/wirename';
import { Rtype } from '../worlds/dns/answers.ts';
import type { Exchange, ExchangeSource } from '../worlds/dns/exchange.ts';
import { deliver, type MessageSink } from '../worlds/dns/messages.ts';
import { encodeQuery, encodeResponse, MESSAGE_BYTES_MAX, queryFlags, responseFlags } from './dns-message.ts';

const wireBytesMax = 768 * 1024;

export class DnsBatches implements MessageSink {
  readonly #emit: (batch: DnsBatch) => void;
  readonly #batch = new DnsBatch();
  #namesEnd = 0;
  #wireEnd = 0;
  #addressesEnd = 0;
  rows = 0;

  /** `emit` borrows the batch until it returns. */
  constructor(emit: (batch: DnsBatch) => void, file = 'dns.pcap') {
    this.#emit = emit;
    this.#batch.origin = { file, placed: 'frame' };
    this.#batch.wire = new Uint8Array(wireBytesMax);
  }
  query(exchange: Exchange): void {
    const batch = this.#batch;
    const row = this.#row(exchange, exchange.atMicros, queryFlags(exchange));
    batch.rcode[row] = -1;
    batch.isResponse[row] = 0;
    batch.answerCount[row] = 0;
    batch.answerDataBytes[row] = 0;
    batch.answerType[row] = 0;
    batch.answerTtlSeconds[row] = -1;
    batch.answerAddressCount[row] = 0;
    this.#finish(row, encodeQuery(exchange, batch.wire, this.#wireEnd));
  }
  response(exchange: Exchange): void {
    const batch = this.#batch;
    const row = this.#row(exchange, exchange.answeredAtMicros, responseFlags(exchange));
    const { answers, ageSeconds, qtype } = exchange;
    batch.rcode[row] = exchange.rcode;
    batch.isResponse[row] = 1;
    batch.answerCount[row] = answers.length;
    let dataBytes = 0;
    let type = 0;
    let ttl = answers.length > 0 ? 0x7fffffff : -1;
    let addresses = 0;
    for (let i = 0; i < answers.length; i++) {
      const answer = answers[i]!;
      dataBytes += answer.dataBytes;
      if (type === 0 && (answer.type !== Rtype.CNAME || qtype === Rtype.CNAME)) type = answer.type;
      ttl = Math.min(ttl, Math.max(0, answer.ttlSeconds - ageSeconds));
      if ((answer.type === Rtype.A || answer.type === Rtype.AAAA) && addresses < ANSWER_ADDRESSES_MAX)
        this.#address(answer.rdata, addresses++);
    }
    batch.answerDataBytes[row] = dataBytes;
    batch.answerType[row] = type;
    batch.answerTtlSeconds[row] = ttl;
    batch.answerAddressCount[row] = addresses;
    this.#addressesEnd += 4 * addresses;
    this.#finish(row, encodeResponse(exchange, batch.wire, this.#wireEnd));
  }
  /** Gives what is left. */
  end(): void {
    this.#flush();
  }

  #row(exchange: Exchange, at: number, flags: number): number {
    const batch = this.#batch;
    if (batch.count === BATCH_ROWS || this.#wireEnd > wireBytesMax - MESSAGE_BYTES_MAX) this.#flush();
    const row = batch.count;
    batch.at[row] = at;
    batch.place[row] = ++this.rows;
    const words = batch.addresses;
    const w = 8 * row;
    words[w] = 0;
    words[w + 1] = 0;
    words[w + 2] = 0xffff;
    words[w + 3] = exchange.client;
    words[w + 4] = 0;
    words[w + 5] = 0;
    words[w + 6] = 0xffff;
    words[w + 7] = exchange.resolver;
    batch.clientHash[row] = addressHash(words, w);
    batch.clientPort[row] = exchange.clientPort;
    batch.serverPort[row] = 53;
    batch.id[row] = exchange.id;
    batch.opcode[row] = 0;
    batch.qtype[row] = exchange.qtype;
    batch.qclass[row] = 1;
    batch.transport[row] = 17;
    batch.flags[row] = flags;
    batch.dnssecOk[row] = exchange.dnssecOk ? 1 : 0;
    batch.foreign[row] = 0;
    this.#name(exchange, row);
    batch.answerAddressOffset[row] = this.#addressesEnd;
    return row;
  }
  #name(exchange: Exchange, row: number): void {
    const batch = this.#batch;
    const { name, nameBytes } = exchange;
    const at = this.#namesEnd;
    const bytes = batch.bytes;
    for (let i = 0; i < nameBytes; i++) bytes[at + i] = name[i]!;
    let labels = 0;
    for (let o = 0; name[o]! > 0; o += 1 + name[o]!) labels += 1;
    batch.nameOffset[row] = at;
    batch.nameBytes[row] = nameBytes;
    batch.nameHash[row] = hashLowerCased(name, 0, nameBytes);
    batch.labelCount[row] = labels;
    this.#namesEnd = at + nameBytes;
  }
  #address(rdata: Uint8Array, index: number): void {
    const words = this.#batch.answerAddresses;
    const w = this.#addressesEnd + 4 * index;
    if (rdata.length === 4) {
      words[w] = 0;
      words[w + 1] = 0;
      words[w + 2] = 0xffff;
      words[w + 3] = ((rdata[0]! << 24) | (rdata[1]! << 16) | (rdata[2]! << 8) | rdata[3]!) >>> 0;
      return;
    }
    for (let k = 0; k < 4; k++) {
      const o = 4 * k;
      words[w + k] = ((rdata[o]! << 24) | (rdata[o + 1]! << 16) | (rdata[o + 2]! << 8) | rdata[o + 3]!) >>> 0;
    }
  }
  #finish(row: number, end: number): void {
    const batch = this.#batch;
    batch.wireOffset[row] = this.#wireEnd;
    batch.wireBytes[row] = end - this.#wireEnd;
    batch.messageBytes[row] = end - this.#wireEnd;
    this.#wireEnd = end;
    batch.count = row + 1;
  }
  #flush(): void {
    if (this.#batch.count > 0) this.#emit(this.#batch);
    this.#batch.count = 0;
    this.#namesEnd = 0;
    this.#wireEnd = 0;
    this.#addressesEnd = 0;
  }
}

/** Runs a source to its end as borrowed DNS batches. @returns rows given */
export function renderDnsBatches(source: ExchangeSource, emit: (batch: DnsBatch) => void): number {
  const batches = new DnsBatches(emit);
  deliver(source, batches);
  batches.end();
  return batches.rows;
}
