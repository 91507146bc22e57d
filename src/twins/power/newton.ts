// AC power flow by Newton's method in polar form. Two unknowns for every node, held voltages and references as identity
// rows, so that a change of bus type needs no new analysis; structure analysed once, values refilled.
// It ends when the largest mismatch is below the tolerance, or when steps no longer shrink it and what is left is the
// rounding of the largest admittance (case141: 5e-10 pu on a 10 MVA base with admittances of 1e6).
import { analyse, doubled, Lu } from '#lib/sparse';
import { Admittance } from './admittance.ts';
import { type Grid, islands } from './grid.ts';

export const NodeKind = { Out: 0, Load: 1, Held: 2, Reference: 3 } as const;

export interface FlowInput {
  readonly closed: Uint8Array;
  /** By node: NodeKind. */
  readonly kind: Uint8Array;
  /** Net injection by node, pu; q is read at load nodes only, p not at references. */
  readonly p: Float64Array;
  readonly q: Float64Array;
  /** Start, and the set-point where held. */
  readonly vm: Float64Array;
  readonly va: Float64Array;
}

export interface FlowResult {
  readonly status: 'solved' | 'diverged';
  readonly vm: Float64Array;
  readonly va: Float64Array;
  readonly iterations: number;
  readonly mismatchMaxPu: number;
  /** Pivots that had to be replaced on the way: above 0 the solution is near a point of collapse. */
  readonly weakPivots: number;
}

const tolerance = 1e-10;
const iterationsMax = 30;
/** A remaining mismatch up to this multiple of the node's |Y| V^2 is rounding. */
const roundingShare = 1e-13;
const halvingsMax = 10;

export class PowerFlow {
  readonly grid: Grid;
  readonly admittance: Admittance;
  readonly #lu: Lu;
  /** Addresses of the four Jacobian entries of each admittance entry. */
  readonly #address: Int32Array;
  readonly #step: Float64Array;
  readonly #p: Float64Array;
  readonly #q: Float64Array;
  readonly #re: Float64Array;
  readonly #im: Float64Array;

  constructor(grid: Grid) {
    this.grid = grid;
    const y = new Admittance(grid);
    this.admittance = y;
    const n = grid.busCount;
    this.#lu = new Lu(doubled(analyse(n, y.edges())));
    this.#address = new Int32Array(4 * y.column.length);
    for (let i = 0; i < n; i++) {
      for (let e = y.start[i]!; e < y.start[i + 1]!; e++) {
        const k = y.column[e]!;
        for (let a = 0; a < 4; a++) this.#address[4 * e + a] = this.#lu.address(2 * i + (a >> 1), 2 * k + (a & 1));
      }
    }
    this.#step = new Float64Array(2 * n);
    this.#p = new Float64Array(n);
    this.#q = new Float64Array(n);
    this.#re = new Float64Array(n);
    this.#im = new Float64Array(n);
  }

  /** Full steps first; from the start again with halved steps where they fail. */
  solve(input: FlowInput): FlowResult {
    this.admittance.fill(input.closed);
    const full = this.#run(input, false);
    if (full.status === 'solved') return full;
    const careful = this.#run(input, true);
    return careful.status === 'solved' ? careful : full.mismatchMaxPu < careful.mismatchMaxPu ? full : careful;
  }

  #run(input: FlowInput, careful: boolean): FlowResult {
    const n = this.grid.busCount;
    const vm = input.vm.slice();
    const va = input.va.slice();
    let weakPivots = 0;
    let mismatch = this.#mismatch(input, vm, va);
    let iterations = 0;
    let stalled = 0;
    const finish = (status: 'solved' | 'diverged'): FlowResult => ({
      status,
      vm,
      va,
      iterations,
      mismatchMaxPu: mismatch,
      weakPivots,
    });
    while (iterations < iterationsMax) {
      if (mismatch <= tolerance) return this.#plausible(input, vm) ? finish('solved') : finish('diverged');
      if (!Number.isFinite(mismatch) || mismatch > 1e12) return finish('diverged');
      this.#jacobian(input, vm);
      this.#lu.factor();
      weakPivots += this.#lu.weakPivots;
      this.#lu.solve(this.#step);
      const step = this.#step.slice();
      const vm0 = vm.slice();
      const va0 = va.slice();
      let next = mismatch;
      for (let halving = 0, share = 1; ; halving++, share /= 2) {
        for (let i = 0; i < n; i++) {
          va[i] = va0[i]! + share * step[2 * i]!;
          vm[i] = vm0[i]! + share * step[2 * i + 1]!;
        }
        next = this.#mismatch(input, vm, va);
        if (!careful || halving === halvingsMax || next < mismatch) break;
      }
      iterations += 1;
      if (!(next < 0.5 * mismatch)) {
        stalled += 1;
        const floor = this.#rounding(input, vm);
        if (Math.min(next, mismatch) <= floor) {
          if (mismatch < next) {
            vm.set(vm0);
            va.set(va0);
          } else mismatch = next;
          return this.#plausible(input, vm) ? finish('solved') : finish('diverged');
        }
        if (careful && stalled > 8) {
          mismatch = next;
          return finish('diverged');
        }
      } else stalled = 0;
      mismatch = next;
    }
    if (mismatch <= Math.max(tolerance, this.#rounding(input, vm)) && this.#plausible(input, vm))
      return finish('solved');
    return finish('diverged');
  }

  /** A solution with a voltage at or below a tenth is one of the other roots, not a state of a running grid. */
  #plausible(input: FlowInput, vm: Float64Array): boolean {
    for (let i = 0; i < vm.length; i++) if (input.kind[i] !== NodeKind.Out && !(vm[i]! > 0.1)) return false;
    return true;
  }

