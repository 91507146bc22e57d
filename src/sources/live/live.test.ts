import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { EventBatch, Sink } from '#events';
import { LiveError, type LiveSource, liveFaults, openLive } from '#sources/live';

const netns = `parapet-live-${process.pid}`;
const run = (...words: string[]): boolean => spawnSync(words[0]!, words.slice(1)).status === 0;
const isPermitted = run('ip', 'netns', 'add', netns);
const hasTcpdump = spawnSync('tcpdump', ['--version']).error === undefined;
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
