// From counts to bits: log2 of how much likelier so many failed domains of such a form are where a generator runs than at an
// ordinary client. Scales were read off the tune half (calibration.json), not fitted.
import type { Reason } from '#findings';
import calibration from './calibration.json' with { type: 'json' };
import { type Suspect, WINDOWS } from './suspect.ts';

const t = calibration.terms;
const windowNames = ['ten minutes', 'an hour', 'a day'];

export interface Judgement {
  bits: number;
  reasons: Reason[];
}

/**
 * How far the failed domains exceed what this client's own look-ups let expect: log2 of the Poisson likelihood ratio of
 * n against the mean, tempered because failures come in bunches. The ceiling depends on the share that fails: who checks
 * links or reads mail resolves most of what he asks. It stays low too where nothing resolves at all, as in a network
 * without a way out, whose machines ask in vain for all that they know.
 * @param resolved domains that resolved for the client in the same window
 * @param resolvedAtAll those in the longest window
 */
export function countBits(failed: number, resolved: number, resolvedAtAll: number, w: number): number {
  const mean = t.base[w]! + t.failureShare * resolved;
  if (failed <= mean) return 0;
  const bits = t.countTemper * (failed * Math.log2(failed / mean) - (failed - mean) * Math.LOG2E);
  const share = failed / (failed + resolved);
  const alone = Math.max(0, Math.min(1, (share - t.shareFrom) / (t.shareTo - t.shareFrom)));
  const extra = resolvedAtAll >= t.resolvedMin ? t.countMaxAlone - t.countMax : 0;
  return Math.min(bits, t.countMax + alone * extra);
}

/** A sum over names that are not independent: it grows with the root of their number. */
function pooled(sum: number, n: number, slope: number, min: number, max: number): number {
  return n <= 0 ? 0 : Math.max(min, Math.min(max, (slope * sum) / Math.sqrt(n)));
}

/** @param resolved domains that resolved for the client, a window */
export function judge(s: Suspect, resolved: readonly number[]): Judgement {
  let best: Judgement = { bits: 0, reasons: [] };
  if (s.names < t.namesMin) return best;
  for (let w = 0; w < WINDOWS; w++) {
    const n = s.failed[w]!;
    if (n < t.namesMin * 0.9) continue;
    const count = countBits(n, resolved[w]!, resolved[WINDOWS - 1]!, w);
    if (count === 0) continue;
    const form = pooled(s.form[w]!, n, t.formSlope, t.formMin, t.formMax);
    const tld = pooled(s.tld[w]!, n, t.tldSlope, -t.tldMax, t.tldMax);
    const mix = Math.min(t.mixMax, Math.max(0, Math.log2(s.tlds.length / 2)) / 2);
    const bits = count + form + tld + mix;
    if (bits <= best.bits) continue;
    const reasons = [
      {
        text: `${Math.round(n)} domains that do not exist within ${windowNames[w]}, beside ${Math.round(resolved[w]!)} that do`,
        bits: count,
      },
      { text: form >= 0 ? 'they look generated' : 'they look like words', bits: form },
      {
        text: `their top-level domains are ${tld >= 0 ? 'more' : 'less'} often those of generated names`,
        bits: tld,
      },
      { text: `they are spread over ${s.tlds.length} top-level domains`, bits: mix },
    ];
    best = {
      bits,
      reasons: reasons
        .filter((r) => Math.abs(r.bits) >= 0.05)
        .map((r) => ({ text: r.text, bits: Math.round(r.bits * 100) / 100 }))
        .sort((a, b) => Math.abs(b.bits) - Math.abs(a.bits)),
    };
  }
  return best;
}
