// Speed of the flow collector: made streams of NetFlow v9 and IPFIX datagrams (two million records, a million flows of two
// directions, 24 records a datagram; so many that what a process does once counts for little) over UDP on this host, into our
// listener and decoder and into nfdump's nfcapd, each a process of its own. CPU seconds of the receiver count, system time
// included; the sender goes no faster than its receiver empties the socket, so that both take every record. nfcapd writes
// records to a file as they come and joins nothing; ours joins the two directions and writes nothing. So there are three
// ratios: all that ours does over nfcapd; our listener and the decoder's first half, which ends with the record and joins
// nothing, over nfcapd; and all over nfcapd and what nfdump -b takes to join what nfcapd wrote. What a socket of Node takes for
// the same datagrams, where nobody reads them, is told beside. Then the decoder alone, its first half alone, and its memory
// with a million flows at once.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { netflow } from '#decoders/netflow';
import { type EventBatch, PacketBatch, type Sink } from '#events';
import { openNetflow } from '#sources/netflow';
import { Datagrams } from '../src/decoders/netflow/datagrams.ts';
import type { Figure } from './run.ts';

const RECORDS = 2_000_000;
const RECORDS_A_DATAGRAM = 24;
const RECORD_BYTES = 46;
const T0_SECONDS = 1_700_000_000;
const UPTIME_MILLIS = 100_000_000;
type Version = 9 | 10;
/** What a receiver of ours does with datagrams: hears them, decodes them to records, joins these to flows. */
type Stage = 'hear' | 'records' | 'flows';

/** Source, destination, ports, protocol, flags, packets, octets, first and last, interfaces, type of service, reason. */
const FIELDS: Readonly<Record<Version, readonly (readonly [number, number])[]>> = {
  9: [
    [8, 4],
    [12, 4],
    [7, 2],
    [11, 2],
    [4, 1],
    [6, 1],
    [2, 4],
    [1, 4],
    [22, 4],
    [21, 4],
    [10, 4],
    [14, 4],
    [5, 1],
    [136, 1],
    [16, 2],
    [17, 4],
  ],
  10: [
    [8, 4],
    [12, 4],
    [7, 2],
    [11, 2],
    [4, 1],
    [6, 1],
    [2, 4],
    [1, 4],
    [152, 8],
    [153, 8],
    [10, 2],
    [14, 2],
    [5, 1],
    [136, 1],
    [16, 2],
  ],
};

/** Datagrams; the two directions of a flow lie some thousand records apart, as exporters' caches give them. */
export function stream(version: Version, records: number): Buffer[] {
  const out: Buffer[] = [template(version, 0)];
  let datagram: Buffer = Buffer.alloc(0);
  for (let n = 0, row = 0; n < records; n++) {
    if (row === 0) datagram = header(version, out.length, Math.min(RECORDS_A_DATAGRAM, records - n));
    // Blocks of 4096 records: the first half are requests, the second the answers to them.
    const isAnswer = n % 4096 >= 2048;
    const flow = Math.floor(n / 4096) * 2048 + (n % 2048);
    record(datagram, (version === 9 ? 24 : 20) + row * RECORD_BYTES, version, flow, isAnswer);
    if (++row === RECORDS_A_DATAGRAM || n === records - 1) {
      out.push(datagram);
      row = 0;
    }
  }
  return out;
}

function header(version: Version, sequence: number, records: number): Buffer {
  const at = version === 9 ? 20 : 16;
  const b = Buffer.alloc(at + 4 + records * RECORD_BYTES);
  b.writeUInt16BE(version, 0);
  b.writeUInt16BE(version === 9 ? records : b.length, 2);
  if (version === 9) b.writeUInt32BE(UPTIME_MILLIS, 4);
  b.writeUInt32BE(T0_SECONDS, version === 9 ? 8 : 4);
  b.writeUInt32BE(version === 9 ? sequence : Math.max(0, sequence - 1) * RECORDS_A_DATAGRAM, version === 9 ? 12 : 8);
  b.writeUInt32BE(1, at - 4);
  b.writeUInt16BE(256, at);
  b.writeUInt16BE(b.length - at, at + 2);
  return b;
}

