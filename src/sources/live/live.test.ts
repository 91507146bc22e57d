import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { EventBatch, Sink } from '#events';
import { LiveError, type LiveSource, liveFaults, openLive } from '#sources/live';

const netns = `parapet-live-${process.pid}`;
const run = (...words: string[]): boolean => spawnSync(words[0]!, words.slice(1)).status === 0;
const isPermitted = run('ip', 'netns', 'add', netns);
const hasTcpdump = spawnSync('tcpdump', ['--version']).error === undefined;
const hasDumpcap = spawnSync('dumpcap', ['--version']).error === undefined;
if (!hasDumpcap) console.log('skipped: dumpcap is not installed');
if (!isPermitted) console.log('skipped: network namespaces are not permitted here');
if (!hasTcpdump) console.log('skipped: tcpdump is not installed');
afterAll(() => {
  if (isPermitted) run('ip', 'netns', 'delete', netns);
});

function hear(): { payloads: string[]; faults: string[]; sink: Sink } {
  const payloads: string[] = [];
  const faults: string[] = [];
  const emit = (batch: EventBatch): void => {
    if (batch.kind !== 'frame') throw new Error(batch.kind);
    for (let i = 0; i < batch.count; i++) {
      const o = batch.offset[i]!;
      payloads.push(Buffer.from(batch.bytes.subarray(o, o + batch.length[i]!)).toString('latin1'));
    }
  };
  return { payloads, faults, sink: { emit, fault: (code) => void faults.push(code) } };
}

/** Sends datagrams from another process inside the namespace. */
function send(port: number, texts: readonly string[], times = 1): void {
  const script = `
    const s = require('node:dgram').createSocket('udp4');
    const texts = Array(${times}).fill(${JSON.stringify(texts)}).flat();
    let left = texts.length;
    for (const t of texts) s.send(t, ${port}, '127.0.0.1', () => { if (--left === 0) s.close(); });`;
  const done = spawnSync('ip', ['netns', 'exec', netns, process.execPath, '-e', script]);
  if (done.status !== 0) throw new Error(done.stderr.toString());
}

async function code(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof LiveError) {
      expect(liveFaults[error.code]!.remedy).toBe(error.remedy);
      return error.code;
    }
    throw error;
  }
  return 'none';
}

