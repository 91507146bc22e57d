// A response as sets of records with their signatures. Reads what can be read: a record that can't be read ends the message
// there (the rest has no place) and marks it; one whose data do not fit its type is left out, and so is what is not of class IN.
import { type Name, nameOf } from './names.ts';
import { canonicalRdata, copyName } from './rdata.ts';
import { Type } from './types.ts';

/** Records read of one message; more than any answer has, and few enough to sort. */
export const RECORDS_MAX = 2048;

export const CLASS_IN = 1;

export interface Rrset {
  readonly owner: Name;
  readonly type: number;
  /** Canonical data, in order of arrival. */
  readonly rdatas: Uint8Array[];
  /** Data of the RRSIG records that cover it. */
  readonly signatures: Uint8Array[];
}

export interface Message {
  readonly id: number;
  readonly flags: number;
  /** (extended << 4) | header (RFC 6891 6.1.3). */
  readonly rcode: number;
  readonly question: { readonly name: Name; readonly type: number; readonly class: number } | undefined;
  readonly answer: readonly Rrset[];
  readonly authority: readonly Rrset[];
  readonly additional: readonly Rrset[];
  readonly hasDnssecOk: boolean;
  /** The message ends before its counts say. */
  readonly isDamaged: boolean;
}

export const Flag = { QR: 0x8000, AA: 0x0400, TC: 0x0200, AD: 0x0020, CD: 0x0010 } as const;

class Section {
  readonly sets: Rrset[] = [];
  readonly #index = new Map<string, Rrset>();

  add(owner: Name, type: number, rdata: Uint8Array): void {
    if (type === Type.RRSIG && rdata.length > 18) {
      const covered = (rdata[0]! << 8) | rdata[1]!;
      this.#set(owner, covered).signatures.push(rdata);
    } else this.#set(owner, type).rdatas.push(rdata);
  }

  get(like: Rrset): Rrset | undefined {
    return this.#index.get(`${like.type} ${like.owner}`);
  }

  #set(owner: Name, type: number): Rrset {
    const key = `${type} ${owner}`;
    let set = this.#index.get(key);
    if (set === undefined) {
      set = { owner, type, rdatas: [], signatures: [] };
      this.#index.set(key, set);
      this.sets.push(set);
    }
    return set;
  }
}

/** Some servers put signatures into another section than their records; what they prove does not hang on the section. */
function borrow(set: Rrset, sections: readonly Section[], own: number): void {
  sections.forEach((section, s) => {
    const other = s === own ? undefined : section.get(set);
    if (other !== undefined) set.signatures.push(...other.signatures);
  });
}

/** @returns undefined where there is no header or no whole question (RFC 1035 4.1) */
export function readMessage(bytes: Uint8Array): Message | undefined {
  if (bytes.length < 12) return undefined;
  const u16 = (at: number): number => (bytes[at]! << 8) | bytes[at + 1]!;
  const flags = u16(2);
  const scratch = new Uint8Array(256);
  let at = 12;
  let question: Message['question'];
  for (let q = u16(4); q > 0; q--) {
    const name = copyName(bytes, at, scratch, 0, true);
    if (name === undefined || name.next + 4 > bytes.length) return undefined;
    question ??= {
      name: nameOf(scratch.subarray(0, name.length)),
      type: u16(name.next),
      class: u16(name.next + 2),
    };
    at = name.next + 4;
  }
  const sections = [new Section(), new Section(), new Section()];
  let rcode = flags & 15;
  let hasDnssecOk = false;
  let isDamaged = false;
  let records = 0;
  read: for (let s = 0; s < 3; s++) {
    for (let left = u16(6 + 2 * s); left > 0; left--) {
      const owner = copyName(bytes, at, scratch, 0, true);
      if (owner === undefined || owner.next + 10 > bytes.length || ++records > RECORDS_MAX) {
        isDamaged = true;
        break read;
      }
      const type = u16(owner.next);
      const klass = u16(owner.next + 2);
      const length = u16(owner.next + 8);
      const dataAt = owner.next + 10;
      if (dataAt + length > bytes.length) {
        isDamaged = true;
        break read;
      }
      at = dataAt + length;
      if (type === Type.OPT) {
        rcode |= bytes[owner.next + 4]! << 4;
        hasDnssecOk = (bytes[owner.next + 6]! & 0x80) !== 0;
        continue;
      }
      if (klass !== CLASS_IN) continue;
      const rdata = canonicalRdata(bytes, dataAt, length, type);
      if (rdata !== undefined) sections[s]!.add(nameOf(scratch.subarray(0, owner.length)), type, rdata);
    }
  }
  sections.forEach((section, s) => {
    for (const set of section.sets) if (set.signatures.length === 0) borrow(set, sections, s);
  });
  return {
    id: u16(0),
    flags,
    rcode,
    question,
    answer: sections[0]!.sets,
    authority: sections[1]!.sets,
    additional: sections[2]!.sets,
    hasDnssecOk,
    isDamaged,
  };
}

/** The set of that owner and type with at least one record. */
export function findSet(sets: readonly Rrset[], owner: Name, type: number): Rrset | undefined {
  return sets.find((s) => s.owner === owner && s.type === type && s.rdatas.length > 0);
}
