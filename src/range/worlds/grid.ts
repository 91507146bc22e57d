// The city's grid as typed arrays, from the published figures, and its MATPOWER text.
import { branchRows, busRows, unitRows } from '../grid118.ts';

export const baseWatts = 100e6;
/** Loads of the published system are scaled by this at the daily peak: room for N-1 security under PGLib's ratings. */
export const peakShare = 0.74;
/** Units at 54 and 59 are retired to condensers in this city: the Riverside district has load and no generation. */
const retiredUnits: ReadonlySet<number> = new Set([54, 59]);
/** Units enlarged since: MW. */
const enlargedUnits: ReadonlyMap<number, number> = new Map([
  [49, 450],
  [61, 450],
]);
export const slackBusId = 69;

export interface Grid {
  readonly busCount: number;
  readonly branchCount: number;
  readonly busId: readonly number[];
  readonly indexOf: ReadonlyMap<number, number>;
  /** Peak load, W and var. */
  readonly loadWatts: Float64Array;
  readonly loadVars: Float64Array;
  readonly shuntPu: Float64Array;
  readonly baseKv: Float64Array;
  /** Published generation scaled to the load, W; 0 for condensers and load buses. */
  readonly unitWatts: Float64Array;
  readonly unitWattsMax: Float64Array;
  readonly hasUnit: Uint8Array;
  readonly voltageSetPu: Float64Array;
  readonly from: Int32Array;
  readonly to: Int32Array;
  readonly resistance: Float64Array;
  readonly reactance: Float64Array;
  readonly charging: Float64Array;
  /** 1 for a line. */
  readonly tap: Float64Array;
  readonly ratingWatts: Float64Array;
}

function rows(text: string): number[][] {
  return text
    .split(';')
    .map((row) => row.trim().split(/\s+/).map(Number))
    .filter((row) => row.length > 1);
}

export function readGrid(): Grid {
  const buses = rows(busRows);
  const branches = rows(branchRows);
  const n = buses.length;
  const busId = buses.map((r) => r[0]!);
  const indexOf = new Map(busId.map((id, i) => [id, i]));
  const unitWatts = new Float64Array(n);
  const unitWattsMax = new Float64Array(n);
  const hasUnit = new Uint8Array(n);
  const voltageSetPu = new Float64Array(n).fill(1);
  const loadWatts = Float64Array.from(buses, (r) => r[1]! * 1e6 * peakShare);
  for (const [id, power, powerMax, volts] of rows(unitRows) as [number, number, number, number][]) {
    const i = indexOf.get(id)!;
    hasUnit[i] = 1;
    voltageSetPu[i] = volts;
    if (retiredUnits.has(id)) continue;
    unitWatts[i] = power * 1e6;
    unitWattsMax[i] = (enlargedUnits.get(id) ?? powerMax) * 1e6;
  }
  const total = (a: Float64Array): number => a.reduce((s, v) => s + v, 0);
  const share = total(loadWatts) / total(unitWatts);
  return {
    busCount: n,
    branchCount: branches.length,
    busId,
    indexOf,
    loadWatts,
    loadVars: Float64Array.from(buses, (r) => r[2]! * 1e6 * peakShare),
    shuntPu: Float64Array.from(buses, (r) => r[3]! / 100),
    baseKv: Float64Array.from(buses, (r) => r[4]!),
    unitWatts: unitWatts.map((w) => w * share),
    unitWattsMax,
    hasUnit,
    voltageSetPu,
    from: Int32Array.from(branches, (r) => indexOf.get(r[0]!)!),
    to: Int32Array.from(branches, (r) => indexOf.get(r[1]!)!),
    resistance: Float64Array.from(branches, (r) => r[2]!),
    reactance: Float64Array.from(branches, (r) => r[3]!),
    charging: Float64Array.from(branches, (r) => r[4]!),
    ratingWatts: Float64Array.from(branches, (r) => r[5]! * 1e6),
    tap: Float64Array.from(branches, (r) => r[6]! || 1),
  };
}

/** MATPOWER version 2 text with the dispatch as the start point. */
export function matpowerText(grid: Grid, dispatchWatts: Float64Array): string {
  const mega = (w: number): string => String(Math.round(w / 1e2) / 1e4);
  const lines = ['function mpc = grid', "mpc.version = '2';", 'mpc.baseMVA = 100;', 'mpc.bus = ['];
  for (let i = 0; i < grid.busCount; i++) {
    const type = grid.busId[i] === slackBusId ? 3 : grid.hasUnit[i] === 1 ? 2 : 1;
    lines.push(
      `\t${[grid.busId[i], type, mega(grid.loadWatts[i]!), mega(grid.loadVars[i]!), 0, grid.shuntPu[i]! * 100, 1, grid.voltageSetPu[i], 0, grid.baseKv[i], 1, 1.06, 0.94].join('\t')};`,
    );
  }
  lines.push('];', 'mpc.gen = [');
  for (let i = 0; i < grid.busCount; i++) {
    if (grid.hasUnit[i] === 0) continue;
    lines.push(
      `\t${[grid.busId[i], mega(dispatchWatts[i]!), 0, 1000, -1000, grid.voltageSetPu[i], 100, 1, mega(grid.unitWattsMax[i]!), 0].join('\t')};`,
    );
  }
  lines.push('];', 'mpc.branch = [');
  for (let k = 0; k < grid.branchCount; k++) {
    const rating = mega(grid.ratingWatts[k]!);
    const tap = grid.tap[k] === 1 ? 0 : grid.tap[k];
    lines.push(
      `\t${[grid.busId[grid.from[k]!], grid.busId[grid.to[k]!], grid.resistance[k], grid.reactance[k], grid.charging[k], rating, rating, rating, tap, 0, 1, -360, 360].join('\t')};`,
    );
  }
  lines.push('];', '');
  return lines.join('\n');
}
