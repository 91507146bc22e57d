// The power twin by hand: solve a case, estimate from measurements or readings, judge commands.
import { createReadStream, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { loadCity } from '#city';
import type { Command, Reading } from '#events';
import { type Fault, toJsonLine } from '#findings';
import { parseIsoMicros } from '#lib/time';
import {
  branchFlows,
  caseInput,
  createPowerTwin,
  Estimator,
  type Grid,
  gridFromCase,
  NodeKind,
  PowerFlow,
  type PowerTwin,
  readMatpowerBytes,
  readMeasurements,
  twoPorts,
} from '#twins/power';
import { ExitCode, options, UsageError } from './options.ts';

export const powerHelp = `parapet power: the power twin by hand.

  power solve CASE                           AC power flow of a MATPOWER case (.m, or .m.zst)
  power estimate CASE --measurements FILE    state estimation from a table of measurements in per unit
  power estimate CASE --readings FILE        the same from readings (NDJSON)
  power judge CASE --readings FILE --commands FILE
                                             a verdict for each command, at its own time

  --format text|json      (ndjson is taken for json)
  --city FILE             city.yaml: which assets feed which load
  --distrust ID,ID        assets or measurement rows (row-12) that are not trusted`;

export async function power(args: string[]): Promise<number> {
  const o = options(
    args,
    {
      measurements: { type: 'string' },
      readings: { type: 'string' },
      commands: { type: 'string' },
      distrust: { type: 'string' },
    },
    ['text', 'ndjson', 'json'],
  );
  const [verb, file] = o.positionals;
  if (o.help) {
    console.log(powerHelp);
    return ExitCode.Done;
  }
  if (verb === undefined || file === undefined) throw new UsageError(powerHelp);
  const text = o.format === 'text';
  const doubted = new Set(((o.values.distrust as string | undefined) ?? '').split(',').filter((id) => id !== ''));
  const trustOf = (asset: string): number => (doubted.has(asset) ? 0 : 1);
  const grid = readGrid(file, text);
  if (grid === undefined) return ExitCode.PartUnread;
  const measurements = o.values.measurements as string | undefined;
  const readings = o.values.readings as string | undefined;
  const commands = o.values.commands as string | undefined;
  if (verb === 'solve') return solve(grid, text);
  if (verb === 'estimate' && measurements !== undefined) return estimate(grid, measurements, trustOf, text);
  const assets = o.values.city === undefined ? [] : loadCity(o.values.city as string).assets;
  if (verb === 'estimate' && readings !== undefined) return estimateReadings(grid, assets, readings, trustOf, text);
  if (verb === 'judge' && readings !== undefined && commands !== undefined)
    return judge(grid, assets, readings, commands, trustOf, text);
  throw new UsageError(powerHelp);
}

function open(path: string): Uint8Array {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new UsageError(`${path} cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown'}).`);
  }
}

function refuse(faults: readonly Fault[], text: boolean): void {
  if (!text) console.log(JSON.stringify({ status: 'refused', faults }));
  for (const f of faults)
    console.error(`${f.code} ${f.file}${f.line === undefined ? '' : `:${f.line}`}: ${f.text}. ${f.remedy}`);
}

function readGrid(file: string, text: boolean): Grid | undefined {
  const read = readMatpowerBytes(open(file), file);
  const made = read.value === undefined ? read : gridFromCase(read.value, file);
  if (made.value === undefined) refuse(made.faults, text);
  return made.value as Grid | undefined;
}

const degrees = (rad: number): number => (rad * 180) / Math.PI;

