// What the columns of a pair say of it: its pace now or at its best, and how its calls look.
import calibration from './calibration.json' with { type: 'json' };
import { TIMES } from './card.ts';
import { By, type Pairs } from './pairs.ts';
import { type Rhythm, rhythmOf } from './rhythm.ts';
import type { Facts } from './weigh.ts';

const behind = ['address', 'name', 'certificate', 'client fingerprint'];

function rhythmNow(p: Pairs, slot: number): Rhythm {
  const times = p.timesOf(slot);
  return rhythmOf(times, times.length, calibration.callsMin - 1);
}

/** A channel may change its pace before the input ends: the best one seen is kept. */
export function keepPace(p: Pairs, slot: number): void {
  const r = rhythmNow(p, slot);
  if (r.bits > p.pace[4 * slot]!) p.pace.set([r.bits, r.periodMicros, r.band, r.share], 4 * slot);
}

/** @param of what is known from elsewhere than the pair */
export function factsOf(p: Pairs, slot: number, of: Pick<Facts, 'callers' | 'field' | 'role' | 'habit'>): Facts {
  const now = rhythmNow(p, slot);
  const rhythm = of.habit && p.pace[4 * slot]! > now.bits ? p.paceOf(slot) : now;
  const from = TIMES * slot;
  const n = Math.min(p.calls[slot]!, TIMES);
  const up = p.up.slice(from, from + n).sort();
  const down = p.down.slice(from, from + n).sort();
  const middle = up[n >> 1] ?? 0;
  let alike = 0;
  for (const bytes of up) if (Math.abs(bytes - middle) <= 0.15 * middle + 32) alike += 1;
  const named = p.by[slot] === By.Name;
  return {
    ...of,
    rhythm,
    calls: p.calls[slot]!,
    spanMicros: p.lastAt[slot]! - p.firstAt[slot]!,
    alike: n === 0 ? 0 : alike / n,
    downBytesMedian: down[n >> 1] ?? 0,
    named,
    sessionMicros: p.session[slot]!,
    burst: p.burst[slot]!,
    turns: named ? 0 : p.turns[slot]!,
    behind: behind[p.by[slot]!]!,
    mark: p.markOf(slot),
  };
}
