// Weighted least-squares state estimation with trust: a reading of trust t counts with variance sigma^2 / t.
//   x        angle and magnitude of every node      r = z - h(x)            residual
//   G        H' R^-1 H                              Omega = R - H G^-1 H'   residual covariance; 0: a critical row
//   r_N      |r| / sqrt(Omega_ii)                   h_ii = (H G^-1 H' R^-1)_ii, leverage; they add up to the rank
// Trusted and untrusted rows are tested apart: the chi-squared test and the residuals over trusted rows with effective
// degrees of freedom sum(1 - h_ii); an untrusted row by its innovation d / sqrt(R_ii + h Z_S h') against the state that
// the trusted rows give alone, which no consistent majority of untrusted ones can bend.
import { chiSquaredQuantile, normalQuantile } from '#lib/stats';
import { Gain, unseenVariance } from './gain.ts';
import type { Grid } from './grid.ts';
import type { Row } from './rows.ts';

const iterationsMax = 30;
const stepMin = 1e-9;
/** Omega_ii / R_ii below this is rounding: the row is critical, an error on it leaves no trace. */
const criticalShare = 1e-5;
/** Probability of a false alarm of each test over all rows. */
const falseAlarm = 0.01;
/** Rows taken out as bad data before giving up: more than this is no accident, and no estimate. */
const removalsMax = 8;

export interface EstimateInput {
  readonly rows: readonly Row[];
  readonly closed: Uint8Array;
  /** By unknown (2 node, 2 node + 1): fixed angles of references, dark nodes. */
  readonly fixed: Uint8Array;
  readonly vm: Float64Array;
  readonly va: Float64Array;
  readonly removeBad: boolean;
}

export interface Estimate {
  readonly status: 'solved' | 'unobservable' | 'diverged';
  readonly rows: readonly Row[];
  readonly closed: Uint8Array;
  readonly vm: Float64Array;
  readonly va: Float64Array;
  readonly iterations: number;
  /** Node indices whose angle or magnitude no row fixes. */
  readonly unobservable: readonly number[];
  /** Node indices that the trusted rows alone do not fix. */
  readonly unobservableTrusted: readonly number[];
  readonly residual: Float64Array;
  /** Residual variance with trust; and whether the row is critical. */
  readonly omega: Float64Array;
  readonly critical: Uint8Array;
  /** |r| / sqrt(Omega) of trusted rows, innovation of untrusted ones; 0 where it cannot be tested. */
  readonly normalized: Float64Array;
  /** Sum of leverages: the rank of H, a self-check of the whole algebra. */
  readonly trace: number;
  readonly rank: number;
  /** Over trusted rows. */
  readonly objective: number;
  readonly degreesOfFreedom: number;
  readonly objectiveLimit: number;
  /** Largest normalized value that chance explains among so many rows (Bonferroni). */
  readonly normalizedLimit: number;
  /** Row indices, largest first: bad data by two witnesses, and untrusted rows that contradict the trusted state. */
  readonly suspects: readonly number[];
  /** Rows left out after the tests, in order. */
  readonly removed: readonly number[];
}

interface Measured {
  readonly residual: Float64Array;
  readonly omega: Float64Array;
  readonly critical: Uint8Array;
  readonly trace: number;
  readonly objective: number;
  readonly degreesOfFreedom: number;
  readonly unobservable: readonly number[];
}

export class Estimator {
  readonly grid: Grid;
  readonly gain: Gain;

  constructor(grid: Grid) {
    this.grid = grid;
    this.gain = new Gain(grid);
  }

  estimate(input: EstimateInput): Estimate {
    const { gain } = this;
    gain.fixed.set(input.fixed);
    gain.setRows(input.rows, input.closed);
    const m = input.rows.length;
    const out = new Uint8Array(m);
    const removed: number[] = [];
    const vm = input.vm.slice();
    const va = input.va.slice();
    const variance = (row: Row, r: number): number => (out[r] === 1 ? Number.POSITIVE_INFINITY : row.widened);
    let iterations = 0;
    for (;;) {
      const run = this.#iterate(vm, va, variance);
      iterations += run.iterations;
      const measured = this.#measure(variance, out);
      const result = this.#result(input, vm, va, iterations, run.converged, measured, removed);
      const worst = result.suspects.find((r) => input.rows[r]!.trusted && result.critical[r] === 0 && out[r] === 0);
      if (!input.removeBad || result.status === 'diverged' || worst === undefined || removed.length >= removalsMax)
        return this.#testUntrusted(result, input, out);
      out[worst] = 1;
      removed.push(worst);
    }
  }

