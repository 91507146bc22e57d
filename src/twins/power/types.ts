// What the power twin gives to others. Values in SI units where they leave the twin, per unit and radians inside.
import type { Command, Reading, Residual } from '#events';
import type { Fault, State } from '#findings';

export interface TwinVerdict {
  readonly decision: 'pass' | 'hold' | 'refuse';
  /** Plain sentences with the numbers, strongest first; never empty. */
  readonly reasons: readonly string[];
  /** Assets whose readings the answer depends on and that are not trusted. */
  readonly leansOn: readonly string[];
  /** What the command would do: islanding, overload, voltage, cascade, unobservable... */
  readonly harm: readonly string[];
  /** Share of load (0..1) that a DC overload cascade loses after the command; left out where it was not computed. */
  readonly loadLostShare?: number;
}

export interface PowerTwinOptions {
  /** Which assets report which quantity, from city.yaml; a load is used only while all of its assets are fresh. */
  readonly assets?: readonly { readonly id: string; readonly feeds: readonly string[] }[];
  /** Age in microseconds after which a reading of a bus, unit or branch no longer counts. */
  readonly ageMaxMicros?: number;
  /** The same for loads, whose meters report rarely. */
  readonly loadAgeMaxMicros?: number;
  /** Standard deviations that trusted readings may be pushed unseen (tau of the bound). */
  readonly tau?: number;
  /** Loading after any single outage, as a share of the rating, from which a command is held. */
  readonly outageLoadingMax?: number;
  readonly voltagePuMin?: number;
  readonly voltagePuMax?: number;
}

export interface PowerTwin {
  readonly name: string;
  observe(readings: readonly Reading[]): void;
  estimate(at: number, trustOf: (asset: string) => number): State;
  judge(command: Command, at: number, trustOf: (asset: string) => number): TwinVerdict;
  /** The command was let through: later ones are judged on top of it until telemetry shows it. */
  commandPassed(command: Command): void;
  /** Of the latest estimate. */
  residuals(): readonly Residual[];
  view(): PowerView;
  /** What the latest estimate would become; undefined where the command has no effect that can be solved. */
  viewAfter(command: Command): PowerView | undefined;
  /**
   * What the command could bring down if the loads that untrusted devices speak of were `factor` times what they say.
   * undefined where no load rests on an untrusted device, or there is no estimate.
   */
  whatIf(command: Command, factor: number): PowerWhatIf | undefined;
}

export interface PowerWhatIf {
  readonly factor: number;
  /** 0..1 of all load, by a DC cascade. */
  readonly lostShare: number;
  /** Branch rows in the order they trip. */
  readonly tripped: readonly number[];
  /** Ids of buses without supply at the end. */
  readonly dark: readonly number[];
}

export interface PowerView {
  readonly at: number;
  readonly status: State['status'];
  readonly text: string;
  readonly buses: readonly { readonly id: number; readonly vm: number; readonly va: number; readonly seen: boolean }[];
  /** `loading` is the estimated share of the rating, -1 where there is no rating. */
  readonly branches: readonly {
    readonly row: number;
    readonly from: number;
    readonly to: number;
    readonly closed: boolean;
    readonly megawatts: number;
    readonly loading: number;
  }[];
  readonly suspects: State['suspects'];
}

/** A grid or the reasons why there is none. */
export type Read<T> =
  | { readonly value: T; readonly faults: readonly Fault[] }
  | { readonly value?: undefined; readonly faults: readonly Fault[] };
