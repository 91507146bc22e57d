// parapet score DIR: the range's truth against what analyze finds in the same bytes.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadCity } from '#city';
import { atLeast, toJsonLine } from '#findings';
import { parseIsoMicros } from '#lib/time';
import { analyze, type Score, scoreRun, type Truth, twinsOf } from '#pipeline';
import { executeOnTruth } from '#range';
import { ExitCode, options, UsageError, write } from './options.ts';

const layers = ['dns', 'flow', 'signalling', 'power', 'gateway', 'trust', 'interlock'] as const;

export const scoreHelp = `parapet score DIR [--without LIST] [--format text|ndjson]

Runs analyze over a folder that has truth.ndjson (parapet range run makes one) and prints recall, precision, delay,
leaked bytes, false alerts per device-day, harmful commands executed, honest commands held and the load lost, each with
its number and a 95 % interval.

  --without LIST   leave out layers, parted by commas: ${layers.join(', ')}
  --city FILE      default DIR/city.yaml`;

export async function score(args: string[]): Promise<number> {
  const o = options(args, { without: { type: 'string' } }, ['text', 'ndjson']);
  if (o.help) {
    console.log(scoreHelp);
    return ExitCode.Done;
  }
  const dir = o.positionals[0];
  if (dir === undefined) throw new UsageError('score needs the folder of a range run. See parapet score --help.');
  const truthPath = join(dir, 'truth.ndjson');
  if (!existsSync(truthPath))
    throw new UsageError(`${truthPath} is not there: score needs truth, which parapet range run writes.`);
  const without = new Set(o.values.without === undefined ? [] : (o.values.without as string).split(','));
  for (const w of without)
    if (!layers.includes(w as (typeof layers)[number]))
      throw new UsageError(`--without ${w} is not a layer; there are ${layers.join(', ')}.`);
  const { scores } = await scoreFolder(dir, without, o.values.city as string | undefined);
  for (const s of scores) await write(o.format === 'ndjson' ? `${toJsonLine(s)}\n` : text(s));
  return ExitCode.Done;
}

/** Event times of what came first, Infinity where it did not come. */
export interface Moments {
  readonly finding: number;
  readonly incident: number;
  /** The first harmful command, and the first of them that was held or refused. */
  readonly harmful: number;
  readonly hold: number;
}

/** Scores one folder with the layers named left out. */
export async function scoreFolder(
  dir: string,
  without: ReadonlySet<string>,
  cityPath?: string,
): Promise<{ scores: Score[]; moments: Moments }> {
  const city = loadCity(cityPath ?? (existsSync(join(dir, 'city.yaml')) ? join(dir, 'city.yaml') : undefined));
  const truth = readTruth(dir);
  const planes = new Set(['dns', 'flow', 'signalling', 'power', 'gateway'].filter((p) => !without.has(p)));
  const inputs = ['network.pcap', 'dns.pcap', 'signalling.pcap', 'readings.ndjson', 'commands.ndjson']
    .map((n) => join(dir, n))
    .filter((p) => existsSync(p));
  const outcome = await analyze(inputs, {
    city,
    planes,
    twins: without.has('power') ? new Map() : twinsOf(city),
    layers: { trust: !without.has('trust'), interlock: !without.has('interlock') && !without.has('power') },
  });
  const passed = outcome.verdicts.filter((v) => v.decision === 'pass').map((v) => v.command);
  const lost = existsSync(join(dir, 'true-state.ndjson')) ? executeOnTruth(dir, passed).loadLostShare : undefined;
  const alerts = outcome.findings.filter((f) => atLeast(f.severity, 'medium'));
  const attackAt = Math.min(...truth.filter((t) => t.campaign !== '').map((t) => t.at));
  const harmful = truth.filter((t) => t.command !== undefined && t.harmful === true);
  const held = outcome.verdicts.filter((v) => v.decision !== 'pass' && harmful.some((h) => h.command === v.command));
  const firstOf = (values: number[]): number =>
    Math.min(Number.POSITIVE_INFINITY, ...values.filter((v) => v >= attackAt));
  return {
    scores: scoreRun(outcome, truth, city, outcome.at - outcome.firstAt, lost),
    moments: {
      finding: firstOf(alerts.map((f) => f.at)),
      // An incident is told when a second finding joins the first.
      incident: firstOf(
        outcome.incidents
          .filter((i) => i.findings.length > 1)
          .map((i) =>
            secondAt(i.findings.map((id) => alerts.find((f) => f.id === id)?.at ?? Number.POSITIVE_INFINITY)),
          ),
      ),
      harmful: Math.min(Number.POSITIVE_INFINITY, ...harmful.map((h) => h.at)),
      hold: Math.min(Number.POSITIVE_INFINITY, ...held.map((v) => v.at + v.decidedInMicros)),
    },
  };
}