  #iterate(
    vm: Float64Array,
    va: Float64Array,
    variance: (row: Row, r: number) => number,
  ): { converged: boolean; iterations: number } {
    const { gain } = this;
    const n = this.grid.busCount;
    const step = new Float64Array(2 * n);
    for (let iterations = 0; iterations < iterationsMax; iterations++) {
      gain.linearise(vm, va);
      gain.factor(variance);
      step.fill(0);
      for (let r = 0; r < gain.rows.length; r++) {
        const v = variance(gain.rows[r]!, r);
        if (v === Number.POSITIVE_INFINITY) continue;
        const w = (gain.rows[r]!.value - gain.calculated[r]!) / v;
        for (let c = gain.start[r]!; c < gain.start[r + 1]!; c++) step[gain.unknowns[c]!]! += w * gain.h[c]!;
      }
      gain.ldl.solve(step);
      let largest = 0;
      for (let u = 0; u < 2 * n; u++) if (!(Math.abs(step[u]!) <= largest)) largest = Math.abs(step[u]!);
      if (!Number.isFinite(largest)) return { converged: false, iterations };
      // A step of half a radian or half a per-unit volt leaves the region where the linear model says anything.
      const share = largest > 0.5 ? 0.5 / largest : 1;
      for (let i = 0; i < n; i++) {
        va[i]! += share * step[2 * i]!;
        vm[i]! += share * step[2 * i + 1]!;
      }
      if (largest < stepMin) return { converged: true, iterations: iterations + 1 };
    }
    return { converged: false, iterations: iterationsMax };
  }

  /** Residuals, their variances, leverages and what cannot be seen, at the point of the last linearisation. */
  #measure(variance: (row: Row, r: number) => number, out: Uint8Array): Measured {
    const { gain } = this;
    const m = gain.rows.length;
    gain.invert();
    const residual = new Float64Array(m);
    const omega = new Float64Array(m);
    const critical = new Uint8Array(m);
    let trace = 0;
    let objective = 0;
    let degreesOfFreedom = 0;
    for (let r = 0; r < m; r++) {
      const row = gain.rows[r]!;
      residual[r] = row.value - gain.calculated[r]!;
      const spread = gain.spread(r);
      if (out[r] === 1) {
        // A row left out is predicted by the others.
        omega[r] = row.widened + spread;
        continue;
      }
      const v = variance(row, r);
      const leverage = spread / v;
      omega[r] = v - spread;
      trace += leverage;
      if (1 - leverage < criticalShare) {
        critical[r] = 1;
        omega[r] = 0;
      }
      if (!row.trusted) continue;
      objective += residual[r]! ** 2 / v;
      degreesOfFreedom += Math.max(0, 1 - leverage);
    }
    return { residual, omega, critical, trace, objective, degreesOfFreedom, unobservable: this.#unseen() };
  }

  #unseen(): number[] {
    const out: number[] = [];
    for (let i = 0; i < this.grid.busCount; i++) {
      if (this.grid.node[i] !== i) continue;
      if (this.gain.varianceOf(2 * i) > unseenVariance || this.gain.varianceOf(2 * i + 1) > unseenVariance) out.push(i);
    }
    return out;
  }

  #result(
    input: EstimateInput,
    vm: Float64Array,
    va: Float64Array,
    iterations: number,
    converged: boolean,
    measured: Measured,
    removed: readonly number[],
  ): Estimate {
    const m = input.rows.length;
    const normalized = new Float64Array(m);
    let tested = 0;
    for (let r = 0; r < m; r++) {
      if (!input.rows[r]!.trusted || measured.critical[r] === 1) continue;
      tested += 1;
      normalized[r] = Math.abs(measured.residual[r]!) / Math.sqrt(measured.omega[r]!);
    }
    const normalizedLimit = normalQuantile(1 - falseAlarm / (2 * Math.max(tested, 1)));
    const dof = measured.degreesOfFreedom;
    const objectiveLimit = dof > 0.01 ? chiSquaredQuantile(1 - falseAlarm, dof) : Number.POSITIVE_INFINITY;
    const suspects: number[] = [];
    // Two witnesses: one row stands out, and the whole does not fit.
    for (let r = 0; r < m; r++)
      if (removed.includes(r) || (measured.objective > objectiveLimit && normalized[r]! > normalizedLimit))
        suspects.push(r);
    suspects.sort((a, b) => normalized[b]! - normalized[a]! || a - b);
    let rank = 0;
    for (let u = 0; u < input.fixed.length; u++)
      if (input.fixed[u] === 0 && this.grid.node[u >> 1] === u >> 1) rank += 1;
    return {
      status: !converged ? 'diverged' : measured.unobservable.length > 0 ? 'unobservable' : 'solved',
      rows: input.rows,
      closed: input.closed,
      vm: vm.slice(),
      va: va.slice(),
      iterations,
      unobservable: measured.unobservable,
      unobservableTrusted: measured.unobservable,
      residual: measured.residual,
      omega: measured.omega,
      critical: measured.critical,
      normalized,
      trace: measured.trace,
      rank,
      objective: measured.objective,
      degreesOfFreedom: dof,
      objectiveLimit,
      normalizedLimit,
      suspects,
      removed: removed.slice(),
    };
  }

  /** The state that trusted rows give alone, started at the full one; then each untrusted row's innovation against it. */
  #testUntrusted(full: Estimate, input: EstimateInput, out: Uint8Array): Estimate {
    if (full.status === 'diverged' || input.rows.every((row) => row.trusted)) return full;
    const { gain } = this;
    const variance = (row: Row, r: number): number =>
      row.trusted && out[r] === 0 ? row.widened : Number.POSITIVE_INFINITY;
    const vm = full.vm.slice();
    const va = full.va.slice();
    if (!this.#iterate(vm, va, variance).converged) return full;
    gain.invert();
    const normalized = full.normalized.slice();
    const liars: number[] = [];
    for (let r = 0; r < input.rows.length; r++) {
      const row = input.rows[r]!;
      if (row.trusted) continue;
      const spread = gain.spread(r);
      // Not predicted by trusted rows: nothing can be said of it.
      if (spread > 0.25 * unseenVariance) continue;
      normalized[r] = Math.abs(row.value - gain.calculated[r]!) / Math.sqrt(row.variance + spread);
      if (normalized[r]! > full.normalizedLimit) liars.push(r);
    }
    liars.sort((a, b) => normalized[b]! - normalized[a]! || a - b);
    return { ...full, normalized, suspects: [...full.suspects, ...liars], unobservableTrusted: this.#unseen() };
  }
}
