// What a status means for the one who answered: the kind of finding and its bits. The scales are set by hand: how much likelier
// an attack makes such an answer than the accidents of signed zones do.
import type { Reason } from '#findings';
import type { ReasonCode, Result } from './result.ts';

export type Kind = 'altered' | 'expired' | 'stripped' | 'downgraded' | 'exhausting';

/** log2 of how much likelier an attack is than an accident; a code that is not here is never a finding. */
const bitsOf: Partial<Record<ReasonCode, number>> = {
  SIGNATURE_WRONG: 12,
  SIGNATURE_LABELS: 12,
  WILDCARD_UNPROVEN: 12,
  WILDCARD_DENIAL: 12,
  ALIAS_WRONG: 12,
  RCODE_WRONG: 12,
  SIGNATURE_MISSING: 11,
  SIGNATURE_SIGNER: 10,
  DENIAL_WRONG: 9,
  DENIAL_MISSING: 9,
  KEYS_UNSIGNED: 9,
  // A rollover gone wrong looks the same.
  SIGNATURE_KEY: 7,
  KEYS_UNMATCHED: 7,
  KEYS_DENIED: 6,
  // Most expired signatures are forgotten ones.
  SIGNATURE_EXPIRED: 4,
  SIGNATURE_EARLY: 4,
  // Hashes are not in: a client can choose names that cost many of them.
  BUDGET_CHECKS: 14,
};

/** The zone validated lately by other answers, so that what is wrong is this answer and not the zone. */
const CONTRAST_BITS = 2;
/** Fresh signatures beside an expired one speak of an old answer sent again. */
const CONTRAST_EXPIRED_BITS = 6;
const STRIPPED_BITS = 5;
/** A server that gave signatures before knows DNSSEC. */
const STRIPPED_KNOWING_BITS = 7;
/** An unsigned delegation below the listed zone would excuse the server. */
const CUT_UNSEEN_BITS = -5;
const DOWNGRADED_BITS = 10;

export interface Circumstances {
  /** No record of the message is signed. */
  readonly isBare: boolean;
  /** Whether a delegation without keys lies between the listed zone and the name was not seen. */
  readonly isCutUnseen: boolean;
  /** The zone was found secure within the last day. */
  readonly zoneIsSound: boolean;
  /** The server gave signatures before. */
  readonly serverKnows: boolean;
  /** The unsigned cut, or the zone of unknown algorithms, is the signed zone or stands above it. */
  readonly isCutAbove: boolean;
}

export interface Judgement {
  readonly kind: Kind;
  readonly bits: number;
  readonly reasons: Reason[];
}

/** @returns undefined where the result is no finding */
export function judge(result: Result, c: Circumstances): Judgement | undefined {
  if (result.status === 'insecure') {
    const isDowngrade = result.code === 'DELEGATION_UNSIGNED' || /_UNKNOWN$/.test(result.code);
    if (!isDowngrade || !c.isCutAbove || !c.zoneIsSound) return undefined;
    return sum('downgraded', [
      { text: result.reason, bits: DOWNGRADED_BITS - CONTRAST_BITS },
      { text: 'the zone was signed and found secure before', bits: CONTRAST_BITS },
    ]);
  }
  if (c.isBare && (c.isCutUnseen || (result.status === 'bogus' && /_MISSING$|^KEYS_UNSIGNED$/.test(result.code)))) {
    const reasons: Reason[] = [{ text: 'signatures were asked for and none came', bits: STRIPPED_BITS }];
    if (c.serverKnows) reasons.push({ text: 'the server gave signatures before', bits: STRIPPED_KNOWING_BITS });
    if (c.zoneIsSound) reasons.push({ text: 'other answers of the zone validate', bits: CONTRAST_BITS });
    if (c.isCutUnseen)
      reasons.push({ text: 'whether the name is delegated without keys was not seen', bits: CUT_UNSEEN_BITS });
    return sum('stripped', reasons);
  }
  const bits = bitsOf[result.code];
  if (result.status !== 'bogus' || bits === undefined) return undefined;
  const isDated = result.code === 'SIGNATURE_EXPIRED' || result.code === 'SIGNATURE_EARLY';
  const reasons: Reason[] = [{ text: result.reason, bits }];
  if (c.zoneIsSound)
    reasons.push({
      text: 'other answers of the zone validate',
      bits: isDated ? CONTRAST_EXPIRED_BITS : CONTRAST_BITS,
    });
  return sum(isDated ? 'expired' : result.code === 'BUDGET_CHECKS' ? 'exhausting' : 'altered', reasons);
}

/** Below this a failure says next to nothing of anyone's intent. */
const BITS_MIN = 4;

function sum(kind: Kind, reasons: Reason[]): Judgement | undefined {
  const bits = reasons.reduce((total, r) => total + r.bits, 0);
  return bits < BITS_MIN ? undefined : { kind, bits, reasons };
}
