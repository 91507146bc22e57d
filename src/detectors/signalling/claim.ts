// A claim and its outcome become a finding in plain words.
import type { City } from '#city';
import { evidenceOf, type SignallingMessage } from '#events';
import {
  type AssetRef,
  bitsToConfidence,
  type Evidence,
  type Finding,
  findingId,
  pseudonymOfImsi,
  pseudonymOfMsisdn,
  type ResponseRecord,
  type Severity,
  type Subject,
} from '#findings';
import calibration from './calibration.json' with { type: 'json' };
import { card } from './card.ts';
import type { Claim, Idea } from './judge.ts';

export type Outcome = 'asked' | 'refused' | 'given';

/** Everything that one finding has gathered: one idea, one subscriber, one sender. Plain data. */
export interface Case {
  readonly key: string;
  readonly idea: Idea;
  id: string;
  outcome: Outcome;
  firstAt: number;
  at: number;
  lastAt: number;
  count: number;
  /** Names and category of the operations seen. */
  operations: string[];
  categories: string[];
  oddities: string[];
  why: string[];
  bonus: number;
  evidence: Evidence[];
  decisive: Evidence;
  asset: AssetRef;
  subject: Subject;
  who: string;
  called: string;
  stationary: boolean;
  gaveKeys: boolean;
  gaveIdentity: boolean;
}

const techniques: Readonly<Record<Idea, readonly string[]>> = {
  tracking: ['T1430.002'],
  keys: ['T1451'],
  registration: ['T1451'],
  falseOrigin: ['T1451', 'T1036'],
  denial: ['T1464'],
  profile: ['T1638'],
  evasion: ['T1036'],
  spoofing: ['T1036'],
};

export function assetOf(
  m: SignallingMessage,
  city: City,
): { asset: AssetRef; who: string; stationary: boolean; name: string } {
  const known =
    (m.imsi !== '' ? city.assetByImsi(m.imsi) : undefined) ??
    (m.msisdn !== '' ? city.assetByMsisdn(m.msisdn) : undefined);
  const name =
    m.imsi !== '' ? pseudonymOfImsi(m.imsi, city.name) : m.msisdn !== '' ? pseudonymOfMsisdn(m.msisdn, city.name) : '';
  if (known !== undefined) {
    const imsi = known.imsi !== '' ? pseudonymOfImsi(known.imsi, city.name) : name;
    return {
      asset: { id: known.id, imsi, ...(known.role === '' ? {} : { role: known.role }) },
      who: known.id,
      stationary: isMounted(known.role),
      name: imsi,
    };
  }
  if (name !== '') return { asset: { imsi: name }, who: `the SIM ${name}`, stationary: false, name };
  const node = m.protocol === 'diameter' ? m.called || m.destinationRealm : m.called;
  return {
    asset: { host: node === '' ? 'unknown node' : node },
    who: `a SIM behind ${node === '' ? 'a node' : node}`,
    stationary: false,
    name: '',
  };
}

/** Whether the message is about a listed device that was mounted in one place. */
export function isStationary(m: SignallingMessage, city: City): boolean {
  const known = city.assetByImsi(m.imsi) ?? city.assetByMsisdn(m.msisdn);
  return known !== undefined && isMounted(known.role);
}

/** Roles whose devices stay where they were mounted; city.yaml's words. */
function isMounted(role: string): boolean {
  return /meter|signal|sensor|relay|rtu|substation|pump|valve|gateway|camera|light|charger/.test(role);
}

export function severityOf(c: Case, city: City): Severity {
  const { idea, outcome } = c;
  if (outcome === 'given') {
    if (idea === 'evasion' || idea === 'spoofing') return 'medium';
    if (idea === 'falseOrigin' || idea === 'profile') return 'critical';
    if (idea === 'keys') return c.categories.includes('1') || c.stationary || c.bonus > 0 ? 'high' : 'medium';
    if (idea === 'registration') return c.stationary || c.bonus > 0 ? 'critical' : 'medium';
    if (c.categories.every((k) => k === 'SMS')) return 'low';
    return 'high';
  }
  if (idea === 'falseOrigin') return 'medium';
  // A refused probe of a listed device, repeated or in a chain, is a campaign under way.
  if (c.bonus > 0 && city.signalling.plmn.length > 0 && (c.count > 2 || idea === 'tracking')) return 'medium';
  return 'low';
}

