// Whether calls come at a machine's pace, as a likelihood ratio. If calls came by chance, gaps would be exponential with the same
// median M: the share that falls within b periods of one to four periods T is then known, sum of 2^(-(m-b)T/M) - 2^(-(m+b)T/M).
// A machine puts nine tenths of its gaps there. Missed calls are multiples of the period (gaps modulo the best period); jitter
// up to a half is one multiple with a wide band. The best of the few hypotheses counts, less what trying them costs.

export interface Rhythm {
  /** log2 likelihood ratio, a machine's pace against chance; 0 where there is none. */
  readonly bits: number;
  readonly periodMicros: number;
  /** Half width of the band in periods. */
  readonly band: number;
  /** Share of gaps in the band. */
  readonly share: number;
}

/** Gaps below this belong to one visit, unless most are: then the pace itself is fast. */
const VISIT_MICROS = 1e6;
const PERIOD_MIN_MICROS = 50_000;
const PERIOD_MAX_MICROS = 6 * 3600e6;
/** People cluster their calls more than chance does: their share in a band is this much larger. */
const CLUSTERED = 1.2;
const MACHINE = 0.9;
/** Fast calls come by the hundred: a burst of a page must not pass for a pace. */
const FAST_GAPS_MIN = 40;
const bands = [0.05, 0.1, 0.2, 0.3, 0.5];
const MULTIPLES = 4;
const SINGLE_MIN = 0.2;
/** With this band every gap of two or more periods would fit some multiple. */
const WIDE = 0.5;
const none: Rhythm = { bits: 0, periodMicros: 0, band: 0, share: 0 };

/** @param times sorted, of which the first `n` count */
export function rhythmOf(times: Float64Array, n: number, gapsMin: number): Rhythm {
  const visits = gapsOf(times, n, VISIT_MICROS);
  let best = visits.length >= gapsMin ? paceOf(visits) : none;
  const raw = gapsOf(times, n, 1);
  if (raw.length >= FAST_GAPS_MIN && raw.length > 2 * visits.length) {
    const fast = paceOf(raw);
    if (fast.bits > best.bits) best = fast;
  }
  return best;
}

function gapsOf(times: Float64Array, n: number, least: number): Float64Array {
  const gaps = new Float64Array(Math.max(0, n - 1));
  let count = 0;
  let from = times[0]!;
  for (let i = 1; i < n; i++) {
    const gap = times[i]! - times[i - 1]!;
    if (gap >= least) {
      // From visit to visit, not from the last call of one to the first of the next.
      gaps[count++] = times[i]! - from;
      from = times[i]!;
    }
  }
  return gaps.subarray(0, count);
}

function paceOf(gaps: Float64Array): Rhythm {
  const n = gaps.length;
  const sorted = gaps.slice().sort();
  const median = n % 2 === 1 ? sorted[n >> 1]! : (sorted[(n >> 1) - 1]! + sorted[n >> 1]!) / 2;
  if (median < PERIOD_MIN_MICROS || median > PERIOD_MAX_MICROS) return none;
  let best = none;
  // Where most calls are missed the median is two or three periods; the lower quartile stands nearer to one.
  const periods = [median, median / 2, median / 3, sorted[n >> 2]!];
  for (const [h, period] of periods.entries()) {
    if (period < PERIOD_MIN_MICROS) continue;
    for (const band of bands) {
      const multiples = band >= WIDE ? 1 : MULTIPLES;
      let inside = 0;
      let single = 0;
      for (const gap of gaps) {
        const turns = Math.max(1, Math.min(multiples, Math.round(gap / period)));
        if (Math.abs(gap - turns * period) <= band * period) {
          inside += 1;
          if (turns === 1) single += 1;
        }
      }
      // A period that hardly ever shows alone is a fraction of the true one.
      if (h > 0 && single < SINGLE_MIN * n) continue;
      let chance = 0;
      const x = period / median;
      for (let m = 1; m <= multiples; m++) chance += 2 ** (-(m - band) * x) - 2 ** (-(m + band) * x);
      chance = Math.min(0.85, CLUSTERED * chance);
      const bits =
        inside * Math.log2(MACHINE / chance) +
        (n - inside) * Math.log2((1 - MACHINE) / (1 - chance)) -
        Math.log2(bands.length) -
        (h === 0 ? 0 : 2);
      if (bits > best.bits) best = { bits, periodMicros: period, band, share: inside / n };
    }
  }
  return best;
}
