// False load and load altering in the Riverside district (buses 49 to 67), and the commands that then look safe.
//
//   inside S     50-60, 62-64, 67   loads there truly surge; readings tell of a quiet evening
//   rim N(S)     49, 61, 65, 66     voltage untouched; their units follow the surge, their readings hide it
//   outside      everything else: true, measured by wires the attacker does not own
//
// Both the true and the told state solve the AC equations inside S with every other voltage held at the plain evening's:
// the district's own units meet the surge (area control keeps its ties), so nothing outside moves, and what differs
// between truth and tale are only readings that the attacker's own devices send: an AC stealth attack (Hug and
// Giampapa 2012) with the zero-injection buses 63 and 64 kept at zero.
import { AcNetwork, BusKind } from '../worlds/ac.ts';
import { cascade, dcFlows, islandsOf, Sensitivities } from '../worlds/dc.ts';
import { districtBuses, insideBuses, rimBuses } from '../worlds/district.ts';
import type { PowerWorld, TrueState } from '../worlds/power.ts';

/** Where high-wattage devices are switched on: the pocket that lines from 49, 61 and 63 feed. */
const surgeBuses: ReadonlySet<number> = new Set([50, 51, 52, 53, 54, 55, 56, 57, 58, 59]);
/** What the readings say of the loads inside, as a share of a plain evening's. */
const quietShare = 0.92;

export class FalseLoad {
  readonly #world: PowerWorld;
  readonly #inside: Set<number>;
  readonly #from: number;
  readonly #full: number;
  /** Final multiple of the loads inside. */
  surge = 1;

