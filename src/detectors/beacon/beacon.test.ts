import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { City, defaultCity } from '#city';
import type { Finding } from '#findings';
import { seededRandom } from '#lib/random';
import { analyze } from '#pipeline';
import { FlowBench, type Row } from '../testing.ts';
import { beacon } from './index.ts';

let flows = 0;
interface Calls extends Partial<Row> {
  count?: number;
  start?: number;
  period?: number;
  /** Share of the period by which a call may be early or late. */
  jitter?: number;
  /** Share of calls that are left out. */
  missed?: number;
  sizes?: (i: number) => number;
}
function call(b: FlowBench, c: Calls = {}): void {
  const { count = 40, start = 0, period = 60, jitter = 0, missed = 0, sizes = () => 300, ...row } = c;
  const random = seededRandom(7);
  for (let i = 0; i < count; i++) {
    const at = start + period * (i + jitter * (2 * random.uniform() - 1));
    if (random.uniform() >= missed) b.row({ up: sizes(i), down: 200, ...row, at, flow: ++flows });
  }
}

describe('fires on', () => {
  it('a host that alone calls an address each minute, the same size each time: high', () => {
    const b = new FlowBench(beacon);
    call(b);
    expect(b.all).toHaveLength(1);
    expect(b.all[0]).toMatchObject({
      severity: 'high',
      plane: 'flow',
      asset: { ip: '10.0.0.1' },
      subject: { type: 'ip', value: '192.0.2.1' },
      response: [{ type: 'nft', record: 'add element inet parapet blocked { 192.0.2.1 timeout 4h }' }],
      count: 40,
    });
    expect(b.all[0]!.reasons.map((r) => r.text)).toContain('100 % of the gaps fit a period of 60.0 s');
    expect(b.all[0]!.evidence[0]).toEqual({ file: 'test.pcap', frame: 1 });
  });

  it('a name asked of a proxy, from a log (openings) and from packets (a closed flow that holds the name)', () => {
    const proxy = { to: '10.0.0.9', toPort: 3128, name: 'C2.example' };
    for (const phase of ['Open', 'Close'] as const) {
      const b = new FlowBench(beacon);
      call(b, { ...proxy, phase });
      expect(b.all, phase).toMatchObject([{ subject: { type: 'domain', value: 'c2.example' } }]);
      expect(b.all[0]!.response[0]!.record).toBe('deny 10.0.0.1 to c2.example:3128');
    }
  });

  it('a fast one, by the twelfth call', () => {
    const b = new FlowBench(beacon);
    call(b, { count: 11, period: 2.5 });
    expect(b.all).toEqual([]);
    call(b, { count: 2, period: 2.5, start: 27.5 });
    expect(b.all).toHaveLength(1);
  });

  it('a name whose addresses change at each call', () => {
    const b = new FlowBench(beacon);
    for (let i = 0; i < 40; i++) call(b, { count: 1, start: 60 * i, to: `192.0.2.${i + 1}`, name: 'c2.example' });
    expect(b.all).toMatchObject([{ subject: { value: 'c2.example' } }]);
  });
});

describe('silent on', () => {
  it('a person: calls at no pace', () => {
    for (let seed = 1; seed <= 20; seed++) {
      const random = seededRandom(seed);
      const b = new FlowBench(beacon);
      let at = 0;
      for (let i = 0; i < 300; i++) {
        at += random.exponential(120);
        b.row({ at, flow: ++flows, up: 300 + 5000 * random.uniform(), down: 9000 });
      }
      expect(b.all, `seed ${seed}`).toEqual([]);
    }
  });

  it('a service that four hosts call at a steady pace', () => {
    const b = new FlowBench(beacon);
    for (let i = 0; i < 100; i++)
      for (let host = 1; host <= 4; host++)
        b.row({ at: 60 * i + host, flow: ++flows, from: `10.0.0.${host}`, up: 300, down: 200, name: 'update.example' });
    expect(b.all).toEqual([]);
  });

  it('places that city.yaml allows, and names below them', () => {
    const b = new FlowBench(beacon, { dns: { allow: ['vendor.example'] } });
    call(b, { name: 'vendor.example' });
    call(b, { name: 'poll.vendor.example' });
    expect(b.all).toEqual([]);
    call(b, { name: 'xvendor.example' });
    expect(b.all).toHaveLength(1);
  });

  it('calls that nobody answers, UDP, calls within the city, calls from outside', () => {
    const b = new FlowBench(beacon);
    call(b, { down: 0 });
    call(b, { protocol: 17 });
    call(b, { to: '10.0.0.7' });
    call(b, { from: '192.0.2.7', to: '10.0.0.7' });
    expect(b.all).toEqual([]);
  });

  it('one busy session: calls within a second are one visit', () => {
    const b = new FlowBench(beacon);
    call(b, { period: 0.5, count: 60 });
    expect(b.all).toEqual([]);
  });
});

