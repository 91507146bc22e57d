import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { City, defaultCity } from '#city';
import { FlowBatch, FlowPhase, parseAddress } from '#events';
import type { Finding } from '#findings';
import { seededRandom } from '#lib/random';
import { analyze } from '#pipeline';
import { type CityFile, FlowBench, type Row } from '../testing.ts';
import { beacon } from './index.ts';
import { rhythmOf } from './rhythm.ts';

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

/** A bench whose hosts have been watched for two days: what they call now is new. */
function watched(file: CityFile = {}, evidenceAll = false, hosts = ['10.0.0.1', '10.0.0.2']): FlowBench {
  const b = new FlowBench(beacon, file, evidenceAll);
  for (const from of hosts) b.row({ at: -2 * 86_400, flow: ++flows, from, to: '198.51.100.1', up: 1, down: 1 });
  return b;
}

describe('fires on', () => {
  it('a host that alone calls an address each minute, the same size each time: high', () => {
    const b = watched();
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
    expect(b.all[0]!.reasons[0]!.text).toBe('100 % of the gaps lie within 5 % of a period of 60.0 s');
    expect(b.all[0]!.evidence[0]).toEqual({ file: 'test.pcap', frame: 3 });
  });

  it('a name asked of a proxy, from a log (openings) and from packets (a closed flow that holds the name)', () => {
    const proxy = { to: '10.0.0.9', toPort: 3128, name: 'C2.example' };
    for (const phase of ['Open', 'Close'] as const) {
      const b = watched();
      call(b, { ...proxy, phase });
      expect(b.all, phase).toMatchObject([{ subject: { type: 'domain', value: 'c2.example' } }]);
      expect(b.all[0]!.response[0]!.record).toBe('deny 10.0.0.1 to c2.example:3128');
    }
  });

  it('a fast one, by the twelfth call', () => {
    const b = watched();
    call(b, { count: 11, period: 2.5 });
    expect(b.all).toEqual([]);
    call(b, { count: 2, period: 2.5, start: 27.5 });
    expect(b.all).toHaveLength(1);
  });

  it('what a recorded input shows from its start, at its end, and not before', () => {
    const b = new FlowBench(beacon);
    call(b, { count: 300 });
    expect(b.all).toEqual([]);
    b.detector.end?.();
    expect(b.all).toMatchObject([{ severity: 'medium', subject: { value: '192.0.2.1' } }]);
  });

  it('a session that a meter holds to a new place for an hour, as the same family', () => {
    const b = watched({ assets: [{ id: 'meter-1', role: 'smart-meter', ip: '10.0.0.1' }] });
    for (let at = 0; at <= 7200; at += 60)
      b.row({ firstAt: 0, at, lastAt: at, flow: 7, phase: 'Update', up: 40, down: 40 });
    expect(b.all).toMatchObject([{ family: 'beacon', asset: { id: 'meter-1' } }]);
    expect(b.all[0]!.title).toContain('holds a session');
  });

  it('a name whose addresses change at each call', () => {
    const b = watched();
    for (let i = 0; i < 40; i++) call(b, { count: 1, start: 60 * i, to: `192.0.2.${i + 1}`, name: 'c2.example' });
    expect(b.all).toMatchObject([{ subject: { value: 'c2.example' } }]);
  });
});

describe('pace', () => {
  const kept = (count: number, keep: (i: number) => boolean): Float64Array =>
    Float64Array.from({ length: count }, (_, i) => i)
      .filter((_, i) => keep(i))
      .map((i) => 60e6 * i);
  it('missed calls are multiples of the period', () => {
    const times = kept(64, (i) => i % 3 !== 1 && i % 7 !== 2);
    expect(rhythmOf(times, times.length, 11)).toMatchObject({ periodMicros: 60e6, share: 1, band: 0.05 });
  });
  it('where most calls are missed the period is not the median', () => {
    const r = seededRandom(4);
    const times = kept(200, () => r.chance(0.4)).subarray(0, 64);
    expect(rhythmOf(times, 64, 11)).toMatchObject({ periodMicros: 60e6 });
  });
  it('chance has no pace: below the floor in 300 of 300 draws', () => {
    const r = seededRandom(9);
    for (let k = 0; k < 300; k++) {
      let at = 0;
      const times = Float64Array.from({ length: 64 }, () => (at += r.exponential(60e6)));
      expect(rhythmOf(times, 64, 11).bits).toBeLessThan(6);
    }
  });
});

