// 95 % intervals for what is reported: a share, a rate, a median.

const Z = 1.959963984540054;

/** Wilson's score interval for `hits` of `n` (Wilson 1927); [0, 1] where n is 0. */
export function wilson(hits: number, n: number): [number, number] {
  if (n === 0) return [0, 1];
  const p = hits / n;
  const z2 = Z * Z;
  const centre = (p + z2 / (2 * n)) / (1 + z2 / n);
  const half = (Z / (1 + z2 / n)) * Math.sqrt((p * (1 - p)) / n + z2 / (4 * n * n));
  return [hits === 0 ? 0 : Math.max(0, centre - half), hits === n ? 1 : Math.min(1, centre + half)];
}

/** Interval for a rate of `count` events in `exposure` (Byar's approximation to the exact Poisson limits). */
export function poissonInterval(count: number, exposure: number): [number, number] {
  if (exposure <= 0) return [0, Number.POSITIVE_INFINITY];
  const low = count === 0 ? 0 : count * (1 - 1 / (9 * count) - Z / (3 * Math.sqrt(count))) ** 3;
  const c = count + 1;
  const high = c * (1 - 1 / (9 * c) + Z / (3 * Math.sqrt(c))) ** 3;
  return [low / exposure, high / exposure];
}

/** The value below which the share `q` of the sorted sample lies (nearest rank); NaN where there is none. */
export function quantile(sorted: readonly number[], q: number): number {
  if (sorted.length === 0) return Number.NaN;
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(q * sorted.length) - 1))]!;
}

/** Distribution-free interval for the median from order statistics (normal approximation of the binomial ranks). */
export function medianInterval(sorted: readonly number[]): [number, number] {
  const n = sorted.length;
  if (n === 0) return [Number.NaN, Number.NaN];
  const half = (Z * Math.sqrt(n)) / 2;
  const low = Math.max(0, Math.floor(n / 2 - half));
  const high = Math.min(n - 1, Math.ceil(n / 2 + half));
  return [sorted[low]!, sorted[high]!];
}
