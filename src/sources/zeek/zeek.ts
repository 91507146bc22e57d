// Zeek's logs: TSV with its header lines (fields are found by name, sites differ in which they write) and JSON, one object a
// line with flat keys. The reader is shared; each log's mapping is a file beside it.
import type { FaultTable } from '#events';
import { parseIsoMicros } from '#lib/time';
import type { DoesNotTell, SourceKind } from '../contract.ts';
import { type LineFormat, LineSource, type Ready } from '../lines/index.ts';
import type { ZeekLog, ZeekRows } from './log.ts';
import { JsonRow, TsvFormat, TsvRow, type ZeekRow } from './row.ts';

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
  ZEEK_LOG: {
    text: 'A line is of a log that is not read.',
    remedy: 'Give conn, dns, ssl, http, dce_rpc, smb_files, smb_mapping, kerberos or ntlm logs.',
    lost: 'the line',
  },
  ZEEK_LINE_LENGTH: { text: 'A line is longer than 1 MiB.', remedy: 'Look at the line.', lost: 'the line' },
};

const doesNotTell: DoesNotTell = {
  dns: [
    'in dns.log: message sizes, EDNS and record types of answers; of a query and its answer the time of the query only',
  ],
};

export function zeekSource(logs: readonly ZeekLog[]): SourceKind {
  return {
    card: {
      name: 'zeek',
      reads: `Zeek logs (${logs.map((l) => `${l.path}.log`).join(', ')}; TSV and JSON)`,
      faults,
      doesNotTell,
    },
    probe: (head) => {
      const text = Buffer.from(head.buffer, head.byteOffset, head.byteLength).toString('latin1');
      if (text.startsWith('#separator '))
        return logs.some((l) => new RegExp(`^#path\\s${l.path}\\s*$`, 'm').test(text));
      if (!text.startsWith('{')) return false;
      // The first lines of a log may be of a lesser kind (kerberos.log: tickets shown inside SMB): a few are looked at.
      return text
        .split('\n', 12)
        .some((line) => logs.some((l) => [...l.jsonFields, 'ts'].every((f) => line.includes(`"${f}"`))));
    },
    open: (reader, path) => new LineSource(new ZeekLines(logs), reader, path, 'ZEEK_LINE_LENGTH'),
  };
}

class ZeekLines implements LineFormat<ZeekRow> {
  readonly #logs: readonly ZeekLog[];
  readonly #format = new TsvFormat();
  // Both are lent until the next line, which is read when their row is in its batch.
  readonly #tsv = new TsvRow(this.#format);
  readonly #json = new JsonRow();
  readonly #rows = new Map<ZeekLog, ZeekRows>();

  constructor(logs: readonly ZeekLog[]) {
    this.#logs = logs;
  }

  read(text: string, line: number, out: Ready<ZeekRow>[]): string {
    let row: TsvRow | JsonRow;
    let log: ZeekLog | undefined;
    if (text.charCodeAt(0) === 0x23) {
      this.#format.header(text);
      return '';
    }
    if (text.charCodeAt(0) === 0x7b) {
      const json = this.#json;
      if (!json.read(text)) return 'ZEEK_JSON';
      log = this.#logs.find((l) => l.jsonFields.every((f) => json.has(f)));
      row = json;
    } else {
      if (this.#format.columns.size === 0) return 'ZEEK_HEADER';
      if (!this.#tsv.read(text)) return 'ZEEK_COLUMNS';
      log = this.#logs.find((l) => l.path === this.#format.path);
      row = this.#tsv;
    }
    if (log === undefined) return 'ZEEK_LOG';
    const at = timeOf(row.text('ts'));
    if (Number.isNaN(at)) return 'ZEEK_TIME';
    let rows = this.#rows.get(log);
    if (rows === undefined) this.#rows.set(log, (rows = log.create()));
    out.push({ at, line, rows, value: row });
    return '';
  }

  end(): void {}
}

/** Seconds as Zeek writes them, or ISO 8601; NaN where it is neither. */
function timeOf(text: string): number {
  if (text === '') return Number.NaN;
  const seconds = Number(text);
  if (Number.isFinite(seconds)) return Math.round(seconds * 1e6);
  return parseIsoMicros(text);
}
