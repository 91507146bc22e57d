// Flow speed: link and IP decoding, then the flow decoder, over packets in memory; the whole pipeline with the flow plane's
// detectors over a capture file; and ndpiReader, nfpcapd and tshark on the same file, by CPU seconds. The capture is made of
// Ethernet captures of the corpus, over and over, each time with other hosts and later; without the corpus it is made here.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { defaultCity } from '#city';
import { flow } from '#decoders/flow';
import { ip } from '#decoders/ip';
import { type EventBatch, FrameBatch, type Sink } from '#events';
import { seededRandom } from '#lib/random';
import { analyze } from '#pipeline';

export interface Measure {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** What it should reach, as text. */
  readonly goal?: string;
}

const PACKETS = 700_000;
const COPIES = 10;

interface Record {
  readonly micros: number;
  readonly wireLength: number;
  readonly bytes: Buffer;
}

/** Ethernet records of the corpus's classic little-endian captures, in the order of time, up to `count`. */
function corpusRecords(count: number): Record[] {
  const root = join(process.env.PARAPET_CORPUS ?? '../shared/corpus', 'flow');
  const records: Record[] = [];
  if (!existsSync(root)) return records;
  const folders = ['apt29', 'ndpi/ot', 'ndpi/lateral', 'ndpi/c2proxy', 'ndpi/tls', 'zeek', 'suricata'];
  for (const folder of folders) {
    if (!existsSync(join(root, folder))) continue;
    for (const name of readdirSync(join(root, folder)).sort()) {
      if (!name.endsWith('.pcap')) continue;
      const file = readFileSync(join(root, folder, name));
      if (file.length < 24 || file.readUInt32LE(0) !== 0xa1b2c3d4 || (file.readUInt32LE(20) & 0xffff) !== 1) continue;
      let startAt = -1;
      for (let at = 24; at + 16 <= file.length && records.length < count; ) {
        const length = file.readUInt32LE(at + 8);
        if (at + 16 + length > file.length) break;
        const micros = file.readUInt32LE(at) * 1e6 + file.readUInt32LE(at + 4);
        // Captures of many years are laid side by side: each begins at 0.
        if (startAt < 0) startAt = micros;
        const bytes = file.subarray(at + 16, at + 16 + length);
        records.push({
          micros: Math.min(Math.max(0, micros - startAt), 3.6e9),
          wireLength: file.readUInt32LE(at + 12),
          bytes,
        });
        at += 16 + length;
      }
    }
  }
  return records.sort((a, b) => a.micros - b.micros);
}

/** TCP connections of 14 packets, as a city's devices make them. */
function syntheticRecords(count: number): Record[] {
  const random = seededRandom(1);
  const records: Record[] = [];
  const open: { client: number; port: number; server: number; sent: number; at: number }[] = [];
  while (records.length < count) {
    if (open.length < 200)
      open.push({
        client: random.integer(0, 2000),
        port: random.integer(1025, 65_535),
        server: random.integer(0, 300),
        sent: 0,
        at: 0,
      });
    const c = open[random.integer(0, open.length - 1)]!;
    const toServer = c.sent % 2 === 0;
    const payload = c.sent < 3 ? 0 : random.integer(0, 600);
    const bytes = Buffer.alloc(54 + payload);
    bytes.writeUInt16BE(0x0800, 12);
    bytes[14] = 0x45;
    bytes.writeUInt16BE(40 + payload, 16);
    bytes[22] = 64;
    bytes[23] = 6;
    const [client, server] = [0x0a000000 + c.client, 0xc0000200 + c.server];
    bytes.writeUInt32BE(toServer ? client : server, 26);
    bytes.writeUInt32BE(toServer ? server : client, 30);
    bytes.writeUInt16BE(toServer ? c.port : 443, 34);
    bytes.writeUInt16BE(toServer ? 443 : c.port, 36);
    bytes.writeUInt32BE(1 + 700 * c.sent, 38);
    bytes[46] = 0x50;
    bytes[47] = c.sent === 0 ? 2 : c.sent === 1 ? 18 : c.sent >= 12 ? 17 : 16;
    records.push({ micros: records.length * 50, wireLength: bytes.length, bytes });
    if (++c.sent === 14) open.splice(open.indexOf(c), 1);
  }
  return records;
}

/** The records as a pcap file, over and over; each copy has other IPv4 hosts (both addresses moved alike) and comes later. */
function capture(records: readonly Record[], copies: number): Buffer {
  const size = records.reduce((sum, r) => sum + 16 + r.bytes.length, 0);
  const out = Buffer.alloc(24 + copies * size);
  out.writeUInt32LE(0xa1b2c3d4, 0);
  out.writeUInt16LE(2, 4);
  out.writeUInt16LE(4, 6);
  out.writeUInt32LE(262_144, 16);
  out.writeUInt32LE(1, 20);
  const span = (records.at(-1)?.micros ?? 0) + 1e6;
  let at = 24;
  for (let copy = 0; copy < copies; copy++)
    for (const r of records) {
      const micros = 1.7e15 + copy * span + r.micros;
      out.writeUInt32LE(Math.floor(micros / 1e6), at);
      out.writeUInt32LE(micros % 1e6, at + 4);
      out.writeUInt32LE(r.bytes.length, at + 8);
      out.writeUInt32LE(Math.max(r.wireLength, r.bytes.length), at + 12);
      at += 16;
      r.bytes.copy(out, at);
      if (r.bytes.length >= 34 && out.readUInt16BE(at + 12) === 0x0800) {
        out[at + 28] = (out[at + 28]! + copy) & 255;
        out[at + 32] = (out[at + 32]! + copy) & 255;
      }
      at += r.bytes.length;
    }
  return out;
}

