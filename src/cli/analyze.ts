// parapet analyze PATH...
import { performance } from 'node:perf_hooks';
import { atLeast, ocsfOf, type Severity, severities, stixBundle, toJsonLine } from '#findings';
import { analyze, keepOutcome, type Outcome, twinsOf } from '#pipeline';
import { type Common, cityOf, ExitCode, options, painter, plain, UsageError, write } from './options.ts';
import { faultTexts, text } from './text.ts';

const planes = ['dns', 'flow', 'signalling', 'power', 'water', 'transport', 'gateway'];

export const analyzeHelp = `parapet analyze PATH... [options]

Reads captures (pcap, pcapng), dnstap, NetFlow datagrams, logs of Zeek, Suricata (EVE) and resolvers, and NDJSON records, plain
or compressed with gzip, zstd or xz; the kind is told from content. A folder is walked; "-" is standard input. Prints what is
wrong, who, how bad and what to do.

  --plane LIST      only these, parted by commas: ${planes.join(', ')}
  --evidence all    list every event behind a finding, not only the first, the decisive and the last
  --fail-on LEVEL   exit with 1 when a finding is at or above LEVEL (${severities.join(', ')})
  --store DIR       keep findings, incidents, trust and evidence there (default: nothing is kept)
  --city FILE       what the city says of itself (default ./city.yaml, else private ranges are ours)
  --format FORMAT   text (default on a terminal), ndjson (default in a pipe), ocsf (Detection and Incident Findings, one a
                    line), stix (one STIX 2.1 bundle)
  --quiet           no progress
  --no-color        no colour

Examples:
  parapet analyze capture.pcap
  parapet analyze --plane dns --format ndjson logs/ | jq 'select(.kind=="finding")'
  zcat dns.log.gz | parapet analyze -`;

export async function analyzeVerb(args: string[]): Promise<number> {
  const own = {
    plane: { type: 'string' },
    evidence: { type: 'string' },
    'fail-on': { type: 'string' },
    store: { type: 'string' },
  } as const;
  const o = options(args, own, ['text', 'ndjson', 'ocsf', 'stix']);
  if (o.help) {
    console.log(analyzeHelp);
    return ExitCode.Done;
  }
  if (o.positionals.length === 0)
    throw new UsageError('analyze needs a file or folder ("-" is standard input). See parapet analyze --help.');
  const chosen = o.values.plane === undefined ? undefined : new Set((o.values.plane as string).split(','));
  for (const p of chosen ?? [])
    if (!planes.includes(p)) throw new UsageError(`--plane ${p} is not a plane; there are ${planes.join(', ')}.`);
  const evidence = o.values.evidence;
  if (evidence !== undefined && evidence !== 'all') throw new UsageError('--evidence takes "all".');
  const failOn = o.values['fail-on'] as Severity | undefined;
  if (failOn !== undefined && !severities.includes(failOn))
    throw new UsageError(`--fail-on takes ${severities.join(', ')}.`);

  const started = performance.now();
  const show = !o.quiet && process.stderr.isTTY === true;
  const city = cityOf(o.values);
  const judges = chosen === undefined || chosen.has('power') || chosen.has('gateway');
  const outcome = await analyze(o.positionals, {
    city,
    ...(judges ? { twins: twinsOf(city) } : {}),
    ...(chosen === undefined ? {} : { planes: chosen }),
    evidenceAll: evidence === 'all',
    ...(show ? { progress: showProgress } : {}),
  });
  if (show) process.stderr.write('\r\u001b[K');
  if (o.values.store !== undefined) await keepOutcome(o.values.store as string, outcome);
  await print(outcome, o, summaryOf(outcome, (performance.now() - started) / 1000, chosen));
  if (failOn !== undefined && outcome.findings.some((f) => atLeast(f.severity, failOn))) return ExitCode.FoundSomething;
  return outcome.faults.length > 0 ? ExitCode.PartUnread : ExitCode.Done;
}

