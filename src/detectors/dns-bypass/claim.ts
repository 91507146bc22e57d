// A client and a judgement become a finding.

import type { City } from '#city';
import { evidenceOf, formatAddress } from '#events';
import { bitsToConfidence, type Finding, findingId, type Subject } from '#findings';
import { assetOf, distinctEvidence } from '../claim.ts';
import calibration from './calibration.json' with { type: 'json' };
import { card } from './card.ts';
import type { Claimed, Client, Sighting } from './client.ts';
import type { Judgement } from './evidence.ts';

export type Kind = 'bypass' | 'foreign' | 'raw' | 'blind';
const severities = ['info', 'low', 'medium', 'high'] as const;

/** 0 nothing, 1 low, 2 medium, 3 high. */
export function levelOf(bits: number): 0 | 1 | 2 | 3 {
  if (bits < calibration.lowBits) return 0;
  return bits < calibration.mediumBits ? 1 : bits < calibration.highBits ? 2 : 3;
}

/** First and last sight behind a claim, and how many events. */
export interface Span {
  readonly first: Sighting;
  readonly firstAt: number;
  readonly last: Sighting;
  readonly lastAt: number;
  readonly count: number;
  /** To whom. */
  readonly to: string;
}

const titles: Readonly<Record<Kind, (who: string, to: string) => string>> = {
  bypass: (who, to) => `${who} asks for names past the city’s resolvers: ${to}`,
  foreign: (who, to) => `${who} and ${to} speak something on the DNS port that is no DNS`,
  raw: (who, to) => `${who} tunnels to ${to} on the DNS port without DNS`,
  blind: (who) => `${who} speaks to addresses that no answer named and asks for names no more`,
};

export function findingOf(c: Client, kind: Kind, claimed: Claimed, j: Judgement, span: Span, city: City): Finding {
  const ip = formatAddress(Uint32Array.from(c.words), 0);
  const known = city.assetByIp(ip);
  const who = known?.id ?? ip;
  const asset = assetOf(city, ip);
  const subject: Subject =
    kind === 'bypass' || kind === 'blind' ? { type: 'service', value: 'dns' } : { type: 'ip', value: span.to };
  const first = evidenceOf(span.first.origin, span.first.place);
  if (claimed.id === '') claimed.id = findingId(`${card.name}/${kind}`, subject, asset, first);
  const { bits } = claimed;
  return {
    kind: 'finding',
    id: claimed.id,
    plane: card.plane,
    detector: card.name,
    family: card.family,
    title: titles[kind](who, span.to),
    severity: severities[levelOf(bits)]!,
    confidence: bitsToConfidence(bits, calibration.priorBits),
    bits: Math.round(bits * 100) / 100,
    // Whom a device asks says little of whether its own readings are true; a tunnel says it is in other hands.
    ...(kind === 'raw' ? {} : { trustBits: Math.round(bits * 50) / 100 }),
    asset,
    subject,
    firstAt: Math.min(span.firstAt, claimed.at),
    at: claimed.at,
    lastAt: Math.max(span.lastAt, claimed.at),
    ...(kind === 'raw' ? { tool: 'iodine' } : {}),
    techniques: kind === 'raw' || kind === 'foreign' ? ['T1572', 'T1048'] : ['T1572', 'T1071.004'],
    reasons: j.reasons,
    evidence: distinctEvidence([first, ...[claimed.decisive, span.last].map((s) => evidenceOf(s.origin, s.place))]),
    count: span.count,
    response:
      kind === 'raw' && claimed.level === 3
        ? [{ type: 'nft', record: `add element inet parapet quarantine { ${ip} timeout 4h }` }]
        : [],
    ...(subject.type === 'ip' ? { links: [`ip:${span.to}`] } : {}),
  };
}