describe('fires despite', () => {
  it.each([
    ['a fifth of jitter', { jitter: 0.1 }],
    ['a fifth of the calls missed', { missed: 0.2 }],
    ['sizes that differ', { sizes: (i: number) => 300 + 900 * (i % 5) }],
    ['half an hour between calls', { period: 1800 }],
  ])('%s', (_what, more) => {
    const b = new FlowBench(beacon);
    call(b, more);
    expect(b.all).toHaveLength(1);
  });

  it('two hosts that call the same place', () => {
    const b = new FlowBench(beacon);
    call(b);
    call(b, { from: '10.0.0.2', start: 17 });
    expect(b.all).toHaveLength(2);
  });

  it('rows out of order', () => {
    const b = new FlowBench(beacon);
    for (let i = 0; i < 40; i += 2) {
      call(b, { count: 1, start: 60 * (i + 1) });
      call(b, { count: 1, start: 60 * i });
    }
    expect(b.all).toHaveLength(1);
  });
});

describe('silent despite', () => {
  it('a steady pace for eleven calls, or slower than six hours', () => {
    const b = new FlowBench(beacon);
    call(b, { count: 11 });
    call(b, { period: 7 * 3600, to: '192.0.2.2' });
    expect(b.all).toEqual([]);
  });
});

describe('state', () => {
  it('forgets: at capacity the least called goes, a suspect stays', () => {
    const b = new FlowBench(beacon);
    call(b, { count: 20 });
    for (let i = 0; i < 20_050; i++)
      b.row({ at: 1200, flow: i, up: 1, down: 1, to: `203.${i >> 16}.${(i >> 8) & 255}.${i & 255}` });
    expect(b.detector.shed).toBe(51);
    call(b, { count: 40, start: 1200 });
    expect(b.all).toMatchObject([{ count: 60 }]);
  });

  it('forgets: places are bounded, and what goes is counted', () => {
    const b = new FlowBench(beacon);
    for (let i = 0; i < 50_010; i++)
      b.row({ at: 1, flow: i, up: 1, down: 1, to: `203.${i >> 16}.${(i >> 8) & 255}.${i & 255}` });
    const { callers, pairs } = b.detector.snapshot() as { callers: unknown[]; pairs: unknown[] };
    expect([callers.length, pairs.length]).toEqual([50_000, 20_000]);
    expect(b.detector.shed).toBe(10 + 30_010);
  });

  it('resumes: cut anywhere, the claims are those of one run', () => {
    const run = (cut: number): Finding[] => {
      const b = new FlowBench(beacon, {}, true);
      for (let i = 0; i < 100; i++) {
        if (i === cut) b.restart();
        call(b, { count: 1, start: 60 * i, sizes: () => 300 + (i % 3) });
      }
      return b.all;
    };
    const whole = run(-1);
    expect(whole).toHaveLength(1);
    for (const cut of [0, 1, 11, 12, 63, 64, 65, 99]) expect(run(cut), `cut ${cut}`).toEqual(whole);
  });

  it('a state of an unknown version is refused', () => {
    expect(() => new FlowBench(beacon).detector.restore({ version: 99 })).toThrow(/version/);
  });
});

const corpus = join(process.env.PARAPET_CORPUS ?? '../shared/corpus', 'flow/rita');
describe.skipIf(!existsSync(corpus))(
  'corpus flow/rita (skipped where the corpus is not there: set PARAPET_CORPUS)',
  () => {
    const found = async (folder: string, city: City): Promise<string[]> => {
      const paths = readdirSync(join(corpus, folder), { recursive: true, encoding: 'utf8' })
        .filter((f) => /(^|\/)(conn|http|ssl)[^/]*\.log/.test(f))
        .map((f) => join(corpus, folder, f));
      const outcome = await analyze(paths, { city, planes: new Set(['flow']) });
      return outcome.findings.filter((f) => f.detector === 'beacon').map((f) => `${f.asset.ip} > ${f.subject.value}`);
    };

    it('proxy: the one client that beacons through the proxy, and not its benign place', async () => {
      expect(await found('proxy', defaultCity())).toEqual(['10.136.0.18 > www.honestimnotevil.com']);
    });

    it('proxy_rolling: a benign office, nothing', async () => {
      expect(await found('proxy_rolling', defaultCity())).toEqual([]);
    });

    it('missing_host: the client that calls each 200 to 350 s, once its network is named as ours', async () => {
      const city = new City({ networks: [{ name: 'lab', cidr: '73.54.23.0/24' }] }, '.');
      expect(await found('missing_host', city)).toContain('73.54.23.243 > 64.225.56.201');
    });
  },
);
