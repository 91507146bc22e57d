import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { City } from '#city';
import type { EventBatch, Sink } from '#events';
import type { Finding } from '#findings';
import { seededRandom } from '#lib/random';
import { decoders, Engine, Feed, listInputs } from '#pipeline';
import { type CityFile, FlowBench, type Row } from '../testing.ts';
import { exfiltration } from './index.ts';
import { weighPass, weighVolume } from './weigh.ts';

const DAY = 86_400;
let flows = 0;
const give = (b: FlowBench, at: number, up: number, more: Partial<Row> = {}): void =>
  b.row({ at, flow: ++flows, up, down: 500, name: 'drop.example', ...more });

/** Three ordinary days: a known service, each day a few new places that get little, and one that gets `upload` octets. */
function learned(file: CityFile = {}, from = '10.0.0.1', upload = 0): FlowBench {
  const b = new FlowBench(exfiltration, file);
  for (let d = 0; d < 3; d++)
    for (let h = 0; h < 24; h++) {
      give(b, d * DAY + h * 3600, 200_000, { from, name: 'service.example', down: 300_000 });
      give(b, d * DAY + h * 3600 + 60, 9000, { from, name: `new${d}-${h}.example`, down: 90_000 });
      if (upload > 0 && h === 9) give(b, d * DAY + h * 3600 + 90, upload, { from, name: `upload${d}.example` });
    }
  return b;
}
const camera: CityFile = { assets: [{ id: 'cam-1', role: 'camera', ip: '10.0.0.1' }] };

describe('fires on', () => {
  it('50 MB over a day to a new place, in pieces', () => {
    const b = learned();
    for (let k = 0; k < 100; k++) give(b, 3 * DAY + 864 * k, 525_000);
    expect(b.all).toMatchObject([{ asset: { ip: '10.0.0.1' }, subject: { type: 'domain', value: 'drop.example' } }]);
    expect(b.all[0]!.leakedBytes).toBeGreaterThan(45e6);
    expect(b.all[0]!.leakedBytesAtAlert).toBeLessThan(50e6);
  });
  it('the same from a device that sends as much to other places now and then, in one piece', () => {
    const b = learned({}, '10.0.0.1', 60e6);
    for (let k = 0; k < 100; k++) give(b, 3 * DAY + 864 * k, 525_000);
    expect(b.all).toMatchObject([{ severity: 'medium', subject: { type: 'domain', value: 'drop.example' } }]);
    expect(b.all[0]!.reasons.map((r) => r.text).join()).toMatch(/in pieces, in \d+ hours/);
    // The next day is no news.
    const { at, bits } = b.all[0]!;
    for (let k = 0; k < 100; k++) give(b, 4 * DAY + 864 * k, 525_000);
    expect(b.all).toMatchObject([{ at, bits }]);
  });
  it('a few megabytes from a controller to a new place', () => {
    const b = learned({ assets: [{ id: 'c-1', role: 'signal-controller', ip: '10.0.0.1' }] });
    give(b, 3 * DAY, 6e6);
    expect(b.all).toHaveLength(1);
  });
  it('many new places that get a little each', () => {
    const b = learned();
    for (let k = 0; k < 60; k++) give(b, 3 * DAY + 600 * k, 2e6, { name: `p${k}.example` });
    expect(b.all.map((f) => f.subject)).toContainEqual({ type: 'asset', value: '10.0.0.1' });
  });
  it('what was fetched from outside and pushed onto a host that is no server within a minute', () => {
    const b = new FlowBench(exfiltration);
    b.row({ at: 5, firstAt: 0, lastAt: 5, flow: 1, up: 900, down: 5_317_677 });
    b.row({
      at: 11,
      firstAt: 1,
      lastAt: 11,
      flow: 2,
      to: '10.0.0.6',
      toPort: 445,
      service: 3,
      up: 5_317_912,
      down: 8000,
    });
    expect(b.all).toMatchObject([{ asset: { ip: '10.0.0.1' }, subject: { type: 'asset', value: '10.0.0.6' } }]);
  });
});

