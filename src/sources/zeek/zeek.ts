// Zeek's logs: TSV with its header lines (fields are found by name, sites differ in which they write) and JSON, one object a
// line with flat keys. The reader is shared; each log's mapping is a file beside it.
import { BATCH_ROWS, type FaultTable, type Origin, type Sink } from '#events';
import { parseIsoMicros } from '#lib/time';
import type { ByteReader, Source, SourceKind } from '../contract.ts';
import type { ZeekLog, ZeekRows } from './log.ts';
import { JsonRow, TsvFormat, TsvRow, type ZeekRow } from './row.ts';

/** A log line is some hundred octets; answers of a zone transfer may make it long. */
const LINE_BYTES_MAX = 1 << 20;

const faults: FaultTable = {
  ZEEK_COLUMNS: {
    text: 'A line has fewer cells than the header has fields.',
    remedy: 'Usual for a file copied while it was written; else look at what shortened it.',
    lost: 'the line',
  },
  ZEEK_HEADER: {
    text: 'A line comes before the header named the fields.',
    remedy: 'Keep the header lines (#separator to #types) with the log.',
    lost: 'the line',
  },
  ZEEK_JSON: { text: 'A line is not a JSON object.', remedy: 'Write one object a line.', lost: 'the line' },
  ZEEK_TIME: { text: 'A line has no time.', remedy: 'Log the field ts.', lost: 'the line' },
  ZEEK_ADDRESS: {
    text: 'A line has no addresses.',
    remedy: 'Log the fields id.orig_h and id.resp_h; wrapped objects have to be unwrapped.',
    lost: 'the line',
  },
  ZEEK_NAME: { text: 'A query is not a domain name.', remedy: 'Look at the line.', lost: 'the line' },
  ZEEK_FIELD: { text: 'A field has a value that can not be.', remedy: 'Look at the line.', lost: 'the line' },
  ZEEK_LOG: { text: 'A line is of a log that is not read.', remedy: 'Give dns.log or conn.log.', lost: 'the line' },
  ZEEK_LINE_LENGTH: { text: 'A line is longer than 1 MiB.', remedy: 'Look at the line.', lost: 'the line' },
};

export function zeekSource(logs: readonly ZeekLog[]): SourceKind {
  return {
    card: { name: 'zeek', reads: `Zeek logs (${logs.map((l) => `${l.path}.log`).join(', ')}; TSV and JSON)`, faults },
    probe: (head) => {
      const text = Buffer.from(head.buffer, head.byteOffset, head.byteLength).toString('latin1');
      if (text.startsWith('#separator '))
        return logs.some((l) => new RegExp(`^#path\\s${l.path}\\s*$`, 'm').test(text));
      const line = text.split('\n', 1)[0]!;
      if (!line.startsWith('{')) return false;
      return logs.some((l) => [...l.jsonFields, 'ts'].every((f) => line.includes(`"${f}"`)));
    },
    open: (reader, path) => new ZeekSource(logs, reader, path),
  };
}

class ZeekSource implements Source {
  readonly #logs: readonly ZeekLog[];
  readonly #reader: ByteReader;
  readonly #origin: Origin;
  readonly #format = new TsvFormat();
  readonly #tsv = new TsvRow(this.#format);
  readonly #json = new JsonRow();
  readonly #rows = new Map<ZeekLog, ZeekRows>();
  #line = 0;
  /** The row read and not yet added, its log and its time. */
  #row: ZeekRow | undefined;
  #rowLog: ZeekLog | undefined;
  #rowAt = 0;
  #ended = false;
  readonly #pending: { code: string; line: number }[] = [];

  constructor(logs: readonly ZeekLog[], reader: ByteReader, path: string) {
    this.#logs = logs;
    this.#reader = reader;
    this.#origin = { file: path, placed: 'line' };
  }

  get progress(): { read: number; size: number } {
    return this.#reader.progress;
  }

  async peekAt(): Promise<number> {
    while (this.#row === undefined && !this.#ended) {
      // Faults wait for the next pull; a file of nothing but faults must not pile them up.
      const line = await this.#nextLine();
      const code = line === undefined ? '' : this.#take(line);
      if (code !== '') this.#fault(code);
    }
    return this.#row === undefined ? Number.POSITIVE_INFINITY : this.#rowAt;
  }

