// The promise that matters most, with everything around it breaking: no harmful command reaches a device, each one is
// answered in words, and honest ones pass again once it is whole. Real processes, real Mosquitto, real MQTT clients.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Verdict } from '#findings';
import { verify } from '#gateway/audit';
import { seededRandom } from '#lib/random';
import { harmfulIds } from '#range';
import { findMosquitto } from '../../src/gateway/broker.ts';
import { LiveCity } from './city.ts';
import { descendants, end, sleep, until, World } from './world.ts';

const minute = 60e6;
const hasMosquitto = findMosquitto() !== undefined;
if (!hasMosquitto) console.log('skipped: there is no mosquitto on this machine');

let world: World;
/** Event time of the first harmful command. */
let harmAt: number;
const total = { harmful: 0, delivered: 0 };

beforeAll(() => {
  world = new World({ seed: 4, meters: 200 });
  const first = readFileSync(join(world.range, 'commands.ndjson'), 'utf8')
    .split('\n')
    .find((l) => l.includes('branch/71'))!;
  harmAt = Date.parse((JSON.parse(first) as { at: string }).at) * 1000;
});
afterAll(async () => {
  console.log(`${total.harmful} harmful commands asked for, ${total.delivered} delivered`);
  await world.close();
});

async function withCity(
  name: string,
  run: (city: LiveCity) => Promise<void>,
  where: { readonly audit?: string } = {},
): Promise<void> {
  const city = await LiveCity.start(world, name, harmfulIds(world.range), where);
  try {
    await run(city);
    // What was answered late would still arrive.
    await sleep(300);
    const asked = [...city.harmful].filter((id) => city.verdicts.has(id));
    total.harmful += asked.length;
    const delivered = city.delivered.filter((id) => city.harmful.has(id));
    total.delivered += delivered.length;
    expect(delivered).toEqual([]);
    for (const [id, verdicts] of city.verdicts)
      for (const v of verdicts) {
        expect(v.reasons.join('').length, id).toBeGreaterThan(10);
        if (v.decision !== 'pass') expect(city.delivered).not.toContain(id);
        if (city.harmful.has(id)) expect(v.decision, id).not.toBe('pass');
      }
  } finally {
    await city.close();
  }
}

const words = (v: Verdict): string => `${v.decision}: ${v.reasons.join(' ')}`;

