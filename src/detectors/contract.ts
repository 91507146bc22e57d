// What a detector is. See docs/architecture.md; the card is required by type so that it can't stay empty.
import type { City } from '#city';
import type { EventBatch, EventKind } from '#events';
import type { Coverage, Finding } from '#findings';

export interface DetectorCard {
  readonly name: string;
  readonly plane: Finding['plane'];
  /** Findings of one family about one asset count once in trust. */
  readonly family: string;
  /** The behaviour, in one sentence. */
  readonly behaviour: string;
  readonly takes: readonly EventKind[];
  /** `client`: all it needs shares one client, so it may be sharded; `city`: it needs everything. */
  readonly scope: 'client' | 'city';
  /** ATT&CK ids. */
  readonly techniques: readonly string[];
  readonly cannotSee: readonly string[];
  readonly innocentCauses: readonly string[];
  readonly firstSteps: readonly string[];
  readonly memoryBound: string;
}

export interface DetectorContext {
  readonly city: City;
  /** Every event behind a finding becomes evidence, not only first, decisive and last. */
  readonly evidenceAll: boolean;
  /** Claims, or claims again with more evidence (same id): the latest replaces the earlier. */
  claim(finding: Finding): void;
  /** Says what could not be seen (the latest of one `plane` and `what` replaces the earlier). */
  cover(coverage: Coverage): void;
}

export interface Detector {
  observe(batch: EventBatch): void;
  /** Event time has reached `to`, microseconds. */
  advance(to: number): void;
  /** No more input: what is only told now and then is told as it stands. */
  end?(): void;
  /** All state, as something JSON can carry (typed arrays as base64 by lib/snapshot), with a version. */
  snapshot(): unknown;
  /** @throws Error where the version is not known */
  restore(state: unknown): void;
  /** Rows dropped at a capacity. */
  readonly shed: number;
}

export interface DetectorKind {
  readonly card: DetectorCard;
  create(context: DetectorContext): Detector;
}
