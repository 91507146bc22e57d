// Visits, each with a chance of its own to be mirrored by coincidence, and how much better a relay explains those that were.

/** Shares of its visits that a relay is thought to show mirrored: some of what it carries is seen only in part. */
const RATES = [0.1, 0.3, 0.6, 0.9];

export class Tally {
  trials = 0;
  hits = 0;
  /** By rate: log-likelihood ratio, in bits, of "mirrored at this rate, or else by chance" against chance alone. */
  ratios = RATES.map(() => 0);

  /** @param p chance of a coincidence, in (0, 1), or 0 where only a miss can be */
  add(p: number, isHit: boolean): void {
    this.trials += 1;
    if (isHit) this.hits += 1;
    // A hit has probability rate + (1 - rate) p against p, a miss (1 - rate) (1 - p) against 1 - p.
    for (const [i, rate] of RATES.entries()) this.ratios[i]! += Math.log2(1 - rate + (isHit ? rate / p : 0));
  }

  /** Makes what was seen so far count less. */
  fade(keep: number): void {
    this.trials *= keep;
    this.hits *= keep;
    for (const i of RATES.keys()) this.ratios[i]! *= keep;
  }

  /** Bayes factor of a relay of any of the rates, equally likely, in bits; 0 where chance explains what was seen as well. */
  get bits(): number {
    const most = Math.max(...this.ratios);
    return Math.max(0, most + Math.log2(this.ratios.reduce((sum, r) => sum + 2 ** (r - most), 0) / RATES.length));
  }
}
