// RRSIG over a set of records (RFC 4035 5.3): which keys may be tried, what bytes were signed, and when.
import type { SignatureCheck } from './algorithms.ts';
import type { Spent } from './limits.ts';
import { CLASS_IN, type Rrset } from './message.ts';
import { ancestorOf, isWildcard, isWithin, labelCount, type Name, nameOf, wildcardAt, wireOf } from './names.ts';
import { compareRdata, copyName } from './rdata.ts';
import type { ReasonCode } from './result.ts';

/** DNSKEY flag bits (RFC 4034 2.1.1, RFC 5011 2.1). */
const ZONE_KEY = 0x0100;
const REVOKED = 0x0080;

export interface Key {
  readonly rdata: Uint8Array;
  readonly algorithm: number;
  readonly tag: number;
  readonly check: SignatureCheck | undefined;
}

/** RFC 4034 appendix B; algorithm 1 (B.1) is not validated, so its tags don't matter. */
export function keyTag(rdata: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < rdata.length; i++) sum += (i & 1) === 0 ? rdata[i]! << 8 : rdata[i]!;
  return (sum + (sum >>> 16)) & 0xffff;
}

/** Zone keys of a DNSKEY set (protocol 3, zone bit, not revoked). The reader of a key runs when a signature first asks for it. */
export function keysOf(set: Rrset, spent: Spent): Key[] {
  const keys: Key[] = [];
  for (const rdata of set.rdatas) {
    if (rdata.length < 5 || rdata[2] !== 3) continue;
    const flags = (rdata[0]! << 8) | rdata[1]!;
    if ((flags & ZONE_KEY) === 0 || (flags & REVOKED) !== 0) continue;
    const algorithm = rdata[3]!;
    const reader = spent.limits.algorithms.get(algorithm);
    let check: SignatureCheck | undefined;
    let isRead = false;
    keys.push({
      rdata,
      algorithm,
      tag: keyTag(rdata),
      get check() {
        if (!isRead) check = reader?.(rdata.subarray(4));
        isRead = true;
        return check;
      },
    });
  }
  return keys;
}

export interface Signature {
  readonly algorithm: number;
  readonly labels: number;
  readonly expiration: number;
  readonly inception: number;
  readonly tag: number;
  readonly signer: Name;
  /** RRSIG data up to the signature, names lower-cased: what is signed first. */
  readonly head: Uint8Array;
  readonly value: Uint8Array;
  readonly originalTtl: Uint8Array;
}

export function readSignature(rdata: Uint8Array): Signature | undefined {
  const scratch = new Uint8Array(256);
  const name = copyName(rdata, 18, scratch, 0, true);
  if (name === undefined || name.next >= rdata.length) return undefined;
  const view = new DataView(rdata.buffer, rdata.byteOffset, rdata.length);
  return {
    algorithm: rdata[2]!,
    labels: rdata[3]!,
    originalTtl: rdata.subarray(4, 8),
    expiration: view.getUint32(8),
    inception: view.getUint32(12),
    tag: view.getUint16(16),
    signer: nameOf(scratch.subarray(0, name.length)),
    head: rdata.subarray(0, name.next),
    value: rdata.subarray(name.next),
  };
}

/** Signers of a set, each once, deepest first. */
export function signersOf(set: Rrset): Name[] {
  const signers = new Set<Name>();
  for (const s of set.signatures) {
    const signature = readSignature(s);
    if (signature !== undefined && isWithin(set.owner, signature.signer)) signers.add(signature.signer);
    if (signers.size >= 4) break;
  }
  return [...signers].sort((a, b) => b.length - a.length);
}

export interface Verified {
  readonly isGood: boolean;
  readonly code: ReasonCode;
  /** Where the records came from a wildcard: the name it stands below (RFC 4035 5.3.4). */
  readonly wildcardParent: Name | undefined;
}

const bad = (code: ReasonCode): Verified => ({ isGood: false, code, wildcardParent: undefined });

