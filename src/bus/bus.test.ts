import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import type { BusMessage, Channel, ChannelOptions } from '#bus';
import { forkChannel } from '#bus';
import type { Command, Reading } from '#events';

const children: ChildProcess[] = [];
afterEach(async () => {
  for (const child of children.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
});

function start(options: ChannelOptions = {}): { channel: Channel; child: ChildProcess; heard: BusMessage[] } {
  const heard: BusMessage[] = [];
  const { child, channel } = forkChannel(
    join(import.meta.dirname, 'bus.fixture.ts'),
    [],
    { onMessage: (m) => void heard.push(m), ...options },
    { execArgv: [], stdio: ['ignore', 'ignore', 'inherit', 'ipc'] },
  );
  children.push(child);
  return { channel, child, heard };
}

const command = (id: string, reason = ''): Command => ({
  kind: 'command',
  id,
  at: 1,
  requester: 'op',
  target: 'power/branch/9',
  action: 'open',
  value: undefined,
  deadline: 0,
  reason,
  nonce: 'n',
  origin: { file: 'f', placed: 'line' },
  place: 1,
});
const reading = (seq: number): Reading => ({
  kind: 'reading',
  at: seq,
  asset: 'm1',
  quantity: 'power/bus/1/v',
  value: seq,
  sigma: 0,
  via: '',
  seq,
  origin: { file: 'f', placed: 'line' },
  place: seq,
});
async function until(holds: () => boolean): Promise<void> {
  for (let i = 0; i < 1000 && !holds(); i++) await wait(10);
  expect(holds()).toBe(true);
}

describe('the bus between two processes', () => {
  it('carries messages whole and in order, with values that JSON has none for', async () => {
    const { channel, heard } = start();
    const sent: BusMessage[] = [
      { kind: 'readings', readings: [reading(1)] },
      { kind: 'advance', at: Number.POSITIVE_INFINITY },
      {
        kind: 'checkpointed',
        at: 5,
        sources: [{ file: 'a', position: 2 ** 40 }],
        detectors: [{ name: 'd', state: { table: new Float64Array([Number.NaN, 1]), none: undefined } }],
      },
    ];
    for (const message of sent) await channel.send(message);
    await until(() => heard.length === 3);
    expect(heard).toEqual(sent);
    expect(channel.faults).toBe(0);
  });

  it('holds the sender back while the other end is behind', async () => {
    const { channel, heard } = start({ windowMax: 8, waitingMax: 20 });
    await channel.send({ kind: 'advance', at: 0 });
    await until(() => heard.length === 1 && channel.outstanding === 0);
    let onTheirWay = 0;
    const sends = Array.from({ length: 28 }, (_, i) =>
      channel.send({ kind: 'readings', readings: [reading(i)] }).then(() => {
        onTheirWay += 1;
      }),
    );
    await Promise.resolve();
    expect(channel.outstanding).toBe(28);
    await expect(channel.send({ kind: 'advance', at: 1 })).rejects.toMatchObject({ code: 'BUS_FULL' });
    expect(channel.trySend({ kind: 'advance', at: 1 })).toBe(false);
    expect(onTheirWay).toBe(8);
    await Promise.all(sends);
    await until(() => heard.length === 29 && channel.outstanding === 0);
    expect(heard.slice(1).map((m) => (m.kind === 'readings' ? m.readings[0]!.at : -1))).toEqual(
      Array.from({ length: 28 }, (_, i) => i),
    );
    expect(channel.trySend({ kind: 'advance', at: 2 })).toBe(true);
  });

  it('brings the verdict on a command, also while telemetry waits', async () => {
    const { channel } = start({ windowMax: 2 });
    for (let i = 0; i < 200; i++) void channel.send({ kind: 'readings', readings: [reading(i)] }).catch(() => {});
    const answer = await channel.request(command('c1'), 10_000);
    expect(answer).toMatchObject({ kind: 'verdict', command: 'c1', decision: 'pass' });
    expect(channel.outstanding).toBeGreaterThan(0);
  });

  it('is late, never silent: at the deadline, on a failure, on too many', async () => {
    const { channel } = start({ requestsMax: 2 });
    expect(await channel.request(command('warm'), 10_000)).toMatchObject({ kind: 'verdict' });
    const slow = channel.request(command('c1', 'slow'), 20);
    const other = channel.request(command('c2', 'slow'), 10_000);
    expect(await channel.request(command('c3'), 10_000)).toMatchObject({ kind: 'late', why: 'overload' });
    expect(await slow).toMatchObject({ kind: 'late', why: 'deadline' });
    expect(await other).toMatchObject({ kind: 'verdict', command: 'c2' });
    await until(() => channel.lateAnswers === 1);
    expect(await channel.request(command('c4', 'throw'), 10_000)).toMatchObject({
      kind: 'late',
      why: 'failed',
      text: 'The judgement failed: singular matrix',
    });
  });

  it('says at once that the other process was killed', async () => {
    let closed = 0;
    const { channel, child } = start({ windowMax: 1, onClose: () => void (closed += 1) });
    expect(await channel.request(command('warm'), 10_000)).toMatchObject({ kind: 'verdict' });
    const held = channel.request(command('c1', 'die'), 60_000);
    await channel.send({ kind: 'readings', readings: [reading(1)] }).catch(() => {});
    const waiting = channel.send({ kind: 'advance', at: 1 }).then(
      () => 'sent',
      (error: { code: string }) => error.code,
    );
    expect(await held).toMatchObject({ kind: 'late', why: 'closed' });
    expect(['sent', 'BUS_CLOSED']).toContain(await waiting);
    if (child.signalCode === null) await once(child, 'exit');
    expect(await channel.request(command('c2'), 60_000)).toMatchObject({ kind: 'late', why: 'closed' });
    await expect(channel.send({ kind: 'advance', at: 1 })).rejects.toMatchObject({ code: 'BUS_CLOSED' });
    expect(channel.isClosed).toBe(true);
    expect(closed).toBe(1);
  });

  it('keeps its deadline while the other process hangs', async () => {
    const { channel } = start();
    expect(await channel.request(command('warm'), 10_000)).toMatchObject({ kind: 'verdict' });
    await channel.send({ kind: 'health', process: 'x', at: 0, shed: 0, rssBytes: 0, text: 'block' });
    expect(await channel.request(command('c1'), 50)).toMatchObject({ kind: 'late', why: 'deadline' });
  });

  it('counts what it can not understand or handle, and goes on', async () => {
    const errors: string[] = [];
    const { channel, child, heard } = start({ onError: (e) => void errors.push(e.message) });
    for (const raw of [7, null, { m: 1 }, { m: 2, body: { kind: 'shell' } }, { q: 1, body: { kind: 'findings' } }, {}])
      if (raw !== null) child.send(raw as never);
    await channel.send({ kind: 'advance', at: -1 });
    await channel.send({ kind: 'advance', at: 3 });
    await until(() => heard.length === 1);
    expect(heard).toEqual([{ kind: 'advance', at: 3 }]);
    expect(await channel.request(command('c1'), 10_000)).toMatchObject({ kind: 'verdict' });
    child.emit('message', 'nonsense');
    expect(channel.faults).toBe(1);
  });

  it('bounds what a flood of the other end can make wait here', async () => {
    let release = (): void => {};
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    let handled = 0;
    const { channel, child } = start({
      onMessage: async () => {
        await gate;
        handled += 1;
      },
    });
    for (let m = 1; m <= 5000; m++) child.emit('message', { m, body: { kind: 'advance', at: m } });
    expect(channel.faults).toBe(5000 - 4096);
    release();
    await until(() => handled === 4096);
  });

  it('is closed from the start where the child can not be started', async () => {
    const { child, channel } = forkChannel('/nonexistent.ts', [], {}, { stdio: 'ignore' });
    children.push(child);
    expect(await channel.request(command('c1'), 60_000)).toMatchObject({ kind: 'late', why: 'closed' });
  });
});
