// The beacon score of RITA v5 (activecm/rita), computed as that tool computes it, to compare ours with. Pure functions over one
// pair's connections. Four parts of a quarter each: steadiness of the gaps, steadiness of the sizes, an even histogram of the
// window, and how much of the window is filled. It gives benign update checks 1.0, so it is no alarm by itself.

/** One pair's connections: starts in whole seconds and IP bytes sent by the source, side by side. */
export interface RitaList {
  readonly starts: readonly number[];
  readonly sizes: readonly number[];
}
export interface RitaWindow {
  readonly min: number;
  readonly max: number;
}
export interface RitaScore {
  readonly score: number;
  readonly timestamps: number;
  readonly sizes: number;
  readonly histogram: number;
  readonly duration: number;
}

/** From this many connections in a day on a pair is a strobe, never a beacon. */
export const STROBE = 86_400;
const BINS = 24;
const DAY_SECONDS = 86_400;
const DISTINCT_MIN = 4;
const VALUES_MIN = 3;

/** The window of a record: its newest start, and a day before it or its oldest start. */
export function windowOf(oldest: number, newest: number): RitaWindow {
  return { min: Math.max(oldest, newest - DAY_SECONDS), max: newest };
}

/** Rows count from the start of the hour in which the window begins. */
export function isCounted(start: number, window: RitaWindow): boolean {
  return start >= window.min - (window.min % 3600) && start <= window.max;
}

/** @returns undefined where the pair is no candidate: too few, or a strobe */
export function ritaScore(list: RitaList, window: RitaWindow): RitaScore | undefined {
  const counted = list.starts.map((_, i) => i).filter((i) => isCounted(list.starts[i]!, window));
  if (counted.length >= STROBE || counted.length < VALUES_MIN) return undefined;
  const starts = counted.map((i) => list.starts[i]!).sort((a, b) => a - b);
  if (new Set(starts).size < DISTINCT_MIN) return undefined;
  const gaps: number[] = [];
  for (let i = 1; i < starts.length; i++) if (starts[i] !== starts[i - 1]) gaps.push(starts[i]! - starts[i - 1]!);
  if (gaps.length < VALUES_MIN) return undefined;
  const timestamps = steadiness(gaps, 1);
  const sizes = steadiness(
    counted.map((i) => list.sizes[i]!),
    0,
  );
  const bins = binsOf(starts, window);
  const histogram = histogramScore(bins);
  const duration = durationScore(bins, starts[0]!, starts.at(-1)!, window);
  return { score: round3(0.25 * (timestamps + sizes + histogram + duration)), timestamps, sizes, histogram, duration };
}

/** Mean of how even the quartiles lie and how little the values stray from their median. */
function steadiness(values: readonly number[], without: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const n = sorted.length;
  const q1 = medianOf(sorted, 0, n >> 1);
  const q2 = medianOf(sorted, 0, n);
  const q3 = medianOf(sorted, (n + 1) >> 1, n);
  // Bowley's skewness says nothing where the quartiles are close together or two of them meet.
  const bowley = q3 - q1 < 10 || q2 === q1 || q2 === q3 ? 0 : (q1 + q3 - 2 * q2) / (q3 - q1);
  const deviations = sorted.map((v) => Math.abs(v - q2)).sort((a, b) => a - b);
  const mad = medianOf(deviations, 0, n);
  const madPart = q2 >= 1 ? Math.max(0, (q2 - mad) / q2) : without;
  return round3((1 - Math.abs(bowley) + madPart) / 2);
}

function medianOf(sorted: readonly number[], from: number, to: number): number {
  const n = to - from;
  const middle = from + (n >> 1);
  return n % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** Connections in each twenty-fourth of the window; those of the hour before it count into the first. */
export function binsOf(starts: readonly number[], window: RitaWindow): Float64Array {
  const bins = new Float64Array(BINS);
  const width = (window.max - window.min) / BINS;
  for (const s of starts) {
    const bin = width > 0 ? Math.floor((s - window.min) / width) : 0;
    bins[Math.min(BINS - 1, Math.max(0, bin))]! += 1;
  }
  return bins;
}

function histogramScore(bins: Float64Array): number {
  let sum = 0;
  for (const b of bins) sum += b;
  const mean = sum / BINS;
  let squares = 0;
  for (const b of bins) squares += (b - mean) ** 2;
  const cv = Math.sqrt(squares / BINS) / mean;
  const even = cv > 1 ? 0 : round3(1 - cv);
  const bars = [...bins].filter((b) => b > 0);
  if (bars.length < 11) return even;
  // A beacon that works and sleeps by turns has two heights.
  const width = Math.ceil(0.05 * Math.max(...bars));
  const classes = new Map<number, number>();
  for (const b of bars) classes.set(Math.floor(b / width), (classes.get(Math.floor(b / width)) ?? 0) + 1);
  const counts = [...classes.values()].sort((a, b) => b - a);
  const twoHeights = Math.min(1, (counts[0]! + (counts[1] ?? 0)) / Math.max(bars.length - 1, 1));
  return Math.max(even, round3(twoHeights));
}

function durationScore(bins: Float64Array, first: number, last: number, window: RitaWindow): number {
  if ([...bins].filter((b) => b > 0).length < 6) return 0;
  const coverage = ceil3((last - first) / (window.max - window.min));
  let run = 0;
  let longest = 0;
  // The run may go on from the last bin to the first.
  for (let i = 0; i < 2 * BINS; i++) {
    run = bins[i % BINS]! > 0 ? run + 1 : 0;
    longest = Math.max(longest, run);
  }
  return Math.min(1, Math.max(coverage, ceil3(Math.min(longest, BINS) / 12)));
}

function round3(x: number): number {
  return Math.round(x * 1000) / 1000;
}

function ceil3(x: number): number {
  return Math.ceil(x * 1000) / 1000;
}