  /** The surge and the lie grow together from `from` to `full`. */
  constructor(world: PowerWorld, from: number, full: number) {
    this.#world = world;
    this.#from = from;
    this.#full = full;
    this.#inside = new Set(insideBuses.map((id) => world.grid.indexOf.get(id)!));
  }
  progress(at: number): number {
    return Math.max(0, Math.min(1, (at - this.#from) / (this.#full - this.#from)));
  }
  /** Installs the surge on the true world. */
  arm(): void {
    this.#world.alter = (plain) => {
      const p = this.progress(plain.at);
      return p === 0 ? plain : this.#inner(plain, (id) => (surgeBuses.has(id) ? 1 + (this.surge - 1) * p : 1));
    };
  }
  /** What the attacker's devices tell at a time, or undefined before the lie begins. */
  told(at: number): TrueState | undefined {
    const p = this.progress(at);
    return p === 0 ? undefined : this.#inner(this.#world.plainStateAt(at), () => 1 - (1 - quietShare) * p);
  }
  /** The plain state with each load inside times its factor; the rim's units give what that takes. */
  #inner(plain: TrueState, factorOf: (busId: number) => number): TrueState {
    const g = this.#world.grid;
    const kind = new Uint8Array(g.busCount);
    const loads = plain.loads.slice();
    const loadVars = plain.loadVars.slice();
    for (const i of this.#inside) {
      kind[i] = g.hasUnit[i] === 1 ? BusKind.held : BusKind.load;
      const factor = factorOf(g.busId[i]!);
      loads[i]! *= factor;
      loadVars[i]! *= factor;
    }
    const network = new AcNetwork(g, plain.closed, kind);
    const units = plain.units.slice();
    const ac = network.solve(
      units.map((w, i) => w - loads[i]!),
      loadVars.map((q) => -q),
      plain.ac,
    );
    if (!(ac.mismatch < 1e-6)) throw new Error('the altered state does not converge');
    const injected = network.flows(ac.magnitude, ac.angle).busWatts;
    for (const id of rimBuses) {
      const i = g.indexOf.get(id)!;
      units[i] = injected[i]! + loads[i]!;
    }
    return { at: plain.at, loads, loadVars, units, closed: plain.closed, ac };
  }
}

export interface HarmfulChoice {
  readonly rows: readonly number[];
  readonly lostShare: readonly number[];
}

/**
 * Sets the surge and finds commands: the largest surge that overloads nothing by itself, then branches of the district
 * whose opening is N-1-safe on the told state and darkens at least `lossMin` of the load on the true one, each alone and
 * at each of the times. Two or three are looked for first; a world in which only one can be found gives one.
 * @throws RangeError where the seed offers none: the range then must not claim a harmful campaign.
 */
export function chooseHarm(
  world: PowerWorld,
  lie: FalseLoad,
  times: readonly number[],
  lossMin: number,
): HarmfulChoice {
  // Safe by a margin first, then barely: an honest opening elsewhere may have used the margin up.
  for (const [least, toldMax] of [
    [2, 0.97],
    [2, 0.999],
    [1, 0.999],
  ] as const) {
    const choice = chooseAtLeast(least, toldMax, world, lie, times, lossMin);
    if (choice !== undefined) return choice;
  }
  throw new RangeError(
    'in this world no surge gives a command that looks safe and is not; take another seed or more quiet days',
  );
}

function chooseAtLeast(
  least: number,
  toldMax: number,
  world: PowerWorld,
  lie: FalseLoad,
  times: readonly number[],
  lossMin: number,
): HarmfulChoice | undefined {
  const g = world.grid;
  for (let surge = 2.6; surge > 1.3; surge -= 0.05) {
    lie.surge = surge;
    const states = times.map((at) => tried(world, at)).filter((s) => s !== undefined);
    const state = states[0];
    if (state === undefined || states.length < times.length) continue;
    const injected = state.units.map((w, i) => w - state.loads[i]!);
    const flows = dcFlows(g, state.closed, injected, islandsOf(g, state.closed));
    const acFlows = world.flowsOf(state);
    let loading = 0;
    for (let k = 0; k < g.branchCount; k++) {
      const watts = Math.max(Math.abs(flows[k]!), Math.abs(acFlows.fromWatts[k]!));
      loading = Math.max(loading, watts / g.ratingWatts[k]!);
    }
    if (loading > 0.97 || rimBuses.some((id) => overUnit(world, state, id))) continue;
    const told = lie.told(state.at)!;
    const found: { row: number; lost: number }[] = [];
    for (let k = 0; k < g.branchCount; k++) {
      const ends = [g.busId[g.from[k]!]!, g.busId[g.to[k]!]!];
      if (state.closed[k] === 0 || !ends.every((id) => districtBuses.includes(id))) continue;
      const after = state.closed.slice();
      after[k] = 0;
      if (islandsOf(g, after).some((r) => r !== 0)) continue;
      const lost = Math.min(...states.map((s) => cascade(g, after, s.loads, s.units).lostShare));
      if (lost < lossMin) continue;
      const s = new Sensitivities(g, after);
      if (s.worst(s.flows(told.units.map((w, i) => w - told.loads[i]!))).loading > toldMax) continue;
      found.push({ row: k + 1, lost });
    }
    found.sort((a, b) => b.lost - a.lost || a.row - b.row);
    // Parallel circuits would read as one command given twice.
    const rows: typeof found = [];
    for (const f of found) {
      const twin = rows.some((r) => g.from[r.row - 1] === g.from[f.row - 1] && g.to[r.row - 1] === g.to[f.row - 1]);
      if (!twin && rows.length < 3) rows.push(f);
    }
    if (rows.length >= least) return { rows: rows.map((f) => f.row), lostShare: rows.map((f) => f.lost) };
  }
  return undefined;
}

/** Whether a unit would have to give more than it can. */
function overUnit(world: PowerWorld, state: TrueState, id: number): boolean {
  const i = world.grid.indexOf.get(id)!;
  return state.units[i]! > world.grid.unitWattsMax[i]!;
}

function tried(world: PowerWorld, at: number): TrueState | undefined {
  try {
    return world.stateAt(at);
  } catch {
    return undefined;
  }
}
