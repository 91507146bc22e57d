// How many distinct things a row has seen: a bitmap of 256 bits, which counts to some eight hundred (lib/sketch), more than any
// line here asks for.
import { linearCount } from '#lib/sketch';

const WORDS = 8;
const FULL = 1400;

export class Spread {
  readonly words: Uint32Array;

  constructor(rows: number) {
    this.words = new Uint32Array(WORDS * rows);
  }

  add(row: number, hash: number): void {
    const bit = Math.imul(hash, 0x9e3779b1) >>> 24;
    this.words[WORDS * row + (bit >>> 5)]! |= 1 << (bit & 31);
  }

  count(row: number): number {
    return linearCount(this.words, WORDS * row, WORDS, FULL);
  }

  clear(row: number): void {
    this.words.fill(0, WORDS * row, WORDS * row + WORDS);
  }
}
