import { existsSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { City, defaultCity } from '#city';
import { type EventBatch, FlowBatch, FlowPhase, FlowState, parseAddress, type Sink } from '#events';
import type { Finding } from '#findings';
import { seededRandom } from '#lib/random';
import { decoders, Engine, Feed, listInputs } from '#pipeline';
import type { Detector } from '../contract.ts';
import type { CityFile } from '../testing.ts';
import { scan } from './index.ts';
import { Spread } from './spread.ts';

interface Row {
  readonly at: number;
  readonly lasted?: number;
  readonly from?: string;
  readonly to?: string;
  readonly port?: number;
  readonly protocol?: number;
  readonly phase?: keyof typeof FlowPhase;
  readonly state?: keyof typeof FlowState;
  readonly packets?: number;
  readonly answers?: number;
}

/** The detector with rows of flows that also count packets. */
class Bench {
  readonly claims = new Map<string, Finding>();
  detector: Detector;
  readonly #city: City;
  readonly #batch = new FlowBatch();
  #place = 0;
  constructor(file: CityFile = {}) {
    this.#city = new City(file, '.');
    this.detector = this.#create();
  }
  #create(): Detector {
    return scan.create({
      city: this.#city,
      evidenceAll: false,
      claim: (f) => void this.claims.set(f.id, f),
      cover: () => {},
    });
  }
  row(r: Row): void {
    const b = this.#batch;
    b.count = 1;
    b.origin = { file: 'test.pcap', placed: 'frame' };
    b.firstAt[0] = 1.7e15 + Math.round(r.at * 1e6);
    b.lastAt[0] = b.firstAt[0]! + Math.round((r.lasted ?? 0) * 1e6);
    b.at[0] = b.lastAt[0]!;
    b.place[0] = ++this.#place;
    b.flow[0] = this.#place;
    b.phase[0] = FlowPhase[r.phase ?? 'Close'];
    b.state[0] = FlowState[r.state ?? 'S0'];
    b.protocol[0] = r.protocol ?? 6;
    if (!parseAddress(r.from ?? '10.0.0.1', b.addresses, 0)) throw new Error(`no address: ${r.from}`);
    if (!parseAddress(r.to ?? '192.0.2.1', b.addresses, 4)) throw new Error(`no address: ${r.to}`);
    b.responderPort[0] = r.port ?? 445;
    b.originatorPackets[0] = r.packets ?? 1;
    b.responderPackets[0] = r.answers ?? 0;
    this.detector.observe(b);
    b.addresses.fill(0xa5a5a5a5, 0, 8);
  }
  restart(): void {
    const state: unknown = JSON.parse(JSON.stringify(this.detector.snapshot()));
    this.detector = this.#create();
    this.detector.restore(state);
  }
  get all(): Finding[] {
    return [...this.claims.values()];
  }
}
const host = (k: number): string => `10.1.${(k >> 8) & 255}.${k & 255}`;

