// One DNS message into rows of a DnsBatch. RFC 1035 4.1 (layout), 4.1.4 (compression), RFC 6891 (EDNS), RFC 9267 (what goes
// wrong). Sections are read as far as they are sound; a broken record ends the reading and keeps what came before.
import { ANSWER_ADDRESSES_MAX, BATCH_ROWS, DnsBatch } from '#events';
import { LOWER } from '#lib/wirename';

/** RFC 1035 2.3.4, root and length octets included. */
export const NAME_BYTES_MAX = 255;
/** A resolver asks one question; mDNS asks some. More is an attempt to make one packet cost a thousand. */
export const QUESTIONS_MAX = 64;
/** A name of 255 octets has at most 127 labels, and each hop of a chain of pointers may lead to a label. */
const HOPS_MAX = 127;

export const Fault = {
  None: 0,
  Pointer: 1,
  LabelType: 2,
  NameLong: 3,
  NameCut: 4,
  Short: 5,
  QuestionCut: 6,
  Questions: 7,
  RecordCut: 8,
  TxtLength: 9,
  OptTwice: 10,
} as const;
/** Codes by number, for the caller to report. */
export const faultCodes = [
  '',
  'DNS_POINTER',
  'DNS_LABEL_TYPE',
  'DNS_NAME_LONG',
  'DNS_NAME_CUT',
  'DNS_SHORT',
  'DNS_QUESTION_CUT',
  'DNS_QUESTIONS',
  'DNS_RECORD_CUT',
  'DNS_TXT_LENGTH',
  'DNS_OPT_TWICE',
] as const;

/** Hash of the root's one octet, before mixing. */
const ROOT_HASH = Math.imul(0x811c9dc5, 0x01000193);

/** Record types whose rdata is an address, a delegation or a signature: data a client would ask for anyway. */
const ordinary = new Uint8Array(256);
for (const type of [1, 2, 6, 12, 28, 41, 43, 46, 47, 48, 50, 51, 64, 65, 250]) ordinary[type] = 1;

export class MessageReader {
  readonly batch = new DnsBatch();
  /** Octets of `batch.bytes` in use. */
  #namesEnd = 0;
  /** Words of `batch.answerAddresses` in use. */
  #addressesEnd = 0;
  /** Where the last name read ended in the message (after its pointer, where it had one). */
  #next = 0;
  #labels = 0;
  #hash = 0;
  #fault = 0;
  /** Offset of the last fault from the start of the message. */
  faultOffset = 0;

  clear(): void {
    this.batch.count = 0;
    this.#namesEnd = 0;
    this.#addressesEnd = 0;
  }

  /** Adds the row of something on a DNS port that is no DNS message (`Foreign`). */
  foreign(kind: number, length: number): void {
    const batch = this.batch;
    const row = batch.count;
    batch.bytes[this.#namesEnd] = 0;
    this.#hash = ROOT_HASH;
    this.#labels = 0;
    this.#row(row, this.#namesEnd, 1, length);
    batch.qtype[row] = 0;
    batch.qclass[row] = 0;
    batch.id[row] = 0;
    batch.flags[row] = 0;
    batch.isResponse[row] = 0;
    batch.opcode[row] = 0;
    batch.rcode[row] = -1;
    batch.foreign[row] = kind;
    batch.wireOffset[row] = 0;
    batch.wireBytes[row] = 0;
  }

  /** The columns that hold a name, and those that only records fill. */
  #row(row: number, nameAt: number, nameBytes: number, length: number): void {
    const batch = this.batch;
    let h = this.#hash;
    h = Math.imul(h ^ (h >>> 16), 0x7feb352d);
    batch.nameHash[row] = (h ^ (h >>> 15)) >>> 0 || 1;
    batch.nameOffset[row] = nameAt;
    batch.nameBytes[row] = nameBytes;
    batch.labelCount[row] = this.#labels;
    batch.messageBytes[row] = length;
    batch.dnssecOk[row] = 0;
    batch.answerCount[row] = 0;
    batch.answerDataBytes[row] = 0;
    batch.answerType[row] = 0;
    batch.answerTtlSeconds[row] = -1;
    batch.answerAddressOffset[row] = this.#addressesEnd;
    batch.answerAddressCount[row] = 0;
    this.#namesEnd = nameAt + nameBytes;
    batch.count = row + 1;
  }

