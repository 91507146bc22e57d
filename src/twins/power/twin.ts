// The power twin: readings in, state and verdicts out. Functions of the events so far; no clock, no I/O.
import type { Command, Reading, Residual } from '#events';
import type { State, Suspect } from '#findings';
import type { JudgeContext } from './answer.ts';
import { TrustedBound } from './bound.ts';
import { readCommand } from './command.ts';
import { DcModel } from './dc.ts';
import { type Estimate, Estimator } from './estimate.ts';
import type { Grid } from './grid.ts';
import { judgeCommand, plainVerdict } from './judge.ts';
import { type CaseInput, caseInput, NodeKind, PowerFlow } from './newton.ts';
import { RowKind } from './rows.ts';
import { type Change, changed, loading, type Situation, situationOf } from './situation.ts';
import { type Snapshot, Telemetry } from './telemetry.ts';
import type { PowerTwin, PowerTwinOptions, PowerView, PowerWhatIf, TwinVerdict } from './types.ts';
import { whatIf } from './what-if.ts';

const minute = 60e6;
/** Commands kept until telemetry shows them. */
const pendingMax = 10_000;
/** An estimate is reused for this long where nothing it rests on has changed. */
const reuseMicros = 30e6;
/** Suspects named in a state. */
const suspectsMax = 50;

interface Kept {
  readonly estimate: Estimate;
  readonly snapshot: Snapshot;
  readonly input: CaseInput;
  /** Version of readings and commands, and a digest of all trusts asked for. */
  readonly version: number;
  readonly trusts: ReadonlyMap<string, number>;
  situation?: Situation;
  bound?: TrustedBound;
  pendingDone?: { readonly count: number; readonly situation: Situation | undefined };
}

export class Twin implements PowerTwin {
  readonly name = 'power';
  readonly #grid: Grid;
  readonly #telemetry: Telemetry;
  readonly #estimator: Estimator;
  readonly #flow: PowerFlow;
  readonly #models: readonly [DcModel, DcModel, DcModel];
  readonly #options: Required<Omit<PowerTwinOptions, 'assets'>>;
  readonly #pending: { readonly command: Command; readonly change: ReturnType<typeof readCommand> }[] = [];
  #version = 0;
  #kept: Kept | undefined;
  #lastAt = 0;
  #start: { vm: Float64Array; va: Float64Array };
  #input: CaseInput | undefined;

