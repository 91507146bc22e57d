// The programs that capture: how each is called, when it is ready, and how it tells what it dropped.
import type { LiveOptions } from './live.ts';

export type LiveCode = 'LIVE_NO_TCPDUMP' | 'LIVE_NOT_PERMITTED' | 'LIVE_NO_INTERFACE' | 'LIVE_FILTER' | 'LIVE_FAILED';

/** Packets since the start; -1 where it was not told. */
export interface LiveLoss {
  readonly captured: number;
  readonly receivedByFilter: number;
  readonly droppedByKernel: number;
  readonly droppedByInterface: number;
}
export const UNTOLD: LiveLoss = { captured: -1, receivedByFilter: -1, droppedByKernel: -1, droppedByInterface: -1 };

export interface Tool {
  words(options: LiveOptions): string[];
  /** In its messages once the interface is open. */
  readonly ready: RegExp;
  /** Makes it tell its counts and go on. */
  readonly askSignal?: NodeJS.Signals;
  /** The counts told last, or undefined. */
  lossOf(stderr: string): LiveLoss | undefined;
}

/** `-U` writes packet by packet, so that a quiet interface shows its packets at once; `-Z` gives up root. */
export const tcpdump: Tool = {
  words(options) {
    const words = ['tcpdump', '-i', options.interface, '-n', '-U', '-w', '-', '-Z', options.user ?? 'nobody'];
    if (options.bufferKib !== undefined) words.push('-B', String(options.bufferKib));
    if (options.snapBytes !== undefined) words.push('-s', String(options.snapBytes));
    if ((options.filter ?? '') !== '') words.push('--', options.filter!);
    return words;
  },
  ready: /listening on/,
  // tcpdump(8): SIGUSR1 reports the counts where there is no SIGINFO.
  askSignal: 'SIGUSR1',
  lossOf(stderr) {
    if (!/packets? dropped by kernel/.test(stderr)) return undefined;
    return {
      captured: last(stderr, /(\d+) packets? captured/g),
      receivedByFilter: last(stderr, /(\d+) packets? received by filter/g),
      droppedByKernel: last(stderr, /(\d+) packets? dropped by kernel/g),
      droppedByInterface: last(stderr, /(\d+) packets? dropped by interface/g),
    };
  },
};

/** Where it starts as root it stays root by number, but without any capability once the interface is open. */
export const dumpcap: Tool = {
  words(options) {
    const words = ['dumpcap', '-i', options.interface, '-P', '-q', '-w', '-'];
    // In whole MiB.
    if (options.bufferKib !== undefined) words.push('-B', String(Math.max(1, Math.ceil(options.bufferKib / 1024))));
    if (options.snapBytes !== undefined) words.push('-s', String(options.snapBytes));
    if ((options.filter ?? '') !== '') words.push('-f', options.filter!);
    return words;
  },
  ready: /^File: /m,
  lossOf(stderr) {
    const m = /(\d+)\/(\d+) \(pcap:(\d+)\/dumpcap:(\d+)\/flushed:(\d+)\/ps_ifdrop:(\d+)\)/.exec(stderr);
    if (m === null) return undefined;
    const [received, , byPcap, byDumpcap, flushed, byInterface] = m.slice(1).map(Number) as number[];
    return {
      captured: last(stderr, /Packets captured: (\d+)/g),
      receivedByFilter: received!,
      droppedByKernel: byPcap! + byDumpcap! + flushed!,
      droppedByInterface: byInterface!,
    };
  },
};

function last(text: string, pattern: RegExp): number {
  return Number([...text.matchAll(pattern)].at(-1)?.[1] ?? -1);
}