describe('fires on places without a name', () => {
  /** Closed flows to an address that is another each time, with a certificate or a client fingerprint. */
  const turning = (certificate: boolean): Finding[] => {
    const city = new City({}, '.');
    const claims = new Map<string, Finding>();
    const d = beacon.create({ city, evidenceAll: false, claim: (f) => void claims.set(f.id, f), cover: () => {} });
    const b = new FlowBatch();
    b.origin = { file: 'test.pcap', placed: 'frame' };
    for (let k = -1; k < 40; k++) {
      b.count = 1;
      b.firstAt[0] = 1.7e15 + (k < 0 ? -2 * 86_400e6 : 60e6 * k);
      b.lastAt[0] = b.firstAt[0]! + 1e6;
      b.at[0] = b.lastAt[0]!;
      b.flow[0] = k + 2;
      b.place[0] = k + 2;
      b.phase[0] = FlowPhase.Close;
      b.protocol[0] = 6;
      b.responderPort[0] = 443;
      parseAddress('10.0.0.1', b.addresses, 0);
      parseAddress(`192.0.2.${k + 2}`, b.addresses, 4);
      b.originatorPayloadBytes[0] = 300;
      b.responderPayloadBytes[0] = 300;
      b.bytes.fill('a'.charCodeAt(0), 0, 100);
      b.certificateBytes[0] = certificate && k >= 0 ? 32 : 0;
      b.ja4Bytes[0] = certificate || k < 0 ? 0 : 36;
      d.observe(b);
    }
    return [...claims.values()];
  };
  it.each([true, false])('addresses that take turns behind one certificate (%s), else one client fingerprint', (c) => {
    const found = turning(c);
    expect(found).toHaveLength(1);
    const said = found[0]!.reasons.map((r) => r.text).join('; ');
    expect(said).toContain(c ? 'one certificate' : 'one client fingerprint');
    expect(said).toContain(
      c ? `its certificate is SHA-256 ${'61'.repeat(32)}` : `its client fingerprint is JA4 ${'a'.repeat(36)}`,
    );
    expect(found[0]!.links).toEqual([c ? `sha-256:${'61'.repeat(32)}` : `ja4:${'a'.repeat(36)}`]);
  });
});

describe('silent on', () => {
  it('a person: calls at no pace', () => {
    for (let seed = 1; seed <= 20; seed++) {
      const random = seededRandom(seed);
      const b = watched();
      let at = 0;
      for (let i = 0; i < 300; i++) {
        at += random.exponential(120);
        b.row({ at, flow: ++flows, up: 300 + 5000 * random.uniform(), down: 9000 });
      }
      expect(b.all, `seed ${seed}`).toEqual([]);
    }
  });

  it('a service that four hosts call at a steady pace', () => {
    const b = watched();
    for (let i = 0; i < 100; i++)
      for (let host = 1; host <= 4; host++)
        b.row({ at: 60 * i + host, flow: ++flows, from: `10.0.0.${host}`, up: 300, down: 200, name: 'update.example' });
    expect(b.all).toEqual([]);
  });

  it('places that city.yaml allows, and names below them', () => {
    const b = watched({ dns: { allow: ['vendor.example'] } });
    call(b, { name: 'vendor.example' });
    call(b, { name: 'poll.vendor.example' });
    expect(b.all).toEqual([]);
    call(b, { name: 'xvendor.example' });
    expect(b.all).toHaveLength(1);
  });

  it('calls that nobody answers, time by UDP, calls within the city, calls from outside', () => {
    const b = watched();
    call(b, { down: 0 });
    call(b, { protocol: 17, toPort: 123 });
    call(b, { to: '10.0.0.7' });
    call(b, { from: '192.0.2.7', to: '10.0.0.7' });
    expect(b.all).toEqual([]);
  });

  it('pages: bursts of calls within a second are one visit', () => {
    const random = seededRandom(3);
    const b = watched();
    let at = 0;
    for (let page = 0; page < 60; page++) {
      at += random.exponential(90);
      for (let k = 0; k < 12; k++) b.row({ at: at + random.exponential(0.3), flow: ++flows, up: 500, down: 20_000 });
    }
    expect(b.all).toEqual([]);
  });
});