describe.skipIf(!hasMosquitto)('no harmful command is delivered', () => {
  it('while the hub dies at random, while it restarts, and while the sensor is dead', { timeout: 90_000 }, async () => {
    await withCity('hub', async (city) => {
      const random = seededRandom('live hold');
      await city.play(world.summary.attackAt - 10 * minute, Number.POSITIVE_INFINITY);
      await city.recovered(2 * minute);

      // One death, looked at closely: what is asked meanwhile is held, and it passes again when readings have come.
      await city.kill('hub');
      expect(words(await city.honest())).toMatch(/^hold: Physics could not answer/);
      await city.recovered(20 * minute);

      // The sensor dies again and again from before the attack until after the first harmful commands.
      await city.play(world.summary.attackAt - minute, Number.POSITIVE_INFINITY);
      let isDead = true;
      let sensorDeaths = 0;
      const killer = (async () => {
        while (isDead) {
          const pid = city.family.pids().sensor;
          if (pid !== undefined && end(pid)) sensorDeaths += 1;
          await sleep(10);
        }
      })();
      try {
        await city.play(harmAt - minute, Number.POSITIVE_INFINITY);
        for (let i = 0; i < 6; i++) {
          expect(words(await city.harm())).toMatch(/^hold: The sensor is not there or behind/);
          await city.play(city.at + 10e6);
        }
        expect(words(await city.honest())).toMatch(/^hold: The sensor is not there or behind/);
      } finally {
        isDead = false;
        await killer;
      }
      expect(sensorDeaths).toBeGreaterThan(0);

      // Alive and stuck is no better than dead.
      await city.recovered(60 * minute);
      for (const [name, says] of [
        ['sensor', /^hold: The sensor is not there or behind/],
        ['hub', /^hold: Physics (did not answer within|could not answer)/],
      ] as const) {
        const pid = city.family.pids()[name]!;
        process.kill(pid, 'SIGSTOP');
        try {
          await city.setClock(city.at + 2 * minute);
          expect(words(await city.harm(city.at + 2 * minute))).toMatch(says);
        } finally {
          process.kill(pid, 'SIGCONT');
        }
      }

      // The hub at random moments, with harm asked for all the time.
      let isDying = true;
      let hubDeaths = 0;
      const hubKiller = (async () => {
        while (isDying) {
          await sleep(300 + 1200 * random.uniform());
          const pid = city.family.pids().hub;
          if (pid !== undefined && end(pid)) hubDeaths += 1;
        }
      })();
      try {
        for (let i = 0; i < 30; i++) {
          expect((await city.harm()).decision).not.toBe('pass');
          await sleep(150 * random.uniform());
          await city.play(city.at + 5e6, 50);
        }
      } finally {
        isDying = false;
        await hubKiller;
      }
      expect(hubDeaths).toBeGreaterThan(1);

      // Whole again: honest passes, harm does not.
      const took = await city.recovered(60 * minute);
      for (let i = 0; i < 3; i++) expect(words(await city.harm())).not.toMatch(/^pass/);
      console.log(
        `sensor killed ${sensorDeaths} times, hub ${hubDeaths + 1} times; an honest command passed ${(took / minute).toFixed(1)} min of event time after`,
      );
    });
  });

  it('while the broker is dead; it comes back by itself, and commands pass', { timeout: 60_000 }, async () => {
    await withCity('broker', async (city) => {
      await city.play(world.summary.attackAt - 30 * minute, Number.POSITIVE_INFINITY);
      await city.recovered(2 * minute);
      for (let deaths = 0; deaths < 2; deaths++) {
        const broker = descendants(city.family.pids().gateway!).find((p) => /mosquitto -c/.test(p.commandLine));
        // Not the guard that starts it, which has the name in its arguments too.
        expect(broker?.commandLine).toMatch(/^\S*mosquitto /);
        end(broker!.pid);
        await until('the gateway has noticed', () => city.said.some((s) => s.includes('broker is not reachable')));
        city.said.length = 0;
        const held = await city.honest();
        expect(words(held)).toMatch(/^hold: The broker is not reachable/);
        await city.recovered(10 * minute);
        expect(city.delivered).not.toContain(held.command);
      }
    });
  });

  const canMount = process.getuid?.() === 0 && spawnSync('mount', ['--version']).status === 0;
  if (!canMount) console.log('skipped: a full disk needs the right to mount a small tmpfs');
  it.skipIf(!canMount)(
    'while the disk of the audit is full; with room again commands pass',
    {
      timeout: 60_000,
    },
    async () => {
      const disk = join(world.dir, 'small-disk');
      mkdirSync(disk);
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', disk]);
      try {
        const audit = join(disk, 'audit.ndjson');
        await withCity(
          'disk',
          async (city) => {
            await city.play(world.summary.attackAt - 30 * minute, Number.POSITIVE_INFINITY);
            await city.recovered(2 * minute);
            spawnSync('dd', ['if=/dev/zero', `of=${join(disk, 'filler')}`, 'bs=4k'], { stdio: 'ignore' });
            // What is left of the last page may take an entry or two.
            const held: Verdict[] = [];
            await until('the disk is full', () => {
              spawnSync('dd', ['if=/dev/zero', `of=${join(disk, 'more')}`, 'bs=512'], { stdio: 'ignore' });
              return true;
            });
            for (let i = 0; i < 8; i++) held.push(await city.honest());
            expect(words(held.at(-1)!)).toMatch(/^hold: The audit could not be written/);
            rmSync(join(disk, 'filler'));
            rmSync(join(disk, 'more'), { force: true });
            await city.recovered(5 * minute);
            for (const v of held) if (v.decision === 'hold') expect(city.delivered).not.toContain(v.command);
            expect(verify(audit).fault).toBeUndefined();
          },
          { audit },
        );
      } finally {
        execFileSync('umount', ['-l', disk]);
      }
    },
  );

  it('where the audit can not be opened at all', { timeout: 60_000 }, async () => {
    const file = join(world.dir, 'no-folder');
    writeFileSync(file, '');
    await withCity(
      'no-audit',
      async (city) => {
        await city.play(world.summary.attackAt - 60 * minute, Number.POSITIVE_INFINITY);
        expect(words(await city.honest())).toMatch(/^hold: The audit could not be written/);
        expect(city.delivered).toEqual([]);
      },
      { audit: join(file, 'audit.ndjson') },
    );
  });

  it('where the clock jumps: stale and future-dated commands do not pass, and the audit notes the step', {
    timeout: 60_000,
  }, async () => {
    await withCity('clock', async (city) => {
      await city.play(world.summary.attackAt - 60 * minute, Number.POSITIVE_INFINITY);
      await city.recovered(2 * minute);
      const now = city.at;
      expect(words(await city.honest(now - 6 * minute))).toMatch(/^refuse: It was issued too long ago/);
      expect(words(await city.honest(now + 10 * minute))).toMatch(/^refuse: It is dated in the future/);
      // An hour forward: what was fresh is stale.
      await city.setClock(now + 60 * minute);
      expect(words(await city.honest(now))).toMatch(/^refuse: It was issued too long ago/);
      // And back: what became stale stays so, and nothing dated in the hour between is taken for new either.
      await city.setClock(now);
      expect(words(await city.honest(now))).toMatch(/^refuse: It was issued too long ago/);
      expect(words(await city.honest(now + 62 * minute))).toMatch(/^(refuse|hold): /);
      const types: string[] = [];
      const proof = verify(join(world.dir, 'clock', 'audit.ndjson'), (e) => types.push(e.type));
      expect(proof.fault).toBeUndefined();
      expect(proof.clockSteps).toBeGreaterThan(0);
      expect(types).toContain('clock');
    });
  });
});
