// One row as nfdump prints it, read into one reused value.
import { parseAddress } from '#lib/address';
import type { Cells } from './cells.ts';
import { C, type Columns } from './columns.ts';
import { protocolOf } from './protocols.ts';
import { orient } from './sides.ts';

export class FlowRow {
  /** Eight words: source, then destination. */
  readonly addresses = new Uint32Array(8);
  /** Four words of the exporter that sent it; 0.0.0.0 where that is not told. */
  readonly exporter = new Uint32Array(4);
  sourcePort = 0;
  /** ICMP: type * 256 + code. */
  destinationPort = 0;
  protocol = 0;
  flags = 0;
  packets = 0;
  bytes = 0;
  /** Both directions are in one row (-b, -B, or an exporter of biflows). */
  isBidirectional = false;
  reverseFlags = 0;
  reversePackets = 0;
  reverseBytes = 0;
  /** Microseconds since the epoch. */
  firstAt = 0;
  lastAt = 0;
  /** When the collector had it, as far as it can be told: nobody knew of it before. */
  at = 0;
  /** flowDirection: 0 ingress, 1 egress; 255 not told. */
  direction = 255;
  /** flowEndReason, 0 not told. */
  endReason = 0;
}

/** A collector has a record within the longest active timeout (Cisco's is 30 minutes) and a minute of its flow's last packet. */
const RECEIVED_MICROS = 1860e6;
/** Nobody cuts living flows sooner than each minute; a second is what times without a fraction may be off. */
const CUT_MICROS = 59e6;
const TCP = 6;
/** IPv6 addresses already read: rows repeat those of the network, and reading one costs as much as all the rest. */
const ADDRESSES_MAX = 8192;
const ADDRESS_TEXT_MAX = 64;

export class RowReader {
  readonly #cells: Cells;
  readonly #columns: Columns;
  readonly #known = new Map<string, Uint32Array>();

  constructor(cells: Cells, columns: Columns) {
    this.#cells = cells;
    this.#columns = columns;
  }

  /** Fills `row` from the line that was cut. @returns '' or the code of a fault */
  read(row: FlowRow): string {
    const cells = this.#cells;
    const at = this.#columns.cells;
    if (!this.#times(row)) return 'NFDUMP_TIME';
    if (!this.#address(at[C.Source]!, row.addresses, 0)) return 'NFDUMP_ADDRESS';
    if (!this.#address(at[C.Destination]!, row.addresses, 4)) return 'NFDUMP_ADDRESS';
    row.sourcePort = cells.port(at[C.SourcePort]!);
    row.destinationPort = cells.port(at[C.DestinationPort]!);
    row.packets = cells.whole(at[C.Packets]!);
    row.bytes = cells.whole(at[C.Bytes]!);
    row.reversePackets = at[C.ReversePackets]! < 0 ? 0 : cells.whole(at[C.ReversePackets]!);
    row.reverseBytes = at[C.ReverseBytes]! < 0 ? 0 : cells.whole(at[C.ReverseBytes]!);
    // One sum is NaN where any of them is none.
    const sum = row.sourcePort + row.destinationPort + row.packets + row.bytes + row.reversePackets + row.reverseBytes;
    if (Number.isNaN(sum)) return 'NFDUMP_FIELD';
    const number = cells.whole(at[C.Protocol]!);
    row.protocol = Number.isNaN(number) ? protocolOf(cells.text(at[C.Protocol]!)) : number;
    if (row.protocol === 0 || row.protocol > 255) return 'NFDUMP_PROTOCOL';
    row.flags = row.protocol === TCP && at[C.Flags]! >= 0 ? cells.flags(at[C.Flags]!) : 0;
    row.reverseFlags = 0;
    row.direction = at[C.Direction]! < 0 ? 255 : directionOf(cells.letter(at[C.Direction]!));
    const reason = at[C.EndReason]! < 0 ? 0 : cells.letter(at[C.EndReason]!) - 0x30;
    row.endReason = reason >= 1 && reason <= 5 ? reason : 0;
    this.#arrival(row);
    this.#exporter(row.exporter);
    orient(row);
    return '';
  }

  /** @returns false where no time is told */
  #times(row: FlowRow): boolean {
    const cells = this.#cells;
    const at = this.#columns.cells;
    const first = at[C.First]! < 0 ? Number.NaN : cells.time(at[C.First]!);
    const last = at[C.Last]! < 0 ? Number.NaN : cells.time(at[C.Last]!);
    const told = at[C.Duration]! < 0 ? Number.NaN : cells.duration(at[C.Duration]!);
    const duration = Number.isNaN(told) ? 0 : told;
    if (Number.isNaN(first) && Number.isNaN(last)) return false;
    row.firstAt = Number.isNaN(first) ? Math.max(last - duration, 0) : first;
    // Times of `-o csv` are cut to whole seconds and the duration is not, so neither end is ever later than it was.
    const end = row.firstAt + duration;
    row.lastAt = Number.isNaN(last) ? end : Math.max(last, end);
    return Number.isSafeInteger(row.firstAt) && Number.isSafeInteger(row.lastAt);
  }

  /** Sets `at`. A file that was made from a capture later on tells when that was: then the flow's end stands for it. */
  #arrival(row: FlowRow): void {
    const column = this.#columns.cells[C.Received]!;
    const received = column < 0 ? Number.NaN : this.#cells.time(column);
    if (received >= row.lastAt && received - row.lastAt < RECEIVED_MICROS) {
      row.at = received;
      return;
    }
    row.at = row.lastAt;
    // Without the arrival nothing tells a flow that was cut from one that was over, but that short ones are not cut.
    if (row.endReason === 0 && row.lastAt - row.firstAt < CUT_MICROS) row.endReason = 1;
  }

  /** 0.0.0.0 is what nfdump prints where nothing is told, and no column says the same. */
  #exporter(words: Uint32Array): void {
    const column = this.#columns.cells[C.Exporter]!;
    if (column >= 0 && this.#address(column, words, 0) && !isUnspecified(words)) return;
    words.fill(0);
    words[2] = 0xffff;
  }

  #address(cell: number, words: Uint32Array, to: number): boolean {
    if (this.#cells.ipv4(cell, words, to)) return true;
    const text = this.#cells.text(cell);
    let known = this.#known.get(text);
    if (known === undefined) {
      if (text.length > ADDRESS_TEXT_MAX) return false;
      known = new Uint32Array(4);
      if (!parseAddress(text, known, 0)) return false;
      if (this.#known.size >= ADDRESSES_MAX) this.#known.clear();
      // A copy: a part of a line would keep the whole line.
      this.#known.set(Buffer.from(text, 'latin1').toString('latin1'), known);
    }
    for (let k = 0; k < 4; k++) words[to + k] = known[k]!;
    return true;
  }
}

/** 0 or I ingress, 1 or E egress. */
function directionOf(letter: number): number {
  return letter === 0x30 || letter === 0x49 ? 0 : letter === 0x31 || letter === 0x45 ? 1 : 255;
}

/** 0.0.0.0 or ::. */
function isUnspecified(words: Uint32Array): boolean {
  return words[0] === 0 && words[1] === 0 && words[3] === 0 && (words[2] === 0 || words[2] === 0xffff);
}
