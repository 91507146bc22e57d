// How far the owner of every untrusted meter can move a quantity, unseen by the trusted ones (anchors/power.md rule 1):
// tau sqrt(c' G_S^-1 c), with G_S the gain of the trusted rows alone and c = dq/dx. Infinite where the trusted rows do
// not determine q.
import type { Estimate } from './estimate.ts';
import { branchUnknowns, type Gain } from './gain.ts';
import { RowKind } from './rows.ts';

/** Mean variance per squared unit of c above which the prior, not a reading, is what holds q. */
const unseenShare = 0.05;

/** A gradient: unknown and derivative, repeated unknowns add up. */
export interface Gradient {
  readonly unknowns: readonly number[];
  readonly values: readonly number[];
}

export class TrustedBound {
  readonly #gain: Gain;
  readonly #estimate: Estimate;
  readonly #tau: number;
  readonly #c: Float64Array;
  readonly #z: Float64Array;
  readonly #scratch = new Float64Array(4);

  /** Refactors the gain with trusted rows; the gain must not be refilled while this is in use. */
  constructor(gain: Gain, estimate: Estimate, tau: number) {
    this.#gain = gain;
    this.#estimate = estimate;
    this.#tau = tau;
    this.#c = new Float64Array(gain.fixed.length);
    this.#z = new Float64Array(gain.fixed.length);
    const removed = new Set(estimate.removed);
    gain.setRows(estimate.rows, estimate.closed);
    gain.linearise(estimate.vm, estimate.va);
    gain.factor((row, r) => (row.trusted && !removed.has(r) ? row.widened : Number.POSITIVE_INFINITY));
  }

  /** The bound of one quantity, in its own unit. */
  of(c: Gradient): number {
    const { fixed, ldl } = this.#gain;
    const dense = this.#c.fill(0);
    c.unknowns.forEach((u, i) => {
      if (fixed[u] === 0) dense[u]! += c.values[i]!;
    });
    let size = 0;
    for (let u = 0; u < dense.length; u++) size += dense[u]! ** 2;
    if (size === 0) return 0;
    this.#z.set(dense);
    ldl.solve(this.#z);
    let variance = 0;
    for (let u = 0; u < dense.length; u++) variance += dense[u]! * this.#z[u]!;
    if (!(variance >= 0) || variance > unseenShare * size) return Number.POSITIVE_INFINITY;
    return this.#tau * Math.sqrt(variance);
  }

  /** Gradient of the power entering a branch at its from-end. */
  flow(k: number, reactive: boolean): Gradient {
    const { grid } = this.#gain;
    const kind = reactive ? RowKind.FromQ : RowKind.FromP;
    this.#gain.flow(kind, k, this.#estimate.vm, this.#estimate.va, this.#scratch, 0);
    return {
      unknowns: [...branchUnknowns(grid.node[grid.from[k]!]!, grid.node[grid.to[k]!]!)],
      values: [...this.#scratch],
    };
  }
  voltage(node: number): Gradient {
    return { unknowns: [2 * node + 1], values: [1] };
  }
  angleAcross(k: number): Gradient {
    const { grid } = this.#gain;
    return { unknowns: [2 * grid.node[grid.from[k]!]!, 2 * grid.node[grid.to[k]!]!], values: [1, -1] };
  }
}

/** a + share * b */
export function combined(a: Gradient, share: number, b: Gradient): Gradient {
  return { unknowns: [...a.unknowns, ...b.unknowns], values: [...a.values, ...b.values.map((v) => share * v)] };
}
