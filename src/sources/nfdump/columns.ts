// The header line: which cell holds what. Both generations of names are known, those of `-o csv` in 1.6 to 1.7.1 (ts, sa, ibyt) and
// those of `-o csv`, `-o csv-fast` and `-o csv:...` in later ones (firstSeen, srcAddr, inBytes).

/** What is read of a row, each the number of a column. */
export const C = {
  First: 0,
  Last: 1,
  Duration: 2,
  Received: 3,
  Source: 4,
  Destination: 5,
  SourcePort: 6,
  DestinationPort: 7,
  Protocol: 8,
  Flags: 9,
  Packets: 10,
  Bytes: 11,
  ReversePackets: 12,
  ReverseBytes: 13,
  Direction: 14,
  EndReason: 15,
  Exporter: 16,
} as const;
const COUNT = 17;

const names: ReadonlyMap<string, number> = new Map([
  ['ts', C.First],
  ['firstSeen', C.First],
  ['te', C.Last],
  ['lastSeen', C.Last],
  ['td', C.Duration],
  ['duration', C.Duration],
  ['tr', C.Received],
  ['received', C.Received],
  ['sa', C.Source],
  ['srcAddr', C.Source],
  ['da', C.Destination],
  ['dstAddr', C.Destination],
  ['sp', C.SourcePort],
  ['srcPort', C.SourcePort],
  ['dp', C.DestinationPort],
  ['dstPort', C.DestinationPort],
  ['pr', C.Protocol],
  ['proto', C.Protocol],
  ['flg', C.Flags],
  ['flags', C.Flags],
  ['ipkt', C.Packets],
  ['pkt', C.Packets],
  ['packets', C.Packets],
  ['inPackets', C.Packets],
  ['ibyt', C.Bytes],
  ['byt', C.Bytes],
  ['bytes', C.Bytes],
  ['inBytes', C.Bytes],
  ['opkt', C.ReversePackets],
  ['outPackets', C.ReversePackets],
  ['obyt', C.ReverseBytes],
  ['outBytes', C.ReverseBytes],
  ['dir', C.Direction],
  ['direction', C.Direction],
  ['endReason', C.EndReason],
  ['ra', C.Exporter],
  ['routerIP', C.Exporter],
]);
const needed = [C.Source, C.Destination, C.SourcePort, C.DestinationPort, C.Protocol, C.Packets, C.Bytes];
/** nfdump knows some hundred and twenty columns. */
export const CELLS_MAX = 512;

/** Whether a line names columns: words only, and one of them is known. A row has numbers. */
export function isHeader(line: string): boolean {
  if (!/^[A-Za-z][A-Za-z0-9_-]*(?: *, *[A-Za-z][A-Za-z0-9_-]*)+ *,? *$/.test(line)) return false;
  return line.split(',').some((name) => names.has(name.trim()));
}

export class Columns {
  /** Cell of each column in C; -1 where the header does not name it. */
  readonly cells = new Int16Array(COUNT).fill(-1);
  count = 0;

  /** Takes a header line. @returns false where a column is missing that a flow needs */
  take(line: string): boolean {
    this.cells.fill(-1);
    const found = line.split(',').map((name) => name.trim());
    if (found.at(-1) === '') found.pop();
    this.count = found.length;
    if (found.length > CELLS_MAX) return false;
    for (const [i, name] of found.entries()) {
      const column = names.get(name);
      // A column that is named twice is read where it stands first.
      if (column !== undefined && this.cells[column] === -1) this.cells[column] = i;
    }
    return (
      needed.every((column) => this.cells[column]! >= 0) && (this.cells[C.First]! >= 0 || this.cells[C.Last]! >= 0)
    );
  }

  /** Whether the header names a time or an address at all. */
  get isOfFlows(): boolean {
    return [C.First, C.Last, C.Source, C.Destination].some((column) => this.cells[column]! >= 0);
  }
}
