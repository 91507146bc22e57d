// `analyze` as a function: paths in, everything the contract prints out, in its order.
import type { City } from '#city';
import type { EventBatch } from '#events';
import type { Coverage, Fault, Finding, Incident, State, TrustRecord, Verdict } from '#findings';
import { decideRecorded } from './decide.ts';
import { Engine } from './engine.ts';
import { Feed, listInputs } from './feed.ts';
import { Hub, type Twin } from './hub.ts';
import { sources } from './registry.ts';

export interface AnalyzeOptions {
  readonly city: City;
  readonly planes?: ReadonlySet<string>;
  readonly evidenceAll?: boolean;
  readonly twins?: ReadonlyMap<string, Twin>;
  readonly layers?: { readonly trust: boolean; readonly interlock: boolean };
  /** Called now and then with bytes read, bytes in all and the event time reached. */
  progress?(read: number, size: number, at: number): void;
  /** Sees every batch; borrowed for the call. */
  observe?(batch: EventBatch): void;
}

const allLayers = { trust: true, interlock: true };

export interface Outcome {
  readonly findings: readonly Finding[];
  readonly incidents: readonly Incident[];
  readonly verdicts: readonly Verdict[];
  readonly trust: readonly TrustRecord[];
  readonly states: readonly State[];
  readonly faults: readonly Fault[];
  readonly coverage: readonly Coverage[];
  readonly rows: Readonly<Record<string, number>>;
  readonly shed: number;
  /** Event time of the first and the last row, microseconds. */
  readonly firstAt: number;
  readonly at: number;
}

export async function analyze(paths: readonly string[], options: AnalyzeOptions): Promise<Outcome> {
  const hub = new Hub({
    city: options.city,
    twins: options.twins ?? new Map(),
    layers: options.layers ?? allLayers,
    decide: decideRecorded,
  });
  const engine = new Engine({
    city: options.city,
    planes: options.planes,
    evidenceAll: options.evidenceAll ?? false,
    claim: (finding) => hub.claim(finding),
    records: (batch) => hub.take(batch),
    ...(options.observe === undefined ? {} : { observe: options.observe }),
  });
  const inputs = listInputs(paths);
  const feed = new Feed(inputs, engine.faults, inputs.length !== paths.length || inputs.some((p, i) => p !== paths[i]));
  let turns = 0;
  try {
    for (let watermark = await feed.next(engine); watermark !== undefined; watermark = await feed.next(engine)) {
      engine.advance(watermark);
      if ((++turns & 255) === 0 && options.progress !== undefined) {
        const { read, size } = feed.progress;
        options.progress(read, size, engine.at);
      }
    }
    engine.end();
    for (const [name, files] of feed.kinds) {
      const untold = sources.find((s) => s.card.name === name)?.card.doesNotTell ?? {};
      for (const [plane, texts] of Object.entries(untold)) {
        if ((engine.rows[plane] ?? 0) === 0 || options.planes?.has(plane) === false) continue;
        for (const [i, text] of texts.entries())
          engine.coverage.set(`${name} ${plane} ${i}`, {
            kind: 'coverage',
            plane,
            what: `${name}-log`,
            count: files,
            text,
          });
      }
    }
    if ((engine.rows.reading ?? 0) > 0) hub.estimate(engine.at);
  } finally {
    feed.close();
  }
  const byTime = (a: { at: number; id: string }, b: { at: number; id: string }): number =>
    a.at - b.at || (a.id < b.id ? -1 : 1);
  return {
    findings: [...hub.findings.values()].sort(byTime),
    incidents: hub.allIncidents(),
    verdicts: hub.verdicts,
    trust: hub.trust.records(engine.at),
    states: [...hub.states.values()],
    faults: engine.faults.list(),
    coverage: [...engine.coverage.values()].sort((a, b) => (a.plane + a.what < b.plane + b.what ? -1 : 1)),
    rows: engine.rows,
    shed: engine.shed + hub.shed,
    firstAt: engine.firstAt,
    at: engine.at,
  };
}
