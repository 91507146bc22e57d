// What `serve` promises: a replay finds and decides what analyze does, and a full disk loses nothing. What happens while
// processes die is in test/live.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadCity } from '#city';
import type { Finding, Verdict } from '#findings';
import { analyze, twinsOf } from '#pipeline';
import { harmfulIds, runScenario } from '#range';
import { openStore } from '#store';
import type { Settings } from '../src/cli/processes/settings.ts';
import { type Family, superviseFamily } from '../src/cli/supervise.ts';

const dir = mkdtempSync(join(tmpdir(), 'parapet-serve-'));
const range = join(dir, 'range');
const inputs = ['network.pcap', 'signalling.pcap', 'readings.ndjson', 'commands.ndjson'].map((n) => join(range, n));

beforeAll(() => {
  runScenario('blackout', { seed: 3, out: range, quietDays: 0.05, meters: 100 });
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

function settings(store: string, speed: number): Settings {
  return {
    city: join(range, 'city.yaml'),
    store,
    inputs,
    speed,
    fastUntil: 0,
    planes: [],
    consolePort: 0,
    gateway: false,
    eventClock: false,
  };
}

/** What a person would compare: which findings, how bad, how many events, up to when. */
function told(findings: readonly Finding[]): string[] {
  return findings.map((f) => `${f.id} ${f.severity} ${f.count} ${f.lastAt} ${f.title}`).sort();
}

interface Kept {
  readonly findings: string[];
  /** `command decision`, the last of each command. */
  readonly verdicts: string[];
}

async function replay(store: string, speed: number, disturb: (family: Family) => Promise<void>): Promise<Kept> {
  const family = superviseFamily(settings(store, speed), () => {});
  try {
    await Promise.race([disturb(family), family.ended, family.failed]);
    await family.ended;
    // The hub may still be writing what the end brought.
    await new Promise((resolve) => setTimeout(resolve, 500));
  } finally {
    await family.close();
  }
  const kept = openStore(store, { readOnly: true });
  try {
    expect(kept.lastCheckpoint()?.sources[0]?.position).toBeGreaterThan(0);
    const verdicts = new Map(
      kept
        .verdicts(10_000)
        .reverse()
        .map((v) => [v.command, v.decision]),
    );
    return {
      findings: told(kept.findings({ limit: 100_000 })),
      verdicts: [...verdicts].map((v) => v.join(' ')).sort(),
    };
  } finally {
    kept.close();
  }
}

describe('serve', () => {
  let undisturbed: Kept = { findings: [], verdicts: [] };

  it('a replay through the processes finds and decides what analyze does', async () => {
    undisturbed = await replay(join(dir, 'plain'), 0, () => new Promise(() => {}));
    const city = loadCity(join(range, 'city.yaml'));
    const outcome = await analyze(inputs, { city, twins: twinsOf(city) });
    expect(undisturbed.findings.length).toBeGreaterThan(50);
    expect(undisturbed.findings).toEqual(told(outcome.findings));
    expect(undisturbed.verdicts).toEqual(outcome.verdicts.map((v) => `${v.command} ${v.decision}`).sort());
    expect(undisturbed.verdicts.filter((v) => v.endsWith('hold')).length).toBe(harmfulIds(range).size);
  });

  const canMount = process.getuid?.() === 0 && spawnSync('mount', ['--version']).status === 0;
  if (!canMount) console.log('skipped: a full disk needs the right to mount a small tmpfs');
  it.skipIf(!canMount)('on a full disk commands are held, in words; with room again everything is kept', async () => {
    const store = join(dir, 'full');
    mkdirSync(store);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=320k', 'tmpfs', store]);
    const said: string[] = [];
    const verdicts: Verdict[] = [];
    const family = superviseFamily(settings(store, 1500), (text) => void said.push(text));
    family.onMessage((from, message) => {
      if (from === 'sensor' && message.kind === 'verdicts') verdicts.push(...message.verdicts);
    });
    try {
      await until(
        () =>
          said.some((s) => s.includes('STORE_FULL')) &&
          verdicts.some((v) => v.reasons[0]?.includes("can't be kept") === true),
      );
      execFileSync('mount', ['-o', 'remount,size=64m', store]);
      await Promise.race([family.ended, family.failed]);
      await until(() => said.some((s) => s.includes('can be written again')));
      await family.close();
      const kept = openStore(store, { readOnly: true });
      expect(told(kept.findings({ limit: 100_000 }))).toEqual(undisturbed.findings);
      kept.close();
    } finally {
      await family.close();
      execFileSync('umount', ['-l', store]);
    }
  });
});

async function until(holds: () => boolean): Promise<void> {
  for (let waited = 0; !holds(); waited += 20) {
    if (waited > 40_000) throw new Error('waited in vain');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
