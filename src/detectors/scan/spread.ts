// How many distinct things a row has seen, by linear counting (Whang 1990): a bitmap of m bits of which z are clear holds about
// -m ln(z/m) things. 256 bits count to some eight hundred, which is more than any line here asks for.
const WORDS = 8;
const BITS = 32 * WORDS;

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
    let set = 0;
    for (let k = WORDS * row; k < WORDS * row + WORDS; k++) {
      let w = this.words[k]!;
      for (; w !== 0; w &= w - 1) set += 1;
    }
    return set >= BITS - 1 ? 1400 : -BITS * Math.log(1 - set / BITS);
  }

  clear(row: number): void {
    this.words.fill(0, WORDS * row, WORDS * row + WORDS);
  }
}
