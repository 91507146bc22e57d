import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { defaultCity } from '#city';
import { analyze } from '#pipeline';
import { type CityFile, FlowBench } from '../testing.ts';
import { relay } from './index.ts';
import list from './indicators.json' with { type: 'json' };
import { indicatorOf } from './indicators.ts';

const meter: CityFile = { assets: [{ id: 'meter-1', role: 'smart-meter', ip: '10.0.0.1' }] };
const headEnd = (b: FlowBench, at = 0): void => {
  for (let i = 0; i < 3; i++) {
    b.row({ at: at + i, phase: 'Open', flow: 900 + i, to: `198.51.100.${i + 1}` });
    b.row({ at: at + i + 0.5, flow: 900 + i, to: `198.51.100.${i + 1}`, up: 300, down: 100 });
  }
};

interface Sold {
  from?: string;
  start?: number;
  count?: number;
  every?: number;
  /** Share of what was fetched that is handed on. */
  share?: number;
  delay?: number;
  bytes?: number;
  exits?: number;
  controller?: string;
  exitName?: string;
}
/** A sold device: its session to the controller asks, it fetches from a stranger and hands back what it got. */
function sell(b: FlowBench, s: Sold = {}): void {
  const start = s.start ?? 100;
  const from = s.from ?? '10.0.0.1';
  const control = { from, to: '203.0.113.1', flow: 1, firstAt: start, ...(s.controller ? { name: s.controller } : {}) };
  b.row({ ...control, at: start, phase: 'Open' });
  for (let i = 0; i < (s.count ?? 20); i++) {
    const at = start + 10 + (s.every ?? 20) * i;
    const exit = { from, to: `192.0.2.${1 + (i % (s.exits ?? 200))}`, flow: 100 + i, firstAt: at };
    const bytes = s.bytes ?? 8000;
    b.row({ ...exit, at, phase: 'Open', ...(s.exitName ? { name: s.exitName } : {}) });
    b.row({ ...control, at, phase: 'Update', up: 0, down: 400 });
    b.row({ ...exit, at: at + 0.4, up: 400, down: bytes });
    b.row({ ...control, at: at + 0.5 + (s.delay ?? 0), phase: 'Update', up: bytes * (s.share ?? 1), down: 0 });
  }
  b.wait(start + 10 + (s.every ?? 20) * (s.count ?? 20) + 120);
}

describe('fires on', () => {
  it('a meter that hands on what it fetches from strangers: high, with the records to quarantine it', () => {
    const b = new FlowBench(relay, meter);
    headEnd(b);
    sell(b);
    expect(b.all).toHaveLength(1);
    const [f] = b.all;
    expect(f).toMatchObject({
      severity: 'high',
      plane: 'flow',
      asset: { id: 'meter-1', ip: '10.0.0.1', role: 'smart-meter' },
      subject: { type: 'asset', value: 'meter-1' },
    });
    expect(f!.response[0]).toEqual({
      type: 'nft',
      record: 'add element inet parapet quarantine { 10.0.0.1 timeout 4h }',
    });
    expect(f!.confidence).toBeGreaterThan(0.85);
    expect(f!.tool).toBeUndefined();
    expect(f!.firstAt).toBeLessThanOrEqual(f!.at);
    expect(f!.at).toBeLessThanOrEqual(f!.lastAt);
    const bits = f!.reasons.map((r) => r.bits);
    expect(bits).toEqual([...bits].sort((x, y) => y - x));
    expect(bits.reduce((sum, x) => sum + x, 0)).toBeGreaterThanOrEqual(f!.bits - 0.1);
  });

  it('a device that city.yaml does not know, once its first hours are over', () => {
    const b = new FlowBench(relay);
    headEnd(b);
    sell(b, { start: 7 * 3600, count: 40 });
    expect(b.all).toMatchObject([{ asset: { ip: '10.0.0.1' } }]);
  });

  it('the tool by name, though a name alone would not do', () => {
    const control = list.names.find((n) => n.role === 'control')!;
    const b = new FlowBench(relay, meter);
    headEnd(b);
    sell(b, { controller: `api.${control.suffix}`, count: 8 });
    expect(b.all[0]).toMatchObject({ tool: control.service, severity: 'high' });
  });
});

