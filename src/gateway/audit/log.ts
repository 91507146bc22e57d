// The append-only log. An entry is durable (fdatasync) when append() resolves; what waits together is written together.
// After a failed write the file is cut back to its last good entry, so a full disk leaves a whole chain. A torn last
// line, left by a crash, is cut off at opening and its bytes are kept in a `repair` entry. A chain broken elsewhere is
// never continued: the log then refuses every entry and says why.
import { createHash } from 'node:crypto';
import { closeSync, existsSync, fstatSync, mkdirSync, openSync, readSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { holdLock } from '#lib/lock';
import { type AuditEntry, entryLine, genesis } from './chain.ts';
import { verify } from './verify.ts';

/** Where bytes go; a file, or a failing one in a test. */
export interface AuditSink {
  write(bytes: Buffer, position: number): Promise<void>;
  sync(): Promise<void>;
  truncate(bytes: number): Promise<void>;
  close(): Promise<void>;
}

/** Entries that may wait for the disk. Past it append() rejects: the disk is slower than the commands. */
const WAITING_MAX = 4096;

interface Waiting {
  readonly at: number;
  readonly type: string;
  readonly body: unknown;
  readonly done: () => void;
  readonly failed: (error: Error) => void;
}

export class AuditLog {
  readonly #sink: AuditSink | undefined;
  #seq: number;
  #head: string;
  #bytes: number;
  #lastAt: number;
  #waiting: Waiting[] = [];
  #flushing: Promise<void> | undefined;
  /** '' while entries can be written. */
  #fault: string;
  /** A broken chain stays broken; a full disk may become free. */
  readonly #final: boolean;

  constructor(
    sink: AuditSink | undefined,
    state: { seq: number; head: string; bytes: number; lastAt: number },
    fault = '',
  ) {
    this.#sink = sink;
    this.#seq = state.seq;
    this.#head = state.head;
    this.#bytes = state.bytes;
    this.#lastAt = state.lastAt;
    this.#fault = fault;
    this.#final = fault !== '';
  }

  /** Why nothing can be written, or ''. */
  get fault(): string {
    return this.#fault;
  }
  get head(): { readonly seq: number; readonly hash: string } {
    return { seq: this.#seq, hash: this.#head };
  }

  /** @param at microseconds of the wall clock */
  append(type: string, body: unknown, at: number): Promise<void> {
    if (this.#final || this.#sink === undefined) return Promise.reject(new Error(this.#fault));
    if (this.#waiting.length >= WAITING_MAX) return Promise.reject(new Error('the audit is too far behind'));
    const wait = new Promise<void>((done, failed) => {
      this.#waiting.push({ at, type, body, done, failed });
    });
    this.#flushing ??= this.#flush(this.#sink);
    return wait;
  }

  async #flush(sink: AuditSink): Promise<void> {
    // Gathers what arrives in the same turn.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      const batch = this.#waiting;
      this.#waiting = [];
      let seq = this.#seq;
      let head = this.#head;
      let lastAt = this.#lastAt;
      let text = '';
      const add = (entry: Omit<AuditEntry, 'seq'>): void => {
        const made = entryLine({ seq: seq + 1, ...entry }, head);
        seq++;
        head = made.hash;
        text += made.line;
      };
      const written: Waiting[] = [];
      for (const w of batch) {
        try {
          if (w.at < lastAt)
            add({ at: w.at, type: 'clock', body: { text: 'The clock went back.', backMicros: lastAt - w.at } });
          lastAt = w.at;
          add({ at: w.at, type: w.type, body: w.body });
          written.push(w);
        } catch (error) {
          w.failed(error as Error);
        }
      }
      const bytes = Buffer.from(text);
      try {
        await sink.write(bytes, this.#bytes);
        await sink.sync();
        this.#seq = seq;
        this.#head = head;
        this.#lastAt = lastAt;
        this.#bytes += bytes.length;
        this.#fault = '';
        for (const w of written) w.done();
      } catch (error) {
        this.#fault = (error as Error).message;
        try {
          await sink.truncate(this.#bytes);
        } catch {
          // The next write starts at the same place, so what stands there is overwritten, or torn and repaired later.
        }
        for (const w of written) w.failed(error as Error);
      }
    }
    // In the same turn as the last look at #waiting: what comes after starts a new flush.
    this.#flushing = undefined;
  }

  async close(): Promise<void> {
    await this.#flushing;
    await this.#sink?.close();
  }
}

function fileSink(handle: FileHandle, release: (() => void) | undefined): AuditSink {
  return {
    write: async (bytes, position) => {
      for (let done = 0; done < bytes.length; ) {
        const { bytesWritten } = await handle.write(bytes, done, bytes.length - done, position + done);
        if (bytesWritten === 0) throw new Error('the disk took no bytes');
        done += bytesWritten;
      }
    },
    sync: () => handle.datasync(),
    truncate: (bytes) => handle.truncate(bytes),
    close: async () => {
      await handle.close();
      release?.();
    },
  };
}

/** Another gateway writes this audit: one that is about to end, or one too many. */
export class AuditBusy extends Error {
  constructor(path: string) {
    super(`Another gateway writes the audit ${path}.`);
    this.name = 'AuditBusy';
  }
}

export interface OpenedAudit {
  readonly log: AuditLog;
  /** What was found and done at opening, in words. */
  readonly notes: readonly string[];
}

/**
 * Opens or begins an audit file.
 * @throws AuditBusy
 * @param each gets every entry that is there
 * @param sink instead of the file, for tests
 */
export async function openAudit(
  path: string,
  at: number,
  each: (entry: AuditEntry) => void = () => {},
  sink?: AuditSink,
): Promise<OpenedAudit> {
  const start = { seq: 0, head: genesis, bytes: 0, lastAt: 0 };
  const notes: string[] = [];
  const unusable = (text: string): OpenedAudit => ({ log: new AuditLog(undefined, start, text), notes: [text] });
  let torn: Buffer | undefined;
  let release: (() => void) | undefined;
  if (sink === undefined && (!existsSync(path) || isFile(path))) {
    try {
      mkdirSync(dirname(path), { recursive: true });
    } catch (error) {
      return unusable(`The audit ${path} could not be opened: ${(error as Error).message}.`);
    }
    // Two writers would break the chain for good.
    release = holdLock(path);
    if (release === undefined) throw new AuditBusy(path);
  }
  if (existsSync(path) && sink === undefined && isFile(path)) {
    const proof = verify(path, each);
    if (proof.fault !== undefined && !proof.torn) {
      release?.();
      return unusable(
        `The audit ${path} is broken at line ${proof.fault.line}, byte ${proof.fault.offset}: ${proof.fault.text}. It is not continued; move it away as evidence.`,
      );
    }
    Object.assign(start, { seq: proof.entries, head: proof.head, bytes: proof.goodBytes, lastAt: proof.lastAt });
    if (proof.torn) torn = readFrom(path, proof.goodBytes);
  }
  let target = sink;
  if (target === undefined) {
    try {
      // Not 'a': after a failed write the position is ours to choose.
      target = fileSink(await open(path, existsSync(path) ? 'r+' : 'wx+', 0o640), release);
    } catch (error) {
      release?.();
      return unusable(`The audit ${path} could not be opened: ${(error as Error).message}.`);
    }
  }
  const log = new AuditLog(target, start);
  try {
    if (torn !== undefined) {
      await target.truncate(start.bytes);
      notes.push(
        `The last entry was torn (${torn.length} octets); it was cut off and its bytes were kept in the audit.`,
      );
      await log.append(
        'repair',
        {
          text: 'The file ended inside an entry, as after a crash. The entry was never acknowledged.',
          bytes: torn.length,
          sha256: createHash('sha256').update(torn).digest('hex'),
          base64: torn.subarray(0, 4096).toString('base64'),
        },
        at,
      );
    }
    await log.append('begin', { text: 'The gateway opened the audit.' }, at);
  } catch (error) {
    notes.push(`The audit ${path} could not be written: ${(error as Error).message}.`);
  }
  return { log, notes };
}

function isFile(path: string): boolean {
  const fd = openSync(path, 'r');
  try {
    return fstatSync(fd).isFile();
  } finally {
    closeSync(fd);
  }
}

function readFrom(path: string, offset: number): Buffer {
  const fd = openSync(path, 'r');
  try {
    const bytes = Buffer.alloc(fstatSync(fd).size - offset);
    readSync(fd, bytes, 0, bytes.length, offset);
    return bytes;
  } finally {
    closeSync(fd);
  }
}
