import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, statSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { DnstapError, type DnstapListener, type DnstapOptions, dnstapListenFaults, openDnstap } from '#sources/dnstap';
import { control, DNSTAP, data, hear, message, query, start, stop, u32 } from './testing.ts';

const dir = mkdtempSync(join(tmpdir(), 'parapet-tap-'));
let sockets = 0;
const path = (): string => join(dir, `s${sockets++}`);
const opened: { close(): void }[] = [];
afterEach(() => {
  for (const o of opened.splice(0)) o.close();
});

async function open(unix: string, options: DnstapOptions = {}): Promise<DnstapListener> {
  const listener = await openDnstap({ unix }, options);
  opened.push(listener);
  return listener;
}

/** A sender, and what it hears. */
async function dial(at: string | number): Promise<{ socket: Socket; heard: () => string; isClosed: () => boolean }> {
  const socket = typeof at === 'string' ? connect(at) : connect(at, '127.0.0.1');
  let heard = '';
  let isClosed = false;
  socket.on('data', (chunk) => (heard += chunk.toString('hex')));
  socket.on('error', () => {});
  socket.on('close', () => (isClosed = true));
  opened.push({ close: () => void socket.destroy() });
  await new Promise<void>((resolve) => socket.once('connect', () => resolve()));
  return { socket, heard: () => heard, isClosed: () => isClosed };
}

const asks = (n: number): Buffer =>
  data(message({ type: 5, clientPort: n, querySeconds: 1_700_000_000 + n, query: query(n) }));

async function until(isTrue: () => boolean): Promise<void> {
  for (let i = 0; i < 1000 && !isTrue(); i++) await sleep(5);
  expect(isTrue()).toBe(true);
}

/** Pulls until `count` rows have come. */
async function take(listener: DnstapListener, heard: ReturnType<typeof hear>, count: number): Promise<void> {
  while (heard.rows.length < count) {
    await listener.peekAt();
    if (!(await listener.pull(Number.POSITIVE_INFINITY, heard.sink))) break;
  }
}