  constructor(grid: Grid, options: PowerTwinOptions = {}) {
    this.#grid = grid;
    this.#telemetry = new Telemetry(grid, options.assets ?? []);
    this.#estimator = new Estimator(grid);
    this.#flow = new PowerFlow(grid);
    this.#models = [new DcModel(grid), new DcModel(grid), new DcModel(grid)];
    this.#options = {
      ageMaxMicros: options.ageMaxMicros ?? 15 * minute,
      loadAgeMaxMicros: options.loadAgeMaxMicros ?? 65 * minute,
      tau: options.tau ?? 3,
      outageLoadingMax: options.outageLoadingMax ?? 1.15,
      voltagePuMin: options.voltagePuMin ?? 0.92,
      voltagePuMax: options.voltagePuMax ?? 1.08,
    };
    const first = caseInput(grid);
    this.#start = { vm: first.vm, va: first.va };
  }

  observe(readings: readonly Reading[]): void {
    if (readings.length === 0) return;
    this.#telemetry.observe(readings);
    this.#version += 1;
  }

  commandPassed(command: Command): void {
    const change = readCommand(command, this.#grid);
    if (typeof change === 'string') return;
    if (this.#pending.length >= pendingMax) this.#pending.shift();
    this.#pending.push({ command, change });
    this.#version += 1;
  }

  estimate(at: number, trustOf: (asset: string) => number): State {
    return this.#state(this.#keep(at, trustOf), at);
  }

  judge(command: Command, at: number, trustOf: (asset: string) => number): TwinVerdict {
    // A command the grid cannot be asked needs no estimate to be refused.
    const asked = readCommand(command, this.#grid);
    if (typeof asked === 'string') return plainVerdict('refuse', asked);
    const kept = this.#keep(at, trustOf);
    if (kept.estimate.status === 'diverged')
      return plainVerdict(
        'hold',
        'The readings fit no state of the grid (the estimate does not converge), so nothing can be said of what the command does.',
        ['unobservable'],
      );
    const before = this.#before(kept);
    if (before === undefined)
      return plainVerdict(
        'hold',
        'Commands let through earlier leave no solvable state, so nothing can be said of one more.',
        ['collapse'],
      );
    const [modelBefore, modelAfter, modelCascade] = this.#models;
    const context: JudgeContext = {
      grid: this.#grid,
      flow: this.#flow,
      estimate: kept.estimate,
      snapshot: kept.snapshot,
      before,
      limits: this.#options,
      bound: () => (kept.bound ??= new TrustedBound(this.#estimator.gain, kept.estimate, this.#options.tau)),
      modelBefore,
      modelAfter,
      modelCascade,
    };
    return judgeCommand(command, context);
  }

  /** The estimate for a moment: the kept one where neither readings, commands nor trust have changed. */
  #keep(at: number, trustOf: (asset: string) => number): Kept {
    const kept = this.#kept;
    if (kept !== undefined && kept.version === this.#version && Math.abs(at - kept.snapshot.at) <= reuseMicros) {
      let same = true;
      for (const [asset, trust] of kept.trusts)
        if (trustOf(asset) !== trust) {
          same = false;
          break;
        }
      if (same) return kept;
    }
    this.#settle();
    const trusts = new Map<string, number>();
    const remember = (asset: string): number => {
      const t = trustOf(asset);
      trusts.set(asset, t);
      return t;
    };
    const snapshot = this.#telemetry.snapshot(at, remember, {
      scanMicros: this.#options.ageMaxMicros,
      loadMicros: this.#options.loadAgeMaxMicros,
    });
    const input = this.#inputFor(snapshot.closed);
    const n = this.#grid.busCount;
    const fixed = new Uint8Array(2 * n);
    const vm = this.#start.vm.slice();
    const va = this.#start.va.slice();
    for (let i = 0; i < n; i++) {
      const kind = input.kind[i];
      if (kind === NodeKind.Out) {
        fixed[2 * i] = 1;
        fixed[2 * i + 1] = 1;
        vm[i] = 0;
        va[i] = 0;
      } else if (kind === NodeKind.Reference) fixed[2 * i] = 1;
      if (kind !== NodeKind.Out && !(vm[i]! > 0.5)) vm[i] = 1;
    }
    const rows = snapshot.rows.filter((row) => !this.#isDark(row.kind, row.element, input));
    let estimate = this.#estimator.estimate({ rows, closed: snapshot.closed, fixed, vm, va, removeBad: true });
    // A warm start after a great change can be worse than none.
    if (estimate.status === 'diverged')
      estimate = this.#estimator.estimate({
        rows,
        closed: snapshot.closed,
        fixed,
        vm: input.vm,
        va: input.va,
        removeBad: true,
      });
    if (estimate.status === 'solved') this.#start = { vm: estimate.vm, va: estimate.va };
    this.#kept = { estimate, snapshot, input, version: this.#version, trusts };
    this.#lastAt = at;
    return this.#kept;
  }

  #isDark(kind: RowKind, element: number, input: CaseInput): boolean {
    const { grid } = this.#flow;
    const bus = kind === RowKind.V || kind === RowKind.P || kind === RowKind.Q ? element : grid.from[element]!;
    return input.kind[grid.node[bus]!] === NodeKind.Out;
  }

  #inputFor(closed: Uint8Array): CaseInput {
    if (this.#input?.closed.every((v, k) => v === closed[k]) !== true) this.#input = caseInput(this.#grid, closed);
    return this.#input;
  }

  /** Commands that telemetry had the time to show are no longer applied on top of it. */
  #settle(): void {
    for (let i = this.#pending.length - 1; i >= 0; i--) {
      const { command, change } = this.#pending[i]!;
      if (typeof change === 'string') continue;
      if (change.sort === 'switch') {
        if (this.#telemetry.branchHeardAt(change.branch) <= command.at) continue;
        this.#telemetry.switched(change.branch, change.closed, command.at);
      } else if (this.#telemetry.busHeardAt(change.bus) <= command.at) continue;
      this.#pending.splice(i, 1);
    }
  }

  /** The estimated state with pending commands on top, in order; undefined where that has no solution. */
  #before(kept: Kept): Situation | undefined {
    kept.situation ??= situationOf(this.#flow, kept.estimate, kept.snapshot, kept.input);
    if (kept.pendingDone?.count === this.#pending.length) return kept.pendingDone.situation;
    let situation: Situation | undefined = kept.situation;
    for (const { change } of this.#pending) {
      if (situation === undefined || typeof change === 'string') continue;
      const step: Change | undefined = pendingChange(change, situation, this.#grid);
      if (step !== undefined) situation = changed(this.#flow, situation, step);
    }
    kept.pendingDone = { count: this.#pending.length, situation };
    return situation;
  }

  #state(kept: Kept, at: number): State {
    const { estimate: e, snapshot } = kept;
    const grid = this.#grid;
    const values: Record<string, number> = {};
    const base = grid.baseMva * 1e6;
    if (e.status !== 'diverged') {
      const flows = situationFlows(this.#flow, kept);
      const unseen = new Set(e.unobservable);
      for (let i = 0; i < grid.busCount; i++) {
        if (kept.input.kind[grid.node[i]!] === NodeKind.Out || unseen.has(grid.node[i]!)) continue;
        const kv = grid.baseKv[i]! > 0 ? grid.baseKv[i]! * 1000 : 1;
        values[`power/bus/${grid.busId[i]}/v`] = e.vm[grid.node[i]!]! * kv;
      }
      for (let k = 0; k < grid.branchCount; k++) {
        if (unseen.has(grid.node[grid.from[k]!]!) || unseen.has(grid.node[grid.to[k]!]!)) continue;
        values[`power/branch/${k + 1}/from/p`] = flows.pf[k]! * base;
        values[`power/branch/${k + 1}/from/q`] = flows.qf[k]! * base;
      }
    }
    const status = e.status === 'solved' && kept.input.dark.length > 0 ? 'islanded' : e.status;
    return {
      kind: 'state',
      twin: this.name,
      at,
      values,
      suspects: this.#suspects(kept),
      status,
      text: describe(grid, e, snapshot),
    };
  }

  #suspects(kept: Kept): Suspect[] {
    const { estimate: e, snapshot } = kept;
    const rows: Suspect[] = e.suspects.slice(0, suspectsMax).map((r) => {
      const row = e.rows[r]!;
      const from = row.assets.length > 3 ? `${row.assets.length} assets` : row.assets.join(', ');
      return {
        reading: row.quantity,
        residual: e.residual[r]! * this.#scale(row.kind, row.element),
        normalized: e.normalized[r]!,
        likely: e.removed.includes(r)
          ? `bad data, left out (${from})`
          : row.trusted
            ? `does not fit its neighbours (${from})`
            : `contradicts what trusted readings say alone (${from})`,
      };
    });
    for (const bad of snapshot.implausible.slice(0, suspectsMax))
      rows.push({
        reading: bad.quantity,
        residual: bad.value,
        normalized: 0,
        likely: `no grid has such a value; left out (${bad.asset})`,
      });
    return rows;
  }

  #scale(kind: RowKind, element: number): number {
    return kind === RowKind.V ? this.#grid.baseKv[element]! * 1000 : this.#grid.baseMva * 1e6;
  }

  residuals(): readonly Residual[] {
    const kept = this.#kept;
    if (kept === undefined || kept.estimate.status === 'diverged') return [];
    const { estimate: e } = kept;
    const out: Residual[] = [];
    e.rows.forEach((row, r) => {
      if (row.fact) return;
      out.push({
        kind: 'residual',
        at: kept.snapshot.at,
        twin: this.name,
        quantity: row.quantity,
        assets: row.assets,
        residual: e.residual[r]! * this.#scale(row.kind, row.element),
        normalized: e.normalized[r]!,
      });
    });
    return out;
  }

  view(): PowerView {
    const kept = this.#kept;
    if (kept === undefined)
      return {
        at: this.#lastAt,
        status: 'unobservable',
        text: 'No estimate yet.',
        buses: [],
        branches: [],
        suspects: [],
      };
    kept.situation ??= situationOf(this.#flow, kept.estimate, kept.snapshot, kept.input);
    return this.#viewOf(kept, kept.situation);
  }

  viewAfter(command: Command): PowerView | undefined {
    const asked = readCommand(command, this.#grid);
    const before = this.#kept === undefined ? undefined : this.#before(this.#kept);
    if (typeof asked === 'string' || before === undefined || this.#kept?.estimate.status === 'diverged')
      return undefined;
    const change = pendingChange(asked, before, this.#grid);
    const after = change === undefined ? before : changed(this.#flow, before, change);
    return after === undefined ? undefined : this.#viewOf(this.#kept!, after);
  }

  whatIf(command: Command, factor: number): PowerWhatIf | undefined {
    const asked = readCommand(command, this.#grid);
    const kept = this.#kept;
    const before = kept === undefined ? undefined : this.#before(kept);
    if (typeof asked === 'string' || kept === undefined || before === undefined) return undefined;
    const grid = this.#grid;
    const found = whatIf(this.#models[2], before, kept.snapshot, pendingChange(asked, before, grid), factor);
    if (found === undefined) return undefined;
    return {
      factor,
      lostShare: found.lostShare,
      tripped: found.tripped.map((k) => k + 1),
      dark: found.dark.map((i) => grid.busId[i]!),
    };
  }

  #viewOf(kept: Kept, s: Situation): PowerView {
    const grid = this.#grid;
    const e = kept.estimate;
    const unseen = new Set(e.unobservable);
    return {
      at: kept.snapshot.at,
      status: e.status,
      text: describe(grid, e, kept.snapshot),
      buses: Array.from(grid.busId, (id, i) => ({
        id,
        vm: round(s.vm[grid.node[i]!]!, 1e5),
        va: round((s.va[grid.node[i]!]! * 180) / Math.PI, 1e4),
        seen: !unseen.has(grid.node[i]!),
      })),
      branches: Array.from({ length: grid.branchCount }, (_, k) => ({
        row: k + 1,
        from: grid.busId[grid.from[k]!]!,
        to: grid.busId[grid.to[k]!]!,
        closed: s.closed[k] === 1,
        megawatts: round(s.flows.pf[k]! * grid.baseMva, 100),
        loading: grid.rating[k] === 0 ? -1 : round(loading(grid, s.flows, k), 1e4),
      })),
      suspects: this.#suspects(kept),
    };
  }
}

function situationFlows(flow: PowerFlow, kept: Kept): Situation['flows'] {
  kept.situation ??= situationOf(flow, kept.estimate, kept.snapshot, kept.input);
  return kept.situation.flows;
}

function pendingChange(asked: ReturnType<typeof readCommand>, s: Situation, grid: Grid): Change | undefined {
  if (typeof asked === 'string') return undefined;
  const base = grid.baseMva * 1e6;
  if (asked.sort === 'switch')
    return (s.closed[asked.branch] === 1) === asked.closed
      ? undefined
      : { branch: { index: asked.branch, closed: asked.closed } };
  if (asked.sort === 'generate') {
    const by = asked.watts / base - s.generation[asked.bus]!;
    return { bus: { index: asked.bus, p: by, q: 0, load: 0, generation: by } };
  }
  const amount = Math.min(asked.watts / base, s.load[asked.bus]!);
  return { bus: { index: asked.bus, p: amount, q: 0, load: -amount, generation: 0 } };
}

function describe(grid: Grid, e: Estimate, snapshot: Snapshot): string {
  const readings = e.rows.reduce((s, row) => s + (row.fact ? 0 : 1), 0);
  const untrusted = e.rows.reduce((s, row) => s + (row.trusted ? 0 : 1), 0);
  const parts = [
    `${readings} measurements, ${untrusted} of them untrusted, ${snapshot.stale.length} quantities too old or incomplete.`,
  ];
  if (e.status === 'diverged') parts.unshift(`The estimate does not converge after ${e.iterations} iterations.`);
  if (e.unobservable.length > 0) parts.push(`Not observable: bus ${list(grid, e.unobservable)}.`);
  const blind = e.unobservableTrusted.filter((i) => !e.unobservable.includes(i));
  if (blind.length > 0) parts.push(`Only untrusted readings tell of bus ${list(grid, blind)}.`);
  if (e.objective > e.objectiveLimit)
    parts.push(
      `Trusted readings do not fit together (J ${e.objective.toFixed(0)}, limit ${e.objectiveLimit.toFixed(0)}).`,
    );
  return parts.join(' ');
}

function list(grid: Grid, nodes: readonly number[]): string {
  const ids = nodes.slice(0, 20).map((i) => grid.busId[i]);
  return `${ids.join(', ')}${nodes.length > ids.length ? ` and ${nodes.length - ids.length} more` : ''}`;
}

function round(v: number, by: number): number {
  return Math.round(v * by) / by;
}
