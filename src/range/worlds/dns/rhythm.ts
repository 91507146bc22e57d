// When things happen: routines at random or regular intervals, thinned by hour of day (UTC) and on weekends.
import type { Random } from '#lib/random';

export interface Rhythm {
  /** Chance by hour, 0..1. */
  readonly hours: readonly number[];
  readonly weekend: number;
}
const hours = (text: string): number[] => text.split(' ').map((n) => Number(n) / 100);

export const rhythms = {
  always: { hours: hours(Array(24).fill('100').join(' ')), weekend: 1 },
  office: { hours: hours('1 1 1 1 1 2 8 30 80 100 95 85 60 85 100 95 80 50 20 8 4 3 2 1'), weekend: 0.06 },
  phone: { hours: hours('12 6 4 3 4 10 35 60 55 50 50 55 65 60 55 55 60 75 90 100 100 90 60 30'), weekend: 1 },
  evening: { hours: hours('25 10 5 3 3 4 10 15 15 15 18 20 25 25 25 30 40 60 85 100 100 95 80 50'), weekend: 1 },
  service: { hours: hours('40 10 5 5 40 90 100 100 100 90 85 85 90 90 90 95 100 100 95 85 75 70 65 55'), weekend: 0.7 },
  night: { hours: hours('90 100 100 90 60 30 10 5 5 5 5 5 5 5 5 5 5 5 10 15 20 30 50 70'), weekend: 1 },
  mail: { hours: hours('30 28 25 25 28 35 50 70 95 100 100 95 85 95 100 95 85 70 55 50 45 40 35 32'), weekend: 0.45 },
} as const satisfies Record<string, Rhythm>;

const hourMicros = 3600e6;

/** Share of full activity at a time. */
export function activity(rhythm: Rhythm, at: number): number {
  const hour = Math.floor(at / hourMicros);
  // The epoch was a Thursday.
  const day = (Math.floor(hour / 24) + 4) % 7;
  return rhythm.hours[hour % 24]! * (day === 0 || day === 6 ? rhythm.weekend : 1);
}

/** Time after `from` by a Poisson process of the given mean gap at full activity, thinned by the rhythm. */
export function nextRandom(random: Random, rhythm: Rhythm, meanMicros: number, from: number): number {
  let at = from;
  for (;;) {
    at += 1 + Math.floor(random.exponential(meanMicros));
    if (rhythm === rhythms.always || random.uniform() < activity(rhythm, at)) return at;
  }
}

/** Time after `from` at regular gaps with 4 % jitter; turns that fall into rest are left out. */
export function nextRegular(random: Random, rhythm: Rhythm, gapMicros: number, from: number): number {
  let at = from;
  for (;;) {
    at += Math.floor(gapMicros * (0.98 + 0.04 * random.uniform()));
    if (rhythm === rhythms.always || random.uniform() < activity(rhythm, at)) return at;
  }
}