  #rounding(input: FlowInput, vm: Float64Array): number {
    const y = this.admittance;
    let largest = 0;
    for (let i = 0; i < vm.length; i++) {
      if (input.kind[i] === NodeKind.Out) continue;
      const d = y.diagonal[i]!;
      largest = Math.max(largest, Math.hypot(y.g[d]!, y.b[d]!) * vm[i]! ** 2);
    }
    return Math.max(10 * tolerance, roundingShare * largest);
  }

  /** Fills p, q as injected by the network, the step's right side with what is missing; gives the largest. */
  #mismatch(input: FlowInput, vm: Float64Array, va: Float64Array): number {
    const y = this.admittance;
    const n = this.grid.busCount;
    const re = this.#re;
    const im = this.#im;
    const step = this.#step;
    for (let i = 0; i < n; i++) {
      re[i] = vm[i]! * Math.cos(va[i]!);
      im[i] = vm[i]! * Math.sin(va[i]!);
    }
    let largest = 0;
    for (let i = 0; i < n; i++) {
      let ir = 0;
      let ii = 0;
      for (let e = y.start[i]!; e < y.start[i + 1]!; e++) {
        const k = y.column[e]!;
        ir += y.g[e]! * re[k]! - y.b[e]! * im[k]!;
        ii += y.g[e]! * im[k]! + y.b[e]! * re[k]!;
      }
      this.#p[i] = re[i]! * ir + im[i]! * ii;
      this.#q[i] = im[i]! * ir - re[i]! * ii;
      const kind = input.kind[i]!;
      const dp = kind === NodeKind.Load || kind === NodeKind.Held ? input.p[i]! - this.#p[i]! : 0;
      const dq = kind === NodeKind.Load ? input.q[i]! - this.#q[i]! : 0;
      step[2 * i] = dp;
      step[2 * i + 1] = dq;
      const worst = Math.max(Math.abs(dp), Math.abs(dq));
      if (!(worst <= largest)) largest = worst;
    }
    return largest;
  }

  #jacobian(input: FlowInput, vm: Float64Array): void {
    const y = this.admittance;
    const { values } = this.#lu;
    const address = this.#address;
    const kind = input.kind;
    const re = this.#re;
    const im = this.#im;
    values.fill(0);
    for (let i = 0; i < this.grid.busCount; i++) {
      const kindOf = kind[i]!;
      const d = 4 * y.diagonal[i]!;
      const angleFixed = kindOf === NodeKind.Out || kindOf === NodeKind.Reference;
      if (angleFixed) values[address[d]!] = 1;
      if (kindOf !== NodeKind.Load) values[address[d + 3]!] = 1;
      if (angleFixed) continue;
      const load = kindOf === NodeKind.Load;
      for (let e = y.start[i]!; e < y.start[i + 1]!; e++) {
        const k = y.column[e]!;
        const at = 4 * e;
        if (k === i) {
          const g = y.g[e]!;
          const b = y.b[e]!;
          const v = vm[i]!;
          values[address[at]!] = -this.#q[i]! - b * v * v;
          if (load) {
            values[address[at + 1]!] = this.#p[i]! / v + g * v;
            values[address[at + 2]!] = this.#p[i]! - g * v * v;
            values[address[at + 3]!] = this.#q[i]! / v - b * v;
          }
          continue;
        }
        const other = kind[k]!;
        if (other === NodeKind.Out) continue;
        const c = re[i]! * re[k]! + im[i]! * im[k]!;
        const s = im[i]! * re[k]! - re[i]! * im[k]!;
        const own = y.g[e]! * c + y.b[e]! * s;
        const cross = y.g[e]! * s - y.b[e]! * c;
        if (other !== NodeKind.Reference) {
          values[address[at]!] = cross;
          if (load) values[address[at + 2]!] = -own;
        }
        if (other === NodeKind.Load) {
          values[address[at + 1]!] = own / vm[k]!;
          if (load) values[address[at + 3]!] = cross / vm[k]!;
        }
      }
    }
  }
}

