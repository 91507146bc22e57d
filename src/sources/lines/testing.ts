// For tests of line sources: an input that arrives a few octets at a time, and a sink that owns what it is lent.
import { type DnsBatch, type EventBatch, formatAddress, formatName, type Sink } from '#events';
import type { ByteReader, Source, SourceKind } from '../contract.ts';

/** Hands out its octets `step` at a time, and moves them as the contract allows; past the end lie line ends that are not its. */
export class Drip implements ByteReader {
  buffer: Uint8Array = new Uint8Array(0);
  start = 0;
  end = 0;
  position = 0;
  readonly progress = { read: 0, size: 0 };
  readonly #all: Uint8Array;
  readonly #step: number;
  #given = 0;

  /** @param text one character an octet */
  constructor(text: string | Uint8Array, step: number) {
    this.#all = typeof text === 'string' ? Buffer.from(text, 'latin1') : text;
    this.#step = step;
  }

  async fill(atLeast: number): Promise<number> {
    if (this.end - this.start >= atLeast) return this.end - this.start;
    const left = this.buffer.slice(this.start, this.end);
    const more = this.#all.slice(this.#given, this.#given + Math.max(atLeast - left.length, this.#step));
    this.#given += more.length;
    this.buffer = Buffer.concat([left, more, Buffer.alloc(3, 10)]);
    this.start = 0;
    this.end = left.length + more.length;
    return this.end;
  }

  close(): void {}
}

export interface DnsRow {
  at: number;
  line: number;
  client: string;
  clientPort: number;
  server: string;
  serverPort: number;
  id: number;
  isResponse: number;
  opcode: number;
  rcode: number;
  qtype: number;
  qclass: number;
  transport: number;
  flags: number;
  dnssecOk: number;
  foreign: number;
  name: string;
  nameBytes: number;
  nameHash: number;
  labels: number;
  messageBytes: number;
  answers: number;
  dataBytes: number;
  answerType: number;
  ttl: number;
  addresses: string[];
  wireBytes: number;
}

export function dnsRow(b: DnsBatch, i: number): DnsRow {
  const from = b.answerAddressOffset[i]!;
  return {
    at: b.at[i]!,
    line: b.place[i]!,
    client: formatAddress(b.addresses, 8 * i),
    clientPort: b.clientPort[i]!,
    server: formatAddress(b.addresses, 8 * i + 4),
    serverPort: b.serverPort[i]!,
    id: b.id[i]!,
    isResponse: b.isResponse[i]!,
    opcode: b.opcode[i]!,
    rcode: b.rcode[i]!,
    qtype: b.qtype[i]!,
    qclass: b.qclass[i]!,
    transport: b.transport[i]!,
    flags: b.flags[i]!,
    dnssecOk: b.dnssecOk[i]!,
    foreign: b.foreign[i]!,
    name: formatName(b.bytes, b.nameOffset[i]!, b.nameBytes[i]!),
    nameBytes: b.nameBytes[i]!,
    nameHash: b.nameHash[i]!,
    labels: b.labelCount[i]!,
    messageBytes: b.messageBytes[i]!,
    answers: b.answerCount[i]!,
    dataBytes: b.answerDataBytes[i]!,
    answerType: b.answerType[i]!,
    ttl: b.answerTtlSeconds[i]!,
    addresses: Array.from({ length: b.answerAddressCount[i]! }, (_, k) =>
      formatAddress(b.answerAddresses, from + 4 * k),
    ),
    wireBytes: b.wireBytes[i]!,
  };
}

/** Owns DNS rows and faults; spoils every column afterwards, so that one which is not filled anew shows. */
export class Collector implements Sink {
  readonly rows: DnsRow[] = [];
  readonly faults: { code: string; line: number }[] = [];

  emit(batch: EventBatch): void {
    if (batch.kind !== 'dns') return;
    for (let i = 0; i < batch.count; i++) this.rows.push(dnsRow(batch, i));
    for (const column of Object.values(batch))
      if (ArrayBuffer.isView(column) && !(column instanceof DataView)) (column as Uint8Array).fill(0xa5);
  }

  fault(code: string, _origin: unknown, line: number): void {
    this.faults.push({ code, line });
  }
}

/** Everything that a source makes of a text. */
export async function readText(kind: SourceKind, text: string | Uint8Array, step = 1 << 16): Promise<Collector> {
  const reader = new Drip(text, step);
  await reader.fill(4096);
  return drain(kind.open(reader, 'test.log'));
}

export async function drain(source: Source): Promise<Collector> {
  const sink = new Collector();
  while (await source.pull(Number.POSITIVE_INFINITY, sink));
  source.close();
  return sink;
}
