// The other claims of the contract: incidents, verdicts, trust and twin states.
import type { AssetRef, ResponseRecord, Severity } from './finding.ts';

export interface StoryStep {
  readonly at: number;
  readonly text: string;
  readonly finding: string;
}

export interface Incident {
  readonly kind: 'incident';
  readonly id: string;
  readonly title: string;
  readonly severity: Severity;
  readonly confidence: number;
  readonly assets: readonly AssetRef[];
  readonly planes: readonly string[];
  readonly findings: readonly string[];
  readonly firstAt: number;
  readonly lastAt: number;
  readonly story: readonly StoryStep[];
  readonly techniques: readonly string[];
  readonly response: readonly ResponseRecord[];
}

/** The answer to a command. A hold without `leansOn` or `harm` or a reason is a defect. */
export interface Verdict {
  readonly kind: 'verdict';
  readonly id: string;
  readonly at: number;
  readonly command: string;
  readonly decision: 'pass' | 'hold' | 'refuse';
  readonly reasons: readonly string[];
  /** Readings or assets the command depends on that are not trusted. */
  readonly leansOn: readonly string[];
  /** What it would do: overload, voltage, islanding, cascade, unobservable... */
  readonly harm: readonly string[];
  readonly decidedInMicros: number;
  /** Share of load (0..1) that the consequence model loses if the command runs on the estimated state. */
  readonly loadLostShare?: number;
}

export interface TrustRecord {
  readonly kind: 'trust';
  readonly asset: string;
  readonly at: number;
  readonly trust: number;
  readonly because: readonly string[];
}

export interface Suspect {
  readonly reading: string;
  readonly residual: number;
  readonly normalized: number;
  readonly likely: string;
}

export interface State {
  readonly kind: 'state';
  readonly twin: string;
  readonly at: number;
  readonly values: Readonly<Record<string, number>>;
  readonly suspects: readonly Suspect[];
  readonly status: 'solved' | 'diverged' | 'unobservable' | 'islanded' | 'refused';
  readonly text: string;
}

/** What one consumer of a response answered when it was asked whether the refusal holds. */
export interface Proof {
  /** Name of the resolver, wall or list in city.yaml. */
  readonly consumer: string;
  readonly at: number;
  /** True where the refusal holds at that consumer, whatever the action's state. */
  readonly enforced: boolean;
  /** What was asked and what came back, in words. */
  readonly text: string;
}

/** Something Parapet has done, or would do: proposed, enforced until a time, undone or run out. */
export interface Action {
  readonly kind: 'action';
  readonly id: string;
  readonly at: number;
  readonly enforcer: string;
  readonly state: 'proposed' | 'enforced' | 'undone' | 'expired' | 'refused';
  /** Exactly what is installed, as in a finding's `response`. */
  readonly records: readonly ResponseRecord[];
  /** What it is about: the zone cut, address or asset. */
  readonly subject: string;
  /** The one client it holds for; absent where it holds for all. */
  readonly client?: string;
  /** Event time at which it ends by itself. */
  readonly until?: number;
  /** Findings behind it. */
  readonly because: readonly string[];
  /** Who asked for it: a person's name, or `parapet` where the mode is enforce. */
  readonly by: string;
  /** One sentence on its state: why refused, what undone. */
  readonly text: string;
  readonly proofs: readonly Proof[];
}
