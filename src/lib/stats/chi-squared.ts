// The chi-squared law by the regularised incomplete gamma function (series below a + 1, continued fraction above).
import { normalQuantile } from './normal.ts';

/** Probability that a chi-squared variable with `dof` degrees of freedom exceeds `x`; `dof` need not be whole. */
export function chiSquaredTail(x: number, dof: number): number {
  if (!(x > 0)) return 1;
  if (!(dof > 0)) return 0;
  const a = dof / 2;
  const z = x / 2;
  const front = Math.exp(a * Math.log(z) - z - logGamma(a));
  if (z < a + 1) {
    let term = 1 / a;
    let sum = term;
    for (let i = 1; i < 10_000 && Math.abs(term) > 1e-16 * sum; i++) {
      term *= z / (a + i);
      sum += term;
    }
    return Math.max(0, 1 - front * sum);
  }
  // Lentz's method.
  let b = z + 1 - a;
  let c = 1e300;
  let d = 1 / b;
  let h = d;
  for (let i = 1; i < 10_000; i++) {
    const an = -i * (i - a);
    b += 2;
    d = 1 / nonZero(an * d + b);
    c = nonZero(b + an / c);
    const change = c * d;
    h *= change;
    if (Math.abs(change - 1) < 1e-15) break;
  }
  return front * h;
}

/** The value that a chi-squared variable stays below with probability `p` (Wilson and Hilferty, then bisection). */
export function chiSquaredQuantile(p: number, dof: number): number {
  if (!(dof > 0) || !(p > 0)) return 0;
  const spread = 2 / (9 * dof);
  const guess = dof * Math.max(0.001, 1 - spread + normalQuantile(p) * Math.sqrt(spread)) ** 3;
  let low = guess * 0.5;
  let high = guess * 1.5 + 1;
  while (chiSquaredTail(high, dof) > 1 - p) high *= 2;
  while (chiSquaredTail(low, dof) < 1 - p && low > 1e-300) low /= 2;
  for (let i = 0; i < 60 && high - low > 1e-12 * high; i++) {
    const middle = (low + high) / 2;
    if (chiSquaredTail(middle, dof) > 1 - p) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

function nonZero(v: number): number {
  return Math.abs(v) < 1e-300 ? 1e-300 : v;
}

/** Lanczos, g = 7, n = 9. */
function logGamma(x: number): number {
  const g = [
    0.99999999999980993, 676.5203681218851, -1259.1392167224028, 771.32342877765313, -176.61502916214059,
    12.507343278686905, -0.13857109526572012, 9.9843695780195716e-6, 1.5056327351493116e-7,
  ];
  if (x < 0.5) return Math.log(Math.PI / Math.sin(Math.PI * x)) - logGamma(1 - x);
  const y = x - 1;
  let sum = g[0]!;
  for (let i = 1; i < 9; i++) sum += g[i]! / (y + i);
  const t = y + 7.5;
  return 0.5 * Math.log(2 * Math.PI) + (y + 0.5) * Math.log(t) - t + Math.log(sum);
}
