// N-1: what any single further outage would load, by linear factors on AC flows; the worst are confirmed by a full AC
// solution, and outages that do not solve are reported as such, never as numbers (lightsim2grid#88, #129).
import type { DcModel } from './dc.ts';
import type { PowerFlow } from './newton.ts';
import { changed, loading, type Situation } from './situation.ts';

/** Outages tried on large grids: the most loaded ones first. */
const outagesMax = 400;
/** Outages confirmed by AC. */
const confirmMax = 5;

export interface Screened {
  readonly outage: number;
  readonly branch: number;
  readonly loading: number;
  /** The same pair before the command. */
  readonly before: number;
}
export interface Confirmed extends Screened {
  /** The outage alone has no AC solution. */
  readonly collapses: boolean;
}

/** Pairs (outage, branch) whose loading after the command is above the limit and worse than before by more than `worse`. */
export function screen(
  before: { situation: Situation; model: DcModel },
  after: { situation: Situation; model: DcModel },
  limit: number,
  worse: number,
): Screened[] {
  const { grid } = after.model;
  const m = grid.branchCount;
  after.model.set(after.situation.closed);
  before.model.set(before.situation.closed);
  const lodfAfter = after.model.lodf();
  const lodfBefore = before.model.lodf();
  const fa = after.situation.flows;
  const fb = before.situation.flows;
  const found: Screened[] = [];
  for (const k of outages(after.situation, m)) {
    const shares = lodfAfter.column(k);
    if (shares === undefined) continue;
    let sharesBefore: Float64Array | undefined;
    let asked = false;
    for (let l = 0; l < m; l++) {
      const rating = grid.ratingShort[l]!;
      if (rating === 0 || l === k || after.situation.closed[l] === 0) continue;
      const share = Math.hypot(fa.pf[l]! + shares[l]! * fa.pf[k]!, fa.qf[l]!) / rating;
      if (share <= limit) continue;
      if (!asked) {
        sharesBefore = lodfBefore.column(k);
        asked = true;
      }
      const was =
        before.situation.closed[k] === 0
          ? loading(grid, fb, l, true)
          : sharesBefore === undefined
            ? 0
            : Math.hypot(fb.pf[l]! + sharesBefore[l]! * fb.pf[k]!, fb.qf[l]!) / rating;
      if (share > was + worse) found.push({ outage: k, branch: l, loading: share, before: was });
    }
  }
  return found.sort((a, b) => b.loading - a.loading || a.outage - b.outage || a.branch - b.branch);
}

function outages(s: Situation, m: number): number[] {
  const closed: number[] = [];
  for (let k = 0; k < m; k++) if (s.closed[k] === 1) closed.push(k);
  if (closed.length <= outagesMax) return closed;
  return closed.sort((a, b) => Math.abs(s.flows.pf[b]!) - Math.abs(s.flows.pf[a]!) || a - b).slice(0, outagesMax);
}

/** AC solutions of the worst outages screened; only what stays above the limit, or has no solution, comes back. */
export function confirm(flow: PowerFlow, after: Situation, screened: readonly Screened[], limit: number): Confirmed[] {
  const out: Confirmed[] = [];
  const tried = new Set<number>();
  for (const s of screened) {
    if (tried.has(s.outage)) continue;
    if (tried.size >= confirmMax) break;
    tried.add(s.outage);
    const next = changed(flow, after, { branch: { index: s.outage, closed: false } });
    if (next === undefined) {
      out.push({ ...s, collapses: true });
      continue;
    }
    const real = loading(flow.grid, next.flows, s.branch, true);
    if (real > limit && real > s.before) out.push({ ...s, loading: real, collapses: false });
  }
  return out;
}
