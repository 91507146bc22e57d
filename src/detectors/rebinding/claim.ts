// A suspect becomes a finding.

import type { City } from '#city';
import { evidenceOf, formatAddress } from '#events';
import { bitsToConfidence, type Evidence, type Finding, findingId, type Reason } from '#findings';
import { assetOf, distinctEvidence } from '../claim.ts';
import { rpzOf } from '../rpz.ts';
import calibration from './calibration.json' with { type: 'json' };
import { card } from './card.ts';
import type { Sighting, Suspect } from './suspect.ts';

const severities = ['info', 'low', 'medium', 'high'] as const;

/** 0 nothing, 1 low, 2 medium, 3 high. */
export function levelOf(bits: number): 0 | 1 | 2 | 3 {
  if (bits < calibration.lowBits) return 0;
  return bits < calibration.mediumBits ? 1 : bits < calibration.highBits ? 2 : 3;
}

export function findingOf(s: Suspect, reasons: Reason[], city: City): Finding {
  const ip = formatAddress(Uint32Array.from(s.client), 0);
  const known = city.assetByIp(ip);
  const who = known?.id ?? ip;
  const asset = assetOf(city, ip);
  const subject = { type: 'domain', value: s.zone } as const;
  const first = place(s.first);
  if (s.id === '') s.id = findingId(card.name, subject, asset, first);
  const isResolver = city.dns.resolvers.includes(ip);
  const level = levelOf(s.bits);
  const sights = s.evidence.length > 0 ? [s.first, ...s.evidence] : [s.first, s.decisive, s.last];
  return {
    kind: 'finding',
    id: s.id,
    plane: card.plane,
    detector: card.name,
    family: card.family,
    title: `${s.turn.name} turned from ${s.turn.outside} to ${s.turn.asset === '' ? s.turn.inside : s.turn.asset} for ${who}`,
    severity: isResolver ? 'low' : severities[level]!,
    confidence: bitsToConfidence(s.bits, calibration.priorBits),
    bits: Math.round(s.bits * 100) / 100,
    // The page came to the client from outside; what the client itself measures and says is not in doubt by half as much.
    trustBits: isResolver ? 0 : Math.round(Math.max(0, s.bits) * 50) / 100,
    asset,
    subject,
    firstAt: Math.min(s.firstAt, s.alertAt),
    at: s.alertAt,
    lastAt: Math.max(s.lastAt, s.alertAt),
    techniques: card.techniques,
    reasons: [
      ...reasons,
      ...(s.inside.length > 1 ? [{ text: `it pointed at ${s.inside.join(' ')}`, bits: 0 }] : []),
      ...(s.names.length > 1 ? [{ text: `names: ${s.names.join(' ')}`, bits: 0 }] : []),
    ],
    evidence: distinctEvidence(sights.map(place)),
    count: s.turns,
    response:
      level === 3 && !isResolver
        ? // The names alone: the domain may have honest ones.
          s.names.slice(0, 4).flatMap((n) => rpzOf(n, city).slice(0, 1))
        : [],
    links: [`domain:${s.zone}`, ...s.inside.map((a) => `ip:${a}`)],
  };
}

function place(s: Sighting): Evidence {
  return evidenceOf(s.origin, s.place);
}
