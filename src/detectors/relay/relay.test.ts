import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { defaultCity } from '#city';
import { analyze } from '#pipeline';
import { type CityFile, FlowBench } from '../testing.ts';
import { relay } from './index.ts';
import { Match, mirror } from './match.ts';
import { Tally } from './tally.ts';

const meter: CityFile = { assets: [{ id: 'meter-1', role: 'smart-meter', ip: '10.0.0.1' }] };
const headEnd = (b: FlowBench, at = 0): void => {
  for (let i = 0; i < 6; i++) {
    const to = `198.51.100.${(i % 3) + 1}`;
    b.row({ at: at + 8 * i, phase: 'Open', flow: 900 + i, to });
    b.row({ at: at + 8 * i + 0.5, firstAt: at + 8 * i, flow: 900 + i, to, up: 300, down: 100 });
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
  exitName?: string;
  /** Over one channel that stays open, not a session a visit. */
  channel?: boolean;
}
/** A sold device: its session to a gateway asks, it fetches from a stranger and hands back what it got. */
function sell(b: FlowBench, s: Sold = {}): void {
  const start = s.start ?? 100;
  const from = s.from ?? '10.0.0.1';
  const control = { from, to: '203.0.113.1', flow: 1, firstAt: start };
  const bytes = s.bytes ?? 8000;
  const back = bytes * (s.share ?? 1.02);
  b.row({ ...control, at: start, phase: 'Open' });
  for (let i = 0; i < (s.count ?? 20); i++) {
    const at = start + 70 + (s.every ?? 20) * i;
    const exit = { from, to: `192.0.2.${1 + (i % (s.exits ?? 200))}`, flow: 1000 + start + 2 * i, firstAt: at + 0.1 };
    const gateway = { from, to: `203.0.113.${10 + (i % 5)}`, flow: 1001 + start + 2 * i, firstAt: at };
    if (s.channel !== true) b.row({ ...gateway, at, phase: 'Open' });
    b.row({ ...exit, at: at + 0.1, phase: 'Open', ...(s.exitName ? { name: s.exitName } : {}) });
    b.row({ ...exit, at: at + 1, up: 400, down: bytes });
    const late = at + 1.1 + (s.delay ?? 0);
    if (s.channel === true) b.row({ ...control, at: late + 3, phase: 'Update', up: back, down: 500 });
    else b.row({ ...gateway, at: late, up: back, down: 500 });
  }
  b.wait(start + 70 + (s.every ?? 20) * (s.count ?? 20) + 300);
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
    expect(f!.firstAt).toBeLessThanOrEqual(f!.at);
    expect(f!.at).toBeLessThanOrEqual(f!.lastAt);
    const bits = f!.reasons.map((r) => r.bits);
    expect(bits).toEqual([...bits].sort((x, y) => y - x));
  });

  it('a device that city.yaml does not know, from its first minute', () => {
    const b = new FlowBench(relay);
    sell(b, { start: 1 });
    expect(b.all).toMatchObject([{ asset: { ip: '10.0.0.1' } }]);
  });

  it('a channel that stays open, told in rows of its own', () => {
    const b = new FlowBench(relay, meter);
    headEnd(b);
    sell(b, { channel: true });
    expect(b.all[0]!.severity).toBe('high');
  });

  it('within fifteen minutes of the first visit, at a visit each two minutes', () => {
    const b = new FlowBench(relay, meter);
    headEnd(b);
    sell(b, { every: 120, count: 40 });
    expect(b.all).toHaveLength(1);
    expect(b.all[0]!.at - b.all[0]!.firstAt).toBeLessThan(900e6);
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
      b.row({ at: 7 * 3600 + i, firstAt: 7 * 3600, phase: 'Update', flow: 1, protocol: 17, up: 9000, down: 9000 });
    expect(b.all).toEqual([]);
  });

  it('a perfect poll of a known head-end, whatever the balance', () => {
    const b = new FlowBench(relay, meter);
    for (let i = 0; i < 500; i++) {
      const to = `198.51.100.${1 + (i % 3)}`;
      b.row({ at: 60 * i, phase: 'Open', flow: i + 1, to });
      b.row({ at: 60 * i + 1, firstAt: 60 * i, flow: i + 1, to, up: i % 2 ? 5000 : 0, down: i % 2 ? 0 : 5000 });
    }
    b.wait(40_000);
    expect(b.all).toEqual([]);
  });

  it('name look-ups, groups and talk inside the city', () => {
    const b = new FlowBench(relay, meter);
    headEnd(b);
    for (let i = 0; i < 400; i++) {
      const at = 100 + 10 * i;
      b.row({
        at,
        flow: 3 * i + 1,
        to: `192.0.2.${i % 200}`,
        toPort: 53,
        protocol: 17,
        service: 10,
        up: 9000,
        down: 0,
      });
      b.row({ at, flow: 3 * i + 2, to: `10.0.1.${i % 200}`, up: 0, down: 9000 });
      b.row({ at, flow: 3 * i + 3, to: `224.0.0.${i % 200}`, protocol: 17, up: 9000, down: 0 });
    }
    b.wait(10_000);
    expect(b.all).toEqual([]);
  });
});

