// Hops that are looked at, by source and target, and the paths they make.
import { BoundedMap } from '../bounded-map.ts';
import calibration from './calibration.json' with { type: 'json' };
import type { Hop } from './hop.ts';

const c = calibration;
/** A path goes on within this. */
const PATH_MICROS = 24 * 3600e6;
const HOPS_IN_PATH_MAX = 8;

export class Hops extends BoundedMap<string, Hop> {
  static keyOf(from: string, to: string): string {
    return `${from}>${to}`;
  }

  between(from: string, to: string): Hop | undefined {
    return this.get(Hops.keyOf(from, to));
  }

  open(from: string, to: string, at: number): Hop {
    this.makeRoom();
    const hop: Hop = {
      from,
      to,
      firstAt: at,
      lastAt: at,
      steps: [],
      bytes: 0,
      failed: 0,
      serves: false,
      controller: false,
      fanOut: false,
      managementRole: false,
      roleChange: false,
      zones: ['', ''],
      isCrossing: false,
      fetched: undefined,
      ticket: undefined,
      stranger: undefined,
      before: [],
      beforeEvidence: [],
      alertAt: 0,
      bits: 0,
    };
    const key = Hops.keyOf(from, to);
    this.delete(key);
    this.set(key, hop);
    return hop;
  }

  /** Hops without a claim go first. */
  protected override leastWorth(): string {
    for (const [key, hop] of this) if (hop.bits < c.mediumBits) return key;
    return super.leastWorth();
  }

  /** Finds the claimed hops that led to this one's source. */
  trace(hop: Hop): void {
    let at = hop.from;
    let until = hop.firstAt;
    for (let n = 0; n < HOPS_IN_PATH_MAX; n++) {
      let best: Hop | undefined;
      for (const h of this.values())
        if (
          h.to === at &&
          h.bits >= c.mediumBits &&
          h.firstAt <= until &&
          until - h.firstAt <= PATH_MICROS &&
          h.from !== hop.to
        )
          if (best === undefined || h.bits > best.bits) best = h;
      if (best === undefined || hop.before.includes(best.from)) return;
      hop.before.unshift(best.from);
      hop.beforeEvidence.unshift(best.steps[0]!.evidence);
      at = best.from;
      until = best.firstAt;
    }
  }
}
