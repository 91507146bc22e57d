// parapet demo (npm start): a simulated city attacked, through the real gateway and a real broker. The quiet time runs as fast
// as it goes, the attack at 60 x. Network and signalling bytes reach the sensor as captures; readings and commands are
// published over MQTT with certificates, as the city's devices and people would.
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensurePage } from '#console';
import { isoTime, type Verdict } from '#findings';
import { executeOnTruth, runScenario } from '#range';
import { DemoCity } from './demo-city.ts';
import { ExitCode, options, painter, printable, UsageError } from './options.ts';
import type { Settings } from './processes/settings.ts';
import { superviseFamily } from './supervise.ts';
import { verdict as verdictText } from './text.ts';

export const demoHelp = `parapet demo [--seed N] [--speed N] [--quiet-days N] [--port N] [--keep]

Plays the blackout attack on a simulated city, in the terminal and on a page: quiet time at full speed, the attack N times
faster than it would happen (default 60). The end says what was lost with and without Parapet.

  --keep   stay with the page open at the end (Ctrl-C ends it)`;

export async function demo(args: string[]): Promise<number> {
  const own = {
    seed: { type: 'string' },
    speed: { type: 'string' },
    'quiet-days': { type: 'string' },
    port: { type: 'string' },
    keep: { type: 'boolean' },
  } as const;
  const o = options(args, own, ['text', 'text']);
  if (o.help) {
    console.log(demoHelp);
    return ExitCode.Done;
  }
  const number = (name: string, fallback: number): number => {
    const n = Number(o.values[name] ?? fallback);
    if (!Number.isFinite(n) || n < 0) throw new UsageError(`--${name} takes a number from 0 up.`);
    return n;
  };
  const seed = number('seed', 1);
  const speed = number('speed', 60);
  const paint = painter(o.values);
  const started = performance.now();
  const say = (text: string): void =>
    console.log(`${paint('quiet', `${((performance.now() - started) / 1000).toFixed(0).padStart(4)} s`)}  ${text}`);

  const dir = mkdtempSync(join(tmpdir(), 'parapet-demo-'));
  say(
    'Building the page, and a city: 118 buses, 2,000 cellular meters, cameras, an office, a control network, roamers.',
  );
  const pageReady = ensurePage();
  const out = join(dir, 'city');
  const summary = runScenario('blackout', { seed, out, quietDays: number('quiet-days', 1) });
  await pageReady;
  const size = Object.values(summary.files).reduce((n, f) => n + f.bytes, 0);
  say(
    `${(size / 1e6).toFixed(0)} MB of the city's bytes: captures, readings, commands. The attack begins at ${isoTime(summary.attackAt).slice(0, 16)}.`,
  );

  const world = new DemoCity(out, summary.attackAt);
  const store = join(dir, 'store');
  mkdirSync(store);
  const cityPath = await world.writeCity(join(store, 'audit.ndjson'));
  const settings: Settings = {
    city: cityPath,
    store,
    inputs: [join(out, 'network.pcap'), join(out, 'signalling.pcap')],
    speed,
    fastUntil: summary.attackAt,
    planes: [],
    consolePort: number('port', 0),
    gateway: true,
    eventClock: true,
  };
  const family = superviseFamily(settings, (text) => say(printable(text)));
  const verdicts = new Map<string, Verdict>();
  const told = new Map<string, number>();
  family.onMessage((from, message) => {
    if (message.kind === 'findings') {
      for (const f of message.findings) {
        if (f.severity === 'info' || f.severity === 'low') continue;
        const key = `${f.detector} ${f.severity}`;
        const n = told.get(f.id) ?? 0;
        if (n > 0) continue;
        told.set(f.id, 1);
        const count = (told.get(key) ?? 0) + 1;
        told.set(key, count);
        if (count <= 3)
          say(
            `${isoTime(f.at).slice(11, 19)}  ${paint(f.severity === 'medium' ? 'warn' : 'bad', f.severity.padEnd(8))}  ${printable(f.title)}`,
          );
        else if (count === 4)
          say(
            `${isoTime(f.at).slice(11, 19)}  ${f.severity.padEnd(8)}  more of the same (${f.detector}): see the page`,
          );
      }
    }
    if (message.kind === 'verdicts' && from === 'gateway')
      for (const v of message.verdicts) {
        verdicts.set(v.command, v);
        if (v.decision !== 'pass') console.log(verdictText(v, paint).trimEnd());
      }
  });

  try {
    const [url, door] = await Promise.race([Promise.all([family.page, family.door]), family.failed]);
    say(`${paint('strong', `The page: ${url}`)}`);
    say(`The gateway listens on localhost port ${door!.port} (mutual TLS). ${door!.broker}`);
    await world.connect(door!.port);
    say('Quiet time, as fast as it goes.');
    await world.play({
      speed,
      fastUntil: summary.attackAt,
      advance: async (at) => {
        await family.send('gateway', { kind: 'advance', at });
        await family.send('sensor', { kind: 'advance', at });
      },
      onAttack: () => say(`${paint('bad', 'The attack begins.')} From here ${speed} x.`),
    });
    await Promise.race([family.ended, new Promise((resolve) => setTimeout(resolve, 10_000))]);
    await world.disconnect();

    const passed = [...verdicts.values()].filter((v) => v.decision === 'pass').map((v) => v.command);
    const all = readFileSync(join(out, 'commands.ndjson'), 'utf8')
      .split('\n')
      .filter((l) => l !== '')
      .map((l) => (JSON.parse(l) as { id: string }).id);
    const without = executeOnTruth(out, all);
    const withParapet = executeOnTruth(out, passed);
    const percent = (x: number): string => `${(x * 100).toFixed(1)} %`;
    const honestHeld =
      all.filter((id) => verdicts.get(id)?.decision !== 'pass').length -
      summary.harmfulCommands +
      withParapet.harmfulExecuted;
    const end = {
      with: { loadLostShare: withParapet.loadLostShare, harmfulExecuted: withParapet.harmfulExecuted },
      without: { loadLostShare: without.loadLostShare, harmfulExecuted: without.harmfulExecuted },
      text: `Without Parapet ${without.harmfulExecuted} harmful commands run and ${percent(without.loadLostShare)} of the city's load is lost. With it ${withParapet.harmfulExecuted} run and ${percent(withParapet.loadLostShare)} is lost; ${honestHeld} of ${summary.honestCommands} honest commands were held.`,
    };
    await family.send('hub', { kind: 'outcome', ...end });
    console.log('');
    say(paint('strong', end.text));
    say(
      `The audit: ${join(store, 'audit.ndjson')} (parapet audit verify proves it). Findings: parapet hunt --store ${store} "SELECT ..."`,
    );
    if (o.values.keep === true || process.stdout.isTTY === true) {
      say('The page stays open; Ctrl-C ends it.');
      await new Promise<void>((resolve) => {
        process.once('SIGINT', () => resolve());
        process.once('SIGTERM', () => resolve());
      });
    }
    return ExitCode.Done;
  } finally {
    await family.close();
    if (o.values.keep !== true) rmSync(out, { recursive: true, force: true });
  }
}
