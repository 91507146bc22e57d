// A live interface through the pipe of a child, tcpdump or dumpcap: it opens the interface and gives up its rights before it
// reads a packet; this process needs none. Its output is a pcap file without end, read by ../pcap.
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync } from 'node:fs';
import type { Readable } from 'node:stream';
import type { FaultTable, Origin, Sink } from '#events';
import type { Source } from '../contract.ts';
import { readBytes } from '../file/index.ts';
import { pcap } from '../pcap/index.ts';
import { gather } from './gather.ts';
import { NOT_EXECUTABLE, NOT_FOUND, widePipe } from './pipe.ts';
import { dumpcap, type LiveCode, type LiveLoss, type Tool, tcpdump, UNTOLD } from './tool.ts';

export const liveFaults: FaultTable = {
  ...pcap.card.faults,
  LIVE_NO_TCPDUMP: {
    text: 'Neither tcpdump nor dumpcap is installed and in PATH.',
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
    text: 'The capture filter is not understood.',
    remedy: 'Write it as pcap-filter(7) says, for example "udp port 53 or sctp".',
    lost: 'the whole interface',
  },
  LIVE_FAILED: {
    text: 'The capture ended with an error.',
    remedy: 'Run tcpdump by hand to see its words; if the interface went down, start again when it is up.',
    lost: 'what passes from now on',
  },
  LIVE_DROPPED: {
    text: 'The kernel dropped packets because they were not taken in time.',
    remedy: 'Narrow the capture filter, or give this sensor more processor.',
    lost: 'the dropped packets, so that counts of this interface are too low',
  },
};

/** The capture could not start. Code, text and remedy are those of liveFaults; `detail` is the child's own last line. */
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
  /** Words before the program, such as `ip netns exec NAME`. */
  readonly through?: readonly string[];
  /** Where absent: tcpdump, or dumpcap where there is no tcpdump. */
  readonly tool?: 'tcpdump' | 'dumpcap';
}

/** Characters of the child's messages that are kept: the last ones, where its reasons and counts stand. */
const STDERR_MAX = 4096;
const STOP_MILLIS = 3000;
/** How often a running tcpdump is asked for its counts. */
const ASK_MILLIS = 10_000;

/** Starts the capture. @throws LiveError where it can't */
export async function openLive(options: LiveOptions): Promise<LiveSource> {
  // A name that begins with a dash would be an option.
  if (!/^[^-\s/][^\s/]{0,63}$/.test(options.interface)) throw new LiveError('LIVE_NO_INTERFACE', options.interface, '');
  if (options.tool !== undefined) return start(options.tool === 'dumpcap' ? dumpcap : tcpdump, options);
  try {
    return await start(tcpdump, options);
  } catch (error) {
    if (!(error instanceof LiveError) || error.code !== 'LIVE_NO_TCPDUMP') throw error;
    return start(dumpcap, options);
  }
}

async function start(tool: Tool, options: LiveOptions): Promise<LiveSource> {
  const name = options.interface;
  const wide = widePipe();
  const program = [...(options.through ?? []), ...tool.words(options)];
  const [command, ...args] = wide?.words(program) ?? program;
  const child = spawn(command!, args, {
    stdio: ['ignore', wide?.childEnd ?? 'pipe', 'pipe'],
    env: { PATH: process.env.PATH, LC_ALL: 'C' },
  });
  if (wide !== undefined) closeSync(wide.childEnd);
  const stdout = wide?.out ?? child.stdout!;
  const stderr = child.stderr!;
  const said = { stderr: '' };
  await new Promise<void>((resolve, reject) => {
    stderr.setEncoding('utf8');
    stderr.on('data', (text: string) => {
      said.stderr = (said.stderr + text).slice(-STDERR_MAX);
      if (tool.ready.test(said.stderr)) resolve();
    });
    child.once('error', (error: NodeJS.ErrnoException) => {
      const code =
        error.code === 'ENOENT' ? 'LIVE_NO_TCPDUMP' : error.code === 'EACCES' ? 'LIVE_NOT_PERMITTED' : 'LIVE_FAILED';
      reject(new LiveError(code, name, error.message));
    });
    child.once('close', (status) => reject(new LiveError(reasonOf(status, said.stderr), name, lastLine(said.stderr))));
  }).catch((error: unknown) => {
    stdout.destroy();
    throw error;
  });
  endWithUs(child);
  return new LiveSource(child, stdout, tool, name, said);
}

