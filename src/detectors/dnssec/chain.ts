// The chain of trust from an anchor to a zone (RFC 4035 5.2): at each label the delegation signer records or their denial, and
// at each cut the keys. A generator asks for the messages; what came is kept for the rest of the answer.

import { digestBytes, digestOf } from './algorithms.ts';
import { type Anchor, nearestAnchor } from './anchors.ts';
import { denialOf } from './denial.ts';
import type { Spent } from './limits.ts';
import { Flag, findSet, type Message, readMessage } from './message.ts';
import { ancestorOf, isBelow, labelCount, type Name, ROOT, wireOf } from './names.ts';
import { type Outcome, type ReasonCode, type Status, say as sayOf } from './result.ts';
import { type Key, keysOf, verifySet } from './signature.ts';
import { Type } from './types.ts';

/** A message the validation needs: the caller fetches it, or gives undefined where it is not to be had. */
export interface Need {
  /** Lower-cased wire form. */
  readonly name: Uint8Array;
  readonly type: typeof Type.DNSKEY | typeof Type.DS;
}

export type Steps<T> = Generator<Need, T, Uint8Array | undefined>;

/** A zone whose keys are known. */
export interface SecureZone {
  readonly status: 'secure';
  readonly zone: Name;
  readonly keys: readonly Key[];
}

function say(status: Status, code: ReasonCode, about: Name, zone: Name): Outcome {
  return { ...sayOf(status, code, about, zone), isInChain: true };
}

export class Chain {
  readonly #anchors: readonly Anchor[];
  readonly #nowSeconds: number;
  readonly #spent: Spent;
  readonly #links = new Map<Name, SecureZone | Outcome | 'none'>();

  constructor(anchors: readonly Anchor[], nowSeconds: number, spent: Spent) {
    this.#anchors = anchors;
    this.#nowSeconds = nowSeconds;
    this.#spent = spent;
  }

