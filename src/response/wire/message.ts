// DNS messages (RFC 1035, 4.1): read what is there, write what is asked. Written names are never compressed: receivers must
// not need it, and a transfer of a policy zone is small.
import { nameToWire, readName } from './name.ts';

export const Type = {
  A: 1,
  NS: 2,
  CNAME: 5,
  SOA: 6,
  TXT: 16,
  AAAA: 28,
  OPT: 41,
  DNSKEY: 48,
  TSIG: 250,
  IXFR: 251,
  AXFR: 252,
  ANY: 255,
} as const;
export const Class = { IN: 1, ANY: 255 } as const;
export const Opcode = { Query: 0, Notify: 4, Update: 5 } as const;
export const Rcode = { NoError: 0, FormErr: 1, ServFail: 2, NxDomain: 3, NotImp: 4, Refused: 5, NotAuth: 9 } as const;
/** Bits of the second header word. */
export const Flag = { QR: 0x8000, AA: 0x0400, TC: 0x0200, RD: 0x0100, RA: 0x0080, AD: 0x0020, CD: 0x0010 } as const;

const rcodeNames = [
  'NOERROR',
  'FORMERR',
  'SERVFAIL',
  'NXDOMAIN',
  'NOTIMP',
  'REFUSED',
  'YXDOMAIN',
  'YXRRSET',
  'NXRRSET',
  'NOTAUTH',
  'NOTZONE',
];
export const rcodeName = (rcode: number): string => rcodeNames[rcode] ?? `RCODE${rcode}`;

export interface Question {
  readonly name: string;
  readonly type: number;
  readonly class: number;
}
export interface ReadRecord extends Question {
  readonly ttl: number;
  /** Where the owner name begins, and where the rdata stands, in the message. */
  readonly startsAt: number;
  readonly dataAt: number;
  readonly dataLength: number;
}
export interface Message {
  readonly id: number;
  readonly flags: number;
  readonly questions: readonly Question[];
  readonly answers: readonly ReadRecord[];
  readonly authority: readonly ReadRecord[];
  readonly additional: readonly ReadRecord[];
  /** A section ends before its count: what stands before that was read. */
  readonly broken: boolean;
  readonly bytes: Buffer;
}
export interface NewRecord {
  readonly name: string;
  readonly type: number;
  readonly class?: number;
  readonly ttl: number;
  readonly data: Buffer;
}
export interface NewMessage {
  readonly id: number;
  readonly flags: number;
  readonly question?: Question;
  readonly answers?: readonly NewRecord[];
  readonly authority?: readonly NewRecord[];
  readonly additional?: readonly NewRecord[];
}

export const opcodeOf = (flags: number): number => (flags >>> 11) & 15;

/** @returns undefined only where there is no whole header; all else is read as far as it goes */
export function readMessage(bytes: Buffer): Message | undefined {
  if (bytes.length < 12) return undefined;
  let at = 12;
  let broken = false;
  const questions: Question[] = [];
  for (let n = bytes.readUInt16BE(4); n > 0 && !broken; n--) {
    const owner = readName(bytes, at);
    if (owner === undefined || owner.end + 4 > bytes.length) broken = true;
    else {
      questions.push({
        name: owner.name,
        type: bytes.readUInt16BE(owner.end),
        class: bytes.readUInt16BE(owner.end + 2),
      });
      at = owner.end + 4;
    }
  }
  const section = (count: number): ReadRecord[] => {
    const records: ReadRecord[] = [];
    for (let n = count; n > 0 && !broken; n--) {
      const record = readRecord(bytes, at);
      if (record === undefined) broken = true;
      else {
        records.push(record);
        at = record.dataAt + record.dataLength;
      }
    }
    return records;
  };
  const answers = section(bytes.readUInt16BE(6));
  const authority = section(bytes.readUInt16BE(8));
  const additional = section(bytes.readUInt16BE(10));
  return {
    id: bytes.readUInt16BE(0),
    flags: bytes.readUInt16BE(2),
    questions,
    answers,
    authority,
    additional,
    broken,
    bytes,
  };
}

function readRecord(bytes: Buffer, at: number): ReadRecord | undefined {
  const owner = readName(bytes, at);
  if (owner === undefined || owner.end + 10 > bytes.length) return undefined;
  const dataLength = bytes.readUInt16BE(owner.end + 8);
  const dataAt = owner.end + 10;
  if (dataAt + dataLength > bytes.length) return undefined;
  return {
    name: owner.name,
    type: bytes.readUInt16BE(owner.end),
    class: bytes.readUInt16BE(owner.end + 2),
    ttl: bytes.readUInt32BE(owner.end + 4),
    startsAt: at,
    dataAt,
    dataLength,
  };
}

/** Serial of a SOA record (RFC 1035, 3.3.13), or undefined where it is cut. */
export function soaSerial(bytes: Buffer, record: ReadRecord): number | undefined {
  const mname = readName(bytes, record.dataAt);
  const rname = mname === undefined ? undefined : readName(bytes, mname.end);
  return rname === undefined || rname.end + 20 > record.dataAt + record.dataLength
    ? undefined
    : bytes.readUInt32BE(rname.end);
}

/** @throws RangeError where a name given is none: a mistake of ours, names are checked where they enter */
export function wireName(name: string): Buffer {
  const wire = nameToWire(name);
  if (wire === undefined) throw new RangeError(`not a domain name: ${name}`);
  return wire;
}

/** Octets of one record in wire form. */
export function recordBytes(record: NewRecord): Buffer {
  const name = wireName(record.name);
  const head = Buffer.alloc(10);
  head.writeUInt16BE(record.type, 0);
  head.writeUInt16BE(record.class ?? Class.IN, 2);
  head.writeUInt32BE(record.ttl >>> 0, 4);
  head.writeUInt16BE(record.data.length, 8);
  return Buffer.concat([name, head, record.data]);
}

export function writeMessage(message: NewMessage): Buffer {
  const header = Buffer.alloc(12);
  header.writeUInt16BE(message.id, 0);
  header.writeUInt16BE(message.flags, 2);
  header.writeUInt16BE(message.question === undefined ? 0 : 1, 4);
  const parts: Buffer[] = [header];
  if (message.question !== undefined) {
    const tail = Buffer.alloc(4);
    tail.writeUInt16BE(message.question.type, 0);
    tail.writeUInt16BE(message.question.class, 2);
    parts.push(wireName(message.question.name), tail);
  }
  const sections = [message.answers ?? [], message.authority ?? [], message.additional ?? []];
  for (const [i, records] of sections.entries()) {
    header.writeUInt16BE(records.length, 6 + 2 * i);
    for (const record of records) parts.push(recordBytes(record));
  }
  return Buffer.concat(parts);
}

/** The OPT pseudo-record (RFC 6891, 6.1.2): `size` octets of UDP that the sender takes. */
export function optRecord(size: number, dnssecOk = false, extendedRcode = 0): NewRecord {
  const ttl = ((extendedRcode & 0xff) << 24) | (dnssecOk ? 0x8000 : 0);
  return { name: '.', type: Type.OPT, class: size, ttl, data: Buffer.alloc(0) };
}