describe('silent on', () => {
  it('a camera that sends gigabytes to its recorder as ever, and three times as much once', () => {
    const b = new FlowBench(exfiltration, camera);
    for (let d = 0; d < 6; d++)
      for (let h = 0; h < 24; h++) give(b, d * DAY + h * 3600, d === 5 ? 360e6 : 120e6, { name: 'recorder.example' });
    expect(b.all).toEqual([]);
  });
  it('a backup to its own place, larger each week', () => {
    const b = new FlowBench(exfiltration);
    for (let d = 0; d < 30; d++) give(b, d * DAY, d % 7 === 0 ? 4e9 : 1e9, { name: 'backup.example' });
    expect(b.all).toEqual([]);
  });
  it('as much as it sends now and then, in one piece', () => {
    const b = learned({}, '10.0.0.1', 60e6);
    give(b, 3 * DAY + 3600, 60e6);
    expect(b.all).toEqual([]);
  });
  it('a call of hours with a new place, that gives as it takes', () => {
    const b = learned({}, '10.0.0.1', 60e6);
    for (let k = 0; k < 20; k++) give(b, 3 * DAY + 1800 * k, 2e6, { down: 2e6 });
    expect(b.all).toEqual([]);
  });
  it('firmware: much comes in, little goes out', () => {
    const b = learned(camera);
    give(b, 3 * DAY, 90_000, { name: 'delivery.example', down: 9e6 });
    expect(b.all).toEqual([]);
  });
  it('a place that city.yaml allows, and an asset outside', () => {
    const b = learned({ dns: { allow: ['example'] }, assets: [{ id: 'store', ip: '192.0.2.50', role: 'backup' }] });
    give(b, 3 * DAY, 900e6);
    give(b, 3 * DAY, 900e6, { name: '', to: '192.0.2.50' });
    expect(b.all).toEqual([]);
  });
  it('a file fetched and stored on a file server: by role, or because others store there', () => {
    const pass = (b: FlowBench): void => {
      b.row({ at: 5, firstAt: 0, lastAt: 5, flow: 1, up: 900, down: 5_000_000 });
      b.row({
        at: 20,
        firstAt: 8,
        lastAt: 20,
        flow: 2,
        to: '10.0.0.6',
        toPort: 445,
        service: 3,
        up: 5_000_100,
        down: 9,
      });
    };
    const byRole = new FlowBench(exfiltration, { assets: [{ id: 's', role: 'file-server', ip: '10.0.0.6' }] });
    pass(byRole);
    const byUse = new FlowBench(exfiltration);
    for (let k = 2; k < 6; k++)
      byUse.row({
        at: 1,
        flow: 10 + k,
        from: `10.0.0.1${k}`,
        to: '10.0.0.6',
        toPort: 445,
        service: 3,
        up: 100,
        down: 1,
      });
    pass(byUse);
    expect([...byRole.all, ...byUse.all]).toEqual([]);
  });
  it('a push of other size, or minutes later', () => {
    const b = new FlowBench(exfiltration);
    b.row({ at: 5, firstAt: 0, lastAt: 5, flow: 1, up: 900, down: 5_000_000 });
    b.row({ at: 20, firstAt: 8, lastAt: 20, flow: 2, to: '10.0.0.6', service: 3, up: 4_400_000 });
    b.row({ at: 400, firstAt: 390, lastAt: 400, flow: 3, to: '10.0.0.7', service: 3, up: 5_000_000 });
    expect(b.all).toEqual([]);
  });
});

describe('arithmetic', () => {
  it('bits grow with the volume, and fall with what is usual', () => {
    const base = {
      down: 0,
      isNew: true,
      field: false,
      role: '',
      server: false,
      callers: 1,
      named: true,
      together: false,
      hours: 3,
      usualHere: 0,
    };
    fc.assert(
      fc.property(
        fc.double({ min: 1, max: 1e12, noNaN: true }),
        fc.double({ min: 1, max: 1e12, noNaN: true }),
        (up, usual) => {
          const { bits } = weighVolume({ ...base, up, usual });
          expect(bits).toBeGreaterThanOrEqual(0);
          expect(weighVolume({ ...base, up: 2 * up, usual }).bits).toBeGreaterThanOrEqual(bits);
          expect(weighVolume({ ...base, up, usual: 2 * usual }).bits).toBeLessThanOrEqual(bits);
        },
      ),
    );
  });
  it('the closer two sizes are, the more they say', () => {
    const pass = (pushed: number): number =>
      weighPass({ fetched: 1e6, pushed, clients: 1, admin: true, receiverServer: false }).bits;
    expect(pass(1_000_100)).toBeGreaterThan(pass(1_010_000));
    expect(pass(1_010_000)).toBeGreaterThan(pass(1_200_000));
  });
});

