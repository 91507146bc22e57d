// Validation of one response (RFC 4035 5, RFC 6840): along the aliases of the answer, each set by its signer, then the denial
// of what is not there. Sans I/O: a generator that asks for the messages it needs and is given them, or undefined.
import type { Anchor } from './anchors.ts';
import { Chain, isZone, type SecureZone, type Steps } from './chain.ts';
import { type Denial, denialOf, isDenial } from './denial.ts';
import { DEFAULT_LIMITS, type Limits, Spent } from './limits.ts';
import { Flag, findSet, type Message, type Rrset, readMessage } from './message.ts';
import { isBelow, isWithin, type Name, nameOf, parentOf, ROOT } from './names.ts';
import { type Outcome, type ReasonCode, type Result, resultOf, say } from './result.ts';
import { signersOf, verifySet } from './signature.ts';
import { Type } from './types.ts';

export interface Question {
  /** Wire form, any case. */
  readonly name: Uint8Array;
  readonly type: number;
}

const RECURSION_AVAILABLE = 0x0080;
const RCODE_NXDOMAIN = 3;
/** RFC 6672 2.2: the name that a DNAME would make is too long. */
const RCODE_YXDOMAIN = 6;

/**
 * Says whether a response is secure, insecure, bogus or indeterminate (RFC 4033 5, RFC 4035 4.3).
 * @param answer the whole response, as on the wire; only read while the generator runs
 * @param nowSeconds seconds since the epoch, for the validity of signatures
 * @returns a generator: `yield`s each message it needs, to be given by `next(bytes)` or, where it is not to be had, `next()`
 */
export function* validate(
  answer: Uint8Array,
  question: Question,
  anchors: readonly Anchor[],
  nowSeconds: number,
  limits: Limits = DEFAULT_LIMITS,
): Steps<Result> {
  const spent = new Spent(limits);
  const name = nameOf(question.name);
  const message = readMessage(answer);
  if (message === undefined) return resultOf(say('indeterminate', 'MESSAGE_UNREADABLE', name, ROOT), spent);
  const walk = new Walk(message, new Chain(anchors, nowSeconds, spent), nowSeconds, spent);
  return resultOf(yield* walk.run(name, question.type), spent);
}

/** Runs a validation with messages that are at hand. */
export function settle(
  steps: Steps<Result>,
  fetch: (name: Uint8Array, type: number) => Uint8Array | undefined,
): Result {
  let step = steps.next();
  while (step.done !== true) step = steps.next(fetch(step.value.name, step.value.type));
  return step.value;
}

/** What is wrong with a message before its records are looked at. */
function unfit(m: Message, name: Name, type: number): ReasonCode | undefined {
  if (m.isDamaged) return 'MESSAGE_UNREADABLE';
  if ((m.flags & Flag.TC) !== 0) return 'MESSAGE_TRUNCATED';
  if (m.question !== undefined && (m.question.name !== name || m.question.type !== type)) return 'QUESTION_OTHER';
  if (m.rcode !== 0 && m.rcode !== RCODE_NXDOMAIN && m.rcode !== RCODE_YXDOMAIN) return 'NO_ANSWER';
  return undefined;
}

const rank = { secure: 0, insecure: 1, indeterminate: 2, bogus: 3 } as const;

/** What is proven false outweighs what could not be judged: a signer that can't be looked up must not hide a wrong signature. */
function worse(a: Outcome | undefined, b: Outcome): Outcome {
  return a === undefined || rank[b.status] > rank[a.status] ? b : a;
}

class Walk {
  readonly #message: Message;
  readonly #chain: Chain;
  readonly #nowSeconds: number;
  readonly #spent: Spent;
  readonly #denials = new Map<Name, Denial>();
  #worst: Outcome | undefined;

  constructor(message: Message, chain: Chain, nowSeconds: number, spent: Spent) {
    this.#message = message;
    this.#chain = chain;
    this.#nowSeconds = nowSeconds;
    this.#spent = spent;
  }

