// One line cut at its commas, and the numbers, times and flags that nfdump prints read where they stand: a row is some three
// hundred characters, of which a flow needs a few. nfdump quotes nothing and writes no comma inside a cell.
import { parseIsoMicros } from '#lib/time';
import { CELLS_MAX } from './columns.ts';

const COMMA = 44;
const BLANK = 32;
/** nfdump -T marks addresses with this character. */
const TAG = 1;
/** Seconds since 1970 stay below this number up to the year 5138; what is above is milliseconds. */
const SECONDS_MAX = 1e11;
const DATES_MAX = 512;

export class Cells {
  line = '';
  readonly #from = new Int32Array(CELLS_MAX + 1);
  readonly #to = new Int32Array(CELLS_MAX + 1);
  /** Midnights of dates already read, by their eight digits: a file has few. */
  readonly #midnights = new Map<number, number>();

  /** Cuts a line. @returns cells found, `count` at the most */
  cut(line: string, count: number): number {
    this.line = line;
    const from = this.#from;
    const to = this.#to;
    const end = line.length;
    let cells = 0;
    from[0] = 0;
    // One pass over the characters: a search for each comma costs more than the cells are long.
    for (let k = 0; k < end; k++) {
      if (line.charCodeAt(k) !== COMMA) continue;
      to[cells] = k;
      cells += 1;
      if (cells === count) return cells;
      from[cells] = k + 1;
    }
    to[cells] = end;
    return cells + 1;
  }

