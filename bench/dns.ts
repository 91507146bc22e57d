// DNS speed: decoding and all DNS detectors over packets in memory, the whole pipeline over a capture file, and ndpiReader and
// tshark on the same file, by CPU seconds. Two captures: one made here (half queries, half answers, thousands of clients,
// many names, one per cent of tunnel-like names, packed into seconds), and the range's two days of a city without attackers.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type City, defaultCity, loadCity } from '#city';
import { dns } from '#decoders/dns';
import { ip } from '#decoders/ip';
import { type EventBatch, FrameBatch, type Sink } from '#events';
import { analyze, detectors } from '#pipeline';

export interface Measure {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** What it should reach, as text. */
  readonly goal?: string;
}

const CLIENTS = 5000;
const NAMES = 20_000;
const DOMAINS = 2_000_000;
const ROUNDS = 3;

function generator(seed: number): () => number {
  let s = seed >>> 0;
  return () => {
    s = (Math.imul(s, 1664525) + 1013904223) >>> 0;
    return s / 2 ** 32;
  };
}

/** A pcap file (little-endian, Ethernet) of `packets` DNS messages. @param domains where given, each is asked for once */
export function syntheticCapture(packets: number, tunnelShare = 0.01, domains = 0): Buffer {
  const random = generator(1);
  const wire = (text: string): Buffer =>
    Buffer.concat([
      ...text.split('.').map((l) => Buffer.concat([Buffer.from([l.length]), Buffer.from(l)])),
      Buffer.from([0]),
    ]);
  const syllables = ['ba', 'con', 'de', 'fa', 'mi', 'net', 'po', 'ra', 'ser', 'vi', 'web', 'lo', 'ta', 'mail', 'cdn'];
  const word = (): string =>
    Array.from({ length: 2 + Math.floor(random() * 3) }, () => syllables[Math.floor(random() * syllables.length)]).join(
      '',
    );
  const names = Array.from({ length: NAMES }, () => wire(`${word()}.${word()}.example`));
  const out = Buffer.alloc(24 + packets * 220);
  out.writeUInt32LE(0xa1b2c3d4, 0);
  out.writeUInt16LE(2, 4);
  out.writeUInt16LE(4, 6);
  out.writeUInt32LE(262144, 16);
  out.writeUInt32LE(1, 20);
  let at = 24;
  for (let i = 0; i < packets; i += 2) {
    const client = Math.floor(random() * CLIENTS);
    const tunnel = random() < tunnelShare;
    // Popular names are asked most, as in life: the power favours low numbers.
    const name = tunnel
      ? wire(
          `${Array.from({ length: 40 }, () => 'abcdefghijklmnopqrstuvwxyz234567'[Math.floor(random() * 32)]).join('')}.t.example`,
        )
      : domains > 0
        ? wire(`${word()}${(i / 2) % domains}.example`)
        : names[Math.floor(random() ** 4 * ((client % 200) + 20))]!;
    for (let response = 0; response < 2 && i + response < packets; response++) {
      const answer = response === 1 ? 16 : 0;
      const dnsBytes = 12 + name.length + 4 + answer;
      const frame = 14 + 20 + 8 + dnsBytes;
      const micros = i * 5 + response;
      out.writeUInt32LE(1_700_000_000 + Math.floor(micros / 1e6), at);
      out.writeUInt32LE(micros % 1e6, at + 4);
      out.writeUInt32LE(frame, at + 8);
      out.writeUInt32LE(frame, at + 12);
      at += 16;
      out.writeUInt16BE(0x0800, at + 12);
      const head = at + 14;
      out[head] = 0x45;
      out.writeUInt16BE(20 + 8 + dnsBytes, head + 2);
      out[head + 8] = 64;
      out[head + 9] = 17;
      const clientIp = 0x0a000000 + 256 + client;
      out.writeUInt32BE(response === 0 ? clientIp : 0x0a000035, head + 12);
      out.writeUInt32BE(response === 0 ? 0x0a000035 : clientIp, head + 16);
      const udp = head + 20;
      const port = 20_000 + (i % 40_000);
      out.writeUInt16BE(response === 0 ? port : 53, udp);
      out.writeUInt16BE(response === 0 ? 53 : port, udp + 2);
      out.writeUInt16BE(8 + dnsBytes, udp + 4);
      const message = udp + 8;
      out.writeUInt16BE(i & 0xffff, message);
      out.writeUInt16BE(response === 0 ? 0x0100 : 0x8180, message + 2);
      out.writeUInt16BE(1, message + 4);
      out.writeUInt16BE(response, message + 6);
      name.copy(out, message + 12);
      const question = message + 12 + name.length;
      out.writeUInt16BE(1, question);
      out.writeUInt16BE(1, question + 2);
      if (response === 1) {
        out.writeUInt16BE(0xc00c, question + 4);
        out.writeUInt16BE(1, question + 6);
        out.writeUInt16BE(1, question + 8);
        out.writeUInt32BE(60, question + 10);
        out.writeUInt16BE(4, question + 14);
        out.writeUInt32BE(0xc0000201, question + 16);
      }
      at += frame;
    }
  }
  return out.subarray(0, at);
}

