// What the passed commands would have done: each is executed in order on the true grid of its moment, and what trips or
// goes dark stays so. For scorers only; it reads true-state.ndjson, which no defence may see.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { cascade } from './worlds/dc.ts';
import { readGrid } from './worlds/grid.ts';

export interface Executed {
  /** Share of the load demanded at the end that is not served. */
  readonly loadLostShare: number;
  readonly harmfulExecuted: number;
  /** Share lost by each passed command on its own step. */
  readonly steps: readonly { readonly id: string; readonly lostShare: number }[];
}

interface CommandLine {
  id: string;
  target: string;
  action: string;
  value?: number;
}
interface StateLine {
  command?: string;
  loads: Record<string, number>;
  gens: Record<string, number>;
  open: number[];
}

export function readLines<T>(path: string): T[] {
  return readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as T);
}

/** @throws Error where the folder lacks a file of a range run. */
export function executeOnTruth(dir: string, passedCommandIds: Iterable<string>): Executed {
  const grid = readGrid();
  const passed = new Set(passedCommandIds);
  const states = new Map<string, StateLine>();
  for (const s of readLines<StateLine>(join(dir, 'true-state.ndjson')))
    if (s.command !== undefined) states.set(s.command, s);
  const harmful = harmfulIds(dir);
  // What has been lost so far: branches tripped or opened by an earlier passed command, share of each load served.
  const opened = new Uint8Array(grid.branchCount);
  const served = new Float64Array(grid.busCount).fill(1);
  let loadLostShare = 0;
  let harmfulExecuted = 0;
  const steps: { id: string; lostShare: number }[] = [];
  for (const command of readLines<CommandLine>(join(dir, 'commands.ndjson'))) {
    const state = states.get(command.id);
    if (!passed.has(command.id) || state === undefined) continue;
    if (harmful.has(command.id)) harmfulExecuted += 1;
    const [, kind = '', name = ''] = command.target.split('/');
    const demand = Float64Array.from(grid.busId, (id) => state.loads[id] ?? 0);
    const units = Float64Array.from(grid.busId, (id) => state.gens[id] ?? 0);
    const loads = demand.map((w, i) => w * served[i]!);
    if (kind === 'branch') opened[Number(name) - 1] = command.action === 'open' ? 1 : 0;
    const bus = grid.indexOf.get(Number(name)) ?? -1;
    if (kind === 'gen' && bus >= 0) units[bus] = command.value ?? units[bus]!;
    if (kind === 'load' && bus >= 0) loads[bus] = Math.max(0, loads[bus]! - (command.value ?? 0));
    const before = loads.reduce((s, w) => s + w, 0);
    const end = cascade(
      grid,
      opened.map((o) => 1 - o),
      loads,
      units,
    );
    for (const k of end.tripped) opened[k] = 1;
    for (let i = 0; i < served.length; i++) if (loads[i]! > 0) served[i]! *= end.loads[i]! / loads[i]!;
    const wanted = demand.reduce((s, w) => s + w, 0);
    const got = demand.reduce((s, w, i) => s + w * served[i]!, 0);
    loadLostShare = 1 - got / wanted;
    steps.push({ id: command.id, lostShare: 1 - end.loads.reduce((s, w) => s + w, 0) / before });
  }
  return { loadLostShare: Math.max(0, loadLostShare), harmfulExecuted, steps };
}

/** Ids of the commands that truth calls harmful. */
export function harmfulIds(dir: string): Set<string> {
  const ids = readLines<CommandLine>(join(dir, 'commands.ndjson')).map((c) => c.id);
  const out = new Set<string>();
  for (const t of readLines<{ harmful?: boolean; first?: { file: string; line?: number } }>(
    join(dir, 'truth.ndjson'),
  )) {
    if (t.harmful === true && t.first?.file === 'commands.ndjson') out.add(ids[t.first.line! - 1]!);
  }
  return out;
}
