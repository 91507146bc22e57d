// NDJSON in time order through a bounded window, written in large blocks.
import { closeSync, openSync, writeSync } from 'node:fs';

interface Line {
  readonly at: number;
  readonly serial: number;
  readonly text: string;
  readonly onLine: ((line: number) => void) | undefined;
}

let lastMicros = -1;
let lastText = '';
/** ISO 8601 UTC to the millisecond. */
export function isoTime(at: number): string {
  if (at !== lastMicros) {
    lastMicros = at;
    lastText = new Date(Math.floor(at / 1000)).toISOString();
  }
  return lastText;
}

export class NdjsonWriter {
  readonly #fd: number;
  #pending: Line[] = [];
  #serial = 0;
  lines = 0;
  bytes = 0;

  constructor(path: string) {
    this.#fd = openSync(path, 'w');
  }
  /** `onLine` learns the 1-based line number once it is written. */
  add(at: number, text: string, onLine?: (line: number) => void): void {
    this.#pending.push({ at, serial: this.#serial++, text, onLine });
  }
  /** Writes everything earlier than `until`. */
  flush(until: number): void {
    const ready = this.#pending.filter((l) => l.at < until);
    if (ready.length === 0) return;
    this.#pending = this.#pending.filter((l) => l.at >= until);
    ready.sort((a, b) => a.at - b.at || a.serial - b.serial);
    const parts: string[] = [];
    for (const l of ready) {
      parts.push(l.text, '\n');
      this.lines += 1;
      l.onLine?.(this.lines);
    }
    const block = Buffer.from(parts.join(''));
    for (let o = 0; o < block.length; ) o += writeSync(this.#fd, block, o, block.length - o);
    this.bytes += block.length;
  }
  close(): void {
    this.flush(Number.POSITIVE_INFINITY);
    closeSync(this.#fd);
  }
}
