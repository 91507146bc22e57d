// npm run bench mutations: damaged bytes through every registered decoder and every source, and what it costs.
//
// PARAPET_MUTATIONS says how many mutations each gets (100,000; 1,000,000 for the figure in docs/benchmarks.md). Seeds are
// what the corpora have of the kind (PARAPET_CORPUS), and otherwise what the range writes; a decoder's own input is recorded
// from the seeds by running the decoders before it. Told for each: exceptions, the slowest single input, and how much memory
// a second half of the mutations left in use beyond the first.
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Decoder, EventBatch, Sink } from '#events';
import { DnsMessageBatch, FrameBatch, MtpMessage, PacketBatch, SccpMessage, SctpMessage, StreamBatch } from '#events';
import { decoders, sources } from '#pipeline';
import { runScenario } from '#range';
import type { ByteReader, Source, SourceKind } from '#sources';
import { openBytes } from '#sources';
import * as printed from '../src/sources/nfdump/printed.ts';

const corpus = process.env.PARAPET_CORPUS ?? '../shared/corpus';
/** Octets of the largest file that is taken for a seed, and of one input of a source. */
const SEED_BYTES_MAX = 256 * 1024;
const SOURCE_BYTES_MAX = 4096;
/** Seeds kept for one stage: the first of each length, so that all kinds of messages are among them. */
const SEEDS_MAX = 2000;
/** What takes longer than this is named (it is not yet wrong: others run here too, and the compiler does). */
const SLOW_MILLIS = 50;

interface Measure {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  readonly goal?: string;
}

/** A fixed generator: the same mutations in every run. */
class Dice {
  #state: number;
  constructor(seed: number) {
    this.#state = seed >>> 0 || 1;
  }
  /** A whole number below `n`. */
  under(n: number): number {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x >>> 0;
    return this.#state % n;
  }
}

const awkward = [0, 1, 0x7f, 0x80, 0xc0, 0xfe, 0xff];

/** One damaged copy: octets set, flipped and raised, parts cut out, doubled or exchanged with another seed's, the end cut off. */
export function mutate(seed: Uint8Array, other: Uint8Array, dice: Dice): Uint8Array {
  let bytes = Uint8Array.from(seed);
  for (let k = dice.under(6); k >= 0 && bytes.length > 0; k--) {
    const at = dice.under(bytes.length);
    switch (dice.under(9)) {
      case 0:
        bytes[at] = awkward[dice.under(awkward.length)]!;
        break;
      case 1:
        bytes[at]! ^= 1 << dice.under(8);
        break;
      case 2:
        bytes[at]! += dice.under(2) === 0 ? 1 : 255;
        break;
      case 3: {
        // A length or a count of two octets that lies.
        const value = [0, 1, 0x7fff, 0xffff, bytes.length, bytes.length - at][dice.under(6)]!;
        bytes[at] = value >>> 8;
        if (at + 1 < bytes.length) bytes[at + 1] = value;
        break;
      }
      case 4: {
        const length = 1 + dice.under(Math.min(32, bytes.length - at));
        bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + length)]);
        break;
      }
      case 5: {
        const length = 1 + dice.under(Math.min(64, bytes.length - at));
        bytes = Buffer.concat([bytes.subarray(0, at + length), bytes.subarray(at)]);
        break;
      }
      case 6: {
        if (other.length === 0) break;
        const from = dice.under(other.length);
        bytes = Buffer.concat([
          bytes.subarray(0, at),
          other.subarray(from, from + 1 + dice.under(64)),
          bytes.subarray(at),
        ]);
        break;
      }
      case 7:
        bytes = bytes.slice(0, at);
        break;
      default:
        bytes[at] = dice.under(256);
    }
  }
  return bytes;
}

interface Told {
  crashes: number;
  firstCrash: string;
  slowestMillis: number;
  slowestHex: string;
  /** Bytes that the second half of the mutations left in use beyond the first. */
  grownBytes: number;
  cpuMicros: number;
  emitted: number;
  faults: number;
}

