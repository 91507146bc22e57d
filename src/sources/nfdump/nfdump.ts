// What nfdump prints with a comma between its cells (`-o csv`, `-o csv-fast`, `-o csv:...`). Each row is a flow record as a
// collector keeps it; decoders/netflow makes flows of them, as of those that exporters send (messages.ts).
import type { SourceKind } from '../contract.ts';
import { type LineFormat, LineSource, type Ready } from '../lines/index.ts';
import { Cells } from './cells.ts';
import { Columns, isHeader } from './columns.ts';
import { nfdumpFaults } from './faults.ts';
import { Messages } from './messages.ts';
import { FlowRow, RowReader } from './row.ts';

/** What the rows can't show, for the coverage of a run. */
const doesNotTell: readonly string[] = [
  'the zone of its times: they are taken for UTC, so run nfdump with TZ=UTC, or print %tsr',
  'whether exporters sampled: counts stand as they are printed, and are multiplied already where the collector knew the rate',
  'names, fingerprints, payload and the order of packets: payload is octets less usual headers, states come from the flags of all packets',
  'who began a flow, beyond flags, ports and times; of rows of both directions (-b, -B) the flags of one side only',
];

export const nfdump: SourceKind = {
  card: {
    name: 'nfdump',
    reads: 'flow records as nfdump prints them (-o csv, csv-fast, csv:...)',
    faults: nfdumpFaults,
    doesNotTell: { flow: doesNotTell },
  },
  probe,
  open: (reader, path) => new LineSource(new NfdumpLines(), reader, path, 'NFDUMP_LINE_LENGTH'),
};

/** What nfdump may say before the header. */
const PROBED_LINES = 4;

function probe(head: Uint8Array): boolean {
  const text = Buffer.from(head.buffer, head.byteOffset, head.byteLength).toString('latin1');
  const lines = text.replace(/^\xef\xbb\xbf/, '').split(/\r?\n/, PROBED_LINES);
  return lines.some((line) => isHeader(line) && new Columns().take(line));
}

/** Before the first header; under one that is read; where nothing is to be read up to the next header. */
const State = { Start: 0, Rows: 1, Passed: 2 } as const;
/** What nfdump says between rows: of no flows, of the order of those that follow. */
const remark = /^(?:No match|Top \d|Aggregated|Byte limit|Time window|Total flows|Sys:|Blocks)/;

class NfdumpLines implements LineFormat<FlowRow> {
  readonly #columns = new Columns();
  readonly #cells = new Cells();
  readonly #reader = new RowReader(this.#cells, this.#columns);
  readonly #messages = new Messages();
  // Lent until the next line, which is read when this one's row is in its batch.
  readonly #row = new FlowRow();
  #state: number = State.Start;

  read(text: string, line: number, out: Ready<FlowRow>[]): string {
    // Rows begin with a time, a count or, where somebody chose so, with an address.
    if (isLetter(text.charCodeAt(0))) {
      // What follows is of the whole: names and sums, no rows.
      if (text.startsWith('Summary')) {
        this.#state = State.Passed;
        return '';
      }
      if (isHeader(text)) return this.#begin(text);
      if (remark.test(text)) return '';
    }
    if (this.#state !== State.Rows) return this.#state === State.Passed ? '' : 'NFDUMP_HEADER';
    if (this.#cells.cut(text, this.#columns.count) < this.#columns.count) return 'NFDUMP_CELLS';
    const row = this.#row;
    const code = this.#reader.read(row);
    if (code === '' && !isTunnelOnly(row)) out.push({ at: row.at, line, rows: this.#messages, value: row });
    return code;
  }

  #begin(header: string): string {
    const isWhole = this.#columns.take(header);
    this.#state = isWhole ? State.Rows : State.Passed;
    // The sums of a summary have names as well.
    return isWhole || !this.#columns.isOfFlows ? '' : 'NFDUMP_COLUMNS';
  }

  end(): void {}
}

function isLetter(code: number): boolean {
  const lower = code | 32;
  return lower >= 0x61 && lower <= 0x7a;
}

/** The line that 1.7 prints for a tunnel above the flow that travels in it: nothing counted, and no addresses but zeros. */
function isTunnelOnly(row: FlowRow): boolean {
  return row.packets === 0 && row.bytes === 0 && !row.isBidirectional && row.addresses.every(isNobody);
}

/** Words of 0.0.0.0 and ::. */
function isNobody(word: number, k: number): boolean {
  return word === 0 || (word === 0xffff && k % 4 === 2);
}
