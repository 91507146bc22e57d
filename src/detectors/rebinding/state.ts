// The detector's state as something JSON can carry, with a version.
import type { Origin } from '#events';
import { packColumn, unpackColumn } from '#lib/snapshot';
import type { PairTable } from '#lib/table';
import type { Rebinding } from './rebinding.ts';
import { Suspect } from './suspect.ts';

export const VERSION = 1;

interface Table {
  a: string;
  b: string;
  weight: string;
  count: number;
  shed: number;
}
const tables = ['names', 'clients'] as const;
const columns = [
  'outsideAt',
  'outsidePlace',
  'outsideOrigin',
  'outsideTtl',
  'outsideServer',
  'outsideAddress',
  'inward',
  'inwardAt',
  'recent',
  'watched',
] as const;

interface State {
  version: number;
  tables: Record<(typeof tables)[number], Table>;
  columns: Record<(typeof columns)[number], string>;
  /** Key and fields; JSON has no infinity, so a suspect that was never judged has no `bits`. */
  suspects: [string, object][];
  origins: Origin[];
  suspectsShed: number;
}

function packTable(t: PairTable): Table {
  return { a: packColumn(t.a), b: packColumn(t.b), weight: packColumn(t.weight), count: t.count, shed: t.shed };
}

export function pack(d: Rebinding): State {
  return {
    version: VERSION,
    tables: { names: packTable(d.names), clients: packTable(d.clients) },
    columns: Object.fromEntries(columns.map((name) => [name, packColumn(d[name])])) as State['columns'],
    suspects: [...d.suspects].map(([key, s]) => [key, structuredClone({ ...s })]),
    origins: structuredClone(d.origins),
    suspectsShed: d.suspectsShed,
  };
}

/** @throws Error where the version is not known or a column is damaged */
export function unpack(d: Rebinding, value: unknown): void {
  const s = value as State;
  if (s?.version !== VERSION) throw new Error(`rebinding: state of version ${s?.version} is not known`);
  for (const name of tables) {
    const from = s.tables[name];
    unpackColumn(from.a, d[name].a);
    unpackColumn(from.b, d[name].b);
    unpackColumn(from.weight, d[name].weight);
    d[name].count = from.count;
    d[name].shed = from.shed;
  }
  for (const name of columns) unpackColumn(s.columns[name], d[name]);
  d.origins = structuredClone(s.origins);
  d.suspectsShed = s.suspectsShed;
  d.suspects = new Map();
  for (const [key, saved] of s.suspects) {
    const plain = structuredClone(saved) as Suspect;
    d.suspects.set(
      key,
      Object.assign(new Suspect(plain.client, plain.zone, plain.turn, plain.firstAt, plain.first), plain),
    );
  }
}
