// Denial by NSEC (RFC 4035 5.4, RFC 6840 4.1 to 4.4). All records given here are verified and none came from a wildcard.
import type { Rrset } from './message.ts';
import {
  ancestorOf,
  commonAncestor,
  compareNames,
  isBelow,
  isWithin,
  labelCount,
  type Name,
  nameOf,
  wildcardAt,
} from './names.ts';
import { copyName } from './rdata.ts';
import { Type } from './types.ts';

export interface Nsec {
  readonly owner: Name;
  readonly next: Name;
  readonly types: Uint8Array;
}

export function readNsec(owner: Name, rdata: Uint8Array): Nsec | undefined {
  const scratch = new Uint8Array(256);
  const next = copyName(rdata, 0, scratch, 0, true);
  if (next === undefined) return undefined;
  return { owner, next: nameOf(scratch.subarray(0, next.length)), types: rdata.subarray(next.next) };
}

/** Records of a set; one whose next name leaves the zone, or goes back to anything but its apex, proves nothing (RFC 4034 4.1.1). */
export function nsecsOf(set: Rrset, zone: Name): Nsec[] {
  return set.rdatas
    .map((r) => readNsec(set.owner, r))
    .filter((n) => n !== undefined)
    .filter((n) => isWithin(n.next, zone) && (n.next === zone || compareNames(n.next, n.owner) > 0));
}

/** Type bit maps: window, length, octets (RFC 4034 4.1.2). */
export function hasType(types: Uint8Array, type: number): boolean {
  for (let at = 0; at + 2 <= types.length; ) {
    const length = types[at + 1]!;
    if (types[at] === type >> 8) {
      const octet = (type & 255) >> 3;
      return octet < length && ((types[at + 2 + octet] ?? 0) & (0x80 >> (type & 7))) !== 0;
    }
    at += 2 + length;
  }
  return false;
}

/** Whether anything but signatures and denial is listed. */
function hasOther(types: Uint8Array): boolean {
  for (let at = 0; at + 2 <= types.length; at += 2 + types[at + 1]!)
    for (let bit = 0; bit < 8 * types[at + 1]!; bit++) {
      const type = (types[at]! << 8) | bit;
      const isSet = ((types[at + 2 + (bit >> 3)] ?? 0) & (0x80 >> (bit & 7))) !== 0;
      if (isSet && type !== Type.RRSIG && type !== Type.NSEC) return true;
    }
  return false;
}

/** A record from above a zone cut, which tells nothing of names below it (RFC 6840 4.1). */
export function isDelegation(types: Uint8Array): boolean {
  return hasType(types, Type.NS) && !hasType(types, Type.SOA);
}

/** Whether the types listed at a name deny `type` there: neither it, nor an alias, nor listed by the wrong side of a cut. */
export function deniesType(types: Uint8Array, type: number, isRoot: boolean): boolean {
  if (type === Type.ANY) return !hasOther(types);
  if (hasType(types, type) || hasType(types, Type.CNAME)) return false;
  // The parent speaks of DS, and of nothing else; the root has no parent.
  if (type === Type.DS) return isRoot || !hasType(types, Type.SOA);
  return !isDelegation(types);
}

/** Whether the record proves that nothing stands at `name`, nor below it. */
export function covers(n: Nsec, name: Name): boolean {
  if (compareNames(n.owner, name) >= 0) return false;
  // The last record of a zone points back to the apex.
  const isLast = compareNames(n.next, n.owner) <= 0;
  if (isLast ? !isWithin(name, n.next) : compareNames(name, n.next) >= 0) return false;
  if (isBelow(n.next, name)) return false;
  return !(isBelow(name, n.owner) && (isDelegation(n.types) || hasType(n.types, Type.DNAME)));
}

/** The deepest name above `name` that the record proves to exist. */
function encloserBy(n: Nsec, name: Name): Name {
  const a = commonAncestor(n.owner, name);
  const b = commonAncestor(n.next, name);
  return a.length > b.length ? a : b;
}

/** The rightmost labels of `name` with one more than `encloser` has. */
export function nextCloser(name: Name, encloser: Name): Name {
  return ancestorOf(name, labelCount(encloser) + 1);
}

export function nsecNameError(list: readonly Nsec[], name: Name): boolean {
  return list.some((n) => {
    if (!covers(n, name)) return false;
    const wildcard = wildcardAt(encloserBy(n, name));
    return wildcard === undefined || list.some((w) => covers(w, wildcard));
  });
}

/** An empty non-terminal: nothing at `name`, something below it. */
function isEmptyNonTerminal(n: Nsec, name: Name): boolean {
  return (
    compareNames(n.owner, name) < 0 &&
    isBelow(n.next, name) &&
    !(isBelow(name, n.owner) && (isDelegation(n.types) || hasType(n.types, Type.DNAME)))
  );
}

export function nsecNoData(list: readonly Nsec[], name: Name, type: number): boolean {
  const isRoot = name.length === 1;
  if (list.some((n) => n.owner === name && deniesType(n.types, type, isRoot))) return true;
  if (list.some((n) => n.owner === name)) return false;
  if (list.some((n) => isEmptyNonTerminal(n, name))) return true;
  return list.some((n) => {
    if (!covers(n, name)) return false;
    const wildcard = wildcardAt(encloserBy(n, name));
    return list.some((w) => w.owner === wildcard && deniesType(w.types, type, false));
  });
}

/** Whether a record from the wildcard below `encloser` may stand at `name` (RFC 4035 5.3.4). */
export function nsecWildcard(list: readonly Nsec[], name: Name, encloser: Name): boolean {
  const closer = nextCloser(name, encloser);
  return list.some((n) => covers(n, closer));
}

/** What the records say of a cut at `name`: unsigned delegation, none, or nothing. */
export function nsecNoDs(list: readonly Nsec[], name: Name): 'unsigned' | 'none' | undefined {
  const exact = list.find((n) => n.owner === name);
  if (exact !== undefined) {
    if (hasType(exact.types, Type.DS) || hasType(exact.types, Type.SOA)) return undefined;
    return hasType(exact.types, Type.NS) ? 'unsigned' : 'none';
  }
  return list.some((n) => covers(n, name) || isEmptyNonTerminal(n, name)) ? 'none' : undefined;
}
