// A suspect and its judgement become a finding.

import type { City } from '#city';
import { evidenceOf, formatAddress } from '#events';
import { bitsToConfidence, type Evidence, type Finding, findingId, type Subject } from '#findings';
import { isUnder } from '#lib/domain';
import { assetOf, distinctEvidence } from '../claim.ts';
import { presentWire, rpzOf } from '../rpz.ts';
import calibration from './calibration.json' with { type: 'json' };
import { card } from './card.ts';
import type { Judgement } from './evidence.ts';
import type { Sighting, Suspect } from './suspect.ts';
import { zoneCut } from './zonecut.ts';

/** The zone cut of a suspect in presentation form; '.' where its names share none. */
export function cutOf(s: Suspect): string {
  const registeredLabels = labelCount(s.registered);
  const labels = zoneCut(s.sampled, registeredLabels);
  if (labels.length === 0) return '.';
  let wire = '';
  for (const l of labels) wire += String.fromCharCode(l.length) + l;
  return presentWire(`${wire}\u0000`);
}

function labelCount(wire: string): number {
  let count = 0;
  for (let at = 0; at < wire.length && wire.charCodeAt(at) > 0; at += wire.charCodeAt(at) + 1) count += 1;
  return count;
}

function place(s: Sighting): Evidence {
  return evidenceOf(s.origin, s.place);
}

/** 0 nothing, 1 medium, 2 high. */
export function levelOf(s: Suspect, j: Judgement, city: City): 0 | 1 | 2 {
  if (j.bits < calibration.mediumBits) return 0;
  if (j.bits < calibration.highBits) return 1;
  const registered = presentWire(s.registered);
  // Where most names look ordinary, the domain belongs to someone else as well: a person should look before it is blocked.
  const odd = Math.max(s.dataNames, s.names - s.byCarrier[0]!);
  if (odd < 0.3 * s.names && cutOf(s) === registered) return 1;
  if (isUnder(registered, [...city.dns.protected, ...city.dns.allow])) return 1;
  return 2;
}

export function findingOf(s: Suspect, j: Judgement, city: City, evidenceAll: boolean, isEcho: boolean): Finding {
  const level = levelOf(s, j, city);
  const cut = cutOf(s);
  const ip = formatAddress(Uint32Array.from(s.client), 0);
  const known = city.assetByIp(ip);
  const asset = assetOf(city, ip);
  const prefix = cut === '.' ? presentWire(s.sampled[0] ?? '').split('.')[0]! : '';
  const subject: Subject = { type: 'domain', value: cut === '.' ? `${prefix}.*` : cut };
  const first = place(s.first);
  // The cut may be refined as names come in; the id is that of the first claim.
  if (s.id === '') s.id = findingId(card.name, subject, asset, first);
  const reasons = [...j.reasons].sort((a, b) => Math.abs(b.bits) - Math.abs(a.bits));
  const evidence: Evidence[] = evidenceAll
    ? s.evidence.map(place)
    : distinctEvidence([first, place(s.decisive), place(s.last)]);
  const up = Math.round(s.leakedUp);
  const techniques = ['T1071.004', 'T1572', ...(s.leakedUp > s.leakedDown ? ['T1048.003'] : [])];
  return {
    kind: 'finding',
    id: s.id,
    plane: 'dns',
    detector: card.name,
    family: card.family,
    title: `${known?.id ?? ip} moves data through DNS ${cut === '.' ? `by names that begin with ${prefix}` : `under ${cut}`}${s.tool === '' ? '' : ` (${s.tool})`}`,
    // A resolver's echo is told, so that its side of the evidence is at hand, but alerts nobody a second time.
    // So does what the city allows: it is told because it outgrew what a look-up service sends.
    severity: isEcho || s.isAllowed ? 'low' : level === 2 ? 'high' : level === 1 ? 'medium' : 'low',
    confidence: bitsToConfidence(j.bits, calibration.priorBits),
    bits: Math.round(j.bits * 100) / 100,
    // What leaves through a resolver left one of its clients: the resolver's own data are not in doubt.
    ...(city.dns.resolvers.includes(ip) ? { trustBits: 0 } : {}),
    asset,
    subject,
    firstAt: s.firstAt,
    at: s.alertAt,
    lastAt: s.lastAt,
    ...(s.tool === '' ? {} : { tool: s.tool }),
    leakedBytes: up,
    leakedBytesAtAlert: Math.round(s.leakedAtAlert),
    techniques,
    reasons,
    evidence,
    count: s.rows,
    response: level === 2 ? rpzOf(cut, city) : [],
    links: cut === '.' ? [] : [...new Set([`domain:${cut}`, `domain:${presentWire(s.registered)}`])],
  };
}
