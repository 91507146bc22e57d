// Per-subscriber state over signalling messages: who asked, whether it was told, what it led to. Outcome decides weight: a
// refused question is a probe, an answered one a breach, and only what changes where a device's data come from lowers trust
// in its readings.
import { type City, Operators } from '#city';
import type { EventBatch, SignallingMessage } from '#events';
import { evidenceOf } from '#events';
import type { Evidence } from '#findings';
import type { Detector, DetectorContext, DetectorKind } from '../contract.ts';
import calibration from './calibration.json' with { type: 'json' };
import { card } from './card.ts';
import { assetOf, type Case, findingOf, isStationary, newCase, type Outcome, subjectOf } from './claim.ts';
import { type Claim, judge, type Parties, partiesOf } from './judge.ts';
import { type Subscriber, Subscribers } from './subscriber.ts';

const CASES_MAX = 4096;
const EVIDENCE_MAX = 10_000;
const registrations = new Set([2, 23, 53, 316]);

class Signalling implements Detector {
  readonly #context: DetectorContext;
  readonly #city: City;
  readonly #operators: Operators;
  readonly #subscribers = new Subscribers();
  readonly #cases = new Map<string, Case>();
  #casesShed = 0;
  #unjudged = 0;
  #unjudgedSaid = 0;

  constructor(context: DetectorContext) {
    this.#context = context;
    this.#city = context.city;
    this.#operators = new Operators(context.city);
  }

  get shed(): number {
    return this.#subscribers.shed + this.#casesShed;
  }

  observe(batch: EventBatch): void {
    if (batch.kind !== 'signalling') return;
    for (const m of batch.records) this.#message(m);
  }