function template(version: Version, sequence: number): Buffer {
  const fields = FIELDS[version];
  const at = version === 9 ? 20 : 16;
  const b = Buffer.alloc(at + 8 + 4 * fields.length);
  header(version, sequence, 0).copy(b);
  b.writeUInt16BE(version === 9 ? 1 : b.length, 2);
  if (version === 10) b.writeUInt32BE(0, 8);
  b.writeUInt16BE(version === 9 ? 0 : 2, at);
  b.writeUInt16BE(b.length - at, at + 2);
  b.writeUInt16BE(256, at + 4);
  b.writeUInt16BE(fields.length, at + 6);
  for (const [i, [id, length]] of fields.entries()) b.writeUInt32BE(id * 65_536 + length, at + 8 + 4 * i);
  return b;
}

function record(b: Buffer, at: number, version: Version, flow: number, isAnswer: boolean): void {
  const client = 0x0a000000 + (Math.imul(flow, 0x9e3779b1) >>> 16);
  const server = 0xc6336400 + (flow & 255);
  b.writeUInt32BE(isAnswer ? server : client, at);
  b.writeUInt32BE(isAnswer ? client : server, at + 4);
  const port = 1024 + (flow % 60_000);
  b.writeUInt16BE(isAnswer ? 443 : port, at + 8);
  b.writeUInt16BE(isAnswer ? port : 443, at + 10);
  b[at + 12] = 6;
  b[at + 13] = 0x1b;
  b.writeUInt32BE(10 + (flow & 63), at + 14);
  b.writeUInt32BE(900 * (10 + (flow & 63)), at + 18);
  if (version === 9) {
    b.writeUInt32BE(UPTIME_MILLIS - 20_000 + (flow & 4095) + (isAnswer ? 1 : 0), at + 22);
    b.writeUInt32BE(UPTIME_MILLIS - 12_000, at + 26);
    b[at + 39] = 3;
  } else {
    b.writeBigUInt64BE(BigInt(T0_SECONDS * 1000 - 20_000 + (flow & 4095) + (isAnswer ? 1 : 0)), at + 22);
    b.writeBigUInt64BE(BigInt(T0_SECONDS * 1000 - 12_000), at + 30);
    b[at + 43] = 3;
  }
}

/** Octets that wait in the socket bound to a UDP port of this host. */
function waiting(port: number): number {
  const hex = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  const line = readFileSync('/proc/net/udp', 'utf8')
    .split('\n')
    .find((l) => l.trim().split(/\s+/)[1]?.endsWith(hex));
  return line === undefined ? -1 : Number.parseInt(line.trim().split(/\s+/)[4]!.split(':')[1]!, 16);
}

/** Sends all, never more than 512 KiB ahead of the receiver; returns when its socket is empty. */
async function send(datagrams: readonly Buffer[], port: number): Promise<void> {
  const socket = createSocket('udp4');
  for (let i = 0; i < datagrams.length; i += 64) {
    while (waiting(port) > 512 * 1024) await sleep(1);
    const burst = datagrams.slice(i, i + 64);
    await Promise.all(burst.map((d) => new Promise((done) => socket.send(d, port, '127.0.0.1', done))));
  }
  while (waiting(port) > 0) await sleep(5);
  await sleep(200);
  socket.close();
}

/** User and system seconds of a process so far. */
function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

interface Received {
  readonly seconds: number;
  readonly records: number;
  /** What nfdump takes to join the two directions of what was received (-b), beside that. */
  readonly joinSeconds: number;
}

async function ours(datagrams: readonly Buffer[], stage: Stage): Promise<Received> {
  const child = spawn(process.execPath, [import.meta.filename, stage], { stdio: ['ignore', 'pipe', 'inherit'] });
  const lines = child.stdout[Symbol.asyncIterator]();
  const port = Number(String((await lines.next()).value));
  const before = cpuSeconds(child.pid!);
  await send(datagrams, port);
  child.kill('SIGTERM');
  const { records, micros } = JSON.parse(String((await lines.next()).value)) as { records: number; micros: number };
  await ended(child);
  return { seconds: micros / 1e6 - before, records, joinSeconds: 0 };
}

