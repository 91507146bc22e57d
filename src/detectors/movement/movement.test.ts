import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { defaultCity } from '#city';
import type { Finding } from '#findings';
import { analyze } from '#pipeline';
import { movement } from './index.ts';
import { Bench } from './testing.ts';

const hour = 3600;
const DCERPC = { service: 4, port: 135 };
const MODBUS = { service: 8, port: 502 };
const WINRM = { service: 11, port: 5985 };
const SMB = { service: 3, port: 445 };
const SSH = { service: 5, port: 22 };
const dc = '10.0.0.4';
const ticket = (b: Bench, at: number, user: string, service: string, from?: string, code = 13): void =>
  b.operation({
    at,
    protocol: 'Kerberos',
    role: 'Response',
    act: 'Login',
    code,
    user,
    object: service,
    to: dc,
    ...(from === undefined ? {} : { from }),
  });

const zoned = {
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
  it('administration across zones without a conduit, as the session answers, worst towards control', () => {
    const b = new Bench(movement, zoned);
    const session = { ...SSH, at: 5, flow: 1, clientPort: 4000, from: '10.40.0.1', to: '10.30.0.1' };
    b.flow({ ...session, phase: 'Open', up: 0, down: 0 });
    expect(b.all).toEqual([]);
    b.flow({ ...session, phase: 'Update', up: 0, down: 21 });
    expect(b.all).toMatchObject([
      {
        severity: 'high',
        title: '10.40.0.1 stepped onto 10.30.0.1 by SSH, from zone office into control, where there is no conduit',
        count: 1,
      },
    ]);
    // What is pushed before the session ends counts when it does.
    b.flow({ ...session, phase: 'Update', up: 60_000, down: 900 });
    expect(b.all[0]!.reasons.map((r) => r.text).join()).not.toContain('pushed');
    b.flow({ ...session, phase: 'Update', up: 120_000, down: 900 });
    expect(b.all[0]!.reasons.map((r) => r.text).join()).toContain('120000 octets were pushed');
    b.flow({ ...session, up: 130_000, down: 1000 });
    expect(b.all).toMatchObject([{ count: 1 }]);
  });

  it('something run from afar across zones, said once with its way', () => {
    const b = new Bench(movement, zoned);
    const ends = { from: '10.40.0.1', to: '10.30.0.1' };
    b.operation({ at: 10, protocol: 'Dcerpc', act: 'Command', code: 12, object: 'svcctl', ...ends });
    expect(b.all[0]!.reasons.map((r) => r.text)).toContainEqual(
      expect.stringMatching(
        /^zones office and control have no conduit for this: a service made and started from afar at/,
      ),
    );
  });

  it('a plant protocol from where it never should come', () => {
    const b = new Bench(movement, zoned);
    b.flow({ ...MODBUS, at: 5, from: '10.40.0.1', to: '10.30.0.1' });
    expect(b.all).toMatchObject([{ techniques: ['T0886'], severity: 'medium' }]);
  });

  it('a payload pushed onto a workstation by two ways, after tries that failed', () => {
    const b = new Bench(movement);
    for (let i = 0; i < 3; i++) b.flow({ at: 10 + i, ...DCERPC, state: 'REJ', down: 0 });
    b.flow({ at: 100, ...WINRM });
    for (let i = 0; i < 3; i++) b.flow({ at: 110 + i, ...DCERPC, state: 'REJ', down: 0 });
    b.flow({ at: 160, ...SMB, up: 5_000_000 });
    expect(b.all).toMatchObject([
      {
        title: '10.0.1.4 stepped onto 10.0.1.6 by WinRM and SMB',
        response: [{ type: 'nft', record: 'add element inet parapet denied { 10.0.1.4 . 10.0.1.6 timeout 4h }' }],
      },
    ]);
    expect(b.all[0]!.reasons.map((r) => r.text).join()).toContain('3 tries failed');
  });

  it('one flow that two sensors tell of, once', () => {
    const hop = (b: Bench, copies: number): void => {
      for (let i = 0; i < copies; i++) b.flow({ at: 100 + i, ...WINRM, clientPort: 4001 });
      for (let i = 0; i < copies; i++) b.flow({ at: 160 + i, ...SMB, up: 5_000_000, clientPort: 4002 });
    };
    const [once, twice] = [new Bench(movement), new Bench(movement)];
    hop(once, 1);
    hop(twice, 2);
    expect(twice.all.map((f) => [f.bits, f.count, f.reasons])).toEqual(
      once.all.map((f) => [f.bits, f.count, f.reasons]),
    );
  });

  it('all its evidence, where that is asked for', () => {
    const b = new Bench(movement, {}, true);
    for (let i = 0; i < 5; i++) b.flow({ at: 100 + i, ...WINRM, up: 50_000 });
    expect(b.all[0]!.evidence.map((e) => e.frame)).toEqual([1, 2, 3, 4, 5]);
  });

  it('WinRM under another user than the host’s own, to where that user never was', () => {
    const b = new Bench(movement);
    ticket(b, 0, 'ann/CORP', 'krbtgt/CORP', undefined, 11);
    ticket(b, 200, 'bob/CORP', 'HTTP/WS6');
    b.flow({ at: 201, ...WINRM });
    expect(b.all).toMatchObject([{ title: '10.0.1.4 stepped onto 10.0.1.6 by WinRM', asset: { ip: '10.0.1.6' } }]);
    expect(b.all[0]!.reasons.map((r) => r.text).join()).toContain(
      'acts as bob/CORP, while the user of that host is ann',
    );
    expect(b.all[0]!.techniques).toContain('T1078');
  });

  it('a ticket whose realm no controller spells so', () => {
    const b = new Bench(movement);
    ticket(b, 0, 'ann/CORP', 'krbtgt/CORP', '10.0.1.9', 11);
    ticket(b, 200, 'eve/corp', 'HTTP/WS6');
    b.flow({ at: 201, ...WINRM });
    expect(b.all).toMatchObject([{ severity: 'high' }]);
    expect(b.all[0]!.techniques).toContain('T1558.001');
    expect(b.all[0]!.reasons[0]!.text).toContain('it may be forged');
  });

  it('PsExec: a program on an administrative share, then a service', () => {
    const b = new Bench(movement);
    b.operation({ at: 10, protocol: 'Smb', act: 'Write', code: 5, object: 'ADMIN$\\PSEXESVC.exe' });
    b.operation({ at: 11, protocol: 'Dcerpc', act: 'Command', code: 12, object: 'svcctl' });
    expect(b.all).toMatchObject([{ evidence: [{ frame: 1 }, { frame: 2 }] }]);
    expect(b.all[0]!.techniques).toEqual(['T1570', 'T1569.002']);
  });

  it('what was fetched is pushed on, as it is or in base64', () => {
    for (const scale of [1, 4 / 3]) {
      const b = new Bench(movement);
      b.flow({ at: 0, to: '198.51.100.7', down: 1_000_000 });
      b.flow({ at: 60, ...WINRM, up: 600_000 * scale });
      b.flow({ at: 70, ...WINRM, up: 405_000 * scale });
      expect(b.all[0]!.reasons[0]!.text).toContain('1000000 octets came from 198.51.100.7');
    }
  });

  it('a step, and then the target calls where only the source had called', () => {
    const b = new Bench(movement);
    b.flow({ at: 0, to: '198.51.100.7' });
    b.flow({ at: 60, ...SSH });
    b.flow({ at: 90, from: '10.0.1.6', to: '198.51.100.7' });
    expect(b.all[0]!.links).toContain('ip:198.51.100.7');
  });

  it('a path: each hop names those before it, with their evidence', () => {
    const b = new Bench(movement);
    b.flow({ at: 0, ...WINRM, up: 2e6 });
    b.flow({ at: 600, ...WINRM, up: 2e6, from: '10.0.1.6', to: '10.0.1.8' });
    b.flow({ at: 900, ...WINRM, up: 2e6, from: '10.0.1.8', to: '10.0.1.9' });
    const last = b.all.at(-1)!;
    expect(last.reasons.map((r) => r.text).join()).toContain('10.0.1.4 > 10.0.1.6 > 10.0.1.8 > 10.0.1.9');
    expect(last.evidence.map((e) => e.frame)).toEqual([3, 1, 2]);
    expect(last.bits).toBeGreaterThan(b.all[0]!.bits);
  });

  it('a copy of the directory asked for by a host that is no controller', () => {
    const b = new Bench(movement);
    b.operation({ at: 5, protocol: 'Dcerpc', act: 'Engineering', code: 3, object: 'drsuapi', to: dc });
    expect(b.all).toMatchObject([{ techniques: ['T1003.006'] }]);
  });
});