  *run(name: Name, type: number): Steps<Outcome> {
    const fault = unfit(this.#message, name, type);
    if (fault !== undefined) return say('indeterminate', fault, name, ROOT);
    let target = name;
    for (let step = 0; step <= this.#spent.limits.aliasesMax; step++) {
      if (type === Type.RRSIG && this.#message.answer.some((s) => s.owner === target && s.signatures.length > 0))
        return say('insecure', 'SIGNATURE_QUERY', target, ROOT);
      if (this.#chain.isExempt(target)) {
        this.#note(say('insecure', 'NEGATIVE_ANCHOR', target, ROOT));
        return this.#worst!;
      }
      const sets = this.#setsAt(target, type);
      for (const set of sets) if (!this.#note(yield* this.#checked(set))) return this.#worst!;
      if (sets.length > 0) {
        // The header is not signed; the code is that of the last name (RFC 6604 3).
        if (this.#message.rcode === RCODE_NXDOMAIN) this.#note(say('bogus', 'RCODE_WRONG', target, ROOT));
        return this.#worst!;
      }
      const next = yield* this.#alias(target);
      if (next === undefined) {
        if (!this.#isPartial(target)) this.#note(yield* this.#denied(target, type));
        return this.#worst!;
      }
      if (typeof next !== 'string') {
        this.#note(next);
        return this.#worst!;
      }
      target = next;
    }
    return say('bogus', 'ALIAS_LONG', name, ROOT);
  }

  /** Keeps the worst so far. @returns false where it can't get worse */
  #note(outcome: Outcome): boolean {
    if (this.#worst === undefined || rank[outcome.status] > rank[this.#worst.status]) this.#worst = outcome;
    return outcome.status !== 'bogus';
  }

  #setsAt(name: Name, type: number): Rrset[] {
    if (type !== Type.ANY) {
      const set = findSet(this.#message.answer, name, type);
      return set === undefined ? [] : [set];
    }
    return this.#message.answer.filter((s) => s.owner === name && s.rdatas.length > 0);
  }

  /** One step along a DNAME or CNAME at or above `name`. @returns the next name, an outcome that ends the walk, or undefined */
  *#alias(name: Name): Steps<Name | Outcome | undefined> {
    const { answer, rcode } = this.#message;
    const cname = findSet(answer, name, Type.CNAME);
    const dname = answer
      .filter((s) => s.type === Type.DNAME && s.rdatas.length > 0 && isBelow(name, s.owner))
      .sort((a, b) => b.owner.length - a.owner.length)[0];
    const target = cname === undefined ? undefined : nameOf(cname.rdatas[0]!);
    if (dname !== undefined) {
      const outcome = yield* this.#checked(dname);
      if (!this.#note(outcome)) return outcome;
      const made = name.slice(0, name.length - dname.owner.length) + nameOf(dname.rdatas[0]!);
      if (made.length > 255) return rcode === RCODE_YXDOMAIN ? outcome : say('bogus', 'ALIAS_WRONG', name, ROOT);
      // The CNAME beside it is made by the server and unsigned (RFC 6672 5.3.1).
      if (target !== undefined && target !== made) return say('bogus', 'ALIAS_WRONG', name, outcome.zone);
      return made;
    }
    if (cname === undefined || target === undefined) return undefined;
    if (cname.rdatas.length > 1) return say('bogus', 'ALIAS_WRONG', name, ROOT);
    this.#note(yield* this.#checked(cname));
    return this.#worst!.status === 'bogus' ? this.#worst : target;
  }

  /** What an authoritative server said of its own zone, where an alias leads out of it: the rest is in other messages. */
  #isPartial(target: Name): boolean {
    const { flags, authority } = this.#message;
    if (this.#worst === undefined || (flags & RECURSION_AVAILABLE) !== 0) return false;
    return !authority.some((s) => (s.type === Type.SOA || isDenial(s)) && isWithin(target, zoneLike(s)));
  }

  /** Status of one set of the answer, with the denial that a wildcard needs. */
  *#checked(set: Rrset): Steps<Outcome> {
    // Delegation signers are the parent's.
    const home = set.type === Type.DS ? parentOf(set.owner) : set.owner;
    let failed: Outcome | undefined;
    for (const signer of signersOf(set)) {
      // A signer above every anchor says nothing; of several anchors any will do (RFC 6840 C.3).
      if (this.#chain.anchorAbove(signer) === undefined) continue;
      if (set.type === Type.DS && signer === set.owner && signer !== ROOT) continue;
      const zone = yield* this.#chain.zoneOf(signer);
      if (!isZone(zone)) {
        if (zone.status === 'insecure') return zone;
        failed = worse(failed, zone);
        continue;
      }
      const outcome =
        zone.zone === signer ? this.#verified(set, zone) : say('bogus', 'SIGNATURE_SIGNER', set.owner, zone.zone);
      if (outcome.status !== 'bogus') return outcome;
      failed = worse(failed, outcome);
    }
    if (failed !== undefined) return failed;
    return yield* this.#unsigned(home, set.signatures.length > 0 ? 'SIGNATURE_SIGNER' : 'SIGNATURE_MISSING');
  }

  #verified(set: Rrset, zone: SecureZone): Outcome {
    const verified = verifySet(set, zone.zone, zone.keys, this.#nowSeconds, this.#spent);
    if (!verified.isGood) return say('bogus', verified.code, set.owner, zone.zone);
    if (verified.wildcardParent === undefined) return say('secure', 'VALID', set.owner, zone.zone);
    if (isDenial(set) || set.type === Type.DS || set.type === Type.DNAME)
      return say('bogus', 'WILDCARD_DENIAL', set.owner, zone.zone);
    return this.#denialBy(zone).wildcard(set.owner, verified.wildcardParent);
  }

  /** Nothing signed stands there: insecure if a proof says so, else `code`. */
  *#unsigned(home: Name, code: ReasonCode): Steps<Outcome> {
    const zone = yield* this.#chain.zoneOf(home);
    if (!isZone(zone)) return zone;
    return say('bogus', code, home, zone.zone);
  }

  /** What the message says of a name or type that it does not show. */
  *#denied(name: Name, type: number): Steps<Outcome> {
    const home = type === Type.DS ? parentOf(name) : name;
    if (this.#isReferral(name)) return say('indeterminate', 'REFERRAL', name, ROOT);
    let failed: Outcome | undefined;
    for (const signer of this.#denialSigners(home)) {
      if (this.#chain.anchorAbove(signer) === undefined) continue;
      const zone = yield* this.#chain.zoneOf(signer);
      if (!isZone(zone)) {
        if (zone.status === 'insecure') return zone;
        failed = worse(failed, zone);
        continue;
      }
      if (zone.zone !== signer) continue;
      const denial = this.#denialBy(zone);
      const outcome = this.#denialFor(denial, name, type);
      // Above a nearer anchor an opt-out range leaves nothing open: there the keys are known (RFC 6840 C.3).
      const isNearest = isWithin(signer, this.#chain.anchorAbove(home) ?? ROOT);
      if (outcome.status === 'secure' || (outcome.status === 'insecure' && isNearest)) return outcome;
      const cut = isNearest ? denial.unsignedAbove(home) : undefined;
      if (cut !== undefined) return cut;
      if (outcome.status === 'bogus') failed = worse(failed, outcome);
    }
    const unsigned = yield* this.#unsigned(home, 'DENIAL_MISSING');
    return failed !== undefined && unsigned.status !== 'insecure' ? failed : unsigned;
  }

  #denialFor(denial: Denial, name: Name, type: number): Outcome {
    if (this.#message.rcode !== RCODE_NXDOMAIN) return denial.noData(name, type);
    const outcome = denial.nameError(name);
    if (outcome.code !== 'DENIAL_WRONG') return outcome;
    // The code in the header is not signed: a name that is proven to be there without the type is no lie about the type.
    const noData = denial.noData(name, type);
    return noData.status === 'secure' ? noData : outcome;
  }

  #isReferral(name: Name): boolean {
    const { flags, rcode, answer, authority } = this.#message;
    if ((flags & (RECURSION_AVAILABLE | Flag.AA)) !== 0 || rcode !== 0 || answer.length > 0) return false;
    if (authority.some((s) => s.type === Type.SOA)) return false;
    return authority.some((s) => s.type === Type.NS && s.rdatas.length > 0 && isWithin(name, s.owner));
  }

  /** Zones at or above `home` that signed denial records here, deepest first. */
  #denialSigners(home: Name): Name[] {
    const signers = new Set<Name>();
    for (const set of this.#message.authority) {
      if (!isDenial(set) || set.rdatas.length === 0) continue;
      for (const signer of signersOf(set)) if (isWithin(home, signer)) signers.add(signer);
      if (signers.size >= 4) break;
    }
    return [...signers].sort((a, b) => b.length - a.length);
  }

  #denialBy(zone: SecureZone): Denial {
    let denial = this.#denials.get(zone.zone);
    if (denial === undefined) {
      denial = denialOf(this.#message.authority, zone.zone, zone.keys, this.#nowSeconds, this.#spent);
      this.#denials.set(zone.zone, denial);
    }
    return denial;
  }
}

/** The zone a set of the authority section speaks for, as far as its owner tells. */
function zoneLike(set: Rrset): Name {
  return set.type === Type.NSEC3 ? parentOf(set.owner) : (signersOf(set)[0] ?? set.owner);
}