/** The most telling of several failures is kept: a wrong signature says more than one that is not even tried. */
const weight: Partial<Record<ReasonCode, number>> = {
  SIGNATURE_MISSING: 0,
  SIGNATURE_SIGNER: 1,
  SIGNATURE_KEY: 2,
  SIGNATURE_LABELS: 3,
  SIGNATURE_EARLY: 4,
  SIGNATURE_EXPIRED: 5,
  SIGNATURE_WRONG: 6,
};

/** Difference in the serial arithmetic of RFC 1982, which RFC 4034 3.1.5 asks for. */
export function serialAfter(a: number, b: number): boolean {
  return ((a - b) | 0) > 0;
}

/**
 * Whether one of the set's signatures by `zone` verifies with one of its keys.
 * Colliding key tags are tried one by one (RFC 4034 5.3.1 note), as far as the budget goes.
 */
export function verifySet(set: Rrset, zone: Name, keys: readonly Key[], nowSeconds: number, spent: Spent): Verified {
  const now = nowSeconds >>> 0;
  let failure: ReasonCode = 'SIGNATURE_MISSING';
  const note = (code: ReasonCode): void => {
    if (weight[code]! > weight[failure]!) failure = code;
  };
  let tries = 0;
  // A set may hold any number of signatures; twice the checks are looked at.
  for (const rdata of set.signatures.slice(0, 4 * spent.limits.checksPerSet)) {
    const s = readSignature(rdata);
    if (s === undefined || s.signer !== zone || !isWithin(set.owner, zone)) {
      note('SIGNATURE_SIGNER');
      continue;
    }
    const labels = labelCount(set.owner) - (isWildcard(set.owner) ? 1 : 0);
    if (s.labels > labels || s.labels < labelCount(zone)) {
      note('SIGNATURE_LABELS');
      continue;
    }
    if (serialAfter(s.inception, now) || serialAfter(s.inception, s.expiration)) {
      note('SIGNATURE_EARLY');
      continue;
    }
    if (serialAfter(now, s.expiration)) {
      note('SIGNATURE_EXPIRED');
      continue;
    }
    let data: Uint8Array | undefined;
    for (const key of keys) {
      if (key.tag !== s.tag || key.algorithm !== s.algorithm) continue;
      if (tries >= spent.limits.checksPerSet || !spent.check()) return bad('BUDGET_CHECKS');
      tries += 1;
      data ??= signedData(set, s);
      if (data !== undefined && holds(key, data, s.value)) {
        const isExpanded = s.labels < labels;
        return {
          isGood: true,
          code: 'VALID',
          wildcardParent: isExpanded ? ancestorOf(set.owner, s.labels) : undefined,
        };
      }
      note('SIGNATURE_WRONG');
    }
    note('SIGNATURE_KEY');
  }
  return bad(failure);
}

/** The library refuses some keys and signatures by throwing (a digest longer than the modulus): those don't hold. */
function holds(key: Key, data: Uint8Array, value: Uint8Array): boolean {
  try {
    return key.check?.(data, value) === true;
  } catch {
    return false;
  }
}

/** RFC 4034 3.1.8.1: RRSIG data without the signature, then each record, canonical, in order, each once (6.3). */
function signedData(set: Rrset, s: Signature): Uint8Array | undefined {
  const labels = labelCount(set.owner) - (isWildcard(set.owner) ? 1 : 0);
  const owner = s.labels < labels ? wildcardAt(ancestorOf(set.owner, s.labels)) : set.owner;
  if (owner === undefined) return undefined;
  const name = wireOf(owner);
  const fixed = Buffer.alloc(8);
  fixed.writeUInt16BE(set.type, 0);
  fixed.writeUInt16BE(CLASS_IN, 2);
  fixed.set(s.originalTtl, 4);
  const parts: Uint8Array[] = [s.head];
  const sorted = [...set.rdatas].sort(compareRdata);
  for (let i = 0; i < sorted.length; i++) {
    const rdata = sorted[i]!;
    if (i > 0 && compareRdata(sorted[i - 1]!, rdata) === 0) continue;
    parts.push(name, fixed, Uint8Array.of(rdata.length >> 8, rdata.length & 255), rdata);
  }
  return Buffer.concat(parts);
}