/** The capture's frames as batches whose ranges lie in it. */
function frames(file: Buffer): FrameBatch[] {
  const out: FrameBatch[] = [];
  let batch = new FrameBatch();
  for (let at = 24, place = 1; at < file.length; place++) {
    const length = file.readUInt32LE(at + 8);
    const row = batch.count++;
    batch.bytes = file;
    batch.at[row] = file.readUInt32LE(at) * 1e6 + file.readUInt32LE(at + 4);
    batch.place[row] = place;
    batch.offset[row] = at + 16;
    batch.length[row] = length;
    batch.wireLength[row] = file.readUInt32LE(at + 12);
    batch.linkType[row] = 1;
    at += 16 + length;
    if (batch.count === 1024 || at >= file.length) {
      out.push(batch);
      batch = new FrameBatch();
    }
  }
  return out;
}

/** CPU seconds through ip and, where asked for, the flow decoder; the best of some rounds. */
function inMemory(
  batches: readonly FrameBatch[],
  withFlow: boolean,
  rounds: number,
): { seconds: number; flows: number } {
  let best = Number.POSITIVE_INFINITY;
  let flows = 0;
  for (let round = 0; round < rounds; round++) {
    const link = ip.create();
    const decoder = flow.create();
    flows = 0;
    let at = 0;
    const sink: Sink = {
      emit: (batch: EventBatch) => {
        if (batch.kind === 'packet') {
          at = Math.max(at, batch.at[batch.count - 1] ?? 0);
          if (withFlow) decoder.decode(batch, sink);
        } else if (batch.kind === 'flow') for (let i = 0; i < batch.count; i++) if (batch.phase[i] === 2) flows += 1;
      },
      fault: () => {},
    };
    const from = process.cpuUsage();
    for (const batch of batches) {
      link.decode(batch, sink);
      if (withFlow) decoder.advance(at, sink);
    }
    if (withFlow) decoder.end(sink);
    const used = process.cpuUsage(from);
    best = Math.min(best, (used.user + used.system) / 1e6);
  }
  return { seconds: best, flows };
}

/** CPU seconds of a child, or NaN where the tool is not there. */
function childSeconds(command: string, args: readonly string[]): number {
  const run = spawnSync('bash', ['-c', 'TIMEFORMAT="%U %S"; time "$@" >/dev/null 2>&1', 'bash', command, ...args], {
    encoding: 'utf8',
  });
  const times = run.stderr.trim().split('\n').at(-1)!.split(' ').map(Number);
  return run.status === 0 && times.length === 2 ? times[0]! + times[1]! : Number.NaN;
}

/** A capture file of about so many packets. */
export function flowCapture(packets = PACKETS): { file: Buffer; count: number; isCorpus: boolean } {
  const found = corpusRecords(packets / COPIES);
  const isCorpus = found.length >= packets / COPIES / 10;
  const records = isCorpus ? found : syntheticRecords(packets / COPIES);
  const copies = Math.max(1, Math.round(packets / records.length));
  return { file: capture(records, copies), count: records.length * copies, isCorpus };
}

export async function bench(packets = PACKETS): Promise<Measure[]> {
  const { file, count, isCorpus } = flowCapture(packets);
  const out: Measure[] = [];
  const say = (name: string, value: number, unit: string, goal?: string): void => {
    out.push({ name: `flow: ${name}`, value, unit, ...(goal === undefined ? {} : { goal }) });
  };
  say(`packets (${isCorpus ? 'of the corpus' : 'made here'}, ${Math.round(file.length / 1e6)} MB)`, count, 'packets');
  const batches = frames(file);
  inMemory(batches.slice(0, 100), true, 2);
  const link = inMemory(batches, false, 3);
  const both = inMemory(batches, true, 3);
  say('flows closed', both.flows, 'flows');
  say('link and IP decoding', count / link.seconds, 'packets/s');
  say('the flow decoder alone', count / Math.max(1e-3, both.seconds - link.seconds), 'packets/s');

  const dir = mkdtempSync(join(tmpdir(), 'parapet-bench-'));
  try {
    const path = join(dir, 'flow.pcap');
    writeFileSync(path, file);
    let own = Number.POSITIVE_INFINITY;
    for (let round = 0; round < 3; round++) {
      const from = process.cpuUsage();
      await analyze([path], { city: defaultCity(), planes: new Set(['flow']) });
      const used = process.cpuUsage(from);
      own = Math.min(own, (used.user + used.system) / 1e6);
    }
    say('whole pipeline from a file, best of three, by CPU', count / own, 'packets/s', '>= 1,000,000');
    say('whole pipeline, CPU', own, 's');
    for (const [tool, args] of [
      ['ndpiReader', ['-q', '-i', path]],
      ['nfpcapd', ['-r', path, '-w', dir]],
      ['tshark', ['-n', '-q', '-z', 'conv,tcp', '-r', path]],
    ] as const) {
      const seconds = childSeconds(tool, args);
      if (Number.isNaN(seconds)) continue;
      say(`${tool}, CPU`, seconds, 's');
      say(`${tool} CPU over ours`, seconds / own, 'x');
    }
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
  return out;
}

if (import.meta.main) {
  for (const m of await bench(Number(process.argv[2] ?? PACKETS)))
    console.log(
      `${m.name.padEnd(70)} ${m.value.toLocaleString('en', { maximumFractionDigits: 2 })} ${m.unit}${m.goal === undefined ? '' : ` (goal ${m.goal})`}`,
    );
}
