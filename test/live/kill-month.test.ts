// A month of DNS, low and slow, through sensor and hub: processes are killed at random points, and the store ends with what
// an undisturbed replay leaves. Leaks of weeks must survive in the detectors' states: a sensor that forgot them at a kill
// would find nothing. PARAPET_KILLS says at how many points (4; 100 for the figure in docs/benchmarks.md).
import { spawnSync } from 'node:child_process';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Random, seededRandom } from '#lib/random';
import { superviseFamily } from '../../src/cli/supervise.ts';
import { checkpointAt, end, keptIn, sleep, Undisturbed, World } from './world.ts';

const points = Number(process.env.PARAPET_KILLS ?? 4);
const perReplay = 4;
const bin = resolve('bin/parapet.js');
const MONTH_SECONDS = 30 * 86_400;
let world: World;
let undisturbed: Undisturbed;

beforeAll(async () => {
  world = new World({ seed: 3, logs: [] }, 'dns-month');
  const store = join(world.dir, 'undisturbed');
  const family = superviseFamily(world.settings(store, { consolePort: -1 }), () => {});
  try {
    await Promise.race([family.ended, family.failed]);
  } finally {
    await family.close();
  }
  undisturbed = new Undisturbed(keptIn(store));
}, 120_000);
afterAll(() => world.close());

/** Event time of the checkpoints at which something was killed, microseconds. */
const killedAt: number[] = [];

/** @returns processes killed: each after a checkpoint later than the one before, so that its state is what goes on. */
async function killedReplay(name: string, random: Random, most: number): Promise<number> {
  const store = join(world.dir, name);
  const speed = MONTH_SECONDS / random.pick([8, 16, 24]);
  const family = superviseFamily(world.settings(store, { speed, consolePort: -1 }), () => {});
  let over = false;
  let killed = 0;
  let reached = 0;
  try {
    void family.ended.then(() => {
      over = true;
    });
    while (killed < most && !over) {
      await sleep(50 + 150 * random.uniform());
      const at = checkpointAt(store);
      if (at <= reached) continue;
      await sleep(1200 * random.uniform());
      const pid = family.pids()[random.pick(['hub', 'sensor'] as const)];
      if (over || pid === undefined || !end(pid)) continue;
      reached = at;
      killed += 1;
      killedAt.push(at);
      undisturbed.checkStore(store);
    }
    await Promise.race([family.ended, family.failed]);
  } finally {
    await family.close();
  }
  undisturbed.checkStore(store);
  undisturbed.expectSame(keptIn(store));
  return killed;
}

describe('a month of DNS', () => {
  it('has findings that took more than a day to come, so that there is something to forget', () => {
    const slow = undisturbed.kept.findings.filter((f) => f.severity !== 'low' && f.at - f.firstAt > 86_400e6);
    expect(undisturbed.kept.findings.length).toBeGreaterThanOrEqual(8);
    expect(slow.map((f) => f.title).length).toBeGreaterThanOrEqual(2);
  });

  it('analyze prints the same bytes twice', { timeout: 120_000 }, () => {
    const print = (): { status: number | null; stdout: Buffer } =>
      spawnSync(
        process.execPath,
        [bin, 'analyze', ...world.inputs, '--city', join(world.range, 'city.yaml'), '--format', 'ndjson'],
        { maxBuffer: 1 << 28 },
      );
    const [first, second] = [print(), print()];
    expect(first.status).toBe(0);
    expect(first.stdout.length).toBeGreaterThan(10_000);
    expect(second.stdout.equals(first.stdout)).toBe(true);
    const ids = first.stdout
      .toString('utf8')
      .split('\n')
      .filter((line) => line.startsWith('{"kind":"finding"'))
      .map((line) => (JSON.parse(line) as { id: string }).id);
    expect(ids.sort()).toEqual(undisturbed.kept.findings.map((f) => f.id).sort());
  });

  it(`loses nothing at ${points} random kill -9 of hub and sensor`, {
    timeout: 120_000 + points * 30_000,
  }, async () => {
    const seed = seededRandom('month kills');
    let begun = 0;
    let killed = 0;
    let replays = 0;
    // Two at a time: most of it is waiting for processes to be started again.
    const lane = async (): Promise<void> => {
      while (begun < points) {
        const most = Math.min(perReplay, points - begun);
        begun += most;
        replays += 1;
        const done = await killedReplay(`killed-${replays}`, seed.split(replays), most);
        killed += done;
        begun -= most - done;
      }
    };
    await Promise.all([lane(), lane()]);
    const days = killedAt.map((at) => (at - world.summary.from) / 86_400e6).sort((a, b) => a - b);
    console.log(
      `${killed} kill points over ${replays} replays of a month, after checkpoints of day ${days[0]!.toFixed(1)} to ${days.at(-1)!.toFixed(1)} (median ${days[days.length >> 1]!.toFixed(1)}): 0 of ${undisturbed.kept.findings.length} findings lost`,
    );
    expect(killed).toBeGreaterThanOrEqual(points);
  });
});