async function nfcapd(datagrams: readonly Buffer[]): Promise<Received> {
  const dir = mkdtempSync(join(tmpdir(), 'parapet-bench-'));
  try {
    const port = 40_000 + (process.pid % 20_000);
    const args = ['-w', dir, '-p', String(port), '-b', '127.0.0.1', '-B', '4194304', '-t', '3600'];
    const child = spawn('nfcapd', args, { stdio: 'ignore' });
    for (let i = 0; waiting(port) < 0 && i < 200; i++) await sleep(20);
    const before = cpuSeconds(child.pid!);
    await send(datagrams, port);
    const seconds = cpuSeconds(child.pid!) - before;
    child.kill('SIGTERM');
    await ended(child);
    const file = readdirSync(dir).find((f) => f.startsWith('nfcapd.'))!;
    const text = spawnSync('nfdump', ['-I', '-r', join(dir, file)], { encoding: 'utf8' }).stdout;
    const joined = spawnSync(
      'bash',
      [
        '-c',
        'TIMEFORMAT="%U %S"; time "$@" >/dev/null',
        'bash',
        'nfdump',
        '-r',
        join(dir, file),
        '-b',
        '-w',
        join(dir, 'joined'),
      ],
      { encoding: 'utf8' },
    );
    const [user, system] = joined.stderr.trim().split('\n').at(-1)!.split(' ').map(Number) as [number, number];
    const records = Number(/^Flows: (\d+)/m.exec(text)?.[1] ?? Number.NaN);
    return { seconds, records, joinSeconds: user + system };
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
}

/** A receiver that is told to end by a signal; it says its port, then what it took. */
async function receive(stage: Stage): Promise<void> {
  const records = stage === 'hear' ? await hear() : await collect(stage);
  const { user, system } = process.cpuUsage();
  console.log(JSON.stringify({ records, micros: user + system }));
}

/** Node's socket with nothing behind it. @returns the records that were in what it heard */
async function hear(): Promise<number> {
  const socket = createSocket('udp4');
  let records = 0;
  await new Promise<void>((done) => {
    socket.bind({ address: '127.0.0.1', port: 0 }, done);
  });
  socket.setRecvBufferSize(4 * 1024 * 1024);
  socket.on('message', (bytes) => {
    records += Math.floor((bytes.length - 20) / RECORD_BYTES);
  });
  console.log(socket.address().port);
  await once(process, 'SIGTERM');
  socket.close();
  return records;
}

/** Listener and decoder, or the decoder's first half, as a sensor has them. @returns records taken */
async function collect(stage: 'records' | 'flows'): Promise<number> {
  const source = await openNetflow({ udp: '127.0.0.1:0' });
  const decoder = netflow.create();
  let records = 0;
  const datagrams = new Datagrams({
    record: () => {
      records += 1;
    },
    samplingUntold: () => {},
    fault: () => {},
  });
  const sink: Sink = {
    emit: (b: EventBatch) => {
      if (b instanceof PacketBatch) {
        if (stage === 'records') datagrams.read(b);
        else decoder.decode(b, sink);
      } else if (b.kind === 'flow')
        for (let i = 0; i < b.count; i++)
          if (b.phase[i] === 2) records += (b.originatorPackets[i]! > 0 ? 1 : 0) + (b.responderPackets[i]! > 0 ? 1 : 0);
    },
    fault: () => {},
  };
  process.on('SIGTERM', () => source.stop());
  console.log(source.port);
  for (;;) {
    const at = await source.peekAt();
    if (at === Number.POSITIVE_INFINITY) break;
    if (!(await source.pull(Number.POSITIVE_INFINITY, sink))) break;
    decoder.advance(at, sink);
  }
  decoder.end(sink);
  return records;
}

/** Datagrams as batches, as the listener gives them. */
export function batches(datagrams: readonly Buffer[]): PacketBatch[] {
  const out: PacketBatch[] = [];
  for (let from = 0; from < datagrams.length; from += 1024) {
    const b = new PacketBatch();
    const some = datagrams.slice(from, from + 1024);
    b.bytes = Buffer.concat(some);
    b.protocol.fill(17);
    b.parts.fill(0);
    for (let i = 0, at = 0; i < some.length; at += some[i++]!.length) {
      b.at[i] = T0_SECONDS * 1e6;
      b.payloadOffset[i] = at;
      b.payloadBytes[i] = some[i]!.length;
      b.payloadCaptured[i] = some[i]!.length;
    }
    b.count = some.length;
    out.push(b);
  }
  return out;
}

/** CPU seconds of the decoder, or of its first half, for these batches: the best of three rounds. */
export function alone(input: readonly PacketBatch[], stage: 'records' | 'flows' = 'flows'): number {
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < 3; round++) {
    const decoder = netflow.create();
    const datagrams = new Datagrams({ record: () => {}, samplingUntold: () => {}, fault: () => {} });
    const sink: Sink = { emit: () => {}, fault: () => {} };
    const from = process.cpuUsage();
    for (const b of input) {
      if (stage === 'records') datagrams.read(b);
      else decoder.decode(b, sink);
    }
    decoder.end(sink);
    const used = process.cpuUsage(from);
    best = Math.min(best, (used.user + used.system) / 1e6);
  }
  return best;
}