describe('silent on', () => {
  it('group policy and domain traffic: several hosts, one second, one controller', () => {
    const b = new Bench(movement);
    for (const [i, from] of ['10.0.0.5', '10.0.1.4', '10.0.1.6'].entries()) {
      b.flow({ at: i / 10, from, to: dc, service: 13, port: 88 });
      b.flow({ at: i / 10, from, to: dc, ...SMB, up: 200_000 });
      b.flow({ at: i / 10, from, to: dc, service: 4, port: 135 });
      b.operation({ at: i / 10, from, to: dc, protocol: 'Smb', act: 'Read', code: 5, object: 'sysvol\\gpt.ini' });
      b.operation({ at: i / 10, from, to: dc, protocol: 'Dcerpc', act: 'Read', code: 17, object: 'samr' });
    }
    expect(b.all).toEqual([]);
  });
  it('controllers that copy the directory from each other', () => {
    const b = new Bench(movement);
    b.flow({ at: 0, to: '10.0.0.5', service: 13, port: 88 });
    b.operation({
      at: 5,
      protocol: 'Dcerpc',
      act: 'Engineering',
      code: 3,
      object: 'drsuapi',
      from: '10.0.0.5',
      to: dc,
    });
    expect(b.all).toEqual([]);
  });
  it('a management server by habit, a scanner and a jump host by role', () => {
    const b = new Bench(movement);
    for (let i = 10; i < 20; i++) b.flow({ at: i, ...WINRM, to: `10.0.2.${i}`, up: 50_000 });
    b.flow({ at: 8 * hour, ...WINRM, to: '10.0.2.99', up: 150_000 });
    expect(b.all).toEqual([]);
    for (const role of ['vulnerability-scanner', 'jump-host']) {
      const owned = new Bench(movement, { assets: [{ id: 's', role, ip: '10.0.1.4' }] });
      owned.flow({ at: 5, ...SSH, up: 200_000 });
      expect(owned.all, role).toEqual([]);
    }
  });
  it('an event collector that many hosts write to by WinRM', () => {
    const b = new Bench(movement);
    for (let i = 1; i < 9; i++) b.flow({ at: i, ...WINRM, from: `10.0.1.${i}`, to: '10.0.0.5', up: 3000 });
    expect(b.all).toEqual([]);
  });
  it('a way that is six hours old', () => {
    const b = new Bench(movement);
    b.flow({ at: 0, ...SSH });
    b.flow({ at: 7 * hour, ...SSH, up: 5e6 });
    expect(b.all).toEqual([]);
  });
  it('what a conduit allows, and only that', () => {
    const b = new Bench(movement, zoned);
    b.flow({ ...SSH, at: 5, from: '10.40.0.1', to: '10.20.0.1' });
    expect(b.all).toEqual([]);
    b.flow({ ...WINRM, at: 9, from: '10.40.0.1', to: '10.20.0.1', up: 1e6 });
    expect(b.all).toHaveLength(1);
  });
  it('a plant protocol within its zone, the web, and all that comes from outside', () => {
    const b = new Bench(movement, zoned);
    b.flow({ ...MODBUS, at: 5, from: '10.20.0.1', to: '10.20.0.2', up: 1e6 });
    b.flow({ at: 6, from: '10.40.0.1', to: '10.30.0.1', service: 1, up: 1e6 });
    b.flow({ ...SSH, at: 7, from: '192.0.2.1', to: '10.30.0.1', up: 1e6 });
    expect(b.all).toEqual([]);
    expect((b.detector.snapshot() as { edges: unknown[] }).edges).toEqual([]);
  });
  it('an engineer who comes to a controller of the own zone for the first time', () => {
    const b = new Bench(movement, zoned);
    b.flow({ ...SSH, at: 5, from: '10.30.0.9', to: '10.30.0.1' });
    expect(b.all).toEqual([]);
  });
  it('a shared address that half the city calls, or a call to it long after or before the step', () => {
    const shared = new Bench(movement);
    for (const from of ['10.0.1.4', '10.0.1.7', '10.0.1.8']) shared.flow({ at: 1, from, to: '192.0.2.9' });
    shared.flow({ at: 100, ...WINRM });
    shared.flow({ at: 200, from: '10.0.1.6', to: '192.0.2.9' });
    expect(shared.all).toEqual([]);
    for (const at of [20, 3 * hour]) {
      const b = new Bench(movement);
      b.flow({ at: 10, to: '192.0.2.9' });
      const calls = (): void => b.flow({ at, from: '10.0.1.6', to: '192.0.2.9' });
      if (at < 100) calls();
      b.flow({ at: 100, ...WINRM });
      if (at > 100) calls();
      expect(b.all, `${at} s`).toEqual([]);
    }
  });
  it('a look: one administering flow with little in it', () => {
    const b = new Bench(movement);
    b.flow({ at: 1, ...SSH });
    expect(b.all).toEqual([]);
  });
  it('flows of which none is ours, and says so', () => {
    const b = new Bench(movement);
    for (let i = 0; i < 300; i++) b.flow({ at: i, ...SSH, from: '192.0.2.1', to: '198.51.100.9' });
    b.detector.advance(1.8e15);
    expect(b.all).toEqual([]);
    expect(b.coverage).toEqual(['no-flow-of-ours']);
  });
  it('tries that failed and nothing else', () => {
    const b = new Bench(movement);
    for (let i = 0; i < 20; i++) b.flow({ at: i, ...WINRM, state: 'S0', down: 0 });
    expect(b.all).toEqual([]);
  });
});

