// IP addresses as four 32-bit words; IPv4 is IPv4-mapped IPv6 (0, 0, 0xffff, a), so one column serves both.
import { isIPv6 } from 'node:net';

/** Text of the address whose four words start at `at`. */
export function formatAddress(words: Uint32Array, at: number): string {
  const a = words[at]!;
  const b = words[at + 1]!;
  const c = words[at + 2]!;
  const d = words[at + 3]!;
  if (a === 0 && b === 0 && c === 0xffff) return `${d >>> 24}.${(d >>> 16) & 255}.${(d >>> 8) & 255}.${d & 255}`;
  const groups = [a >>> 16, a & 0xffff, b >>> 16, b & 0xffff, c >>> 16, c & 0xffff, d >>> 16, d & 0xffff];
  // RFC 5952: the longest run of two or more zero groups becomes "::", the first of equals.
  let bestAt = -1;
  let bestRun = 1;
  for (let i = 0; i < 8; ) {
    let run = 0;
    while (i + run < 8 && groups[i + run] === 0) run += 1;
    if (run > bestRun) {
      bestRun = run;
      bestAt = i;
    }
    i += run + 1;
  }
  const hex = groups.map((g) => g.toString(16));
  if (bestAt < 0) return hex.join(':');
  return `${hex.slice(0, bestAt).join(':')}::${hex.slice(bestAt + bestRun).join(':')}`;
}

/**
 * Writes the four words of a textual address at `at`.
 * @returns false where the text is not an address; the words are then zero.
 */
export function parseAddress(text: string, words: Uint32Array, at: number): boolean {
  words.fill(0, at, at + 4);
  const value = parseIpv4(text);
  if (value >= 0) {
    words[at + 2] = 0xffff;
    words[at + 3] = value;
    return true;
  }
  const bare = text.includes('%') ? text.slice(0, text.indexOf('%')) : text;
  if (!isIPv6(bare)) return false;
  let source = bare;
  const dot = source.lastIndexOf(':');
  if (source.includes('.')) {
    const [p, q, r, s] = source
      .slice(dot + 1)
      .split('.')
      .map(Number) as [number, number, number, number];
    source = `${source.slice(0, dot + 1)}${((p << 8) | q).toString(16)}:${((r << 8) | s).toString(16)}`;
  }
  const [head = '', tail] = source.split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  const gap = tail === undefined ? 0 : 8 - left.length - right.length;
  const groups = [...left, ...Array<string>(gap).fill('0'), ...right].map((g) => Number.parseInt(g, 16));
  for (let i = 0; i < 4; i++) words[at + i] = ((groups[2 * i]! << 16) | groups[2 * i + 1]!) >>> 0;
  return true;
}

/** @returns the 32-bit number of a dotted quad without leading zeros, -1 where the text is none */
function parseIpv4(text: string): number {
  let value = 0;
  let part = -1;
  let dots = 0;
  for (let i = 0; i < text.length; i++) {
    const digit = text.charCodeAt(i) - 48;
    if (digit >= 0 && digit <= 9) {
      if (part === 0) return -1;
      part = part < 0 ? digit : part * 10 + digit;
      if (part > 255) return -1;
    } else if (digit === -2 && part >= 0 && dots < 3) {
      value = value * 256 + part;
      part = -1;
      dots += 1;
    } else return -1;
  }
  return dots === 3 && part >= 0 ? value * 256 + part : -1;
}

/**
 * 32-bit mixing hash of the four words at `at`; never zero, so zero can mark an empty slot. Each word is mixed before the next
 * comes in, so that equal hashes have to be searched for. It has no key (a replay must print the same bytes), so a table that
 * an adversary fills bounds its probes besides.
 */
export function addressHash(words: Uint32Array, at: number): number {
  let h = 0x9e3779b1;
  for (let k = 0; k < 4; k++) {
    h = Math.imul(h ^ words[at + k]!, 0x7feb352d);
    h ^= h >>> 15;
    h = Math.imul(h, 0x846ca68b) + k;
    h ^= h >>> 13;
  }
  return h >>> 0 || 1;
}

/** Whether the four words at `at` are a multicast address or 255.255.255.255: many are spoken to, and nobody speaks as it. */
export function isGroupAddress(words: Uint32Array, at: number): boolean {
  if (words[at] === 0 && words[at + 1] === 0 && words[at + 2] === 0xffff) {
    const d = words[at + 3]!;
    return d >>> 28 === 0xe || d === 0xffffffff;
  }
  return words[at]! >>> 24 === 0xff;
}
