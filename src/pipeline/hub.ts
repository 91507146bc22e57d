// Where knowledge meets: findings lower trust and join into incidents, twins estimate with that trust, commands are judged.
// Pure but for what it is given: no clock, no file, no socket.
import type { City } from '#city';
import type { Command, EventBatch, Reading } from '#events';
import type { Finding, Incident, State, TrustRecord, Verdict } from '#findings';
import { Incidents } from '#incidents';
import { assetKey, Trust } from '#trust';
import { neighbourhoods } from './neighbours.ts';

/** Findings kept in memory; the oldest go first. */
const FINDINGS_MAX = 100_000;
/** Verdicts kept in memory; the store has the rest. */
export const VERDICTS_MAX = 100_000;

/** A drawing of the grid as numbers: loading is flow over rating. */
export interface GridPicture {
  readonly buses: readonly {
    readonly id: number;
    readonly vm: number;
    readonly loadShare?: number;
    readonly trust?: number;
    readonly dark?: boolean;
  }[];
  readonly branches: readonly {
    readonly row: number;
    readonly from: number;
    readonly to: number;
    readonly loading: number;
    readonly open: boolean;
    readonly overloadedAfter?: boolean;
    readonly tripped?: boolean;
  }[];
  readonly loadLostShare?: number;
  readonly text: string;
}

/** What a twin must be for the hub (twins/power is one). */
export interface Twin {
  readonly name: string;
  observe(readings: readonly Reading[]): void;
  estimate(at: number, trustOf: (asset: string) => number): State;
  judge(command: Command, at: number, trustOf: (asset: string) => number): TwinVerdict;
  /** The command was let through: later ones are judged on top of it until telemetry shows it. */
  commandPassed(command: Command): void;
  /** The estimated grid, and the grid as a command would leave it, cascade included; undefined where there is no estimate. */
  picture?(at: number, trustOf: (asset: string) => number): GridPicture | undefined;
  pictureAfter?(command: Command, trustOf: (asset: string) => number): GridPicture | undefined;
}

export interface TwinVerdict {
  readonly decision: 'pass' | 'hold' | 'refuse';
  readonly reasons: readonly string[];
  readonly leansOn: readonly string[];
  readonly harm: readonly string[];
  readonly loadLostShare?: number;
}

export interface HubOptions {
  readonly city: City;
  /** Twins by the first part of the target they answer for (`power`). */
  readonly twins: ReadonlyMap<string, Twin>;
  /** Switches for the table of what each layer is worth (docs/benchmarks.md); all true in use. */
  readonly layers?: { readonly trust: boolean; readonly interlock: boolean };
  /** Judges with identity and policy around the twin (gateway/interlock). */
  readonly decide: (command: Command, judge: () => TwinVerdict) => Verdict;
}

export class Hub {
  readonly trust: Trust;
  readonly incidents: Incidents;
  readonly findings = new Map<string, Finding>();
  readonly verdicts: Verdict[] = [];
  /** The latest estimate of each twin. */
  readonly states = new Map<string, State>();
  shed = 0;
  readonly #options: HubOptions;
  readonly #touched = new Set<string>();

  constructor(options: HubOptions) {
    this.#options = options;
    this.trust = new Trust(neighbourhoods(options.city));
    this.incidents = new Incidents(options.city);
  }

  claim(finding: Finding): void {
    if (!this.findings.has(finding.id) && this.findings.size >= FINDINGS_MAX) {
      const oldest = this.findings.keys().next().value;
      if (oldest !== undefined) this.findings.delete(oldest);
      this.shed += 1;
    }
    this.findings.set(finding.id, finding);
    if (this.trust.learn(finding)) this.#touched.add(assetKey(finding.asset));
    this.incidents.join(finding);
  }

  take(batch: EventBatch): void {
    if (batch.kind === 'reading') this.read(batch.records);
    else if (batch.kind === 'command') for (const command of batch.records) this.command(command);
  }

  read(readings: readonly Reading[]): void {
    for (const twin of this.#options.twins.values()) twin.observe(readings);
  }

  /** Judges a command at its event time; the verdict is kept. */
  command(command: Command): Verdict {
    const verdict = this.#options.decide(command, () => this.judge(command));
    if (verdict.decision === 'pass') this.passed(command);
    this.verdicts.push(verdict);
    if (this.verdicts.length > VERDICTS_MAX) this.verdicts.shift();
    return verdict;
  }

  /** The command will run: now, or after two people released it. */
  passed(command: Command): void {
    this.#twinFor(command)?.commandPassed(command);
  }

  judge(command: Command): TwinVerdict {
    const twin = this.#twinFor(command);
    if (this.#options.layers?.interlock === false)
      return { decision: 'pass', reasons: ['The interlock is switched off.'], leansOn: [], harm: [] };
    if (twin === undefined)
      return {
        decision: 'hold',
        reasons: [`No model answers for ${command.target}: what the command would do is not known.`],
        leansOn: [],
        harm: [],
      };
    return twin.judge(command, command.at, this.trustOf(command.at));
  }

  /** Estimates all twins at event time `at` with the trust of that moment. */
  estimate(at: number): State[] {
    const out: State[] = [];
    for (const twin of this.#options.twins.values()) {
      const state = twin.estimate(at, this.trustOf(at));
      this.states.set(twin.name, state);
      out.push(state);
    }
    return out;
  }

  picture(at: number): GridPicture | undefined {
    return this.#options.twins.get('power')?.picture?.(at, this.trustOf(at));
  }

  pictureAfter(command: Command): GridPicture | undefined {
    return this.#twinFor(command)?.pictureAfter?.(command, this.trustOf(command.at));
  }

  trustOf(at: number): (asset: string) => number {
    if (this.#options.layers?.trust === false) return () => 1;
    return (asset) => this.trust.trustOf(asset, at);
  }

  #twinFor(command: Command): Twin | undefined {
    const slash = command.target.indexOf('/');
    return this.#options.twins.get(slash < 0 ? command.target : command.target.slice(0, slash));
  }

  /** Trust of the assets whose evidence changed since the last call. */
  trustChanges(at: number): TrustRecord[] {
    const out = [...this.#touched].sort().map((asset) => this.trust.record(asset, at));
    this.#touched.clear();
    return out;
  }

  allIncidents(): Incident[] {
    return this.incidents.all();
  }
}