  advance(): void {
    if (this.#unjudged === this.#unjudgedSaid) return;
    this.#unjudgedSaid = this.#unjudged;
    this.#context.cover({
      kind: 'coverage',
      plane: card.plane,
      what: 'signalling without city.yaml',
      count: this.#unjudged,
      text: 'Signalling messages were decoded but not judged: city.yaml does not say which networks, realms and partners are ours (section signalling).',
    });
  }

  #message(m: SignallingMessage): void {
    if (!this.#operators.known) {
      this.#withoutCity(m);
      return;
    }
    const parties: Parties = { ...partiesOf(m, this.#operators), stationary: isStationary(m, this.#city) };
    if (!parties.ours) return;
    const key = m.imsi !== '' ? m.imsi : m.msisdn;
    const s = key === '' ? undefined : this.#subscribers.touch(key);
    const claims = judge(m, parties, s, this.#operators);
    for (const claim of claims) this.#claim(m, claim, s, parties);
    if (s !== undefined) this.#remember(m, s, parties, claims);
  }

  /** Who is inside is not known: only what is certain whoever sent it. */
  #withoutCity(m: SignallingMessage): void {
    if (m.outcome === 'pending') this.#unjudged += 1;
    const all: Parties = { sender: -1, receiver: -1, ours: true, stationary: false };
    const claims = judge(m, all, undefined, this.#operators);
    const evasion = claims.find((c) => c.idea === 'evasion');
    if (evasion === undefined) return;
    if (m.operation < 0) this.#claim(m, evasion, undefined, all);
    else if (m.outcome === 'success' && claims.some((c) => c.category === '1'))
      for (const c of claims) this.#claim(m, c, undefined, all);
  }

  #claim(m: SignallingMessage, claim: Claim, s: Subscriber | undefined, p: Parties): void {
    // A change of profile from home counts once it is accepted and names an access point that the city does not use.
    if (claim.weak && (m.outcome !== 'success' || this.#usual(m))) return;
    // The answer to a request by temporary identity may name the subscriber: the claim waits for it.
    if (m.outcome === 'pending' && m.imsi === '' && m.msisdn === '' && learnsIdentity(m)) return;
    const subject = subjectOf(m);
    const a = assetOf(m, this.#city);
    const key = `${claim.idea}|${a.asset.id ?? a.asset.imsi ?? a.asset.host}|${subject.value}`;
    let c = this.#cases.get(key);
    if (c === undefined) {
      if (this.#cases.size >= CASES_MAX) this.#evict();
      c = newCase(key, claim, m, this.#city);
      this.#cases.set(key, c);
    }
    if (m.outcome === 'pending' || c.count === 0 || learnsIdentity(m)) c.count += 1;
    const outcome = outcomeOf(m, claim);
    if (rank(outcome) > rank(c.outcome)) {
      c.outcome = outcome;
      c.at = m.answerAt > 0 ? m.answerAt : m.at;
      c.decisive = evidenceOf(m.origin, m.answerPlace > 0 ? m.answerPlace : m.place);
    }
    c.lastAt = Math.max(c.lastAt, m.at, m.answerAt);
    c.gaveKeys ||= m.gaveKeys;
    c.gaveIdentity ||= m.gaveIdentity;
    add(c.operations, m.name);
    add(c.categories, claim.category);
    for (const o of m.oddities) add(c.oddities, o);
    for (const w of claim.why) add(c.why, w);
    this.#weigh(m, c, s, p);
    this.#evidence(m, c);
    this.#context.claim(findingOf(c, this.#city));
  }

  /** Context that makes a claim heavier: a device that cannot have moved, and a chain of steps on one subscriber. */
  #weigh(m: SignallingMessage, c: Case, s: Subscriber | undefined, p: Parties): void {
    let bonus = 0;
    if (p.stationary && (c.idea === 'registration' || c.idea === 'falseOrigin')) {
      bonus += calibration.stationaryBits;
      add(c.why, 'the device is mounted in one place and does not move between networks');
    }
    if (s !== undefined && c.idea !== 'evasion' && c.idea !== 'spoofing') {
      const identityKnown = s.identityAt > 0 && m.at > s.identityAt && m.at - s.identityAt < calibration.chainMicros;
      const keysKnown = s.keysAt > 0 && m.at > s.keysAt && m.at - s.keysAt < calibration.chainMicros;
      if (identityKnown || keysKnown) {
        bonus += calibration.chainBits;
        add(
          c.why,
          keysKnown ? 'an outsider got its keys shortly before' : 'an outsider learned its identity shortly before',
        );
      }
    }
    c.bonus = Math.max(c.bonus, bonus);
  }

  #usual(m: SignallingMessage): boolean {
    const asset = this.#city.assetByImsi(m.imsi);
    if (asset !== undefined && asset.apn !== '') return m.apn === asset.apn;
    return this.#city.signalling.apns.length === 0 || this.#city.signalling.apns.includes(m.apn);
  }

  /** First, decisive and last places; all of them where that is asked. */
  #evidence(m: SignallingMessage, c: Case): void {
    const places = [...(m.segments ?? []), m.place];
    if (m.answerPlace > 0) places.push(m.answerPlace);
    const fresh = places.map((p) => evidenceOf(m.origin, p));
    if (this.#context.evidenceAll) {
      if (c.evidence.length < EVIDENCE_MAX)
        // The tail is enough to look at: a message comes again only with its answer.
        for (const e of fresh) if (!c.evidence.slice(-64).some((x) => same(x, e))) c.evidence.push(e);
      return;
    }
    const first = c.evidence[0] ?? fresh[0]!;
    c.evidence = [first];
    for (const e of [c.decisive, ...fresh.slice(-1)]) if (!c.evidence.some((x) => same(x, e))) c.evidence.push(e);
  }

  /** Where the device is registered, and what outsiders know of it. */
  #remember(m: SignallingMessage, s: Subscriber, p: Parties, claims: readonly Claim[]): void {
    const suspicious = claims.some(
      (c) => c.idea === 'falseOrigin' || c.idea === 'registration' || c.idea === 'spoofing',
    );
    if (registrations.has(m.operation) && p.sender >= 0 && !suspicious) {
      if (m.outcome === 'pending') {
        s.before = s.serving;
        s.beforeAt = s.servingAt;
        s.serving = p.sender;
        s.servingAt = m.at;
      } else if (m.outcome === 'refused') {
        s.serving = s.before;
        s.servingAt = s.beforeAt;
      }
    }
    if (p.sender === 0 || p.sender === -2 || m.outcome !== 'success') return;
    const claimed = claims.length > 0;
    if (claimed && m.gaveIdentity) {
      s.identityAt = m.answerAt;
      s.identityBy = m.calling;
    }
    if (claimed && m.gaveKeys) s.keysAt = m.answerAt;
    if (claimed && m.gaveLocation) s.locationAt = m.answerAt;
  }

  /** Of the 64 oldest cases the one that says least goes. */
  #evict(): void {
    let victim = '';
    let least = Number.POSITIVE_INFINITY;
    let looked = 0;
    for (const [key, c] of this.#cases) {
      const weight = 100 * rank(c.outcome) + c.count;
      if (weight < least) {
        least = weight;
        victim = key;
      }
      if (++looked === 64) break;
    }
    this.#cases.delete(victim);
    this.#casesShed += 1;
  }

  snapshot(): unknown {
    return {
      version: 1,
      subscribers: this.#subscribers.snapshot(),
      cases: [...this.#cases.values()],
      unjudged: this.#unjudged,
    };
  }

  restore(state: unknown): void {
    const s = state as { version?: number; subscribers: [string, Subscriber][]; cases: Case[]; unjudged: number };
    if (s?.version !== 1) throw new Error('signalling: a snapshot of another version');
    this.#subscribers.restore(structuredClone(s.subscribers));
    this.#cases.clear();
    for (const c of structuredClone(s.cases)) this.#cases.set(c.key, c);
    this.#unjudged = s.unjudged;
  }
}

/** MAP sendIdentification asks by TMSI. */
function learnsIdentity(m: SignallingMessage): boolean {
  return m.protocol === 'map' && m.operation === 55;
}

/** Answered with what was asked for, answered otherwise, refused, or open. */
function outcomeOf(m: SignallingMessage, claim: Claim): Outcome {
  if (m.outcome === 'refused') return 'refused';
  if (m.outcome !== 'success') return 'asked';
  if (claim.idea === 'tracking') return m.gaveLocation || m.gaveIdentity ? 'given' : 'refused';
  if (claim.idea === 'keys') return m.gaveKeys ? 'given' : m.gaveIdentity ? 'given' : 'refused';
  return 'given';
}

function rank(outcome: Outcome): number {
  return outcome === 'given' ? 2 : outcome === 'refused' ? 1 : 0;
}

function add(list: string[], text: string): void {
  if (!list.includes(text) && list.length < 16) list.push(text);
}

function same(a: Evidence, b: Evidence): boolean {
  return a.frame === b.frame && a.line === b.line && a.offset === b.offset && a.file === b.file;
}

export const signalling: DetectorKind = { card, create: (context) => new Signalling(context) };
