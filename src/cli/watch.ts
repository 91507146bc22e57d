// parapet watch: analyze, live. The processes of serve without gateway and page; what they find goes to standard output.
import { existsSync } from 'node:fs';
import {
  type Action,
  atLeast,
  type Coverage,
  type Finding,
  type Incident,
  isoTime,
  type Severity,
  severities,
  toJsonLine,
} from '#findings';
import { type Common, cityOf, ExitCode, options, painter, printable, UsageError, write } from './options.ts';
import type { Settings } from './processes/settings.ts';
import { superviseFamily } from './supervise.ts';
import { finding as findingText } from './text.ts';

export const watchHelp = `parapet watch [INPUT...] [options]

Reads live inputs and prints findings as they come, each again when it gets worse; ends with Ctrl-C (or with its input,
where that has an end). Where city.yaml has a response section, findings are proposed or enforced as it says.

An INPUT is one of (default: inputs of city.yaml)
  live:INTERFACE            packets of an interface, through tcpdump or dumpcap as an unprivileged child ("live:any" takes all)
  dnstap:unix:PATH          a resolver's dnstap, on a socket that this listens on
  dnstap:tcp:ADDRESS:PORT   the same by TCP
  netflow:ADDRESS:PORT      flow exporters send here by UDP (NetFlow v5/v9, IPFIX, sFlow); ":2055" is this host alone
  mqtt://HOST:PORT          readings and commands, as city.yaml names their topics
  -, a file, a folder       recorded input

  --plane LIST      only these planes
  --store DIR       findings, incidents, actions, checkpoints (default store.dir of city.yaml; without either nothing is
                    kept and nothing can be refused)
  --least SEVERITY  print findings from this severity up (${severities.join(', ')}; default low)
  --city FILE, --format text|ndjson, --quiet, --no-color`;

const own = { store: { type: 'string' }, plane: { type: 'string' }, least: { type: 'string' } } as const;

export async function watch(args: string[]): Promise<number> {
  const o = options(args, own, ['text', 'ndjson']);
  if (o.help) {
    console.log(watchHelp);
    return ExitCode.Done;
  }
  const city = cityOf(o.values);
  const inputs = o.positionals.length > 0 ? o.positionals : (city.file.inputs ?? []);
  if (inputs.length === 0)
    throw new UsageError(
      'watch needs an input: name one, or list them under inputs in city.yaml. See parapet watch --help.',
    );
  const least = (o.values.least as Severity | undefined) ?? 'low';
  if (!severities.includes(least)) throw new UsageError(`--least takes ${severities.join(', ')}.`);
  const settings: Settings = {
    city: (o.values.city as string | undefined) ?? (existsSync('city.yaml') ? 'city.yaml' : ''),
    store: (o.values.store as string | undefined) ?? city.file.store?.dir ?? '',
    inputs,
    speed: 0,
    fastUntil: 0,
    planes: o.values.plane === undefined ? [] : (o.values.plane as string).split(','),
    consolePort: -1,
    gateway: false,
    eventClock: false,
  };
  const say = (text: string): void => {
    if (!o.quiet && text !== '') console.error(printable(text));
  };
  if (settings.store === '' && (city.file.response?.mode ?? 'observe') !== 'observe')
    say('Nothing is refused: a response needs a store (--store DIR) to keep what it did.');
  const printer = new Printer(o, least);
  const family = superviseFamily(settings, say);
  family.onMessage((from, message) => {
    if (message.kind === 'findings' && from === 'sensor') for (const f of message.findings) printer.finding(f);
    else if (message.kind === 'incidents') for (const i of message.incidents) printer.record(i);
    else if (message.kind === 'responses') for (const a of message.actions) printer.action(a);
    else if (message.kind === 'opened') say(`${message.input} is read from now on.`);
    else if (message.kind === 'coverage') for (const c of message.coverage) printer.coverage(c);
    else if (message.kind === 'faults')
      for (const f of message.faults) say(`${f.code} ${f.file}: ${f.text} ${f.remedy}`);
  });
  const stopped = new Promise<void>((resolve) => {
    process.once('SIGINT', () => resolve());
    process.once('SIGTERM', () => resolve());
    process.once('disconnect', () => resolve());
    process.channel?.unref();
  });
  try {
    await Promise.race([stopped, family.ended, family.failed]);
  } finally {
    await family.close();
  }
  await printer.done;
  return ExitCode.Done;
}

/** Findings once a severity, incidents and actions as they change, coverage when it changes; in order. */
class Printer {
  readonly #o: Common;
  readonly #least: Severity;
  readonly #told = new Map<string, Severity>();
  readonly #covered = new Map<string, string>();
  done: Promise<void> = Promise.resolve();

  constructor(o: Common, least: Severity) {
    this.#o = o;
    this.#least = least;
  }

  #put(text: string): void {
    this.done = this.done.then(() => write(text));
  }

  finding(f: Finding): void {
    const before = this.#told.get(f.id);
    if (!atLeast(f.severity, this.#least) || (before !== undefined && atLeast(before, f.severity))) return;
    // Ids of old findings are forgotten: the worst is that one is printed twice.
    if (this.#told.size > 100_000) this.#told.clear();
    this.#told.set(f.id, f.severity);
    this.#put(this.#o.format === 'ndjson' ? `${toJsonLine(f)}\n` : `${findingText(f, painter(this.#o.values))}\n`);
  }

  action(a: Action): void {
    if (this.#o.format === 'ndjson') {
      this.record(a);
      return;
    }
    const proofs = a.proofs.map((p) => `\n  ${p.enforced ? 'holds' : 'does not hold'} at ${p.consumer}: ${p.text}`);
    this.#put(
      printable(
        `${isoTime(a.at)} ${a.state.toUpperCase()} ${a.subject}: ${a.text} (parapet respond undo ${a.id})${proofs.join('')}\n`,
      ),
    );
  }

  record(r: Incident | Action): void {
    if (this.#o.format === 'ndjson') this.#put(`${toJsonLine(r)}\n`);
  }

  coverage(c: Coverage): void {
    const key = `${c.plane} ${c.what}`;
    const line = toJsonLine(c);
    if (this.#covered.get(key) === line) return;
    this.#covered.set(key, line);
    if (this.#o.format === 'ndjson') this.#put(`${line}\n`);
  }
}
