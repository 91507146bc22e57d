// ISO 8601 (RFC 3339 profile) text to integer microseconds since the epoch, without Date: no locale, no time zone of the
// machine, no loss below the millisecond. A leap second (:60) is the first moment of the next minute, as POSIX has it.

/** Days from 1970-01-01 to the first of each month in a year that does not leap. */
const monthDays = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];

/**
 * `2026-01-02T03:04:05`, an optional fraction (digits past the sixth are cut off) and `Z` or `+hh:mm`.
 * @returns microseconds, or NaN where the text is no such time, lies before 1970 or past what a Number holds exactly
 */
export function parseIsoMicros(text: string): number {
  const length = text.length;
  if (length < 20 || length > 40) return Number.NaN;
  const t = text.charCodeAt(10);
  if (text.charCodeAt(4) !== 0x2d || text.charCodeAt(7) !== 0x2d || (t !== 0x54 && t !== 0x74 && t !== 0x20))
    return Number.NaN;
  if (text.charCodeAt(13) !== 0x3a || text.charCodeAt(16) !== 0x3a) return Number.NaN;
  const year = two(text, 0) * 100 + two(text, 2);
  const month = two(text, 5);
  const day = two(text, 8);
  const hour = two(text, 11);
  const minute = two(text, 14);
  const second = two(text, 17);
  // Comparisons are written so that NaN (a character that is no digit) fails them.
  if (!(year >= 1970 && month >= 1 && month <= 12 && day >= 1 && hour <= 23 && minute <= 59 && second <= 60))
    return Number.NaN;
  const leap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  const last = month === 2 ? (leap ? 29 : 28) : month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
  if (day > last) return Number.NaN;
  let at = 19;
  let micros = 0;
  if (text.charCodeAt(at) === 0x2e) {
    at += 1;
    const from = at;
    let unit = 100_000;
    while (at < length) {
      const digit = text.charCodeAt(at) - 0x30;
      if (digit < 0 || digit > 9) break;
      micros += digit * unit;
      unit = Math.floor(unit / 10);
      at += 1;
    }
    if (at === from) return Number.NaN;
  }
  let offsetMinutes = 0;
  const zone = text.charCodeAt(at);
  if (zone === 0x5a || zone === 0x7a) {
    if (at + 1 !== length) return Number.NaN;
  } else {
    if ((zone !== 0x2b && zone !== 0x2d) || at + 6 !== length || text.charCodeAt(at + 3) !== 0x3a) return Number.NaN;
    const hours = two(text, at + 1);
    const minutes = two(text, at + 4);
    if (!(hours <= 23 && minutes <= 59)) return Number.NaN;
    offsetMinutes = (zone === 0x2b ? 1 : -1) * (hours * 60 + minutes);
  }
  const before = year - 1;
  const leapsBefore = Math.floor(before / 4) - Math.floor(before / 100) + Math.floor(before / 400) - 477;
  const days = (year - 1970) * 365 + leapsBefore + monthDays[month - 1]! + (leap && month > 2 ? 1 : 0) + day - 1;
  const seconds = ((days * 24 + hour) * 60 + minute - offsetMinutes) * 60 + second;
  const result = seconds * 1e6 + micros;
  return result >= 0 && Number.isSafeInteger(result) ? result : Number.NaN;
}

function two(text: string, at: number): number {
  const a = text.charCodeAt(at) - 0x30;
  const b = text.charCodeAt(at + 1) - 0x30;
  return a >= 0 && a <= 9 && b >= 0 && b <= 9 ? a * 10 + b : Number.NaN;
}
