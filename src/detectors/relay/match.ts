// Which flow, if any, carried away what a flow to a stranger brought in: another flow that ended with it and whose octets are its
// mirror image, or the part of a long flow that lies in the same span.
import calibration from './calibration.json' with { type: 'json' };
import type { Rings } from './rings.ts';

const c = calibration;
/** A relay closes both sides together. */
const ENDS_APART_MICROS = 3e6;
const SLACK_MICROS = 1.5e6;
export const Match = { None: 0, Loose: 1, Tight: 2 } as const;

/** How well (taken, given) of one flow is mirrored by (taken, given) of another, framing and a hand-shake allowed. */
export function mirror(taken: number, given: number, otherTaken: number, otherGiven: number): number {
  // What the other was asked to carry up lies in what it took: hello and flight of its own may be on top.
  if (taken < c.exitBytesMin || otherTaken < 0.7 * given) return Match.None;
  const more = otherGiven - taken;
  if (
    taken >= c.tightBytesMin &&
    more >= -0.02 * taken &&
    more <= 0.06 * taken + 700 &&
    otherTaken <= given * 1.35 + 6000
  )
    return Match.Tight;
  return otherGiven >= 0.8 * taken && otherGiven <= 1.35 * taken + 700 && otherTaken <= given * 2 + 6500
    ? Match.Loose
    : Match.None;
}

/** Flows that could have mirrored the one judged last: the more there were, the likelier chance is. */
export let candidates = 0;

/** Judges the flow of slot `e`; flows that explain each other are marked. */
export function explain(r: Rings, e: number): number {
  let best: number = Match.None;
  let by = -1;
  candidates = 0;
  const last = r.lastAt[e]!;
  for (let g = 0; g < r.closed; g++) {
    if (g === e || r.peer[g] === r.peer[e] || (r.mark[g]! & 4) !== 0) continue;
    if (Math.abs(r.lastAt[g]! - last) > ENDS_APART_MICROS) continue;
    // The gateway's session begins before what it asks for, and not long before where it ends with it.
    if (r.firstAt[g]! > r.firstAt[e]! || r.firstAt[e]! - r.firstAt[g]! > ENDS_APART_MICROS) continue;
    candidates += 1;
    const m = mirror(r.taken[e]!, r.given[e]!, r.taken[g]!, r.given[g]!);
    if (m > best) {
      best = m;
      by = g;
    }
  }
  if (by >= 0) {
    r.mark[by]! |= 6;
    return best;
  }
  return alongLong(r, e);
}

function alongLong(r: Rings, e: number): number {
  let best: number = Match.None;
  const first = r.firstAt[e]!;
  const last = r.lastAt[e]!;
  for (let k = 0; k < r.longRows; k++) {
    // One look for each long flow: at its first row that is in the span.
    const flow = r.longFlow[k]!;
    if (r.longPeer[k] === r.peer[e] || r.toAt[k]! < first || r.fromAt[k]! > last + SLACK_MICROS) continue;
    let isFirst = true;
    for (let j = 0; j < k && isFirst; j++)
      isFirst = r.longFlow[j] !== flow || r.toAt[j]! < first || r.fromAt[j]! > last + SLACK_MICROS;
    if (!isFirst) continue;
    let taken = 0;
    let given = 0;
    let from = Number.POSITIVE_INFINITY;
    let to = 0;
    for (let j = k; j < r.longRows; j++) {
      if (r.longFlow[j] !== flow || r.toAt[j]! < first || r.fromAt[j]! > last + SLACK_MICROS) continue;
      taken += r.longTaken[j]!;
      given += r.longGiven[j]!;
      from = Math.min(from, r.fromAt[j]!);
      to = Math.max(to, r.toAt[j]!);
    }
    candidates += 1;
    let m = mirror(r.taken[e]!, r.given[e]!, taken, given);
    if (m < Match.Tight) {
      // Several at once: their sum.
      let allTaken = 0;
      let allGiven = 0;
      for (let g = 0; g < r.closed; g++) {
        if ((r.mark[g]! & 1) === 0 || r.peer[g] === r.longPeer[k]) continue;
        if (r.lastAt[g]! <= from - SLACK_MICROS || r.lastAt[g]! > to + SLACK_MICROS) continue;
        allTaken += r.taken[g]!;
        allGiven += r.given[g]!;
      }
      m = Math.max(m, mirror(allTaken, allGiven, taken, given));
    }
    if (m > best) best = m;
  }
  return best;
}
