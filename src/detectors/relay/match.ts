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

/** What was found about one visit. */
export class Look {
  match: number = Match.None;
  /** Flows that lay beside it, one of which could have mirrored it: the more there were, the likelier chance is. */
  candidates = 0;
  /** Flows of the device that lay elsewhere in time, and how many of them would have mirrored it, tightly or at all. */
  elsewhere = 0;
  tightElsewhere = 0;
  mirroredElsewhere = 0;
}

/** Judges the flow of slot `e` into `look`; flows that explain each other are marked. */
export function explain(r: Rings, e: number, look: Look): void {
  let by = -1;
  look.match = Match.None;
  look.candidates = 0;
  look.elsewhere = 0;
  look.tightElsewhere = 0;
  look.mirroredElsewhere = 0;
  for (let g = 0; g < r.closed; g++) {
    if (g === e || r.peer[g] === r.peer[e]) continue;
    const m = mirror(r.taken[e]!, r.given[e]!, r.taken[g]!, r.given[g]!);
    if (!isBeside(r, e, g)) tallyElsewhere(look, m);
    else if ((r.mark[g]! & 4) === 0) {
      look.candidates += 1;
      if (m > look.match) {
        look.match = m;
        by = g;
      }
    }
  }
  if (by >= 0) r.mark[by]! |= 6;
  alongLong(r, e, look, by < 0);
}

/** Whether flow `g` began with the visit or shortly before, and ended with it: the gateway asks first, and both sides are closed together. */
function isBeside(r: Rings, e: number, g: number): boolean {
  const before = r.firstAt[e]! - r.firstAt[g]!;
  return before >= 0 && before <= ENDS_APART_MICROS && Math.abs(r.lastAt[g]! - r.lastAt[e]!) <= ENDS_APART_MICROS;
}

/** Where a device's flows are alike in size, one that lies elsewhere would mirror a visit as well: so likely is chance. */
function tallyElsewhere(look: Look, match: number): void {
  look.elsewhere += 1;
  if (match === Match.Tight) look.tightElsewhere += 1;
  if (match !== Match.None) look.mirroredElsewhere += 1;
}

/** @param isAsked whether long flows may still explain the visit; else they are only counted as what lies elsewhere */
function alongLong(r: Rings, e: number, look: Look, isAsked: boolean): void {
  const first = r.firstAt[e]!;
  const last = r.lastAt[e]!;
  const isInSpan = (k: number): boolean => r.toAt[k]! >= first && r.fromAt[k]! <= last + SLACK_MICROS;
  for (let k = 0; k < r.longRows; k++) {
    const flow = r.longFlow[k]!;
    if (r.longPeer[k] === r.peer[e]) continue;
    if (!isInSpan(k)) {
      tallyElsewhere(look, mirror(r.taken[e]!, r.given[e]!, r.longTaken[k]!, r.longGiven[k]!));
      continue;
    }
    if (!isAsked) continue;
    // One look for each long flow: at its first row that is in the span.
    let isFirst = true;
    for (let j = 0; j < k && isFirst; j++) isFirst = r.longFlow[j] !== flow || !isInSpan(j);
    if (!isFirst) continue;
    let taken = 0;
    let given = 0;
    let from = Number.POSITIVE_INFINITY;
    let to = 0;
    for (let j = k; j < r.longRows; j++) {
      if (r.longFlow[j] !== flow || !isInSpan(j)) continue;
      taken += r.longTaken[j]!;
      given += r.longGiven[j]!;
      from = Math.min(from, r.fromAt[j]!);
      to = Math.max(to, r.toAt[j]!);
    }
    look.candidates += 1;
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
    if (m > look.match) look.match = m;
  }
}
