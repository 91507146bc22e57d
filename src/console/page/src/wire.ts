// The records as they arrive: the same as in ../../source.ts, with times as ISO 8601 text.
import type { Action, Coverage, Finding, Incident, TrustRecord, Verdict } from '#findings';
import type * as source from '../../source.ts';

type TimeKey = 'at' | 'firstAt' | 'lastAt' | 'until' | 'deadline' | 'expiresAt';
type Wire<T> = T extends readonly (infer U)[]
  ? readonly Wire<U>[]
  : T extends object
    ? { readonly [K in keyof T]: K extends TimeKey ? string | Extract<T[K], undefined> : Wire<T[K]> }
    : T;

export type WireFinding = Wire<Finding>;
export type WireIncident = Wire<Incident>;
export type WireTrust = Wire<TrustRecord>;
export type WireVerdict = Wire<Verdict>;
export type WireHold = Wire<source.HeldCommand>;
export type WireGrid = Wire<source.GridView>;
export type WireProgress = Wire<source.Progress>;
export type WireEnd = Wire<source.End>;
export type WireAction = Wire<Action>;
export type WireCoverage = Wire<Coverage>;
export type WireSnapshot = Wire<source.Snapshot> & {
  readonly last: string;
  readonly token: string;
  readonly actions: readonly WireAction[];
  readonly consumers: readonly string[];
  readonly coverage: readonly WireCoverage[];
  /** Whether actions can be answered here. */
  readonly responds: boolean;
};
export type WireDecision = source.Decision;
