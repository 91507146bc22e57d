// The detector's state as something JSON can carry, with a version.
import { packColumn, unpackColumn } from '#lib/snapshot';
import type { PackedPairs } from '#lib/table';
import type { Dga } from './dga.ts';
import { Suspect } from './suspect.ts';

export const VERSION = 2;

const tables = ['pairs', 'zones', 'clients'] as const;
const columns = ['zoneClients', 'resolved'] as const;

interface State {
  version: number;
  tables: Record<(typeof tables)[number], PackedPairs>;
  columns: Record<(typeof columns)[number], string>;
  recent: string;
  suspects: object[];
  /** Client hashes of suspects whose claim has grown since it was last told. */
  dirty: number[];
  suspectsShed: number;
}

export function pack(d: Dga, dirty: ReadonlySet<Suspect>): State {
  return {
    version: VERSION,
    tables: { pairs: d.pairs.pack(), zones: d.zones.pack(), clients: d.clients.pack() },
    columns: Object.fromEntries(columns.map((name) => [name, packColumn(d[name])])) as State['columns'],
    recent: packColumn(d.recent.seen),
    suspects: [...d.suspects.values()].map((s) => structuredClone({ ...s })),
    dirty: [...dirty].map((s) => s.clientHash),
    suspectsShed: d.suspectsShed,
  };
}

/**
 * @returns the suspects whose claim has grown since it was last told
 * @throws Error where the version is not known or a column is damaged
 */
export function unpack(d: Dga, value: unknown): Suspect[] {
  const s = value as State;
  if (s?.version !== VERSION) throw new Error(`dga: state of version ${s?.version} is not known`);
  for (const name of tables) d[name].unpack(s.tables[name]);
  for (const name of columns) unpackColumn(s.columns[name], d[name]);
  unpackColumn(s.recent, d.recent.seen);
  d.suspectsShed = s.suspectsShed;
  d.suspects = new Map();
  for (const saved of s.suspects) {
    const plain = structuredClone(saved) as Suspect;
    const suspect = Object.assign(new Suspect(plain.client, plain.clientHash, plain.firstAt, plain.first), plain);
    d.suspects.set(suspect.clientHash, suspect);
  }
  return s.dirty.map((hash) => d.suspects.get(hash)).filter((x) => x !== undefined);
}
