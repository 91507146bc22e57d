// A live interface under load: tcpreplay sends real packets at a steady rate over a veth, `parapet watch` reads the other end;
// what the interface received against what was dropped before it could be read, and the sensor's memory over time.
// PARAPET_RATE packets a second (200,000) for PARAPET_SECONDS (600).
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { flowCapture } from './flow.ts';
import type { Figure } from './run.ts';

const rate = Number(process.env.PARAPET_RATE ?? 200_000);
const seconds = Number(process.env.PARAPET_SECONDS ?? 600);
const tools = ['/usr/bin/tcpreplay', '/usr/bin/tcpdump'];
const ip = (...words: string[]): string => execFileSync('ip', words, { encoding: 'utf8' });

export async function bench(): Promise<Figure[]> {
  const missing = tools.filter((t) => !existsSync(t));
  if (missing.length > 0 || process.getuid?.() !== 0) {
    console.log(`live-rate is left out: it needs root and ${tools.join(', ')}`);
    return [];
  }
  const dir = mkdtempSync(join(tmpdir(), 'parapet-rate-'));
  const space = `prate${process.pid % 10_000}`;
  ip('netns', 'add', space);
  try {
    ip(
      'link',
      'add',
      'rt0',
      'netns',
      space,
      'mtu',
      '9000',
      'type',
      'veth',
      'peer',
      'name',
      'rt1',
      'netns',
      space,
      'mtu',
      '9000',
    );
    for (const device of ['lo', 'rt0', 'rt1']) ip('-n', space, 'link', 'set', device, 'up');
    const inside = (...words: string[]): string[] => ['netns', 'exec', space, ...words];
    const capture = join(dir, 'flow.pcap');
    writeFileSync(capture, flowCapture().file);
    const main = join(import.meta.dirname, '..', 'src', 'cli', 'main.ts');
    const city = join(dir, 'city.yaml');
    writeFileSync(city, 'city: Ratetown\n');
    const words = [
      process.execPath,
      main,
      'watch',
      'live:rt1',
      '--city',
      city,
      '--format',
      'ndjson',
      '--least',
      'critical',
    ];
    const watch = spawn('ip', inside(...words), { stdio: ['ignore', 'pipe', 'pipe'] });
    let said = '';
    let printed = '';
    watch.stderr.on('data', (chunk: Buffer) => (said += chunk.toString('utf8')));
    watch.stdout.on('data', (chunk: Buffer) => (printed = (printed + chunk.toString('utf8')).slice(-1_000_000)));
    const died = new Promise<void>((done) => watch.once('exit', () => done()));
    for (let i = 0; i < 300 && !said.includes('is read from now on'); i++) await sleep(100);
    if (!said.includes('is read from now on')) throw new Error(`the interface was not opened: ${said.slice(-500)}`);
    const before = received(space);
    const replay = spawn(
      'ip',
      inside(
        'tcpreplay',
        '-q',
        '-K',
        '-i',
        'rt0',
        '--pps',
        String(rate),
        '--loop',
        '0',
        '--duration',
        String(seconds),
        capture,
      ),
      { stdio: 'ignore' },
    );
    const memory: number[] = [];
    const started = performance.now();
    let isReplaying = true;
    replay.once('exit', () => (isReplaying = false));
    while (isReplaying) {
      await sleep(1000);
      memory.push(sensorMiB());
    }
    const took = (performance.now() - started) / 1000;
    // What waits is read; the loss is told every ten seconds.
    await sleep(15_000);
    const came = received(space) - before;
    watch.kill('SIGINT');
    await Promise.race([died, sleep(20_000)]);
    const rows = printed
      .split('\n')
      .filter((l) => l.startsWith('{'))
      .map((l) => JSON.parse(l) as { kind: string; what?: string; count?: number; text?: string });
    const lost = Math.max(
      0,
      ...rows.filter((r) => r.kind === 'coverage' && (r.text ?? '').includes('were dropped')).map((r) => r.count ?? 0),
    );
    const quarter = Math.floor(memory.length / 4);
    return [
      { name: 'live: packets at the interface', value: came, unit: 'packets' },
      { name: 'live: rate at the interface', value: came / took, unit: 'packets/s', goal: `>= ${rate * 0.95}` },
      { name: 'live: dropped before they were read', value: lost, unit: 'packets' },
      { name: 'live: dropped', value: (100 * lost) / came, unit: '%', goal: '< 0.1' },
      { name: 'live: sensor memory after a quarter of the time', value: memory[quarter] ?? Number.NaN, unit: 'MiB' },
      { name: 'live: sensor memory at the end', value: memory.at(-1) ?? Number.NaN, unit: 'MiB' },
      { name: 'live: sensor memory, most', value: Math.max(...memory), unit: 'MiB' },
    ];
  } finally {
    for (const pid of ip('netns', 'pids', space)
      .split('\n')
      .filter((p) => p !== '')) {
      try {
        process.kill(Number(pid), 'SIGKILL');
      } catch {}
    }
    ip('netns', 'del', space);
    rmSync(dir, { recursive: true, force: true });
  }
}

function received(space: string): number {
  const [link] = JSON.parse(ip('-n', space, '-s', '-j', 'link', 'show', 'rt1')) as {
    stats64: { rx: { packets: number } };
  }[];
  return link!.stats64.rx.packets;
}

function sensorMiB(): number {
  for (const pid of readdirSync('/proc').filter((n) => /^\d+$/.test(n))) {
    try {
      if (!readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('processes/sensor.ts')) continue;
      return Number(/VmRSS:\s*(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024;
    } catch {}
  }
  return Number.NaN;
}
