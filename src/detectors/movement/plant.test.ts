import { describe, expect, it } from 'vitest';
import { plantWriter } from './index.ts';
import { Bench } from './testing.ts';

const hour = 3600;
const plc = '10.20.0.9';
const read = (b: Bench, at: number, from = '10.20.0.1'): void =>
  b.operation({ at, from, to: plc, protocol: 'Modbus', act: 'Read', code: 3 });
const write = (b: Bench, at: number, from = '10.20.0.1', code = 6): void =>
  b.operation({ at, from, to: plc, protocol: 'Modbus', act: 'Write', code });

describe('fires on', () => {
  it('a first write from a host that never spoke to the controller, where another writes since long', () => {
    const b = new Bench(plantWriter);
    write(b, 0);
    write(b, 7 * hour, '10.20.0.66');
    expect(b.all).toMatchObject([{ asset: { ip: plc }, subject: { value: '10.20.0.66' }, severity: 'high' }]);
  });
  it('a reader since long that begins to write', () => {
    const b = new Bench(plantWriter);
    write(b, 0);
    read(b, 1, '10.20.0.66');
    write(b, 8 * hour, '10.20.0.66');
    expect(b.all).toMatchObject([{ bits: 11 }]);
  });
  it('stop, restart and download from the first minute on', () => {
    const cases = [
      { protocol: 'S7', code: 0x29, object: 'P_PROGRAM' },
      { protocol: 'S7', code: 0x1a, object: '_0A00001P' },
      { protocol: 'Dnp3', code: 13 },
      { protocol: 'Cip', code: 7 },
      { protocol: 'Bacnet', code: 20 },
      { protocol: 'Iec104', code: 105 },
      { protocol: 'Cip', code: 0x50, number: 0x6a },
      { protocol: 'Cip', code: 16, number: 0xf5 },
      { protocol: 'Cip', code: 0x20f80 },
      { protocol: 'Profinet', code: 0x10102, object: '192.168.0.5' },
      { protocol: 'Profinet', code: 0x10506 },
    ] as const;
    for (const c of cases) {
      const b = new Bench(plantWriter);
      b.operation({ at: 1, to: plc, act: 'Engineering', ...c });
      expect(b.all, `${c.protocol} ${c.code}`).toHaveLength(1);
    }
  });
  const password = { to: plc, protocol: 'S7', act: 'Login', code: 0x10501 } as const;
  it('a password for a controller’s program, and passwords that are tried', () => {
    const b = new Bench(plantWriter);
    b.operation({ at: 1, ...password });
    b.operation({ at: 1, ...password, role: 'Response', status: 0 });
    expect(b.all).toMatchObject([{ title: '10.0.1.4 shows a password to 10.20.0.9 (S7)', severity: 'medium' }]);
    for (let i = 2; i < 5; i++) {
      b.operation({ at: i, ...password });
      b.operation({ at: i, ...password, role: 'Response', status: 0xd602 });
    }
    expect(b.all.at(-1)!.reasons.map((r) => r.text)).toContain('3 passwords refused: it tries them');
    expect(b.claims.size).toBe(1);
  });
  it('messages that break the protocol, and a flood that nobody answers', () => {
    const b = new Bench(plantWriter);
    for (let i = 0; i < 40; i++) b.operation({ at: i, to: plc, protocol: 'Dnp3', code: i % 5 === 0 ? -2 : 1 });
    expect(b.all).toMatchObject([
      { title: '10.0.1.4 sends broken messages to 10.20.0.9 (DNP3)', techniques: ['T0814'] },
    ]);
    const late = new Bench(plantWriter);
    for (let i = 0; i < 20_000; i++) late.operation({ at: i, to: plc, protocol: 'Dnp3', act: 'Read', code: 1 });
    for (let i = 0; i < 40; i++)
      late.operation({ at: 24_000 + i, to: plc, protocol: 'Dnp3', code: i % 5 === 0 ? -2 : 1 });
    expect(late.all.map((x) => x.techniques)).toEqual([['T0814']]);
    const f = new Bench(plantWriter);
    for (let i = 0; i < 100; i++) f.operation({ at: i / 200, to: plc, protocol: 'Dnp3', act: 'Read', code: 1 });
    expect(f.all).toMatchObject([{ title: '10.0.1.4 floods 10.20.0.9 (DNP3)' }]);
  });
  it('GOOSE: stNum falls; another station publishes an old state', () => {
    const b = new Bench(plantWriter);
    const goose = (at: number, number: number, count: number, from = 'fe80::1'): void =>
      b.operation({
        at,
        from,
        to: 'fe80::2',
        protocol: 'Goose',
        act: 'Read',
        role: 'Unsolicited',
        object: 'A$GO$1',
        unit: 1,
        number,
        count,
      });
    goose(0, 5, 0);
    goose(1, 5, 1);
    goose(2, 6, 0);
    expect(b.all).toEqual([]);
    goose(3, 5, 7, 'fe80::3');
    expect(b.all).toMatchObject([{ techniques: ['T0856'], bits: 18 }]);
    goose(4, 6, 1);
    expect(b.claims.size).toBe(1);
  });
});

