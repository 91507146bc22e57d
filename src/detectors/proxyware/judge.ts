// What the names that a device met are worth together.
import type { Reason } from '#findings';
import calibration from './calibration.json' with { type: 'json' };
import type { Entry } from './list.ts';

const c = calibration;

export interface Hit {
  readonly entry: Entry;
  /** Bit 1: asked for; bit 2: spoken to. */
  roads: number;
  count: number;
}

const said: Record<Entry['role'], string> = {
  control: 'the control channel of',
  gateway: 'a gateway of',
  register: 'the enrolment of',
  update: 'the client downloads of',
  test: 'the address check of',
  site: 'the web site of',
  customer: 'the entry for buyers of',
};

/** The strongest name of each role and service counts, all others only as repetition. */
export function judge(hits: Iterable<Hit>, dashed: number): { bits: number; reasons: Reason[]; sells: boolean } {
  const best = new Map<string, { bits: number; hit: Hit }>();
  let again = 0;
  for (const hit of hits) {
    const { role, confidence, service } = hit.entry;
    const road = (hit.roads & 2) !== 0 ? 1 : c.askedShare;
    const bits = c.roleBits[role] * c.confidence[confidence] * road;
    if (bits <= 0) continue;
    again = Math.max(again, hit.count);
    const key = `${role} ${service}`;
    if ((best.get(key)?.bits ?? 0) < bits) best.set(key, { bits, hit });
  }
  const strongest = [...best.values()].sort((a, b) => b.bits - a.bits);
  // Web sites never add up to a claim: without a name that only a client speaks to, nothing is sold.
  const sells = strongest.some(({ hit }) => hit.entry.role !== 'site' && hit.entry.role !== 'test');
  const reasons: Reason[] = strongest.map(({ bits, hit }, i) => ({
    text: `it ${(hit.roads & 2) !== 0 ? 'spoke to' : 'asked for'} ${hit.entry.name}, ${said[hit.entry.role]} ${hit.entry.service} (${hit.entry.provenance}, confidence ${hit.entry.confidence})`,
    // The first counts whole, what joins it half: names of one service go together.
    bits: i === 0 ? bits : bits / 2,
  }));
  if (again > 1)
    reasons.push({
      text: `it came back ${again} times`,
      bits: Math.min(c.againBitsMax, c.againBits * Math.log2(again)),
    });
  if (dashed > 1)
    reasons.push({
      text: `it opened ${dashed} sessions to names that carry a gateway’s address in hyphens`,
      bits: c.dashedBits,
    });
  const bits = sells ? reasons.reduce((sum, r) => sum + r.bits, 0) : 0;
  reasons.sort((a, b) => b.bits - a.bits);
  return { bits, reasons: reasons.map((r) => ({ text: r.text, bits: Number(r.bits.toFixed(2)) })), sells };
}
