// The true grid over time: loads by profile and noise, generation that follows, switches and set-points as commanded.
import type { Random } from '#lib/random';
import { dailyShare, loadNoise } from '../profile.ts';
import { type AcFlows, AcNetwork, type AcState, BusKind } from './ac.ts';
import { secureDispatch } from './dispatch.ts';
import { type Grid, readGrid, slackBusId } from './grid.ts';

export interface TrueState {
  readonly at: number;
  readonly loads: Float64Array;
  readonly loadVars: Float64Array;
  /** Generation with the slack unit's share of losses. */
  readonly units: Float64Array;
  readonly closed: Uint8Array;
  readonly ac: AcState;
}
interface Change {
  readonly bus: number;
  readonly from: number;
  readonly until: number;
  readonly watts: number;
}
/** Transmission losses at this share of load are spread over the units; the slack unit carries the rest. */
const lossShare = 0.025;

export class PowerWorld {
  readonly grid: Grid = readGrid();
  readonly dispatch: Float64Array;
  readonly closed: Uint8Array;
  readonly kind: Uint8Array;
  readonly peakWatts: number;
  readonly #streams: Random[];
  readonly #noise: number[][] = [];
  readonly #startAt: number;
  readonly #unitChanges: Change[] = [];
  readonly #loadChanges: Change[] = [];
  /** What an attacker makes of the world: takes the plain state, gives the altered one. */
  alter: (plain: TrueState) => TrueState = (plain) => plain;
  #network: AcNetwork;
  #last: AcState;

  constructor(random: Random, startAt: number) {
    const g = this.grid;
    this.#startAt = startAt;
    this.dispatch = secureDispatch(g);
    this.peakWatts = g.loadWatts.reduce((s, v) => s + v, 0);
    this.closed = new Uint8Array(g.branchCount).fill(1);
    this.#streams = g.busId.map((id) => random.split(`bus ${id}`));
    for (const stream of this.#streams) this.#noise.push([stream.normal(loadNoise.sigma)]);
    this.kind = Uint8Array.from(g.busId, (id, i) =>
      id === slackBusId ? BusKind.fixed : g.hasUnit[i] === 1 ? BusKind.held : BusKind.load,
    );
    this.#network = new AcNetwork(g, this.closed, this.kind);
    this.#last = { magnitude: g.voltageSetPu.slice(), angle: new Float64Array(g.busCount), mismatch: 0, iterations: 0 };
  }
  /** Load of one bus without the attacker's surge, W. */
  plainLoad(bus: number, at: number): number {
    const knots = this.#noise[bus]!;
    const position = Math.max(0, (at - this.#startAt) / loadNoise.stepMicros);
    const knot = Math.floor(position);
    const { sigma, correlation } = loadNoise;
    const fresh = sigma * Math.sqrt(1 - correlation * correlation);
    while (knots.length < knot + 2) knots.push(correlation * knots.at(-1)! + this.#streams[bus]!.normal(fresh));
    const noise = knots[knot]! + (position - knot) * (knots[knot + 1]! - knots[knot]!);
    // Noise is capped at two sigma so that the N-1 margin of the start point holds on every seed.
    const capped = Math.max(-2 * sigma, Math.min(2 * sigma, noise));
    let watts = this.grid.loadWatts[bus]! * dailyShare(at) * Math.exp(capped - 0.02);
    for (const c of this.#loadChanges) if (c.bus === bus && at >= c.from && at < c.until) watts += c.watts;
    return Math.max(watts, 0);
  }
  /** Scheduled generation for a total load: the secure dispatch scaled, with commanded changes. */
  schedule(at: number, totalWatts: number): Float64Array {
    const share = (totalWatts / this.peakWatts) * (1 + lossShare);
    const units = this.dispatch.map((w) => w * share);
    for (const c of this.#unitChanges) if (at >= c.from && at < c.until) units[c.bus]! += c.watts;
    return units;
  }
  /** The true state at a time, the attacker's alteration included. */
  stateAt(at: number): TrueState {
    return this.alter(this.plainStateAt(at));
  }
  /** Solves the grid at a time. @throws Error where it does not converge: the range must never ask for such a state. */
  plainStateAt(at: number): TrueState {
    const g = this.grid;
    const loads = new Float64Array(g.busCount);
    const loadVars = new Float64Array(g.busCount);
    let total = 0;
    for (let i = 0; i < g.busCount; i++) {
      if (g.loadWatts[i] === 0) continue;
      loads[i] = this.plainLoad(i, at);
      total += loads[i]!;
      loadVars[i] = (loads[i]! * g.loadVars[i]!) / g.loadWatts[i]!;
    }
    const units = this.schedule(at, total);
    const network = this.network();
    const ac = network.solve(
      units.map((w, i) => w - loads[i]!),
      loadVars.map((q) => -q),
      this.#last,
    );
    if (!(ac.mismatch < 1e-6)) throw new Error(`the true grid does not converge at ${at} (mismatch ${ac.mismatch})`);
    this.#last = ac;
    const slack = g.indexOf.get(slackBusId)!;
    units[slack] = network.flows(ac.magnitude, ac.angle).busWatts[slack]! + loads[slack]!;
    return { at, loads, loadVars, units, closed: this.closed.slice(), ac };
  }
  flowsOf(state: TrueState): AcFlows {
    return this.network().flows(state.ac.magnitude, state.ac.angle);
  }
  network(): AcNetwork {
    if (this.#network.closed.some((v, k) => v !== this.closed[k])) {
      this.#network = new AcNetwork(this.grid, this.closed, this.kind);
    }
    return this.#network;
  }
  changeUnit(bus: number, from: number, until: number, watts: number): void {
    this.#unitChanges.push({ bus, from, until, watts });
  }
  changeLoad(bus: number, from: number, until: number, watts: number): void {
    this.#loadChanges.push({ bus, from, until, watts });
  }
}
