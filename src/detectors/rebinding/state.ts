// The detector's state as something JSON can carry, with a version.
import type { Origin } from '#events';
import { packColumn, unpackColumn } from '#lib/snapshot';
import type { PackedPairs } from '#lib/table';
import type { Rebinding } from './rebinding.ts';
import { Suspect } from './suspect.ts';

export const VERSION = 2;

const tables = ['names', 'clients'] as const;
const columns = ['inward', 'inwardAt', 'watched'] as const;

interface State {
  version: number;
  tables: Record<(typeof tables)[number], PackedPairs>;
  columns: Record<(typeof columns)[number], string>;
  outside: string;
  recent: string;
  /** Key and fields; JSON has no infinity, so a suspect that was never judged has no `bits`. */
  suspects: [string, object][];
  origins: Origin[];
  suspectsShed: number;
  namesShed: number;
}

export function pack(d: Rebinding): State {
  return {
    version: VERSION,
    tables: { names: d.names.pack(), clients: d.clients.pack() },
    columns: Object.fromEntries(columns.map((name) => [name, packColumn(d[name])])) as State['columns'],
    outside: packColumn(d.outside.words),
    recent: packColumn(d.recent.seen),
    suspects: [...d.suspects].map(([key, s]) => [key, structuredClone({ ...s })]),
    origins: structuredClone(d.origins),
    suspectsShed: d.suspectsShed,
    namesShed: d.namesShed,
  };
}

/** @throws Error where the version is not known or a column is damaged */
export function unpack(d: Rebinding, value: unknown): void {
  const s = value as State;
  if (s?.version !== VERSION) throw new Error(`rebinding: state of version ${s?.version} is not known`);
  for (const name of tables) d[name].unpack(s.tables[name]);
  for (const name of columns) unpackColumn(s.columns[name], d[name]);
  unpackColumn(s.outside, d.outside.words);
  unpackColumn(s.recent, d.recent.seen);
  d.origins = structuredClone(s.origins);
  d.suspectsShed = s.suspectsShed;
  d.namesShed = s.namesShed;
  d.suspects = new Map();
  for (const [key, saved] of s.suspects) {
    const plain = structuredClone(saved) as Suspect;
    d.suspects.set(
      key,
      Object.assign(new Suspect(plain.client, plain.zone, plain.turn, plain.firstAt, plain.first), plain),
    );
  }
}
