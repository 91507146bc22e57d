// Domain names as text without the final dot (the root is `.`) and as wire octets (RFC 1035, 3.1). Text made here writes
// every octet but letters, digits, `-`, `_` and `*` as \DDD (RFC 1035, 5.1), so that a name from an attacker is one word
// in a zone file, in a log and on a screen.
import { textToWire } from '#lib/wirename';

/** Octets of a name in wire form, root included (RFC 1035, 2.3.4). */
export const NAME_OCTETS_MAX = 255;

const plain = (c: number): boolean =>
  (c >= 0x61 && c <= 0x7a) ||
  (c >= 0x41 && c <= 0x5a) ||
  (c >= 0x30 && c <= 0x39) ||
  c === 0x2d ||
  c === 0x5f ||
  c === 0x2a;

/** The wire form, or undefined where the text is no name. */
export function nameToWire(text: string): Buffer | undefined {
  const out = Buffer.alloc(NAME_OCTETS_MAX + 1);
  const length = textToWire(text, out, 0);
  return length <= 0 || length > NAME_OCTETS_MAX ? undefined : out.subarray(0, length);
}

/**
 * Reads a name at `at`. Pointers go strictly backwards (RFC 9267, 2.1), so that a loop ends; at most 255 octets come out.
 * @returns the text and the offset after the name where it stands, or undefined where it is none
 */
export function readName(bytes: Buffer, at: number): { name: string; end: number } | undefined {
  const labels: string[] = [];
  let octets = 1;
  let end = -1;
  let lowest = at;
  for (;;) {
    if (at >= bytes.length) return undefined;
    const length = bytes[at]!;
    if (length >= 0xc0) {
      if (at + 1 >= bytes.length) return undefined;
      if (end < 0) end = at + 2;
      const target = bytes.readUInt16BE(at) & 0x3fff;
      if (target >= lowest) return undefined;
      lowest = target;
      at = target;
      continue;
    }
    if (length >= 0x40) return undefined;
    if (length === 0) return { name: labels.length === 0 ? '.' : labels.join('.'), end: end < 0 ? at + 1 : end };
    octets += length + 1;
    if (octets > NAME_OCTETS_MAX || at + 1 + length > bytes.length) return undefined;
    labels.push(labelText(bytes, at + 1, length));
    at += length + 1;
  }
}

function labelText(bytes: Buffer, at: number, length: number): string {
  let text = '';
  for (let i = at; i < at + length; i++) {
    const c = bytes[i]!;
    text += plain(c) ? String.fromCharCode(c) : `\\${String(c).padStart(3, '0')}`;
  }
  return text;
}

/** The one spelling of a name: lower case, octets escaped as above, no final dot; undefined where the text is no name. */
export function canonicalName(text: string): string | undefined {
  const wire = nameToWire(text);
  return wire === undefined ? undefined : readName(wire, 0)!.name.toLowerCase();
}

/** Labels of a canonical name, left to right; none for the root. A dot inside a label is written \046 there, so splitting is safe. */
export function labelsOf(name: string): string[] {
  return name === '.' ? [] : name.split('.');
}

/** Whether canonical `name` lies strictly below canonical `above`. */
export function isBelow(name: string, above: string): boolean {
  return above === '.' ? name !== '.' : name.endsWith(`.${above}`);
}
