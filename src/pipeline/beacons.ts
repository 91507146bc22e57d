// RITA's scores of recorded connections, each with what the beacon detector found of the same pair.
import type { City } from '#city';
import { RitaRecord, type RitaRow, ritaInside } from '#detectors/beacon';
import { FlowBatch } from '#events';
import type { Fault, Finding } from '#findings';
import { analyze } from './analyze.ts';

export interface BeaconRow extends RitaRow {
  readonly finding: Finding | undefined;
}
export interface BeaconRows {
  /** Highest score first. */
  readonly rows: readonly BeaconRow[];
  /** Connections past what is held. */
  readonly unscored: number;
  /** A sentence where nothing could be scored. */
  readonly why: string;
  readonly faults: readonly Fault[];
}

/** What goes out from the city's networks, or from RITA's own ranges where none are named. */
export async function compareBeacons(paths: readonly string[], city: City): Promise<BeaconRows> {
  const named = (city.file.networks ?? []).map((n) => n.cidr);
  const record = new RitaRecord(named.length > 0 ? named : ritaInside);
  const { findings, faults } = await analyze(paths, {
    city,
    planes: new Set(['flow']),
    observe: (batch) => {
      if (batch instanceof FlowBatch) record.observe(batch);
    },
  });
  const found = new Map(
    findings.filter((f) => f.detector === 'beacon').map((f) => [`${f.asset.ip} ${f.subject.value}`, f]),
  );
  const { rows, why, leftOut } = record.score();
  return {
    rows: rows.map((r) => ({ ...r, finding: found.get(`${r.source} ${r.place}`) })),
    unscored: leftOut.capacity,
    why,
    faults,
  };
}
