// What a command would do, and whether that answer rests on readings nobody should trust. In this order: does it make
// sense, islanding, overload and voltage by AC on the estimated state, N-1, the trusted-only bound, consequences.
// Always the worsening is judged, not the state that was there before the command.
import type { Command } from '#events';
import { Answer, type JudgeContext, name, names, namesMax } from './answer.ts';
import { bridges } from './bridges.ts';
import { type Asked, branchName, megawatts, percent, readCommand } from './command.ts';
import { dependence } from './dependence.ts';
import { NodeKind } from './newton.ts';
import { confirm, screen } from './outages.ts';
import { type Change, changed, loading, lostShare, type Situation } from './situation.ts';
import type { TwinVerdict } from './types.ts';

/** A change smaller than this is no worsening: of loading (share), of voltage (pu), of load lost (share). */
const worse = { loading: 0.02, voltage: 0.01, lost: 1e-3 } as const;
/** Load that a later single outage may strand because of an opening, as a share of all load, before it is held. */
const strandedMax = 0.05;
/** Angle across an open switch above which closing it is a shock to the machines, rad. */
const angleMax = (20 * Math.PI) / 180;
/** Share of nodes that may be unobserved while commands elsewhere are still judged. */
const blindMax = 0.1;

export function plainVerdict(decision: 'hold' | 'refuse', reason: string, harm: readonly string[] = []): TwinVerdict {
  return { decision, reasons: [reason], leansOn: [], harm };
}

export function judgeCommand(command: Command, c: JudgeContext): TwinVerdict {
  const { grid } = c;
  const asked = readCommand(command, grid);
  if (typeof asked === 'string') return plainVerdict('refuse', asked);
  const answer = new Answer();
  const change = changeOf(asked, c, answer);
  if (change === undefined) return answer.verdict();
  if (answer.refusals.length > 0) return answer.verdict();
  blind(asked, c, answer);

  const islandsFine = islanding(change, c, answer);
  const after = islandsFine ? changed(c.flow, c.before, change) : undefined;
  if (after === undefined) {
    if (islandsFine) {
      answer.refusals.push('After it the grid has no AC solution: the voltage would collapse.');
      answer.harm.add('collapse');
    }
    return answer.verdict();
  }
  overload(c, after, answer);
  voltage(c, after, answer);
  further(change, c, after, answer);
  dependence(change, c, after, answer);
  consequences(c, after, answer);
  if (answer.refusals.length + answer.holds.length === 0) answer.notes.unshift(allClear(c, after));
  return answer.verdict();
}

/** The change in per unit; undefined where nothing is left to judge. */
function changeOf(asked: Asked, c: JudgeContext, answer: Answer): Change | undefined {
  const { grid, snapshot, before } = c;
  const base = grid.baseMva * 1e6;
  if (asked.sort === 'switch') {
    if ((before.closed[asked.branch] === 1) === asked.closed) {
      answer.notes.push(`The ${branchName(grid, asked.branch)} is ${asked.closed ? 'closed' : 'open'} already.`);
      return undefined;
    }
    return { branch: { index: asked.branch, closed: asked.closed } };
  }
  const bus = asked.bus;
  const id = grid.busId[bus];
  if (asked.sort === 'generate') {
    if (Number.isNaN(snapshot.generation[bus]!)) {
      answer.holds.push(`No fresh reading says what the units at bus ${id} give now, so the change is not known.`);
      answer.harm.add('unobservable');
      return undefined;
    }
    if (snapshot.generationTrusted[bus] === 0) {
      name(c, [bus], answer);
      answer.holds.push(
        `What the units at bus ${id} give now (${megawatts(before.generation[bus]! * base)}) is known only from ${names(answer)}, which nobody should trust now.`,
      );
    }
    const by = asked.watts / base - before.generation[bus]!;
    return { bus: { index: bus, p: by, q: 0, load: 0, generation: by } };
  }
  const load = before.load[bus]!;
  const shed = asked.watts / base;
  // A tenth above the estimate is within what meters and drift explain.
  if (shed > load * 1.1 + 0.01)
    answer.refusals.push(`Bus ${id} takes ${megawatts(load * base)}; ${megawatts(asked.watts)} cannot be shed there.`);
  const ratio = load > 0.001 && !Number.isNaN(snapshot.loadQ[bus]!) ? snapshot.loadQ[bus]! / load : 0;
  const amount = Math.min(shed, load);
  return { bus: { index: bus, p: amount, q: amount * ratio, load: -amount, generation: 0 } };
}

