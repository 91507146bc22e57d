import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { defaultCity } from '#city';
import type { Finding } from '#findings';
import { analyze } from '#pipeline';
import { type CityFile, FlowBench, type Row } from '../testing.ts';
import { newEdge } from './index.ts';

const SMB = { service: 3, toPort: 445 };
const DCERPC = { service: 4, toPort: 135 };
const SSH = { service: 5, toPort: 22 };
const WINRM = { service: 11, toPort: 5985 };
const MODBUS = { service: 8, toPort: 502 };
const hour = 3600;

let flows = 0;
/** One flow, opened and closed two seconds later. */
function flow(b: FlowBench, r: Omit<Row, 'flow'>): void {
  const number = ++flows;
  const whole = { up: 500, down: 500, ...r, flow: number, firstAt: r.at };
  b.row({ ...whole, phase: 'Open', up: 0, down: 0 });
  b.row({ ...whole, at: r.at + 2 });
}
const a = '10.0.1.4';
const victim = '10.0.1.6';
const hop = (b: FlowBench, at: number, from = a, to = victim): void => {
  flow(b, { ...WINRM, at, from, to });
  flow(b, { ...SMB, at: at + 60, from, to, up: 5_000_000 });
};

const zoned: CityFile = {
  zones: [
    { name: 'field', level: 1 },
    { name: 'office', level: 4 },
    { name: 'control', level: 2 },
  ],
  networks: [
    { name: 'field', cidr: '10.20.0.0/16' },
    { name: 'office', cidr: '10.40.0.0/16' },
    { name: 'control', cidr: '10.30.0.0/16' },
  ],
  conduits: [{ from: 'office', to: 'field', services: ['tcp/22'] }],
};

describe('fires on', () => {
  it('a payload pushed onto a workstation by two ways of administering it', () => {
    const b = new FlowBench(newEdge);
    hop(b, 100);
    expect(b.all).toHaveLength(1);
    const [f] = b.all;
    expect(f).toMatchObject({
      plane: 'flow',
      asset: { ip: victim },
      subject: { type: 'asset', value: a },
      title: `${a} stepped onto ${victim} by WinRM and SMB`,
      response: [{ type: 'nft', record: `add element inet parapet denied { ${a} . ${victim} timeout 4h }` }],
    });
    expect(f!.techniques).toEqual(['T1021.006', 'T1021.002', 'T1570']);
    expect(f!.evidence[0]).toMatchObject({ file: 'test.pcap', flow: expect.stringContaining(`> ${victim}:5985`) });
    expect(f!.firstAt).toBeLessThanOrEqual(f!.at);
  });

  it('one flow told by two logs counts once', () => {
    const once = new FlowBench(newEdge);
    hop(once, 100);
    const twice = new FlowBench(newEdge);
    const before = flows;
    hop(twice, 100);
    flows = before;
    hop(twice, 101);
    expect(twice.all).toHaveLength(1);
    expect(twice.all[0]!.bits).toBe(once.all[0]!.bits);
    expect(twice.all[0]!.reasons.map((r) => r.text)).toEqual(once.all[0]!.reasons.map((r) => r.text));
  });

  it('a target that then calls where only the intruder had called: high, and says where', () => {
    const b = new FlowBench(newEdge);
    flow(b, { at: 10, from: a, to: '192.0.2.9' });
    hop(b, 100);
    const before = b.all[0]!;
    flow(b, { at: 400, from: victim, to: '192.0.2.9' });
    expect(b.all).toHaveLength(1);
    expect(b.all[0]).toMatchObject({ id: before.id, severity: 'high' });
    expect(b.all[0]!.bits).toBeGreaterThan(before.bits);
    expect(b.all[0]!.links).toContain('ip:192.0.2.9');
    expect(b.all[0]!.reasons[0]!.text).toContain('192.0.2.9');
  });

  it('administration across zones without a conduit, as the flow opens, worst towards control', () => {
    const b = new FlowBench(newEdge, zoned);
    b.row({ ...SSH, at: 5, flow: 1, phase: 'Open', from: '10.40.0.1', to: '10.30.0.1' });
    expect(b.all).toMatchObject([{ severity: 'high' }]);
    expect(b.all[0]!.title).toContain('from zone office into control, where there is no conduit');
  });

  it('a plant protocol from where it never should come', () => {
    const b = new FlowBench(newEdge, zoned);
    flow(b, { ...MODBUS, at: 5, from: '10.40.0.1', to: '10.30.0.1' });
    expect(b.all[0]).toMatchObject({ techniques: ['T0886'] });
  });
});

