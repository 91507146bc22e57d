// The times that resolver logs write before a line, in the forms of syslog (RFC 3164, RFC 5424 section 6.2.3), of BIND, of Unbound
// and of ISO 8601. Two of them lack something, and the rules are the same for every run on the same file:
// - no zone: UTC, or the zone that the settings name;
// - no year: the year in which the stamp lies less than 60 days before, or else after, the time before it in the file. The first
//   time is the first whole date in the head of the file, else the year of the settings, else 1972 (a year that has 29 February).
import { parseIsoMicros } from '#lib/time';

export interface LogSettings {
  /** Minutes east of UTC of stamps that tell no zone; 0 unless told. */
  readonly zoneMinutes?: number;
  /** Year of the first stamp, where no date in the file tells it. */
  readonly year?: number;
}

const YEAR_UNKNOWN = 1972;
const DAY_MICROS = 86_400e6;
/** How far a stamp without a year may go back before it is taken as one of the next year: syslog relays reorder. */
const BACK_MICROS = 60 * DAY_MICROS;

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

const priority = /<\d{1,3}>(?:1 )?/y;
const iso = /(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:[.,](\d{1,9}))?(Z|[+-]\d\d:?\d\d)?/y;
const bind = /(\d\d)-([A-Z][a-z][a-z])-(\d{4}) (\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?/y;
const syslog = /([A-Z][a-z][a-z]) +(\d{1,2}) (\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?/y;
const epoch = /\[(\d{9,11})(?:\.(\d{1,6}))?\]/y;

export class Stamps {
  readonly #offsetMicros: number;
  /** The last time read, or what the head says; NaN where nothing did yet. */
  #last = Number.NaN;
  readonly #firstYear: number;
  #isTold = false;
  /** The stamp read last, up to its second, and that second: logs repeat it often. */
  #memoText = '';
  #memoMicros = 0;

  /** @param head the first octets of the file, one character an octet */
  constructor(settings: LogSettings, head: string) {
    this.#offsetMicros = (settings.zoneMinutes ?? 0) * 60e6;
    this.#firstYear = settings.year ?? YEAR_UNKNOWN;
    const date = /\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d|\d\d-[A-Z][a-z][a-z]-\d{4} \d\d:\d\d:\d\d/.exec(head)?.[0];
    if (date !== undefined) this.read(date);
    const seconds = date === undefined ? /\bts="(\d{9,11})\b/.exec(head)?.[1] : undefined;
    if (seconds !== undefined) this.#epoch(`[${seconds}]`, 0);
    this.#isTold = false;
  }

  /** Microseconds: of the line read last, or where it had no time, of the one before; 0 where none had. */
  get at(): number {
    return Number.isNaN(this.#last) ? 0 : this.#last;
  }

  /** Whether the line read last has a time. */
  get isTold(): boolean {
    return this.#isTold;
  }

  /** Reads the stamp that a line begins with. @returns where the rest of the line begins */
  read(text: string): number {
    this.#isTold = false;
    let from = 0;
    if (text.charCodeAt(0) === 0x3c) {
      priority.lastIndex = 0;
      if (priority.test(text)) from = priority.lastIndex;
    }
    const c = text.charCodeAt(from);
    if (c === 0x5b) return this.#epoch(text, from);
    if (c >= 0x41 && c <= 0x5a) return this.#syslog(text, from);
    if (c >= 0x30 && c <= 0x39)
      return text.charCodeAt(from + 2) === 0x2d ? this.#bind(text, from) : this.#iso(text, from);
    return from;
  }

  #epoch(text: string, from: number): number {
    epoch.lastIndex = from;
    const found = epoch.exec(text);
    if (found === null) return from;
    const micros = Number(found[1]) * 1e6 + microsOf(found[2]);
    if (!Number.isSafeInteger(micros)) return from;
    this.#keep(micros);
    return epoch.lastIndex;
  }

  #iso(text: string, from: number): number {
    iso.lastIndex = from;
    const found = iso.exec(text);
    if (found === null) return from;
    const [, date, time, fraction, zone = ''] = found;
    const key = `${date}T${time}${zone}`;
    if (key !== this.#memoText) {
      const colon = zone.length === 5 ? `${zone.slice(0, 3)}:${zone.slice(3)}` : zone;
      const micros = parseIsoMicros(`${date}T${time}${colon || 'Z'}`) - (zone === '' ? this.#offsetMicros : 0);
      if (!this.#remember(key, micros)) return from;
    }
    this.#keep(this.#memoMicros + microsOf(fraction));
    return iso.lastIndex;
  }

  #bind(text: string, from: number): number {
    bind.lastIndex = from;
    const found = bind.exec(text);
    if (found === null) return from;
    const [, day, month, year, time, fraction] = found;
    const key = `${day}${month}${year}${time}`;
    if (key !== this.#memoText && !this.#remember(key, this.#local(year!, month!, day!, time!))) return from;
    this.#keep(this.#memoMicros + microsOf(fraction));
    return bind.lastIndex;
  }

  #syslog(text: string, from: number): number {
    syslog.lastIndex = from;
    const found = syslog.exec(text);
    if (found === null) return from;
    const [, month, day, time, fraction] = found;
    const key = `${month}${day}${time}`;
    if (key !== this.#memoText && !this.#remember(key, this.#yearless(month!, day!.padStart(2, '0'), time!)))
      return from;
    this.#keep(this.#memoMicros + microsOf(fraction));
    return syslog.lastIndex;
  }

  #yearless(month: string, day: string, time: string): number {
    // In the file's zone, as its dates are.
    const before = new Date((this.#last + this.#offsetMicros) / 1000).getUTCFullYear();
    const year = Number.isNaN(before) ? this.#firstYear : before;
    const micros = this.#inYear(year, month, day, time);
    if (micros < this.#last - BACK_MICROS) return this.#inYear(year + 1, month, day, time);
    if (micros > this.#last - BACK_MICROS + 366 * DAY_MICROS) return this.#inYear(year - 1, month, day, time);
    return micros;
  }

  #inYear(year: number, month: string, day: string, time: string): number {
    const micros = this.#local(String(year), month, day, time);
    // The log's own year may leap where the one assumed does not: the day after is nearest.
    const isLeapDay = Number.isNaN(micros) && month === 'Feb' && day === '29';
    return isLeapDay ? this.#local(String(year), 'Mar', '01', time) : micros;
  }

  #local(year: string, month: string, day: string, time: string): number {
    const number = String(months.indexOf(month) + 1).padStart(2, '0');
    return parseIsoMicros(`${year}-${number}-${day}T${time}Z`) - this.#offsetMicros;
  }

  /** @returns false where the text is no time */
  #remember(key: string, micros: number): boolean {
    if (!(micros >= 0)) return false;
    this.#memoText = key;
    this.#memoMicros = micros;
    return true;
  }

  #keep(micros: number): void {
    this.#last = micros;
    this.#isTold = true;
  }
}

function microsOf(fraction: string | undefined): number {
  return fraction === undefined ? 0 : Number(fraction.slice(0, 6).padEnd(6, '0'));
}