export function titleOf(c: Case): string {
  const from = c.subject.type === 'realm' ? `the realm ${c.subject.value}` : `the network at ${c.subject.value}`;
  const times = c.count > 1 ? ` (${c.count} times)` : '';
  const end = c.outcome === 'given' ? '' : c.outcome === 'refused' ? ' and was refused' : ', no answer was seen';
  switch (c.idea) {
    case 'tracking':
      return c.outcome === 'given'
        ? `${cap(from)} asked where ${c.who} is, and was told${times}`
        : `${cap(from)} asked where ${c.who} is${end}${times}`;
    case 'keys':
      return c.outcome === 'given'
        ? `${cap(from)} asked for the keys of ${c.who}, and got ${c.gaveIdentity ? 'them and its identity' : 'them'}${times}`
        : `${cap(from)} asked for the keys of ${c.who}${end}${times}`;
    case 'registration':
    case 'falseOrigin':
      return c.outcome === 'given'
        ? `${cap(from)} registered ${c.who} at a false place, and it was accepted${times}`
        : `${cap(from)} tried to register ${c.who} at a false place${end}${times}`;
    case 'denial':
      return `${cap(from)} ${c.outcome === 'given' ? 'cut' : 'tried to cut'} ${c.who} off the network${end}${times}`;
    case 'profile':
      return `${cap(from)} ${c.outcome === 'given' ? 'changed' : 'tried to change'} the profile of ${c.who}${end}${times}`;
    case 'evasion':
      return `${cap(from)} sent messages about ${c.who} in a form that slips past filters${times}`;
    case 'spoofing':
      return `${cap(from)} sent messages about ${c.who} whose origin does not fit${times}`;
  }
}

function cap(text: string): string {
  return text[0]!.toUpperCase() + text.slice(1);
}

export function subjectOf(m: SignallingMessage): Subject {
  return m.protocol === 'diameter'
    ? { type: 'realm', value: m.originRealm === '' ? 'unnamed' : m.originRealm }
    : { type: 'gt', value: m.calling === '' ? 'unnamed' : m.calling };
}

export function placeOf(m: SignallingMessage): Evidence {
  return evidenceOf(m.origin, m.place);
}

export function newCase(key: string, claim: Claim, m: SignallingMessage, city: City): Case {
  const a = assetOf(m, city);
  const subject = subjectOf(m);
  const first = placeOf(m);
  return {
    key,
    idea: claim.idea,
    id: findingId(`${card.name}-${claim.idea}`, subject, a.asset, first),
    outcome: 'asked',
    firstAt: m.at,
    at: m.at,
    lastAt: m.at,
    count: 0,
    operations: [],
    categories: [],
    oddities: [],
    why: [],
    bonus: 0,
    evidence: [],
    decisive: first,
    asset: a.asset,
    subject,
    who: a.who,
    called: m.called,
    stationary: a.stationary,
    gaveKeys: false,
    gaveIdentity: false,
  };
}

/** What the operator's firewall would hold back. */
function responseOf(c: Case): ResponseRecord[] {
  const who = c.subject.type === 'realm' ? `origin-realm=${c.subject.value}` : `calling-gt=${c.subject.value}`;
  if (c.idea === 'evasion')
    return [
      {
        type: 'signalling-rule',
        record: `block encoding=${c.oddities.join(',') || 'undecodable'} ${who} direction=inbound`,
      },
    ];
  return [
    {
      type: 'signalling-rule',
      record: `block category=${c.categories.join(',')} operation=${c.operations.join(',')} ${who} direction=inbound`,
    },
  ];
}

export function findingOf(c: Case, city: City): Finding {
  const outcome = c.outcome;
  const base = calibration.bits[c.idea][outcome];
  const bits = base + c.bonus + Math.min(3, Math.log2(Math.max(1, c.count)));
  const trust = outcome === 'asked' ? 0 : calibration.trustBits[c.idea][outcome];
  const links = [`${c.subject.type}:${c.subject.value}`];
  if (c.asset.imsi !== undefined) links.push(`subscriber:${c.asset.imsi}`);
  else if (c.asset.host !== undefined) links.push(`node:${c.asset.host}`);
  const share = c.bonus > 0 ? calibration.chainBits : 0;
  return {
    kind: 'finding',
    id: c.id,
    plane: card.plane,
    detector: card.name,
    family: `signalling-${c.idea === 'falseOrigin' ? 'registration' : c.idea}`,
    title: titleOf(c),
    severity: severityOf(c, city),
    confidence: bitsToConfidence(bits, calibration.priorBits),
    bits: Math.round(bits * 100) / 100,
    trustBits: trust,
    asset: c.asset,
    subject: c.subject,
    firstAt: c.firstAt,
    at: c.at,
    lastAt: c.lastAt,
    techniques: techniques[c.idea],
    reasons: c.why.map((text, i) => ({ text, bits: i === 0 ? base : i === 1 ? share : 0 })),
    evidence: c.evidence,
    count: c.count,
    response: responseOf(c),
    links,
  };
}
