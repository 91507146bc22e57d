// Where a name's registered domain begins, by the Public Suffix List's algorithm (publicsuffix.org/list): the list's rules as
// hashes of their labels, read from the right (suffixes.json, written by tools/suffixes.ts). A name is walked only as far as
// some rule goes on.
import { LOWER, textToWire } from '#lib/wirename';
import data from './suffixes.json' with { type: 'json' };

/** What the list says of a run of labels. */
export const Rule = {
  /** A registry's suffix. */
  Registry: 1,
  /** A suffix of the list's private part: strangers own the names below. */
  Shared: 2,
  /** `*.` rules: every label below is a suffix. */
  Wildcard: 4,
  /** `!` rules: not a suffix though a wildcard says so. */
  Exception: 8,
  /** Some rule is longer. */
  Longer: 16,
  /** Whether the wildcard stands in the private part. */
  WildcardShared: 32,
} as const;

const TABLE_BITS = 15;
const MASK = (1 << TABLE_BITS) - 1;
const keys = new Uint32Array(1 << TABLE_BITS);
const flags = new Uint8Array(1 << TABLE_BITS);
const packed = Buffer.from(data.rules, 'base64');
for (let at = 0; at < packed.length; at += 5) {
  const key = packed.readUInt32LE(at);
  let slot = key & MASK;
  while (keys[slot] !== 0) slot = (slot + 1) & MASK;
  keys[slot] = key;
  flags[slot] = packed[at + 4]!;
}

function ruleOf(key: number): number {
  let slot = key & MASK;
  while (keys[slot] !== 0) {
    if (keys[slot] === key) return flags[slot]!;
    slot = (slot + 1) & MASK;
  }
  return 0;
}

/** Hash of a run of labels, grown leftwards label by label from `SEED`; `keyOf` makes a table key of it. */
export const SEED = 0x811c9dc5;
export function addLabel(hash: number, bytes: Uint8Array, at: number): number {
  let h = hash;
  const end = at + bytes[at]!;
  for (let i = at; i <= end; i++) h = Math.imul(h ^ LOWER[bytes[i]!]!, 0x01000193);
  return h;
}
export function keyOf(hash: number): number {
  const h = Math.imul(hash ^ (hash >>> 16), 0x7feb352d);
  return (h ^ (h >>> 15)) >>> 0 || 1;
}

/** The suffix of the labels whose offsets are given: how many of them it takes, and whose it is (0 where no rule is met). */
let suffixLabels = 0;
let suffixFlags = 0;
function walk(bytes: Uint8Array, starts: Int32Array, count: number): void {
  // Without a rule the last label is the suffix.
  suffixLabels = 1;
  suffixFlags = 0;
  let hash = SEED;
  let above = 0;
  for (let k = 1; k <= count; k++) {
    hash = addLabel(hash, bytes, starts[count - k]!);
    const rule = ruleOf(keyOf(hash));
    if ((rule & Rule.Exception) !== 0) {
      suffixLabels = k - 1;
      return;
    }
    const own = rule & (Rule.Registry | Rule.Shared);
    if (own !== 0) {
      suffixLabels = k;
      suffixFlags = own;
    } else if ((above & Rule.Wildcard) !== 0) {
      suffixLabels = k;
      suffixFlags = (above & Rule.WildcardShared) !== 0 ? Rule.Shared : Rule.Registry;
    }
    if ((rule & (Rule.Longer | Rule.Wildcard)) === 0) return;
    above = rule;
  }
}

/**
 * Offset (in `bytes`) of the registered domain: the suffix and one label more.
 * @param starts offsets of the name's labels, left to right, `count` of them (the root is none)
 * @param end offset after the root octet
 * @returns the offset of the first label where the name is a bare suffix; `end - 1` (the root) where there is no label
 */
export function registeredAt(bytes: Uint8Array, starts: Int32Array, count: number, end: number): number {
  if (count === 0) return end - 1;
  walk(bytes, starts, count);
  return starts[Math.max(0, count - suffixLabels - 1)]!;
}

/** 0 not a known suffix, 1 a registry's, 2 shared by strangers; of the wire name given whole. */
export function suffixKind(bytes: Uint8Array, offset: number, length: number): number {
  const starts = new Int32Array(128);
  const count = startsOf(bytes, offset, offset + length, starts);
  if (count === 0) return 0;
  walk(bytes, starts, count);
  return suffixLabels === count ? suffixFlags & (Rule.Registry | Rule.Shared) : 0;
}

function startsOf(bytes: Uint8Array, offset: number, end: number, starts: Int32Array): number {
  let count = 0;
  for (let at = offset; at < end && bytes[at] !== 0 && count < 127; at += bytes[at]! + 1) starts[count++] = at;
  return count;
}

/** The registered domain of a name in presentation form, lower case; the name itself where it has one label or none is known. */
export function registeredName(name: string): string {
  const labels = name.toLowerCase().replace(/\.$/, '').split('.');
  if (labels.length <= 1) return labels.join('.');
  const wire = new Uint8Array(256);
  const length = textToWire(labels.join('.'), wire, 0);
  if (length <= 0) return labels.slice(-2).join('.');
  const starts = new Int32Array(128);
  const count = startsOf(wire, 0, length, starts);
  const from = registeredAt(wire, starts, count, length);
  return labels.slice(starts.subarray(0, count).indexOf(from)).join('.');
}

const scratchStarts = new Int32Array(128);

/** Offset of the registered domain of the wire name at [offset, end); `end - 1` where the name is the root alone. */
export function registeredStart(bytes: Uint8Array, offset: number, end: number): number {
  return registeredAt(bytes, scratchStarts, startsOf(bytes, offset, end, scratchStarts), end);
}
