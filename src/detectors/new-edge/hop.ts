// One host stepping onto another: what was seen of it, and how much that weighs in bits.
import type { Origin } from '#events';
import type { Evidence, Reason } from '#findings';
import { weightOf } from '../claim.ts';
import calibration from './calibration.json' with { type: 'json' };
import { nameOf, SMB } from './services.ts';

const c = calibration;

export interface Hop {
  readonly key: string;
  readonly from: string;
  readonly to: string;
  readonly services: Set<number>;
  readonly zones: readonly [string, string];
  readonly firstAt: number;
  readonly origin: Origin;
  readonly firstPlace: number;
  readonly firstFlow: string;
  last: Evidence;
  lastAt: number;
  flows: number;
  failed: number;
  bytes: number;
  stranger: string;
  strangerAtPlace: Evidence | undefined;
  strangerAt: number;
  crossing: boolean;
  plant: string;
  lone: boolean;
  /** The city's habits were not known yet. */
  unlearned: boolean;
  alertAt: number;
  bits: number;
  places: Evidence[];
}

export function judge(hop: Hop): { bits: number; reasons: Reason[] } {
  const reasons: Reason[] = [];
  const names = [...hop.services].map(nameOf).join(' and ');
  if (hop.crossing) {
    reasons.push({ text: `zones ${hop.zones[0]} and ${hop.zones[1]} have no conduit for this`, bits: c.crossing });
    if (/twin|control/.test(hop.zones[1]))
      reasons.push({ text: `it leads towards the ${hop.zones[1]}`, bits: c.towardsTwin });
  } else reasons.push({ text: `it never administered this host before (${names})`, bits: c.newAdmin });
  if (hop.lone && hop.plant === '')
    reasons.push({ text: 'the target serves nobody else so: it is no server', bits: c.loneServer });
  // Storing is what file servers are for: before habits are known, SMB alone tells nothing by it.
  const stores = hop.unlearned && hop.services.size === 1 && hop.services.has(SMB);
  if (hop.bytes >= c.pushedBytesMin && !stores)
    reasons.push({ text: `${Math.round(hop.bytes)} bytes were pushed onto it`, bits: c.pushed });
  if (hop.failed >= 3) reasons.push({ text: `${hop.failed} tries failed before or beside`, bits: c.probes });
  if (hop.services.size >= 2)
    reasons.push({ text: `two ways of administering were used (${names}), as remote execution does`, bits: c.runs });
  if (hop.stranger !== '')
    reasons.push({
      text: `then the target called ${hop.stranger}, which only the source had called before`,
      bits: c.sharedStranger,
    });
  return weightOf(reasons);
}