export interface CaseInput extends FlowInput {
  readonly island: Int32Array;
  /** Buses in islands that no unit feeds. */
  readonly dark: readonly number[];
  readonly notes: readonly string[];
}

/**
 * The input that a case and switch positions describe: which nodes hold voltage, one reference an island, islands
 * without a unit left dark. What the file claims and the units do not bear out is corrected and noted.
 */
export function caseInput(grid: Grid, closed: Uint8Array = grid.closed): CaseInput {
  const n = grid.busCount;
  const notes = [...grid.notes];
  const island = islands(grid, closed);
  const kind = new Uint8Array(n);
  const p = new Float64Array(n);
  const q = new Float64Array(n);
  const vm = grid.startVm.slice();
  const va = grid.startVa.slice();
  const unit = new Float64Array(n).fill(-1);
  const capacity = new Float64Array(n);
  for (let i = 0; i < n; i++) {
    const v = grid.node[i]!;
    if (grid.busType[i] === 4) continue;
    if (kind[v] === NodeKind.Out) kind[v] = NodeKind.Load;
    p[v]! -= grid.loadP[i]!;
    q[v]! -= grid.loadQ[i]!;
  }
  const differing = new Set<number>();
  for (let g = 0; g < grid.unitCount; g++) {
    if (grid.unitOn[g] === 0) continue;
    const v = grid.node[grid.unitBus[g]!]!;
    p[v]! += grid.unitP[g]!;
    q[v]! += grid.unitQ[g]!;
    capacity[v]! += Math.max(grid.unitPMax[g]!, grid.unitP[g]!, 0);
    if (unit[v]! < 0) unit[v] = grid.unitVm[g]!;
    else if (unit[v] !== grid.unitVm[g]) differing.add(grid.busId[grid.unitBus[g]!]!);
  }
  for (const bus of differing)
    notes.push(`Units at bus ${bus} ask for different voltages; the first in service decides.`);
  let demoted = 0;
  for (let i = 0; i < n; i++) {
    const type = grid.busType[i]!;
    const v = grid.node[i]!;
    if (type !== 2 && type !== 3) continue;
    if (unit[v]! < 0) {
      demoted += 1;
      continue;
    }
    vm[v] = unit[v]!;
    kind[v] = Math.max(kind[v]!, type);
  }
  if (demoted > 0) notes.push(`${demoted} bus(es) marked as held have no unit in service and hold nothing.`);
  const referenced = new Map<number, number>();
  const best = new Map<number, number>();
  for (let i = 0; i < n; i++) {
    if (grid.node[i] !== i || island[i]! < 0) continue;
    const label = island[i]!;
    if (kind[i] === NodeKind.Reference) referenced.set(label, (referenced.get(label) ?? 0) + 1);
    if (kind[i] !== NodeKind.Held) continue;
    const b = best.get(label);
    if (b === undefined || capacity[i]! > capacity[b]!) best.set(label, i);
  }
  for (const [label, count] of referenced)
    if (count > 1) notes.push(`The island of bus ${grid.busId[label]} has ${count} references; each keeps its angle.`);
  const dark: number[] = [];
  const labels = new Set<number>();
  for (let i = 0; i < n; i++) if (grid.node[i] === i && island[i]! >= 0) labels.add(island[i]!);
  const darkLabels = new Set<number>();
  for (const label of labels) {
    if (referenced.has(label)) continue;
    const b = best.get(label);
    if (b === undefined) darkLabels.add(label);
    else {
      kind[b] = NodeKind.Reference;
      notes.push(
        `The island of bus ${grid.busId[label]} has no reference; bus ${grid.busId[b]}, its largest unit, takes its place.`,
      );
    }
  }
  for (let i = 0; i < n; i++) {
    if (island[i]! < 0 || !darkLabels.has(island[i]!)) continue;
    dark.push(i);
    kind[grid.node[i]!] = NodeKind.Out;
  }
  if (dark.length > 0) notes.push(`${dark.length} bus(es) lie in islands without a unit and are dark.`);
  for (let i = 0; i < n; i++) {
    if (kind[i] === NodeKind.Out) {
      vm[i] = 0;
      va[i] = 0;
    } else if (!(vm[i]! > 0.1)) vm[i] = 1;
  }
  return { closed, kind, p, q, vm, va, island, dark, notes };
}
