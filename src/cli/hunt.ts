// parapet hunt "SQL": questions to what is kept, answered as a table that pastes into a ticket or as NDJSON.
import { join } from 'node:path';
import { type HuntValue, huntCell, huntJson, huntStore, huntTables } from '#store';
import { cityOf, ExitCode, options, UsageError, write } from './options.ts';
import { tableText } from './table.ts';

export const huntHelp = `parapet hunt "SQL": asks what is kept (DuckDB SQL; reads only).

Usage: parapet hunt [--store DIR] [--format text|ndjson] [--limit N] "SQL"
  --store DIR            the store's folder (default: store.dir of city.yaml, else ./data)
  --format text|ndjson   text on a terminal, ndjson in a pipe
  --limit N              rows shown as text (default 1000; ndjson gives all)

Tables:
${Object.entries(huntTables)
  .map(([name, columns]) => `  ${name.padEnd(10)} ${columns.join(', ')}`)
  .join('\n')}
Times are UTC; hour is text like '2026-01-02-03' and with plane makes a question over much evidence fast.

Examples:
  parapet hunt "SELECT plane, severity, count(*) AS findings FROM findings GROUP BY ALL ORDER BY findings DESC"
  parapet hunt "SELECT f.at, f.title, e.file, e.frame, e.line FROM findings f JOIN evidence e ON e.finding = f.id WHERE f.severity IN ('high', 'critical') ORDER BY f.at, e.frame"
  parapet hunt "SELECT asset, arg_min(trust, at) AS first, min(trust) AS lowest, arg_max(trust, at) AS now FROM trust GROUP BY asset ORDER BY lowest LIMIT 20"
`;

export async function hunt(args: string[]): Promise<number> {
  const o = options(args, { store: { type: 'string' }, limit: { type: 'string' } }, ['text', 'ndjson']);
  if (o.help) {
    await write(huntHelp);
    return ExitCode.Done;
  }
  const [sql, ...more] = o.positionals;
  if (sql === undefined || more.length > 0)
    throw new UsageError('hunt takes one SQL statement, in quotes. See parapet hunt --help for examples.');
  const limit = Number(o.values.limit ?? 1000);
  if (!Number.isSafeInteger(limit) || limit < 1) throw new UsageError('--limit takes a whole number from 1 up.');
  const answer = await huntStore(storeDir(o.values), sql);
  try {
    if (o.format === 'ndjson') await lines(answer.columns, answer.rows());
    else await table(answer.columns, answer.rows(), limit, o.quiet);
  } finally {
    answer.close();
  }
  return ExitCode.Done;
}

function storeDir(values: Parameters<typeof cityOf>[0]): string {
  if (typeof values.store === 'string') return values.store;
  const city = cityOf(values);
  return city.file.store?.dir === undefined ? 'data' : join(city.dir, city.file.store.dir);
}

type Pieces = AsyncGenerator<readonly (readonly HuntValue[])[]>;

async function lines(columns: readonly string[], pieces: Pieces): Promise<void> {
  for await (const rows of pieces) {
    let text = '';
    for (const row of rows) {
      const object: Record<string, unknown> = { kind: 'row' };
      for (let i = 0; i < columns.length; i++) object[columns[i]!] = huntJson(row[i]!);
      text += `${JSON.stringify(object)}\n`;
    }
    await write(text);
  }
}

async function table(columns: readonly string[], pieces: Pieces, limit: number, quiet: boolean): Promise<void> {
  const cells: string[][] = [];
  const isNumber = columns.map(() => true);
  let hasMore = false;
  for await (const rows of pieces) {
    for (const row of rows) {
      if (cells.length === limit) {
        hasMore = true;
        break;
      }
      for (let i = 0; i < columns.length; i++) {
        const value = row[i]!;
        if (value !== null && typeof value !== 'number' && typeof value !== 'bigint') isNumber[i] = false;
      }
      cells.push(row.map(huntCell));
    }
    if (hasMore) break;
  }
  await write(tableText(columns, cells, isNumber));
  if (!quiet)
    await write(
      `(${cells.length} ${cells.length === 1 ? 'row' : 'rows'}${hasMore ? ', and more: raise --limit or narrow the question' : ''})\n`,
    );
}
