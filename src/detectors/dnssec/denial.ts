// Denial of a name, a type or a delegation by the records of one zone, NSEC or NSEC3 alike.
import type { Spent } from './limits.ts';
import type { Rrset } from './message.ts';
import { ancestorOf, labelCount, type Name } from './names.ts';
import { type Nsec, nextCloser, nsecNameError, nsecNoData, nsecNoDs, nsecsOf, nsecWildcard } from './nsec.ts';
import { type Nsec3, Nsec3Chain, readNsec3 } from './nsec3.ts';
import { type Outcome, type ReasonCode, say } from './result.ts';
import { type Key, verifySet } from './signature.ts';
import { Type } from './types.ts';

/** Denial sets looked at in one message: a proof needs three, and each set of aliases as many. */
const SETS_MAX = 24;

export function isDenial(set: Rrset): boolean {
  return set.type === Type.NSEC || set.type === Type.NSEC3;
}

export class Denial {
  readonly zone: Name;
  readonly #nsecs: readonly Nsec[];
  readonly #nsec3: Nsec3Chain;
  /** Why sets were left out, where some were. */
  readonly #failure: ReasonCode | undefined;

  constructor(zone: Name, nsecs: readonly Nsec[], nsec3s: readonly Nsec3[], spent: Spent, failure?: ReasonCode) {
    this.zone = zone;
    this.#nsecs = nsecs;
    this.#nsec3 = new Nsec3Chain(nsec3s, zone, spent);
    this.#failure = failure;
  }

  nameError(name: Name): Outcome {
    return this.#answer(name, nsecNameError(this.#nsecs, name) ? 'secure' : this.#nsec3.nameError(name));
  }

  noData(name: Name, type: number): Outcome {
    return this.#answer(name, nsecNoData(this.#nsecs, name, type) ? 'secure' : this.#nsec3.noData(name, type));
  }

  /** That the wildcard below `encloser` may speak for `name`. */
  wildcard(name: Name, encloser: Name): Outcome {
    if (nsecWildcard(this.#nsecs, name, encloser)) return say('secure', 'VALID', name, this.zone);
    const answer = this.#nsec3.wildcard(nextCloser(name, encloser));
    const outcome = this.#answer(name, answer);
    return outcome.code === 'DENIAL_WRONG' || outcome.code === 'DENIAL_MISSING'
      ? say('bogus', 'WILDCARD_UNPROVEN', name, this.zone)
      : outcome;
  }

  /** `none` where there is no cut at `name`; else the outcome for all below it. */
  noDs(name: Name): Outcome | 'none' {
    const kind = nsecNoDs(this.#nsecs, name) ?? this.#nsec3.noDs(name);
    if (kind === 'none') return 'none';
    if (kind === 'unsigned') return say('insecure', 'DELEGATION_UNSIGNED', name, name);
    return this.#answer(name, kind);
  }

  /** The first cut below the zone on the way to `name` that these records prove to be unsigned. */
  unsignedAbove(name: Name): Outcome | undefined {
    for (let labels = labelCount(this.zone) + 1; labels <= labelCount(name); labels++) {
      const outcome = this.noDs(ancestorOf(name, labels));
      if (outcome !== 'none' && outcome.code === 'DELEGATION_UNSIGNED') return outcome;
    }
    return undefined;
  }

  #answer(name: Name, answer: 'secure' | 'optout' | undefined): Outcome {
    if (answer === 'secure') return say('secure', 'VALID', name, this.zone);
    if (answer === 'optout') return say('insecure', 'OPT_OUT', name, this.zone);
    if (this.#nsec3.isExhausted) return say('bogus', 'BUDGET_HASHES', name, this.zone);
    if (this.#nsec3.isTooDeep) return say('insecure', 'ITERATIONS', name, this.zone);
    if (this.#failure !== undefined) return say('bogus', this.#failure, name, this.zone);
    const isNothing = this.#nsecs.length === 0 && this.#nsec3.isEmpty;
    return say('bogus', isNothing ? 'DENIAL_MISSING' : 'DENIAL_WRONG', name, this.zone);
  }
}

/** The denial records of a message that `zone` signed, each verified; those made from a wildcard don't count (CVE-2017-15105). */
export function denialOf(
  sets: readonly Rrset[],
  zone: Name,
  keys: readonly Key[],
  nowSeconds: number,
  spent: Spent,
): Denial {
  const nsecs: Nsec[] = [];
  const nsec3s: Nsec3[] = [];
  let failure: ReasonCode | undefined;
  let seen = 0;
  for (const set of sets) {
    if (!isDenial(set) || set.rdatas.length === 0 || ++seen > SETS_MAX) continue;
    const verified = verifySet(set, zone, keys, nowSeconds, spent);
    if (!verified.isGood) {
      if (verified.code !== 'SIGNATURE_SIGNER') failure ??= verified.code;
      continue;
    }
    if (verified.wildcardParent !== undefined) {
      failure ??= 'WILDCARD_DENIAL';
      continue;
    }
    if (set.type === Type.NSEC) nsecs.push(...nsecsOf(set, zone));
    else for (const rdata of set.rdatas) nsec3s.push(...[readNsec3(set.owner, rdata)].filter((n) => n !== undefined));
  }
  return new Denial(zone, nsecs, nsec3s, spent, failure);
}
