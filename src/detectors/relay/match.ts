// Which flow, if any, carried away what a flow to a stranger brought in: another flow that ended with it and whose octets are its
// mirror image, or the part of a long flow that lies in the same span.
import calibration from './calibration.json' with { type: 'json' };
import type { Rings } from './rings.ts';

const c = calibration;
/** A relay closes both sides together. */
const ENDS_APART_MICROS = 3e6;
/** A channel may go on so long with what a visit brought, where its way out is slow. */
const DRAIN_MICROS = 0.5e6;
/** A visit may be closed so long after its last octets went on. */
const SLACK_MICROS = 0.2e6;
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

/** Looks at flows of one kind: beside a visit, where one may mirror it, and elsewhere in time, where only chance makes one alike. */
class Looks {
  beside = 0;
  elsewhere = 0;
  /** Of those elsewhere: how many would mirror the visit tightly, and at all. */
  tight = 0;
  mirrored = 0;
  /** How often one lies beside a visit if neither has to do with the other. */
  meeting = 1;

  clear(): void {
    this.beside = 0;
    this.elsewhere = 0;
    this.tight = 0;
    this.mirrored = 0;
  }

  addElsewhere(match: number): void {
    this.elsewhere += 1;
    if (match === Match.Tight) this.tight += 1;
    if (match !== Match.None) this.mirrored += 1;
  }

  /** Chance that none of those beside mirrors the visit by coincidence: for each what is usual, or more where this device's own flows are so alike. */
  chanceOfNone(usual: number, alike: number): number {
    const own = (alike + usual * c.usualWeight) / (this.elsewhere + c.usualWeight);
    return (1 - this.meeting * Math.min(c.chanceMax, Math.max(usual, own))) ** this.beside;
  }
}

/** What was found about one visit. Only flows count that gave enough to carry one. */
export class Look {
  match: number = Match.None;
  /** Flows that ended. */
  readonly sessions = new Looks();
  /** Stretches of flows that stay open. */
  readonly channels = new Looks();

  /** Chance that any flow beside the visit mirrors it tightly by coincidence. */
  get tightChance(): number {
    const { sessions, channels } = this;
    return (
      1 - sessions.chanceOfNone(c.tightChance, sessions.tight) * channels.chanceOfNone(c.tightChance, channels.tight)
    );
  }

  /** The same, tightly or loosely. */
  get mirroredChance(): number {
    const { sessions, channels } = this;
    return (
      1 -
      sessions.chanceOfNone(c.looseChance, sessions.mirrored) * channels.chanceOfNone(c.looseChance, channels.mirrored)
    );
  }
}

/** Judges the flow of slot `e` into `look`; flows that explain each other are marked. */
export function explain(r: Rings, e: number, look: Look): void {
  let by = -1;
  look.match = Match.None;
  look.sessions.clear();
  look.channels.clear();
  for (let g = 0; g < r.closed; g++) {
    if (g === e || r.peer[g] === r.peer[e] || r.given[g]! < c.exitBytesMin) continue;
    const m = mirror(r.taken[e]!, r.given[e]!, r.taken[g]!, r.given[g]!);
    if (!isBeside(r, e, g)) look.sessions.addElsewhere(m);
    else if ((r.mark[g]! & 4) === 0) {
      look.sessions.beside += 1;
      if (m > look.match) {
        look.match = m;
        by = g;
      }
    }
  }
  if (by >= 0) r.mark[by]! |= 6;
  look.sessions.meeting = meetingOf(look.sessions.elsewhere, r);
  alongChannels(r, e, look, by < 0);
}

/** Whether flow `g` began with the visit or shortly before, and ended with it: the gateway asks first, and both sides are closed together. */
function isBeside(r: Rings, e: number, g: number): boolean {
  const before = r.firstAt[e]! - r.firstAt[g]!;
  return before >= 0 && before <= ENDS_APART_MICROS && Math.abs(r.lastAt[g]! - r.lastAt[e]!) <= ENDS_APART_MICROS;
}

/** Share of visits that have one of so many flows beside them, were those spread evenly over the time that the ring holds. */
function meetingOf(flows: number, r: Rings): number {
  let from = Number.POSITIVE_INFINITY;
  let to = 0;
  for (let g = 0; g < r.closed; g++) {
    from = Math.min(from, r.firstAt[g]!);
    to = Math.max(to, r.lastAt[g]!);
  }
  // An upload that a download causes meets it always: what is rare is trusted only so far.
  return Math.min(1, Math.max(c.meetingMin, (2 * ENDS_APART_MICROS * flows) / Math.max(1, to - from)));
}

/** @param isAsked whether a channel may still explain the visit; else its rows only show what lies elsewhere */
function alongChannels(r: Rings, e: number, look: Look, isAsked: boolean): void {
  const first = r.firstAt[e]!;
  const last = r.lastAt[e]!;
  const isInSpan = (k: number): boolean => r.toAt[k]! >= first && r.fromAt[k]! <= last + DRAIN_MICROS;
  for (let k = 0; k < r.longRows; k++) {
    const flow = r.longFlow[k]!;
    if (r.longPeer[k] === r.peer[e]) continue;
    if (!isInSpan(k)) {
      if (r.longGiven[k]! >= c.exitBytesMin)
        look.channels.addElsewhere(mirror(r.taken[e]!, r.given[e]!, r.longTaken[k]!, r.longGiven[k]!));
      continue;
    }
    if (!isAsked) continue;
    // One look for each channel: at its first row that is in the span.
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
    if (given < c.exitBytesMin) continue;
    look.channels.beside += 1;
    let m = mirror(r.taken[e]!, r.given[e]!, taken, given);
    if (m < Match.Tight) {
      // Several at once: their sum, which is one more look.
      let allTaken = 0;
      let allGiven = 0;
      let all = 0;
      for (let g = 0; g < r.closed; g++) {
        if ((r.mark[g]! & 1) === 0 || r.peer[g] === r.longPeer[k]) continue;
        if (r.lastAt[g]! <= from || r.lastAt[g]! > to + SLACK_MICROS) continue;
        allTaken += r.taken[g]!;
        allGiven += r.given[g]!;
        all += 1;
      }
      if (all > 1) {
        look.channels.beside += 1;
        m = Math.max(m, mirror(allTaken, allGiven, taken, given));
      }
    }
    if (m > look.match) look.match = m;
  }
}