describe('fires despite', () => {
  it.each([
    ['a fifth of jitter', { jitter: 0.1 }],
    ['a fifth of the calls missed', { missed: 0.2 }],
    ['sizes that differ', { sizes: (i: number) => 300 + 900 * (i % 5) }],
    ['half an hour between calls', { period: 1800 }],
    ['a third of the calls missed', { missed: 0.34, count: 60 }],
    ['half a period early or late', { jitter: 0.25, count: 60 }],
    ['forty calls in twenty seconds', { period: 0.4, count: 80 }],
  ])('%s', (_what, more) => {
    const b = watched();
    call(b, more);
    expect(b.all).toHaveLength(1);
  });

  it('two hosts that call the same place', () => {
    const b = watched();
    call(b);
    call(b, { from: '10.0.0.2', start: 17 });
    expect(b.all).toHaveLength(2);
  });

  it('rows out of order', () => {
    const b = watched();
    for (let i = 0; i < 40; i += 2) {
      call(b, { count: 1, start: 60 * (i + 1) });
      call(b, { count: 1, start: 60 * i });
    }
    expect(b.all).toHaveLength(1);
  });
});

describe('silent despite', () => {
  it('a perfect poll of a meter to its head-end, an update check, time and telemetry that were there from the start', () => {
    const b = new FlowBench(beacon, { assets: [{ id: 'meter-1', role: 'smart-meter', ip: '10.0.0.1' }] });
    call(b, { count: 300, period: 900, name: 'headend.example' });
    call(b, { count: 300, period: 900, to: '192.0.2.8', protocol: 17, toPort: 123 });
    call(b, { count: 300, period: 900, to: '192.0.2.9', name: 'telemetry.example' });
    b.detector.end?.();
    expect(b.all).toEqual([]);
  });

  it('a stream in pieces, and a page that polls for half an hour', () => {
    const b = watched();
    call(b, { count: 300, period: 6, down: 2e6, name: 'stream.example' });
    for (let k = 0; k < 5; k++) b.row({ at: k / 5, flow: ++flows, up: 900, down: 90_000, name: 'page.example' });
    call(b, { count: 30, period: 60, start: 5, name: 'page.example' });
    expect(b.all).toEqual([]);
  });

  it('a steady pace for eleven calls, or slower than six hours', () => {
    const b = watched();
    call(b, { count: 11 });
    call(b, { period: 7 * 3600, to: '192.0.2.2' });
    expect(b.all).toEqual([]);
  });
});

