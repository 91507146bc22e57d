// What the live tests share: a small city's bytes, families on it, what a store holds at the end, and who still runs.
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { Finding, Incident, TrustRecord } from '#findings';
import { type RangeOptions, type RangeSummary, runScenario } from '#range';
import { openStore } from '#store';
import type { Settings } from '../../src/cli/processes/settings.ts';

export const sleep = (millis: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, millis));

export class World {
  readonly dir = mkdtempSync(join(tmpdir(), 'parapet-live-'));
  readonly range = join(this.dir, 'range');
  readonly summary: RangeSummary;

  constructor(options: Omit<RangeOptions, 'out'>, scenario = 'blackout') {
    this.summary = runScenario(scenario, { quietDays: 0.05, ...options, out: this.range });
  }

  /** What a sensor reads: captures, readings and commands, whichever the scenario writes. */
  get inputs(): string[] {
    return ['network.pcap', 'signalling.pcap', 'readings.ndjson', 'commands.ndjson', 'dns.pcap']
      .filter((n) => n in this.summary.files)
      .map((n) => join(this.range, n));
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

/** What must be true of stores of one replay at any moment, whoever has just been killed, and at its end. */
export class Undisturbed {
  readonly kept: Kept;
  #detectorNames: string[] | undefined;

  constructor(kept: Kept) {
    this.kept = kept;
  }

  checkStore(dir: string): void {
    if (!existsSync(join(dir, 'parapet.db'))) return;
    let store: ReturnType<typeof openStore>;
    try {
      store = openStore(dir, { readOnly: true });
    } catch (error) {
      // The hub was killed before it had made the tables.
      if (String(error).includes('STORE_DAMAGED')) return;
      throw error;
    }
    try {
      const last = store.lastCheckpoint();
      if (last === undefined) return;
      // Whole: a place in the input, every detector's state, and the hub's own.
      expect(last.sources[0]!.position).toBeGreaterThan(0);
      const names = last.detectors.map((d) => d.name);
      expect(names).toContain('hub/trust');
      expect(names).toContain('hub/incidents');
      expect(names).toEqual(this.#detectorNames ?? names);
      this.#detectorNames = names;
      // And what these states stand for is there: they would not claim it again.
      const kept = new Set(store.findings({ limit: 100_000 }).map((f) => f.id));
      const missing = this.kept.findings.filter((f) => f.at < last.at && !kept.has(f.id));
      expect(missing.map(named)).toEqual([]);
    } finally {
      store.close();
    }
  }

  expectSame(kept: Kept): void {
    const lost = this.kept.findings.filter((f) => !kept.findings.some((k) => k.id === f.id));
    expect(lost.map(named)).toEqual([]);
    expect(kept.findings.map(named)).toEqual(this.kept.findings.map(named));
    expect(kept.findings).toEqual(this.kept.findings);
    expect(kept.trust).toEqual(this.kept.trust);
    expect(kept.incidents).toEqual(this.kept.incidents);
  }
}
const named = (f: Finding): string => `${f.id} ${f.severity} ${f.detector} ${f.title}`;

/** Event time that the last checkpoint stands for, microseconds; 0 where there is none. */
export function checkpointAt(dir: string): number {
  try {
    const store = openStore(dir, { readOnly: true });
    try {
      return store.lastCheckpoint()?.at ?? 0;
    } finally {
      store.close();
    }
  } catch {
    return 0;
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