  anchorAbove(name: Name): Name | undefined {
    return nearestAnchor(this.#anchors, name)?.zone;
  }

  /** Whether the anchor nearest above `name` is a negative one (RFC 7646). */
  isExempt(name: Name): boolean {
    const anchor = nearestAnchor(this.#anchors, name);
    return anchor !== undefined && anchor.ds.length + anchor.keys.length === 0;
  }

  /** The deepest zone that holds `name`, or why none can be trusted. */
  *zoneOf(name: Name): Steps<SecureZone | Outcome> {
    const anchor = nearestAnchor(this.#anchors, name);
    if (anchor === undefined) return say('indeterminate', 'NO_ANCHOR', name, ROOT);
    let link = this.#links.get(anchor.zone);
    if (link === undefined) {
      link = yield* this.#establish(anchor.zone, anchor.ds, anchor.keys);
      this.#links.set(anchor.zone, link);
    }
    if (link === 'none' || !isZone(link)) return link as Outcome;
    let zone = link;
    for (let labels = labelCount(anchor.zone) + 1; labels <= labelCount(name); labels++) {
      const below = ancestorOf(name, labels);
      let next = this.#links.get(below);
      if (next === undefined) {
        next = yield* this.#step(zone, below);
        this.#links.set(below, next);
      }
      if (next === 'none') continue;
      if (!isZone(next)) return next;
      zone = next;
    }
    return zone;
  }

  /** What stands between `zone` and `name`, one label below what is known: a signed cut, an unsigned one, or none. */
  *#step(zone: SecureZone, name: Name): Steps<SecureZone | Outcome | 'none'> {
    const message = yield* this.#ask(name, Type.DS);
    if (message === undefined) return this.#unfetched('DS_MISSING', name, zone.zone);
    const ds = findSet(message.answer, name, Type.DS);
    if (ds !== undefined) {
      const verified = verifySet(ds, zone.zone, zone.keys, this.#nowSeconds, this.#spent);
      if (!verified.isGood) return say('bogus', verified.code, name, zone.zone);
      if (verified.wildcardParent !== undefined) return say('bogus', 'WILDCARD_DENIAL', name, zone.zone);
      return yield* this.#establish(name, ds.rdatas, []);
    }
    // An alias at the name, or above it, stands where a delegation can't (RFC 2181 10.1, RFC 6672 2.4).
    for (const set of message.answer) {
      const isAlias =
        (set.type === Type.CNAME && set.owner === name) || (set.type === Type.DNAME && isBelow(name, set.owner));
      if (!isAlias || set.rdatas.length === 0) continue;
      const verified = verifySet(set, zone.zone, zone.keys, this.#nowSeconds, this.#spent);
      if (verified.isGood) return 'none';
    }
    const denial = denialOf(message.authority, zone.zone, zone.keys, this.#nowSeconds, this.#spent);
    const outcome = denial.noDs(name);
    if (outcome === 'none') return outcome;
    if (outcome.code !== 'DENIAL_MISSING') return { ...outcome, isInChain: true };
    return say('bogus', 'DS_UNPROVEN', name, zone.zone);
  }

  /** Keys of `zone`, entered by delegation signers or by keys known beforehand. */
  *#establish(zone: Name, ds: readonly Uint8Array[], anchors: readonly Uint8Array[]): Steps<SecureZone | Outcome> {
    const algorithms = this.#spent.limits.algorithms;
    const known = ds.filter((d) => d.length > 4 && algorithms.has(d[2]!));
    let usable = known.filter((d) => d.length - 4 === digestBytes(d[3]!));
    // RFC 4509 3: SHA-1 is not looked at where a better digest is there.
    if (usable.some((d) => d[3] !== 1)) usable = usable.filter((d) => d[3] !== 1);
    const entry = anchors.filter((k) => algorithms.has(k[3]!));
    if (usable.length === 0 && entry.length === 0)
      return say('insecure', known.length > 0 ? 'DIGEST_UNKNOWN' : 'ALGORITHM_UNKNOWN', zone, zone);
    const message = yield* this.#ask(zone, Type.DNSKEY);
    if (message === undefined) return this.#unfetched('KEYS_MISSING', zone, zone);
    const set = findSet(message.answer, zone, Type.DNSKEY);
    if (set === undefined) return say('bogus', 'KEYS_DENIED', zone, zone);
    const keys = keysOf(set, this.#spent);
    const entries: Key[] = [];
    for (const key of keys) {
      if (entry.some((k) => Buffer.compare(k, key.rdata) === 0)) entries.push(key);
      else {
        const match = this.#matches(zone, key, usable);
        if (match === undefined) return say('bogus', 'BUDGET_CHECKS', zone, zone);
        if (match) entries.push(key);
      }
    }
    if (entries.length === 0) return say('bogus', 'KEYS_UNMATCHED', zone, zone);
    const verified = verifySet(set, zone, entries, this.#nowSeconds, this.#spent);
    if (verified.isGood) return { status: 'secure', zone, keys };
    const isTelling = /EXPIRED|EARLY|BUDGET/.test(verified.code);
    return say('bogus', isTelling ? verified.code : 'KEYS_UNSIGNED', zone, zone);
  }

  /** @returns undefined where the budget is used up */
  #matches(zone: Name, key: Key, ds: readonly Uint8Array[]): boolean | undefined {
    for (const d of ds) {
      if (((d[0]! << 8) | d[1]!) !== key.tag || d[2] !== key.algorithm) continue;
      if (!this.#spent.digest()) return undefined;
      // RFC 4034 5.1.4: digest over owner and key data.
      const digest = digestOf(d[3]!, Buffer.concat([wireOf(zone), key.rdata]));
      if (Buffer.compare(digest, d.subarray(4)) === 0) return true;
    }
    return false;
  }

  *#ask(name: Name, type: Need['type']): Steps<Message | undefined> {
    if (!this.#spent.need()) return undefined;
    const bytes = yield { name: wireOf(name), type };
    const message = bytes === undefined ? undefined : readMessage(bytes);
    // A failure or a cut message is no answer (RFC 4035 5.5); NXDOMAIN is.
    if (message === undefined || (message.flags & Flag.TC) !== 0) return undefined;
    return message.rcode === 0 || message.rcode === 3 ? message : undefined;
  }

  #unfetched(code: ReasonCode, name: Name, zone: Name): Outcome {
    return say('indeterminate', this.#spent.needsRefused ? 'BUDGET_NEEDS' : code, name, zone);
  }
}

export function isZone(value: SecureZone | Outcome): value is SecureZone {
  return 'keys' in value;
}
