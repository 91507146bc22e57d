// A suspect and its judgement become a finding.
import type { City } from '#city';
import { evidenceOf, formatAddress, formatName } from '#events';
import {
  type AssetRef,
  bitsToConfidence,
  type Evidence,
  type Finding,
  findingId,
  type ResponseRecord,
  type Subject,
} from '#findings';
import { suffixKind } from '#lib/suffix';
import { textToWire } from '#lib/wirename';
import calibration from './calibration.json' with { type: 'json' };
import { card } from './card.ts';
import type { Judgement } from './evidence.ts';
import type { Sighting, Suspect } from './suspect.ts';
import { zoneCut } from './zonecut.ts';

/** A zone name as listed in city.yaml holds for a name on dot boundaries only. */
export function listed(name: string, zones: readonly string[]): boolean {
  for (const zone of zones) {
    const z = zone.toLowerCase().replace(/\.$/, '');
    if (z !== '' && (name === z || name.endsWith(`.${z}`))) return true;
  }
  return false;
}

/** Presentation form of a wire name kept as latin1 text. */
export function present(wire: string): string {
  const bytes = Buffer.from(wire, 'latin1');
  return formatName(bytes, 0, bytes.length);
}

/** The zone cut of a suspect in presentation form; '.' where its names share none. */
export function cutOf(s: Suspect): string {
  const registeredLabels = labelCount(s.registered);
  const labels = zoneCut(s.sampled, registeredLabels);
  if (labels.length === 0) return '.';
  let wire = '';
  for (const l of labels) wire += String.fromCharCode(l.length) + l;
  return present(`${wire}\u0000`);
}

function labelCount(wire: string): number {
  let count = 0;
  for (let at = 0; at < wire.length && wire.charCodeAt(at) > 0; at += wire.charCodeAt(at) + 1) count += 1;
  return count;
}

/** QNAME triggers for the zone and all below it; `*.zone` does not cover `zone` (RPZ draft 00, 4.1.1). */
export function rpzOf(zone: string): ResponseRecord[] {
  // The policy zone's own name must still fit behind: 255 octets with room for it.
  if (zone === '.' || zone.length > 190) return [];
  return [
    { type: 'rpz', record: `${zone} CNAME .` },
    { type: 'rpz', record: `*.${zone} CNAME .` },
  ];
}

function place(s: Sighting): Evidence {
  return evidenceOf(s.origin, s.place);
}

/** 0 nothing, 1 medium, 2 high. */
export function levelOf(s: Suspect, j: Judgement, city: City): 0 | 1 | 2 {
  if (j.bits < calibration.mediumBits) return 0;
  if (j.bits < calibration.highBits) return 1;
  const registered = present(s.registered);
  // Where most names look ordinary, the domain belongs to someone else as well: a person should look before it is blocked.
  const odd = Math.max(s.dataNames, s.names - s.byCarrier[0]!);
  if (odd < 0.3 * s.names && cutOf(s) === registered) return 1;
  if (listed(registered, [...city.dns.protected, ...city.dns.allow])) return 1;
  return 2;
}

export function findingOf(s: Suspect, j: Judgement, city: City, evidenceAll: boolean, isEcho: boolean): Finding {
  const level = levelOf(s, j, city);
  const cut = cutOf(s);
  const ip = formatAddress(Uint32Array.from(s.client), 0);
  const known = city.assetByIp(ip);
  const asset: AssetRef =
    known === undefined ? { ip } : { id: known.id, ip, ...(known.role === '' ? {} : { role: known.role }) };
  const prefix = cut === '.' ? present(s.sampled[0] ?? '').split('.')[0]! : '';
  const subject: Subject = { type: 'domain', value: cut === '.' ? `${prefix}.*` : cut };
  const first = place(s.first);
  // The cut may be refined as names come in; the id is that of the first claim.
  if (s.id === '') s.id = findingId(card.name, subject, asset, first);
  const blockable =
    level === 2 &&
    !isSharedSuffix(cut) &&
    !listed(cut, city.dns.protected) &&
    !listed(cut, city.dns.allow) &&
    !shelters(cut, city);
  const reasons = [...j.reasons].sort((a, b) => Math.abs(b.bits) - Math.abs(a.bits));
  const evidence: Evidence[] = evidenceAll ? s.evidence.map(place) : dedupe([first, place(s.decisive), place(s.last)]);
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
    severity: isEcho ? 'low' : level === 2 ? 'high' : level === 1 ? 'medium' : 'low',
    confidence: Math.round(bitsToConfidence(j.bits, calibration.priorBits) * 1e4) / 1e4,
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
    response: blockable ? rpzOf(cut) : [],
    links: cut === '.' ? [] : [...new Set([`domain:${cut}`, `domain:${present(s.registered)}`])],
  };
}

/** A suffix below which strangers own names is never blocked as a whole. */
function isSharedSuffix(cut: string): boolean {
  const wire = new Uint8Array(256);
  const length = textToWire(cut, wire, 0);
  return length > 0 && suffixKind(wire, 0, length) !== 0;
}

/** Whether a protected or allowed zone lies below the cut: a block would take it along. */
function shelters(cut: string, city: City): boolean {
  return [...city.dns.protected, ...city.dns.allow].some((z) => z.toLowerCase().endsWith(`.${cut}`));
}

function dedupe(list: Evidence[]): Evidence[] {
  return list.filter(
    (e, i) =>
      i ===
      list.findIndex((x) => x.file === e.file && (x.frame ?? x.line ?? x.offset) === (e.frame ?? e.line ?? e.offset)),
  );
}
