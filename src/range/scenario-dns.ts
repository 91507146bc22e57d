// Scenarios of DNS alone: a world's stream merged with attacks, written as a capture, as logs and as truth in one pass.
import { closeSync, mkdirSync, openSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { seededRandom } from '#lib/random';
import { type Cast, dnsCast, monthCast, type NamedAttack } from './attackers/dns-cast.ts';
import { encodeQuery, encodeResponse, MESSAGE_BYTES_MAX } from './encode/dns-message.ts';
import { resetIdentification, udpFrame } from './encode/ethernet.ts';
import { DnstapWriter, type LogFormat, logFormats } from './encode/logs/index.ts';
import { PcapWriter } from './encode/pcap.ts';
import type { RangeOptions, RangeSummary } from './scenario.ts';
import { TruthLog } from './truth.ts';
import {
  DnsWorld,
  deliver,
  dnsCityText,
  type Exchange,
  MergedSource,
  type MessageSink,
  resolverIp,
} from './worlds/dns/index.ts';
import { NdjsonWriter } from './writer.ts';

export interface DnsSpec {
  readonly name: string;
  readonly text: string;
  readonly clients: number;
  readonly days: number;
  readonly cast: (cast: Cast) => NamedAttack[];
  /** Logs written where the options name none: file names, `dns.dnstap` among them. */
  readonly logs: 'all' | readonly string[];
}

export const dnsScenarios: readonly DnsSpec[] = [
  {
    name: 'dns-day',
    text: 'a working day of DNS of a city and its office, with one of every family of tunnels, leaks and orders; capture and all logs',
    clients: 120,
    days: 1,
    cast: dnsCast,
    logs: 'all',
  },
  {
    name: 'dns-month',
    text: 'thirty days of few clients with leaks and orders that are low and slow',
    clients: 22,
    days: 30,
    cast: monthCast,
    logs: ['zeek-dns.log'],
  },
  {
    name: 'dns-quiet',
    text: 'a working day of DNS without an attack, for false alerts',
    clients: 200,
    days: 1,
    cast: () => [],
    logs: ['zeek-dns.log'],
  },
];

/** A Monday. */
const startMicros = Date.UTC(2026, 2, 2) * 1000;
const leakPoints = 64;

export function runDns(spec: DnsSpec, options: RangeOptions): RangeSummary {
  const random = seededRandom(options.seed);
  mkdirSync(join(options.out, 'logs'), { recursive: true });
  resetIdentification();
  const world = new DnsWorld({
    seed: options.seed,
    clients: options.clients ?? spec.clients,
    days: options.days ?? spec.days,
    startMicros,
    ...(options.names === undefined ? {} : { names: options.names }),
  });
  const cast: Cast = {
    random: random.split('attacks'),
    clients: world.clients,
    resolver: resolverIp,
    fromMicros: startMicros,
    untilMicros: world.untilMicros,
    ...(options.sleeperNames === undefined ? {} : { sleeperNames: options.sleeperNames }),
  };
  const attacks = options.attack === false ? [] : spec.cast(cast);
  const city = dnsCityText(world.clients, world.zones);
  writeFileSync(join(options.out, 'city.yaml'), city);

  const capture = new CaptureSink(join(options.out, 'dns.pcap'), attacks.length);
  const wanted = options.logs ?? spec.logs;
  const has = (file: string): boolean => wanted === 'all' || wanted.includes(file);
  const logs = logFormats
    .filter((f) => has(f.file))
    .map((f) => new LogSink(f, join(options.out, 'logs', f.file), startMicros));
  const tap = has('dns.dnstap') ? new DnstapWriter(join(options.out, 'logs', 'dns.dnstap')) : undefined;
  const sinks: MessageSink[] = [capture, ...logs, ...(tap === undefined ? [] : [tap])];
  deliver(new MergedSource([world, ...attacks.map((a) => a.attack.source)]), {
    query: (e) => {
      for (const sink of sinks) sink.query(e);
    },
    response: (e) => {
      for (const sink of sinks) sink.response(e);
    },
  });
  capture.pcap.close();
  for (const log of logs) log.close();
  tap?.close();

  const truth = truthOf(attacks, capture.firstFrame);
  const truthFile = new NdjsonWriter(join(options.out, 'truth.ndjson'));
  truth.write(truthFile);
  truthFile.close();
  const files: Record<string, { bytes: number; items: number }> = {
    'city.yaml': { bytes: Buffer.byteLength(city), items: world.clients.length },
    'dns.pcap': { bytes: capture.pcap.bytes, items: capture.pcap.frames },
    'truth.ndjson': { bytes: truthFile.bytes, items: truthFile.lines },
  };
  for (const log of logs) files[`logs/${log.format.file}`] = { bytes: log.bytes, items: log.lines };
  if (tap !== undefined) files['logs/dns.dnstap'] = { bytes: tap.bytes, items: tap.frames };
  const starts = attacks.filter((a) => a.attack.ledger.queries > 0).map((a) => a.attack.ledger.firstMicros);
  return {
    scenario: spec.name,
    seed: options.seed,
    from: startMicros,
    attackAt: Math.min(world.untilMicros, ...starts),
    until: world.untilMicros,
    meters: world.clients.length,
    honestCommands: 0,
    harmfulCommands: 0,
    surge: 1,
    lostShare: [],
    truthSteps: truth.count,
    decoys: { faultyMeter: '', noisyHost: '' },
    files,
  };
}

/** One step of truth an attack, with what had leaked by when. */
function truthOf(attacks: readonly NamedAttack[], firstFrame: Float64Array): TruthLog {
  const truth = new TruthLog();
  for (const [i, { name, attack }] of attacks.entries()) {
    const { ledger } = attack;
    if (ledger.queries === 0) continue;
    const mark = truth.begin(
      {
        at: ledger.firstMicros,
        until: ledger.lastMicros,
        plane: 'dns',
        what: attack.what,
        assets: attack.assets,
        campaign: name,
        ...(attack.zone === '' ? {} : { zone: attack.zone }),
        ...(attack.tool === '' ? {} : { tool: attack.tool }),
        leakedBytes: ledger.up,
        leakedDownBytes: ledger.down,
        leaked: ledger.points(leakPoints).map(([at, up, down]) => [(at - ledger.firstMicros) / 1e6, up, down]),
      },
      'dns.pcap',
    );
    mark(firstFrame[i]!);
  }
  return truth;
}

class CaptureSink implements MessageSink {
  readonly pcap: PcapWriter;
  /** Number of the first frame of each attack, 0 before. */
  readonly firstFrame: Float64Array;
  readonly #wire = new Uint8Array(MESSAGE_BYTES_MAX);
  #frames = 0;
  constructor(path: string, attacks: number) {
    this.pcap = new PcapWriter(path);
    this.firstFrame = new Float64Array(attacks);
  }
  query(e: Exchange): void {
    const payload = this.#wire.subarray(0, encodeQuery(e, this.#wire, 0));
    this.#add(e.atMicros, udpFrame(e.client, e.clientPort, e.resolver, 53, payload));
    if (e.attack >= 0 && this.firstFrame[e.attack] === 0) this.firstFrame[e.attack] = this.#frames;
  }
  response(e: Exchange): void {
    const payload = this.#wire.subarray(0, encodeResponse(e, this.#wire, 0));
    this.#add(e.answeredAtMicros, udpFrame(e.resolver, 53, e.client, e.clientPort, payload));
  }
  #add(at: number, frame: Uint8Array): void {
    this.pcap.add(at, frame);
    // Messages come in order, so what was added may be written at any time.
    if (++this.#frames % 2048 === 0) this.pcap.flush(Number.POSITIVE_INFINITY);
  }
}

class LogSink implements MessageSink {
  readonly format: LogFormat;
  readonly #fd: number;
  #parts: string[] = [];
  lines = 0;
  bytes = 0;
  constructor(format: LogFormat, path: string, from: number) {
    this.format = format;
    this.#fd = openSync(path, 'w');
    this.#add(format.head(from));
  }
  query(e: Exchange): void {
    this.#add(this.format.query(e));
  }
  response(e: Exchange): void {
    this.#add(this.format.response(e));
  }
  close(): void {
    this.#flush();
    closeSync(this.#fd);
  }
  #add(text: string): void {
    if (text === '') return;
    this.#parts.push(text);
    if (this.#parts.length >= 256) this.#flush();
  }
  #flush(): void {
    const block = Buffer.from(this.#parts.join(''));
    this.#parts = [];
    for (let o = block.indexOf(0x0a); o >= 0; o = block.indexOf(0x0a, o + 1)) this.lines += 1;
    for (let o = 0; o < block.length; ) o += writeSync(this.#fd, block, o, block.length - o);
    this.bytes += block.length;
  }
}
