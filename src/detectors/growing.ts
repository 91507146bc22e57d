// Claims that grow: what a host does, sign by sign, told again whenever it weighs more.
import type { Evidence, Reason } from '#findings';
import { BoundedMap } from './bounded-map.ts';

export interface Signed extends Reason {
  /** Name of the sign in the detector's own table. */
  readonly sign: string;
}

export interface Grown {
  readonly firstAt: number;
  lastAt: number;
  /** When it first weighed enough; 0 before. */
  alertAt: number;
  /** Times something spoke against it. */
  count: number;
  bits: number;
  reasons: Signed[];
  readonly evidence: Evidence[];
}

const REASONS_MAX = 16;
const EVIDENCE_MAX = 16;
/** Further kinds of the same thing add one bit each, so many at the most. */
const MORE_MAX = 4;

export class Growing extends BoundedMap<string, Grown> {
  readonly #enough: number;
  readonly #afreshMicros: number;

  /**
   * @param enough bits from which a claim is told
   * @param afreshMicros what was not told and grew no more for so long is forgotten
   */
  constructor(max: number, shed: () => void, enough: number, afreshMicros = Number.POSITIVE_INFINITY) {
    super(max, shed);
    this.#enough = enough;
    this.#afreshMicros = afreshMicros;
  }

  /**
   * Adds what speaks for and against. A reason that is known says nothing more; of one sign the weightiest stand.
   * @param at microseconds
   * @returns the claim where it is to be told (again): it weighs enough and more than before
   */
  grow(key: string, at: number, reasons: readonly Signed[], evidence: Evidence): Grown | undefined {
    const before = this.get(key);
    if (before?.alertAt === 0 && at - before.lastAt > this.#afreshMicros) this.delete(key);
    const claim =
      this.get(key) ??
      this.add(key, { firstAt: at, lastAt: at, alertAt: 0, count: 0, bits: 0, reasons: [], evidence: [] });
    claim.count += 1;
    claim.lastAt = Math.max(claim.lastAt, at);
    const added = reasons.filter((r) =>
      claim.reasons.every((k) => k.text !== r.text && (k.sign !== r.sign || k.bits <= r.bits)),
    );
    if (added.length === 0) return undefined;
    const kept = claim.reasons.filter((k) => added.every((r) => k.sign !== r.sign || k.bits === r.bits));
    claim.reasons = [...kept, ...added].slice(0, REASONS_MAX);
    if (claim.evidence.length < EVIDENCE_MAX) claim.evidence.push(evidence);
    // Of what is done only the worst counts in full, or all that was said at once.
    const worst = Math.max(0, ...claim.reasons.map((r) => r.bits));
    const kinds = new Set(claim.reasons.filter((r) => r.bits > 0).map((r) => r.sign)).size;
    const together = reasons.reduce((sum, r) => sum + Math.max(0, r.bits), 0);
    const against = Math.min(0, ...claim.reasons.map((r) => r.bits));
    const bits = Math.max(together, worst + Math.min(MORE_MAX, kinds - 1)) + against;
    if (bits <= claim.bits) return undefined;
    claim.bits = bits;
    if (bits < this.#enough) return undefined;
    if (claim.alertAt === 0) claim.alertAt = at;
    return claim;
  }
}