  /** A cell without the blanks and the mark around it. */
  text(i: number): string {
    this.#trim(i);
    return this.line.slice(this.#from[i]!, this.#to[i]!);
  }

  /** A whole number; NaN where the cell is none. */
  whole(i: number): number {
    this.#trim(i);
    const from = this.#from[i]!;
    const to = this.#to[i]!;
    return from === to ? Number.NaN : this.#digits(from, to);
  }

  /** A port, or type * 256 + code of ICMP, which is printed so or as `type.code`; NaN where the cell is none. */
  port(i: number): number {
    this.#trim(i);
    const from = this.#from[i]!;
    const to = this.#to[i]!;
    if (from === to) return Number.NaN;
    const dot = this.#find(0x2e, from, to);
    if (dot < 0) return below(this.#digits(from, to), 65_536);
    if (dot === from || dot + 1 === to) return Number.NaN;
    return below(this.#digits(from, dot), 256) * 256 + below(this.#digits(dot + 1, to), 256);
  }

  /** Seconds with a fraction, or `hh:mm:ss` with one; microseconds, NaN where the cell is neither. */
  duration(i: number): number {
    this.#trim(i);
    const to = this.#to[i]!;
    let from = this.#from[i]!;
    if (from === to) return Number.NaN;
    let seconds = 0;
    for (let colon = this.#find(0x3a, from, to); colon >= 0; colon = this.#find(0x3a, from, to)) {
      seconds = (seconds + this.#digits(from, colon)) * 60;
      from = colon + 1;
    }
    return seconds * 1e6 + this.#decimal(from, to);
  }

  /**
   * A time: `YYYY-MM-DD hh:mm:ss` with or without a fraction, taken for UTC, or seconds or milliseconds since 1970.
   * @returns microseconds; NaN where the cell is none, or tells none (zeros)
   */
  time(i: number): number {
    this.#trim(i);
    const from = this.#from[i]!;
    const to = this.#to[i]!;
    if (from === to) return Number.NaN;
    const { line } = this;
    if (to - from < 19 || line.charCodeAt(from + 4) !== 0x2d) {
      const value = this.#decimal(from, to);
      return value <= 0 ? Number.NaN : value >= SECONDS_MAX * 1e6 ? Math.round(value / 1000) : value;
    }
    if (line.charCodeAt(from + 10) !== BLANK && line.charCodeAt(from + 10) !== 0x54) return Number.NaN;
    if (line.charCodeAt(from + 13) !== 0x3a || line.charCodeAt(from + 16) !== 0x3a) return Number.NaN;
    const hour = this.#digits(from + 11, from + 13);
    const minute = this.#digits(from + 14, from + 16);
    const micros = this.#decimal(from + 17, to);
    // Comparisons fail for NaN.
    if (!(hour < 24 && minute < 60 && micros < 61e6)) return Number.NaN;
    return this.#midnightOf(from) + (hour * 60 + minute) * 60e6 + micros;
  }

  /** TCP flags as letters (`...AP.SF`) or, in old versions, as a hexadecimal number where there are more than six. */
  flags(i: number): number {
    this.#trim(i);
    const { line } = this;
    const from = this.#from[i]!;
    const to = this.#to[i]!;
    if (line.charCodeAt(from) === 0x30 && (line.charCodeAt(from + 1) | 32) === 0x78)
      return (Number.parseInt(line.slice(from, to), 16) || 0) & 255;
    let bits = 0;
    for (let k = from; k < to; k++) bits |= flagOf(line.charCodeAt(k));
    return bits;
  }

  /** Writes the four words of an IPv4 address (#lib/address). @returns false where the cell is none; the words are then not to be used */
  ipv4(i: number, words: Uint32Array, to: number): boolean {
    this.#trim(i);
    const { line } = this;
    const end = this.#to[i]!;
    let value = 0;
    let part = 0;
    let digits = 0;
    let dots = 0;
    for (let k = this.#from[i]!; k < end; k++) {
      const digit = line.charCodeAt(k) - 0x30;
      if (digit >= 0 && digit <= 9) {
        // A zero in front would be octal to some.
        if (digits > 0 && part === 0) return false;
        part = part * 10 + digit;
        digits += 1;
        if (part > 255) return false;
      } else if (digit === -2 && digits > 0 && dots < 3) {
        value = value * 256 + part;
        part = 0;
        digits = 0;
        dots += 1;
      } else return false;
    }
    if (dots !== 3 || digits === 0) return false;
    words[to] = 0;
    words[to + 1] = 0;
    words[to + 2] = 0xffff;
    words[to + 3] = value * 256 + part;
    return true;
  }

  /** First character of a cell; NaN where it is empty. */
  letter(i: number): number {
    this.#trim(i);
    return this.#from[i] === this.#to[i] ? Number.NaN : this.line.charCodeAt(this.#from[i]!);
  }

  #trim(i: number): void {
    const { line } = this;
    let from = this.#from[i]!;
    let to = this.#to[i]!;
    while (from < to && (line.charCodeAt(from) === BLANK || line.charCodeAt(from) === TAG)) from += 1;
    while (from < to && line.charCodeAt(to - 1) === BLANK) to -= 1;
    this.#from[i] = from;
    this.#to[i] = to;
  }

  #find(code: number, from: number, to: number): number {
    for (let k = from; k < to; k++) if (this.line.charCodeAt(k) === code) return k;
    return -1;
  }

  /** Digits only, no more than a Number holds exactly. */
  #digits(from: number, to: number): number {
    let value = 0;
    if (from >= to || to - from > 20) return Number.NaN;
    for (let k = from; k < to; k++) {
      const digit = this.line.charCodeAt(k) - 0x30;
      if (digit < 0 || digit > 9) return Number.NaN;
      value = value * 10 + digit;
    }
    return value <= Number.MAX_SAFE_INTEGER ? value : Number.NaN;
  }

  /** Digits with or without a fraction, times a million; digits past the sixth of a fraction are cut off. */
  #decimal(from: number, to: number): number {
    const dot = this.#find(0x2e, from, to);
    if (dot < 0) return this.#digits(from, to) * 1e6;
    const end = Math.min(to, dot + 7);
    let micros = this.#digits(dot + 1, end);
    for (let k = end - dot - 1; k < 6; k++) micros *= 10;
    return this.#digits(from, dot) * 1e6 + micros;
  }

  /** Midnight of YYYY-MM-DD, microseconds; NaN where it is no date. */
  #midnightOf(from: number): number {
    if (this.line.charCodeAt(from + 7) !== 0x2d) return Number.NaN;
    const month = this.#digits(from + 5, from + 7);
    const date = this.#digits(from, from + 4) * 10_000 + month * 100 + this.#digits(from + 8, from + 10);
    let midnight = this.#midnights.get(date);
    if (midnight !== undefined) return midnight;
    midnight = parseIsoMicros(`${this.line.slice(from, from + 10)}T00:00:00Z`);
    if (this.#midnights.size >= DATES_MAX) this.#midnights.clear();
    this.#midnights.set(date, midnight);
    return midnight;
  }
}

function below(value: number, end: number): number {
  return value < end ? value : Number.NaN;
}

function flagOf(letter: number): number {
  switch (letter) {
    case 0x46:
      return 1;
    case 0x53:
      return 2;
    case 0x52:
      return 4;
    case 0x50:
      return 8;
    case 0x41:
      return 16;
    case 0x55:
      return 32;
    case 0x45:
      return 64;
    case 0x43:
      return 128;
    default:
      return 0;
  }
}