function solve(grid: Grid, text: boolean): number {
  const input = caseInput(grid);
  const energised = input.kind.some((k) => k !== NodeKind.Out);
  const result = new PowerFlow(grid).solve(input);
  const status = !energised
    ? 'refused'
    : result.status === 'solved' && input.dark.length > 0
      ? 'islanded'
      : result.status;
  const notes = energised ? input.notes : [...input.notes, 'Nothing is energised: no island has a unit in service.'];
  const dark = new Set(input.dark);
  // No numbers for what was not solved.
  const solved = energised && result.status === 'solved';
  const buses = [];
  for (let i = 0; i < grid.busCount && solved; i++) {
    if (grid.busType[i] === 4) continue;
    const v = grid.node[i]!;
    buses.push(
      dark.has(i)
        ? { id: grid.busId[i], vm: 0, va: 0, dark: true }
        : { id: grid.busId[i], vm: result.vm[v]!, va: degrees(result.va[v]!) },
    );
  }
  if (text) {
    console.log(
      `${status} after ${result.iterations} iterations, largest mismatch ${result.mismatchMaxPu.toExponential(1)} pu`,
    );
    for (const n of notes) console.log(n);
    for (const b of buses) console.log(`bus ${b.id}  ${b.vm.toFixed(5)} pu  ${b.va.toFixed(4)} degrees`);
  } else {
    const flows = branchFlows(grid, twoPorts(grid), grid.closed, result.vm, result.va);
    const branches = [];
    for (let k = 0; k < grid.branchCount && solved; k++) {
      if (grid.closed[k] === 0 || grid.busbar[k] === 1) continue;
      branches.push({
        row: k + 1,
        from: grid.busId[grid.from[k]!],
        to: grid.busId[grid.to[k]!],
        fromMw: flows.pf[k]! * grid.baseMva,
        fromMvar: flows.qf[k]! * grid.baseMva,
        toMw: flows.pt[k]! * grid.baseMva,
        toMvar: flows.qt[k]! * grid.baseMva,
      });
    }
    console.log(
      JSON.stringify({
        status,
        iterations: result.iterations,
        maxMismatchPu: result.mismatchMaxPu,
        weakPivots: result.weakPivots,
        notes,
        buses,
        branches,
      }),
    );
  }
  return ExitCode.Done;
}

function estimate(grid: Grid, path: string, trustOf: (asset: string) => number, text: boolean): number {
  const read = readMeasurements(Buffer.from(open(path)).toString(), path, grid, (row) => trustOf(`row-${row}`));
  const input = caseInput(grid);
  const fixed = new Uint8Array(2 * grid.busCount);
  const vm = input.vm.map((v, i) => (input.kind[i] === NodeKind.Out ? v : 1));
  const va = new Float64Array(grid.busCount);
  input.kind.forEach((kind, i) => {
    if (kind === NodeKind.Out) fixed[2 * i] = fixed[2 * i + 1] = 1;
    if (kind === NodeKind.Reference) {
      fixed[2 * i] = 1;
      va.fill(input.va[i]!);
    }
  });
  const e = new Estimator(grid).estimate({ rows: read.rows, closed: grid.closed, fixed, vm, va, removeBad: false });
  const named = (rows: readonly number[]): string[] => rows.map((r) => e.rows[r]!.quantity);
  const record = {
    status: e.status,
    iterations: e.iterations,
    measurements: e.rows.length,
    states: e.rank,
    trace: e.trace,
    objective: e.objective,
    degreesOfFreedom: e.degreesOfFreedom,
    objectiveLimit: e.objectiveLimit,
    normalizedLimit: e.normalizedLimit,
    unobservable: e.unobservable.map((i) => grid.busId[i]),
    unobservableTrusted: e.unobservableTrusted.map((i) => grid.busId[i]),
    critical: named(Array.from(e.critical).flatMap((c, r) => (c === 1 ? [r] : []))),
    suspects: e.suspects.map((r) => ({
      reading: e.rows[r]!.quantity,
      residual: e.residual[r],
      normalized: e.normalized[r],
    })),
    buses:
      e.status === 'diverged'
        ? []
        : Array.from(grid.busId, (id, i) => ({
            id,
            vm: e.vm[grid.node[i]!]!,
            va: degrees(e.va[grid.node[i]!]!),
          })).filter((_, i) => !e.unobservable.includes(grid.node[i]!)),
    faults: read.faults,
  };
  if (text) {
    console.log(
      `${record.status}: ${record.measurements} measurements, J ${e.objective.toFixed(2)} (limit ${e.objectiveLimit.toFixed(2)})`,
    );
    if (record.unobservable.length > 0) console.log(`not observable: bus ${record.unobservable.join(', ')}`);
    for (const s of record.suspects) console.log(`suspect ${s.reading}: normalized ${s.normalized?.toFixed(1)}`);
    for (const b of record.buses) console.log(`bus ${b.id}  ${b.vm.toFixed(5)} pu  ${b.va.toFixed(4)} degrees`);
    for (const f of read.faults) console.error(`${f.code} ${f.file}:${f.line}: ${f.text}. ${f.remedy}`);
  } else console.log(JSON.stringify(record));
  return read.faults.length > 0 ? ExitCode.PartUnread : ExitCode.Done;
}

type Assets = readonly { readonly id: string; readonly feeds: readonly string[] }[];

function twinOf(grid: Grid, assets: Assets, text: boolean): PowerTwin | undefined {
  const made = createPowerTwin(grid, { assets });
  if (made.value === undefined) refuse(made.faults, text);
  return made.value as PowerTwin | undefined;
}

