// SQL over what is kept: DuckDB in memory, a view on the Parquet evidence, and views on the claims of parapet.db. Nothing is
// changed: one statement that reads is taken, and DuckDB's doors to files and network are shut before it runs, except for
// the evidence folder. No DuckDB extension is needed (sqlite_scanner would be fetched from the network).
import { existsSync, readdirSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { type DuckDBConnection, DuckDBInstance, type DuckDBValue, StatementType } from '@duckdb/node-api';
import { StoreError } from './errors.ts';
import { openStore, type Store } from './store.ts';

/**
 * Views by name: columns as expressions over `json`, the claim as it is kept. DuckDB works out only those asked for.
 */
const asset = (from: string, path: string): string =>
  `coalesce(${['id', 'ip', 'imsi', 'host', 'mac'].map((f) => `json_extract_string(${from}, '${path}.${f}')`).join(', ')})`;

type Claims = 'findings' | 'incidents' | 'trust' | 'verdicts';
const views: Readonly<Record<Claims, Readonly<Record<string, string>>>> = {
  findings: {
    ...fields('text', 'id'),
    ...fields('moment', 'at', 'firstAt', 'lastAt'),
    ...fields('text', 'plane', 'detector', 'family', 'severity', 'title'),
    ...fields('number', 'confidence', 'bits'),
    asset: asset('json', '$.asset'),
    role: "json->>'$.asset.role'",
    subjectType: "json->>'$.subject.type'",
    subject: "json->>'$.subject.value'",
    ...fields('text', 'tool'),
    ...fields('whole', 'leakedBytes'),
    ...fields('texts', 'techniques'),
    reasons: "json->>'$.reasons[*].text'",
    ...fields('whole', 'count'),
    json: 'json',
  },
  incidents: {
    ...fields('text', 'id'),
    ...fields('moment', 'firstAt', 'lastAt'),
    ...fields('text', 'severity', 'title'),
    ...fields('number', 'confidence'),
    ...fields('texts', 'planes'),
    assets: `list_transform(json_extract(json, '$.assets[*]'), lambda a: ${asset('a', '$')})`,
    ...fields('texts', 'findings', 'techniques'),
    json: 'json',
  },
  trust: {
    ...fields('text', 'asset'),
    ...fields('moment', 'at'),
    ...fields('number', 'trust'),
    ...fields('texts', 'because'),
  },
  verdicts: {
    ...fields('text', 'id'),
    ...fields('moment', 'at'),
    ...fields('text', 'command', 'decision'),
    ...fields('texts', 'reasons', 'leansOn', 'harm'),
    ...fields('whole', 'decidedInMicros'),
    ...fields('number', 'loadLostShare'),
    json: 'json',
  },
};

/** The text that each of the claim's fields of one type is read by. */
function fields(type: 'text' | 'texts' | 'number' | 'whole' | 'moment', ...names: string[]): Record<string, string> {
  const out: Record<string, string> = {};
  for (const name of names) {
    const text = `json->>'$.${name}'`;
    if (type === 'text') out[name] = text;
    else if (type === 'texts') out[name] = `json->>'$.${name}[*]'`;
    else if (type === 'number') out[name] = `try_cast(${text} AS DOUBLE)`;
    else if (type === 'whole') out[name] = `try_cast(${text} AS BIGINT)`;
    else out[name] = `make_timestamp(try_cast(${text} AS BIGINT))`;
  }
  return out;
}

/** What can be asked for, for --help. */
export const huntTables: Readonly<Record<string, readonly string[]>> = {
  evidence: ['at', 'plane', 'hour', 'detector', 'finding', 'file', 'frame', 'line', 'client', 'subject', 'text'],
  ...Object.fromEntries(Object.entries(views).map(([name, columns]) => [name, Object.keys(columns)])),
};

const reading: readonly StatementType[] = [StatementType.SELECT, StatementType.EXPLAIN];

export interface HuntAnswer {
  readonly columns: readonly string[];
  /** Rows in pieces of at most some thousand, as DuckDB makes them. */
  rows(): AsyncGenerator<readonly (readonly DuckDBValue[])[]>;
  close(): void;
}

/**
 * Runs one statement that reads, over the store in `dir`. Only the tables that it names are loaded.
 * @throws StoreError
 */
export async function huntStore(dir: string, question: string): Promise<HuntAnswer> {
  const sql = quoteAt(question);
  const db = join(dir, 'parapet.db');
  const evidence = join(dir, 'evidence');
  if (!existsSync(db) && !existsSync(evidence)) throw new StoreError('STORE_MISSING', dir, '', 'nothing');
  const instance = await DuckDBInstance.create(':memory:', { threads: '2' });
  const connection = await instance.connect();
  const close = (): void => {
    connection.closeSync();
    instance.closeSync();
  };
  try {
    // The doors are shut first: finding the names in a statement already binds it, and binding reads files.
    await shutDoors(connection, evidence);
    const named = new Set(await bad(dir, () => connection.getTableNames(sql, false)));
    await prepareEvidence(connection, evidence);
    await fillTables(connection, dir, named);
    const statements = await bad(dir, () => connection.extractStatements(sql));
    if (statements.count !== 1) throw new StoreError('HUNT_READ_ONLY', dir, '', 'nothing');
    const statement = await bad(dir, () => statements.prepare(0));
    if (!reading.includes(statement.statementType)) throw new StoreError('HUNT_READ_ONLY', dir, '', 'nothing');
    const result = await bad(dir, () => statement.stream());
    return {
      columns: result.deduplicatedColumnNames(),
      async *rows() {
        for (;;) {
          const chunk = await bad(dir, () => result.fetchChunk());
          if (chunk === null || chunk.rowCount === 0) return;
          yield chunk.getRows();
        }
      },
      close,
    };
  } catch (error) {
    close();
    throw error;
  }
}

/**
 * `at`, the contract's name for event time, is a reserved word of DuckDB (AT TIME ZONE, FROM t AT (...)): where it stands
 * as a name it is quoted, so that people need not. Strings, quoted names and comments stay as they are.
 */
export function quoteAt(sql: string): string {
  return sql.replace(
    /'(?:[^']|'')*'|"(?:[^"]|"")*"|\$\$[\s\S]*?\$\$|--[^\n]*|\/\*[\s\S]*?\*\/|\bat\b(?!\s*\(|\s+time\s+zone\b)/gi,
    (token) => (token.length === 2 && /^at$/i.test(token) ? '"at"' : token),
  );
}