describe('fires on', () => {
  it.each([
    ['fast', 0.01],
    ['one try a minute', 60],
    ['one try in ten minutes', 600],
  ])('a scan of many hosts, %s', (_what, wait) => {
    const b = new Bench();
    for (let k = 0; k < 80; k++) b.row({ at: k * wait, to: host(k), state: k % 2 === 0 ? 'S0' : 'REJ' });
    expect(b.all).toMatchObject([{ asset: { ip: '10.0.0.1' }, subject: { type: 'asset', value: '10.0.0.1' } }]);
    expect(b.all[0]!.title).toContain('many hosts');
  });
  it('a scan of many ports of one host, some open', () => {
    const b = new Bench();
    for (let k = 0; k < 100; k++)
      b.row({ at: k, port: 1 + k, state: k % 10 === 0 ? 'SF' : 'S0', answers: k % 10 === 0 ? 4 : 0 });
    expect(b.all).toMatchObject([{ subject: { type: 'ip', value: '192.0.2.1' }, techniques: ['T1046'] }]);
  });
  it('a meter that tries ten hosts', () => {
    const b = new Bench({ assets: [{ id: 'm-1', role: 'smart-meter', ip: '10.0.0.1' }] });
    for (let k = 0; k < 12; k++) b.row({ at: k, to: host(k), port: 23 });
    expect(b.all).toMatchObject([{ asset: { id: 'm-1' } }]);
  });
  it('a flood of SYN, and one of datagrams in one flow before it ends', () => {
    const b = new Bench();
    for (let k = 0; k < 800; k++) b.row({ at: k / 20, port: 80 });
    expect(b.all.map((f) => f.title)).toEqual(['10.0.0.1 floods 192.0.2.1']);
    const c = new Bench();
    for (let s = 1; s <= 50; s++)
      c.row({ at: 0, lasted: s, protocol: 17, port: 80, phase: 'Update', packets: 2000 * s });
    expect(c.all.map((f) => f.title)).toEqual(['10.0.0.1 floods 192.0.2.1']);
  });
  it('devices that flood one place together: the more, the surer', () => {
    const b = new Bench();
    for (let h = 1; h <= 4; h++) for (let k = 0; k < 800; k++) b.row({ at: k / 20, from: `10.0.0.${h}`, port: 80 });
    expect(b.all).toHaveLength(4);
    expect(b.all[3]!.bits).toBeGreaterThan(b.all[0]!.bits);
  });
  it('a server of the twin that many addresses flood: told about it, without blame', () => {
    const b = new Bench({ assets: [{ id: 'twin-1', role: 'twin', ip: '10.9.0.1' }] });
    for (let k = 0; k < 4000; k++) b.row({ at: k / 1000, from: `203.0.113.${k % 250}`, to: '10.9.0.1', port: 8883 });
    expect(b.all).toMatchObject([{ asset: { id: 'twin-1' }, trustBits: 0, subject: { value: 'tcp/8883' } }]);
  });
});

describe('silent on', () => {
  it('a NAT gateway and a known scanner, by their role in city.yaml', () => {
    for (const role of ['nat-gateway', 'vulnerability-scanner']) {
      const b = new Bench({ assets: [{ id: 'x', role, ip: '10.0.0.1' }] });
      for (let k = 0; k < 500; k++) b.row({ at: k, to: host(k) });
      expect(b.all, role).toEqual([]);
    }
  });
  it('many hosts behind one address: most contacts are answered', () => {
    const r = seededRandom(1);
    const b = new Bench();
    for (let k = 0; k < 5000; k++)
      b.row(r.chance(0.3) ? { at: k, to: host(k) } : { at: k, to: host(k), state: 'SF', answers: 5 });
    expect(b.all).toEqual([]);
  });
  it('one dead printer asked for again and again, a few machines that moved', () => {
    const b = new Bench();
    for (let k = 0; k < 2000; k++) b.row({ at: k * 30, to: '10.1.0.9', port: 9100 });
    for (let k = 0; k < 6; k++) b.row({ at: 60_000 + k, to: host(k) });
    expect(b.all).toEqual([]);
  });
  it('a camera that streams by UDP to its recorder as ever', () => {
    const b = new Bench({ assets: [{ id: 'cam', role: 'camera', ip: '10.0.0.1' }] });
    for (let k = 0; k < 60; k++)
      b.row({ at: k * 60, lasted: 59, protocol: 17, port: 5004, packets: 20_000 + 100 * k, answers: 12 });
    expect(b.all).toEqual([]);
  });
  it('calls to a group, and noise from outside at unused addresses', () => {
    const b = new Bench();
    for (let k = 0; k < 500; k++) b.row({ at: k, to: '239.255.255.250', protocol: 17, port: 1900 });
    for (let k = 0; k < 500; k++) b.row({ at: k, from: '203.0.113.9', to: host(k) });
    expect(b.all).toEqual([]);
  });
});

