// Nothing older than one checkpoint is lost: processes of a replay are killed at random points, and the store ends with what
// an undisturbed replay leaves. PARAPET_KILLS says at how many points (15; 50 for the figure in docs/benchmarks.md).
//
// Compared whole: findings (every field), incidents (every field) and the last trust record of each asset. Not compared:
// trust records before the last (when one is written follows the wall clock, as findings that come together are told
// together), checkpoints, and verdicts of recorded commands (a hub that just came back has no readings, and holds).
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadCity } from '#city';
import { verify } from '#gateway/audit';
import { type Random, seededRandom } from '#lib/random';
import { analyze, twinsOf } from '#pipeline';
import { harmfulIds } from '#range';
import { openStore } from '#store';
import { DemoCity } from '../../src/cli/demo-city.ts';
import { type Family, superviseFamily } from '../../src/cli/supervise.ts';
import { descendants, end, type Kept, keptIn, running, sleep, Undisturbed, until, World } from './world.ts';

const points = Number(process.env.PARAPET_KILLS ?? 15);
const perReplay = 4;
const bin = resolve('bin/parapet.js');
let world: World;
let undisturbed: Undisturbed;
/** city.yaml with a gateway and its keys; each has an audit of its own. */
let gatewayCity: (name: string) => Promise<string>;

beforeAll(async () => {
  world = new World({ seed: 3, meters: 100 });
  gatewayCity = (name) =>
    new DemoCity(world.range, world.summary.attackAt, join(world.dir, name)).writeCity(
      join(world.dir, `${name}.ndjson`),
    );
  const family = superviseFamily(world.settings(join(world.dir, 'undisturbed')), () => {});
  try {
    await Promise.race([family.ended, family.failed]);
  } finally {
    await family.close();
  }
  undisturbed = new Undisturbed(keptIn(join(world.dir, 'undisturbed')));
});
afterAll(() => world.close());

const checkStore = (dir: string): void => undisturbed.checkStore(dir);
const expectSame = (kept: Kept): void => undisturbed.expectSame(kept);

async function killedReplay(name: string, random: Random, most: number): Promise<number> {
  const store = join(world.dir, name);
  const gateway = random.chance(0.3);
  const family: Family = superviseFamily(
    world.settings(store, {
      speed: random.pick([0, 3000, 6000]),
      gateway,
      ...(gateway ? { city: await gatewayCity(name) } : {}),
    }),
    () => {},
  );
  let over = false;
  let killed = 0;
  try {
    void family.ended.then(() => {
      over = true;
    });
    while (killed < most && !over) {
      await sleep(100 + 1100 * random.uniform());
      const victim = random.pick(gateway ? (['hub', 'sensor', 'gateway'] as const) : (['hub', 'sensor'] as const));
      const pid = family.pids()[victim];
      if (over || pid === undefined || !end(pid)) continue;
      killed += 1;
      checkStore(store);
    }
    await Promise.race([family.ended, family.failed]);
  } finally {
    await family.close();
  }
  checkStore(store);
  const kept = keptIn(store);
  expectSame(kept);
  for (const id of harmfulIds(world.range)) expect(kept.verdicts.get(id), id).not.toBe('pass');
  return killed;
}

