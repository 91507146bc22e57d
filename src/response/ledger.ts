// What the desk needs of its ledger. `#store` keeps one in SQLite; this room may not import it, so the shape is said here.
import type { Action } from '#findings';

export interface LedgerEvent {
  /** Integer microseconds, as the desk's clock told. */
  readonly at: number;
  /** `propose`, `enforce`, `prove`, `undo`, `expire`, `refuse`, `because`, `restore`. */
  readonly type: string;
  /** A person, or `parapet`. */
  readonly by: string;
  /** The action as it stands after the event. */
  readonly action: Action;
}

/** One change of a policy zone: records as zone-file text relative to the zone. */
export interface ZoneStep {
  readonly from: number;
  readonly to: number;
  readonly removed: readonly string[];
  readonly added: readonly string[];
}
export interface KeptZone {
  readonly serial: number;
  readonly records: readonly string[];
  /** Oldest first, without gaps, the last one leading to `serial`. */
  readonly journal: readonly ZoneStep[];
}

export interface ZoneLedger {
  zone(name: string): KeptZone | undefined;
  /** @param keep steps of the journal that stay, this one included */
  saveZone(name: string, step: ZoneStep, keep: number): void;
}

export interface Ledger extends ZoneLedger {
  /** On disk when it returns. @throws where it can't be written: nothing may then be installed */
  append(event: LedgerEvent): void;
  /** The latest state of each action, newest first. */
  latest(limit: number): Action[];
}