  /** Whether a message of any number of questions still fits. */
  get hasRoom(): boolean {
    return this.batch.count <= BATCH_ROWS - QUESTIONS_MAX;
  }

  /**
   * Reads the message at [start, start + length). Rows added have the message's own columns; the caller sets the rest
   * (time, place, addresses, ports, transport).
   * @returns a number of `faultCodes`, 0 where nothing is wrong
   */
  read(bytes: Uint8Array, start: number, length: number): number {
    if (length < 12) {
      this.faultOffset = 0;
      return Fault.Short;
    }
    const batch = this.batch;
    batch.wire = bytes;
    const end = start + length;
    const flags = (bytes[start + 2]! << 8) | bytes[start + 3]!;
    const questions = (bytes[start + 4]! << 8) | bytes[start + 5]!;
    const firstRow = batch.count;
    let at = start + 12;
    let fault = 0;
    const rows = Math.max(1, Math.min(questions, QUESTIONS_MAX));
    for (let i = 0; i < rows; i++) {
      const row = batch.count;
      const nameAt = this.#namesEnd;
      let nameBytes = 1;
      let qtype = 0;
      let qclass = 0;
      if (questions === 0) {
        batch.bytes[nameAt] = 0;
        this.#labels = 0;
        this.#hash = ROOT_HASH;
      } else {
        nameBytes = this.#copyName(bytes, start, at, end, nameAt);
        if (nameBytes === 0) {
          fault = this.#fault;
          break;
        }
        at = this.#next;
        if (at + 4 > end) {
          fault = Fault.QuestionCut;
          this.faultOffset = at - start;
          break;
        }
        qtype = (bytes[at]! << 8) | bytes[at + 1]!;
        qclass = (bytes[at + 2]! << 8) | bytes[at + 3]!;
        at += 4;
      }
      this.#row(row, nameAt, nameBytes, length);
      batch.qtype[row] = qtype;
      batch.qclass[row] = qclass;
      batch.id[row] = (bytes[start]! << 8) | bytes[start + 1]!;
      batch.flags[row] = flags;
      batch.isResponse[row] = flags >>> 15;
      batch.opcode[row] = (flags >>> 11) & 15;
      batch.rcode[row] = flags >>> 15 === 1 ? flags & 15 : -1;
      batch.foreign[row] = 0;
      batch.wireOffset[row] = start;
      batch.wireBytes[row] = length;
    }
    if (fault === 0 && questions > QUESTIONS_MAX) {
      fault = Fault.Questions;
      this.faultOffset = 4;
    }
    if (fault !== 0 || batch.count === firstRow) return fault;
    return this.#records(bytes, start, at, end, firstRow, flags);
  }

