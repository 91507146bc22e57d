// A live interface through a tcpdump pipe: the child opens the interface and gives up its rights before it reads a packet
// (-Z); this process needs none. Its output is a pcap file without end, read by ../pcap. `-U` writes packet by packet, so
// that a quiet interface shows its packets at once.
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import type { Readable } from 'node:stream';
import type { FaultTable, Origin, Sink } from '#events';
import type { Source } from '../contract.ts';
import { readBytes } from '../file/index.ts';
import { pcap } from '../pcap/index.ts';

export const liveFaults: FaultTable = {
  ...pcap.card.faults,
  LIVE_NO_TCPDUMP: {
    text: 'tcpdump is not installed or not in PATH.',
    remedy: 'Install tcpdump (Debian: apt-get install tcpdump), or give a capture file instead.',
    lost: 'the whole interface',
  },
  LIVE_NOT_PERMITTED: {
    text: 'This user may not capture.',
    remedy:
      'Run it with CAP_NET_RAW (systemd: AmbientCapabilities=CAP_NET_RAW), or as root; rights are dropped at once.',
    lost: 'the whole interface',
  },
  LIVE_NO_INTERFACE: {
    text: 'There is no such interface.',
    remedy: 'See "ip link" for the names.',
    lost: 'the whole interface',
  },
  LIVE_FILTER: {
    text: 'tcpdump does not understand the capture filter.',
    remedy: 'Write it as pcap-filter(7) says, for example "udp port 53 or sctp".',
    lost: 'the whole interface',
  },
  LIVE_FAILED: {
    text: 'tcpdump ended with an error.',
    remedy: 'Run the same tcpdump by hand to see its words; if the interface went down, start again when it is up.',
    lost: 'what passes from now on',
  },
  LIVE_DROPPED: {
    text: 'The kernel dropped packets because they were not taken in time.',
    remedy: 'Narrow the capture filter, or give this sensor more processor.',
    lost: 'the dropped packets, so that counts of this interface are too low',
  },
};

export type LiveCode = 'LIVE_NO_TCPDUMP' | 'LIVE_NOT_PERMITTED' | 'LIVE_NO_INTERFACE' | 'LIVE_FILTER' | 'LIVE_FAILED';

/** The capture could not start. Code, text and remedy are those of liveFaults; `detail` is tcpdump's own last line. */
export class LiveError extends Error {
  readonly code: LiveCode;
  readonly remedy: string;
  readonly detail: string;
  constructor(code: LiveCode, place: string, detail: string) {
    const { text, remedy } = liveFaults[code]!;
    super(`${code}: ${place}: ${text}${detail === '' ? '' : ` (${detail})`} ${remedy}`);
    this.name = 'LiveError';
    this.code = code;
    this.remedy = remedy;
    this.detail = detail;
  }
}

export interface LiveOptions {
  readonly interface: string;
  /** pcap-filter(7); '' takes all. */
  readonly filter?: string;
  /** Octets of each frame that are taken; the whole frame where absent. */
  readonly snapBytes?: number;
  /** Account that the child runs under once the interface is open, where it starts as root. */
  readonly user?: string;
  /** Kernel buffer, KiB. */
  readonly bufferKib?: number;
  /** Words before tcpdump, such as `ip netns exec NAME`. */
  readonly through?: readonly string[];
}

/** What tcpdump says at its end; -1 where it did not get to say it. */
export interface LiveLoss {
  readonly captured: number;
  readonly receivedByFilter: number;
  readonly droppedByKernel: number;
  readonly droppedByInterface: number;
}

/** Characters of the child's messages that are kept: the last ones, where its reasons and counts stand. */
const STDERR_MAX = 4096;
const STOP_MILLIS = 3000;

/** Starts the capture. @throws LiveError where it can't */
export async function openLive(options: LiveOptions): Promise<LiveSource> {
  const name = options.interface;
  // A name that begins with a dash would be an option of tcpdump.
  if (!/^[^-\s/][^\s/]{0,63}$/.test(name)) throw new LiveError('LIVE_NO_INTERFACE', name, '');
  const words = [...(options.through ?? []), 'tcpdump', '-i', name, '-n', '-U', '-w', '-'];
  words.push('-Z', options.user ?? 'nobody');
  if (options.bufferKib !== undefined) words.push('-B', String(options.bufferKib));
  if (options.snapBytes !== undefined) words.push('-s', String(options.snapBytes));
  if ((options.filter ?? '') !== '') words.push('--', options.filter!);
  const [command, ...args] = words;
  const child = spawn(command!, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env.PATH, LC_ALL: 'C' },
  });
  const said = { stderr: '' };
  await new Promise<void>((resolve, reject) => {
    child.stderr.setEncoding('utf8');
    child.stderr.on('data', (text: string) => {
      said.stderr = (said.stderr + text).slice(-STDERR_MAX);
      if (said.stderr.includes('listening on')) resolve();
    });
    child.once('error', (error: NodeJS.ErrnoException) => {
      const code =
        error.code === 'ENOENT' ? 'LIVE_NO_TCPDUMP' : error.code === 'EACCES' ? 'LIVE_NOT_PERMITTED' : 'LIVE_FAILED';
      reject(new LiveError(code, name, error.message));
    });
    child.once('close', () => reject(new LiveError(reasonOf(said.stderr), name, lastLine(said.stderr))));
  });
  return new LiveSource(child, name, said);
}

