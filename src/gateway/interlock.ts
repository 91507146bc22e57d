// The judgement of a command, without any I/O: identity, then policy, then once-only and timing, then how many, then
// physics, then whether the answer leans on data that nobody should trust. Facts come in, words come out.
// Invariant: `pass` needs every question answered well. A missing, late or broken answer holds; nothing turns a hold
// into a pass but two people (holds.ts) or an emergency class that the city has declared beforehand.
import type { Command } from '#events';
import type { Verdict } from '#findings';

/** A twin's opinion of a command, on the state it estimates. */
export interface TwinVerdict {
  readonly decision: 'pass' | 'hold' | 'refuse';
  readonly reasons: readonly string[];
  /** Readings or assets it depends on that are not trusted. */
  readonly leansOn: readonly string[];
  readonly harm: readonly string[];
  readonly loadLostShare?: number;
}

/** The port to physics: the gateway knows no twin. */
export type Judge = (command: Command, deadlineMicros: number) => Promise<TwinVerdict>;

/** What came back through the port. */
export type TwinAnswer =
  | { readonly kind: 'answer'; readonly verdict: TwinVerdict }
  | { readonly kind: 'late'; readonly waitedMicros: number }
  | { readonly kind: 'error'; readonly text: string };

/** All that is known when a command is judged. Each is a plain fact, gathered by the ports. */
export interface CommandFacts {
  readonly command: Command;
  readonly digest: string;
  /** From the certificate. */
  readonly identity: { readonly id: string; readonly name: string; readonly revoked: boolean };
  readonly topic: string;
  /** Denial by the topic rules, '' where they allow. */
  readonly denied: string;
  /** Whether the city names a class for topic and action, and whether it is an emergency one. */
  readonly declared: 'no' | 'routine' | 'emergency';
  readonly retain: boolean;
  readonly shared?: boolean;
  readonly at: number;
  readonly ageMicrosMax: number;
  readonly skewMicrosMax: number;
  readonly nonce: 'fresh' | 'seen' | 'unknowable';
  /** Words where too many commands passed in the window (CommandWindow), else ''. */
  readonly tooMany: string;
  readonly auditWritable: boolean;
  readonly brokerUp: boolean;
  /** undefined before physics was asked. */
  readonly twin: TwinAnswer | undefined;
  readonly decidedInMicros: number;
}

interface Answer {
  readonly decision: Verdict['decision'];
  readonly reasons: readonly string[];
  readonly leansOn?: readonly string[];
  readonly harm?: readonly string[];
  readonly loadLostShare?: number | undefined;
}

/** The questions that need no physics. undefined: nothing stands against it so far, ask the twin. */
export function precheck(f: CommandFacts): Answer | undefined {
  const c = f.command;
  const refuse = (text: string): Answer => ({ decision: 'refuse', reasons: [text] });
  // Identity.
  if (f.identity.revoked) return refuse(`${f.identity.id} is revoked.`);
  if (c.requester !== f.identity.id && c.requester !== f.identity.name)
    return refuse(`The command says it is from ${c.requester}, the certificate says ${f.identity.id}.`);
  // Policy.
  if (f.denied !== '') return refuse(`${f.identity.id} may not: ${f.denied}.`);
  if (f.declared === 'no') return refuse(`No command class of the city covers ${c.action} on ${f.topic}.`);
  if (f.topic !== `cmd/${c.target}`) return refuse(`The topic is ${f.topic} but the command is for ${c.target}.`);
  if (f.retain) return refuse('A command may not be retained: it would act again on whoever comes later.');
  // Once only, and in time. These hold for emergencies too: a replayed trip is no emergency.
  if (f.nonce === 'seen') return refuse('This nonce was used before: a repeated command acts once only.');
  if (c.deadline !== 0 && c.deadline <= f.at) return refuse('Its deadline has passed.');
  if (f.at - c.at > f.ageMicrosMax) return refuse('It was issued too long ago.');
  if (c.at - f.at > f.skewMicrosMax) return refuse('It is dated in the future.');
  if (f.declared === 'emergency') {
    const reasons = [`Emergency class: ${c.action} on ${c.target} passes on identity and policy alone.`];
    if (!f.auditWritable) reasons.push('The audit could not be written; the emergency passes nevertheless.');
    return f.brokerUp
      ? { decision: 'pass', reasons }
      : {
          decision: 'hold',
          reasons: ['The broker is not reachable, so even an emergency can not leave. Act locally.'],
        };
  }
  if (f.nonce === 'unknowable')
    return { decision: 'hold', reasons: ['Too many commands are remembered to know whether this one is a repeat.'] };
  if (!f.auditWritable)
    return { decision: 'hold', reasons: ['The audit could not be written; nothing leaves that is not recorded.'] };
  if (!f.brokerUp) return { decision: 'hold', reasons: ['The broker is not reachable.'] };
  // How many. Each may be harmless; together they are how a grid is walked to the edge.
  if (f.tooMany !== '') return { decision: 'hold', reasons: [f.tooMany] };
  return undefined;
}

/** The whole judgement. */
export function judgeCommand(f: CommandFacts): Verdict {
  return verdictOf(f, precheck(f) ?? physics(f.twin));
}

