// parapet beacons PATH...: RITA's score of each pair that Parapet's own detector can be held against.
import { toJsonLine } from '#findings';
import { type BeaconRow, compareBeacons } from '#pipeline';
import { cityOf, ExitCode, options, plain, UsageError, write } from './options.ts';
import { tableText } from './table.ts';
import { count, faultTexts } from './text.ts';

export const beaconsHelp = `parapet beacons PATH... [options]

Scores connections as RITA v5 does and says beside each pair what Parapet's beacon detector found there: for comparison, by people
who know RITA's numbers. Reads what parapet analyze reads. Held in memory whole: for a record of a day or so, at most two million
connections.

  --least SCORE     pairs that RITA scores lower, and that Parapet says nothing of, are left out of the text (default 0.5)
  --all             those that RITA does not score too (too few connections, or a strobe)
  --city FILE       whose addresses are ours: its networks, else RITA's own ranges (RFC 1918 and fd00::/8)
  --format FORMAT   text (default on a terminal), ndjson (default in a pipe; every scored pair)
  --quiet           only the table

RITA's score is the mean of four parts from 0 to 1: how even the gaps are (time), the sizes (size), the hours of the window (hours)
and how much of the window is covered (span). Parapet's column gives severity and bits of evidence; "-" is no finding.

Example:
  parapet beacons conn.log ssl.log http.log`;

export async function beacons(args: string[]): Promise<number> {
  const o = options(args, { least: { type: 'string' }, all: { type: 'boolean' } }, ['text', 'ndjson']);
  if (o.help) {
    await write(`${beaconsHelp}\n`);
    return ExitCode.Done;
  }
  if (o.positionals.length === 0)
    throw new UsageError('beacons needs a file or folder ("-" is standard input). See parapet beacons --help.');
  const least = Number(o.values.least ?? 0.5);
  if (!(least >= 0 && least <= 1)) throw new UsageError('--least takes a score from 0 to 1.');

  const { rows, unscored, why, faults } = await compareBeacons(o.positionals, cityOf(o.values));
  for (const line of faultTexts(faults, plain)) process.stderr.write(line);
  const isShown = (r: BeaconRow, from: number): boolean =>
    o.values.all === true || r.finding !== undefined || (typeof r.told !== 'string' && r.told.score >= from);
  if (o.format === 'ndjson') {
    for (const r of rows) if (isShown(r, 0)) await write(line(r));
  } else {
    const shown = rows.filter((r) => isShown(r, least));
    if (shown.length > 0) await write(table(shown));
    if (!o.quiet && rows.length > shown.length)
      await write(`(${count(rows.length - shown.length, 'pair')} more, lower or not scored: see --least and --all)\n`);
  }
  if (unscored > 0)
    process.stderr.write(`${unscored} connections past two million were not scored: give it less than a day.\n`);
  if (why !== '') process.stderr.write(`${why}\n`);
  return faults.length > 0 ? ExitCode.PartUnread : ExitCode.Done;
}

function line({ finding, ...r }: BeaconRow): string {
  return `${toJsonLine({
    kind: 'beacon',
    source: r.source,
    place: r.place,
    by: r.kind === 'ip' ? 'address' : 'name',
    connections: r.connections,
    rita: r.told,
    ...(finding === undefined ? {} : { finding: finding.id, severity: finding.severity, bits: finding.bits }),
  })}\n`;
}

function table(rows: readonly BeaconRow[]): string {
  const columns = ['RITA', 'time', 'size', 'hours', 'span', 'connections', 'from', 'to', 'Parapet'];
  const fixed = (n: number): string => n.toFixed(3);
  const cells = rows.map((r) => {
    const { told, finding: f } = r;
    const parts =
      typeof told === 'string'
        ? [told, '', '', '', '']
        : [told.score, told.timestamps, told.sizes, told.histogram, told.duration].map(fixed);
    return [
      ...parts,
      String(r.connections),
      r.source,
      r.place,
      f === undefined ? '-' : `${f.severity}, ${f.bits} bits`,
    ];
  });
  return tableText(columns, cells, [true, true, true, true, true, true, false, false, false]);
}