function reasonOf(stderr: string): LiveCode {
  if (/permission|not permitted/i.test(stderr)) return 'LIVE_NOT_PERMITTED';
  if (/no such device|doesn't exist|does not exist/i.test(stderr)) return 'LIVE_NO_INTERFACE';
  if (/syntax error|can't parse filter|unknown host|illegal|expression|'--'/i.test(stderr)) return 'LIVE_FILTER';
  return 'LIVE_FAILED';
}

function lastLine(stderr: string): string {
  return stderr.trim().split('\n').at(-1) ?? '';
}

type Child = ChildProcessByStdio<null, Readable, Readable>;

export class LiveSource implements Source {
  readonly #child: Child;
  readonly #origin: Origin;
  readonly #said: { stderr: string };
  readonly #closed: Promise<number | null>;
  #inner: Source | undefined;
  #isStopped = false;
  #ended = false;
  /** Frames emitted: where a fault of the whole capture is placed. */
  #frames = 0;
  loss: LiveLoss = { captured: -1, receivedByFilter: -1, droppedByKernel: -1, droppedByInterface: -1 };

  constructor(child: Child, name: string, said: { stderr: string }) {
    this.#child = child;
    this.#origin = { file: `live:${name}`, placed: 'frame' };
    this.#said = said;
    this.#closed = new Promise((resolve) => child.once('close', (code) => resolve(code)));
  }

  get progress(): { readonly read: number; readonly size: number } {
    return this.#inner?.progress ?? { read: 0, size: 0 };
  }

  /** Account of the running child, for `doctor` and tests. */
  get pid(): number {
    return this.#child.pid ?? -1;
  }

  async #begin(): Promise<Source> {
    this.#inner ??= pcap.open(await readBytes(this.#child.stdout, 0), this.#origin.file);
    return this.#inner;
  }

  /** Waits for a packet; Infinity once the capture has ended. */
  async peekAt(): Promise<number> {
    if (this.#ended) return Number.POSITIVE_INFINITY;
    return (await this.#begin()).peekAt();
  }

  async pull(until: number, sink: Sink): Promise<boolean> {
    if (this.#ended) return false;
    const inner = await this.#begin();
    const counting: Sink = {
      emit: (batch) => {
        if (batch.kind === 'frame') this.#frames += batch.count;
        sink.emit(batch);
      },
      // What a stopped child leaves unfinished is no fault of the input.
      fault: (code, origin, place, offset) => {
        if (!(this.#isStopped && code === 'PCAP_TRUNCATED')) sink.fault(code, origin, place, offset);
      },
    };
    if (await inner.pull(until, counting)) return true;
    const code = await this.#closed;
    this.#ended = true;
    this.loss = lossOf(this.#said.stderr);
    if (this.loss.droppedByKernel > 0 || this.loss.droppedByInterface > 0)
      sink.fault('LIVE_DROPPED', this.#origin, this.#frames, -1);
    if (!this.#isStopped || (code !== 0 && code !== null)) sink.fault('LIVE_FAILED', this.#origin, this.#frames, -1);
    return false;
  }

  /** Asks the child to end; pull gives what is under way, then what was lost, then false. */
  stop(): void {
    if (this.#isStopped) return;
    this.#isStopped = true;
    this.#child.kill('SIGINT');
    setTimeout(() => this.#child.kill('SIGKILL'), STOP_MILLIS).unref();
  }

  close(): void {
    this.stop();
    this.#ended = true;
    this.#inner?.close();
    this.#child.stdout.destroy();
  }
}

function lossOf(stderr: string): LiveLoss {
  const number = (pattern: RegExp): number => Number(pattern.exec(stderr)?.[1] ?? -1);
  return {
    captured: number(/(\d+) packets? captured/),
    receivedByFilter: number(/(\d+) packets? received by filter/),
    droppedByKernel: number(/(\d+) packets? dropped by kernel/),
    droppedByInterface: number(/(\d+) packets? dropped by interface/),
  };
}
