// `parapet range run SCENARIO --seed N --out DIR` and `parapet range list`.
import { parseArgs } from 'node:util';
import { type RangeSummary, runScenario, scenarios } from '#range';

export const rangeHelp = `parapet range list
parapet range run SCENARIO --out DIR [--seed N] [--quiet-days N] [--meters N] [--clients N] [--days N] [--attack yes|no] [--format text|ndjson]

Writes a simulated city's bytes (city.yaml, grid.m, network.pcap, signalling.pcap, readings.ndjson, commands.ndjson)
with truth.ndjson and true-state.ndjson for scorers. The same seed gives the same bytes.

  --seed N         seed, a whole number (1)
  --out DIR        folder to write to; made where it is missing
  --quiet-days N   days before the attack (2)
  --meters N       cellular smart meters, at most 9,000 and at least one a load bus (2000)
  --clients N      clients, in the DNS scenarios (theirs by scenario)
  --days N         days, in the DNS scenarios (theirs by scenario)
  --attack yes|no  whether the attack follows the quiet days (yes)
`;

/** @returns the exit status of docs/contract.md. */
export async function range(args: string[]): Promise<number> {
  if (args.length === 0 || args.includes('--help')) {
    process.stdout.write(rangeHelp);
    return args.length === 0 ? 2 : 0;
  }
  let parsed: ReturnType<typeof parse>;
  try {
    parsed = parse(args);
  } catch (error) {
    return wrongUse((error as Error).message);
  }
  const { values, positionals } = parsed;
  const format = values.format ?? (process.stdout.isTTY ? 'text' : 'ndjson');
  if (format !== 'text' && format !== 'ndjson') return wrongUse(`--format is text or ndjson, not ${format}`);
  const [verb, name] = positionals;
  if (verb === 'list') {
    for (const s of scenarios) {
      process.stdout.write(
        format === 'text'
          ? `${s.name}  ${s.text}\n`
          : `${JSON.stringify({ kind: 'scenario', name: s.name, text: s.text })}\n`,
      );
    }
    return 0;
  }
  if (verb !== 'run') return wrongUse(`range knows run and list, not ${verb ?? 'nothing'}`);
  const scenario = scenarios.find((s) => s.name === name);
  if (scenario === undefined)
    return wrongUse(`no scenario "${name ?? ''}": there are ${scenarios.map((s) => s.name).join(', ')}`);
  if (values.out === undefined) return wrongUse('--out DIR is missing');
  const seed = Number(values.seed ?? 1);
  const quietDays = Number(values['quiet-days'] ?? 2);
  const meters = Number(values.meters ?? 2000);
  const attack = values.attack ?? 'yes';
  if (!Number.isSafeInteger(seed)) return wrongUse('--seed is a whole number');
  if (!(quietDays >= 0 && quietDays <= 60)) return wrongUse('--quiet-days lies between 0 and 60');
  if (!(Number.isInteger(meters) && meters >= 1 && meters <= 9000)) return wrongUse('--meters lies between 1 and 9000');
  const clients = values.clients === undefined ? undefined : Number(values.clients);
  const days = values.days === undefined ? undefined : Number(values.days);
  if (clients !== undefined && !(Number.isInteger(clients) && clients >= 1 && clients <= 60_000))
    return wrongUse('--clients lies between 1 and 60000');
  if (days !== undefined && !(days > 0 && days <= 60)) return wrongUse('--days lies above 0 and up to 60');
  if (attack !== 'yes' && attack !== 'no') return wrongUse('--attack is yes or no');
  const summary = runScenario(scenario.name, {
    seed,
    out: values.out,
    quietDays,
    meters,
    attack: attack === 'yes',
    ...(clients === undefined ? {} : { clients }),
    ...(days === undefined ? {} : { days }),
  });
  process.stdout.write(
    format === 'text' ? summaryText(summary, values.out) : `${JSON.stringify({ kind: 'range', ...summary })}\n`,
  );
  return 0;
}

function parse(args: string[]) {
  return parseArgs({
    args,
    allowPositionals: true,
    options: {
      seed: { type: 'string' },
      out: { type: 'string' },
      'quiet-days': { type: 'string' },
      meters: { type: 'string' },
      clients: { type: 'string' },
      days: { type: 'string' },
      attack: { type: 'string' },
      format: { type: 'string' },
    },
  });
}

function wrongUse(text: string): number {
  process.stderr.write(`parapet range: ${text}\nSee parapet range --help.\n`);
  return 2;
}

function summaryText(s: RangeSummary, out: string): string {
  const time = (at: number): string => new Date(at / 1000).toISOString();
  const lines = [
    `${s.scenario}, seed ${s.seed}: ${time(s.from)} to ${time(s.until)}, attack from ${time(s.attackAt)}`,
    ...(s.honestCommands + s.harmfulCommands === 0
      ? []
      : [
          `${s.honestCommands} honest commands, ${s.harmfulCommands} harmful ones (load lost if let through, each alone: ${s.lostShare.map((x) => `${(100 * x).toFixed(0)} %`).join(', ') || 'none'})`,
        ]),
  ];
  for (const [name, f] of Object.entries(s.files))
    lines.push(`  ${out}/${name}  ${(f.bytes / 1e6).toFixed(1)} MB, ${f.items} items`);
  return `${lines.join('\n')}\n`;
}