function secondAt(times: number[]): number {
  return times.sort((a, b) => a - b)[1] ?? Number.POSITIVE_INFINITY;
}

/** truth.ndjson, with every command of commands.ndjson as an entry of its own: harmful where truth points at its line. */
export function readTruth(dir: string): Truth[] {
  const truth = jsonLines(join(dir, 'truth.ndjson'));
  const commands = existsSync(join(dir, 'commands.ndjson')) ? jsonLines(join(dir, 'commands.ndjson')) : [];
  const harmful = new Set<number>();
  const out: Truth[] = [];
  for (const t of truth) {
    const first = t.first as { file?: string; line?: number } | undefined;
    if (t.harmful === true && first?.file?.endsWith('commands.ndjson') === true) harmful.add(first.line ?? 0);
    const at = micros(t.at);
    out.push({
      at,
      until: t.until === undefined ? at : micros(t.until),
      plane: String(t.plane ?? ''),
      what: String(t.what ?? ''),
      assets: (t.assets as string[] | undefined) ?? [],
      campaign: String(t.campaign ?? ''),
      ...(t.leakedBytes === undefined ? {} : { leakedBytes: Number(t.leakedBytes) }),
    });
  }
  for (const [n, c] of commands.entries()) {
    const at = micros(c.at);
    out.push({
      at,
      until: at,
      plane: 'gateway',
      what: 'command',
      assets: [],
      campaign: '',
      harmful: harmful.has(n + 1),
      command: String(c.id),
    });
  }
  return out;
}

function jsonLines(path: string): Record<string, unknown>[] {
  return readFileSync(path, 'utf8')
    .split('\n')
    .filter((l) => l !== '')
    .map((l) => JSON.parse(l) as Record<string, unknown>);
}

function micros(value: unknown): number {
  return typeof value === 'number' ? value : parseIsoMicros(String(value));
}

function text(s: Score): string {
  const rate = (
    name: string,
    r: { value: number; n: number; interval: readonly [number, number] } | undefined,
  ): string =>
    r === undefined
      ? ''
      : `  ${name.padEnd(22)} ${fixed(r.value)}  (n ${r.n}, 95 % ${fixed(r.interval[0])} to ${fixed(r.interval[1])})\n`;
  return `${s.plane}\n${rate('recall', s.recall)}${rate('precision', s.precision)}${rate('false per device-day', s.falsePerDeviceDay)}  ${'delay'.padEnd(22)} median ${fixed(s.delaySeconds.median)} s, p95 ${fixed(s.delaySeconds.p95)} s  (n ${s.delaySeconds.n})\n  ${'leaked at the alert'.padEnd(22)} median ${fixed(s.leakedBytes.median)} B, most ${fixed(s.leakedBytes.max)} B  (n ${s.leakedBytes.n})\n${rate('harmful executed', s.harmfulExecuted)}${rate('honest held', s.honestHeldShare)}${rate('load lost', s.loadLostShare)}${rate('incidents a campaign', s.incidentsPerCampaign)}`;
}

function fixed(n: number): string {
  return Number.isNaN(n) ? 'none' : Number.isInteger(n) ? String(n) : n.toPrecision(3);
}
