// What the live tests share: a small city's bytes, families on it, what a store holds at the end, and who still runs.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Finding, Incident, TrustRecord } from '#findings';
import { type RangeSummary, runScenario } from '#range';
import { openStore } from '#store';
import type { Settings } from '../../src/cli/processes/settings.ts';

export const sleep = (millis: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, millis));

export class World {
  readonly dir = mkdtempSync(join(tmpdir(), 'parapet-live-'));
  readonly range = join(this.dir, 'range');
  readonly summary: RangeSummary;

  constructor(options: { readonly seed: number; readonly meters: number }) {
    this.summary = runScenario('blackout', { ...options, out: this.range, quietDays: 0.05 });
  }

  get inputs(): string[] {
    return ['network.pcap', 'signalling.pcap', 'readings.ndjson', 'commands.ndjson'].map((n) => join(this.range, n));
  }

  settings(store: string, more: Partial<Settings> = {}): Settings {
    return {
      city: join(this.range, 'city.yaml'),
      store,
      inputs: this.inputs,
      speed: 0,
      fastUntil: 0,
      planes: [],
      consolePort: 0,
      gateway: false,
      eventClock: false,
      ...more,
    };
  }

  commandIds(): string[] {
    return readFileSync(join(this.range, 'commands.ndjson'), 'utf8')
      .split('\n')
      .filter((l) => l !== '')
      .map((l) => (JSON.parse(l) as { id: string }).id);
  }

  /** Ends what a failed test has left, and takes the files away. */
  async close(): Promise<void> {
    for (const pid of running(this.dir)) end(pid);
    await until('nothing of the family runs', () => running(this.dir).length === 0);
    rmSync(this.dir, { recursive: true, force: true });
  }
}

export interface Kept {
  readonly findings: readonly Finding[];
  readonly incidents: readonly Incident[];
  /** The last record of each asset. */
  readonly trust: readonly TrustRecord[];
  /** Decision by command. */
  readonly verdicts: ReadonlyMap<string, string>;
}

const byId = (a: { id: string }, b: { id: string }): number => (a.id < b.id ? -1 : 1);

/** What a store holds, in an order of its own. */
export function keptIn(dir: string): Kept {
  const store = openStore(dir, { readOnly: true });
  try {
    return {
      findings: store.findings({ limit: 100_000 }).sort(byId),
      incidents: store.incidents(100_000).sort(byId),
      trust: store.trust().sort((a, b) => (a.asset < b.asset ? -1 : 1)),
      verdicts: new Map(
        store
          .verdicts(100_000)
          .reverse()
          .map((v) => [v.command, v.decision]),
      ),
    };
  } finally {
    store.close();
  }
}

/** Processes whose command line holds `text`. */
export function running(text: string): number[] {
  return processes()
    .filter((p) => p.commandLine.includes(text))
    .map((p) => p.pid);
}

/** Processes under `pid`, however deep. */
export function descendants(pid: number): { pid: number; commandLine: string }[] {
  const all = processes();
  const found = new Set([pid]);
  for (let grew = true; grew; ) {
    grew = false;
    for (const p of all)
      if (found.has(p.parent) && !found.has(p.pid)) {
        found.add(p.pid);
        grew = true;
      }
  }
  return all.filter((p) => p.pid !== pid && found.has(p.pid));
}

function processes(): { pid: number; parent: number; commandLine: string }[] {
  const out: { pid: number; parent: number; commandLine: string }[] = [];
  for (const name of readdirSync('/proc')) {
    const pid = Number(name);
    if (!Number.isInteger(pid) || pid === process.pid) continue;
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
      const [state, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      if (state === 'Z') continue;
      const commandLine = readFileSync(`/proc/${name}/cmdline`, 'utf8').replaceAll('\0', ' ');
      out.push({ pid, parent: Number(parent), commandLine });
    } catch {
      // It has ended meanwhile.
    }
  }
  return out;
}

export function end(pid: number): boolean {
  try {
    process.kill(pid, 'SIGKILL');
    return true;
  } catch {
    return false;
  }
}

/** Waits for a state, never for a time. */
export async function until(what: string, holds: () => boolean, millis = 20_000): Promise<void> {
  const last = performance.now() + millis;
  while (!holds()) {
    if (performance.now() > last) throw new Error(`waited in vain until ${what}`);
    await sleep(20);
  }
}
