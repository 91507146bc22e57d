// What is claimed about an asset, with the evidence a person can open. Field names are those of the contract
// (docs/contract.md); times are event time in integer microseconds and become ISO 8601 only in json.ts.
import { createHash } from 'node:crypto';

export const severities = ['info', 'low', 'medium', 'high', 'critical'] as const;
export type Severity = (typeof severities)[number];

/** Whether `severity` is `floor` or worse. */
export function atLeast(severity: Severity, floor: Severity): boolean {
  return severities.indexOf(severity) >= severities.indexOf(floor);
}

/** Whose trust falls. At least one field is set; `id` where city.yaml names the asset. */
export interface AssetRef {
  readonly id?: string;
  readonly ip?: string;
  readonly mac?: string;
  readonly imsi?: string;
  readonly host?: string;
  readonly role?: string;
}

export interface Subject {
  readonly type: 'domain' | 'ip' | 'gt' | 'realm' | 'asset' | 'command' | 'reading' | 'zone' | 'service';
  readonly value: string;
}

export interface Reason {
  readonly text: string;
  readonly bits: number;
}

export interface Evidence {
  readonly file: string;
  readonly frame?: number;
  readonly line?: number;
  readonly offset?: number;
  readonly flow?: string;
}

/** Exactly what enforcing would install. */
export interface ResponseRecord {
  readonly type: 'rpz' | 'nft' | 'policy' | 'signalling-rule' | 'hold' | 'trust';
  readonly record: string;
}

export interface Finding {
  readonly kind: 'finding';
  readonly id: string;
  readonly plane: 'dns' | 'flow' | 'signalling' | 'power' | 'water' | 'transport' | 'gateway';
  readonly detector: string;
  /** Findings of one family about one asset count once in trust: the strongest. */
  readonly family: string;
  readonly title: string;
  readonly severity: Severity;
  readonly confidence: number;
  /** log2 likelihood ratio, attack against benign. */
  readonly bits: number;
  /** The part of `bits` that bears on whether the asset's data are its own; `bits` where absent. */
  readonly trustBits?: number;
  readonly asset: AssetRef;
  readonly subject: Subject;
  readonly firstAt: number;
  readonly at: number;
  readonly lastAt: number;
  readonly tool?: string;
  readonly leakedBytes?: number;
  readonly leakedBytesAtAlert?: number;
  readonly techniques: readonly string[];
  readonly reasons: readonly Reason[];
  readonly evidence: readonly Evidence[];
  /** Events behind the finding, of which `evidence` names some. */
  readonly count: number;
  readonly response: readonly ResponseRecord[];
  /** Hostile or shared things by which incidents join findings, as `type:value`, beside asset and subject. */
  readonly links?: readonly string[];
}

/** Stable id: the same detector, subject, asset and first evidence give the same id in every run. */
export function findingId(detector: string, subject: Subject, asset: AssetRef, first: Evidence): string {
  const place = first.frame ?? first.line ?? first.offset ?? 0;
  const key = [
    detector,
    subject.type,
    subject.value,
    asset.id ?? asset.ip ?? asset.imsi ?? asset.host ?? '',
    baseName(first.file),
    place,
  ];
  return createHash('sha256').update(key.join('\u0000')).digest('hex').slice(0, 16);
}

function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

/**
 * Posterior probability of an attack from evidence and base rate, to four places.
 * @param bits log2 likelihood ratio of the evidence
 * @param priorBits log2 odds of an attack before the evidence (negative: attacks are rare)
 */
export function bitsToConfidence(bits: number, priorBits: number): number {
  return Math.round(1e4 / (1 + 2 ** -(bits + priorBits))) / 1e4;
}

/** What could not be seen, and how much. */
export interface Coverage {
  readonly kind: 'coverage';
  readonly plane: string;
  readonly what: string;
  readonly count: number;
  readonly text: string;
}