describe.skipIf(!isPermitted || !hasTcpdump)('a live interface', () => {
  const through = ['ip', 'netns', 'exec', netns];
  const opened: LiveSource[] = [];
  const track = (source: LiveSource): LiveSource => {
    opened.push(source);
    return source;
  };
  afterEach(() => {
    for (const source of opened.splice(0)) source.close();
  });
  beforeAll(() => {
    expect(run(...through, 'ip', 'link', 'set', 'lo', 'up')).toBe(true);
  });

  it('gives packets as they pass, drops its rights, and ends cleanly with its counts', async () => {
    const source = track(await openLive({ interface: 'lo', filter: 'udp port 5353', through }));
    const heard = hear();
    const uids = /^Uid:\s+(\d+)\s+(\d+)/m.exec(readFileSync(`/proc/${source.pid}/status`, 'utf8'))!;
    expect([uids[1], uids[2]]).not.toContain('0');
    send(5353, ['one', 'two']);
    send(5354, ['other port']);
    expect(await source.peekAt()).toBeGreaterThan(1e15);
    while (heard.payloads.length < 2) expect(await source.pull(Number.POSITIVE_INFINITY, heard.sink)).toBe(true);
    send(5353, ['three']);
    source.stop();
    while (await source.pull(Number.POSITIVE_INFINITY, heard.sink));
    expect(heard.payloads.map((p) => p.slice(42))).toEqual(['one', 'two', 'three'].slice(0, heard.payloads.length));
    expect(heard.faults).toEqual([]);
    expect(source.loss.droppedByKernel).toBe(0);
    expect(source.loss.captured).toBe(heard.payloads.length);
  });

  it('says what the kernel dropped when it is not read in time', async () => {
    const source = track(await openLive({ interface: 'lo', bufferKib: 2, through }));
    const heard = hear();
    // Nobody reads the pipe: it takes 64 kB, the rest overflows the kernel buffer.
    send(9, ['x'.repeat(8000)], 2000);
    source.stop();
    while (await source.pull(Number.POSITIVE_INFINITY, heard.sink));
    expect(source.loss.droppedByKernel).toBeGreaterThan(0);
    expect(heard.faults).toEqual(['LIVE_DROPPED']);
  });

  it('tells its counts while it runs', async () => {
    const source = track(await openLive({ interface: 'lo', bufferKib: 2, through }));
    const heard = hear();
    send(9, ['x'.repeat(8000)], 2000);
    expect(source.loss.droppedByKernel).toBe(-1);
    source.ask();
    // A pull waits for a packet, so there is always one more.
    for (let i = 0; i < 50 && source.loss.droppedByKernel < 0; i++) {
      send(9, ['more']);
      await source.pull(Number.POSITIVE_INFINITY, heard.sink);
    }
    expect(source.loss.droppedByKernel).toBeGreaterThan(0);
    send(9, ['more']);
    await source.pull(Number.POSITIVE_INFINITY, heard.sink);
    expect(heard.faults).toEqual(['LIVE_DROPPED']);
  });

  it('takes several interfaces at once, and all of them as one', async () => {
    const pair = ['link', 'add', 'pa', 'type', 'veth', 'peer', 'name', 'pb'];
    expect(run(...through, 'ip', ...pair)).toBe(true);
    for (const name of ['pa', 'pb']) expect(run(...through, 'ip', 'link', 'set', name, 'up')).toBe(true);
    const sources = await Promise.all(
      ['lo', 'pa', 'any'].map((name) => openLive({ interface: name, filter: 'udp port 5355', through })),
    );
    const heard = sources.map((source) => ({ source: track(source), ...hear() }));
    send(5355, ['to lo']);
    const [lo, pa, any] = heard as [(typeof heard)[0], (typeof heard)[0], (typeof heard)[0]];
    for (const h of [lo, any])
      while (h.payloads.length === 0) expect(await h.source.pull(Number.POSITIVE_INFINITY, h.sink)).toBe(true);
    for (const h of heard) {
      h.source.stop();
      while (await h.source.pull(Number.POSITIVE_INFINITY, h.sink));
      expect(h.faults).toEqual([]);
    }
    expect(lo.payloads[0]).toContain('to lo');
    expect(any.payloads[0]).toContain('to lo');
    expect(pa.payloads).toEqual([]);
  });

  it.skipIf(!hasDumpcap)('takes dumpcap too, and its counts and refusals', async () => {
    const source = track(await openLive({ interface: 'lo', filter: 'udp port 5353', through, tool: 'dumpcap' }));
    const heard = hear();
    const capabilities = /^CapEff:\s+(\w+)/m.exec(readFileSync(`/proc/${source.pid}/status`, 'utf8'))!;
    expect(Number(`0x${capabilities[1]}`)).toBe(0);
    send(5353, ['one', 'two']);
    while (heard.payloads.length < 2) expect(await source.pull(Number.POSITIVE_INFINITY, heard.sink)).toBe(true);
    source.stop();
    while (await source.pull(Number.POSITIVE_INFINITY, heard.sink));
    expect(heard.payloads.map((p) => p.slice(42))).toEqual(['one', 'two']);
    expect(heard.faults).toEqual([]);
    expect(source.loss).toEqual({ captured: 2, receivedByFilter: 2, droppedByKernel: 0, droppedByInterface: 0 });
    const tool = 'dumpcap';
    expect(await code(openLive({ interface: 'nosuch0', through, tool }))).toBe('LIVE_NO_INTERFACE');
    expect(await code(openLive({ interface: 'lo', filter: 'port port', through, tool }))).toBe('LIVE_FILTER');
  });

  it.skipIf(!hasDumpcap)('falls back to dumpcap where there is no tcpdump', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'parapet-path-'));
    const where = spawnSync('sh', ['-c', 'command -v dumpcap; command -v sh'], { encoding: 'utf8' }).stdout.split('\n');
    symlinkSync(where[0]!, join(folder, 'dumpcap'));
    symlinkSync(where[1]!, join(folder, 'sh'));
    const before = process.env.PATH;
    process.env.PATH = folder;
    try {
      const source = track(await openLive({ interface: 'lo' }));
      expect(readFileSync(`/proc/${source.pid}/comm`, 'utf8').trim()).toBe('dumpcap');
    } finally {
      process.env.PATH = before;
    }
  });

  it('ends when this process is killed, also on a silent interface', async () => {
    const script = `
      import { openLive } from '#sources/live';
      const source = await openLive({ interface: 'lo', filter: 'udp port 1', through: ${JSON.stringify(through)} });
      console.log(source.pid);
      setInterval(() => {}, 1000);`;
    const us = spawn(process.execPath, ['--input-type=module', '-e', script], {
      cwd: join(import.meta.dirname, '../../..'),
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const pid = Number(await new Promise((resolve) => us.stdout.once('data', (chunk) => resolve(String(chunk)))));
    expect(existsSync(`/proc/${pid}`)).toBe(true);
    us.kill('SIGKILL');
    // In a container without an init the dead child may stay as a zombie: it is gone when it has no command any more.
    const isGone = (): boolean => !existsSync(`/proc/${pid}`) || readFileSync(`/proc/${pid}/cmdline`, 'utf8') === '';
    for (let i = 0; i < 300 && !isGone(); i++) await sleep(10);
    expect(isGone()).toBe(true);
  });

  it('says when the child dies by itself', async () => {
    const source = track(await openLive({ interface: 'lo', through }));
    const heard = hear();
    process.kill(source.pid, 'SIGTERM');
    while (await source.pull(Number.POSITIVE_INFINITY, heard.sink));
    expect(heard.faults).toEqual(['LIVE_FAILED']);
  });

  it('is refused with a code and a remedy where it can not start', async () => {
    expect(await code(openLive({ interface: 'nosuch0', through }))).toBe('LIVE_NO_INTERFACE');
    expect(await code(openLive({ interface: '-w/tmp/x', through }))).toBe('LIVE_NO_INTERFACE');
    expect(await code(openLive({ interface: 'lo', filter: 'port port', through }))).toBe('LIVE_FILTER');
    expect(await code(openLive({ interface: 'lo', filter: '-w /tmp/x', through }))).toBe('LIVE_FILTER');
    expect(await code(openLive({ interface: 'lo', through: ['no-such-program'] }))).toBe('LIVE_NO_TCPDUMP');
    const asNobody = ['setpriv', '--reuid', '65534', '--regid', '65534', '--clear-groups'];
    expect(await code(openLive({ interface: 'lo', through: [...through, ...asNobody] }))).toBe('LIVE_NOT_PERMITTED');
  });
});
