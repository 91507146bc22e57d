// A source of lines: what all text logs share (line by line, rows into batches, faults with their line), around what differs,
// a LineFormat. Memory: one line, the rows that one line completes, one batch for each kind of row, 1,024 faults.
import { BATCH_ROWS, type EventBatch, type Origin, type Sink } from '#events';
import type { ByteReader, Source } from '../contract.ts';
import { LineReader } from './reader.ts';

/** Fills a batch of one event kind from values of its log. */
export interface Rows<V> {
  /** Emptied, with its origin set by the source; `count` rows are filled by `add`. */
  readonly batch: EventBatch & { count: number; origin: Origin };
  clear(): void;
  /**
   * Adds a row at `at` microseconds from line `line`; the caller sees to it that there is room.
   * @returns '' or the code of the fault for which the row was left out
   */
  add(value: V, at: number, line: number): string;
}

/** A row that is read and not yet in a batch. */
export interface Ready<V = unknown> {
  readonly at: number;
  readonly line: number;
  readonly rows: Rows<V>;
  readonly value: V;
}

/** One log's grammar. Lines come in order; a row may be held until a later line shows that it is whole. */
export interface LineFormat<V = unknown> {
  /**
   * Reads a line. Rows that are whole go to `out`.
   * @returns '' or the code of a fault
   */
  read(text: string, line: number, out: Ready<V>[]): string;
  /** The input has ended: rows still held go to `out`. */
  end(out: Ready<V>[]): void;
}

/** Faults kept with their line between two pulls. */
const FAULTS_MAX = 1024;

export class LineSource<V> implements Source {
  readonly #format: LineFormat<V>;
  readonly #reader: ByteReader;
  readonly #lines: LineReader;
  readonly #origin: Origin;
  /** Rows [#readyAt, length) are not yet emitted; lines are read only when there is none. */
  readonly #ready: Ready<V>[] = [];
  #readyAt = 0;
  #ended = false;
  #failureTold = false;
  readonly #faults: { code: string; line: number }[] = [];
  /** Faults past FAULTS_MAX: how many of a code. A flood of broken lines buys no memory and is still counted. */
  readonly #repeats = new Map<string, number>();

  /** @param longCode fault of a line over LINE_BYTES_MAX */
  constructor(format: LineFormat<V>, reader: ByteReader, path: string, longCode: string) {
    this.#format = format;
    this.#reader = reader;
    this.#lines = new LineReader(reader, (line) => this.#fault(longCode, line));
    this.#origin = { file: path, placed: 'line' };
  }

  get progress(): { readonly read: number; readonly size: number } {
    return this.#reader.progress;
  }

  async peekAt(): Promise<number> {
    while (!this.#advance()) {
      if (this.#ended) return Number.POSITIVE_INFINITY;
      await this.#lines.more();
    }
    return this.#ready[this.#readyAt]!.at;
  }

  async pull(until: number, sink: Sink): Promise<boolean> {
    let rows: Rows<V> | undefined;
    for (;;) {
      if (!this.#advance()) {
        // What is there goes out before more is waited for, so that a live pipe holds back no row and no fault.
        if (this.#ended || (rows !== undefined && rows.batch.count > 0)) break;
        this.#tell(sink);
        await this.#lines.more();
        continue;
      }
      const next = this.#ready[this.#readyAt]!;
      if (next.at >= until) break;
      // One batch at the most a pull: an input of several kinds of rows changes batches at the next.
      if (rows === undefined) {
        rows = next.rows;
        rows.clear();
        rows.batch.origin = this.#origin;
      } else if (rows !== next.rows) break;
      const code = rows.add(next.value, next.at, next.line);
      this.#readyAt += 1;
      if (code !== '') this.#fault(code, next.line);
      if (rows.batch.count >= BATCH_ROWS) break;
    }
    if (rows !== undefined && rows.batch.count > 0) sink.emit(rows.batch);
    this.#tell(sink);
    if (this.#ended && !this.#failureTold && this.#reader.failure !== undefined) {
      this.#failureTold = true;
      sink.fault('FILE_DECOMPRESS', this.#origin, this.#lines.number, this.#reader.position);
    }
    return !this.#ended || this.#readyAt < this.#ready.length;
  }

  close(): void {
    this.#ended = true;
    this.#ready.length = 0;
    this.#readyAt = 0;
    this.#lines.close();
  }

  /** Reads lines that are in the buffer until there is a row. @returns whether there is one */
  #advance(): boolean {
    if (this.#readyAt < this.#ready.length) return true;
    this.#ready.length = 0;
    this.#readyAt = 0;
    while (this.#ready.length === 0 && !this.#ended) {
      const text = this.#lines.next();
      if (text === undefined) {
        if (!this.#lines.ended) return false;
        this.#ended = true;
        this.#format.end(this.#ready);
        break;
      }
      const code = text === '' ? '' : this.#format.read(text, this.#lines.number, this.#ready);
      if (code !== '') this.#fault(code, this.#lines.number);
    }
    return this.#ready.length > 0;
  }

  #fault(code: string, line: number): void {
    if (this.#faults.length < FAULTS_MAX) this.#faults.push({ code, line });
    else this.#repeats.set(code, (this.#repeats.get(code) ?? 0) + 1);
  }

  #tell(sink: Sink): void {
    for (const f of this.#faults) sink.fault(f.code, this.#origin, f.line, -1);
    this.#faults.length = 0;
    for (const [code, count] of this.#repeats)
      for (let i = 0; i < count; i++) sink.fault(code, this.#origin, this.#lines.number, -1);
    this.#repeats.clear();
  }
}
