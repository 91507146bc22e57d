// The detector's state as something JSON can carry, with a version.
import { packColumn, unpackColumn } from '#lib/snapshot';
import type { PackedPairs } from '#lib/table';
import type { DnsBypass } from './bypass.ts';
import { Client } from './client.ts';
import { Sums } from './coverage.ts';

export const VERSION = 2;

const tables = ['clients', 'answered'] as const;
const columns = ['asked', 'recent'] as const;
const flows = ['flowSeen', 'flowNamed'] as const;

interface State {
  version: number;
  tables: Record<(typeof tables)[number], PackedPairs>;
  columns: Record<(typeof columns)[number], string>;
  flows: Record<(typeof flows)[number], string>;
  clients: object[];
  sums: object;
  clientsShed: number;
  sweptAt: number;
  hasFlows: boolean;
  /** Clients whose claims may have grown since they were last told. */
  dirty: number[];
}

export function pack(d: DnsBypass, dirty: number[]): State {
  return {
    version: VERSION,
    tables: { clients: d.asking.clients.pack(), answered: d.asking.answered.pack() },
    columns: Object.fromEntries(columns.map((name) => [name, packColumn(d.asking[name])])) as State['columns'],
    flows: Object.fromEntries(flows.map((name) => [name, packColumn(d[name])])) as State['flows'],
    clients: [...d.clients.values()].map((c) => structuredClone({ ...c })),
    sums: structuredClone({ ...d.sums }),
    clientsShed: d.clientsShed,
    sweptAt: d.sweptAt,
    hasFlows: d.hasFlows,
    dirty,
  };
}

/**
 * @returns hashes of the clients that were dirty
 * @throws Error where the version is not known or a column is damaged
 */
export function unpack(d: DnsBypass, value: unknown): number[] {
  const s = value as State;
  if (s?.version !== VERSION) throw new Error(`dns-bypass: state of version ${s?.version} is not known`);
  for (const name of tables) d.asking[name].unpack(s.tables[name]);
  for (const name of columns) unpackColumn(s.columns[name], d.asking[name]);
  for (const name of flows) unpackColumn(s.flows[name], d[name]);
  d.clientsShed = s.clientsShed;
  d.sweptAt = s.sweptAt;
  d.hasFlows = s.hasFlows;
  d.sums = Object.assign(new Sums(), structuredClone(s.sums));
  d.clients = new Map();
  for (const saved of s.clients) {
    const plain = structuredClone(saved) as Client;
    d.clients.set(plain.hash, Object.assign(new Client(plain.words, plain.hash, plain.fieldRole), plain));
  }
  return s.dirty;
}