describe('state', () => {
  it('is bounded, and what goes is counted', () => {
    const b = new Bench(movement);
    for (let i = 0; i < 3000; i++)
      b.flow({ at: i / 10, ...SSH, from: `10.1.${i >> 8}.${i & 255}`, to: `10.2.${i >> 8}.${i & 255}` });
    expect((b.detector.snapshot() as { hops: unknown[] }).hops).toHaveLength(512);
    expect(b.detector.shed).toBe(3000 - 512);
  });
  it('resumes: cut anywhere, the claims are those of one run', () => {
    const steps: ((b: Bench) => void)[] = [
      (b) => ticket(b, 0, 'ann/CORP', 'krbtgt/CORP', undefined, 11),
      (b) => b.flow({ at: 5, to: '198.51.100.7', down: 1_000_000 }),
      (b) => ticket(b, 100, 'eve/corp', 'HTTP/WS6'),
      (b) => b.flow({ at: 101, ...WINRM, up: 1_000_000 }),
      (b) => b.flow({ at: 130, from: '10.0.1.6', to: '198.51.100.7' }),
      (b) => b.flow({ at: 200, ...WINRM, from: '10.0.1.6', to: '10.0.1.8', up: 200_000, flow: 9, phase: 'Update' }),
      (b) => b.flow({ at: 200, ...WINRM, from: '10.0.1.6', to: '10.0.1.8', up: 300_000, flow: 9 }),
    ];
    const run = (cut: number): Finding[] => {
      const b = new Bench(movement);
      for (const [i, step] of steps.entries()) {
        if (i === cut) b.restart();
        step(b);
      }
      return b.all;
    };
    const whole = run(-1);
    expect(whole).toHaveLength(2);
    for (let cut = 0; cut < steps.length; cut++) expect(run(cut), `cut ${cut}`).toEqual(whole);
  });
  it('a state of an unknown version is refused', () => {
    expect(() => new Bench(movement).detector.restore({ version: 99 })).toThrow(/version/);
  });
});

