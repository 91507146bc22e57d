// What the family of processes costs against one process, and how long it takes to be back after kill -9.
import { join } from 'node:path';
import { loadCity } from '#city';
import { analyze, twinsOf } from '#pipeline';
import { type Family, superviseFamily } from '../src/cli/supervise.ts';
import { sleep, until, World } from '../test/live/world.ts';
import type { Figure } from './run.ts';

const kills = 5;

export async function bench(): Promise<Figure[]> {
  const world = new World({ seed: 3, meters: 100 });
  try {
    const city = loadCity(join(world.range, 'city.yaml'));
    let from = performance.now();
    await analyze(world.inputs, { city, twins: twinsOf(city) });
    const alone = performance.now() - from;

    from = performance.now();
    const whole = superviseFamily(world.settings(join(world.dir, 'whole')), () => {});
    await Promise.race([whole.ended, whole.failed]);
    const family = performance.now() - from;
    await whole.close();

    const paced = superviseFamily(world.settings(join(world.dir, 'paced'), { speed: 300 }), () => {});
    const back: Record<'hub' | 'sensor', number[]> = { hub: [], sensor: [] };
    try {
      const heard = listen(paced);
      await until('the sensor reads', () => heard.advances > 3);
      for (let i = 0; i < kills; i++)
        for (const name of ['hub', 'sensor'] as const) {
          // One that lived for two seconds is started again after the shortest pause.
          await sleep(2200);
          const killedAt = performance.now();
          const before = heard.advances;
          process.kill(paced.pids()[name]!, 'SIGKILL');
          await until(`the ${name} died`, () => paced.pids().sensor === undefined || paced.pids().hub === undefined);
          await until(
            `what the ${name} did goes on`,
            () => heard.advances > before && paced.pids().sensor !== undefined,
          );
          back[name].push(performance.now() - killedAt);
        }
    } finally {
      await paced.close();
    }
    const median = (list: number[]): number => Math.round(list.sort((a, b) => a - b)[list.length >> 1]!);
    return [
      { name: 'replay as a family / analyze, time', value: family / alone, unit: 'x' },
      { name: 'hub and sensor back after kill -9 of the hub, median', value: median(back.hub), unit: 'ms' },
      { name: 'sensor back after kill -9, median', value: median(back.sensor), unit: 'ms' },
    ];
  } finally {
    await world.close();
  }
}

function listen(family: Family): { readonly advances: number } {
  const heard = { advances: 0 };
  family.onMessage((from, message) => {
    if (from === 'sensor' && message.kind === 'advance') heard.advances += 1;
  });
  return heard;
}
