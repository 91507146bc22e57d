// How surprising it is that so many of a device's visits to strangers are mirrored by another of its flows.
import type { Reason } from '#findings';
import calibration from './calibration.json' with { type: 'json' };
import type { Tally } from './tally.ts';

const c = calibration;

export interface Counts {
  /** Visits to strangers, decayed: those mirrored tightly hit the first, those mirrored at all the second. */
  readonly tight: Tally;
  readonly mirrored: Tally;
  readonly mirroredBytes: number;
  readonly peers: ReadonlySet<number>;
  readonly names: readonly string[];
  readonly together: number;
  readonly isField: boolean;
  readonly role: string;
}

export function judge(d: Counts): { bits: number; reasons: Reason[] } {
  const mirrored = Math.max(0, Math.max(d.tight.bits, d.mirrored.bits) - c.chooseBits);
  const reasons: Reason[] = [
    {
      text: `${Math.round(d.mirrored.hits)} of ${Math.round(d.mirrored.trials)} visits to destinations it had no need of left it again at once in another flow of like size, ${Math.round(d.tight.hits)} of them nearly octet for octet: ${Math.round(d.mirroredBytes)} octets in two hours`,
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