const corpus = join(process.env.PARAPET_CORPUS ?? '../shared/corpus', 'flow/apt29');
describe.skipIf(!existsSync(corpus))('corpus flow/apt29 (skipped where it is not there: set PARAPET_CORPUS)', () => {
  const day = async (prefix: string): Promise<Finding[]> => {
    const paths = readdirSync(corpus)
      .filter((f) => f.startsWith(prefix) && /_(conn|kerberos|dce_rpc|smb_files|smb_mapping)\.log$/.test(f))
      .map((f) => join(corpus, f));
    const outcome = await analyze(paths, { city: defaultCity(), planes: new Set(['flow']) });
    return outcome.findings.filter((f) => f.detector === 'movement');
  };
  const steps = (findings: readonly Finding[]): string[] =>
    findings.map((f) => `${f.subject.value} > ${f.asset.ip}`).sort();
  const text = (f: Finding): string => f.reasons.map((r) => r.text).join('\n');

  it('day 1 (tune): the one pair of hosts, with its hops by WinRM, the copy and the runs of PsExec; nothing else', async () => {
    const findings = await day('day1_');
    expect(steps(findings)).toEqual(['10.0.1.4 > 10.0.1.6']);
    for (const time of ['00:33:2', '00:35:25', '00:36:17', '00:37:53', '00:40:'])
      expect(text(findings[0]!)).toContain(time);
  });
  it('day 2 (test, frozen): the three hops by WinRM on two targets, the switch of user, the forged ticket; nothing else', async () => {
    const findings = await day('day2_');
    expect(steps(findings)).toEqual(['10.0.1.5 > 10.0.0.4', '10.0.1.5 > 10.0.1.4']);
    expect(findings.map(text).join('\n')).toContain('it acts as mscott');
    expect(findings.map(text).join('\n')).toContain('it may be forged');
  });
});