describe('state', () => {
  it('a spread counts what is distinct within a tenth up to two hundred', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 200 }), fc.integer(), (n, seed) => {
        const r = seededRandom(seed);
        const s = new Spread(1);
        const hashes = Array.from({ length: n }, () => r.word());
        for (const h of [...hashes, ...hashes]) s.add(0, h);
        expect(Math.abs(s.count(0) - n)).toBeLessThan(0.25 * n + 4);
      }),
    );
  });
  it('forgets: sources, contacts and pairs are bounded, what goes is counted, a suspect stays', () => {
    const b = new Bench();
    for (let k = 0; k < 40; k++) b.row({ at: k, to: host(k) });
    expect(b.all).toHaveLength(1);
    for (let k = 0; k < 40_000; k++) b.row({ at: 100, from: `10.${2 + (k >> 16)}.${(k >> 8) & 255}.${k & 255}` });
    expect(b.detector.shed).toBeGreaterThan(20_000);
    for (let k = 40; k < 90; k++) b.row({ at: 100 + k, to: host(k) });
    expect(b.all.find((f) => f.asset.ip === '10.0.0.1')?.count).toBeGreaterThan(60);
  });
  it('resumes: cut anywhere, the claims are those of one run', () => {
    const run = (cut: number): Finding[] => {
      const b = new Bench();
      for (let k = 0; k < 60; k++) {
        if (k === cut) b.restart();
        b.row({ at: k, to: host(k) });
      }
      return b.all;
    };
    const whole = run(-1);
    expect(whole).toHaveLength(1);
    for (const cut of [0, 10, 31, 59]) expect(run(cut)).toEqual(whole);
  });
  it('a state of an unknown version is refused', () => {
    expect(() => new Bench().detector.restore({ version: 99 })).toThrow(/version/);
  });
  it('ten thousand random rows neither throw nor say what is not a number', () => {
    const r = seededRandom(5);
    const b = new Bench();
    for (let k = 0; k < 10_000; k++)
      b.row({
        at: r.uniform() * 1e5,
        lasted: r.pick([0, 1, 1e6]),
        phase: r.pick(['Open', 'Update', 'Close']),
        state: r.pick(['S0', 'SF', 'REJ', 'OTH', 'RSTOS0']),
        protocol: r.pick([0, 1, 6, 17, 255]),
        from: r.pick(['10.0.0.1', '192.0.2.3', '::1', '10.0.0.9']),
        to: r.pick(['10.0.0.2', '192.0.2.3', '2001:db8::1', host(k)]),
        port: r.integer(0, 65_535),
        packets: r.pick([0, 1, 1e9]),
        answers: r.pick([0, 1, 1e9]),
      });
    for (const f of b.all) expect(Number.isFinite(f.bits) && f.lastAt >= f.at && f.at >= f.firstAt).toBe(true);
  });
});

/** Findings of this detector alone over logs or captures. */
async function run(paths: readonly string[], city: City): Promise<Finding[]> {
  const claims = new Map<string, Finding>();
  const detector = scan.create({ city, evidenceAll: false, claim: (f) => void claims.set(f.id, f), cover: () => {} });
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
  const found = async (paths: readonly string[]): Promise<string[]> => {
    const findings = await run(
      paths.map((p) => join(corpus, p)),
      defaultCity(),
    );
    return findings.map((f) => f.title);
  };
  it('ndpi synscan (tune): one host tries the ports of another', async () => {
    expect(await found(['ndpi/c2proxy/synscan.pcap'])).toEqual([
      '172.16.0.8 tries the ports of 64.13.134.52 one after the other',
    ]);
  });
  it('ndpi tcp_scan (test): seven tries at four ports are too few to tell', async () => {
    expect(await found(['ndpi/c2proxy/tcp_scan.pcapng'])).toEqual([]);
  });
  it('apt29: the refused and filtered tries of both days are no scan', async () => {
    const logs = (day: number, hosts: string[]): string[] => hosts.map((h) => `apt29/day${day}_${h}_conn.log`);
    expect(await found(logs(1, ['NASHUA', 'SCRANTON']))).toEqual([]);
    expect(await found(logs(2, ['NEWYORK', 'SCRANTON', 'UTICA-A', 'UTICA-C', 'UTICA-D', 'UTICA-ONE-DRIVE']))).toEqual(
      [],
    );
  });
  it('rita proxy (tune) and proxy_rolling (test): nothing', async () => {
    expect(await found(['rita/proxy', 'rita/proxy_rolling'])).toEqual([]);
  });
});
