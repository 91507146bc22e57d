// Real tunnels through a real resolver, refused by Parapet: watch finds, publishes, asks; the tunnel dies, ordinary names go on,
// undo restores. Other resolvers and the delays: npm run bench dns-live.
import { afterAll, describe, expect, it } from 'vitest';
import { DnsWorld, missing } from './dns-world.ts';

const why = missing('unbound');
if (why !== '') console.log(`live DNS tests are skipped: ${why}`);

describe.skipIf(why !== '')('iodine and dns2tcp through Unbound', () => {
  const world = new DnsWorld('unbound');
  afterAll(() => world.close());

  it('are refused with proof, and come back when the refusal is undone', async () => {
    await world.start('dnstap');
    const iodine = await world.tunnel('iodine');
    expect(iodine.finding).toMatchObject({ asset: { id: 'meter-0042' }, severity: 'high', tool: 'iodine' });
    expect(iodine.action).toMatchObject({ state: 'enforced', by: 'parapet' });
    expect(iodine.action.records.map((r) => r.record)).toEqual(['t.example CNAME .', '*.t.example CNAME .']);
    expect(world.dig('anything.t.example', 'NULL')).toBe('NXDOMAIN');
    expect(world.dig('www.good.example')).toBe('10.232.2.80');
    expect(world.dig('n1.hosts.good.example')).toBe('10.232.2.81');
    expect(world.tunnelLives()).toBe(false);
    world.stopTunnel();

    const dns2tcp = await world.tunnel('dns2tcp');
    expect(dns2tcp.finding).toMatchObject({ asset: { id: 'meter-0042' }, severity: 'high' });
    expect(world.dig('x.d.example', 'TXT')).toBe('NXDOMAIN');
    world.stopTunnel();

    const doctor = world.doctor();
    expect(doctor).toMatch(/parapet\.rpz: The policy zone is served at 127\.0\.0\.1:5300, serial \d+/);
    expect(doctor).toMatch(/site: It applies our serial/);
    expect(doctor).toMatch(/10\.232\.1\.1: It answers by TCP/);

    expect(world.respond('list')).toContain('*.t.example CNAME .');
    expect(world.respond('undo', iodine.action.id)).toContain('UNDONE t.example');
    await world.until(
      'names below t.example reach their server again',
      () => world.dig('yrbaaa.t.example', 'NULL') !== 'NXDOMAIN',
    );
    expect(world.dig('x.d.example', 'TXT')).toBe('NXDOMAIN');
    expect(world.dig('www.good.example')).toBe('10.232.2.80');
  }, 180_000);
});