describe('a replay', () => {
  it('finds what analyze finds, and analyze prints the same bytes twice', { timeout: 60_000 }, async () => {
    const city = loadCity(join(world.range, 'city.yaml'));
    const outcome = await analyze(world.inputs, { city, twins: twinsOf(city) });
    expect(undisturbed.kept.findings.length).toBeGreaterThan(50);
    expect(undisturbed.kept.findings.map((f) => `${f.id} ${f.severity}`)).toEqual(
      outcome.findings.map((f) => `${f.id} ${f.severity}`).sort(),
    );
    const print = (): { status: number | null; stdout: Buffer } =>
      spawnSync(
        process.execPath,
        [bin, 'analyze', world.range, '--city', join(world.range, 'city.yaml'), '--format', 'ndjson'],
        { maxBuffer: 1 << 28 },
      );
    const [first, second] = [print(), print()];
    expect(first.status).toBe(0);
    expect(first.stdout.length).toBeGreaterThan(100_000);
    expect(second.stdout.equals(first.stdout)).toBe(true);
  });

  it(`loses nothing at ${points} random kill -9 of hub, sensor and gateway`, {
    timeout: 60_000 + points * 8000,
  }, async () => {
    const seed = seededRandom('live kills');
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
    console.log(
      `${killed} kill points over ${replays} replays: 0 of ${undisturbed.kept.findings.length} findings lost`,
    );
  });

  it('goes on from its checkpoint when the whole family was killed with kill -9, and nobody is left over', {
    timeout: 90_000,
  }, async () => {
    const random = seededRandom('live whole kills');
    const store = join(world.dir, 'whole');
    let positions = 0;
    for (let kills = 0; kills < Math.max(3, Math.round(points / 10)); kills++) {
      const child = command(process.execPath, store, 1500);
      await until('a checkpoint was written', () => position(store) > positions, 30_000);
      // With hub and sensor both dead the supervisor stays, and starts them again.
      const killed = descendants(child.pid!).map((p) => p.pid);
      for (const pid of killed) end(pid);
      await until('the hub is started again', () =>
        descendants(child.pid!).some((p) => p.commandLine.includes('hub.ts') && !killed.includes(p.pid)),
      );
      await sleep(1000 * random.uniform());
      end(child.pid!);
      checkStore(store);
      positions = position(store);
    }
    const child = command(process.execPath, store, 0);
    expect(await ended(child)).toBe(0);
    expectSame(keptIn(store));
    await until('no process of the family is left', () => running(store).length === 0, 10_000);
    // Once more on the same store: nothing is counted twice.
    expect(await ended(command(process.execPath, store, 0))).toBe(0);
    expectSame(keptIn(store));
  });

  const older = ['/usr/bin/node', '/usr/local/bin/node'].find((path) => {
    const version = existsSync(path) ? spawnSync(path, ['--version'], { encoding: 'utf8' }).stdout : '';
    const major = Number(/^v(\d+)/.exec(version)?.[1] ?? 99);
    return major >= 20 && major < 26;
  });
  if (older === undefined) console.log('skipped: there is no older Node here that bin/parapet.js would hand over from');
  it.skipIf(older === undefined)(
    'ends where the launcher of an older Node is killed',
    { timeout: 60_000 },
    async () => {
      const store = join(world.dir, 'launched');
      const child = command(older!, store, 500);
      await until('a checkpoint was written', () => position(store) > 0, 30_000);
      end(child.pid!);
      await until('no process of the family is left', () => running(store).length === 0, 10_000);
    },
  );

  it('with a gateway: the one of before keeps its audit to itself until it ends, and the chain stays whole', {
    timeout: 120_000,
  }, async () => {
    const store = join(world.dir, 'gateway');
    const audit = join(world.dir, 'kept.ndjson');
    const args = ['--keep', '--gateway', '--city', await gatewayCity('kept')];
    const first = command(process.execPath, store, 1500, args);
    await until('the first gateway has begun its audit', () => entries(audit) > 0, 30_000);
    await sleep(1500);
    const begun = entries(audit);
    end(first.pid!);
    const second = command(process.execPath, store, 1500, args);
    try {
      await until('the second gateway has taken the audit over', () => entries(audit) > begun, 50_000);
      const proof = verify(audit);
      expect(proof.torn || proof.fault === undefined).toBe(true);
      await until('the first gateway has ended', () => running(store).length <= 4, 10_000);
    } finally {
      second.kill('SIGTERM');
      await ended(second);
    }
    expect(verify(audit).fault).toBeUndefined();
    await until('no process of the family is left', () => running(store).length === 0, 35_000);
  });
});

function command(node: string, store: string, speed: number, more: readonly string[] = []): ChildProcess {
  const options = ['--city', join(world.range, 'city.yaml'), '--store', store, '--speed', `${speed}`, '--port', '0'];
  return spawn(node, [bin, 'replay', ...world.inputs, ...options, '--quiet', ...more], { stdio: 'ignore' });
}

const ended = (child: ChildProcess): Promise<number | null> =>
  child.exitCode !== null || child.signalCode !== null
    ? Promise.resolve(child.exitCode)
    : new Promise((done) => child.once('exit', done));

/** Turns of the feed that the last checkpoint stands for. */
function position(dir: string): number {
  try {
    const store = openStore(dir, { readOnly: true });
    try {
      return store.lastCheckpoint()?.sources[0]?.position ?? 0;
    } finally {
      store.close();
    }
  } catch {
    return 0;
  }
}

function entries(audit: string): number {
  return existsSync(audit) ? verify(audit).entries : 0;
}
