// What a command could do if untrusted devices lie: the loads that they speak of are taken at a multiple of what they say, the
// command is applied, and a DC overload cascade runs to its end. A picture for the people who decide, never a reason to pass.
import { cascade } from './cascade.ts';
import type { DcModel } from './dc.ts';
import type { Change, Situation } from './situation.ts';
import type { Snapshot } from './telemetry.ts';

export interface WhatIf {
  /** How many times the told load was assumed. */
  readonly factor: number;
  readonly lostShare: number;
  /** Branch indices that trip, in order. */
  readonly tripped: readonly number[];
  /** Buses without supply at the end. */
  readonly dark: readonly number[];
}

/** undefined where no load rests on an untrusted device. */
export function whatIf(
  model: DcModel,
  s: Situation,
  snapshot: Snapshot,
  change: Change | undefined,
  factor: number,
): WhatIf | undefined {
  const load = s.load.slice();
  let hidden = 0;
  for (const bus of snapshot.untrustedAt.keys()) {
    if (!(load[bus]! > 0)) continue;
    hidden += load[bus]! * (factor - 1);
    load[bus]! *= factor;
  }
  if (hidden === 0) return undefined;
  const closed = s.closed.slice();
  if (change?.branch !== undefined) closed[change.branch.index] = change.branch.closed ? 1 : 0;
  const generation = s.generation.slice();
  if (change?.bus !== undefined) {
    generation[change.bus.index]! += change.bus.generation;
    load[change.bus.index] = Math.max(0, load[change.bus.index]! + change.bus.load);
  }
  const result = cascade(model, { closed, load, generation, capacity: s.capacity });
  for (const stage of result.stages) for (const k of stage) closed[k] = 0;
  model.set(closed);
  const dark: number[] = [];
  for (let i = 0; i < load.length; i++) if (model.island[i]! < 0 && load[i]! > 0) dark.push(i);
  return { factor, lostShare: result.lostShare, tripped: result.stages.flat(), dark };
}
