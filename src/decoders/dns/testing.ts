// Messages and packets for tests, by an encoder that shares nothing with the decoder.
import {
  type DnsBatch,
  type EventBatch,
  formatAddress,
  formatName,
  PacketBatch,
  type Sink,
  StreamBatch,
} from '#events';

export interface Row {
  name: string;
  qtype: number;
  qclass: number;
  isResponse: number;
  rcode: number;
  answers: number;
  dataBytes: number;
  answerType: number;
  labels: number;
  hash: number;
  client: number;
  clientPort: number;
  serverPort: number;
  transport: number;
  place: number;
  nameBytes: number;
  foreign: number;
  flags: number;
  dnssecOk: number;
  ttlSeconds: number;
  /** Answer addresses in presentation form. */
  addresses: string[];
  /** The message as the row's range of `wire` gives it. */
  message: number[];
}

/** A sink that owns what it is lent, and spoils the batch afterwards as the pipeline's poison mode does. */
export class Collector implements Sink {
  readonly rows: Row[] = [];
  readonly faults: string[] = [];
  emit(batch: EventBatch): void {
    if (batch.kind !== 'dns') return;
    for (let i = 0; i < batch.count; i++) this.rows.push(rowOf(batch, i));
    batch.bytes.fill(0xa5);
    batch.nameOffset.fill(-1);
  }
  fault(code: string): void {
    this.faults.push(code);
  }
}

function rowOf(b: DnsBatch, i: number): Row {
  return {
    name: formatName(b.bytes, b.nameOffset[i]!, b.nameBytes[i]!),
    qtype: b.qtype[i]!,
    qclass: b.qclass[i]!,
    isResponse: b.isResponse[i]!,
    rcode: b.rcode[i]!,
    answers: b.answerCount[i]!,
    dataBytes: b.answerDataBytes[i]!,
    answerType: b.answerType[i]!,
    labels: b.labelCount[i]!,
    hash: b.nameHash[i]!,
    client: b.addresses[8 * i + 3]!,
    clientPort: b.clientPort[i]!,
    serverPort: b.serverPort[i]!,
    transport: b.transport[i]!,
    place: b.place[i]!,
    nameBytes: b.nameBytes[i]!,
    foreign: b.foreign[i]!,
    flags: b.flags[i]!,
    dnssecOk: b.dnssecOk[i]!,
    ttlSeconds: b.answerTtlSeconds[i]!,
    addresses: Array.from({ length: b.answerAddressCount[i]! }, (_, k) =>
      formatAddress(b.answerAddresses, b.answerAddressOffset[i]! + 4 * k),
    ),
    message: [...b.wire.subarray(b.wireOffset[i]!, b.wireOffset[i]! + b.wireBytes[i]!)],
  };
}

export const u16 = (n: number): number[] => [(n >>> 8) & 255, n & 255];
export const u32 = (n: number): number[] => [...u16(n >>> 16), ...u16(n & 0xffff)];

/** Wire form of labels of raw octets. */
export function wire(labels: readonly (string | readonly number[])[]): number[] {
  const out: number[] = [];
  for (const label of labels) {
    const bytes = typeof label === 'string' ? [...Buffer.from(label, 'latin1')] : label;
    out.push(bytes.length, ...bytes);
  }
  return [...out, 0];
}
export const dotted = (name: string): number[] => wire(name.split('.'));

export interface Message {
  id?: number;
  flags?: number;
  questions?: number[][];
  answers?: number[][];
  authority?: number[][];
  additional?: number[][];
  counts?: [number, number, number, number];
}
export function message(m: Message): Uint8Array {
  const { questions = [], answers = [], authority = [], additional = [] } = m;
  const counts = m.counts ?? [questions.length, answers.length, authority.length, additional.length];
  return Uint8Array.from([
    ...u16(m.id ?? 7),
    ...u16(m.flags ?? 0x0100),
    ...counts.flatMap(u16),
    ...[...questions, ...answers, ...authority, ...additional].flat(),
  ]);
}
export const question = (name: number[], qtype = 1, qclass = 1): number[] => [...name, ...u16(qtype), ...u16(qclass)];
export function record(owner: number[], type: number, rdata: number[], rdlength = rdata.length, ttl = 60): number[] {
  return [...owner, ...u16(type), ...u16(1), ...u32(ttl), ...u16(rdlength), ...rdata];
}

export interface Ports {
  from: number;
  to: number;
}
/** UDP payloads as one batch; 10.0.0.1 asks, 10.0.0.53 answers. */
export function packets(payloads: readonly Uint8Array[], ports: Ports = { from: 40000, to: 53 }): PacketBatch {
  const b = new PacketBatch();
  const bytes: number[] = [];
  for (const [i, p] of payloads.entries()) {
    b.payloadOffset[i] = bytes.length;
    b.payloadCaptured[i] = p.length;
    b.payloadBytes[i] = p.length;
    b.at[i] = 1e15 + i;
    b.place[i] = i + 1;
    b.protocol[i] = 17;
    b.sourcePort[i] = ports.from;
    b.destinationPort[i] = ports.to;
    b.addresses.set([0, 0, 0xffff, 0x0a000001, 0, 0, 0xffff, 0x0a000035], 8 * i);
    for (const c of p) bytes.push(c);
  }
  b.bytes = Uint8Array.from(bytes);
  b.count = payloads.length;
  return b;
}

export function chunk(bytes: readonly number[], more: Partial<StreamBatch> = {}): StreamBatch {
  const s = new StreamBatch();
  s.at = 1e15;
  s.place = 1;
  s.connection = 1;
  s.clientPort = 40000;
  s.serverPort = 53;
  s.bytes = Uint8Array.from(bytes);
  s.length = bytes.length;
  s.addresses.set([0, 0, 0xffff, 0x0a000001, 0, 0, 0xffff, 0x0a000035]);
  return Object.assign(s, more);
}
/** With TCP's two-octet length. */
export const framed = (m: Uint8Array): number[] => [...u16(m.length), ...m];
