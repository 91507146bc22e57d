// The slow planes: owned records, with the contract's field names. SI units; times in microseconds.
import type { Origin } from './origin.ts';

export interface Reading {
  readonly kind: 'reading';
  readonly at: number;
  readonly asset: string;
  /** `power/bus/12/v` (V), `power/load/12/p` (W, this asset's share of the bus's load), `power/branch/9/from/p` (W)... */
  readonly quantity: string;
  readonly value: number;
  /** Standard deviation of the meter, same unit; 0 where unknown. */
  readonly sigma: number;
  readonly via: string;
  readonly seq: number;
  readonly origin: Origin;
  readonly place: number;
}

export interface Command {
  readonly kind: 'command';
  readonly id: string;
  readonly at: number;
  readonly requester: string;
  readonly target: string;
  readonly action: string;
  readonly value: number | string | undefined;
  readonly deadline: number;
  readonly reason: string;
  readonly nonce: string;
  readonly origin: Origin;
  readonly place: number;
}

export interface Position {
  readonly kind: 'position';
  readonly at: number;
  readonly asset: string;
  readonly lat: number;
  readonly lon: number;
  readonly accuracyMeters: number;
  readonly source: string;
  readonly origin: Origin;
  readonly place: number;
}

/** What a twin thinks of a reading: the difference between what was said and what physics allows. */
export interface Residual {
  readonly kind: 'residual';
  readonly at: number;
  readonly twin: string;
  readonly quantity: string;
  readonly assets: readonly string[];
  readonly residual: number;
  readonly normalized: number;
}
