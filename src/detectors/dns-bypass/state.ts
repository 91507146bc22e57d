// The detector's state as something JSON can carry, with a version.
import { packColumn, unpackColumn } from '#lib/snapshot';
import type { PairTable } from '#lib/table';
import type { DnsBypass } from './bypass.ts';
import { Client } from './client.ts';
import { Sums } from './coverage.ts';

export const VERSION = 1;

interface Table {
  a: string;
  b: string;
  weight: string;
  count: number;
  shed: number;
}
const tables = ['clients', 'answered'] as const;
const columns = ['asked', 'askedInAll', 'askedSpan', 'recent'] as const;
const flows = ['flowSeen', 'flowNamed'] as const;

interface State {
  version: number;
  tables: Record<(typeof tables)[number], Table>;
  columns: Record<(typeof columns)[number], string>;
  flows: Record<(typeof flows)[number], string>;
  clients: object[];
  sums: object;
  clientsShed: number;
  sweptAt: number;
  /** Clients whose claims may have grown since they were last told. */
  dirty: number[];
}

function packTable(t: PairTable): Table {
  return { a: packColumn(t.a), b: packColumn(t.b), weight: packColumn(t.weight), count: t.count, shed: t.shed };
}

export function pack(d: DnsBypass, dirty: number[]): State {
  return {
    version: VERSION,
    tables: { clients: packTable(d.asking.clients), answered: packTable(d.asking.answered) },
    columns: Object.fromEntries(columns.map((name) => [name, packColumn(d.asking[name])])) as State['columns'],
    flows: Object.fromEntries(flows.map((name) => [name, packColumn(d[name])])) as State['flows'],
    clients: [...d.clients.values()].map((c) => structuredClone({ ...c })),
    sums: structuredClone({ ...d.sums }),
    clientsShed: d.clientsShed,
    sweptAt: d.sweptAt,
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
  for (const name of tables) {
    const from = s.tables[name];
    const into = d.asking[name];
    unpackColumn(from.a, into.a);
    unpackColumn(from.b, into.b);
    unpackColumn(from.weight, into.weight);
    into.count = from.count;
    into.shed = from.shed;
  }
  for (const name of columns) unpackColumn(s.columns[name], d.asking[name]);
  for (const name of flows) unpackColumn(s.flows[name], d[name]);
  d.clientsShed = s.clientsShed;
  d.sweptAt = s.sweptAt;
  d.sums = Object.assign(new Sums(), structuredClone(s.sums));
  d.clients = new Map();
  for (const saved of s.clients) {
    const plain = structuredClone(saved) as Client;
    d.clients.set(plain.hash, Object.assign(new Client(plain.words, plain.hash, plain.fieldRole), plain));
  }
  return s.dirty;
}