describe('a dnstap listener', () => {
  it('answers READY with ACCEPT and STOP with FINISH', async () => {
    const unix = path();
    const listener = await open(unix);
    const heard = hear();
    const sender = await dial(unix);
    sender.socket.write(control(4, DNSTAP, Buffer.concat([u32(9, 2), Buffer.from('xy')])));
    await until(() => sender.heard() === control(1, DNSTAP).toString('hex'));
    sender.socket.write(Buffer.concat([start, asks(1), asks(2), stop]));
    await take(listener, heard, 2);
    await until(() => sender.heard().endsWith(control(5).toString('hex')) && sender.isClosed());
    await until(() => listener.senders === 0);
    expect(heard.rows.map((r) => [r.at, r.clientPort, r.place])).toEqual([
      [1_700_000_001e6, 1, 1],
      [1_700_000_002e6, 2, 2],
    ]);
    expect(heard.faults).toEqual([]);
    expect(listener.name).toBe(`dnstap:unix:${unix}`);
  });

  it('takes senders that only speak, several at once, over TCP, and says nothing to them', async () => {
    const listener = await openDnstap({ tcp: ':0' });
    opened.push(listener);
    const port = Number(/^dnstap:tcp:127\.0\.0\.1:(\d+)$/.exec(listener.name)![1]);
    const heard = hear();
    const senders = await Promise.all([dial(port), dial(port), dial(port)]);
    for (const [k, { socket }] of senders.entries()) {
      socket.write(start);
      for (let i = 0; i < 500; i++) socket.write(asks(1000 * k + i));
    }
    await take(listener, heard, 1500);
    for (let k = 0; k < 3; k++)
      expect(heard.rows.map((r) => r.clientPort).filter((n) => Math.floor(n / 1000) === k)).toEqual(
        Array.from({ length: 500 }, (_, i) => 1000 * k + i),
      );
    expect(senders.map((s) => s.heard())).toEqual(['', '', '']);
    for (const { socket } of senders) socket.end(stop);
    await until(() => listener.senders === 0);
    await listener.pull(Number.POSITIVE_INFINITY, heard.sink);
    expect(heard.faults).toEqual([]);
  });

  it('gives the same rows however the stream comes in', async () => {
    const unix = path();
    const listener = await open(unix);
    const stream = Buffer.concat([control(4, DNSTAP), start, asks(1), data(Buffer.alloc(9)), asks(2), stop]);
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(stream.length), { maxLength: 12 }), async (cuts) => {
        const heard = hear();
        const { socket } = await dial(unix);
        socket.setNoDelay(true);
        const at = [0, ...cuts.sort((a, b) => a - b), stream.length];
        for (let i = 1; i < at.length; i++) {
          socket.write(stream.subarray(at[i - 1], at[i]));
          await new Promise((resolve) => setImmediate(resolve));
        }
        await take(listener, heard, 2);
        expect(heard.rows.map((r) => r.clientPort)).toEqual([1, 2]);
        expect(heard.faults).toEqual(['DNSTAP_PROTOBUF']);
        await until(() => listener.senders === 0);
      }),
      { numRuns: 50, seed: 2 },
    );
  });

  it('a sender that lies about a length or its content is cut off, and the others go on', async () => {
    const unix = path();
    const listener = await open(unix);
    const heard = hear();
    const good = await dial(unix);
    good.socket.write(start);
    for (const lie of [
      Buffer.concat([start, u32(0x7fffffff)]),
      u32(0, 100_000),
      control(4, 'protobuf:other'),
      Buffer.from('GET / HTTP/1.1\r\n'),
    ]) {
      const sender = await dial(unix);
      sender.socket.write(lie);
      await until(sender.isClosed);
    }
    const cut = await dial(unix);
    cut.socket.end(Buffer.concat([start, asks(5), asks(6).subarray(0, 20)]));
    await until(cut.isClosed);
    good.socket.write(asks(1));
    await take(listener, heard, 2);
    expect(heard.rows.map((r) => r.clientPort)).toEqual([5, 1]);
    expect(heard.faults).toEqual([
      'DNSTAP_FRAME_LENGTH',
      'DNSTAP_FRAME_LENGTH',
      'DNSTAP_CONTENT_TYPE',
      'DNSTAP_FRAME_LENGTH',
      'DNSTAP_TRUNCATED',
    ]);
    for (const code of heard.faults) expect(dnstapListenFaults).toHaveProperty(code);
    expect(listener.loss.cut).toBe(1);
  });

  it('a sender that never begins is cut off, and so is one too many', async () => {
    const unix = path();
    const listener = await open(unix, { handshakeMillis: 50, sendersMax: 2 });
    const heard = hear();
    const mute = await dial(unix);
    const good = await dial(unix);
    good.socket.write(start);
    await until(() => listener.senders === 2);
    const third = await dial(unix);
    await until(() => third.isClosed() && mute.isClosed());
    expect(good.isClosed()).toBe(false);
    await listener.peekAt();
    await listener.pull(Number.POSITIVE_INFINITY, heard.sink);
    expect(heard.faults).toEqual(['DNSTAP_SENDERS', 'DNSTAP_HANDSHAKE']);
  });

  it('holds senders back when it is not read, and loses nothing if it is read in time', async () => {
    const unix = path();
    const listener = await open(unix, { queueBytes: 512 * 1024, holdMillis: 60_000 });
    const heard = hear();
    const { socket } = await dial(unix);
    socket.write(start);
    const count = 40_000;
    for (let i = 0; i < count; i++) socket.write(asks(i));
    await until(() => listener.loss.held > 0);
    // Nothing is taken any more: the sender's own buffers are full.
    const before = listener.progress.read;
    await sleep(100);
    expect(listener.progress.read).toBe(before);
    expect(before).toBeLessThan(2_000_000);
    await take(listener, heard, count);
    expect(heard.rows.every((r, i) => r.clientPort === i)).toBe(true);
    expect(heard.faults).toEqual([]);
    expect(listener.loss).toMatchObject({ shed: 0, cut: 0 });
  });

  it('drops and counts when it is not read for too long; rows and drops are all there were', async () => {
    const unix = path();
    const listener = await open(unix, { queueBytes: 512 * 1024, holdMillis: 50 });
    const heard = hear();
    const { socket } = await dial(unix);
    socket.write(start);
    const count = 40_000;
    const all = Array.from({ length: count }, (_, i) => asks(i));
    for (const frame of all) socket.write(frame);
    const bytes = start.length + all.reduce((n, f) => n + f.length, 0);
    await until(() => listener.progress.read === bytes);
    expect(listener.loss.shed).toBeGreaterThan(1000);
    await take(listener, heard, count - listener.loss.shed);
    expect(heard.rows).toHaveLength(count - listener.loss.shed);
    expect(heard.faults).toEqual(['DNSTAP_SHED']);
    // Room again: nothing more is dropped.
    const { shed } = listener.loss;
    socket.write(asks(50_000));
    await take(listener, heard, count - shed + 1);
    expect(heard.rows.at(-1)!.clientPort).toBe(50_000);
    expect(listener.loss.shed).toBe(shed);
  });

  it('gives what waits after stop, then ends', async () => {
    const unix = path();
    const listener = await open(unix);
    const heard = hear();
    const { socket, isClosed } = await dial(unix);
    socket.write(Buffer.concat([start, asks(1), asks(2)]));
    await listener.peekAt();
    listener.stop();
    while (await listener.pull(Number.POSITIVE_INFINITY, heard.sink));
    expect(heard.rows).toHaveLength(2);
    expect(await listener.peekAt()).toBe(Number.POSITIVE_INFINITY);
    await until(isClosed);
    expect(existsSync(unix)).toBe(false);
    const waiting = await open(path());
    const end = waiting.peekAt();
    waiting.close();
    expect(await end).toBe(Number.POSITIVE_INFINITY);
  });
});

