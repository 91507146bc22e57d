// A client of whose look-ups some failed for want of a domain: how many in each window, how they look, and what did resolve.
import type { Origin } from '#events';
import type { Reason } from '#findings';
import calibration from './calibration.json' with { type: 'json' };

const t = calibration.terms;
export const WINDOWS = t.windowSeconds.length;
/** Failed names kept to be shown: the first and the latest. */
const NAMES_MAX = 12;
const RESOLVED_MAX = 8;
const TLDS_MAX = 64;
const EVIDENCE_MAX = 2000;

export interface Sighting {
  readonly origin: Origin;
  readonly place: number;
}

/** A domain that did resolve while others failed. */
export interface Resolved {
  readonly name: string;
  readonly tld: string;
  /** Octets of its own label. */
  readonly length: number;
  readonly formBits: number;
  readonly at: number;
}

export class Suspect {
  client: number[];
  clientHash: number;
  /** Decayed sums a window: failed domains (weighted), and bits of their form and of their top-level label. */
  failed: number[] = new Array<number>(WINDOWS).fill(0);
  form: number[] = new Array<number>(WINDOWS).fill(0);
  tld: number[] = new Array<number>(WINDOWS).fill(0);
  decayedAt: number;
  /** Failed domains since the count was near zero, unweighted. */
  names = 0;
  sample: string[] = [];
  tlds: string[] = [];
  lengthMin = 64;
  lengthMax = 0;
  resolved: Resolved[] = [];
  firstAt: number;
  lastAt: number;
  first: Sighting;
  decisive: Sighting;
  last: Sighting;
  evidence: Sighting[] = [];
  alertAt = 0;
  /** The most that was reached, and why. */
  bits = 0;
  reasons: Reason[] = [];
  /** 0 nothing claimed, 1 medium, 2 high. */
  claimed = 0;
  id = '';

  constructor(client: number[], clientHash: number, at: number, here: Sighting) {
    this.client = client;
    this.clientHash = clientHash;
    this.decayedAt = at;
    this.firstAt = at;
    this.lastAt = at;
    this.first = here;
    this.decisive = here;
    this.last = here;
  }

  /** Sums as of `at`. Where nothing is left of the longest window and nothing was claimed, the story begins anew. */
  decay(at: number, here: Sighting): void {
    const elapsed = at - this.decayedAt;
    if (elapsed > 0) {
      for (let w = 0; w < WINDOWS; w++) {
        const keep = Math.exp(-elapsed / (t.windowSeconds[w]! * 1e6));
        this.failed[w]! *= keep;
        this.form[w]! *= keep;
        this.tld[w]! *= keep;
      }
      this.decayedAt = at;
    }
    if (this.claimed > 0 || this.failed[WINDOWS - 1]! > 0.2) return;
    this.names = 0;
    this.sample = [];
    this.tlds = [];
    this.resolved = [];
    this.evidence = [];
    this.lengthMin = 64;
    this.lengthMax = 0;
    this.firstAt = at;
    this.first = here;
  }

  addFailed(name: string, tld: string, length: number, weight: number, formBits: number, tldBits: number): void {
    for (let w = 0; w < WINDOWS; w++) {
      this.failed[w]! += weight;
      this.form[w]! += weight * formBits;
      this.tld[w]! += weight * tldBits;
    }
    this.names += 1;
    if (this.sample.length >= NAMES_MAX) this.sample.splice(NAMES_MAX / 2, 1);
    this.sample.push(name);
    if (this.tlds.length < TLDS_MAX && !this.tlds.includes(tld)) this.tlds.push(tld);
    this.lengthMin = Math.min(this.lengthMin, length);
    this.lengthMax = Math.max(this.lengthMax, length);
  }

  addResolved(r: Resolved): void {
    if (this.resolved.length >= RESOLVED_MAX) {
      let least = 0;
      for (let i = 1; i < this.resolved.length; i++)
        if (this.resolved[i]!.formBits < this.resolved[least]!.formBits) least = i;
      if (this.resolved[least]!.formBits > r.formBits) return;
      this.resolved.splice(least, 1);
    }
    this.resolved.push(r);
  }

  /** Of what resolved, what is of the make of what failed. */
  likely(): Resolved[] {
    const w = WINDOWS - 1;
    const mean = this.failed[w]! > 0 ? this.form[w]! / this.failed[w]! : 0;
    return this.resolved.filter((r) => {
      const alike =
        this.tlds.includes(r.tld) && r.length >= this.lengthMin - 1 && r.length <= this.lengthMax + 1 ? 1 : 0;
      return mean > 1 ? r.formBits > 1 && (alike === 1 || r.formBits > 3) : alike === 1;
    });
  }

  see(here: Sighting, at: number, evidenceAll: boolean): void {
    if (at > this.lastAt) this.lastAt = at;
    this.last = here;
    if (evidenceAll && this.evidence.length < EVIDENCE_MAX) this.evidence.push(here);
  }
}