/**
 * A child that is not told to end (this process was killed) would wait for a packet to find its pipe broken. A second child,
 * which only waits for the end of its own pipe, then ends it. A parent-death signal would not do: giving up rights clears it.
 */
function endWithUs(child: ChildProcess): void {
  const watch = spawn('sh', ['-c', 'read -r _; kill -TERM "$1" 2>/dev/null', 'sh', String(child.pid)], {
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  watch.on('error', () => {});
  watch.stdin.on('error', () => {});
  child.once('close', () => watch.kill('SIGKILL'));
}

function reasonOf(status: number | null, stderr: string): LiveCode {
  if (status === NOT_FOUND) return 'LIVE_NO_TCPDUMP';
  if (status === NOT_EXECUTABLE) return 'LIVE_NOT_PERMITTED';
  if (/permission|not permitted/i.test(stderr)) return 'LIVE_NOT_PERMITTED';
  if (/no such device|doesn't exist|does not exist|no device named/i.test(stderr)) return 'LIVE_NO_INTERFACE';
  if (/syntax error|can't parse filter|unknown host|illegal|expression|capture filter|'--'/i.test(stderr))
    return 'LIVE_FILTER';
  return 'LIVE_FAILED';
}

function lastLine(stderr: string): string {
  return stderr.trim().split('\n').at(-1) ?? '';
}

export class LiveSource implements Source {
  readonly #child: ChildProcess;
  readonly #stdout: Readable;
  readonly #tool: Tool;
  readonly #asking: NodeJS.Timeout | undefined;
  readonly #origin: Origin;
  readonly #said: { stderr: string };
  readonly #closed: Promise<number | null>;
  #inner: Source | undefined;
  #isStopped = false;
  #ended = false;
  /** Frames emitted: where a fault of the whole capture is placed. */
  #frames = 0;
  /** Dropped packets that a fault has told. */
  #toldDrops = 0;

  constructor(child: ChildProcess, stdout: Readable, tool: Tool, name: string, said: { stderr: string }) {
    this.#child = child;
    this.#stdout = stdout;
    this.#tool = tool;
    this.#origin = { file: `live:${name}`, placed: 'frame' };
    this.#said = said;
    this.#closed = new Promise((resolve) => child.once('close', (code) => resolve(code)));
    if (tool.askSignal !== undefined) this.#asking = setInterval(() => this.ask(), ASK_MILLIS).unref();
    child.once('close', () => clearInterval(this.#asking));
  }

  /** What has been taken and dropped, as the child last told: at its end, and tcpdump each time it is asked. */
  get loss(): LiveLoss {
    return this.#tool.lossOf(this.#said.stderr) ?? UNTOLD;
  }

  /** Asks a running tcpdump for its counts: they stand in `loss` soon after. */
  ask(): void {
    if (this.#tool.askSignal !== undefined && !this.#isStopped && this.#child.exitCode === null)
      this.#child.kill(this.#tool.askSignal);
  }

  get progress(): { readonly read: number; readonly size: number } {
    return this.#inner?.progress ?? { read: 0, size: 0 };
  }

  /** Account of the running child, for `doctor` and tests. */
  get pid(): number {
    return this.#child.pid ?? -1;
  }

  async #begin(): Promise<Source> {
    const stdout = this.#stdout;
    this.#inner ??= pcap.open(await readBytes(gather(stdout), 0, () => stdout.destroy()), this.#origin.file);
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
    const more = await inner.pull(until, counting);
    if (!more) await this.#closed;
    this.#tellDrops(sink);
    if (more) return true;
    const code = await this.#closed;
    this.#ended = true;
    if (!this.#isStopped || (code !== 0 && code !== null)) sink.fault('LIVE_FAILED', this.#origin, this.#frames, -1);
    return false;
  }

  #tellDrops(sink: Sink): void {
    const { droppedByKernel, droppedByInterface } = this.loss;
    const drops = Math.max(droppedByKernel, 0) + Math.max(droppedByInterface, 0);
    if (drops > this.#toldDrops) sink.fault('LIVE_DROPPED', this.#origin, this.#frames, -1);
    this.#toldDrops = Math.max(drops, this.#toldDrops);
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
    this.#stdout.destroy();
  }
}