/** The capture's frames as batches whose ranges lie in it. */
function frames(capture: Buffer): FrameBatch[] {
  const out: FrameBatch[] = [];
  let batch = new FrameBatch();
  for (let at = 24, place = 1; at < capture.length; place++) {
    const length = capture.readUInt32LE(at + 8);
    const row = batch.count++;
    batch.bytes = capture;
    batch.at[row] = capture.readUInt32LE(at) * 1e6 + capture.readUInt32LE(at + 4);
    batch.place[row] = place;
    batch.offset[row] = at + 16;
    batch.length[row] = length;
    batch.wireLength[row] = length;
    batch.linkType[row] = 1;
    at += 16 + length;
    if (batch.count === 1024 || at >= capture.length) {
      out.push(batch);
      batch = new FrameBatch();
    }
  }
  return out;
}

/** Packets a second of CPU through ip, dns and the detector; the best of some rounds. */
function inMemory(
  batches: readonly FrameBatch[],
  packets: number,
  stage: 'ip' | 'dns' | 'detector',
  rounds: number,
): number {
  let best = 0;
  for (let round = 0; round < rounds; round++) {
    const link = ip.create();
    const decoder = dns.create();
    const context = { city: defaultCity(), evidenceAll: false, claim: () => {}, cover: () => {} };
    const judges = detectors.filter((d) => d.card.plane === 'dns').map((d) => d.create(context));
    const sink: Sink = {
      emit: (batch: EventBatch) => {
        if (batch.kind === 'packet' && stage !== 'ip') decoder.decode(batch, sink);
        else if (batch.kind === 'dns' && stage === 'detector') for (const d of judges) d.observe(batch);
      },
      fault: () => {},
    };
    const from = process.cpuUsage();
    for (const batch of batches) link.decode(batch, sink);
    const used = process.cpuUsage(from);
    best = Math.max(best, packets / ((used.user + used.system) / 1e6));
  }
  return best;
}

/** CPU seconds of a child, or NaN where the tool is not there. */
function childSeconds(command: string, args: readonly string[]): number {
  const run = spawnSync('bash', ['-c', 'TIMEFORMAT="%U %S"; time "$@" >/dev/null 2>&1', 'bash', command, ...args], {
    encoding: 'utf8',
  });
  const times = run.stderr.trim().split('\n').at(-1)!.split(' ').map(Number);
  return run.status === 0 && times.length === 2 ? times[0]! + times[1]! : Number.NaN;
}

/** The command line in a process of its own, which says its peak memory (KiB) on stderr at the end. */
function parapet(args: readonly string[]): { stdout: string; stderr: string } {
  // The high-water mark of this program: what getrusage tells begins with the parent's.
  const peak = `data:text/javascript,import{readFileSync}from"node:fs";process.on("exit",()=>console.error("maximum resident",/VmHWM:[^0-9]*([0-9]+)/.exec(readFileSync("/proc/self/status","utf8"))?.[1]))`;
  const main = join(import.meta.dirname, '..', 'src', 'cli', 'main.ts');
  return spawnSync(process.execPath, ['--import', peak, main, ...args], { encoding: 'utf8', maxBuffer: 2 ** 28 });
}

