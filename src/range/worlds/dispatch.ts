// The start point: generation at the daily peak such that no single outage overloads a branch.
// How: published generation is scaled to the load; then, while the worst post-outage loading exceeds the limit, 4 MW
// move from the unit that worsens that flow most to the unit that relieves it most (both within their range).
import { Sensitivities } from './dc.ts';
import type { Grid } from './grid.ts';

/** DC N-1 loading at the daily peak stays below this; what is left is room for reactive flow and load noise. */
export const securityLimit = 0.84;
const stepWatts = 4e6;

/** @throws Error where the limit can't be reached, which is a mistake in the figures. */
export function secureDispatch(grid: Grid): Float64Array {
  const n = grid.busCount;
  const closed = new Uint8Array(grid.branchCount).fill(1);
  const s = new Sensitivities(grid, closed);
  const unit = grid.unitWatts.slice();
  for (let round = 0; round < 400; round++) {
    const w = s.worst(s.flows(unit.map((g, i) => g - grid.loadWatts[i]!)));
    if (w.loading <= securityLimit) return unit;
    const outage = w.outage < 0 ? 0 : s.lodf[w.outage * grid.branchCount + w.branch]!;
    let raise = -1;
    let lower = -1;
    let raiseEffect = 0;
    let lowerEffect = 0;
    for (let i = 0; i < n; i++) {
      if (grid.unitWattsMax[i]! <= 0) continue;
      const effect = w.sign * (s.ptdf[w.branch * n + i]! + (w.outage < 0 ? 0 : outage * s.ptdf[w.outage * n + i]!));
      if (unit[i]! > 5e6 && (lower < 0 || effect > lowerEffect)) {
        lower = i;
        lowerEffect = effect;
      }
      if (unit[i]! < 0.9 * grid.unitWattsMax[i]! && (raise < 0 || effect < raiseEffect)) {
        raise = i;
        raiseEffect = effect;
      }
    }
    unit[lower]! -= stepWatts;
    unit[raise]! += stepWatts;
  }
  throw new Error('no N-1-secure dispatch found');
}
