// parapet serve and parapet replay: the family of processes, from one command.
import { existsSync } from 'node:fs';
import { isoTime } from '#findings';
import { type Common, cityOf, ExitCode, options, printable, UsageError } from './options.ts';
import type { Settings } from './processes/settings.ts';
import { superviseFamily } from './supervise.ts';

const own = {
  store: { type: 'string' },
  port: { type: 'string' },
  gateway: { type: 'boolean' },
  plane: { type: 'string' },
  speed: { type: 'string' },
  keep: { type: 'boolean' },
} as const;

export const serveHelp = `parapet serve [INPUT...] [options]

Sensor, hub, gateway and page from one command, each a process of its own; what dies is started again from its last
checkpoint, and while the hub is away the gateway holds every command. An INPUT is live:INTERFACE (through tcpdump),
mqtt://HOST:PORT (readings and commands as city.yaml names them), or a file or folder. Ends with Ctrl-C.

  --city FILE     default ./city.yaml
  --store DIR     findings, incidents, trust, audit, checkpoints (default store.dir of city.yaml, else ./data)
  --port N        the page's port on localhost (default 8080, 0 for any free one)
  --gateway       start the gateway (default: where city.yaml has a gateway section)
  --plane LIST    only these planes`;

export const replayHelp = `parapet replay PATH... [--speed N] [options]

Feeds recorded input through serve, N times faster than it happened (default 0: as fast as it goes). Ends with the input,
or stays with the page open where --keep is given. What it finds is what the live run would have found.

  --speed N       event time against the clock
  --keep          stay when the input is at its end
  --city, --store, --port, --gateway, --plane as for serve`;

export async function serve(args: string[]): Promise<number> {
  const o = options(args, own, ['text', 'ndjson']);
  if (o.help) {
    console.log(serveHelp);
    return ExitCode.Done;
  }
  return run(o, 1, true);
}

export async function replay(args: string[]): Promise<number> {
  const o = options(args, own, ['text', 'ndjson']);
  if (o.help) {
    console.log(replayHelp);
    return ExitCode.Done;
  }
  if (o.positionals.length === 0) throw new UsageError('replay needs a file or folder. See parapet replay --help.');
  const speed = Number(o.values.speed ?? 0);
  if (!(speed >= 0)) throw new UsageError('--speed takes a number from 0 up.');
  return run(o, speed, o.values.keep === true);
}

async function run(o: Common, speed: number, keep: boolean): Promise<number> {
  // Loaded here only to say what is wrong with it before processes start.
  const city = cityOf(o.values);
  const cityPath = (o.values.city as string | undefined) ?? (existsSync('city.yaml') ? 'city.yaml' : '');
  const port = Number(o.values.port ?? 8080);
  if (!Number.isInteger(port) || port < 0 || port > 65535)
    throw new UsageError('--port takes a number from 0 to 65535.');
  const settings: Settings = {
    city: cityPath,
    store: (o.values.store as string | undefined) ?? city.file.store?.dir ?? './data',
    inputs: o.positionals,
    speed,
    fastUntil: 0,
    planes: o.values.plane === undefined ? [] : (o.values.plane as string).split(','),
    consolePort: port,
    gateway: o.values.gateway === true || Object.keys(city.file.gateway ?? {}).length > 0,
    eventClock: false,
  };
  const say = (text: string): void => {
    if (!o.quiet) console.error(printable(text));
  };
  const family = superviseFamily(settings, say);
  family.onMessage((_, message) => {
    if (message.kind === 'findings')
      for (const f of message.findings)
        if (f.at === f.lastAt || f.count <= 2) say(`${isoTime(f.at)} ${f.severity.toUpperCase()} ${f.title}`);
    if (message.kind === 'verdicts')
      for (const v of message.verdicts)
        if (v.decision !== 'pass')
          say(
            `${isoTime(v.at)} ${v.decision === 'hold' ? 'HELD' : 'REFUSED'} command ${v.command}: ${v.reasons[0] ?? ''}`,
          );
    if (message.kind === 'faults') for (const f of message.faults) say(`${f.code} ${f.file}: ${f.text} ${f.remedy}`);
  });
  void family.page.then((url) => say(`The page is at ${url}`));
  void family.door.then((d) => {
    if (d !== undefined) say(`The gateway listens on localhost port ${d.port}. ${d.broker}`);
  });
  const stopped = new Promise<void>((resolve) => {
    process.once('SIGINT', () => resolve());
    process.once('SIGTERM', () => resolve());
    // Started by a launcher that was killed (bin/parapet.js under an older Node).
    process.once('disconnect', () => resolve());
    process.channel?.unref();
  });
  try {
    await Promise.race(keep ? [stopped, family.failed] : [stopped, family.ended, family.failed]);
  } finally {
    await family.close();
  }
  return ExitCode.Done;
}