describe('state', () => {
  it('forgets: tables are bounded, what goes is counted, and a suspect stays', () => {
    const b = watched();
    call(b, { count: 30 });
    expect(b.all).toHaveLength(1);
    for (let i = 0; i < 70_000; i++)
      b.row({ at: 1800, flow: i, up: 1, down: 1, to: `203.${i >> 16}.${(i >> 8) & 255}.${i & 255}` });
    expect(b.detector.shed).toBeGreaterThan(40_000);
    call(b, { count: 40, start: 1800 });
    expect(b.all).toMatchObject([{ count: 64 }]);
  });

  it('resumes: cut anywhere, the claims are those of one run', () => {
    const run = (cut: number): Finding[] => {
      const b = watched({}, true);
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

  it('ten thousand random rows neither throw nor say what is not a number', () => {
    const r = seededRandom(5);
    const b = new FlowBench(beacon);
    for (let k = 0; k < 10_000; k++)
      b.row({
        at: r.uniform() * 1e6,
        lastAt: r.uniform() * 1e6,
        flow: r.integer(1, 500),
        phase: r.pick(['Open', 'Update', 'Close']),
        protocol: r.pick([0, 6, 17, 255]),
        from: r.pick(['10.0.0.1', '192.0.2.3', '::1', '239.1.1.1']),
        to: r.pick(['10.0.0.2', '192.0.2.3', '2001:db8::1', '239.1.1.1']),
        toPort: r.pick([443, 3128, 53]),
        up: r.pick([0, 1, 1e15, r.word()]),
        down: r.pick([0, 1, 1e15, r.word()]),
        name: r.pick(['', 'a', '9.9', '[::1]', 'x'.repeat(200), '\u0000']),
      });
    b.detector.end?.();
    for (const f of b.all) expect(Number.isFinite(f.bits) && f.lastAt >= f.at && f.at >= f.firstAt).toBe(true);
  });

  it('a state of an unknown version is refused', () => {
    expect(() => new FlowBench(beacon).detector.restore({ version: 99 })).toThrow(/version/);
  });
});

const corpus = join(process.env.PARAPET_CORPUS ?? '../shared/corpus', 'flow');
describe.skipIf(!existsSync(corpus))('corpus flow (skipped where the corpus is not there: set PARAPET_CORPUS)', () => {
  const found = async (folder: string, city: City, which = /(^|\/)(conn|http|ssl)[^/]*\.log/): Promise<string[]> => {
    const paths = readdirSync(join(corpus, folder), { recursive: true, encoding: 'utf8' })
      .filter((f) => which.test(f))
      .map((f) => join(corpus, folder, f));
    const outcome = await analyze(paths, { city, planes: new Set(['flow']) });
    return outcome.findings
      .filter((f) => f.detector === 'beacon')
      .sort((x, y) => y.bits - x.bits)
      .map((f) => `${f.asset.ip} > ${f.subject.value}`);
  };

  it('rita/proxy (tune): the one client that beacons through the proxy, and not its benign places', async () => {
    expect(await found('rita/proxy', defaultCity())).toEqual(['10.136.0.18 > www.honestimnotevil.com']);
  });
  it('rita/open_conns (tune): nothing', async () => {
    expect(await found('rita/open_conns', defaultCity())).toEqual([]);
  });
  it('rita/valid_tsv (tune): update checks stay below the line', async () => {
    expect(await found('rita/valid_tsv', defaultCity())).toEqual([]);
  });
  it('rita/proxy_rolling (test): a benign office, nothing', async () => {
    expect(await found('rita/proxy_rolling', defaultCity())).toEqual([]);
  });
  it('rita/missing_host (test): the client that calls each 200 to 350 s, once its network is named as ours', async () => {
    const city = new City({ networks: [{ name: 'lab', cidr: '73.54.23.0/24' }] }, '.');
    expect(await found('rita/missing_host', city)).toEqual(['73.54.23.243 > 64.225.56.201']);
  });
  const domain = new City({ networks: [{ name: 'domain', cidr: '10.0.0.0/16' }] }, '.');
  it('apt29 day 1 (tune): the foothold that calls out, and nothing benign', async () => {
    expect(await found('apt29', domain, /^day1_.*_(conn|http|ssl)\.log/)).toEqual(['10.0.1.6 > 192.168.0.4']);
  });
  it('apt29 day 2 (test): the beacon that is cut up by gaps between captures, and nothing benign', async () => {
    expect(await found('apt29', domain, /^day2_.*_(conn|http|ssl)\.log/)).toEqual(['10.0.1.5 > 192.168.0.4']);
  });
});
