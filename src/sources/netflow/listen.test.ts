import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { netflow as decoderKind } from '#decoders/netflow';
import { type EventBatch, type FlowBatch, FlowPhase, formatAddress, type PacketBatch, type Sink } from '#events';
import {
  NetflowError,
  type NetflowListener,
  type NetflowOptions,
  netflowListenFaults,
  openNetflow,
} from '#sources/netflow';

const opened: NetflowListener[] = [];
afterEach(() => {
  for (const l of opened.splice(0)) l.close();
});

async function open(udp = ':0', options: NetflowOptions = {}): Promise<NetflowListener> {
  const listener = await openNetflow({ udp }, options);
  opened.push(listener);
  return listener;
}

async function send(port: number, datagrams: readonly Uint8Array[], address = '127.0.0.1'): Promise<number> {
  const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
  for (const d of datagrams) await new Promise((done) => socket.send(d, port, address, done));
  const from = socket.address().port;
  socket.close();
  return from;
}

interface Row {
  at: number;
  place: number;
  from: string;
  fromPort: number;
  toPort: number;
  parts: number;
  payload: string;
}

function hear(): { rows: Row[]; faults: string[]; sink: Sink } {
  const rows: Row[] = [];
  const faults: string[] = [];
  const emit = (batch: EventBatch): void => {
    const b = batch as PacketBatch;
    expect(b.kind).toBe('packet');
    for (let i = 0; i < b.count; i++) {
      const at = b.payloadOffset[i]!;
      rows.push({
        at: b.at[i]!,
        place: b.place[i]!,
        from: formatAddress(b.addresses, 8 * i),
        fromPort: b.sourcePort[i]!,
        toPort: b.destinationPort[i]!,
        parts: b.parts[i]!,
        payload: Buffer.from(b.bytes.subarray(at, at + b.payloadCaptured[i]!)).toString(),
      });
    }
    b.bytes = new Uint8Array(0);
  };
  return { rows, faults, sink: { emit, fault: (code) => void faults.push(code) } };
}

async function take(listener: NetflowListener, heard: ReturnType<typeof hear>, count: number): Promise<void> {
  while (heard.rows.length < count) {
    await listener.peekAt();
    if (!(await listener.pull(Number.POSITIVE_INFINITY, heard.sink))) break;
  }
}

