// Inputs in event-time order: each file is opened when its time comes, and the batch with the earliest row goes first.
// A single input is read in whole batches; several are cut so that none runs more than a second ahead of another.
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Sink } from '#events';
import { type ByteReader, openBytes, type Source } from '#sources';
import type { Faults } from './faults.ts';
import { sources } from './registry.ts';

/** How far one input may run ahead of the others, microseconds of event time. */
const SLACK_MICROS = 1e6;
/** Files held open at once. */
const OPEN_MAX = 64;
const HEAD_BYTES = 4096;

interface Input {
  readonly path: string;
  readonly index: number;
  source: Source | undefined;
  /** Event time of its next row. */
  nextAt: number;
  done: boolean;
  size: number;
}

/** Files under the paths given, folders walked in order of name; '-' stays. */
export function listInputs(paths: readonly string[]): string[] {
  const out: string[] = [];
  const walk = (path: string): void => {
    if (path !== '-' && statSync(path, { throwIfNoEntry: false })?.isDirectory()) {
      for (const name of readdirSync(path).sort()) if (!name.startsWith('.')) walk(join(path, name));
    } else out.push(path);
  };
  for (const path of paths) walk(path);
  return out;
}

export class Feed {
  readonly #inputs: Input[];
  readonly #faults: Faults;
  /** True for files found by walking a folder: what is of no known kind there is passed over, not a fault. */
  readonly #walked: boolean;
  #open = 0;
  /** Sources read, by name. */
  readonly kinds = new Map<string, number>();

  constructor(paths: readonly string[], faults: Faults, walked: boolean) {
    this.#inputs = paths.map((path, index) => ({
      path,
      index,
      source: undefined,
      nextAt: Number.NEGATIVE_INFINITY,
      done: false,
      size: 0,
    }));
    this.#faults = faults;
    this.#walked = walked;
  }

  /** Bytes read and to be read, for progress. */
  get progress(): { read: number; size: number } {
    let read = 0;
    let size = 0;
    for (const i of this.#inputs) {
      size += i.source?.progress.size ?? i.size;
      read += i.source?.progress.read ?? (i.done ? i.size : 0);
    }
    return { read, size };
  }

  /**
   * Emits the next batch.
   * @returns event time up to which all input has been emitted, or undefined when there is no more
   */
  async next(sink: Sink): Promise<number | undefined> {
    for (const input of this.#inputs) {
      if (!input.done && input.nextAt === Number.NEGATIVE_INFINITY) await this.#peek(input);
    }
    let first: Input | undefined;
    let second = Number.POSITIVE_INFINITY;
    for (const input of this.#inputs) {
      if (input.done) continue;
      if (first === undefined || input.nextAt < first.nextAt) {
        if (first !== undefined) second = Math.min(second, first.nextAt);
        first = input;
      } else second = Math.min(second, input.nextAt);
    }
    if (first === undefined) return undefined;
    if (first.source === undefined) await this.#begin(first);
    const source = first.source;
    if (source === undefined) return first.nextAt;
    const more = await source.pull(second + SLACK_MICROS, sink);
    if (!more) this.#finish(first);
    else {
      first.nextAt = await source.peekAt();
      if (first.nextAt === Number.POSITIVE_INFINITY) {
        // One more pull lets the source say what ended it.
        await source.pull(Number.POSITIVE_INFINITY, sink);
        this.#finish(first);
      }
    }
    let watermark = Number.POSITIVE_INFINITY;
    for (const input of this.#inputs) if (!input.done) watermark = Math.min(watermark, input.nextAt);
    return watermark;
  }

  /** Opens an input to learn its first time, and closes it again where too many are open. */
  async #peek(input: Input): Promise<void> {
    await this.#begin(input);
    if (input.source === undefined) return;
    input.nextAt = await input.source.peekAt();
    if (input.nextAt === Number.POSITIVE_INFINITY) {
      const sink: Sink = {
        emit: () => {},
        fault: (code, origin, place, offset) => this.#faults.add(code, origin, place, offset),
      };
      await input.source.pull(Number.POSITIVE_INFINITY, sink);
      this.#finish(input);
    } else if (this.#open > OPEN_MAX && input.path !== '-') {
      input.size = input.source.progress.size;
      input.source.close();
      input.source = undefined;
      this.#open -= 1;
    }
  }

  async #begin(input: Input): Promise<void> {
    const origin = { file: input.path, placed: 'offset' as const };
    let reader: ByteReader;
    try {
      reader = await openBytes(input.path);
    } catch (error) {
      this.#faults.add(
        'FILE_UNREADABLE',
        origin,
        0,
        -1,
        (error as NodeJS.ErrnoException).code ?? (error as Error).message,
      );
      input.done = true;
      return;
    }
    const got = await reader.fill(HEAD_BYTES);
    const head = reader.buffer.slice(reader.start, reader.start + Math.min(got, HEAD_BYTES));
    const kind = sources.find((s) => s.probe(head, input.path));
    if (kind === undefined) {
      const code = reader.failure !== undefined ? 'FILE_DECOMPRESS' : got === 0 ? 'FILE_EMPTY' : 'FILE_UNKNOWN';
      if (!(this.#walked && code === 'FILE_UNKNOWN')) this.#faults.add(code, origin, 0, 0);
      input.done = true;
      reader.close();
      return;
    }
    if (input.nextAt === Number.NEGATIVE_INFINITY)
      this.kinds.set(kind.card.name, (this.kinds.get(kind.card.name) ?? 0) + 1);
    input.source = kind.open(reader, input.path);
    this.#open += 1;
  }

  #finish(input: Input): void {
    input.done = true;
    input.size = input.source?.progress.size ?? input.size;
    input.source?.close();
    input.source = undefined;
    this.#open -= 1;
  }

  close(): void {
    for (const input of this.#inputs) if (input.source !== undefined) this.#finish(input);
  }
}