  /** Answer, authority and additional sections; down data is accounted to the message's first row. */
  #records(bytes: Uint8Array, start: number, from: number, end: number, row: number, flags: number): number {
    const answers = (bytes[start + 6]! << 8) | bytes[start + 7]!;
    const total =
      answers + ((bytes[start + 8]! << 8) | bytes[start + 9]!) + ((bytes[start + 10]! << 8) | bytes[start + 11]!);
    if (total === 0) return 0;
    const batch = this.batch;
    const qtype = batch.qtype[row]!;
    let at = from;
    let fault = 0;
    let dataBytes = 0;
    let answerType = 0;
    let answersRead = 0;
    let options = 0;
    let ttlSeconds = -1;
    let addresses = 0;
    const addressesAt = this.#addressesEnd;
    for (let i = 0; i < total; i++) {
      // A record has at least 11 octets, so the message's length bounds this loop whatever the counts claim.
      if (this.#nameBytes(bytes, start, at, end) === 0) {
        fault = this.#fault;
        break;
      }
      at = this.#next;
      if (at + 10 > end) {
        fault = Fault.RecordCut;
        this.faultOffset = at - start;
        break;
      }
      const type = (bytes[at]! << 8) | bytes[at + 1]!;
      const rdata = at + 10;
      const rdataBytes = (bytes[at + 8]! << 8) | bytes[at + 9]!;
      if (rdata + rdataBytes > end) {
        fault = Fault.RecordCut;
        this.faultOffset = at + 8 - start;
        break;
      }
      if (i < answers) {
        answersRead += 1;
        if (answerType === 0 && (type !== 5 || qtype === 5)) answerType = type;
        // RFC 2181 8: a TTL with its top bit set counts as zero.
        const ttl = Math.max(
          0,
          (bytes[at + 4]! << 24) | (bytes[at + 5]! << 16) | (bytes[at + 6]! << 8) | bytes[at + 7]!,
        );
        if (ttlSeconds < 0 || ttl < ttlSeconds) ttlSeconds = ttl;
        if (
          (type === 1 || type === 28) &&
          addresses < ANSWER_ADDRESSES_MAX &&
          this.#address(bytes, rdata, rdataBytes, type)
        )
          addresses += 1;
        if (type > 255 || ordinary[type] === 0) {
          const got = this.#carried(bytes, start, rdata, rdataBytes, type);
          if (got >= 0) dataBytes += got;
          else fault = this.#fault;
        }
      } else if (type === 41) {
        options += 1;
        if ((bytes[at + 6]! & 0x80) !== 0) for (let r = row; r < batch.count; r++) batch.dnssecOk[r] = 1;
        // RFC 6891 6.1.3: the upper eight bits of the twelve-bit rcode are the first octet of the TTL.
        if (options === 1 && flags >>> 15 === 1) {
          const full = (bytes[at + 4]! << 4) | (flags & 15);
          for (let r = row; r < batch.count; r++) batch.rcode[r] = full;
        } else if (options === 2) {
          fault = Fault.OptTwice;
          this.faultOffset = at - start;
        }
      }
      at = rdata + rdataBytes;
    }
    for (let r = row; r < batch.count; r++) {
      batch.answerCount[r] = answersRead;
      batch.answerType[r] = answerType;
      batch.answerTtlSeconds[r] = ttlSeconds;
      batch.answerAddressOffset[r] = addressesAt;
      batch.answerAddressCount[r] = addresses;
    }
    batch.answerDataBytes[row] = dataBytes;
    return fault;
  }

  /** Appends the address of an A or AAAA record. @returns false where its length is wrong */
  #address(bytes: Uint8Array, rdata: number, rdataBytes: number, type: number): boolean {
    if (rdataBytes !== (type === 1 ? 4 : 16)) return false;
    const out = this.batch.answerAddresses;
    const at = this.#addressesEnd;
    let from = rdata;
    if (type === 1) {
      out[at] = 0;
      out[at + 1] = 0;
      out[at + 2] = 0xffff;
    }
    for (let k = type === 1 ? 3 : 0; k < 4; k++, from += 4)
      out[at + k] = (bytes[from]! << 24) | (bytes[from + 1]! << 16) | (bytes[from + 2]! << 8) | bytes[from + 3]!;
    this.#addressesEnd = at + 4;
    return true;
  }

  /** Octets in rdata that a sender may choose; -1 with a fault where a TXT string leaves its record. */
  #carried(bytes: Uint8Array, start: number, rdata: number, rdataBytes: number, type: number): number {
    const end = rdata + rdataBytes;
    if (type === 16) {
      let sum = 0;
      for (let at = rdata; at < end; ) {
        const length = bytes[at]!;
        if (at + 1 + length > end) {
          this.#fault = Fault.TxtLength;
          this.faultOffset = at - start;
          return -1;
        }
        sum += length;
        at += 1 + length;
      }
      return sum;
    }
    const skip = type === 5 ? 0 : type === 15 ? 2 : type === 33 ? 6 : -1;
    if (skip < 0) return rdataBytes;
    if (rdataBytes <= skip) return 0;
    const name = this.#nameBytes(bytes, start, rdata + skip, end);
    return name === 0 ? -1 : name;
  }

  /** Copies the name at `from` uncompressed into the batch's bytes at `to`. @returns its octets; 0 with `#fault` set */
  #copyName(bytes: Uint8Array, start: number, from: number, end: number, to: number): number {
    const out = this.batch.bytes;
    let at = from;
    let write = to;
    let hops = 0;
    let labels = 0;
    let hash = 0x811c9dc5;
    let lowest = from;
    this.#next = 0;
    for (;;) {
      if (at >= end) return this.#bad(Fault.NameCut, at - start);
      const length = bytes[at]!;
      if (length === 0) {
        if (this.#next === 0) this.#next = at + 1;
        out[write] = 0;
        this.#hash = Math.imul(hash, 0x01000193);
        this.#labels = labels;
        return write + 1 - to;
      }
      if (length < 64) {
        const stop = at + 1 + length;
        if (stop > end) return this.#bad(Fault.NameCut, at - start);
        if (write + length + 2 - to > NAME_BYTES_MAX) return this.#bad(Fault.NameLong, at - start);
        for (let i = at; i < stop; i++) {
          const c = bytes[i]!;
          out[write++] = c;
          hash = Math.imul(hash ^ LOWER[c]!, 0x01000193);
        }
        labels += 1;
        at = stop;
        continue;
      }
      if (length < 192) return this.#bad(Fault.LabelType, at - start);
      if (at + 1 >= end) return this.#bad(Fault.NameCut, at - start);
      if (this.#next === 0) this.#next = at + 2;
      const target = start + (((length & 63) << 8) | bytes[at + 1]!);
      // Strictly before the place where this run of labels began: loops, also through labels, can't come about.
      if (target >= lowest || ++hops > HOPS_MAX) return this.#bad(Fault.Pointer, at - start);
      lowest = target;
      at = target;
    }
  }

  /** As copyName, but only counts. */
  #nameBytes(bytes: Uint8Array, start: number, from: number, end: number): number {
    let at = from;
    let sum = 1;
    let hops = 0;
    let lowest = from;
    this.#next = 0;
    for (;;) {
      if (at >= end) return this.#bad(Fault.NameCut, at - start);
      const length = bytes[at]!;
      if (length === 0) {
        if (this.#next === 0) this.#next = at + 1;
        return sum;
      }
      if (length < 64) {
        sum += length + 1;
        if (sum > NAME_BYTES_MAX) return this.#bad(Fault.NameLong, at - start);
        at += length + 1;
        continue;
      }
      if (length < 192) return this.#bad(Fault.LabelType, at - start);
      if (at + 1 >= end) return this.#bad(Fault.NameCut, at - start);
      if (this.#next === 0) this.#next = at + 2;
      const target = start + (((length & 63) << 8) | bytes[at + 1]!);
      if (target >= lowest || ++hops > HOPS_MAX) return this.#bad(Fault.Pointer, at - start);
      lowest = target;
      at = target;
    }
  }

  #bad(fault: number, offset: number): number {
    this.#fault = fault;
    this.faultOffset = offset;
    return 0;
  }
}

