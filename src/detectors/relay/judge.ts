// How surprising it is that so many of a device's visits to strangers are mirrored by another of its flows.
import type { Reason } from '#findings';
import calibration from './calibration.json' with { type: 'json' };

const c = calibration;

export interface Counts {
  /** Decayed: visits to strangers, those mirrored tightly, and those mirrored at all. */
  readonly visits: number;
  readonly tight: number;
  readonly mirrored: number;
  readonly tightByChance: number;
  readonly mirroredByChance: number;
  readonly mirroredBytes: number;
  readonly peers: ReadonlySet<number>;
  readonly names: readonly string[];
  readonly together: number;
  readonly isField: boolean;
  readonly role: string;
}

/** Chernoff's bound of a binomial tail, in bits: `hits` of `n` where each has chance `p`. */
export function tailBits(hits: number, n: number, p: number): number {
  if (n <= 0 || hits <= n * p) return 0;
  const q = Math.min(1, hits / n);
  return n * (q * Math.log2(q / p) + (q < 1 ? (1 - q) * Math.log2((1 - q) / (1 - p)) : 0));
}

export function judge(d: Counts): { bits: number; reasons: Reason[] } {
  const tight = tailBits(d.tight, d.visits, d.tightByChance / d.visits);
  const loose = tailBits(d.mirrored, d.visits, d.mirroredByChance / d.visits);
  const mirrored = Math.max(0, Math.max(tight, loose) - c.chooseBits);
  const reasons: Reason[] = [
    {
      text: `${Math.round(d.mirrored)} of ${Math.round(d.visits)} visits to destinations it had no need of left it again in another flow, octet for octet: ${Math.round(d.mirroredBytes)} octets in two hours`,
      bits: Math.min(24, mirrored),
    },
    {
      text: `${d.peers.size} different destinations${d.names.length > 0 ? `, such as ${d.names.slice(0, 3).join(', ')}` : ''}`,
      bits: Math.min(c.peerBitsMax, c.peerBits * Math.log2(Math.max(1, d.peers.size))),
    },
  ];
  if (d.isField) reasons.push({ text: `a ${d.role} has no reason to`, bits: c.fieldRoleBits });
  if (d.together > 1)
    reasons.push({ text: `sessions were opened together within 0.05 s, ${d.together} times`, bits: c.togetherBits });
  const enough = d.peers.size >= (d.isField ? c.matchesMinField : c.matchesMin) && mirrored > 3;
  const bits = enough ? reasons.reduce((sum, r) => sum + r.bits, 0) : 0;
  reasons.sort((a, b) => b.bits - a.bits);
  return { bits, reasons: reasons.map((r) => ({ text: r.text, bits: Number(r.bits.toFixed(2)) })) };
}
