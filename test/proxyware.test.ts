// Sold devices, from the packets of the range to findings: by behaviour alone, and by names.
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { City } from '#city';
import { seededRandom } from '#lib/random';
import { analyze, type Outcome } from '#pipeline';
import { ablations, measure, newTally } from '../bench/proxyware.ts';
import { profiles } from '../src/range/attackers/proxyware-profiles.ts';
import { ipText } from '../src/range/encode/ethernet.ts';
import { PcapWriter } from '../src/range/encode/pcap.ts';
import { seedCiphertext } from '../src/range/encode/tls.ts';
import { addSales, flowStartMicros, runFlow, salesOf } from '../src/range/scenario-flow.ts';
import { FlowWorld, writeTalk } from '../src/range/worlds/flow/index.ts';

const dir = mkdtempSync(join(tmpdir(), 'proxyware-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

describe('packets', () => {
  let outcome: Outcome;
  const sold = new Map<string, number>();
  beforeAll(async () => {
    const world = new FlowWorld({ seed: 7, devices: 20, startMicros: flowStartMicros });
    const sales = salesOf(
      7,
      world.devices,
      profiles.filter((p) => p.half === 'tune'),
      flowStartMicros,
      2,
    );
    const plot = { talks: [], asks: [] };
    const truths = addSales(7, plot, sales);
    for (const [i, s] of sales.entries()) sold.set(s.device.id, truths[i]!.firstAt);
    const random = seededRandom(7);
    seedCiphertext(random);
    const pcap = new PcapWriter(join(dir, 'flow.pcap'));
    for (const talk of plot.talks) for (const _ of writeTalk(random, talk, (at, frame, f) => pcap.add(at, frame, f)));
    pcap.close();
    const city = new City({ assets: world.devices.map((d) => ({ id: d.id, role: d.role, ip: ipText(d.ip) })) }, '.');
    outcome = await analyze([join(dir, 'flow.pcap')], { city, planes: new Set(['flow']) });
  }, 60_000);

  it('each way of selling is found by behaviour alone, in the capture’s own flows', () => {
    const told = outcome.findings.filter((f) => f.detector === 'relay');
    expect(outcome.faults).toEqual([]);
    expect(told.map((f) => f.asset.id).sort()).toEqual([...sold.keys()].sort());
    for (const f of told) {
      expect(f.at).toBeGreaterThanOrEqual(sold.get(f.asset.id!)!);
      expect(f.evidence[0]!.frame).toBeGreaterThan(0);
    }
  });
});

describe('rows', () => {
  it('seven profiles in a city’s two days: all found, nobody else', () => {
    const t = newTally();
    measure(
      11,
      profiles.filter((p) => p.half === 'tune'),
      ablations[0]!,
      t,
      40,
    );
    expect([t.missed, t.falseOn]).toEqual([[], []]);
    expect(t.sold).toBe(7);
  });
  it('held-out profiles: nineteen in twenty found, within fifteen minutes by the median', () => {
    const t = newTally();
    for (const seed of [12, 13])
      measure(
        seed,
        profiles.filter((p) => p.half === 'held'),
        ablations[0]!,
        t,
        40,
      );
    expect(t.found / t.sold).toBeGreaterThanOrEqual(0.95);
    expect(t.falseAlerts / t.deviceDays).toBeLessThanOrEqual(0.1);
    expect(t.delaysMinutes.sort((a, b) => a - b)[t.delaysMinutes.length >> 1]).toBeLessThanOrEqual(15);
  });
  it('a quiet city without roles: silent', () => {
    const t = newTally();
    measure(14, [], ablations[0]!, t, 40, true);
    expect(t.falseOn).toEqual([]);
  });
  it('what it can’t see: of one packet in a hundred it finds nothing, and alerts nobody by chance', () => {
    const t = newTally();
    measure(
      15,
      profiles.filter((p) => p.half === 'tune'),
      ablations.find((a) => a.sampling === 100)!,
      t,
      40,
    );
    expect(t.sold).toBeGreaterThan(0);
    expect([t.found, t.falseAlerts]).toEqual([0, 0]);
  });
});

describe('the scenario', () => {
  it('gives the same bytes for the same seed', () => {
    const hash = (seed: number, name: string): string => {
      const out = join(dir, name);
      runFlow({ name: 'short', text: '', devices: 6, days: 1, half: 'tune', soldHours: 1 }, { seed, out } as never);
      const h = createHash('sha256');
      for (const f of ['city.yaml', 'flow.pcap', 'truth.ndjson']) h.update(readFileSync(join(out, f)));
      rmSync(join(out, 'flow.pcap'));
      return h.digest('hex');
    };
    const a = hash(3, 'a');
    expect(hash(3, 'b')).toBe(a);
    const truth = readFileSync(join(dir, 'a', 'truth.ndjson'), 'utf8')
      .trim()
      .split('\n')
      .map((l) => JSON.parse(l));
    expect(truth.length).toBeGreaterThan(3);
    for (const t of truth)
      expect(t).toMatchObject({ what: 'proxyjacking', plane: 'flow', first: { file: 'flow.pcap' } });
  }, 60_000);
});
