// Names looked up on dot boundaries without a string: a hash that grows from the right, probed at each label's start.
import type { Entry } from './list.ts';

const SEED = 0x811c9dc5;
const PRIME = 0x01000193;
const DOT = 0x2e;
const lower = (c: number): number => (c >= 0x41 && c <= 0x5a ? c | 0x20 : c);
const NAME_MAX = 255;

export class NameIndex {
  /** Hash of the reversed name to its entries: with ports first. */
  readonly #byHash = new Map<number, number[]>();
  readonly #entries: readonly Entry[];
  readonly #starts = new Int32Array(128);
  readonly #text = new Uint8Array(NAME_MAX + 1);

  constructor(entries: readonly Entry[]) {
    this.#entries = entries;
    for (const [i, e] of entries.entries()) {
      let h = SEED;
      for (let k = e.name.length - 1; k >= 0; k--) h = Math.imul(h ^ e.name.charCodeAt(k), PRIME);
      const list = this.#byHash.get(h) ?? [];
      if (e.port === undefined) list.push(i);
      else list.unshift(i);
      this.#byHash.set(h, list);
    }
  }

  /** Index of the longest entry that the text [offset, offset + length) is or lies below; -1 where there is none. */
  find(bytes: Uint8Array, offset: number, length: number, port: number): number {
    if (length > NAME_MAX) return -1;
    let end = offset + length;
    // A final dot is the root.
    if (length > 0 && bytes[end - 1] === DOT) end -= 1;
    let found = -1;
    let h = SEED;
    for (let at = end - 1; at >= offset; at--) {
      const c = lower(bytes[at]!);
      if (c === DOT) found = this.#probe(h, bytes, at + 1, end, port, found);
      h = Math.imul(h ^ c, PRIME);
    }
    return end > offset ? this.#probe(h, bytes, offset, end, port, found) : -1;
  }

  /** The same for a name in uncompressed wire form. */
  findWire(bytes: Uint8Array, offset: number, length: number, port: number): number {
    let labels = 0;
    let at = offset;
    const end = offset + length;
    let used = 0;
    while (at < end && bytes[at]! > 0 && labels < this.#starts.length) {
      const size = bytes[at]!;
      if (at + 1 + size > end || used + size + 1 > NAME_MAX) return -1;
      if (used > 0) this.#text[used++] = DOT;
      for (let k = 1; k <= size; k++) {
        // A dot inside a label is no boundary.
        const c = bytes[at + k]!;
        this.#text[used++] = c === DOT ? 0 : c;
      }
      labels += 1;
      at += size + 1;
    }
    return this.find(this.#text, 0, used, port);
  }

  #probe(h: number, bytes: Uint8Array, from: number, end: number, port: number, before: number): number {
    const candidates = this.#byHash.get(h);
    if (candidates === undefined) return before;
    for (const i of candidates) {
      const e = this.#entries[i]!;
      if (e.name.length !== end - from || (e.port !== undefined && e.port !== port)) continue;
      let k = 0;
      while (k < e.name.length && e.name.charCodeAt(k) === lower(bytes[from + k]!)) k += 1;
      if (k === e.name.length) return i;
    }
    return before;
  }
}

/** Whether the text holds an IPv4 address written with hyphens, as one label or at the start or end of one: 203-0-113-7. */
export function hasDashedAddress(bytes: Uint8Array, offset: number, length: number): boolean {
  let numbers = 0;
  let value = -1;
  for (let at = offset; at <= offset + length; at++) {
    const c = at < offset + length ? bytes[at]! : DOT;
    if (c >= 0x30 && c <= 0x39) {
      value = (value < 0 ? 0 : value * 10) + c - 0x30;
      if (value > 255) {
        value = 1000;
        numbers = 0;
      }
      continue;
    }
    if (value >= 0 && value <= 255) numbers += 1;
    else numbers = 0;
    if (numbers === 4) return true;
    value = -1;
    if (c !== 0x2d) numbers = 0;
  }
  return false;
}