  async pull(until: number, sink: Sink): Promise<boolean> {
    let rows: ZeekRows | undefined;
    for (;;) {
      const at = await this.peekAt();
      if (at >= until || this.#row === undefined) break;
      let own = this.#rows.get(this.#rowLog!);
      if (own === undefined) {
        own = this.#rowLog!.create();
        this.#rows.set(this.#rowLog!, own);
      }
      // One batch at the most a pull: a file of two logs (JSON streams) changes batches at the next.
      if (rows === undefined) {
        rows = own;
        rows.clear();
        rows.batch.origin = this.#origin;
      } else if (rows !== own) break;
      const code = rows.add(this.#row, at, this.#line);
      this.#row = undefined;
      if (code !== '') this.#fault(code);
      if (rows.batch.count >= BATCH_ROWS) break;
    }
    if (rows !== undefined && rows.batch.count > 0) sink.emit(rows.batch);
    for (const f of this.#pending) sink.fault(f.code, this.#origin, f.line, -1);
    this.#pending.length = 0;
    if (this.#ended && this.#reader.failure !== undefined)
      sink.fault('FILE_DECOMPRESS', this.#origin, this.#line, this.#reader.position);
    return !(this.#ended && this.#row === undefined);
  }

  close(): void {
    this.#ended = true;
    this.#row = undefined;
    this.#reader.close();
  }

  #fault(code: string): void {
    if (this.#pending.length < BATCH_ROWS) this.#pending.push({ code, line: this.#line });
  }

  /** Reads a line into the waiting row. @returns '' or the code of a fault */
  #take(line: string): string {
    if (line === '') return '';
    let row: TsvRow | JsonRow;
    let log: ZeekLog | undefined;
    if (line.charCodeAt(0) === 0x23) {
      this.#format.header(line);
      return '';
    }
    if (line.charCodeAt(0) === 0x7b) {
      const json = this.#json;
      if (!json.read(line)) return 'ZEEK_JSON';
      log = this.#logs.find((l) => l.jsonFields.every((f) => json.has(f)));
      row = json;
    } else {
      if (this.#format.columns.size === 0) return 'ZEEK_HEADER';
      if (!this.#tsv.read(line)) return 'ZEEK_COLUMNS';
      log = this.#logs.find((l) => l.path === this.#format.path);
      row = this.#tsv;
    }
    if (log === undefined) return 'ZEEK_LOG';
    const at = timeOf(row.text('ts'));
    if (Number.isNaN(at)) return 'ZEEK_TIME';
    this.#row = row;
    this.#rowLog = log;
    this.#rowAt = at;
    return '';
  }

  /** The next line without its end; undefined at the end of the input or where the line was too long. */
  async #nextLine(): Promise<string | undefined> {
    const reader = this.#reader;
    let scanned = 0;
    for (;;) {
      const at = reader.buffer.indexOf(10, reader.start + scanned);
      if (at >= 0 && at < reader.end) return this.#cut(at, 1);
      const held = reader.end - reader.start;
      if (held > LINE_BYTES_MAX) {
        await this.#skipLine();
        return undefined;
      }
      scanned = held;
      if ((await reader.fill(held + 1)) <= held) {
        if (reader.end > reader.start) return this.#cut(reader.end, 0);
        this.#ended = true;
        return undefined;
      }
    }
  }

  #cut(end: number, lineEnd: number): string {
    const reader = this.#reader;
    let stop = end;
    if (stop > reader.start && reader.buffer[stop - 1] === 13) stop -= 1;
    const bytes = reader.buffer;
    const line = Buffer.from(bytes.buffer, bytes.byteOffset + reader.start, stop - reader.start).toString('utf8');
    reader.start = end + lineEnd;
    this.#line += 1;
    return line;
  }

  async #skipLine(): Promise<void> {
    const reader = this.#reader;
    this.#line += 1;
    this.#fault('ZEEK_LINE_LENGTH');
    for (;;) {
      const at = reader.buffer.indexOf(10, reader.start);
      if (at >= 0 && at < reader.end) {
        reader.start = at + 1;
        return;
      }
      reader.start = reader.end;
      if ((await reader.fill(1)) < 1) {
        this.#ended = true;
        return;
      }
    }
  }
}

/** Seconds as Zeek writes them, or ISO 8601; NaN where it is neither. */
function timeOf(text: string): number {
  if (text === '') return Number.NaN;
  const seconds = Number(text);
  if (Number.isFinite(seconds)) return Math.round(seconds * 1e6);
  return parseIsoMicros(text);
}