describe('silent on', () => {
  it('a client that downloads and one that uploads, all day', () => {
    const b = new FlowBench(relay);
    for (let i = 0; i < 2000; i++) {
      const [up, down] = i % 2 === 0 ? [500, 20_000] : [20_000, 500];
      const at = 40 * i;
      b.row({ at, phase: 'Open', flow: i, from: `10.0.0.${1 + (i % 2)}`, to: `192.0.2.${i % 250}` });
      b.row({ at: at + 1, firstAt: at, flow: i, from: `10.0.0.${1 + (i % 2)}`, to: `192.0.2.${i % 250}`, up, down });
    }
    b.wait(90_000);
    expect(b.all).toEqual([]);
  });

  it('a call: one flow that balances by itself', () => {
    const b = new FlowBench(relay);
    headEnd(b);
    b.row({ at: 7 * 3600, phase: 'Open', flow: 1, protocol: 17 });
    for (let i = 1; i < 3600; i++)
      b.row({ at: 7 * 3600 + i, phase: 'Update', flow: 1, protocol: 17, up: 9000, down: 9000 });
    expect(b.all).toEqual([]);
  });

  it('a meter that only speaks to its head-end, whatever the balance', () => {
    const b = new FlowBench(relay, meter);
    for (let i = 0; i < 500; i++)
      b.row({ at: 60 * i, flow: i, to: `198.51.100.${1 + (i % 3)}`, up: i % 2 ? 500 : 0, down: i % 2 ? 0 : 500 });
    b.wait(40_000);
    expect(b.all).toEqual([]);
  });

  it('name look-ups, groups and talk inside the city', () => {
    const b = new FlowBench(relay, meter);
    headEnd(b);
    for (let i = 0; i < 400; i++) {
      const at = 100 + 10 * i;
      b.row({ at, flow: 3 * i + 1, to: `192.0.2.${i % 200}`, toPort: 53, protocol: 17, service: 10, up: 900, down: 0 });
      b.row({ at, flow: 3 * i + 2, to: `10.0.1.${i % 200}`, up: 0, down: 900 });
      b.row({ at, flow: 3 * i + 3, to: `224.0.0.${i % 200}`, protocol: 17, up: 900, down: 0 });
    }
    b.wait(10_000);
    expect(b.all).toEqual([]);
  });

  it('a name of such a service without balance', () => {
    const control = list.names.find((n) => n.role === 'control')!;
    const b = new FlowBench(relay, meter);
    headEnd(b);
    sell(b, { controller: control.suffix, share: 0 });
    expect(b.all).toEqual([]);
  });
});

describe('fires despite', () => {
  it('a tenth of padding and chatter', () => {
    const b = new FlowBench(relay, meter);
    headEnd(b);
    sell(b, { share: 1.1 });
    expect(b.all[0]!.severity).toBe('high');
  });

  it('a request each two minutes, among a meter’s reports', () => {
    const b = new FlowBench(relay, meter);
    headEnd(b);
    sell(b, { every: 120, count: 40 });
    expect(b.all).toHaveLength(1);
  });

  it('rows that come half a minute late', () => {
    const b = new FlowBench(relay, meter);
    headEnd(b);
    for (let i = 0; i < 20; i++) {
      const exit = { to: `192.0.2.${i + 1}`, flow: 10 + i };
      b.row({ ...exit, at: 100 + 20 * i, phase: 'Open' });
      b.row({ ...exit, at: 101 + 20 * i, up: 0, down: 8000 });
      // The controller's update was told after later rows of other flows.
      if (i > 1) b.row({ to: '203.0.113.1', flow: 1, at: 61 + 20 * i, phase: 'Update', up: 8000, down: 0 });
    }
    b.wait(1000);
    expect(b.all).toHaveLength(1);
  });
});

