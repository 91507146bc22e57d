// Faults of a run: the first of a kind in a file is kept with its place, the rest are counted.
import type { FaultTable, Origin } from '#events';
import type { Fault } from '#findings';
import { fileFaults } from '#sources';
import { dnstapListenFaults } from '#sources/dnstap';
import { liveFaults } from '#sources/live';
import { mqttFaults } from '#sources/mqtt';
import { netflowListenFaults } from '#sources/netflow';
import { decoders, sources } from './registry.ts';

const table: FaultTable = Object.assign(
  {},
  fileFaults,
  liveFaults,
  dnstapListenFaults,
  netflowListenFaults,
  mqttFaults,
  ...sources.map((s) => s.card.faults),
  ...decoders.map((d) => d.card.faults),
) as FaultTable;

/** Distinct (file, code) pairs kept; more are only counted. */
const KEPT_MAX = 10_000;

interface Kept {
  readonly code: string;
  readonly origin: Origin;
  readonly place: number;
  readonly offset: number;
  readonly detail: string;
  count: number;
}

export class Faults {
  readonly #kept = new Map<string, Map<string, Kept>>();
  #count = 0;
  shed = 0;

  get count(): number {
    return this.#count;
  }

  add(code: string, origin: Origin, place: number, offset: number, detail = ''): void {
    let ofFile = this.#kept.get(origin.file);
    if (ofFile === undefined) {
      ofFile = new Map();
      this.#kept.set(origin.file, ofFile);
    }
    const old = ofFile.get(code);
    if (old !== undefined) {
      old.count += 1;
      return;
    }
    if (this.#count >= KEPT_MAX) {
      this.shed += 1;
      return;
    }
    this.#count += 1;
    ofFile.set(code, { code, origin, place, offset, detail, count: 1 });
  }

  /** In order of file, then of place. */
  list(): Fault[] {
    const out: Fault[] = [];
    for (const file of [...this.#kept.keys()].sort()) {
      const ofFile = [...this.#kept.get(file)!.values()].sort(
        (a, b) => a.place - b.place || (a.code < b.code ? -1 : 1),
      );
      for (const k of ofFile) {
        const words = table[k.code] ?? { text: k.code, remedy: 'See docs/faults.md.', lost: 'unknown' };
        const text = k.detail === '' ? words.text : `${words.text} (${k.detail})`;
        out.push({
          kind: 'fault',
          code: k.code,
          file,
          ...(k.offset >= 0 ? { offset: k.offset } : {}),
          ...(k.place > 0 && k.origin.placed === 'frame' ? { frame: k.place } : {}),
          ...(k.place > 0 && k.origin.placed === 'line' ? { line: k.place } : {}),
          text,
          remedy: words.remedy,
          lost: words.lost,
          count: k.count,
        });
      }
    }
    return out;
  }
}

/** Every code with its texts, for docs/faults.md. */
export function faultTable(): FaultTable {
  return table;
}