describe('state', () => {
  it('forgets: tables are bounded and what goes is counted', () => {
    const b = new FlowBench(exfiltration);
    for (let k = 0; k < 80_000; k++)
      b.row({ at: 1, flow: k, up: 1, down: 1, from: `10.${k >> 16}.${(k >> 8) & 255}.${k & 255}`, to: '192.0.2.9' });
    expect(b.detector.shed).toBeGreaterThan(70_000);
  });
  it('resumes: cut anywhere, the claims are those of one run', () => {
    const run = (cut: number): Finding[] => {
      flows = 0;
      const b = learned();
      for (let k = 0; k < 30; k++) {
        if (k === cut) b.restart();
        give(b, 3 * DAY + 864 * k, 5e6);
      }
      return b.all;
    };
    const whole = run(-1);
    expect(whole).toHaveLength(1);
    for (const cut of [0, 5, 29]) expect(run(cut)).toEqual(whole);
  });
  it('a state of an unknown version is refused', () => {
    expect(() => new FlowBench(exfiltration).detector.restore({ version: 99 })).toThrow(/version/);
  });
  it('ten thousand random rows neither throw nor say what is not a number', () => {
    const r = seededRandom(5);
    const b = new FlowBench(exfiltration);
    for (let k = 0; k < 10_000; k++)
      b.row({
        at: r.uniform() * 1e6,
        flow: r.integer(1, 500),
        phase: r.pick(['Open', 'Update', 'Close']),
        from: r.pick(['10.0.0.1', '192.0.2.3', '::1', '239.1.1.1']),
        to: r.pick(['10.0.0.2', '192.0.2.3', '2001:db8::1', '239.1.1.1']),
        up: r.pick([0, 1, 1e15, r.word()]),
        down: r.pick([0, 1, 1e15, r.word()]),
        name: r.pick(['', 'a', 'x'.repeat(200), '\u0000']),
      });
    for (const f of b.all) expect(Number.isFinite(f.bits) && f.lastAt >= f.at && f.at >= f.firstAt).toBe(true);
  });
});

/** Findings of this detector alone over logs or captures. */
async function run(paths: readonly string[], city: City): Promise<Finding[]> {
  const claims = new Map<string, Finding>();
  const detector = exfiltration.create({
    city,
    evidenceAll: false,
    claim: (f) => void claims.set(f.id, f),
    cover: () => {},
  });
  const engine = new Engine({ city, planes: new Set(), evidenceAll: false, claim: () => {} });
  const parts = decoders
    .filter((d) => d.card.name === 'ip' || d.card.name === 'flow')
    .map((d) => ({ takes: d.card.takes, decoder: d.create({ withoutDns: false }) }));
  const sink: Sink = {
    emit: (batch: EventBatch) => {
      for (const p of parts) if (p.takes.includes(batch.kind)) p.decoder.decode(batch, sink);
      detector.observe(batch);
    },
    fault: () => {},
  };
  const feed = new Feed(listInputs(paths), engine.faults, true);
  for (let at = await feed.next(sink); at !== undefined; at = await feed.next(sink)) {
    if (at === Number.POSITIVE_INFINITY) continue;
    for (const p of parts) p.decoder.advance(at, sink);
    detector.advance(at);
  }
  for (const p of parts) p.decoder.end(sink);
  detector.end?.();
  feed.close();
  return [...claims.values()].sort((a, b) => a.at - b.at);
}

const corpus = join(process.env.PARAPET_CORPUS ?? '../shared/corpus', 'flow');
describe.skipIf(!existsSync(corpus))('corpus flow (skipped where the corpus is not there: set PARAPET_CORPUS)', () => {
  const found = async (folder: string, which: RegExp): Promise<string[]> => {
    const paths = readdirSync(join(corpus, folder), { recursive: true, encoding: 'utf8' })
      .filter((f) => which.test(f))
      .map((f) => join(corpus, folder, f));
    const city = new City({ networks: [{ name: 'domain', cidr: '10.0.0.0/16' }] }, '.');
    const findings = await run(paths, city);
    return findings.map((f) => `${f.asset.ip} > ${f.subject.value}: ${f.title}`);
  };
  it('apt29 day 1 (tune): the tool fetched from outside and pushed on, and nothing else', async () => {
    expect(await found('apt29', /^day1_.*_(conn|http|ssl)\.log/)).toEqual([
      '10.0.1.4 > 10.0.1.6: 10.0.1.4 pushed onto 10.0.1.6 what it had just fetched from 192.168.0.4',
    ]);
  });
  it('apt29 day 2 (test), where what was pushed had been encoded anew: nothing', async () => {
    expect(await found('apt29', /^day2_.*_(conn|http|ssl)\.log/)).toEqual([]);
  });
  it('rita proxy, open_conns (tune), proxy_rolling (test), benign by volume: nothing', async () => {
    for (const folder of ['rita/proxy', 'rita/open_conns', 'rita/proxy_rolling'])
      expect(await found(folder, /(^|\/)(conn|http|ssl)[^/]*\.log/), folder).toEqual([]);
  });
});