function physics(twin: TwinAnswer | undefined): Answer {
  const hold = (text: string): Answer => ({ decision: 'hold', reasons: [text] });
  if (twin === undefined) return hold('Physics was not asked.');
  if (twin.kind === 'late') return hold(`Physics did not answer within ${Math.round(twin.waitedMicros / 1000)} ms.`);
  if (twin.kind === 'error') return hold(`Physics could not answer: ${twin.text}`);
  const v = twin.verdict;
  if (!isTwinVerdict(v)) return hold('Physics gave an answer that can not be read.');
  const rest = { leansOn: v.leansOn, harm: v.harm, loadLostShare: v.loadLostShare };
  if (v.decision !== 'pass') {
    const reasons = v.reasons.length > 0 ? v.reasons : [`Physics says ${v.decision} and gives no reason.`];
    return { decision: v.decision, reasons, ...rest };
  }
  if (v.harm.length > 0)
    return { decision: 'hold', reasons: [`It would do harm: ${v.harm.join('; ')}.`, ...v.reasons], ...rest };
  // Dependence: a pass that rests on untrusted data is the attacker's pass.
  if (v.leansOn.length > 0)
    return {
      decision: 'hold',
      reasons: [`The answer leans on data that is not trusted: ${v.leansOn.join(', ')}.`, ...v.reasons],
      ...rest,
    };
  return {
    decision: 'pass',
    reasons: v.reasons.length > 0 ? v.reasons : ['Identity, policy and physics agree.'],
    ...rest,
  };
}

/** The port crosses a process border: its answer is checked like any input. */
export function isTwinVerdict(v: unknown): v is TwinVerdict {
  if (typeof v !== 'object' || v === null) return false;
  const t = v as Record<string, unknown>;
  const texts = (x: unknown): boolean => Array.isArray(x) && x.every((s) => typeof s === 'string');
  return (
    (t.decision === 'pass' || t.decision === 'hold' || t.decision === 'refuse') &&
    texts(t.reasons) &&
    texts(t.leansOn) &&
    texts(t.harm) &&
    (t.loadLostShare === undefined || (typeof t.loadLostShare === 'number' && Number.isFinite(t.loadLostShare)))
  );
}

function verdictOf(f: CommandFacts, a: Answer): Verdict {
  return {
    kind: 'verdict',
    id: f.digest.slice(0, 16),
    at: f.at,
    command: f.command.id,
    decision: a.decision,
    reasons: a.reasons,
    leansOn: a.leansOn ?? [],
    harm: a.harm ?? [],
    decidedInMicros: f.decidedInMicros,
    ...(a.loadLostShare === undefined ? {} : { loadLostShare: a.loadLostShare }),
  };
}

/** Nonces of the last minutes. Full means that it can't tell any more, which holds; it never forgets one too early. */
export class Nonces {
  readonly #seen = new Map<string, number>();
  readonly #capacity: number;
  readonly #keepMicros: number;
  /** Never goes back, so that a clock set back does not make old commands new. */
  #latest = 0;

  constructor(keepMicros: number, capacity = 65_536) {
    this.#keepMicros = keepMicros;
    this.#capacity = capacity;
  }

  /** The latest moment seen, at least `at`. */
  moment(at: number): number {
    if (at > this.#latest) this.#latest = at;
    return this.#latest;
  }

  check(requester: string, nonce: string, at: number): CommandFacts['nonce'] {
    const moment = this.moment(at);
    // In order of arrival, so the old stand in front.
    for (const [key, seenAt] of this.#seen) {
      if (moment - seenAt <= this.#keepMicros) break;
      this.#seen.delete(key);
    }
    if (this.#seen.has(`${requester}\n${nonce}`)) return 'seen';
    return this.#seen.size >= this.#capacity ? 'unknowable' : 'fresh';
  }

  remember(requester: string, nonce: string, at: number): void {
    if (this.#seen.size < this.#capacity) this.#seen.set(`${requester}\n${nonce}`, this.moment(at));
  }
}

export interface WindowLimits {
  readonly most: number;
  readonly mostTotal: number;
  readonly mostPerTarget: number;
  readonly withinMs: number;
}

/** Commands that passed within the window: one requester's, everyone's, and those to one target. */
export class CommandWindow {
  readonly #limits: WindowLimits;
  #passed: { at: number; requester: string; target: string }[] = [];

  constructor(limits: WindowLimits) {
    this.#limits = limits;
  }

  tooMany(requester: string, target: string, at: number): string {
    const from = at - this.#limits.withinMs * 1000;
    this.#passed = this.#passed.filter((p) => p.at > from);
    const minutes = Math.round(this.#limits.withinMs / 6000) / 10;
    const own = this.#passed.filter((p) => p.requester === requester).length;
    if (own >= this.#limits.most) return `${own} commands of this requester passed within ${minutes} min.`;
    const onTarget = this.#passed.filter((p) => p.target === target).length;
    if (onTarget >= this.#limits.mostPerTarget)
      return `${onTarget} commands to ${target} passed within ${minutes} min.`;
    if (this.#passed.length >= this.#limits.mostTotal)
      return `${this.#passed.length} commands passed within ${minutes} min, from all requesters.`;
    return '';
  }

  /** Takes back what was counted before physics said no. */
  undo(requester: string, target: string, at: number): void {
    const i = this.#passed.findLastIndex((p) => p.at === at && p.requester === requester && p.target === target);
    if (i >= 0) this.#passed.splice(i, 1);
  }

  /** Bounded by mostTotal: past it nothing routine passes; emergencies are dropped from the front. */
  passed(requester: string, target: string, at: number): void {
    this.#passed.push({ at, requester, target });
    if (this.#passed.length > this.#limits.mostTotal + 256) this.#passed.shift();
  }
}
