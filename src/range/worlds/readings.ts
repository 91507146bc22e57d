// What devices report: RTUs each scan, smart meters each half-hour; from the truth, or from the attacker's tale where
// the device is the attacker's.
import type { Random } from '#lib/random';
import type { FalseLoad } from '../attackers/false-load.ts';
import { meterNoise } from '../profile.ts';
import type { NdjsonWriter } from '../writer.ts';
import { isoTime } from '../writer.ts';
import { type AcFlows, AcNetwork } from './ac.ts';
import { districtBuses } from './district.ts';
import type { Grid } from './grid.ts';
import type { Meter, Plan } from './plan.ts';
import type { PowerWorld, TrueState } from './power.ts';

export const scanMicros = 300_000_000;
export const meterMicros = 1_800_000_000;

/** Whether the to-side of a branch is metered: all of the district's, a sixth of the rest. */
function toSideMetered(grid: Grid, branch: number): boolean {
  const ends = [grid.busId[grid.from[branch]!]!, grid.busId[grid.to[branch]!]!];
  return branch % 6 === 0 || ends.some((id) => districtBuses.includes(id));
}

/** Quantities the RTU of a bus reports. */
export function feedsOf(grid: Grid, bus: number): string[] {
  const i = grid.indexOf.get(bus)!;
  const out = [`power/bus/${bus}/v`];
  // A condenser gives no power worth a reading.
  if (grid.unitWattsMax[i]! > 0) out.push(`power/gen/${bus}/p`);
  if (grid.hasUnit[i] === 1) out.push(`power/gen/${bus}/q`);
  for (let k = 0; k < grid.branchCount; k++) {
    if (grid.from[k] === i)
      out.push(`power/branch/${k + 1}/from/p`, `power/branch/${k + 1}/from/q`, `power/branch/${k + 1}/status`);
    else if (grid.to[k] === i && toSideMetered(grid, k))
      out.push(`power/branch/${k + 1}/to/p`, `power/branch/${k + 1}/to/q`);
  }
  return out;
}

/** Where each quantity's true value lies. */
interface Feed {
  readonly quantity: string;
  readonly sort: 'v' | 'genP' | 'genQ' | 'fromP' | 'fromQ' | 'toP' | 'toQ' | 'status';
  readonly index: number;
}

export class Readings {
  readonly #world: PowerWorld;
  readonly #plan: Plan;
  readonly #lie: FalseLoad | undefined;
  readonly #out: NdjsonWriter;
  readonly #feeds: Feed[][];
  readonly #rtuNoise: Random;
  readonly #meterNoise: Random;
  readonly #faultyMeter: string;
  readonly #sequence: Uint32Array;
  /** Learns the line of each reading that is a lie. */
  onLie: ((line: number) => void) | undefined = undefined;
  #statusSent = false;
  #lastClosed = new Uint8Array(0);

