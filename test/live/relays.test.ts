// Relays that people really run, found by what they do, and devices whose own work looks like it. PARAPET_SECONDS of it (60), with
// PARAPET_SEED for the order of visits and their sizes; how they fall in time is the machine's.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { City } from '#city';
import { analyze } from '#pipeline';
import { missing, RelayWorld } from './relay-world.ts';

const why = missing();
if (why !== '') console.warn(`live relays: skipped, ${why}`);

describe.skipIf(why !== '')('relays in network namespaces', () => {
  let world: RelayWorld;
  const found = new Map<string, string>();

  beforeAll(async () => {
    world = new RelayWorld(Number(process.env.PARAPET_SEED ?? 1));
    await world.start();
    await world.run(Number(process.env.PARAPET_SECONDS ?? 60));
    const city = new City({ city: 'Livetown', networks: [{ name: 'field', cidr: '10.232.0.0/16' }] }, '.');
    const { findings } = await analyze([world.capture], { city, planes: new Set(['flow']) });
    for (const f of findings)
      if (f.detector === 'relay') found.set(f.asset.ip!, `${f.bits} bits: ${f.reasons.map((r) => r.text).join('; ')}`);
    for (const d of world.devices) console.log(d.name, world.fetched.get(d.name), found.get(d.ip) ?? '-');
  }, 180_000);
  afterAll(() => world?.close());

  it('customers were served', () => {
    for (const d of world.devices.filter((x) => x.isRelay))
      expect(world.fetched.get(d.name)!.whole, `${d.name}\n${world.said}`).toBeGreaterThan(10);
  });

  it.each(['openssh', 'dropbear', 'microsocks', 'dante', 'tinyproxy', 'shadowsocks', 'stunnel', 'openvpn'])(
    '%s is found',
    (name) => {
      expect(found.get(world.devices.find((d) => d.name === name)!.ip)).toBeDefined();
    },
  );

  it.each(['plain', 'camera', 'desk', 'maintained', 'backup'])('%s is not taken for one', (name) => {
    expect(found.get(world.devices.find((d) => d.name === name)!.ip)).toBeUndefined();
  });
});
