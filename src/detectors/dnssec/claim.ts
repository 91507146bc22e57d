// An answer that fails becomes a finding: one for each signed zone, server and kind, counted as more come.

import type { City } from '#city';
import { evidenceOf, formatAddress, type Origin } from '#events';
import { type AssetRef, bitsToConfidence, type Evidence, type Finding, findingId, type Subject } from '#findings';
import { distinctEvidence } from '../claim.ts';
import { card } from './card.ts';
import type { Judgement, Kind } from './judge.ts';
import { type Name, textOf } from './names.ts';

/** log2 odds that an answer that fails validation is an attack, before the kind of failure is looked at: 1 in 1,024. */
const PRIOR_BITS = -10;
const HIGH_BITS = 13.2;
const MEDIUM_BITS = 10;
export const EVIDENCE_MAX = 1000;

/** Where an answer was seen. */
export interface Sighting {
  readonly origin: Origin;
  readonly place: number;
}

/** What is kept of a kind of failure; plain data, so that a snapshot can carry it. */
export interface Claim {
  readonly kind: Kind;
  /** The listed zone. */
  readonly zone: Name;
  /** Four address words of the server. */
  readonly server: number[];
  /** The name whose answer decided, and the validator's code. */
  name: Name;
  code: string;
  judgement: Judgement;
  id: string;
  readonly firstAt: number;
  at: number;
  lastAt: number;
  readonly first: Sighting;
  decisive: Sighting;
  last: Sighting;
  readonly evidence: Sighting[];
  count: number;
  isDirty: boolean;
}

const verbs: Readonly<Record<Kind, string>> = {
  altered: 'gave an answer that the zone did not sign',
  expired: 'gave an answer whose signature is not valid at this time',
  stripped: 'gave an answer without the signatures that were asked for',
  downgraded: 'gave an answer by which a signed zone is unsigned',
  exhausting: 'gave an answer made to exhaust those who validate it',
};

const techniques: Readonly<Record<Kind, readonly string[]>> = {
  altered: ['T1557', 'T1584.002'],
  expired: ['T1557'],
  stripped: ['T1557'],
  downgraded: ['T1557', 'T1584.002'],
  exhausting: ['T1499.004'],
};

export function findingOf(c: Claim, city: City, evidenceAll: boolean): Finding {
  const ip = formatAddress(Uint32Array.from(c.server), 0);
  const known = city.assetByIp(ip);
  const role = known?.role || (city.dns.resolvers.includes(ip) ? 'resolver' : '');
  const asset: AssetRef = {
    ...(known === undefined ? {} : { id: known.id }),
    ip,
    ...(role === '' ? {} : { role }),
  };
  const zone = textOf(c.zone);
  const name = textOf(c.name);
  const subject: Subject = { type: 'domain', value: zone };
  const place = (s: Sighting): Evidence => evidenceOf(s.origin, s.place);
  if (c.id === '') c.id = findingId(`${card.name}-${c.kind}`, subject, asset, place(c.first));
  const { bits, reasons } = c.judgement;
  return {
    kind: 'finding',
    id: c.id,
    plane: 'dns',
    detector: card.name,
    family: card.family,
    title: `${known?.id ?? ip} ${verbs[c.kind]}: ${name}`,
    severity: bits >= HIGH_BITS ? 'high' : bits >= MEDIUM_BITS ? 'medium' : 'low',
    confidence: bitsToConfidence(bits, PRIOR_BITS),
    bits: Math.round(bits * 100) / 100,
    asset,
    subject,
    firstAt: c.firstAt,
    at: c.at,
    lastAt: c.lastAt,
    techniques: techniques[c.kind],
    reasons: [...reasons].sort((a, b) => b.bits - a.bits),
    evidence: distinctEvidence((evidenceAll ? c.evidence : [c.first, c.decisive, c.last]).map(place)),
    count: c.count,
    response: [],
    links: [...new Set([`domain:${zone}`, `domain:${name}`])],
  };
}
