// Runs a scenario: each question by the iterating resolver, its answer through the validator, the status against the flags
// that the scenario expects of a validating resolver. Only for tests.
import { ALGORITHMS } from '../algorithms.ts';
import { negativeAnchor, readAnchors } from '../anchors.ts';
import { DEFAULT_LIMITS, type Limits } from '../limits.ts';
import { nameOf, parseName, textOf } from '../names.ts';
import type { Result } from '../result.ts';
import { settle, validate } from '../validate.ts';
import { CachedDenials } from './denials.ts';
import { dsa } from './dsa.ts';
import { wire } from './records.ts';
import { Resolver } from './resolver.ts';
import { readScenario, type Scenario, type Step } from './scenario.ts';

/** With DSA, which the older half of the scenarios is signed with. */
const limits: Limits = { ...DEFAULT_LIMITS, algorithms: new Map([...ALGORITHMS, [3, dsa], [6, dsa]]) };

export interface Check {
  readonly step: number;
  readonly expected: 'secure' | 'insecure' | 'bogus' | 'not bogus';
  /** Undefined where no server of the scenario answers. */
  readonly result: Result | undefined;
  readonly agrees: boolean;
}

export function replay(source: string): Check[] {
  const scenario = readScenario(source);
  const { anchors, rejected } = readAnchors(scenario.anchors);
  anchors.push(...scenario.insecure.map((z) => negativeAnchor(parseName(z)!)));
  if (rejected.length > 0) throw new Error(`anchors not read: ${rejected.join('; ')}`);
  const resolver = new Resolver(scenario);
  const denials = scenario.settings.get('aggressive-nsec') === 'yes' ? new CachedDenials() : undefined;
  const keys = new Map<string, { message: Buffer; untilSeconds: number }>();
  const checks: Check[] = [];
  let nowSeconds = clockOf(scenario);
  let query: Step | undefined;
  for (const step of scenario.steps) {
    if (step.kind === 'TIME_PASSES') nowSeconds += Number(/[\d.]+/.exec(step.argument)?.[0] ?? 0);
    if (step.kind === 'QUERY') query = step;
    if (step.kind !== 'CHECK_ANSWER' || query?.entry === undefined || step.entry === undefined) continue;
    // Without RD a resolver shows its cache.
    if (!query.entry.flags.has('RD')) continue;
    resolver.step = query.at;
    const { qname, qtype } = query.entry;
    const now = Math.floor(nowSeconds);
    const fetch = (name: Uint8Array, type: number): Uint8Array | undefined => {
      const text = textOf(nameOf(name));
      // Keys are kept for their lifetime.
      const kept = keys.get(`${text} ${type}`);
      if (kept !== undefined && kept.untilSeconds > now) return kept.message;
      const message = resolver.resolve(text, type);
      const own = resolver.answer.filter((r) => r.type === type);
      if (message !== undefined && own.length > 0)
        keys.set(`${text} ${type}`, { message, untilSeconds: now + Math.min(...own.map((r) => r.ttl)) });
      return message;
    };
    const question = { name: wire(qname), type: qtype };
    const judge = (message: Uint8Array | undefined): Result | undefined =>
      message && settle(validate(message, question, anchors, now, limits), fetch);
    // A resolver that uses denials aggressively asks nobody where what it holds proves the answer (RFC 8198).
    let result: Result | undefined;
    for (const made of denials?.answers(qname, qtype, now) ?? []) {
      const judged = judge(made);
      if (judged?.status === 'secure') result = judged;
    }
    if (result === undefined) {
      const message = resolver.resolve(qname, qtype);
      const { authority } = resolver;
      result = judge(message);
      if (result?.status === 'secure') denials?.keep(authority, now);
    }
    const expected = expectedOf(query, step);
    checks.push({ step: step.at, expected, result, agrees: agrees(expected, result) });
  }
  return checks;
}

function expectedOf(query: Step, answer: Step): Check['expected'] {
  const asked = query.entry!.flags;
  if (answer.entry!.flags.has('SERVFAIL')) return 'bogus';
  if (answer.entry!.flags.has('AD')) return 'secure';
  // AD is told only to those who show that they know it (RFC 6840 5.8), and not where checking is off.
  return (asked.has('DO') || asked.has('AD')) && !asked.has('CD') ? 'insecure' : 'not bogus';
}

/** A resolver answers SERVFAIL as well where what it needs is not to be had, and without AD where no anchor stands above. */
function agrees(expected: Check['expected'], result: Result | undefined): boolean {
  const status = result?.status;
  if (expected === 'not bogus') return status !== undefined && status !== 'bogus';
  if (expected === status) return true;
  if (expected === 'bogus')
    return status === undefined || result?.code === 'KEYS_MISSING' || result?.code === 'DS_MISSING';
  return expected === 'insecure' && result?.code === 'NO_ANCHOR';
}

/** The scenario's clock; where it has none, just after the youngest signature. */
function clockOf(scenario: Scenario): number {
  if (!Number.isNaN(scenario.nowSeconds)) return scenario.nowSeconds;
  let youngest = 0;
  for (const range of scenario.ranges)
    for (const entry of range.entries)
      for (const record of entry.sections.flat())
        if (record.type === 46) youngest = Math.max(youngest, record.rdata.readUInt32BE(12));
  return youngest + 1;
}