describe('the place to listen at', () => {
  async function refusal(promise: Promise<DnstapListener>): Promise<string> {
    try {
      opened.push(await promise);
    } catch (error) {
      if (!(error instanceof DnstapError)) throw error;
      expect(error.remedy).toBe(dnstapListenFaults[error.code]!.remedy);
      return error.code;
    }
    return 'none';
  }

  it('is a socket that owner and group may use', async () => {
    const unix = path();
    await open(unix);
    expect(statSync(unix).mode & 0o777).toBe(0o660);
  });

  it('is taken over from a killed process, and never from a living one or a file', async () => {
    const unix = path();
    const script = `require('node:net').createServer().listen(${JSON.stringify(unix)}, () => console.log('up'))`;
    const other = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
    await new Promise((resolve) => other.stdout.once('data', resolve));
    expect(await refusal(openDnstap({ unix }))).toBe('DNSTAP_IN_USE');
    other.kill('SIGKILL');
    await new Promise((resolve) => other.once('close', resolve));
    expect(existsSync(unix)).toBe(true);
    expect(await refusal(openDnstap({ unix }))).toBe('none');
    const file = path();
    writeFileSync(file, 'kept');
    expect(await refusal(openDnstap({ unix: file }))).toBe('DNSTAP_ADDRESS');
    expect(existsSync(file)).toBe(true);
  });

  it('is refused with a code and a remedy where it can not be', async () => {
    expect(await refusal(openDnstap({ unix: '' }))).toBe('DNSTAP_ADDRESS');
    expect(await refusal(openDnstap({ unix: `${dir}/${'x'.repeat(120)}` }))).toBe('DNSTAP_ADDRESS');
    expect(await refusal(openDnstap({ unix: `${dir}/no/such/folder` }))).toBe('DNSTAP_ADDRESS');
    for (const tcp of ['', '127.0.0.1', 'x:y:1', '127.0.0.1:70000', '192.0.2.1:0'])
      expect(await refusal(openDnstap({ tcp }))).toBe('DNSTAP_ADDRESS');
    const first = await openDnstap({ tcp: '[::1]:0' });
    opened.push(first);
    const port = /:(\d+)$/.exec(first.name)![1];
    expect(await refusal(openDnstap({ tcp: `[::1]:${port}` }))).toBe('DNSTAP_IN_USE');
  });
});
