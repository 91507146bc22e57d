// Names as one value: the lower-cased uncompressed wire form (RFC 1035 3.1, RFC 4343) kept as latin1 text, so that equality
// is ===, a name can key a Map, and the canonical order (RFC 4034 6.1) compares labels as text.
import { formatName } from '#events';
import { LOWER, textToWire } from '#lib/wirename';

/** Lower-cased wire name as latin1 text, the root's zero octet included. */
export type Name = string;

export const ROOT: Name = '\u0000';

export function nameOf(wire: Uint8Array): Name {
  const lower = new Uint8Array(wire.length);
  for (let i = 0; i < wire.length; i++) lower[i] = LOWER[wire[i]!]!;
  return Buffer.from(lower).toString('latin1');
}

export function wireOf(name: Name): Buffer {
  return Buffer.from(name, 'latin1');
}

/** Presentation form without the final dot; '.' for the root. */
export function textOf(name: Name): string {
  const wire = wireOf(name);
  return formatName(wire, 0, wire.length);
}

/** @returns undefined where the text is no name */
export function parseName(text: string): Name | undefined {
  const wire = new Uint8Array(256);
  const length = textToWire(text, wire, 0);
  return length < 0 ? undefined : nameOf(wire.subarray(0, length));
}

/** Labels without the root, leftmost first. */
export function labelsOf(name: Name): string[] {
  const labels: string[] = [];
  for (let at = 0; at < name.length && name.charCodeAt(at) > 0; at += 1 + name.charCodeAt(at))
    labels.push(name.slice(at + 1, at + 1 + name.charCodeAt(at)));
  return labels;
}

/** Labels without the root. */
export function labelCount(name: Name): number {
  let count = 0;
  for (let at = 0; at < name.length && name.charCodeAt(at) > 0; at += 1 + name.charCodeAt(at)) count += 1;
  return count;
}

/** The name without its first label; the root of the root is the root. */
export function parentOf(name: Name): Name {
  return name === ROOT ? ROOT : name.slice(1 + name.charCodeAt(0));
}

/** The rightmost `count` labels; the whole name where it has no more. */
export function ancestorOf(name: Name, count: number): Name {
  let rest = name;
  for (let drop = labelCount(name) - count; drop > 0; drop--) rest = parentOf(rest);
  return rest;
}

/** Whether `name` is `ancestor` or lies below it, on label boundaries. */
export function isWithin(name: Name, ancestor: Name): boolean {
  const tail = name.length - ancestor.length;
  if (tail < 0 || !name.endsWith(ancestor)) return false;
  let at = 0;
  while (at < tail) at += 1 + name.charCodeAt(at);
  return at === tail;
}

export function isBelow(name: Name, ancestor: Name): boolean {
  return name.length > ancestor.length && isWithin(name, ancestor);
}

/** The longest name that both lie within. */
export function commonAncestor(a: Name, b: Name): Name {
  let rest = a;
  while (!isWithin(b, rest)) rest = parentOf(rest);
  return rest;
}

export function isWildcard(name: Name): boolean {
  return name.startsWith('\u0001*');
}

/** `*.name`; undefined where that would be longer than a name may be. */
export function wildcardAt(name: Name): Name | undefined {
  return name.length > 253 ? undefined : `\u0001*${name}`;
}

/** Canonical order of RFC 4034 6.1: by label from the right, as unsigned octets. */
export function compareNames(a: Name, b: Name): number {
  const left = labelsOf(a);
  const right = labelsOf(b);
  for (let i = 1; i <= left.length && i <= right.length; i++) {
    const x = left[left.length - i]!;
    const y = right[right.length - i]!;
    if (x !== y) return x < y ? -1 : 1;
  }
  return left.length - right.length;
}
