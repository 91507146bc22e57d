// The grid as the estimate has it, ready to be changed by a command and solved again: injections that reproduce the
// estimated state exactly, which nodes hold voltage, what each bus consumes and generates.
import { type BranchFlows, branchFlows } from './admittance.ts';
import { cascade } from './cascade.ts';
import type { DcModel } from './dc.ts';
import type { Estimate } from './estimate.ts';
import type { Grid } from './grid.ts';
import { type CaseInput, caseInput, NodeKind, type PowerFlow } from './newton.ts';
import type { Snapshot } from './telemetry.ts';

export interface Situation {
  readonly closed: Uint8Array;
  readonly kind: Uint8Array;
  readonly p: Float64Array;
  readonly q: Float64Array;
  readonly vm: Float64Array;
  readonly va: Float64Array;
  readonly island: Int32Array;
  readonly dark: readonly number[];
  readonly flows: BranchFlows;
  /** pu by bus. */
  readonly load: Float64Array;
  readonly generation: Float64Array;
  readonly capacity: Float64Array;
  lostShare?: number;
}

/** What a command changes. */
export interface Change {
  readonly branch?: { readonly index: number; readonly closed: boolean };
  readonly bus?: {
    readonly index: number;
    readonly p: number;
    readonly q: number;
    readonly load: number;
    readonly generation: number;
  };
}

export function situationOf(flow: PowerFlow, e: Estimate, snapshot: Snapshot, input: CaseInput): Situation {
  const { grid, admittance: y } = flow;
  const n = grid.busCount;
  y.fill(e.closed);
  const p = new Float64Array(n);
  const q = new Float64Array(n);
  for (let i = 0; i < n; i++) {
    for (let a = y.start[i]!; a < y.start[i + 1]!; a++) {
      const k = y.column[a]!;
      const vv = e.vm[i]! * e.vm[k]!;
      const c = vv * Math.cos(e.va[i]! - e.va[k]!);
      const s = vv * Math.sin(e.va[i]! - e.va[k]!);
      p[i]! += y.g[a]! * c + y.b[a]! * s;
      q[i]! += y.g[a]! * s - y.b[a]! * c;
    }
  }
  const load = new Float64Array(n);
  const generation = new Float64Array(n);
  const capacity = new Float64Array(n);
  for (let g = 0; g < grid.unitCount; g++) if (grid.unitOn[g] === 1) capacity[grid.unitBus[g]!]! += grid.unitPMax[g]!;
  for (let i = 0; i < n; i++) {
    if (input.kind[i] === NodeKind.Out) continue;
    const unit = snapshot.generation[i]!;
    const known = snapshot.load[i]!;
    if (!Number.isNaN(unit)) {
      generation[i] = Math.max(0, unit);
      load[i] = generation[i]! - p[i]!;
    } else if (!Number.isNaN(known)) {
      load[i] = known;
      generation[i] = known + p[i]!;
    } else {
      load[i] = Math.max(0, -p[i]!);
      generation[i] = Math.max(0, p[i]!);
    }
    // Noise of the estimate is no load and no unit.
    if (load[i]! < 0) {
      generation[i] = Math.max(0, generation[i]! - load[i]!);
      load[i] = 0;
    }
    capacity[i] = Math.max(capacity[i]!, generation[i]!);
  }
  return {
    closed: e.closed,
    kind: input.kind,
    p,
    q,
    vm: e.vm,
    va: e.va,
    island: input.island,
    dark: input.dark,
    flows: branchFlows(grid, y.ports, e.closed, e.vm, e.va),
    load,
    generation,
    capacity,
  };
}

/** The situation after a change, or why there is none. */
export function changed(flow: PowerFlow, s: Situation, change: Change): Situation | undefined {
  const { grid } = flow;
  const closed = s.closed.slice();
  const p = s.p.slice();
  const q = s.q.slice();
  const load = s.load.slice();
  const generation = s.generation.slice();
  const kind = s.kind.slice();
  let { island, dark } = s;
  if (change.bus !== undefined) {
    const { index, ...by } = change.bus;
    p[index]! += by.p;
    q[index]! += by.q;
    load[index] = Math.max(0, load[index]! + by.load);
    generation[index] = Math.max(0, generation[index]! + by.generation);
    // A set-point of the reference itself would change nothing: another unit has to take up the balance.
    if (by.generation !== 0 && kind[index] === NodeKind.Reference) moveReference(kind, s.capacity, island, index);
  }
  const vm = s.vm.slice();
  const va = s.va.slice();
  if (change.branch !== undefined) {
    closed[change.branch.index] = change.branch.closed ? 1 : 0;
    const again = caseInput(grid, closed);
    island = again.island;
    dark = again.dark;
    for (let i = 0; i < kind.length; i++) {
      const was = s.kind[i]!;
      kind[i] = again.kind[i]!;
      // The estimate's own reference stays where the grid stays in one piece.
      if (kind[i] === NodeKind.Out) {
        vm[i] = 0;
        va[i] = 0;
      } else if (was === NodeKind.Out) {
        vm[i] = again.vm[i]!;
        va[i] = again.va[i]!;
        p[i] = again.p[i]!;
        q[i] = again.q[i]!;
      }
    }
  }
  const solved = flow.solve({ closed, kind, p, q, vm, va });
  if (solved.status !== 'solved') return undefined;
  for (const i of dark) load[i] = 0;
  return {
    closed,
    kind,
    p,
    q,
    vm: solved.vm,
    va: solved.va,
    island,
    dark,
    flows: branchFlows(grid, flow.admittance.ports, closed, solved.vm, solved.va),
    load,
    generation,
    capacity: s.capacity,
  };
}

function moveReference(kind: Uint8Array, capacity: Float64Array, island: Int32Array, from: number): void {
  let best = -1;
  for (let i = 0; i < kind.length; i++)
    if (kind[i] === NodeKind.Held && island[i] === island[from] && (best < 0 || capacity[i]! > capacity[best]!))
      best = i;
  if (best < 0) return;
  kind[best] = NodeKind.Reference;
  kind[from] = NodeKind.Held;
}

/** Share of load that the DC cascade loses from here; kept with the situation. */
export function lostShare(model: DcModel, s: Situation): number {
  s.lostShare ??= Math.max(0, cascade(model, s).lostShare);
  return s.lostShare;
}

/** Apparent power at the fuller end as a share of the rating; 0 where there is no rating. */
export function loading(grid: Grid, flows: BranchFlows, k: number, short = false): number {
  const rating = short ? grid.ratingShort[k]! : grid.rating[k]!;
  if (rating === 0) return 0;
  return Math.max(Math.hypot(flows.pf[k]!, flows.qf[k]!), Math.hypot(flows.pt[k]!, flows.qt[k]!)) / rating;
}
