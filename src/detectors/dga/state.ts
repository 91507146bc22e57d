// The detector's state as something JSON can carry, with a version.
import { packColumn, unpackColumn } from '#lib/snapshot';
import type { PairTable } from '#lib/table';
import type { Dga } from './dga.ts';
import { Suspect } from './suspect.ts';

export const VERSION = 1;

interface Table {
  a: string;
  b: string;
  weight: string;
  count: number;
  shed: number;
}
const tables = ['pairs', 'zones', 'clients'] as const;
const columns = ['pairFlags', 'zoneClients', 'zoneExists', 'resolved', 'resolvedAt', 'recent'] as const;

interface State {
  version: number;
  tables: Record<(typeof tables)[number], Table>;
  columns: Record<(typeof columns)[number], string>;
  suspects: object[];
  /** Client hashes of suspects whose claim has grown since it was last told. */
  dirty: number[];
  suspectsShed: number;
}

function packTable(t: PairTable): Table {
  return { a: packColumn(t.a), b: packColumn(t.b), weight: packColumn(t.weight), count: t.count, shed: t.shed };
}

export function pack(d: Dga, dirty: ReadonlySet<Suspect>): State {
  return {
    version: VERSION,
    tables: { pairs: packTable(d.pairs), zones: packTable(d.zones), clients: packTable(d.clients) },
    columns: Object.fromEntries(columns.map((name) => [name, packColumn(d[name])])) as State['columns'],
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
  for (const name of tables) {
    const from = s.tables[name];
    unpackColumn(from.a, d[name].a);
    unpackColumn(from.b, d[name].b);
    unpackColumn(from.weight, d[name].weight);
    d[name].count = from.count;
    d[name].shed = from.shed;
  }
  for (const name of columns) unpackColumn(s.columns[name], d[name]);
  d.suspectsShed = s.suspectsShed;
  d.suspects = new Map();
  for (const saved of s.suspects) {
    const plain = structuredClone(saved) as Suspect;
    const suspect = Object.assign(new Suspect(plain.client, plain.clientHash, plain.firstAt, plain.first), plain);
    d.suspects.set(suspect.clientHash, suspect);
  }
  return s.dirty.map((hash) => d.suspects.get(hash)).filter((x) => x !== undefined);
}
