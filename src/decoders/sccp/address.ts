// SCCP party addresses (Q.713, 3.4): indicator, point code, subsystem number, global title in its four formats.
import { bcdDigits } from '#lib/tbcd';

export class SccpAddress {
  digits = '';
  ssn = -1;
  pointCode = -1;
  /** Global title indicator, 0..4 (others are reserved). */
  indicator = 0;
  plan = -1;
  nature = -1;
  translation = -1;
  /** Routed on subsystem number. */
  onSsn = false;
  ansi = false;
  /** An even number of digits whose last nibble is the filler F all the same. */
  filler = false;
  broken = false;

  /** How findings and pairing name it. */
  get text(): string {
    if (this.digits !== '') return this.digits;
    return this.pointCode < 0 && this.ssn < 0
      ? ''
      : `${this.pointCode < 0 ? '' : this.pointCode}:${this.ssn < 0 ? '' : this.ssn}`;
  }
}

/** Reads the address in [at, end). What does not fit leaves `broken` set and the parts before it filled. */
export function readAddress(bytes: Uint8Array, start: number, end: number, out: SccpAddress): void {
  out.digits = '';
  out.ssn = -1;
  out.pointCode = -1;
  out.indicator = 0;
  out.plan = -1;
  out.nature = -1;
  out.translation = -1;
  out.onSsn = false;
  out.filler = false;
  out.broken = true;
  if (start >= end) return;
  let at = start;
  const head = bytes[at++]!;
  // Bit 8 is reserved for national use: ANSI (T1.112) sets it, swaps the two lowest bits and puts the SSN first.
  out.ansi = (head & 0x80) !== 0;
  out.onSsn = (head & 0x40) !== 0;
  out.indicator = (head >> 2) & 15;
  const hasSsn = (head & (out.ansi ? 1 : 2)) !== 0;
  const hasPointCode = (head & (out.ansi ? 2 : 1)) !== 0;
  if (out.ansi && hasSsn) {
    if (at >= end) return;
    out.ssn = bytes[at++]!;
  }
  if (hasPointCode) {
    const octets = out.ansi ? 3 : 2;
    if (at + octets > end) return;
    out.pointCode = bytes[at]! | (bytes[at + 1]! << 8) | (out.ansi ? bytes[at + 2]! << 16 : 0);
    at += octets;
  }
  if (!out.ansi && hasSsn) {
    if (at >= end) return;
    out.ssn = bytes[at++]!;
  }
  readTitle(bytes, at, end, out);
}

function readTitle(bytes: Uint8Array, start: number, end: number, out: SccpAddress): void {
  let at = start;
  // -1: the format has no odd/even indicator.
  let odd = -1;
  switch (out.indicator) {
    case 0:
      out.broken = false;
      return;
    case 1:
      if (at >= end) return;
      if (out.ansi) {
        out.translation = bytes[at++]!;
        if (at >= end) return;
        out.plan = bytes[at]! >> 4;
        odd = bytes[at++]! & 1;
      } else {
        out.nature = bytes[at]! & 127;
        odd = bytes[at++]! >> 7;
      }
      break;
    case 2:
      if (at >= end) return;
      out.translation = bytes[at++]!;
      break;
    case 3:
    case 4:
      if (at + out.indicator - 1 > end) return;
      out.translation = bytes[at++]!;
      out.plan = bytes[at]! >> 4;
      odd = bytes[at++]! & 1;
      if (out.indicator === 4) out.nature = bytes[at++]! & 127;
      break;
    default:
      return;
  }
  const octets = Math.min(end - at, 16);
  let digits = bcdDigits(bytes, at, octets, 2 * octets - (odd === 1 ? 1 : 0));
  if (digits.endsWith('f')) {
    out.filler = odd === 0;
    digits = digits.slice(0, -1);
  }
  out.digits = digits;
  out.broken = false;
}
