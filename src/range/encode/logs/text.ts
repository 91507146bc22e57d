// Names, types and records as each log writes them, and times in the forms that logs use.

import { type Answer, Rtype } from '../../worlds/dns/answers.ts';
import { ipText } from '../ethernet.ts';

export type NameStyle = 'master' | 'zeek' | 'eve' | 'unbound' | 'dnsmasq';

/** The name at `at` without a final dot; '.' for the root. */
export function nameText(bytes: Uint8Array, at: number, style: NameStyle): string {
  let out = '';
  for (let o = at; bytes[o]! > 0; o += 1 + bytes[o]!) {
    if (out !== '') out += '.';
    const end = o + 1 + bytes[o]!;
    for (let i = o + 1; i < end; i++) {
      const c = bytes[i]!;
      const printable = c > 0x20 && c < 0x7f;
      if (style === 'dnsmasq') {
        // A name with anything unprintable, or with a dot inside a label, is not shown at all.
        if (c < 0x20 || c > 0x7e || c === 0x2e) return '<name unprintable>';
        out += String.fromCharCode(c);
      } else if (style === 'unbound') {
        // What is neither letter, digit, '-', '_' nor '*' becomes '?'.
        const letter = (c | 0x20) >= 0x61 && (c | 0x20) <= 0x7a;
        out +=
          letter || (c >= 0x30 && c <= 0x39) || c === 0x2d || c === 0x5f || c === 0x2a ? String.fromCharCode(c) : '?';
      } else if (style === 'master') {
        if (c === 0x2e || c === 0x5c) out += `\\${String.fromCharCode(c)}`;
        else out += printable ? String.fromCharCode(c) : `\\${String(c).padStart(3, '0')}`;
      } else if (printable && c !== 0x5c) {
        const lower = style === 'zeek' && c >= 0x41 && c <= 0x5a;
        out += String.fromCharCode(lower ? c + 0x20 : c);
      } else out += `\\x${c.toString(16).padStart(2, '0')}`;
    }
  }
  return out === '' ? '.' : out;
}

const typeNames = new Map<number, string>(Object.entries(Rtype).map(([name, type]) => [type, name]));
typeNames.delete(Rtype.PRIVATE);
/** RFC 3597 5: TYPE and the number where it has no name. */
export function typeText(type: number): string {
  return typeNames.get(type) ?? `TYPE${type}`;
}
export function knownType(type: number): string | undefined {
  return typeNames.get(type);
}
const rcodeNames = ['NOERROR', 'FORMERR', 'SERVFAIL', 'NXDOMAIN', 'NOTIMP', 'REFUSED'];
export function rcodeText(rcode: number): string {
  return rcodeNames[rcode] ?? `RCODE${rcode}`;
}

export function addressText(rdata: Uint8Array): string {
  if (rdata.length === 4) return rdata.join('.');
  // Addresses of the range are 2001:db8:: and one last word.
  const group = (o: number): number => (rdata[o]! << 8) | rdata[o + 1]!;
  const high = group(12);
  return high === 0
    ? `2001:db8::${group(14).toString(16)}`
    : `2001:db8::${high.toString(16)}:${group(14).toString(16)}`;
}
/** Strings of a TXT record as Latin-1. */
export function textStrings(rdata: Uint8Array): string[] {
  const out: string[] = [];
  for (let o = 0; o < rdata.length; o += 1 + rdata[o]!)
    out.push(Buffer.from(rdata.subarray(o + 1, o + 1 + rdata[o]!)).toString('latin1'));
  return out;
}
export function u16At(rdata: Uint8Array, at: number): number {
  return (rdata[at]! << 8) | rdata[at + 1]!;
}

/** Rdata in master-file form (RFC 1035 5.1, unknown types by RFC 3597 5). */
export function masterText(answer: Answer): string {
  const { type, rdata } = answer;
  const target = (at: number): string => `${nameText(rdata, at, 'master')}.`;
  if (type === Rtype.A || type === Rtype.AAAA) return addressText(rdata);
  if (type === Rtype.CNAME || type === Rtype.PTR || type === Rtype.NS) return target(0);
  if (type === Rtype.MX) return `${u16At(rdata, 0)} ${target(2)}`;
  if (type === Rtype.SRV) return `${u16At(rdata, 0)} ${u16At(rdata, 2)} ${u16At(rdata, 4)} ${target(6)}`;
  if (type === Rtype.TXT)
    return textStrings(rdata)
      .map((s) => `"${printable(s, '\\')}"`)
      .join(' ');
  return `\\# ${rdata.length} ${Buffer.from(rdata).toString('hex')}`;
}
/** Latin-1 text with `\DDD` for what can't be printed, and quotes and backslashes escaped. */
function printable(text: string, mark: string): string {
  let out = '';
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c === 0x22 || c === 0x5c) out += mark + text[i];
    else out += c >= 0x20 && c < 0x7f ? text[i] : `${mark}${String(c).padStart(3, '0')}`;
  }
  return out;
}
/** Latin-1 text with `\xHH` for what can't be printed. */
export function hexEscaped(text: string): string {
  let out = '';
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    out += c >= 0x20 && c < 0x7f && c !== 0x5c ? text[i] : `\\x${c.toString(16).padStart(2, '0')}`;
  }
  return out;
}

/** Owners of the records in turn: an alias' target owns what stands behind it. */
export function ownersOf(name: string, answers: readonly Answer[], style: NameStyle): string[] {
  let owner = name;
  return answers.map((answer) => {
    const mine = owner;
    if (answer.type === Rtype.CNAME) owner = nameText(answer.rdata, 0, style);
    return mine;
  });
}

const months = 'Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec'.split(' ');
const two = (n: number): string => String(n).padStart(2, '0');
let heldSecond = -1;
let held = new Date(0);
/** Broken-down UTC of a second; the one asked last is kept. */
function utc(at: number): Date {
  const second = Math.floor(at / 1e6);
  if (second !== heldSecond) {
    heldSecond = second;
    held = new Date(second * 1000);
  }
  return held;
}
const clock = (d: Date): string => `${two(d.getUTCHours())}:${two(d.getUTCMinutes())}:${two(d.getUTCSeconds())}`;

/** `Nov 25 15:22:29`: day of two places, year unsaid (RFC 3164). */
export function syslogTime(at: number): string {
  const d = utc(at);
  return `${months[d.getUTCMonth()]} ${String(d.getUTCDate()).padStart(2, ' ')} ${clock(d)}`;
}
/** `25-Nov-2026 15:22:29.823`. */
export function bindTime(at: number): string {
  const d = utc(at);
  const millis = Math.floor((at % 1e6) / 1000);
  return `${two(d.getUTCDate())}-${months[d.getUTCMonth()]}-${d.getUTCFullYear()} ${clock(d)}.${String(millis).padStart(3, '0')}`;
}
/** `2026-11-25` and `15:22:29`. */
export function dateAndClock(at: number): [string, string] {
  const d = utc(at);
  return [`${d.getUTCFullYear()}-${two(d.getUTCMonth() + 1)}-${two(d.getUTCDate())}`, clock(d)];
}
/** Seconds since the epoch with `digits` places. */
export function epoch(at: number, digits: number): string {
  const rest = String(Math.floor(at % 1e6)).padStart(6, '0');
  return `${Math.floor(at / 1e6)}${digits > 0 ? `.${rest.slice(0, digits)}` : ''}`;
}
/** Microseconds as seconds with six places. */
export function seconds(micros: number): string {
  return (micros / 1e6).toFixed(6);
}
export { ipText };
