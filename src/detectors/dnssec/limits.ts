// What one answer may cost. KeyTrap (CVE-2023-50387) multiplies keys by signatures, CVE-2023-50868 hashes by iterations; each
// unit of work is taken from a budget before it is done, and an answer that outruns it is bogus.
import { ALGORITHMS, type KeyReader } from './algorithms.ts';

export interface Limits {
  /** Signature checks tried for one set of records. */
  readonly checksPerSet: number;
  /** Signature checks of one answer, with all keys on the way to it. */
  readonly checksPerAnswer: number;
  /** DS digests computed of one answer. */
  readonly digestsPerAnswer: number;
  /** NSEC3 iterations above which a zone is insecure (RFC 9276 3.2). */
  readonly iterationsMax: number;
  /** NSEC3 names hashed for one answer, more than the labels of any name; each costs at most `iterationsMax` + 1 digests. */
  readonly hashesPerAnswer: number;
  /** Messages asked for. */
  readonly needsPerAnswer: number;
  /** CNAME and DNAME steps followed. */
  readonly aliasesMax: number;
  readonly algorithms: ReadonlyMap<number, KeyReader>;
}

export const DEFAULT_LIMITS: Limits = {
  checksPerSet: 8,
  checksPerAnswer: 96,
  digestsPerAnswer: 64,
  iterationsMax: 150,
  hashesPerAnswer: 160,
  needsPerAnswer: 64,
  aliasesMax: 12,
  algorithms: ALGORITHMS,
};

/** What an answer has cost so far. */
export class Spent {
  checks = 0;
  digests = 0;
  hashes = 0;
  needs = 0;
  needsRefused = false;
  readonly limits: Limits;

  constructor(limits: Limits) {
    this.limits = limits;
  }

  /** @returns false where the budget is used up, and nothing is taken */
  check(): boolean {
    if (this.checks >= this.limits.checksPerAnswer) return false;
    this.checks += 1;
    return true;
  }

  digest(): boolean {
    if (this.digests >= this.limits.digestsPerAnswer) return false;
    this.digests += 1;
    return true;
  }

  hash(): boolean {
    if (this.hashes >= this.limits.hashesPerAnswer) return false;
    this.hashes += 1;
    return true;
  }

  need(): boolean {
    if (this.needs >= this.limits.needsPerAnswer) {
      this.needsRefused = true;
      return false;
    }
    this.needs += 1;
    return true;
  }
}