describe('fires despite', () => {
  it('a fifth of padding', () => {
    const b = new FlowBench(relay, meter);
    headEnd(b);
    sell(b, { share: 1.2 });
    expect(b.all[0]!.severity).toBe('high');
  });

  it('a large upload of its own all the while', () => {
    const b = new FlowBench(relay, meter);
    headEnd(b);
    const upload = { to: '198.51.100.1', flow: 50, firstAt: 90 };
    b.row({ ...upload, at: 90, phase: 'Open' });
    for (let i = 0; i < 20; i++) {
      const at = 100 + 20 * i;
      b.row({ at, phase: 'Open', flow: 100 + 2 * i, to: '203.0.113.9' });
      b.row({ at, phase: 'Open', flow: 101 + 2 * i, to: `192.0.2.${i + 1}` });
      b.row({ at: at + 1, firstAt: at, flow: 101 + 2 * i, to: `192.0.2.${i + 1}`, up: 400, down: 8000 });
      b.row({ at: at + 1.1, firstAt: at, flow: 100 + 2 * i, to: '203.0.113.9', up: 8100, down: 3500 });
      b.row({ ...upload, at: at + 2, phase: 'Update', up: 3_000_000 });
    }
    b.wait(2000);
    expect(b.all).toHaveLength(1);
  });
});

describe('silent despite', () => {
  it('strangers by the hundred: fan-out without a mirror is no relay', () => {
    const b = new FlowBench(relay, meter);
    headEnd(b);
    sell(b, { share: 0.1, count: 200 });
    expect(b.all).toEqual([]);
  });
});

describe('what it can’t see', () => {
  it('a relay that holds octets back for six minutes', () => {
    const b = new FlowBench(relay, meter);
    headEnd(b);
    for (let i = 0; i < 10; i++) sell(b, { start: 1000 * (i + 1), count: 1, delay: 360 });
    expect(b.all).toEqual([]);
  });

  it('half as much again of padding', () => {
    const b = new FlowBench(relay, meter);
    headEnd(b);
    sell(b, { share: 1.6 });
    expect(b.all).toEqual([]);
  });

  it('a channel that a log tells in one lump', () => {
    const b = new FlowBench(relay, meter);
    headEnd(b);
    for (let i = 0; i < 50; i++)
      b.row({ at: 101 + 10 * i, firstAt: 100 + 10 * i, flow: 2 + i, to: `192.0.2.${i + 1}`, up: 400, down: 8000 });
    b.row({ at: 700, firstAt: 90, flow: 1, to: '203.0.113.1', up: 410_000, down: 25_000 });
    b.wait(5000);
    expect(b.all).toEqual([]);
  });

  it('visits of more than ten minutes', () => {
    const b = new FlowBench(relay, meter);
    headEnd(b);
    for (let i = 0; i < 20; i++) {
      const at = 1000 * (i + 1);
      b.row({ at: at + 700, firstAt: at, flow: 2 * i + 10, to: `192.0.2.${i + 1}`, up: 400, down: 80_000 });
      b.row({ at: at + 700.1, firstAt: at - 1, flow: 2 * i + 11, to: '203.0.113.9', up: 80_500, down: 500 });
    }
    b.wait(40_000);
    expect(b.all).toEqual([]);
  });
});

describe('the arithmetic', () => {
  it('a mirror allows framing and a hand-shake, no more', () => {
    expect(mirror(10_000, 500, 4000, 10_300)).toBe(Match.Tight);
    expect(mirror(10_000, 500, 4000, 12_500)).toBe(Match.Loose);
    expect(mirror(10_000, 500, 4000, 20_000)).toBe(Match.None);
    expect(mirror(10_000, 500, 4000, 5000)).toBe(Match.None);
    // Nothing asked it to go there.
    expect(mirror(10_000, 5000, 100, 10_200)).toBe(Match.None);
    expect(mirror(300, 100, 100, 310)).toBe(Match.None);
  });

  const tally = (...trials: readonly [p: number, isHit: boolean, times: number][]): Tally => {
    const t = new Tally();
    for (const [p, isHit, times] of trials) for (let i = 0; i < times; i++) t.add(p, isHit);
    return t;
  };

  it('bits grow with hits and fall with misses, and chance gives none', () => {
    expect(tally().bits).toBe(0);
    expect(tally([0.02, true, 1], [0.02, false, 99]).bits).toBe(0);
    expect(tally([0, false, 50]).bits).toBe(0);
    const five = tally([0.02, true, 5], [0.02, false, 45]).bits;
    expect(five).toBeLessThan(tally([0.02, true, 6], [0.02, false, 44]).bits);
    expect(five).toBeGreaterThan(tally([0.02, true, 5], [0.02, false, 90]).bits);
    // All of ten at one in a hundred, by the rate 0.9 of four: 10 log2 (0.1 + 90) - 2, and a little for the others.
    expect(tally([0.01, true, 10]).bits).toBeCloseTo(10 * Math.log2(90.1) - 2, 1);
  });

  it('a hit that chance often gives weighs little, however many there are beside misses', () => {
    expect(tally([0.5, true, 10], [0.5, false, 10]).bits).toBe(0);
    expect(tally([0.01, true, 2], [0.5, false, 8]).bits).toBeGreaterThan(4);
  });

  it('fades to nothing', () => {
    const t = tally([0.01, true, 10]);
    t.fade(0.01);
    expect(t.bits).toBeLessThan(0.7);
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
    for (let day = 0; day < 30; day++) sell(b, { start: 100 + 86_400 * day, count: 1 });
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
});

describe('bounds', () => {
  it('a device that meets a hundred thousand strangers keeps a state of one size', () => {
    const b = new FlowBench(relay, meter);
    for (let i = 0; i < 20_000; i++) {
      const to = `${20 + (i >> 16)}.${(i >> 8) & 255}.${i & 255}.7`;
      b.row({ at: i / 50, phase: 'Open', flow: i + 1, to, name: `n${i}.example` });
      b.row({ at: i / 50, phase: 'Update', flow: i + 1, to, up: 2000, down: 10, name: `n${i}.example` });
    }
    expect(JSON.stringify(b.detector.snapshot()).length).toBeLessThan(64 * 1024);
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