  constructor(random: Random, world: PowerWorld, plan: Plan, lie: FalseLoad | undefined, out: NdjsonWriter) {
    this.#world = world;
    this.#plan = plan;
    this.#lie = lie;
    this.#out = out;
    this.#rtuNoise = random.split('rtu noise');
    this.#meterNoise = random.split('meter noise');
    const outside = plan.meters.filter((m) => !m.inDistrict);
    this.#faultyMeter = random.split('faulty meter').pick(outside).id;
    this.#sequence = new Uint32Array(plan.rtus.length + plan.meters.length);
    this.#feeds = plan.rtus.map((r) => feedsOf(world.grid, r.bus).map((q) => feed(world.grid, q)));
  }
  /** A decoy: this honest meter's clock and counter misbehave; it reports zero now and then. */
  get faultyMeter(): string {
    return this.#faultyMeter;
  }
  /** One scan of all RTUs, and the meters whose phase lies in the scan's five minutes. */
  scan(truth: TrueState, until: number): void {
    const told = this.#lie?.told(truth.at);
    this.#scanRtus(truth, told);
    const slot = truth.at % meterMicros;
    const span = until - truth.at;
    this.#plan.meters.forEach((meter, i) => {
      const phase = meter.phaseSeconds * 1e6;
      const offset = phase >= slot ? phase - slot : phase + meterMicros - slot;
      if (offset < span) this.#meter(meter, this.#plan.rtus.length + i, truth.at + offset, told);
    });
  }
  #scanRtus(truth: TrueState, told: TrueState | undefined): void {
    const real = copyFlows(this.#world.flowsOf(truth));
    let claimed = real;
    if (told !== undefined) {
      const network = new AcNetwork(this.#world.grid, told.closed, this.#world.kind);
      claimed = network.flows(told.ac.magnitude, told.ac.angle);
    }
    const changed = !this.#statusSent || this.#lastClosed.some((v, k) => v !== truth.closed[k]);
    this.#statusSent = true;
    this.#lastClosed = truth.closed.slice();
    const hourly = truth.at % 3_600_000_000 === 0;
    this.#plan.rtus.forEach((rtu, r) => {
      const lies = told !== undefined && rtu.cellular;
      const state = lies ? told : truth;
      const flows = lies ? claimed : real;
      // Stations answer one after the other: 60 ms each.
      const at = truth.at + r * 60_000;
      const time = isoTime(at);
      const sequence = ++this.#sequence[r]!;
      const i = this.#world.grid.indexOf.get(rtu.bus)!;
      for (const f of this.#feeds[r]!) {
        if (f.sort === 'status') {
          if (!changed && !hourly) continue;
          this.#line(at, time, rtu.id, f.quantity, String(state.closed[f.index]), 0, sequence, false);
          continue;
        }
        const value = valueIn(f, i, state, flows);
        if (f.sort === 'v') {
          const base = this.#world.grid.baseKv[i]! * 1000;
          const sigma = meterNoise.voltagePu * base;
          this.#line(
            at,
            time,
            rtu.id,
            f.quantity,
            (value * base + this.#rtuNoise.normal(sigma)).toFixed(0),
            sigma,
            sequence,
            lies,
          );
          continue;
        }
        const sigma = Math.round(meterNoise.rtuFloorWatts + meterNoise.rtuShare * Math.abs(value));
        this.#line(
          at,
          time,
          rtu.id,
          f.quantity,
          (value + this.#rtuNoise.normal(sigma)).toFixed(0),
          sigma,
          sequence,
          lies,
        );
      }
    });
  }
  #meter(meter: Meter, slot: number, at: number, told: TrueState | undefined): void {
    const plain = this.#world.plainLoad(meter.busIndex, at);
    // Devices in the district are the attacker's once the lie runs; their tale moves no faster than the scan.
    const lies = told !== undefined && meter.inDistrict;
    const load = lies ? told.loads[meter.busIndex]! : plain;
    const noise = 1 + this.#meterNoise.normal(meterNoise.smartShare);
    const factor = this.#world.grid.loadVars[meter.busIndex]! / this.#world.grid.loadWatts[meter.busIndex]!;
    let watts = load * meter.share * noise;
    if (meter.id === this.#faultyMeter && this.#meterNoise.chance(0.15)) watts = 0;
    const time = isoTime(at);
    const sequence = ++this.#sequence[slot]!;
    this.#line(at, time, meter.id, `power/load/${meter.bus}/p`, watts.toFixed(0), 0, sequence, lies);
    this.#line(at, time, meter.id, `power/load/${meter.bus}/q`, (watts * factor).toFixed(0), 0, sequence, lies);
  }
  #line(
    at: number,
    time: string,
    asset: string,
    quantity: string,
    value: string,
    sigma: number,
    sequence: number,
    lies: boolean,
  ): void {
    const deviation = sigma > 0 ? `,"sigma":${sigma}` : '';
    this.#out.add(
      at,
      `{"kind":"reading","at":"${time}","asset":"${asset}","quantity":"${quantity}","value":${value}${deviation},"seq":${sequence}}`,
      lies ? this.onLie : undefined,
    );
  }
}

function feed(grid: Grid, quantity: string): Feed {
  const part = quantity.split('/');
  if (part[1] === 'bus') return { quantity, sort: 'v', index: grid.indexOf.get(Number(part[2]))! };
  if (part[1] === 'gen')
    return { quantity, sort: part[3] === 'p' ? 'genP' : 'genQ', index: grid.indexOf.get(Number(part[2]))! };
  const index = Number(part[2]) - 1;
  if (part[3] === 'status') return { quantity, sort: 'status', index };
  const side = part[3] === 'from' ? 'from' : 'to';
  return { quantity, sort: part[4] === 'p' ? `${side}P` : `${side}Q`, index };
}

function valueIn(f: Feed, bus: number, state: TrueState, flows: AcFlows): number {
  if (f.sort === 'v') return state.ac.magnitude[f.index]!;
  if (f.sort === 'genP') return state.units[bus]!;
  if (f.sort === 'genQ') return flows.busVars[bus]! + state.loadVars[bus]!;
  if (f.sort === 'fromP') return flows.fromWatts[f.index]!;
  if (f.sort === 'fromQ') return flows.fromVars[f.index]!;
  if (f.sort === 'toP') return flows.toWatts[f.index]!;
  return flows.toVars[f.index]!;
}

function copyFlows(f: AcFlows): AcFlows {
  return {
    fromWatts: f.fromWatts.slice(),
    fromVars: f.fromVars.slice(),
    toWatts: f.toWatts.slice(),
    toVars: f.toVars.slice(),
    busWatts: f.busWatts.slice(),
    busVars: f.busVars.slice(),
  };
}