/** Octets that a decoder holds with a million flows of one direction each, and 512 templates in each of 100 domains. */
function heldBytes(): number {
  const before = held();
  const decoder = netflow.create();
  const sink: Sink = { emit: () => {}, fault: () => {} };
  const one = new PacketBatch();
  one.protocol[0] = 17;
  one.parts[0] = 0;
  one.count = 1;
  const give = (datagram: Buffer): void => {
    one.bytes = datagram;
    one.at[0] = T0_SECONDS * 1e6;
    one.payloadBytes[0] = datagram.length;
    one.payloadCaptured[0] = datagram.length;
    decoder.decode(one, sink);
  };
  const told = template(9, 0);
  for (let domain = 2; domain < 102; domain++)
    for (let id = 256; id < 768; id++) {
      told.writeUInt32BE(domain, 16);
      told.writeUInt16BE(id, 24);
      give(told);
    }
  give(template(9, 0));
  for (let n = 0; n < 2 ** 20; ) {
    const datagram = header(9, 1, RECORDS_A_DATAGRAM);
    for (let row = 0; row < RECORDS_A_DATAGRAM && n < 2 ** 20; row++)
      record(datagram, 24 + row * RECORD_BYTES, 9, n++, false);
    give(datagram);
  }
  const after = held();
  decoder.end(sink);
  return after - before;
}

function held(): number {
  globalThis.gc?.();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

function better(a: Received, b: Received): Received {
  return b.seconds < a.seconds ? b : a;
}

export async function bench(): Promise<Figure[]> {
  const out: Figure[] = [];
  const hasNfcapd = spawnSync('nfcapd', ['-V']).status === 0;
  for (const [version, name] of [
    [9, 'NetFlow v9'],
    [10, 'IPFIX'],
  ] as const) {
    const datagrams = stream(version, RECORDS);
    const told = (what: string, value: number, unit: string, goal?: string): void => {
      out.push({ name: `${name}: ${what}`, value, unit, ...(goal === undefined ? {} : { goal }) });
    };
    const none: Received = { seconds: Number.POSITIVE_INFINITY, records: 0, joinSeconds: 0 };
    let [heard, decoded, joined, peer] = [none, none, none, none];
    // Turn by turn, the better of two of each.
    for (let round = 0; round < 2; round++) {
      heard = better(heard, await ours(datagrams, 'hear'));
      decoded = better(decoded, await ours(datagrams, 'records'));
      joined = better(joined, await ours(datagrams, 'flows'));
      if (hasNfcapd) peer = better(peer, await nfcapd(datagrams));
    }
    told('records heard by a socket of Node, nothing read', heard.records / heard.seconds, 'records/s');
    told('records decoded, listener and records, nothing joined', decoded.records, 'records');
    told('listener and records, nothing joined, by CPU', decoded.records / decoded.seconds, 'records/s');
    told('records taken, listener and decoder', joined.records, 'records');
    told('listener and decoder, by CPU', joined.records / joined.seconds, 'records/s');
    if (hasNfcapd) {
      const rate = peer.records / peer.seconds;
      told('records taken, nfcapd', peer.records, 'records');
      told('nfcapd, by CPU', rate, 'records/s');
      told('ours over nfcapd', joined.records / joined.seconds / rate, 'x', '>= 1.0');
      told('ours, nothing joined, over nfcapd', decoded.records / decoded.seconds / rate, 'x');
      const both = (peer.seconds + peer.joinSeconds) / peer.records / (joined.seconds / joined.records);
      told('ours over nfcapd and nfdump -b, which joins', both, 'x');
    }
    const input = batches(datagrams);
    told('the decoder alone', RECORDS / alone(input), 'records/s');
    told('the decoder alone, nothing joined', RECORDS / alone(input, 'records'), 'records/s');
  }
  out.push({ name: 'held with 1,048,576 flows and 51,200 templates', value: heldBytes() / 2 ** 20, unit: 'MiB' });
  return out;
}

if (import.meta.main) {
  const stage = process.argv[2];
  if (stage === 'hear' || stage === 'records' || stage === 'flows') await receive(stage);
  else
    for (const f of await bench()) console.log(f.name.padEnd(60), f.value.toLocaleString('en'), f.unit, f.goal ?? '');
}
