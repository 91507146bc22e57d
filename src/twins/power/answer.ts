// What a judgement is made from, and the answer as it grows.
import type { TrustedBound } from './bound.ts';
import type { DcModel } from './dc.ts';
import type { Estimate } from './estimate.ts';
import type { Grid } from './grid.ts';
import type { PowerFlow } from './newton.ts';
import type { Situation } from './situation.ts';
import type { Snapshot } from './telemetry.ts';
import type { TwinVerdict } from './types.ts';

/** Names in a sentence or a verdict; beyond them the count is enough. */
export const namesMax = 12;

export interface JudgeLimits {
  readonly outageLoadingMax: number;
  readonly voltagePuMin: number;
  readonly voltagePuMax: number;
}
export interface JudgeContext {
  readonly grid: Grid;
  readonly flow: PowerFlow;
  readonly estimate: Estimate;
  readonly snapshot: Snapshot;
  /** The estimated state with commands already passed. */
  readonly before: Situation;
  readonly limits: JudgeLimits;
  readonly bound: () => TrustedBound;
  readonly modelBefore: DcModel;
  readonly modelAfter: DcModel;
  readonly modelCascade: DcModel;
}

export class Answer {
  readonly refusals: string[] = [];
  readonly holds: string[] = [];
  readonly notes: string[] = [];
  readonly harm = new Set<string>();
  readonly leansOn = new Set<string>();
  lost: number | undefined;

  verdict(): TwinVerdict {
    const decision = this.refusals.length > 0 ? 'refuse' : this.holds.length > 0 ? 'hold' : 'pass';
    return {
      decision,
      reasons: [...this.refusals, ...this.holds, ...this.notes],
      leansOn: [...this.leansOn].sort(),
      harm: [...this.harm],
      ...(this.lost === undefined ? {} : { loadLostShare: this.lost }),
    };
  }
}

/** Adds the untrusted assets that speak about these buses. */
export function name(c: JudgeContext, buses: readonly number[], answer: Answer): void {
  // Station meters come before load meters: they speak of the flow itself.
  for (const bus of new Set(buses))
    for (const asset of c.snapshot.untrustedAt.get(bus) ?? [])
      if (answer.leansOn.size < namesMax) answer.leansOn.add(asset);
}
export function names(answer: Answer): string {
  const list = [...answer.leansOn];
  const shown = list.slice(0, 4).join(', ');
  return list.length > 4 ? `${shown} and ${list.length - 4} more` : shown || 'untrusted readings';
}