export async function bench(packets = 1_000_000): Promise<Measure[]> {
  const capture = syntheticCapture(packets);
  const batches = frames(capture);
  const out: Measure[] = [];
  const say = (name: string, value: number, unit: string, goal?: string): void => {
    out.push(goal === undefined ? { name, value, unit } : { name, value, unit, goal });
  };
  inMemory(batches.slice(0, 100), 100 * 1024, 'detector', 2);
  const link = inMemory(batches, packets, 'ip', 2);
  const decoded = inMemory(batches, packets, 'dns', 2);
  const judged = inMemory(batches, packets, 'detector', 2);
  say('dns: link and IP decoding', link, 'packets/s');
  say('dns: DNS decoding alone', 1 / (1 / decoded - 1 / link), 'packets/s', '>= 6,000,000');
  const quiet = frames(syntheticCapture(packets, 0));
  const quietSpeed = 1 / (1 / inMemory(quiet, packets, 'detector', 2) - 1 / inMemory(quiet, packets, 'dns', 2));
  globalThis.gc?.();
  const heap = process.memoryUsage().heapUsed;
  inMemory(quiet, packets, 'detector', 1);
  say('dns: heap per packet, quiet traffic', Math.max(0, process.memoryUsage().heapUsed - heap) / packets, 'bytes');
  say('dns: detector alone, quiet traffic', quietSpeed, 'rows/s', '>= 5,000,000');
  say('dns: detector alone, 1 % tunnel', 1 / (1 / judged - 1 / decoded), 'rows/s');
  say('dns: link to detector, in memory', judged, 'packets/s', '>= 2,000,000');
  const dir = mkdtempSync(join(tmpdir(), 'parapet-bench-'));
  try {
    const beside = async (what: string, path: string, count: number, city: City): Promise<void> => {
      let own = Number.POSITIVE_INFINITY;
      for (let round = 0; round < ROUNDS; round++) {
        const from = process.cpuUsage();
        await analyze([path], { city, planes: new Set(['dns']) });
        const used = process.cpuUsage(from);
        own = Math.min(own, (used.user + used.system) / 1e6);
      }
      say(`${what}: all DNS detectors, file to findings`, count / own, 'packets/s', '>= 2,000,000');
      const ndpi = childSeconds('ndpiReader', ['-i', path, '-q']);
      const tshark = childSeconds('tshark', ['-r', path, '-Y', 'dns', '-T', 'fields', '-e', 'dns.qry.name']);
      if (!Number.isNaN(ndpi)) say(`${what}: ndpiReader CPU over ours`, ndpi / own, 'x', '>= 5');
      if (!Number.isNaN(tshark)) say(`${what}: tshark CPU over ours`, tshark / own, 'x');
    };
    const path = join(dir, 'dns.pcap');
    writeFileSync(path, capture);
    await beside('dns: packed', path, packets, defaultCity());
    const world = join(dir, 'range');
    const made = ['range', 'run', 'dns-quiet', '--seed', '5', '--clients', '1500', '--days', '2', '--format', 'ndjson'];
    const range = parapet([...made, '--out', world]);
    const { items } = JSON.parse(range.stdout).files['dns.pcap'];
    await beside('dns: two days of a city', join(world, 'dns.pcap'), items, loadCity(join(world, 'city.yaml')));
    writeFileSync(path, syntheticCapture(DOMAINS, 0, DOMAINS / 2));
    const million = parapet(['analyze', path, '--plane', 'dns', '--format', 'ndjson']);
    const memory = /maximum resident (\d+)/.exec(million.stderr)?.[1];
    if (memory !== undefined) say('dns: peak memory, 10^6 domains', Number(memory) / 1024, 'MiB', '<= 256');
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
  return out;
}

if (import.meta.main) {
  for (const m of await bench(Number(process.argv[2] ?? 1_000_000)))
    console.log(
      `${m.name.padEnd(40)} ${m.value.toLocaleString('en', { maximumFractionDigits: 1 })} ${m.unit}${m.goal === undefined ? '' : ` (goal ${m.goal})`}`,
    );
}
