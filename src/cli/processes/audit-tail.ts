// The audit log as an index: what stands where in the hash-chained file, for the store and for hunt. The file stays the proof.
import { closeSync, openSync, readSync, statSync } from 'node:fs';
import type { Action } from '#bus';
import { parseIsoMicros } from '#lib/time';

const CHUNK_BYTES = 1 << 20;

export class AuditTail {
  readonly #path: string;
  #offset = 0;

  constructor(path: string) {
    this.#path = path;
  }

  /** Whole lines written since the last call, as index entries; none where the file can't be read. */
  poll(): Action[] {
    const out: Action[] = [];
    try {
      const size = statSync(this.#path).size;
      if (size <= this.#offset) return out;
      const fd = openSync(this.#path, 'r');
      try {
        const bytes = Buffer.alloc(Math.min(size - this.#offset, CHUNK_BYTES));
        const got = readSync(fd, bytes, 0, bytes.length, this.#offset);
        let start = 0;
        for (let end = bytes.indexOf(10, start); end >= 0 && end < got; end = bytes.indexOf(10, start)) {
          const entry = index(bytes.toString('utf8', start, end), this.#path, this.#offset + start);
          if (entry !== undefined) out.push(entry);
          start = end + 1;
        }
        // A line longer than a chunk is passed over: the proof has it all the same.
        this.#offset += start === 0 && got === CHUNK_BYTES ? got : start;
      } finally {
        closeSync(fd);
      }
    } catch {
      // The gateway itself says when its audit can't be read or written.
    }
    return out;
  }
}

function index(line: string, file: string, offset: number): Action | undefined {
  try {
    const e = JSON.parse(line) as {
      seq: number;
      at: string;
      type: string;
      hash: string;
      body?: Record<string, unknown>;
    };
    const body = e.body ?? {};
    const command = body.command as { id?: string } | undefined;
    return {
      id: `${e.seq}`,
      at: parseIsoMicros(e.at),
      actor: String(body.person ?? body.identity ?? 'gateway'),
      what: e.type,
      subject: command?.id ?? String(body.id ?? body.topic ?? ''),
      logFile: file,
      logOffset: offset,
      hash: e.hash,
    };
  } catch {
    return undefined;
  }
}
