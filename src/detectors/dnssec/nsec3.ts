// Denial by NSEC3 (RFC 5155 8): closest encloser, next closer, opt-out. All records given here are verified.
import { hash } from 'node:crypto';
import type { Spent } from './limits.ts';
import { labelsOf, type Name, parentOf, wildcardAt, wireOf } from './names.ts';
import { deniesType, hasType, isDelegation } from './nsec.ts';
import { Type } from './types.ts';

export interface Nsec3 {
  readonly zone: Name;
  /** Hashes of 20 octets as latin1 text, whose order is that of the octets. */
  readonly ownerHash: string;
  readonly nextHash: string;
  readonly isOptOut: boolean;
  readonly iterations: number;
  readonly salt: Uint8Array;
  readonly types: Uint8Array;
}

/** @returns undefined for a hash or flag that is not known (RFC 5155 8.1, 8.2) or data that don't fit */
export function readNsec3(owner: Name, rdata: Uint8Array): Nsec3 | undefined {
  if (rdata.length < 5 || rdata[0] !== 1 || rdata[1]! > 1) return undefined;
  const saltBytes = rdata[4]!;
  const hashBytes = rdata[5 + saltBytes];
  const typesAt = 6 + saltBytes + 20;
  if (hashBytes !== 20 || rdata.length < typesAt) return undefined;
  const ownerHash = base32hex(labelsOf(owner)[0] ?? '');
  if (ownerHash?.length !== 20) return undefined;
  return {
    zone: parentOf(owner),
    ownerHash,
    nextHash: Buffer.from(rdata.subarray(typesAt - 20, typesAt)).toString('latin1'),
    isOptOut: rdata[1] === 1,
    iterations: (rdata[2]! << 8) | rdata[3]!,
    salt: rdata.subarray(5, 5 + saltBytes),
    types: rdata.subarray(typesAt),
  };
}

/** RFC 4648 7, lower-cased, unpadded. */
function base32hex(text: string): string | undefined {
  let out = '';
  let bits = 0;
  let value = 0;
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    const digit = c >= 0x30 && c <= 0x39 ? c - 0x30 : c >= 0x61 && c <= 0x76 ? c - 0x57 : -1;
    if (digit < 0) return undefined;
    value = ((value << 5) | digit) & 0xfff;
    bits += 5;
    if (bits >= 8) {
      bits -= 8;
      out += String.fromCharCode((value >>> bits) & 255);
    }
  }
  return out;
}

/** IH(salt, x, k) of RFC 5155 5. */
export function hashName(name: Name, salt: Uint8Array, iterations: number): string {
  let digest = hash('sha1', Buffer.concat([wireOf(name), salt]), 'buffer');
  const next = Buffer.concat([digest, salt]);
  for (let i = 0; i < iterations; i++) {
    digest = hash('sha1', next, 'buffer');
    next.set(digest);
  }
  return digest.toString('latin1');
}

export type Nsec3Answer = 'secure' | 'optout' | undefined;

interface Encloser {
  readonly name: Name;
  /** The record that covers the next closer name; undefined where none does. */
  readonly covering: Nsec3 | undefined;
}

/** The records of one zone with one set of parameters, with the hashes made for them. */
export class Nsec3Chain {
  readonly #list: readonly Nsec3[];
  readonly #zone: Name;
  readonly #spent: Spent;
  readonly #hashes = new Map<Name, string>();
  /** A hash was refused by the budget: what could not be proven may be provable. */
  isExhausted = false;
  /** Every record asks for more iterations than the limit. */
  readonly isTooDeep: boolean;

  constructor(list: readonly Nsec3[], zone: Name, spent: Spent) {
    const own = list.filter((n) => n.zone === zone);
    const usable = own.filter((n) => n.iterations <= spent.limits.iterationsMax);
    const first = usable[0];
    this.#list = usable.filter((n) => n.iterations === first!.iterations && Buffer.compare(n.salt, first!.salt) === 0);
    this.#zone = zone;
    this.#spent = spent;
    this.isTooDeep = own.length > 0 && usable.length === 0;
  }

  get isEmpty(): boolean {
    return this.#list.length === 0;
  }

  nameError(name: Name): Nsec3Answer {
    const encloser = this.#encloser(name);
    if (encloser?.covering === undefined) return undefined;
    const wildcard = wildcardAt(encloser.name);
    if (wildcard !== undefined && this.#covering(wildcard) === undefined) return undefined;
    return encloser.covering.isOptOut ? 'optout' : 'secure';
  }

  noData(name: Name, type: number): Nsec3Answer {
    const exact = this.#match(name);
    if (exact !== undefined) return deniesType(exact.types, type, name.length === 1) ? 'secure' : undefined;
    const encloser = this.#encloser(name);
    if (encloser === undefined) return undefined;
    const wildcard = wildcardAt(encloser.name);
    const atWildcard = wildcard === undefined ? undefined : this.#match(wildcard);
    if (encloser.covering === undefined) return undefined;
    if (atWildcard !== undefined) {
      if (!deniesType(atWildcard.types, type, false)) return undefined;
      return encloser.covering.isOptOut ? 'optout' : 'secure';
    }
    // RFC 5155 8.6 for DS; an empty non-terminal made by unsigned delegations alone has no record either (8.5 with 7.1).
    return encloser.covering.isOptOut ? 'optout' : undefined;
  }

  /** RFC 5155 8.8: the wildcard's parent exists by the signature; the next closer name must not. */
  wildcard(closer: Name): Nsec3Answer {
    const covering = this.#covering(closer);
    if (covering === undefined) return undefined;
    return covering.isOptOut ? 'optout' : 'secure';
  }

  noDs(name: Name): 'unsigned' | 'none' | 'optout' | undefined {
    const exact = this.#match(name);
    if (exact !== undefined) {
      if (hasType(exact.types, Type.DS) || hasType(exact.types, Type.SOA)) return undefined;
      return hasType(exact.types, Type.NS) ? 'unsigned' : 'none';
    }
    const covering = this.#encloser(name)?.covering;
    if (covering === undefined) return undefined;
    return covering.isOptOut ? 'optout' : 'none';
  }

  /** RFC 5155 8.3. The encloser may not be a delegation or DNAME: what lies below those is another's. */
  #encloser(name: Name): Encloser | undefined {
    let closer = name;
    while (closer.length > this.#zone.length) {
      const above = parentOf(closer);
      const match = this.#match(above);
      if (match !== undefined) {
        if (isDelegation(match.types) || hasType(match.types, Type.DNAME)) return undefined;
        return { name: above, covering: this.#covering(closer) };
      }
      closer = above;
    }
    return undefined;
  }

  #match(name: Name): Nsec3 | undefined {
    const digest = this.#hash(name);
    return digest === undefined ? undefined : this.#list.find((n) => n.ownerHash === digest);
  }

  #covering(name: Name): Nsec3 | undefined {
    const digest = this.#hash(name);
    if (digest === undefined) return undefined;
    return this.#list.find((n) =>
      n.ownerHash < n.nextHash
        ? n.ownerHash < digest && digest < n.nextHash
        : digest > n.ownerHash || digest < n.nextHash,
    );
  }

  #hash(name: Name): string | undefined {
    const known = this.#hashes.get(name);
    const first = this.#list[0];
    if (known !== undefined || first === undefined) return known;
    if (!this.#spent.hash()) {
      this.isExhausted = true;
      return undefined;
    }
    const digest = hashName(name, first.salt, first.iterations);
    this.#hashes.set(name, digest);
    return digest;
  }
}
