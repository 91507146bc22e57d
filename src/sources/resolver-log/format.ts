// What a resolver's log adds to the shared reader: how to know it, how to read a line, and what it never tells.
import { type DnsEntry, DnsRows, dnsType, type LineFormat, type Ready } from '../lines/index.ts';
import type { Stamps } from './stamps.ts';

export interface LogFormat {
  readonly name: string;
  /** What it reads, in a phrase for --help. */
  readonly reads: string;
  /** What the log cannot show, for the coverage of a run; one sentence each. */
  readonly doesNotTell: readonly string[];
  /** Found in the first octets of a file of this format (with the flag m), and of no other before it in the list. */
  readonly mark: RegExp;
  create(): Grammar;
}

export interface Grammar {
  /**
   * Reads a line, whose stamp is read already and ends at `from`; rows that are whole go to `log.out`. Lines that are the
   * server's own affairs are passed over.
   * @returns '' or the code of a fault
   */
  read(text: string, from: number, log: Log): string;
  /** The input has ended: rows still held go to `log.out`. */
  end?(log: Log): void;
}

/** What a grammar reads into. */
export class Log implements LineFormat<DnsEntry> {
  readonly #grammar: Grammar;
  readonly #rows = new DnsRows({ address: 'RESOLVER_ADDRESS', name: 'RESOLVER_NAME' });
  readonly stamps: Stamps;
  out: Ready<DnsEntry>[] = [];
  #line = 0;

  constructor(grammar: Grammar, stamps: Stamps) {
    this.#grammar = grammar;
    this.stamps = stamps;
  }

  read(text: string, line: number, out: Ready<DnsEntry>[]): string {
    this.out = out;
    this.#line = line;
    const fault = this.#grammar.read(text, this.stamps.read(text), this);
    return fault === '' && out.length > 0 && !this.stamps.isTold ? 'RESOLVER_TIME' : fault;
  }

  end(out: Ready<DnsEntry>[]): void {
    this.out = out;
    this.#grammar.end?.(this);
  }

  /** A row at the time and line read last. */
  row(entry: DnsEntry): Ready<DnsEntry> {
    return { at: this.stamps.at, line: this.#line, rows: this.#rows, value: entry };
  }

  /** A row that is whole. @returns the code of a fault in its type, or '' */
  add(entry: DnsEntry, type: string): string {
    const number = dnsType(type);
    entry.qtype = Math.max(0, number);
    this.out.push(this.row(entry));
    return number < 0 ? 'RESOLVER_TYPE' : '';
  }
}

/** Sets the client from `10.0.0.1:53`, `[::1]:53` or a bare address. */
export function setClient(entry: DnsEntry, text: string): void {
  const found = /^\[([^\]]*)\]:(\d{1,5})$|^([\d.]+):(\d{1,5})$/.exec(text);
  entry.client = found?.[1] ?? found?.[3] ?? text;
  entry.clientPort = portOf(found?.[2] ?? found?.[4] ?? '');
}

export function portOf(text: string): number {
  const port = Number(text);
  return port <= 0xffff ? port : 0;
}