describe('silent on', () => {
  it('everyday administration, from the first day on', () => {
    const b = new FlowBench(newEdge);
    for (let day = 0; day < 5; day++)
      for (let i = 0; i < 6; i++)
        flow(b, { ...SMB, at: day * 24 * hour + i * hour, from: `10.0.1.${i}`, to: '10.0.0.4', up: 900_000 });
    expect(b.all).toEqual([]);
  });

  it('a habit: an edge of the first hours may push what it likes when six hours old', () => {
    const b = new FlowBench(newEdge);
    flow(b, { ...SSH, at: 0, from: a, to: victim });
    for (let i = 7; i < 100; i++) flow(b, { ...SSH, at: i * hour, from: a, to: victim, up: 9_000_000 });
    expect(b.all).toEqual([]);
  });

  it('a server with three clients, and servers by role', () => {
    const city: CityFile = { assets: [{ id: 'dc', role: 'domain-controller', ip: '10.0.0.9' }] };
    const b = new FlowBench(newEdge, city);
    for (const from of ['10.0.1.1', '10.0.1.2', '10.0.1.3']) flow(b, { ...SMB, at: 1, from, to: '10.0.0.5' });
    flow(b, { ...DCERPC, at: 3, from: '10.0.1.1', to: '10.0.0.5' });
    hop(b, 10, '10.0.1.1', '10.0.0.9');
    expect(b.all).toEqual([]);
  });

  it('what a conduit allows, and only that', () => {
    const b = new FlowBench(newEdge, zoned);
    flow(b, { ...SSH, at: 5, from: '10.40.0.1', to: '10.20.0.1', up: 1e6 });
    expect(b.all).toEqual([]);
    flow(b, { ...WINRM, at: 9, from: '10.40.0.1', to: '10.20.0.1', up: 1e6 });
    expect(b.all).toHaveLength(1);
  });

  it('a plant protocol within its zone, the web, and all that comes from outside', () => {
    const b = new FlowBench(newEdge, zoned);
    flow(b, { ...MODBUS, at: 5, from: '10.20.0.1', to: '10.20.0.2', up: 1e6 });
    flow(b, { at: 6, from: '10.40.0.1', to: '10.30.0.1', service: 1, up: 1e6 });
    flow(b, { ...SSH, at: 7, from: '192.0.2.1', to: '10.30.0.1', up: 1e6 });
    expect(b.all).toEqual([]);
  });

  it('a look: one administering flow with little in it', () => {
    const b = new FlowBench(newEdge);
    flow(b, { ...SSH, at: 1, from: a, to: victim });
    expect(b.all).toEqual([]);
  });
});

describe('fires despite', () => {
  it('a quiet month before', () => {
    const b = new FlowBench(newEdge);
    for (let day = 0; day < 30; day++) flow(b, { ...SSH, at: day * 24 * hour, from: a, to: '10.0.0.7' });
    hop(b, 30 * 24 * hour);
    expect(b.all).toHaveLength(1);
  });

  it('tries that failed first', () => {
    const b = new FlowBench(newEdge);
    for (let i = 0; i < 3; i++) flow(b, { ...DCERPC, at: i, from: a, to: victim, up: 0, down: 0, state: 'REJ' });
    hop(b, 60);
    expect(b.all[0]!.reasons.map((r) => r.text).join()).toContain('3 tries failed');
  });
});

describe('silent despite', () => {
  it('a shared address that half the city calls', () => {
    const b = new FlowBench(newEdge);
    for (const from of [a, '10.0.1.7', '10.0.1.8']) flow(b, { at: 1, from, to: '192.0.2.9' });
    flow(b, { ...WINRM, at: 100, from: a, to: victim });
    flow(b, { at: 200, from: victim, to: '192.0.2.9' });
    expect(b.all).toEqual([]);
  });

  it('a call to the shared address long after, or before the step', () => {
    for (const at of [20, 3 * hour]) {
      const b = new FlowBench(newEdge);
      flow(b, { at: 10, from: a, to: '192.0.2.9' });
      const calls = (): void => flow(b, { at, from: victim, to: '192.0.2.9' });
      if (at < 100) calls();
      flow(b, { ...WINRM, at: 100, from: a, to: victim });
      if (at > 100) calls();
      expect(b.all, `${at} s`).toEqual([]);
    }
  });
});