describe('a listener for exporters', () => {
  it('gives datagrams in their order, with the exporter as their source', async () => {
    const listener = await open();
    expect(listener.name).toBe(`netflow:udp:127.0.0.1:${listener.port}`);
    const heard = hear();
    const before = Date.now() * 1000;
    const fromPort = await send(
      listener.port,
      ['one', 'two', 'three'].map((x) => Buffer.from(x)),
    );
    await take(listener, heard, 3);
    expect(heard.rows.map((r) => [r.payload, r.place, r.from, r.fromPort, r.toPort, r.parts])).toEqual(
      ['one', 'two', 'three'].map((x, i) => [x, i + 1, '127.0.0.1', fromPort, listener.port, 0]),
    );
    for (const r of heard.rows) expect(r.at).toBeGreaterThanOrEqual(before);
    expect(heard.faults).toEqual([]);
  });

  it('gives what came together in few batches', async () => {
    const listener = await open();
    const heard = hear();
    let batches = 0;
    const sink: Sink = {
      emit: (batch) => {
        batches += 1;
        heard.sink.emit(batch);
      },
      fault: heard.sink.fault,
    };
    const texts = Array.from({ length: 20 }, (_, i) => `datagram ${i}`);
    // The reader waits, as a sensor's does, while another process sends.
    const first = listener.peekAt();
    const script = `
      const s = require('node:dgram').createSocket('udp4');
      const texts = ${JSON.stringify(texts)};
      let left = texts.length;
      for (const t of texts) s.send(t, ${listener.port}, '127.0.0.1', () => { if (--left === 0) s.close(); });`;
    // Waited for without a turn of this process's loop, so that all wait in the socket.
    expect(spawnSync(process.execPath, ['-e', script]).status).toBe(0);
    await first;
    while (heard.rows.length < texts.length) {
      await listener.pull(Number.POSITIVE_INFINITY, sink);
      if (heard.rows.length < texts.length) await listener.peekAt();
    }
    expect(heard.rows.map((r) => r.payload)).toEqual(texts);
    expect(batches).toBeLessThan(5);
  });

  it('listens on IPv6', async () => {
    const listener = await open('[::1]:0').catch((error: NetflowError) => {
      console.log(`not tested: ${error.message}`);
      return undefined;
    });
    if (listener === undefined) return;
    const heard = hear();
    await send(listener.port, [Buffer.from('six')], '::1');
    await take(listener, heard, 1);
    expect(heard.rows.map((r) => [r.payload, r.from])).toEqual([['six', '::1']]);
  });

  it('drops and counts when it is not read; rows and drops are all there were', async () => {
    const listener = await open(':0', { queueBytes: 128 * 1024 });
    const heard = hear();
    const datagrams = Array.from({ length: 300 }, (_, i) => Buffer.alloc(1400, `${i} `));
    for (let i = 0; i < datagrams.length; i += 20) {
      await send(listener.port, datagrams.slice(i, i + 20));
      await sleep(2);
    }
    for (let i = 0; i < 500 && listener.progress.read < 300 * 1400; i++) await sleep(5);
    expect(listener.progress.read).toBe(300 * 1400);
    expect(listener.loss.shed).toBeGreaterThan(100);
    await take(listener, heard, 300 - listener.loss.shed);
    expect(heard.rows.length + listener.loss.shed).toBe(300);
    expect(heard.faults).toEqual(['NETFLOW_SHED']);
  });

  it('what waits when it is stopped is still read, then it ends', async () => {
    const listener = await open();
    const heard = hear();
    await send(listener.port, [Buffer.from('a'), Buffer.from('b')]);
    for (let i = 0; i < 500 && listener.progress.read < 2; i++) await sleep(5);
    listener.stop();
    let isOn = true;
    while (isOn) isOn = await listener.pull(Number.POSITIVE_INFINITY, heard.sink);
    expect(heard.rows.map((r) => r.payload)).toEqual(['a', 'b']);
    expect(await listener.peekAt()).toBe(Number.POSITIVE_INFINITY);
  });

  it('says why it can’t listen', async () => {
    const listener = await open();
    for (const [udp, code] of [
      [`127.0.0.1:${listener.port}`, 'NETFLOW_IN_USE'],
      ['127.0.0.1', 'NETFLOW_ADDRESS'],
      ['127.0.0.1:99999', 'NETFLOW_ADDRESS'],
      ['192.0.2.1:0', 'NETFLOW_ADDRESS'],
    ] as const) {
      const error = await openNetflow({ udp }).then(
        () => undefined,
        (e: NetflowError) => e,
      );
      expect(error).toBeInstanceOf(NetflowError);
      expect(error!.code, udp).toBe(code);
      expect(netflowListenFaults).toHaveProperty(code);
    }
  });
});

const capture = join(process.env.PARAPET_CORPUS ?? '../shared/corpus', 'flow/ndpi/c2proxy/log4j-webapp-exploit.pcap');
/** IPv4 packets in it. */
const PACKETS = 422;
const has = (command: string): boolean => spawnSync(command, ['-h']).error === undefined;
const canExport = existsSync(capture) && has('softflowd') && has('nfreplay') && has('nfpcapd');
if (!canExport) console.log('no softflowd, nfdump or corpus: exporters are not tested against each other');

interface Told {
  key: string;
  packets: number[];
  ipBytes: number[];
  firstAt: number;
  lastAt: number;
}

/** Closed flows of what exporters send while `run` goes on, once nothing has come for a while. */
async function collect(run: (port: number) => Promise<void>): Promise<{ flows: Told[]; faults: string[] }> {
  const listener = await open();
  const decoder = decoderKind.create();
  const flows: Told[] = [];
  const faults: string[] = [];
  const sink: Sink = {
    emit: (batch) => {
      if (batch.kind === 'packet') decoder.decode(batch, sink);
      else flows.push(...closedOf(batch as FlowBatch));
    },
    fault: (code) => void faults.push(code),
  };
  await run(listener.port);
  for (let read = -1; read !== listener.progress.read; await sleep(100)) read = listener.progress.read;
  listener.stop();
  let isOn = true;
  while (isOn) isOn = await listener.pull(Number.POSITIVE_INFINITY, sink);
  decoder.end(sink);
  return { flows: flows.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : a.firstAt - b.firstAt)), faults };
}

