// NDJSON files and streams: what has no format of its own (readings, commands, positions) comes as one object a line.
import { BATCH_ROWS, type Origin, recordBatch, type Sink } from '#events';
import type { ByteReader, Source, SourceKind } from '../contract.ts';
import { ndjsonFaults } from './faults.ts';
import { LINE_BYTES_MAX, parseRecordLine, type SlowRecord } from './record.ts';

export const ndjson: SourceKind = {
  card: { name: 'ndjson', reads: 'readings, commands and positions (NDJSON, see the contract)', faults: ndjsonFaults },
  probe,
  open: (reader, path) => new NdjsonSource(reader, path),
};

/** Faults kept with their line between two pulls. */
const FAULTS_MAX = 1024;

const known =
  /"kind"\s*:\s*"(reading|command|position|truth|true-state|finding|incident|verdict|trust|state|fault|coverage|score|summary)"/;

/** The first line that is not blank is an object (or an array of objects) of a kind that the contract knows. */
function probe(head: Uint8Array): boolean {
  const text = Buffer.from(head.buffer, head.byteOffset, head.byteLength).toString('latin1');
  const first = /^(?:\u00ef\u00bb\u00bf)?\s*([{[][^\n]*)/.exec(text)?.[1];
  return first !== undefined && known.test(first);
}

class NdjsonSource implements Source {
  readonly #reader: ByteReader;
  readonly #origin: Origin;
  #line = 0;
  /** Records parsed and not yet emitted: rows [#queueAt, length); more than one only from a line that is an array. */
  #queue: SlowRecord[] = [];
  #queueAt = 0;
  #ended = false;
  /** Inside a line that is too long: its bytes are passed over up to the next line end. */
  #skipping = false;
  /** Faults not yet told, two cells each: code and line. */
  readonly #faults: (string | number)[] = [];
  /** Faults past FAULTS_MAX, by code: how many. A flood of broken lines buys no memory and is still counted. */
  readonly #repeats = new Map<string, number>();
  readonly #refuse = (code: string): void => {
    if (this.#faults.length < 2 * FAULTS_MAX) this.#faults.push(code, this.#line);
    else this.#repeats.set(code, (this.#repeats.get(code) ?? 0) + 1);
  };

  constructor(reader: ByteReader, path: string) {
    this.#reader = reader;
    this.#origin = { file: path, placed: 'line' };
  }

  get progress(): { readonly read: number; readonly size: number } {
    return this.#reader.progress;
  }

  async peekAt(): Promise<number> {
    for (;;) {
      if (this.#advance()) return this.#queue[this.#queueAt]!.at;
      if (this.#ended) return Number.POSITIVE_INFINITY;
      await this.#more();
    }
  }

  async pull(until: number, sink: Sink): Promise<boolean> {
    const rows: SlowRecord[] = [];
    while (rows.length < BATCH_ROWS) {
      if (!this.#advance()) {
        // What is there goes out before more is waited for, so that a live stream never holds a record back.
        if (this.#ended || rows.length > 0) break;
        this.#tell(sink);
        await this.#more();
        continue;
      }
      const next = this.#queue[this.#queueAt]!;
      if (next.at >= until) break;
      if (rows.length > 0 && rows[0]!.kind !== next.kind) break;
      rows.push(next);
      this.#queueAt += 1;
    }
    if (rows.length > 0) sink.emit(recordBatch(rows) as Parameters<Sink['emit']>[0]);
    this.#tell(sink);
    return !(this.#ended && this.#queueAt === this.#queue.length);
  }

  close(): void {
    this.#ended = true;
    this.#queue = [];
    this.#queueAt = 0;
    this.#reader.close();
  }

  #tell(sink: Sink): void {
    const faults = this.#faults;
    for (let i = 0; i < faults.length; i += 2)
      sink.fault(faults[i] as string, this.#origin, faults[i + 1] as number, -1);
    faults.length = 0;
    for (const [code, count] of this.#repeats) {
      for (let i = 0; i < count; i++) sink.fault(code, this.#origin, this.#line, -1);
    }
    this.#repeats.clear();
  }

  /** Parses lines that are in the buffer until there is a record. @returns whether there is one */
  #advance(): boolean {
    if (this.#queueAt < this.#queue.length) return true;
    this.#queue.length = 0;
    this.#queueAt = 0;
    const reader = this.#reader;
    while (!this.#ended && reader.start < reader.end) {
      const newline = reader.buffer.indexOf(0x0a, reader.start);
      if (newline < 0 || newline >= reader.end) return false;
      this.#take(newline, false);
      reader.start = newline + 1;
      if (this.#queue.length > 0) return true;
    }
    return false;
  }

  #take(end: number, last: boolean): void {
    const reader = this.#reader;
    this.#line += 1;
    if (this.#skipping) {
      this.#skipping = false;
      return;
    }
    const { buffer, start } = reader;
    const isMarked =
      this.#line === 1 &&
      end - start >= 3 &&
      buffer[start] === 0xef &&
      buffer[start + 1] === 0xbb &&
      buffer[start + 2] === 0xbf;
    const before = this.#faults.length;
    parseRecordLine(buffer, isMarked ? start + 3 : start, end, this.#origin, this.#line, this.#queue, this.#refuse);
    if (last && this.#faults[before] === 'NDJSON_SYNTAX') this.#faults[before] = 'NDJSON_TRUNCATED';
  }

  /** Reads on, past an unfinished line; at the end of the input takes what has no line end. */
  async #more(): Promise<void> {
    const reader = this.#reader;
    const had = reader.end - reader.start;
    if (had > LINE_BYTES_MAX) {
      if (!this.#skipping) this.#faults.push('NDJSON_LINE_LENGTH', this.#line + 1);
      this.#skipping = true;
    }
    if (this.#skipping) reader.start = reader.end;
    const want = reader.end - reader.start + 1;
    if ((await reader.fill(want)) >= want) return;
    if (this.#ended) return;
    this.#ended = true;
    if (reader.end > reader.start || this.#skipping) {
      this.#take(reader.end, true);
      reader.start = reader.end;
    }
    if (reader.failure !== undefined) this.#faults.push('FILE_DECOMPRESS', this.#line);
  }
}