async function inUse(): Promise<number> {
  // Buffers are given back by what the first collection leaves to be run.
  for (let round = 0; round < 3; round++) {
    globalThis.gc?.();
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  const m = process.memoryUsage();
  return globalThis.gc === undefined ? m.rss : m.heapUsed + m.arrayBuffers;
}

/** Runs `one` over `count` mutations of the seeds. */
async function run(
  seeds: readonly Uint8Array[],
  count: number,
  salt: number,
  one: (bytes: Uint8Array, seed: number, n: number) => void | Promise<void>,
): Promise<Omit<Told, 'emitted' | 'faults'>> {
  const dice = new Dice(0x9e3779b9 ^ salt);
  const told = { crashes: 0, firstCrash: '', slowestMillis: 0, slowestHex: '', grownBytes: 0, cpuMicros: 0 };
  let before = process.cpuUsage();
  const stop = (): void => {
    const used = process.cpuUsage(before);
    told.cpuMicros += used.user + used.system;
  };
  let middle = 0;
  for (let n = 0; n < count; n++) {
    if (n === count >>> 1) {
      stop();
      middle = await inUse();
      before = process.cpuUsage();
    }
    const seed = dice.under(seeds.length);
    const bytes = mutate(seeds[seed]!, seeds[dice.under(seeds.length)]!, dice);
    let millis = Number.POSITIVE_INFINITY;
    // What is slow is tried again: the collector, the compiler and other processes are slow once, an input each time.
    for (let again = 0, crashed = false; !crashed && again < 4 && millis > Math.max(1, told.slowestMillis); again++) {
      const from = performance.now();
      try {
        const done = one(bytes, seed, n);
        if (done !== undefined) await done;
      } catch (error) {
        crashed = true;
        told.crashes += 1;
        if (told.firstCrash === '') {
          const stack = ((error as Error).stack ?? String(error)).split('\n').slice(0, 4).join(' | ');
          told.firstCrash = `${stack} on ${Buffer.from(bytes).toString('hex').slice(0, 400)}`;
        }
      }
      millis = Math.min(millis, performance.now() - from);
    }
    if (millis > told.slowestMillis) {
      told.slowestMillis = millis;
      told.slowestHex = Buffer.from(bytes).toString('hex').slice(0, 400);
    }
  }
  stop();
  told.grownBytes = (await inUse()) - middle;
  return told;
}

// ---- Seeds -----------------------------------------------------------------------------------------------------------

/** Files of the corpora and of the range that are small enough, and are not packed. */
async function seedFiles(dir: string): Promise<{ path: string; bytes: Uint8Array }[]> {
  const roots: string[] = [];
  for (const plane of ['dns', 'flow', 'signalling'])
    if (existsSync(join(corpus, plane))) roots.push(join(corpus, plane));
  if (roots.length === 0) console.log(`no corpus at ${corpus} (set PARAPET_CORPUS): seeds are the range's`);
  runScenario('dns-day', { seed: 1, clients: 12, days: 0.02, out: join(dir, 'dns'), logs: 'all' });
  runScenario('blackout', { seed: 1, meters: 54, quietDays: 0.01, out: join(dir, 'city') });
  // No corpus has what nfdump prints.
  for (const [name, text] of Object.entries(printed)) writeFileSync(join(dir, `nfdump-${name}.csv`), text);
  roots.push(dir);
  const out: { path: string; bytes: Uint8Array }[] = [];
  for (const root of roots)
    for (const name of readdirSync(root, { recursive: true, encoding: 'utf8' }).sort()) {
      const path = join(root, name);
      const stat = statSync(path);
      if (!stat.isFile() || stat.size === 0) continue;
      if (stat.size <= SEED_BYTES_MAX) out.push({ path, bytes: await wholeOf(path) });
      else if (root === dir) out.push({ path, bytes: readFileSync(path).subarray(0, SEED_BYTES_MAX) });
    }
  return out;
}

/** A file's bytes, unpacked where it is packed; no more than a seed has. */
async function wholeOf(path: string): Promise<Uint8Array> {
  const reader = await openBytes(path);
  const length = Math.min(SEED_BYTES_MAX, await reader.fill(SEED_BYTES_MAX));
  const bytes = reader.buffer.slice(reader.start, reader.start + length);
  reader.close();
  return bytes;
}

/** A file held in memory, read as a source reads it. */
class Bytes implements ByteReader {
  readonly buffer: Uint8Array;
  start = 0;
  readonly end: number;
  readonly progress: { read: number; size: number };
  constructor(bytes: Uint8Array) {
    this.buffer = bytes;
    this.end = bytes.length;
    this.progress = { read: bytes.length, size: bytes.length };
  }
  get position(): number {
    return this.start;
  }
  async fill(): Promise<number> {
    return this.end - this.start;
  }
  close(): void {}
}

/** Reads an input to its end. @throws Error where it has no end */
async function drain(source: Source, sink: Sink, bytes: number): Promise<void> {
  // Each turn takes an octet at the least, or is the last.
  for (let turns = 0; await source.pull(Number.POSITIVE_INFINITY, sink); turns++)
    if (turns > bytes + 16) throw new Error('a source that does not come to its end');
  source.close();
}

// ---- Decoders: one message at a time ---------------------------------------------------------------------------------

/** What one row of a batch holds beside its bytes, and how it is lent again with others. */
interface Recorded {
  readonly bytes: Uint8Array;
  lend(bytes: Uint8Array, n: number): EventBatch;
}

type Columns = FrameBatch | PacketBatch | DnsMessageBatch;

/** Batches that are lent: one of a kind, filled again for each mutation. */
const lent = { frame: new FrameBatch(), packet: new PacketBatch(), 'dns-message': new DnsMessageBatch() };

/** Values of one row, by column. */
function rowOf(batch: Columns, row: number): [string, number[]][] {
  return Object.entries(batch)
    .filter(([key, column]) => ArrayBuffer.isView(column) && key !== 'bytes')
    .map(([key, column]) => {
      const values = column as unknown as Float64Array;
      const width = Math.max(1, Math.round(values.length / batch.at.length));
      return [key, Array.from(values.subarray(width * row, width * (row + 1)))];
    });
}

/** Rows of what decoders take, as they would be lent again with damaged bytes. */
function record(batch: EventBatch, keep: (kind: string, length: number, make: () => Recorded) => void): void {
  if (batch.kind === 'frame' || batch.kind === 'packet' || batch.kind === 'dns-message') {
    const { origin } = batch;
    for (let i = 0; i < batch.count; i++) {
      const offset = batch.kind === 'packet' ? batch.payloadOffset[i]! : batch.offset[i]!;
      const length = batch.kind === 'packet' ? batch.payloadCaptured[i]! : batch.length[i]!;
      const key = batch.kind === 'packet' ? `packet/${batch.protocol[i]}` : batch.kind;
      keep(key, length, () => {
        const own: Columns = lent[batch.kind];
        const row = rowOf(batch, i);
        let at = batch.at[i]!;
        return {
          bytes: batch.bytes.slice(offset, offset + length),
          lend(bytes, n) {
            for (const [name, values] of row) (own as unknown as Record<string, Float64Array>)[name]!.set(values, 0);
            own.origin = origin;
            own.count = 1;
            own.bytes = bytes;
            own.at[0] = at += 1000 * (n & 7);
            if (own instanceof PacketBatch) {
              own.payloadOffset[0] = 0;
              own.payloadCaptured[0] = bytes.length;
              own.payloadBytes[0] = bytes.length;
            } else {
              own.offset[0] = 0;
              own.length[0] = bytes.length;
              if (own instanceof FrameBatch) own.wireLength[0] = bytes.length;
            }
            return own;
          },
        };
      });
    }
    return;
  }
  if (batch.kind !== 'stream' && batch.kind !== 'sctp' && batch.kind !== 'mtp' && batch.kind !== 'sccp') return;
  keep(batch.kind, batch.length, () => {
    const fresh = {
      stream: () => new StreamBatch(),
      sctp: () => new SctpMessage(),
      mtp: () => new MtpMessage(),
      sccp: () => new SccpMessage(),
    };
    const own = fresh[batch.kind]();
    const fields = 'addresses' in batch ? { ...batch, addresses: batch.addresses.slice() } : batch;
    Object.assign(own, fields);
    return {
      bytes: batch.bytes.slice(batch.offset, batch.offset + batch.length),
      lend(bytes, n) {
        own.bytes = bytes;
        own.offset = 0;
        own.length = bytes.length;
        // Half of them go on in the stream before, and some end it.
        if (own instanceof StreamBatch) {
          own.connection = 1 + (n >>> 1);
          own.ended = (n & 7) === 7;
        }
        return own;
      },
    };
  });
}

/** Rows for each decoder: files through sources, and what decoders give through the next. */
async function recordAll(files: readonly { path: string; bytes: Uint8Array }[]): Promise<Map<string, Recorded[]>> {
  const out = new Map<string, Recorded[]>();
  const lengths = new Map<string, number>();
  const keep = (kind: string, length: number, make: () => Recorded): void => {
    const list = out.get(kind) ?? [];
    if (list.length >= SEEDS_MAX || length === 0) return;
    // At most three of one length of a kind, so that common messages leave room.
    const key = `${kind} ${length}`;
    const seen = lengths.get(key) ?? 0;
    if (seen >= 3) return;
    lengths.set(key, seen + 1);
    list.push(make());
    out.set(kind, list);
  };
  const running = decoders.map((k) => k.create());
  const sink: Sink = {
    emit(batch) {
      record(batch, keep);
      for (const d of running) if (d.card.takes.includes(batch.kind)) d.decode(batch, sink);
    },
    fault: () => {},
  };
  for (const { path, bytes } of files) {
    const kind = sources.find((s) => s.probe(bytes.subarray(0, 4096), path));
    if (kind === undefined || kind.card.name === 'ndjson') continue;
    try {
      await drain(kind.open(new Bytes(bytes), path), sink, bytes.length);
    } catch {
      // Told where the source itself is run.
    }
  }
  return out;
}

function rowsFor(decoder: Decoder, rows: ReadonlyMap<string, Recorded[]>): Recorded[] {
  return decoder.card.takes.flatMap((kind) =>
    [...rows].filter(([key]) => key === kind || key.startsWith(`${kind}/`)).flatMap(([, list]) => list),
  );
}

/** PARAPET_MUTATIONS_OF names the stages that are run, with commas between; all of them by default. */
const named = (process.env.PARAPET_MUTATIONS_OF ?? '').split(',').filter(Boolean);
const wanted = (name: string): boolean => named.length === 0 || named.includes(name);

// ---- The benchmark ---------------------------------------------------------------------------------------------------

export async function bench(count = Number(process.env.PARAPET_MUTATIONS ?? 100_000)): Promise<Measure[]> {
  const dir = mkdtempSync(join(tmpdir(), 'parapet-mutations-'));
  const out: Measure[] = [];
  const rssBefore = process.memoryUsage().rss;
  const say = (name: string, seeds: number, told: Told, tried = count): void => {
    out.push({
      name: `${name}: crashes in ${tried} mutations of ${seeds} seeds`,
      value: told.crashes,
      unit: '',
      goal: '0',
    });
    out.push({ name: `${name}: CPU a mutation, making it included`, value: told.cpuMicros / tried, unit: 'µs' });
    out.push({ name: `${name}: slowest single input`, value: told.slowestMillis, unit: 'ms' });
    out.push({ name: `${name}: memory beyond the first half`, value: told.grownBytes / 1e6, unit: 'MB' });
    if (told.crashes > 0) console.log(`${name}: ${told.firstCrash}`);
    if (told.slowestMillis > SLOW_MILLIS)
      console.log(`${name}: ${told.slowestMillis.toFixed(1)} ms on ${told.slowestHex}`);
    if (told.emitted + told.faults === 0) console.log(`${name}: neither rows nor faults came, so nothing was tried`);
  };
  try {
    const files = await seedFiles(dir);
    const rows = await recordAll(files);
    for (const [i, kind] of decoders.entries()) {
      if (!wanted(kind.card.name)) continue;
      const own = rowsFor(kind.create(), rows);
      if (own.length === 0) {
        console.log(`${kind.card.name}: no seed has a row that it takes`);
        continue;
      }
      let emitted = 0;
      let faults = 0;
      const sink: Sink = { emit: () => void (emitted += 1), fault: () => void (faults += 1) };
      const decoder = kind.create();
      const told = await run(
        own.map((r) => r.bytes),
        count,
        i,
        (bytes, seed, n) => {
          const batch = own[seed]!.lend(bytes, n);
          decoder.decode(batch, sink);
          if ((n & 1023) === 0 && 'at' in batch)
            decoder.advance(typeof batch.at === 'number' ? batch.at : batch.at[0]!, sink);
        },
      );
      decoder.end(sink);
      say(`decoder ${kind.card.name}`, own.length, { ...told, emitted, faults });
    }
    for (const [i, kind] of sources.entries()) {
      if (!wanted(kind.card.name)) continue;
      const own = seedsOf(kind, files);
      if (own.length === 0) {
        console.log(`${kind.card.name}: no seed of its kind`);
        continue;
      }
      let emitted = 0;
      let faults = 0;
      const sink: Sink = { emit: () => void (emitted += 1), fault: () => void (faults += 1) };
      if (!binary.has(kind.card.name)) {
        const lines = linesOf(own);
        let held: Uint8Array[] = [];
        let input: Uint8Array | undefined;
        let last = -1;
        const told = await run(lines, count, 200 + i, (bytes, _seed, n) => {
          if (n !== last) {
            last = n;
            held.push(bytes, lineEnd);
            input = undefined;
            if (held.length === 2 * LINES || n === count - 1) {
              // The head stays whole, so that the damaged lines are read as lines of this log.
              input = Buffer.concat([headOf(own[n % own.length]!), ...held]);
              held = [];
            }
          }
          return input && drain(kind.open(new Bytes(input), 'mutated'), sink, input.length);
        });
        say(`source ${kind.card.name}, lines`, lines.length, { ...told, emitted, faults });
      }
      let opened = 0;
      const whole = binary.has(kind.card.name) ? count : Math.ceil(count / LINES);
      const told = await run(own, whole, 100 + i, async (bytes) => {
        // Any bytes may be asked; whoever says that they are its own has to read them.
        for (const any of sources) {
          if (!any.probe(bytes.subarray(0, 4096), 'mutated')) continue;
          opened += 1;
          await drain(any.open(new Bytes(bytes), 'mutated'), sink, bytes.length);
          break;
        }
      });
      say(`source ${kind.card.name}`, own.length, { ...told, emitted, faults }, whole);
      if (opened < whole / 2) console.log(`source ${kind.card.name}: only ${opened} of ${whole} were still recognised`);
    }
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
  globalThis.gc?.();
  out.push({
    name: 'resident memory, end over start',
    value: (process.memoryUsage().rss - rssBefore) / 1e6,
    unit: 'MB',
  });
  return out;
}

/** Sources whose files are no lines: each mutation is a file. */
const binary: ReadonlySet<string> = new Set(['pcap', 'pcapng', 'dnstap']);
/** Damaged lines in one input: opening one costs more than reading them. */
const LINES = 64;
const lineEnd = Uint8Array.of(0x0a);

/** Header lines, and the first line that is none (it tells the format). */
function headOf(file: Uint8Array): Uint8Array {
  let at = 0;
  for (let inHead = true; inHead && at < file.length; ) {
    inHead = file[at] === 0x23;
    const end = file.indexOf(0x0a, at);
    at = end < 0 ? file.length : end + 1;
  }
  return file.subarray(0, at);
}

function linesOf(files: readonly Uint8Array[]): Uint8Array[] {
  const out: Uint8Array[] = [];
  for (const file of files)
    for (let at = 0; at < file.length && out.length < SEEDS_MAX; ) {
      const end = file.indexOf(0x0a, at);
      if (end > at) out.push(file.slice(at, end));
      at = end < 0 ? file.length : end + 1;
    }
  return out;
}

/** The beginning of each file of its kind. */
function seedsOf(kind: SourceKind, files: readonly { path: string; bytes: Uint8Array }[]): Uint8Array[] {
  return files
    .filter((f) => sources.find((s) => s.probe(f.bytes.subarray(0, 4096), f.path)) === kind)
    .slice(0, SEEDS_MAX)
    .map((f) => f.bytes.slice(0, SOURCE_BYTES_MAX));
}

if (import.meta.main)
  for (const m of await bench(Number(process.argv[2] ?? process.env.PARAPET_MUTATIONS ?? 100_000)))
    console.log(`${m.name.padEnd(70)} ${m.value.toLocaleString('en', { maximumFractionDigits: 2 })} ${m.unit}`);
