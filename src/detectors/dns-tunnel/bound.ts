// A lossless bound on what a stream of names can say, in the manner of Paxson et al. (USENIX Security 2013): the length that an
// adaptive code needs for the names in their order. A label met lately costs its place among those kept, any other one its
// characters under counts of what the stream has shown so far (Krichevsky-Trofimov estimator). Constant parts of a session
// cost next to nothing, whatever they look like.
import { hashLowerCased } from '#lib/wirename';
import type { NameMeasure } from './names.ts';

/** Labels remembered; a hit costs a flag and log2 of this. */
const LABELS = 16;
const HIT_BITS = 1 + 4;
/** Characters by their low seven bits; the eighth costs a bit of its own where it is set. */
const SYMBOLS = 128;
const COUNT_MAX = 4096;
/** log2 of whole numbers: a count of n costs log2(2 total + symbols) - log2(2 n + 1). */
const LOG2 = Float32Array.from({ length: 2 * (COUNT_MAX + 256) + SYMBOLS }, (_, n) => Math.log2(n));

export class NameCode {
  /** Hashes of the labels met last, and where the next one goes. */
  labels: number[] = [];
  next = 0;
  counts: number[] = new Array(SYMBOLS).fill(0);
  total = 0;

  /** Bits that the labels left of the registered domain add to the code, given all names before. */
  add(bytes: Uint8Array, m: NameMeasure): number {
    let bits = 0;
    for (let l = 0; l < m.payloadLabels; l++) {
      const at = m.starts[l]!;
      const length = bytes[at]!;
      const hash = hashLowerCased(bytes, at, length + 1);
      if (this.labels.includes(hash)) {
        bits += HIT_BITS;
        continue;
      }
      this.labels[this.next] = hash;
      this.next = (this.next + 1) % LABELS;
      // A flag, and the length as one of 64.
      bits += 7;
      for (let i = at + 1; i <= at + length; i++) {
        const s = bytes[i]! & 127;
        if (bytes[i]! > 127) bits += 1;
        bits += LOG2[2 * this.total + SYMBOLS]! - LOG2[2 * this.counts[s]! + 1]!;
        this.counts[s]! += 1;
        this.total += 1;
      }
    }
    if (this.total > COUNT_MAX) {
      this.total = 0;
      for (let s = 0; s < SYMBOLS; s++) this.total += this.counts[s] = this.counts[s]! >>> 1;
    }
    return bits;
  }
}
