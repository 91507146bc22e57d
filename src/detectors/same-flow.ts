// Both ends of a flow may be watched, and two logs may tell of it: the same tuple that began within a minute is the same flow.
import type { FlowBatch } from '#events';
import { BoundedMap } from './bounded-map.ts';

const FLOWS_MAX = 20_000;
/** Clocks of two sensors may differ by this much. */
export const SAME_FLOW_MICROS = 60e6;

/** Closed flows lately judged, by tuple, with their start. */
export class SameFlow extends BoundedMap<string, number> {
  constructor() {
    super(FLOWS_MAX, () => {});
  }

  /** Whether the row's flow was told before; from now on it was. */
  isTold(batch: FlowBatch, i: number, from: string, to: string): boolean {
    const tuple = `${from}:${batch.originatorPort[i]}>${to}:${batch.responderPort[i]}`;
    const at = batch.firstAt[i]!;
    const before = this.get(tuple);
    if (before !== undefined && Math.abs(before - at) < SAME_FLOW_MICROS) return true;
    this.add(tuple, at);
    return false;
  }
}