/** What the estimate cannot see at all. */
function blind(asked: Asked, c: JudgeContext, answer: Answer): void {
  const { grid, estimate } = c;
  const unseen = estimate.unobservable;
  if (unseen.length === 0) return;
  const nodes = asked.sort === 'switch' ? [grid.from[asked.branch]!, grid.to[asked.branch]!] : [asked.bus];
  const own = nodes.filter((i) => unseen.includes(grid.node[i]!)).map((i) => grid.busId[i]);
  const list = unseen.slice(0, namesMax).map((i) => grid.busId[i]);
  const text = `${unseen.length} of ${grid.busCount} buses are not observable (${list.join(', ')}${unseen.length > list.length ? '...' : ''}): readings are missing or too old.`;
  if (own.length > 0)
    answer.holds.push(`Bus ${own.join(' and ')}, where the command acts, cannot be observed. ${text}`);
  else if (unseen.length > blindMax * grid.busCount) answer.holds.push(text);
  else answer.notes.push(text);
  if (answer.holds.length > 0) answer.harm.add('unobservable');
}

/** False where what would be dark or apart makes a solution pointless. */
function islanding(change: Change, c: JudgeContext, answer: Answer): boolean {
  if (change.branch === undefined) return true;
  const { grid, before } = c;
  const { index, closed } = change.branch;
  if (closed) {
    const f = grid.node[grid.from[index]!]!;
    const t = grid.node[grid.to[index]!]!;
    const live = before.kind[f] !== NodeKind.Out && before.kind[t] !== NodeKind.Out;
    if (live && before.island[f] !== before.island[t]) {
      answer.holds.push(
        `The ${branchName(grid, index)} joins two islands: whether they are in step is not known here.`,
      );
      answer.harm.add('islanding');
    } else if (live) {
      const angle = before.va[f]! - before.va[t]! - grid.shift[index]!;
      if (Math.abs(angle) > angleMax) {
        answer.holds.push(
          `The angle across the ${branchName(grid, index)} is ${((angle * 180) / Math.PI).toFixed(1)} degrees; up to 20 may be closed onto.`,
        );
        answer.harm.add('angle');
      }
    }
    return true;
  }
  if (bridges(grid, before.closed)[index] === 0) return true;
  const positions = before.closed.slice();
  positions[index] = 0;
  c.modelAfter.set(positions);
  const far = sideWithoutReference(c, index);
  let stranded = 0;
  let total = 0;
  let units = 0;
  far.forEach((isFar, i) => {
    total += before.load[i]!;
    if (!isFar) return;
    stranded += before.load[i]!;
    units += before.capacity[i]!;
  });
  const base = grid.baseMva * 1e6;
  answer.harm.add('islanding');
  const share = total > 0 ? stranded / total : 0;
  if (units > stranded && stranded > 0) {
    answer.holds.push(
      `It splits the grid: ${megawatts(stranded * base)} of load would live on units of ${megawatts(units * base)} alone.`,
    );
    return true;
  }
  if (stranded > 0) {
    answer.lost = Math.max(0, share * (1 - Math.min(1, units / stranded)));
    answer.refusals.push(
      `It cuts off ${megawatts(stranded * base)} of load (${percent(share)}): nothing else joins the ends of the ${branchName(grid, index)}.`,
    );
    return units > 0;
  }
  if (units > 0) {
    answer.holds.push(`It cuts off units of ${megawatts(units * base)} at the end of the ${branchName(grid, index)}.`);
    return true;
  }
  answer.harm.delete('islanding');
  return true;
}

/** Buses on the side of an opened bridge that does not hold most load. */
function sideWithoutReference(c: JudgeContext, index: number): Uint8Array {
  const { grid, before } = c;
  const { island } = c.modelAfter;
  const f = island[grid.from[index]!]!;
  const t = island[grid.to[index]!]!;
  let loadF = 0;
  let loadT = 0;
  for (let i = 0; i < grid.busCount; i++) {
    if (island[i] === f) loadF += before.load[i]! + before.capacity[i]!;
    if (island[i] === t) loadT += before.load[i]! + before.capacity[i]!;
  }
  const far = loadF < loadT ? f : t;
  return Uint8Array.from(island, (label) => (label === far ? 1 : 0));
}