/**
 * Whether the bytes look like a DNS message though no port says so: one question with a sound name, class IN (or mDNS's),
 * no reserved bits, and counts that agree with the length. Cheap for everything else: most packets fail at two octets.
 */
export function looksLikeDns(bytes: Uint8Array, start: number, length: number): boolean {
  if (length < 17 || bytes[start + 4] !== 0 || bytes[start + 5] !== 1) return false;
  const flags = (bytes[start + 2]! << 8) | bytes[start + 3]!;
  // Opcode QUERY, Z zero; RFC 1035 4.1.1.
  if ((flags & 0x7840) !== 0) return false;
  const answers = (bytes[start + 6]! << 8) | bytes[start + 7]!;
  const others = bytes[start + 8]! | bytes[start + 10]!;
  if (answers > 255 || others !== 0 || bytes[start + 9]! > 63 || bytes[start + 11]! > 63) return false;
  if (flags >>> 15 === 0 && (answers !== 0 || (flags & 0x068f) !== 0)) return false;
  const end = start + length;
  let at = start + 12;
  for (let labels = 0; ; labels++) {
    if (at >= end) return false;
    const label = bytes[at]!;
    if (label === 0) break;
    if (label > 63 || labels > 127) return false;
    at += label + 1;
  }
  if (at - start - 12 > 254 || at + 5 > end) return false;
  const qclass = ((bytes[at + 3]! & 0x7f) << 8) | bytes[at + 4]!;
  if (qclass !== 1 && qclass !== 3 && qclass !== 255) return false;
  const records = answers + bytes[start + 9]! + bytes[start + 11]!;
  return records === 0 ? at + 5 === end : at + 5 + 11 * records <= end;
}
