// What a switching would bring down: a DC overload cascade. Each stage balances every island (generation short: units rise
// in proportion to headroom, or all to their maximum and all loads scale down; generation long: units scale down), solves,
// and trips every branch above its rating at once; it ends when none trips.
import type { DcModel } from './dc.ts';

export interface CascadeInput {
  readonly closed: Uint8Array;
  /** By bus, pu. Capacity is what the units of a bus can give at most, never below what they give. */
  readonly load: Float64Array;
  readonly generation: Float64Array;
  readonly capacity: Float64Array;
}
export interface CascadeResult {
  readonly lostShare: number;
  /** Branch indices by stage. */
  readonly stages: readonly (readonly number[])[];
  readonly loadLeft: number;
}

export function cascade(model: DcModel, input: CascadeInput): CascadeResult {
  const { grid } = model;
  const closed = input.closed.slice();
  const load = input.load.slice();
  const generation = input.generation.slice();
  const before = sum(load);
  const stages: number[][] = [];
  // Every stage but the last opens a branch, so there are at most as many stages as branches.
  for (;;) {
    model.set(closed);
    balance(model.island, load, generation, input.capacity);
    const flows = model.flows(generation.map((w, i) => w - load[i]!));
    const tripped: number[] = [];
    for (let k = 0; k < grid.branchCount; k++)
      if (closed[k] === 1 && grid.rating[k]! > 0 && Math.abs(flows[k]!) > grid.rating[k]! * (1 + 1e-9)) tripped.push(k);
    if (tripped.length === 0) break;
    for (const k of tripped) closed[k] = 0;
    stages.push(tripped);
  }
  const left = sum(load);
  return { lostShare: before > 0 ? 1 - left / before : 0, stages, loadLeft: left };
}

function balance(island: Int32Array, load: Float64Array, generation: Float64Array, capacity: Float64Array): void {
  const n = load.length;
  const demand = new Float64Array(n);
  const supply = new Float64Array(n);
  const most = new Float64Array(n);
  for (let i = 0; i < n; i++) {
    const r = island[i]!;
    if (r < 0) continue;
    demand[r]! += load[i]!;
    supply[r]! += generation[i]!;
    most[r]! += capacity[i]!;
  }
  for (let i = 0; i < n; i++) {
    const r = island[i]!;
    if (r < 0) {
      load[i] = 0;
      generation[i] = 0;
      continue;
    }
    const d = demand[r]!;
    const s = supply[r]!;
    const top = most[r]!;
    if (d > s) {
      if (d > top) {
        generation[i] = capacity[i]!;
        load[i]! *= d > 0 ? Math.max(0, top) / d : 0;
      } else generation[i]! += ((d - s) / (top - s)) * (capacity[i]! - generation[i]!);
    } else if (s > d && s > 0) generation[i]! *= Math.max(0, d) / s;
  }
}

function sum(values: Float64Array): number {
  let s = 0;
  for (let i = 0; i < values.length; i++) s += values[i]!;
  return s;
}