describe('silent on', () => {
  it('polls and the writes of the writer of the first hours', () => {
    const b = new Bench(plantWriter);
    for (let i = 0; i < 100; i++) {
      read(b, i * hour);
      write(b, i * hour);
    }
    expect(b.all).toEqual([]);
  });
  it('answers, readers that are new, and work from the engineering station', () => {
    const b = new Bench(plantWriter, { assets: [{ id: 'es', role: 'engineering-station', ip: '10.20.0.5' }] });
    write(b, 0);
    read(b, 9 * hour, '10.20.0.77');
    b.operation({
      at: 9 * hour,
      from: '10.20.0.77',
      to: plc,
      protocol: 'Modbus',
      act: 'Write',
      role: 'Response',
      code: 6,
    });
    b.operation({ at: 1, from: '10.20.0.5', to: plc, protocol: 'S7', act: 'Engineering', code: 0x1a });
    expect(b.all).toEqual([]);
  });
  it('a fast poller that is answered, one seen from one side, and a noisy line', () => {
    const b = new Bench(plantWriter);
    const ask = { to: plc, protocol: 'Modbus', act: 'Read', code: 3 } as const;
    for (let i = 0; i < 400; i++) {
      b.operation({ at: i / 1000, ...ask });
      if (i % 50 === 49) b.operation({ at: i / 1000, ...ask, role: 'Response' });
    }
    const oneSided = new Bench(plantWriter);
    for (let i = 0; i < 4000; i++) oneSided.operation({ at: i / 50, ...ask });
    const noisy = new Bench(plantWriter);
    for (let i = 0; i < 4000; i++)
      noisy.operation({ at: i / 50, to: plc, protocol: 'Dnp3', act: 'Read', code: i % 100 === 99 ? -2 : 1 });
    expect([...b.all, ...oneSided.all, ...noisy.all]).toEqual([]);
  });
  it('GOOSE of a publisher that was started anew', () => {
    const b = new Bench(plantWriter);
    for (const [at, number, count] of [
      [0, 1, 12],
      [1, 1, 1],
      [2, 1, 2],
      [3, 9, 0],
      [4, 1, 1],
      [5, 1, 2],
    ] as const)
      b.operation({
        at,
        from: 'fe80::1',
        to: 'fe80::2',
        protocol: 'Goose',
        act: 'Read',
        role: 'Unsolicited',
        object: 'A',
        number,
        count,
      });
    expect(b.all).toEqual([]);
  });
});

describe('state', () => {
  it('is bounded, and what goes is counted', () => {
    const b = new Bench(plantWriter);
    for (let i = 0; i < 21_000; i++) read(b, i / 100, `10.${30 + (i >> 16)}.${(i >> 8) & 255}.${i & 255}`);
    expect((b.detector.snapshot() as { pairs: unknown[] }).pairs).toHaveLength(20_000);
    expect(b.detector.shed).toBe(1000);
  });
  it('resumes as if it had not stopped', () => {
    const run = (restart: boolean) => {
      const b = new Bench(plantWriter);
      write(b, 0);
      read(b, 1, '10.20.0.66');
      if (restart) b.restart();
      write(b, 8 * hour, '10.20.0.66');
      if (restart) b.restart();
      write(b, 9 * hour, '10.20.0.66', 16);
      return b.all;
    };
    expect(run(true)).toEqual(run(false));
    expect(() => new Bench(plantWriter).detector.restore({ version: 9 })).toThrow(/version/);
  });
});
