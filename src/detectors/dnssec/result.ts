// What validation says of an answer: a status of RFC 4033 5, and why.
import { type Name, textOf } from './names.ts';

export type Status = 'secure' | 'insecure' | 'bogus' | 'indeterminate';

interface ReasonText {
  readonly text: string;
  /** Extended DNS error (RFC 8914 4). */
  readonly ede?: number;
}

/** Every reason there is. `#` stands for the name the sentence is about. */
export const REASONS = {
  VALID: { text: 'Every record and every denial is signed by the keys of #.' },
  NO_ANCHOR: { text: 'No trust anchor stands above #.', ede: 5 },
  NEGATIVE_ANCHOR: { text: 'The configuration says that # is not to be validated (RFC 7646).' },
  MESSAGE_UNREADABLE: { text: 'The answer about # could not be read whole.', ede: 5 },
  MESSAGE_TRUNCATED: { text: 'The answer about # is cut (TC); the whole one comes by TCP.', ede: 5 },
  NO_ANSWER: { text: 'The server answered about # with a failure, not with data.', ede: 23 },
  REFERRAL: { text: 'The message refers to other servers and answers nothing about #.' },
  QUESTION_OTHER: { text: 'The answer is not about the question asked of #.', ede: 5 },
  KEYS_MISSING: { text: 'The keys of # were not to be had.', ede: 9 },
  DS_MISSING: { text: 'The delegation signer records of # were not to be had.', ede: 5 },
  ALGORITHM_UNKNOWN: { text: 'The anchors or the parent of # name only algorithms that are not validated.', ede: 1 },
  DIGEST_UNKNOWN: { text: 'The parent of # names only digest types that are not validated.', ede: 2 },
  DELEGATION_UNSIGNED: { text: 'The parent proves that # is delegated without keys.' },
  OPT_OUT: { text: 'The proof about # rests on an opt-out range, which leaves unsigned delegations open.' },
  ITERATIONS: { text: 'The denial by # asks for more hash iterations than are computed.', ede: 27 },
  SIGNATURE_QUERY: { text: 'Signatures of # were asked for, and those are not signed themselves.' },
  KEYS_DENIED: { text: '# has signed delegation records but shows no keys.', ede: 9 },
  KEYS_UNMATCHED: { text: 'No key of # matches its delegation or anchor.', ede: 9 },
  KEYS_UNSIGNED: { text: 'The key set of # is not signed by a key that its delegation or anchor names.', ede: 9 },
  DS_UNPROVEN: { text: 'The parent neither shows nor denies delegation keys of #.', ede: 6 },
  SIGNATURE_MISSING: { text: 'Records of # are unsigned in a signed zone.', ede: 10 },
  SIGNATURE_WRONG: {
    text: 'No signature over records of # verifies: they were altered, or another key signed them.',
    ede: 6,
  },
  SIGNATURE_EXPIRED: { text: 'The signature over records of # has expired.', ede: 7 },
  SIGNATURE_EARLY: { text: 'The signature over records of # is not valid yet.', ede: 8 },
  SIGNATURE_SIGNER: { text: 'The signature over records of # names a signer that is no zone above them.', ede: 6 },
  SIGNATURE_LABELS: { text: 'The signature over records of # counts more labels than the name has.', ede: 6 },
  SIGNATURE_KEY: { text: 'The zone has no key that the signature over records of # names.', ede: 9 },
  WILDCARD_UNPROVEN: {
    text: 'Records of # come from a wildcard, and nothing proves that the name itself is absent.',
    ede: 6,
  },
  WILDCARD_DENIAL: { text: 'A denial or delegation record of # was made from a wildcard.', ede: 6 },
  DENIAL_MISSING: { text: 'Nothing signed denies # or its type.', ede: 12 },
  DENIAL_WRONG: { text: 'The signed denial does not cover #.', ede: 6 },
  RCODE_WRONG: { text: 'The header denies #, and the answer shows it.', ede: 6 },
  ALIAS_WRONG: { text: 'The alias of # is not what its DNAME makes.', ede: 6 },
  ALIAS_LONG: { text: 'The aliases from # go on too long.', ede: 6 },
  BUDGET_CHECKS: {
    text: 'The records of # ask for more signature checks than an honest zone needs (CVE-2023-50387).',
    ede: 6,
  },
  BUDGET_HASHES: { text: 'The denial of # asks for more hashes than an honest zone needs (CVE-2023-50868).', ede: 6 },
  BUDGET_NEEDS: { text: 'The way to # asks for more messages than an honest zone needs.', ede: 6 },
} as const satisfies Record<string, ReasonText>;

export type ReasonCode = keyof typeof REASONS;

export interface Result {
  readonly status: Status;
  readonly code: ReasonCode;
  /** One plain sentence. */
  readonly reason: string;
  /** Signer, or the cut below which nothing is signed; presentation form. */
  readonly zone: string;
  /** Extended DNS error (RFC 8914), where one says more than the status. */
  readonly ede?: number;
  /** What is wrong stands in a message on the way to the zone, not in the answer itself. */
  readonly isInChain: boolean;
  /** Work done, for those who count it. */
  readonly cost: Cost;
}

export interface Cost {
  readonly checks: number;
  readonly digests: number;
  readonly hashes: number;
  readonly needs: number;
}

/** A status on the way: of a set, a denial, a zone. */
export interface Outcome {
  readonly status: Status;
  readonly code: ReasonCode;
  readonly about: Name;
  readonly zone: Name;
  readonly isInChain?: boolean;
}

export function say(status: Status, code: ReasonCode, about: Name, zone: Name): Outcome {
  return { status, code, about, zone };
}

export function resultOf(f: Outcome, cost: Cost): Result {
  const reason: ReasonText = REASONS[f.code];
  return {
    status: f.status,
    code: f.code,
    reason: reason.text.replace('#', textOf(f.status === 'secure' ? f.zone : f.about)),
    zone: textOf(f.zone),
    ...(reason.ede === undefined ? {} : { ede: reason.ede }),
    isInChain: f.isInChain === true,
    cost: { checks: cost.checks, digests: cost.digests, hashes: cost.hashes, needs: cost.needs },
  };
}
