// How a host presses a controller, whatever it asks for: more requests than are answered, messages that break the protocol,
// passwords that are refused.
import { MALFORMED } from '#events';
import type { Signed } from '../growing.ts';
import { signed } from './plant-signs.ts';

/** Requests in a row without an answer; fast pollers have some tens under way. */
const FLOOD_REQUESTS = 100;
const FLOOD_MICROS = 10e6;
/** Where no answer of anybody was seen the capture may have one side only, and a fast poller asks some tens of times a second. */
const ONE_SIDED_MICROS = 1e6;
/** A line with noise behind a terminal server breaks one frame in thousands. */
const MALFORMED_MIN = 5;
const MALFORMED_SHARE = 0.1;
/** Of so long a time; a poller of years may turn too. */
const SHARE_MICROS = 3600e6;
const REFUSED_MIN = 3;

export interface Pressure {
  /** Requests, and broken ones among them, within the hour that began at `since`. */
  requests: number;
  malformed: number;
  since: number;
  /** Whether the broken ones were told. */
  told: boolean;
  /** Requests since the last answer, and when the first of them was. */
  open: number;
  openAt: number;
  /** Passwords refused. */
  refused: number;
}

export const noPressure = (): Pressure => ({
  requests: 0,
  malformed: 0,
  since: 0,
  told: false,
  open: 0,
  openAt: 0,
  refused: 0,
});

/** @returns why a request, by itself or as one more, is too much; mostly undefined */
export function pressedBy(
  p: Pressure,
  code: number,
  at: number,
  protocol: string,
  answers: boolean,
): Signed | undefined {
  if (at - p.since > SHARE_MICROS) {
    p.since = at;
    p.requests = 0;
    p.malformed = 0;
  }
  p.requests += 1;
  if (code === MALFORMED) {
    p.malformed += 1;
    if (!p.told && p.malformed >= MALFORMED_MIN && p.malformed >= MALFORMED_SHARE * p.requests) {
      p.told = true;
      return signed(
        'malformed',
        `${p.malformed} of ${p.requests} messages break ${protocol}: wrong checksums, lengths or functions`,
      );
    }
  }
  const window = answers ? FLOOD_MICROS : ONE_SIDED_MICROS;
  if (p.open === 0 || at - p.openAt > window) {
    p.open = 0;
    p.openAt = at;
  }
  p.open += 1;
  if (p.open === FLOOD_REQUESTS)
    return signed('flood', `${FLOOD_REQUESTS} requests within ${window / 1e6} s and no answer between them`);
  return undefined;
}

/** @returns why a refused password, as one more, is too much */
export function refusedOf(p: Pressure): Signed | undefined {
  p.refused += 1;
  return p.refused === REFUSED_MIN ? signed('guess', `${REFUSED_MIN} passwords refused: it tries them`) : undefined;
}