describe('silent despite', () => {
  it('strangers by the hundred: fan-out without balance is no relay', () => {
    const b = new FlowBench(relay, meter);
    headEnd(b);
    sell(b, { share: 0.1, count: 200 });
    expect(b.all).toEqual([]);
  });

  it('a relay that waits ten seconds each time: the card says that it can’t be seen', () => {
    const b = new FlowBench(relay, meter);
    headEnd(b);
    sell(b, { delay: 10 });
    expect(b.all).toEqual([]);
  });

  it('long flows told in one lump, as logs do, that would balance others', () => {
    const b = new FlowBench(relay, meter);
    headEnd(b);
    for (let i = 0; i < 50; i++) {
      const at = 100 + 10 * i;
      b.row({ at, flow: 2 * i, to: `192.0.2.${i + 1}`, down: 8000 });
      b.row({ at, lastAt: at + 3600, flow: 2 * i + 1, to: '203.0.113.1', up: 8000 });
    }
    b.wait(5000);
    expect(b.all).toEqual([]);
  });
});

describe('state', () => {
  it('forgets: at capacity the least suspected goes, a suspect stays', () => {
    const b = new FlowBench(relay, meter);
    headEnd(b);
    sell(b);
    const claims = b.claimCount;
    for (let i = 0; i < 20_100; i++)
      b.row({ at: 1000 + i / 100, flow: 5000 + i, from: `10.${1 + (i >> 16)}.${(i >> 8) & 255}.${i & 255}`, up: 1 });
    expect(b.detector.shed).toBe(101);
    // A fresh device would have to learn anew; this one goes on.
    sell(b, { start: 1500, count: 200 });
    expect(b.claimCount).toBeGreaterThan(claims);
    expect(b.all).toHaveLength(1);
  });

  it('forgets: matches of long ago do not add up with those of today', () => {
    const b = new FlowBench(relay, meter);
    headEnd(b);
    for (let day = 0; day < 30; day++) sell(b, { start: 100 + 86_400 * day, count: 1, bytes: 2000 });
    expect(b.all).toEqual([]);
  });

  it('resumes: cut anywhere, the claims are those of one run', () => {
    const whole = new FlowBench(relay, meter, true);
    headEnd(whole);
    sell(whole, { count: 10 });
    sell(whole, { start: 900, count: 40, exitName: 'shop.example' });
    for (const cut of [0, 1, 2]) {
      const b = new FlowBench(relay, meter, true);
      if (cut === 0) b.restart();
      headEnd(b);
      if (cut === 1) b.restart();
      sell(b, { count: 10 });
      if (cut === 2) b.restart();
      sell(b, { start: 900, count: 40, exitName: 'shop.example' });
      expect(b.all, `cut ${cut}`).toEqual(whole.all);
    }
    expect(whole.all).toHaveLength(1);
  });

  it('a state of an unknown version is refused', () => {
    expect(() => new FlowBench(relay).detector.restore({ version: 99 })).toThrow(/version/);
  });

  it('a claim grows although no row comes in the minute in which it may', () => {
    const b = new FlowBench(relay, meter);
    headEnd(b);
    sell(b);
    const { count } = b.all[0]!;
    sell(b, { start: 2000, count: 30, every: 37 });
    b.wait(9001.3);
    expect(b.all[0]!.count).toBeGreaterThan(count + 15);
  });
});

describe('indicators', () => {
  it('match on dot boundaries, the longest first', () => {
    for (const n of list.names) {
      expect(indicatorOf(n.suffix)?.suffix).toBe(n.suffix);
      expect(indicatorOf(`a.b.${n.suffix}`)?.suffix).toBe(n.suffix);
      expect(indicatorOf(`x${n.suffix}`)?.suffix).not.toBe(n.suffix);
    }
    expect(indicatorOf('example')).toBeUndefined();
    expect(indicatorOf('')).toBeUndefined();
  });
});

const corpus = join(process.env.PARAPET_CORPUS ?? '../shared/corpus', 'flow');
describe.skipIf(!existsSync(corpus))(
  'corpus flow/ndpi (skipped where the corpus is not there: set PARAPET_CORPUS)',
  () => {
    it.each(['ot', 'lateral', 'c2proxy', 'tls', 'odd'])('%s: no capture holds a sold device', async (folder) => {
      const outcome = await analyze([join(corpus, 'ndpi', folder)], { city: defaultCity(), planes: new Set(['flow']) });
      expect(outcome.findings.filter((f) => f.detector === 'relay').map((f) => f.title)).toEqual([]);
      expect(outcome.rows.flow).toBeGreaterThan(10);
    });
  },
);