async function bad<T>(dir: string, work: () => T | Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw new StoreError('HUNT_SQL', dir, (error as Error).message.trim(), 'nothing');
  }
}

/** Equal rows are shown once: after a crash events since the last checkpoint are written twice. */
async function prepareEvidence(connection: DuckDBConnection, folder: string): Promise<void> {
  const hasFiles =
    existsSync(folder) &&
    readdirSync(folder, { recursive: true, encoding: 'utf8' }).some((n) => n.endsWith('.parquet'));
  const columns = '"at", plane, hour, detector, finding, file, frame, line, client, subject, text';
  if (!hasFiles) {
    await connection.run(`CREATE VIEW evidence AS SELECT NULL::TIMESTAMP AS "at", '' AS plane, '' AS hour, '' AS detector,
      '' AS finding, '' AS file, NULL::BIGINT AS frame, NULL::BIGINT AS line, '' AS client, '' AS subject, '' AS text WHERE false`);
    return;
  }
  const glob = join(realpathSync(folder), '*', '*', '*.parquet').replaceAll("'", "''");
  await connection.run(`CREATE VIEW evidence AS SELECT DISTINCT ${columns}
    FROM read_parquet('${glob}', hive_partitioning = true, hive_types_autocast = false, union_by_name = true)`);
}

async function shutDoors(connection: DuckDBConnection, folder: string): Promise<void> {
  const allowed = existsSync(folder) ? `'${realpathSync(folder).replaceAll("'", "''")}'` : '';
  await connection.run(`SET allowed_directories = [${allowed}]`);
  await connection.run('SET autoinstall_known_extensions = false');
  await connection.run('SET autoload_known_extensions = false');
  await connection.run('SET enable_external_access = false');
  await connection.run('SET lock_configuration = true');
}

async function fillTables(connection: DuckDBConnection, dir: string, named: ReadonlySet<string>): Promise<void> {
  const isWanted = (name: string): boolean => [...named].some((n) => n.toLowerCase() === name);
  const names = Object.keys(views) as Claims[];
  let store: Store | undefined;
  try {
    if (existsSync(join(dir, 'parapet.db')) && names.some(isWanted)) store = openStore(dir, { readOnly: true });
    for (const name of names) {
      await connection.run(`CREATE TABLE kept_${name} (json JSON)`);
      const columns = Object.entries(views[name]).map(([column, expression]) => `${expression} AS "${column}"`);
      await connection.run(`CREATE VIEW ${name} AS SELECT ${columns.join(', ')} FROM kept_${name}`);
      if (store === undefined || !isWanted(name)) continue;
      const appender = await connection.createAppender(`kept_${name}`);
      for (const json of store.eachJson(name)) {
        appender.appendVarchar(json);
        appender.endRow();
      }
      appender.closeSync();
    }
  } finally {
    store?.close();
  }
}
