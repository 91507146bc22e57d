// The parts of a finding that detectors write alike: what reasons come to, who is in doubt, and what follows from card and bits.
import type { City } from '#city';
import {
  type AssetRef,
  bitsToConfidence,
  type Evidence,
  type Finding,
  findingId,
  type Reason,
  type Subject,
} from '#findings';
import type { DetectorCard } from './contract.ts';

/** A finding but for what follows from the card and from its bits. */
export type Claim = Omit<Finding, 'kind' | 'id' | 'plane' | 'detector' | 'family' | 'severity' | 'confidence'>;

/** Reasons, the weightiest first, and their bits in all. */
export function weightOf(reasons: Reason[]): { bits: number; reasons: Reason[] } {
  reasons.sort((a, b) => b.bits - a.bits);
  return { bits: reasons.reduce((sum, r) => sum + r.bits, 0), reasons };
}

export function assetOf(city: City, ip: string): AssetRef {
  const known = city.assetByIp(ip);
  return known === undefined ? { ip } : { id: known.id, ip, ...(known.role === '' ? {} : { role: known.role }) };
}

/** Evidence with each place once. */
export function distinctEvidence(list: readonly Evidence[]): Evidence[] {
  const places = new Map<string, Evidence>();
  for (const e of list) {
    const key = `${e.file}\u0000${e.frame ?? e.line ?? e.offset}`;
    if (!places.has(key)) places.set(key, e);
  }
  return [...places.values()];
}

/** @param keyedBy what the id is made of, where the subject may change while it is the same finding */
export function findingOf(
  card: DetectorCard,
  calibration: { readonly highBits: number; readonly priorBits: number },
  claim: Claim,
  keyedBy: Subject = claim.subject,
): Finding {
  const { title, bits, ...rest } = claim;
  return {
    kind: 'finding',
    id: findingId(card.name, keyedBy, rest.asset, rest.evidence[0]!),
    plane: card.plane,
    detector: card.name,
    family: card.family,
    title,
    severity: bits >= calibration.highBits ? 'high' : 'medium',
    confidence: bitsToConfidence(bits, calibration.priorBits),
    bits: Number(bits.toFixed(2)),
    ...rest,
    firstAt: Math.min(rest.firstAt, rest.at),
    lastAt: Math.max(rest.lastAt, rest.at),
  };
}
