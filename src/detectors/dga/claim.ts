// A suspect and its judgement become a finding.

import type { City } from '#city';
import { evidenceOf, formatAddress } from '#events';
import { bitsToConfidence, type Evidence, type Finding, findingId, type Subject } from '#findings';
import { assetOf, distinctEvidence } from '../claim.ts';
import { rpzOf } from '../rpz.ts';
import calibration from './calibration.json' with { type: 'json' };
import { card } from './card.ts';
import type { Sighting, Suspect } from './suspect.ts';

/** Domains named as refused in one finding. */
const RESPONSE_MAX = 8;

/** 0 nothing, 1 medium, 2 high. */
export function levelOf(bits: number): 0 | 1 | 2 {
  return bits >= calibration.highBits ? 2 : bits >= calibration.mediumBits ? 1 : 0;
}

/** What was claimed once stays at the bits it reached. */
export function findingOf(s: Suspect, city: City): Finding {
  const { bits } = s;
  const level = levelOf(bits);
  const ip = formatAddress(Uint32Array.from(s.client), 0);
  const known = city.assetByIp(ip);
  const who = known?.id ?? ip;
  const asset = assetOf(city, ip);
  const likely = s.likely().map((r) => r.name);
  const first = place(s.first);
  const subject: Subject = likely.length > 0 ? { type: 'domain', value: likely[0]! } : { type: 'asset', value: who };
  // What resolves later refines the subject; the id is that of the first claim.
  if (s.id === '') s.id = findingId(card.name, { type: 'asset', value: who }, asset, first);
  const isResolver = city.dns.resolvers.includes(ip);
  return {
    kind: 'finding',
    id: s.id,
    plane: card.plane,
    detector: card.name,
    family: card.family,
    title: `${who} asks for ${s.names} domains that nobody sold${likely.length > 0 ? `; ${likely[0]} resolved` : ''}`,
    // What a resolver of the city asks, one of its clients asked: nobody is alerted twice, and its own data are not in doubt.
    severity: isResolver ? 'low' : level === 2 ? 'high' : level === 1 ? 'medium' : 'low',
    confidence: bitsToConfidence(bits, calibration.priorBits),
    bits: Math.round(bits * 100) / 100,
    ...(isResolver ? { trustBits: 0 } : {}),
    asset,
    subject,
    firstAt: s.firstAt,
    at: s.alertAt,
    lastAt: s.lastAt,
    techniques: card.techniques,
    reasons: [
      ...s.reasons,
      { text: `failed: ${s.sample.join(' ')}`, bits: 0 },
      ...(likely.length > 0 ? [{ text: `of the same make and resolved: ${likely.join(' ')}`, bits: 0 }] : []),
    ],
    evidence: distinctEvidence(
      s.evidence.length > 0 ? s.evidence.map(place) : [s.first, s.decisive, s.last].map(place),
    ),
    count: s.names,
    response:
      level < 2 || isResolver
        ? []
        : likely
            .map((n) => rpzOf(n, city))
            .filter((records) => records.length > 0)
            .slice(0, RESPONSE_MAX)
            .flat(),
    links: likely.map((n) => `domain:${n}`),
  };
}

function place(s: Sighting): Evidence {
  return evidenceOf(s.origin, s.place);
}