function overload(c: JudgeContext, after: Situation, answer: Answer): void {
  const { grid, before } = c;
  let worst = -1;
  let share = 1;
  for (let k = 0; k < grid.branchCount; k++) {
    const now = loading(grid, after.flows, k);
    if (now > share && now > loading(grid, before.flows, k) + worse.loading) {
      share = now;
      worst = k;
    }
  }
  if (worst < 0) return;
  answer.harm.add('overload');
  answer.holds.push(
    `It loads ${branchName(grid, worst)} with ${percent(share)} of its rating (before: ${percent(loading(grid, before.flows, worst))}).`,
  );
}

function voltage(c: JudgeContext, after: Situation, answer: Answer): void {
  const { grid, before, limits } = c;
  let worst = -1;
  let by = 0;
  for (let i = 0; i < grid.busCount; i++) {
    if (grid.node[i] !== i || after.kind[i] === NodeKind.Out || before.kind[i] === NodeKind.Out) continue;
    const excess = (v: number): number => Math.max(limits.voltagePuMin - v, v - limits.voltagePuMax, 0);
    const more = excess(after.vm[i]!) - excess(before.vm[i]!);
    if (more > worse.voltage && more > by) {
      by = more;
      worst = i;
    }
  }
  if (worst < 0) return;
  answer.harm.add('voltage');
  answer.holds.push(
    `It brings bus ${grid.busId[worst]} to ${after.vm[worst]!.toFixed(3)} pu (before: ${before.vm[worst]!.toFixed(3)}; ${limits.voltagePuMin} to ${limits.voltagePuMax} is normal).`,
  );
}

/** N-1 after the command. */
function further(change: Change, c: JudgeContext, after: Situation, answer: Answer): void {
  const { grid, before, limits } = c;
  const same = change.branch === undefined;
  const model = same ? c.modelBefore : c.modelAfter;
  const screened = screen(
    { situation: before, model: c.modelBefore },
    { situation: after, model },
    limits.outageLoadingMax,
    worse.loading,
  );
  const [worst] = confirm(c.flow, after, screened, limits.outageLoadingMax);
  if (worst !== undefined) {
    answer.harm.add('n-1');
    answer.holds.push(
      worst.collapses
        ? `After it, the outage of ${branchName(grid, worst.outage)} leaves no AC solution.`
        : `After it, the outage of ${branchName(grid, worst.outage)} loads ${branchName(grid, worst.branch)} with ${percent(worst.loading)} (before: ${percent(worst.before)}; up to ${percent(limits.outageLoadingMax)} may be).`,
    );
  }
  if (change.branch === undefined || change.branch.closed) return;
  const bridgesBefore = bridges(grid, before.closed);
  const bridgesAfter = bridges(grid, after.closed);
  const total = before.load.reduce((s, v) => s + v, 0);
  let stranded = 0;
  let bridge = -1;
  for (let k = 0; k < grid.branchCount; k++) {
    if (bridgesAfter[k] === 0 || bridgesBefore[k] === 1) continue;
    // A bridge carries what hangs behind it.
    const behind = Math.abs(after.flows.pf[k]!);
    if (behind > stranded) {
      stranded = behind;
      bridge = k;
    }
  }
  if (bridge < 0) return;
  const text = `After it, ${branchName(grid, bridge)} alone carries ${megawatts(stranded * grid.baseMva * 1e6)}.`;
  if (total > 0 && stranded > strandedMax * total) {
    answer.harm.add('n-1');
    answer.holds.push(text);
  } else answer.notes.push(text);
}

function consequences(c: JudgeContext, after: Situation, answer: Answer): void {
  const was = lostShare(c.modelCascade, c.before);
  const now = lostShare(c.modelCascade, after);
  const lost = Math.max(0, now - was);
  answer.lost = Math.max(answer.lost ?? 0, lost);
  if (lost <= worse.lost) return;
  answer.harm.add('cascade');
  answer.refusals.push(
    `Overloads would trip one after the other and ${percent(lost)} of the load would be lost (DC cascade).`,
  );
}

function allClear(c: JudgeContext, after: Situation): string {
  const { grid } = c;
  let worst = 0;
  let share = 0;
  for (let k = 0; k < grid.branchCount; k++) {
    const now = loading(grid, after.flows, k);
    if (now > share) {
      share = now;
      worst = k;
    }
  }
  return share > 0
    ? `After it the fullest branch is ${branchName(grid, worst)} with ${percent(share)}; no single outage is made worse, and no untrusted reading could hide that.`
    : 'The grid stays in one piece and solves; the branches have no ratings to compare with.';
}