async function estimateReadings(
  grid: Grid,
  assets: Assets,
  path: string,
  trustOf: (asset: string) => number,
  text: boolean,
): Promise<number> {
  const twin = twinOf(grid, assets, text);
  if (twin === undefined) return ExitCode.PartUnread;
  let at = 0;
  let bad = 0;
  for await (const record of records(path)) {
    const reading = record === undefined ? undefined : readingOf(record, path);
    if (reading === undefined) {
      bad += 1;
      continue;
    }
    at = Math.max(at, reading.at);
    twin.observe([reading]);
  }
  const state = twin.estimate(at, trustOf);
  if (!text) console.log(toJsonLine(state));
  else {
    console.log(`${state.status}: ${state.text}`);
    for (const s of state.suspects)
      console.log(`suspect ${s.reading}: ${s.likely}, normalized ${s.normalized.toFixed(1)}`);
  }
  if (bad > 0)
    console.error(`READING_LINE ${path}: ${bad} lines are no reading. Give kind, at, asset, quantity and value.`);
  return bad > 0 ? ExitCode.PartUnread : ExitCode.Done;
}

async function judge(
  grid: Grid,
  assets: Assets,
  readingsPath: string,
  commandsPath: string,
  trustOf: (asset: string) => number,
  text: boolean,
): Promise<number> {
  const twin = twinOf(grid, assets, text);
  if (twin === undefined) return ExitCode.PartUnread;
  let bad = 0;
  const commands: Command[] = [];
  for await (const record of records(commandsPath)) {
    const command = record === undefined ? undefined : commandOf(record, commandsPath);
    if (command === undefined) bad += 1;
    else commands.push(command);
  }
  commands.sort((a, b) => a.at - b.at);
  let next = 0;
  const decide = (until: number): void => {
    for (; next < commands.length && commands[next]!.at < until; next++) {
      const command = commands[next]!;
      const verdict = twin.judge(command, command.at, trustOf);
      if (verdict.decision === 'pass') twin.commandPassed(command);
      if (text)
        console.log(
          `${command.id} ${command.action} ${command.target}: ${verdict.decision}. ${verdict.reasons.join(' ')}`,
        );
      else console.log(toJsonLine({ kind: 'verdict', at: command.at, command: command.id, ...verdict }));
    }
  };
  for await (const record of records(readingsPath)) {
    const reading = record === undefined ? undefined : readingOf(record, readingsPath);
    if (reading === undefined) {
      bad += 1;
      continue;
    }
    decide(reading.at);
    twin.observe([reading]);
  }
  decide(Number.POSITIVE_INFINITY);
  if (bad > 0) console.error(`READING_LINE: ${bad} lines are neither reading nor command; they were left out.`);
  return bad > 0 ? ExitCode.PartUnread : ExitCode.Done;
}

async function* records(path: string): AsyncGenerator<Record<string, unknown> | undefined> {
  const stream = createReadStream(path);
  await new Promise<void>((resolve, reject) => {
    stream.once('open', () => resolve());
    stream.once('error', () => reject(new UsageError(`${path} cannot be read.`)));
  });
  for await (const line of createInterface({ input: stream, crlfDelay: Number.POSITIVE_INFINITY })) {
    if (line.trim() === '') continue;
    try {
      const value: unknown = JSON.parse(line);
      yield typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
    } catch {
      yield undefined;
    }
  }
}

function timeOf(value: unknown): number {
  return typeof value === 'string' ? parseIsoMicros(value) : typeof value === 'number' ? value : Number.NaN;
}
const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');
const numberOf = (value: unknown): number => (typeof value === 'number' ? value : 0);

function readingOf(r: Record<string, unknown>, file: string): Reading | undefined {
  const at = timeOf(r.at);
  if (!Number.isFinite(at) || typeof r.quantity !== 'string' || typeof r.value !== 'number') return undefined;
  return {
    kind: 'reading',
    at,
    asset: textOf(r.asset),
    quantity: r.quantity,
    value: r.value,
    sigma: numberOf(r.sigma),
    via: textOf(r.via),
    seq: numberOf(r.seq),
    origin: { file, placed: 'line' },
    place: 0,
  };
}

function commandOf(r: Record<string, unknown>, file: string): Command | undefined {
  const at = timeOf(r.at);
  if (!Number.isFinite(at) || typeof r.target !== 'string' || typeof r.action !== 'string') return undefined;
  return {
    kind: 'command',
    id: textOf(r.id),
    at,
    requester: textOf(r.requester),
    target: r.target,
    action: r.action,
    value: typeof r.value === 'number' || typeof r.value === 'string' ? r.value : undefined,
    deadline: 0,
    reason: textOf(r.reason),
    nonce: textOf(r.nonce),
    origin: { file, placed: 'line' },
    place: 0,
  };
}