describe('state', () => {
  it('forgets: at capacity hops without a claim go first, claims stay', () => {
    const b = new FlowBench(newEdge);
    hop(b, 100);
    for (let i = 0; i < 2000; i++)
      flow(b, { ...SSH, at: 200, from: `10.9.${i >> 8}.${i & 255}`, to: `10.8.${i >> 8}.${i & 255}` });
    expect(b.detector.shed).toBeGreaterThan(1000);
    flow(b, { at: 300, from: a, to: '192.0.2.9' });
    flow(b, { at: 400, from: victim, to: '192.0.2.9' });
    expect(b.all).toMatchObject([{ severity: 'high' }]);
  });

  it('forgets: edges and outside addresses are bounded, and what goes is counted', () => {
    const b = new FlowBench(newEdge);
    for (let i = 0; i < 50_100; i++)
      b.row({ at: i / 100, flow: i, from: a, to: `203.${i >> 16}.${(i >> 8) & 255}.${i & 255}`, down: 1 });
    expect(b.detector.shed).toBe(100);
    const { callers } = b.detector.snapshot() as { callers: unknown[] };
    expect(callers).toHaveLength(50_000);
  });

  it('resumes: cut anywhere, the claims are those of one run', () => {
    const steps: ((b: FlowBench) => void)[] = [
      (b) => flow(b, { at: 10, from: a, to: '192.0.2.9' }),
      (b) => flow(b, { ...WINRM, at: 100, from: a, to: victim }),
      (b) => flow(b, { ...SMB, at: 160, from: a, to: victim, up: 5e6 }),
      (b) => flow(b, { at: 400, from: victim, to: '192.0.2.9' }),
      (b) => flow(b, { ...SMB, at: 500, from: a, to: victim, up: 5e6 }),
    ];
    const run = (cut: number): Finding[] => {
      const b = new FlowBench(newEdge, {}, true);
      flows = 0;
      for (const [i, step] of steps.entries()) {
        if (i === cut) b.restart();
        step(b);
      }
      return b.all;
    };
    const whole = run(-1);
    expect(whole).toHaveLength(1);
    for (let cut = 0; cut < steps.length; cut++) expect(run(cut), `cut ${cut}`).toEqual(whole);
  });

  it('a state of an unknown version is refused', () => {
    expect(() => new FlowBench(newEdge).detector.restore({ version: 99 })).toThrow(/version/);
  });
});

const corpus = join(process.env.PARAPET_CORPUS ?? '../shared/corpus', 'flow/apt29');
describe.skipIf(!existsSync(corpus))(
  'corpus flow/apt29 (skipped where the corpus is not there: set PARAPET_CORPUS)',
  () => {
    const day = async (prefix: string, ending: string): Promise<Finding[]> => {
      const paths = readdirSync(corpus)
        .filter((f) => f.startsWith(prefix) && f.endsWith(ending))
        .map((f) => join(corpus, f));
      const outcome = await analyze(paths, { city: defaultCity(), planes: new Set(['flow']) });
      return outcome.findings.filter((f) => f.detector === 'new-edge');
    };
    const steps = (findings: readonly Finding[]): string[] => findings.map((f) => `${f.subject.value} > ${f.asset.ip}`);

    it('day 1: the one pair of hosts that were stepped between, PsExec’s SMB included, and nothing else', async () => {
      const findings = await day('day1_', '_conn.log');
      expect(steps(findings)).toEqual(['10.0.1.4 > 10.0.1.6']);
      expect(findings[0]!.techniques).toContain('T1021.002');
      expect(findings[0]!.severity).toBe('high');
    });

    it('day 2, which nothing was set on: its three hops by WinRM stay below the line, and nothing false is said', async () => {
      const findings = await day('day2_', '_conn.log');
      expect(steps(findings)).toEqual([]);
    });
  },
);
