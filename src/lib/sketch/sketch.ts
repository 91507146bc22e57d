// How many distinct things were seen, from a bitmap that each of them marks (linear counting: Whang et al. 1990): of m bits with
// z clear, about m ln(m/z).

/** Bits set in `count` words from `at` on. */
export function ones(words: Uint32Array, at: number, count: number): number {
  let sum = 0;
  for (let k = at; k < at + count; k++) {
    let v = words[k]!;
    v -= (v >>> 1) & 0x55555555;
    v = (v & 0x33333333) + ((v >>> 2) & 0x33333333);
    sum += Math.imul((v + (v >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
  }
  return sum;
}

/** Things that have marked `count` words; `full`, what is told where (nearly) every bit is set and nothing can be told. */
export function linearCount(words: Uint32Array, at: number, count: number, full: number): number {
  const bits = 32 * count;
  const set = ones(words, at, count);
  return set >= bits ? full : -bits * Math.log(1 - set / bits);
}
