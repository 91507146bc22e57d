// The command line: one file a verb, loaded when asked for.
import { CityError } from '#city';
import { FaultError } from '#findings';
import { ExitCode, UsageError } from './options.ts';

interface Verb {
  readonly does: string;
  load(): Promise<(args: string[]) => Promise<number>>;
}

const verbs: Readonly<Record<string, Verb>> = {
  analyze: {
    does: 'reads captures, logs and records; prints findings, incidents and a summary',
    load: async () => (await import('./analyze.ts')).analyzeVerb,
  },
  watch: {
    does: 'the same, live: interfaces, dnstap, flow exporters, brokers; refuses where city.yaml says so',
    load: async () => (await import('./watch.ts')).watch,
  },
  serve: {
    does: 'sensor, hub, gateway and page from one command',
    load: async () => (await import('./serve.ts')).serve,
  },
  replay: { does: 'feeds recorded input through serve', load: async () => (await import('./serve.ts')).replay },
  demo: {
    does: 'plays an attack on a simulated city, in the terminal and on a page',
    load: async () => (await import('./demo.ts')).demo,
  },
  hunt: { does: 'SQL over kept evidence and findings', load: async () => (await import('./hunt.ts')).hunt },
  range: {
    does: "writes a simulated city's bytes and its truth",
    load: async () => (await import('./range.ts')).range,
  },
  score: {
    does: 'runs analyze over a folder that has truth; prints recall, precision, delay, leaks',
    load: async () => (await import('./score.ts')).score,
  },
  beacons: {
    does: "RITA v5's beacon scores of recorded traffic, beside what Parapet says of the same pairs",
    load: async () => (await import('./beacons.ts')).beacons,
  },
  power: {
    does: 'the power twin by hand: solve, estimate, judge',
    load: async () => (await import('./power.ts')).power,
  },
  zones: {
    does: 'segmentation: drift, a policy from what was seen, nftables / Kubernetes / Cilium files',
    load: async () => (await import('./zones.ts')).zones,
  },
  respond: {
    does: 'what was refused or would be, with its proof; enforce and undo',
    load: async () => (await import('./respond.ts')).respond,
  },
  audit: { does: "proves the gateway's audit chain", load: async () => (await import('./audit.ts')).audit },
  doctor: {
    does: 'says what this machine can and cannot do, with remedies',
    load: async () => (await import('./doctor.ts')).doctor,
  },
};

function help(): string {
  const width = Math.max(...Object.keys(verbs).map((v) => v.length));
  return [
    "parapet: says what is wrong in a city's networks and devices, and holds commands that lean on data nobody should trust.",
    '',
    'Usage: parapet VERB [options]',
    '',
    ...Object.entries(verbs).map(([name, v]) => `  ${name.padEnd(width)}  ${v.does}`),
    '',
    'Each verb has --help. Common options: --format text|ndjson, --city FILE, --quiet, --no-color.',
    'Exit status: 0 done; 1 done and --fail-on was met; 2 wrong use; 3 done, part of the input could not be read; 70 our own fault.',
  ].join('\n');
}

async function main(argv: string[]): Promise<number> {
  const [name, ...args] = argv;
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    console.log(help());
    return name === undefined ? ExitCode.WrongUse : ExitCode.Done;
  }
  const verb = verbs[name];
  if (verb === undefined) {
    const near = Object.keys(verbs).find((v) => v.startsWith(name.slice(0, 3)));
    console.error(
      `parapet: there is no verb "${name}".${near === undefined ? '' : ` Did you mean "${near}"?`} See parapet --help.`,
    );
    return ExitCode.WrongUse;
  }
  return (await verb.load())(args);
}

// A reader that closes early (head, less) is not our fault.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  if (error instanceof UsageError) {
    console.error(`parapet: ${error.message}`);
    process.exitCode = ExitCode.WrongUse;
  } else if (error instanceof CityError) {
    for (const f of error.faults) console.error(`${f.file}:${f.line}:${f.column}: ${f.code}: ${f.text} ${f.remedy}`);
    process.exitCode = ExitCode.WrongUse;
  } else if (error instanceof FaultError) {
    console.error(`parapet: ${error.fault.code} ${error.fault.file}: ${error.fault.text} ${error.fault.remedy}`);
    process.exitCode = ExitCode.WrongUse;
  } else {
    console.error('parapet: a mistake of ours; please report it with the input that caused it.');
    console.error((error as Error).stack ?? String(error));
    process.exitCode = ExitCode.OurFault;
  }
}
