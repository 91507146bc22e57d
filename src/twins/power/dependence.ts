// Rule 1 of the interlock: would the answer change if the untrusted readings were wrong? Not a feeling but a bound (bound.ts).
import { type Answer, type JudgeContext, name, names } from './answer.ts';
import { combined, type Gradient } from './bound.ts';
import { branchName, megawatts, percent } from './command.ts';
import { NodeKind } from './newton.ts';
import { type Change, loading, type Situation } from './situation.ts';

/** A branch is leaned on where the command may move it by this share of its rating. */
const leanShare = 0.03;
/** The same for outage factors: below this an opened branch's flow hardly reaches another. */
const lodfMin = 0.02;

export function dependence(change: Change, c: JudgeContext, after: Situation, answer: Answer): void {
  const { grid, before } = c;
  const bound = c.bound();
  const base = grid.baseMva * 1e6;
  const m = grid.branchCount;
  // Shift of every branch by the command: share of an uncertain quantity, plus what is known for certain.
  let shares: Float64Array | undefined;
  let quantity: Gradient | undefined;
  let amount = 0;
  let amountBound = 0;
  let buses: number[] = [];
  if (change.branch !== undefined) {
    const k = change.branch.index;
    buses = [grid.from[k]!, grid.to[k]!];
    if (change.branch.closed) {
      // Closing moves the flow that the angle across it drives; factors are those of opening it again.
      c.modelAfter.set(after.closed);
      shares = c.modelAfter
        .lodf()
        .column(k)
        ?.map((v) => -v);
      amount = after.flows.pf[k]!;
      quantity = scaled(bound.angleAcross(k), 1 / grid.x[k]!);
    } else {
      c.modelBefore.set(before.closed);
      shares = c.modelBefore.lodf().column(k);
      amount = before.flows.pf[k]!;
      quantity = bound.flow(k, false);
    }
    amountBound = bound.of(quantity);
    if (amountBound === Number.POSITIVE_INFINITY) {
      name(c, buses, answer);
      answer.harm.add('untrusted');
      const what = change.branch.closed ? 'The angle across' : 'The flow of';
      const told = change.branch.closed ? '' : ` (${megawatts(amount * base)} as told)`;
      answer.holds.push(
        answer.leansOn.size > 0
          ? `${what} ${branchName(grid, k)}${told} is known only from ${names(answer)}, which nobody should trust now; trusted readings alone do not determine it.`
          : `${what} ${branchName(grid, k)}${told} is not determined by the readings that arrive.`,
      );
      return;
    }
  } else if (change.bus !== undefined) {
    const reference = after.kind.findIndex(
      (k, i) => k === NodeKind.Reference && after.island[i] === after.island[change.bus!.index],
    );
    buses = [change.bus.index];
    if (reference >= 0) {
      c.modelBefore.set(before.closed);
      shares = c.modelBefore.transfer(change.bus.index, reference);
    }
    amount = change.bus.p;
  }
  if (shares === undefined) return;
  let worst: { k: number; reach: number; bound: number } | undefined;
  for (let l = 0; l < m; l++) {
    const rating = grid.rating[l]!;
    if (rating === 0 || after.closed[l] === 0 || (change.branch?.index === l && !change.branch.closed)) continue;
    const share = shares[l]!;
    if (Math.abs(share) * (Math.abs(amount) + amountBound) < leanShare * rating) continue;
    if (quantity !== undefined && Math.abs(share) < lodfMin) continue;
    const own = bound.flow(l, false);
    const p = bound.of(quantity === undefined || change.branch?.closed === true ? own : combined(own, share, quantity));
    const q = bound.of(bound.flow(l, true));
    const reach = Math.hypot(Math.abs(after.flows.pf[l]!) + p, Math.abs(after.flows.qf[l]!) + q) / rating;
    // Where it is overloaded without any doubt, the overload itself has been judged above.
    const margin = loading(grid, after.flows, l) <= 1 || loading(grid, after.flows, l) > loading(grid, before.flows, l);
    if (reach > 1 && margin && (worst === undefined || reach > worst.reach)) worst = { k: l, reach, bound: p };
  }
  if (worst === undefined) return;
  name(c, [...buses, grid.from[worst.k]!, grid.to[worst.k]!], answer);
  answer.harm.add('untrusted');
  const told = `${branchName(grid, worst.k)} would be at ${percent(loading(grid, after.flows, worst.k))} as told`;
  const who = answer.leansOn.size > 0 ? `whoever owns ${names(answer)}` : 'what no reading watches';
  answer.holds.push(
    worst.bound === Number.POSITIVE_INFINITY
      ? `${told}, but trusted readings alone do not determine it: ${who} could hide any overload there.`
      : `${told}, but ${who} could hide ${megawatts(worst.bound * base)}, which is more than the margin (up to ${percent(worst.reach)}).`,
  );
}

function scaled(g: Gradient, by: number): Gradient {
  return { unknowns: g.unknowns, values: g.values.map((v) => v * by) };
}
