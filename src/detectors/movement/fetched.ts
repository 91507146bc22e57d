// What a host fetched from addresses that nobody administers, until it pushes as much on.
import { evidenceOf, type FlowBatch } from '#events';
import type { Evidence } from '#findings';
import { BoundedMap } from '../bounded-map.ts';
import { SAME_FLOW_MICROS } from '../same-flow.ts';
import calibration from './calibration.json' with { type: 'json' };
import type { Hop } from './hop.ts';

const c = calibration;
/** What is fetched is pushed on within this. */
const FETCH_MICROS = 180e6;

interface Fetched {
  peer: string;
  at: number;
  bytes: number;
  pushed: number;
  to: string;
  evidence: Evidence;
}

export class Fetches extends BoundedMap<string, Fetched[]> {
  note(batch: FlowBatch, i: number, host: string, peer: string, bytes: number): void {
    const list = this.get(host) ?? this.add(host, []);
    const at = batch.lastAt[i]!;
    const evidence = evidenceOf(batch.origin, batch.place[i]!);
    const before = list.find((f) => f.peer === peer && at - f.at < FETCH_MICROS);
    if (before === undefined) list.push({ peer, at, bytes, pushed: 0, to: '', evidence });
    else {
      before.bytes += bytes;
      before.at = Math.max(before.at, at);
    }
    if (list.length > 8) list.shift();
  }

  /** As much goes on as came in, or four thirds of it (base64): what was fetched is pushed. */
  passOn(hop: Hop, at: number, bytes: number): void {
    if (hop.fetched !== undefined || bytes === 0) return;
    for (const f of this.get(hop.from) ?? []) {
      if (at - f.at > FETCH_MICROS || f.at - at > SAME_FLOW_MICROS || f.peer === hop.to) continue;
      if (f.to !== hop.to) {
        f.to = hop.to;
        f.pushed = 0;
      }
      f.pushed += bytes;
      for (const scale of [1, 4 / 3])
        if (Math.abs(f.pushed / (scale * f.bytes) - 1) <= c.fetchedRatioMax)
          hop.fetched = { peer: f.peer, bytes: f.bytes, pushed: f.pushed, evidence: f.evidence };
    }
  }
}