let shownAt = 0;
function showProgress(read: number, size: number): void {
  const now = performance.now();
  if (now - shownAt < 200) return;
  shownAt = now;
  const mb = (n: number): string => (n / 1e6).toFixed(0);
  process.stderr.write(`\r\u001b[K${mb(read)}${size > 0 ? ` of ${mb(size)}` : ''} MB read`);
}

async function print(outcome: Outcome, o: Common, summary: readonly Summary[]): Promise<void> {
  if (o.format === 'text') {
    await write(text(outcome, summary, painter(o.values)));
    return;
  }
  if (o.format === 'stix' || o.format === 'ocsf')
    for (const line of faultTexts(outcome.faults, plain)) process.stderr.write(line);
  if (o.format === 'stix') {
    const { findings, incidents, at } = outcome;
    await write(`${JSON.stringify(stixBundle({ findings, incidents, actions: [], at }))}\n`);
    return;
  }
  if (o.format === 'ocsf') {
    for (const record of [...outcome.findings, ...outcome.incidents])
      await write(`${JSON.stringify(ocsfOf(record))}\n`);
    return;
  }
  const timed = [
    ...outcome.findings.map((f) => ({ at: f.at, id: f.id, record: f as object })),
    ...outcome.verdicts.map((v) => ({ at: v.at, id: v.id, record: v as object })),
    ...outcome.states.map((s) => ({ at: s.at, id: s.twin, record: s as object })),
    ...outcome.incidents.map((i) => ({ at: i.lastAt, id: i.id, record: i as object })),
  ].sort((a, b) => a.at - b.at || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0));
  for (const { record } of timed) await write(`${toJsonLine(record)}\n`);
  for (const record of [...outcome.trust, ...outcome.coverage, ...outcome.faults, ...summary])
    await write(`${toJsonLine(record)}\n`);
}

export interface Summary {
  readonly kind: 'summary';
  readonly plane: string;
  readonly frames: number;
  readonly messages: number;
  readonly events: number;
  readonly findings: number;
  readonly incidents: number;
  readonly faults: number;
  readonly seconds: number;
  readonly peakRssBytes: number;
  readonly shed: number;
}

/** Rows that are a plane's messages. */
const messagesOf: Readonly<Record<string, readonly string[]>> = {
  dns: ['dns'],
  flow: ['flow'],
  signalling: ['signalling'],
  power: ['reading', 'command'],
};

/**
 * One summary for all planes. `seconds` and `peakRssBytes` are facts of the run, not of the input, so two runs would
 * differ by them: they are 0 in ndjson unless PARAPET_TIMES=1 asks for them.
 */
function summaryOf(outcome: Outcome, seconds: number, chosen: ReadonlySet<string> | undefined): Summary[] {
  const timed = process.stdout.isTTY === true || process.env.PARAPET_TIMES === '1';
  const rows = outcome.rows;
  const one = (plane: string, messages: number, findings: number, incidents: number): Summary => ({
    kind: 'summary',
    plane,
    frames: rows.frame ?? 0,
    messages,
    events: Object.values(rows).reduce((a, b) => a + b, 0),
    findings,
    incidents,
    faults: outcome.faults.length,
    seconds: timed ? Number(seconds.toFixed(3)) : 0,
    peakRssBytes: timed ? process.resourceUsage().maxRSS * 1024 : 0,
    shed: outcome.shed,
  });
  const out: Summary[] = [];
  for (const [plane, kinds] of Object.entries(messagesOf)) {
    const messages = kinds.reduce((n, k) => n + (rows[k] ?? 0), 0);
    const findings = outcome.findings.filter((f) => f.plane === plane).length;
    // Rows of another plane may have been made for a detector of this one.
    if ((messages > 0 || findings > 0) && (chosen?.has(plane) ?? true))
      out.push(one(plane, messages, findings, outcome.incidents.filter((i) => i.planes.includes(plane)).length));
  }
  out.push(
    one(
      'all',
      out.reduce((n, s) => n + s.messages, 0),
      outcome.findings.length,
      outcome.incidents.length,
    ),
  );
  return out;
}