function closedOf(b: FlowBatch): Told[] {
  const out: Told[] = [];
  for (let i = 0; i < b.count; i++) {
    if (b.phase[i] !== FlowPhase.Close) continue;
    const ends = `${formatAddress(b.addresses, 8 * i)}:${b.originatorPort[i]} > ${formatAddress(b.addresses, 8 * i + 4)}:${b.responderPort[i]}`;
    out.push({
      key: `${ends} ${b.protocol[i]} ${b.state[i]}`,
      packets: [b.originatorPackets[i]!, b.responderPackets[i]!],
      ipBytes: [b.originatorIpBytes[i]!, b.responderIpBytes[i]!],
      firstAt: b.firstAt[i]!,
      lastAt: b.lastAt[i]!,
    });
  }
  return out;
}

/** softflowd does not end by itself after a file (1.1.0): it is told to, once it has read it. -a: boots at the first packet. */
async function softflowd(version: number, port: number, dir: string): Promise<void> {
  const control = join(dir, `${version}.ctl`);
  const args = ['-d', '-a', '-r', capture, '-n', `127.0.0.1:${port}`, '-v', String(version), '-c', control];
  const child = spawn('softflowd', [...args, '-p', join(dir, `${version}.pid`)], { stdio: 'ignore' });
  const tell = (word: string): string => spawnSync('softflowctl', ['-c', control, word], { encoding: 'utf8' }).stdout;
  try {
    for (let i = 0; i < 100 && !tell('statistics').includes(`Packets processed: ${PACKETS}\n`); i++) await sleep(50);
    tell('expire-all');
    tell('shutdown');
  } finally {
    await sleep(50);
    child.kill('SIGKILL');
  }
}

describe.skipIf(!canExport)('one capture', () => {
  it('gives the same flows as v5, v9 and IPFIX from softflowd', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'parapet-netflow-'));
    try {
      const told = [];
      for (const version of [5, 9, 10]) {
        const { flows, faults } = await collect((port) => softflowd(version, port, dir));
        expect(new Set(faults), `v${version}`).toEqual(new Set(['NETFLOW_CLOCK']));
        told.push(flows);
      }
      const plain = (flows: readonly Told[]): unknown => flows.map((f) => [f.key, f.packets, f.ipBytes]);
      expect(told[0]!.length).toBeGreaterThan(4);
      expect(plain(told[1]!)).toEqual(plain(told[0]!));
      expect(plain(told[2]!)).toEqual(plain(told[0]!));
      expect(told[0]!.reduce((sum, f) => sum + f.packets[0]! + f.packets[1]!, 0)).toBe(PACKETS);
      // v9's header has whole seconds.
      for (const [i, f] of told[0]!.entries())
        for (const other of [told[1]![i]!, told[2]![i]!]) {
          expect(Math.abs(other.firstAt - f.firstAt)).toBeLessThan(1.1e6);
          // Rounded to milliseconds each.
          expect(Math.abs(other.lastAt - other.firstAt - (f.lastAt - f.firstAt))).toBeLessThan(2001);
        }
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  }, 30_000);

  it('gives the same flows as v5 and v9 from nfdump', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'parapet-netflow-'));
    try {
      execFileSync('nfpcapd', ['-r', capture, '-w', dir], { stdio: 'ignore' });
      const files = readdirSync(dir)
        .filter((f) => f.startsWith('nfcapd.'))
        .sort();
      const told = [];
      for (const version of [5, 9]) {
        const { flows, faults } = await collect(async (port) => {
          for (const file of files)
            execFileSync(
              'nfreplay',
              ['-r', join(dir, file), '-H', '127.0.0.1', '-p', String(port), '-v', String(version)],
              { stdio: 'ignore' },
            );
        });
        expect(new Set(faults)).toEqual(new Set(['NETFLOW_CLOCK']));
        told.push(flows.map((f) => [f.key, f.packets, f.ipBytes, f.lastAt - f.firstAt]));
      }
      expect(told[0]!.length).toBeGreaterThan(4);
      expect(told[1]).toEqual(told[0]);
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  }, 30_000);
});
