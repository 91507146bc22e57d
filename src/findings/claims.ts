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
