// Reads city.yaml: every wrong field at once, each with line, column and remedy.
import { existsSync, readFileSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { Ajv, type ErrorObject } from 'ajv';
import { LineCounter, parseDocument } from 'yaml';
import schema from './city.schema.json' with { type: 'json' };
import { City, type CityFile, isRange } from './city.ts';

/** One thing wrong in city.yaml. */
export interface CityFault {
  readonly code: 'CITY_YAML' | 'CITY_FIELD' | 'CITY_UNREADABLE';
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly text: string;
  readonly remedy: string;
}

export class CityError extends Error {
  readonly faults: readonly CityFault[];
  constructor(faults: readonly CityFault[]) {
    super(faults.map((f) => `${f.file}:${f.line}:${f.column} ${f.code}: ${f.text} ${f.remedy}`).join('\n'));
    this.name = 'CityError';
    this.faults = faults;
  }
}

/** Private and link-local ranges are ours; nothing else is known. */
export function defaultCity(): City {
  return new City({}, process.cwd());
}

/**
 * The city of `path`, or of ./city.yaml where that exists, or the default.
 * @throws CityError with every fault found
 */
export function loadCity(path?: string): City {
  if (path === undefined) {
    if (!existsSync('city.yaml')) return defaultCity();
    return loadCity('city.yaml');
  }
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new CityError([
      {
        code: 'CITY_UNREADABLE',
        file: path,
        line: 0,
        column: 0,
        text: `could not be read: ${(error as Error).message}.`,
        remedy: 'Name an existing file with --city, or leave the option out.',
      },
    ]);
  }
  return parseCity(text, path);
}

const LIST_BYTES_MAX = 4 * 2 ** 20;
const validate = new Ajv({ allErrors: true, strict: false, validateFormats: false }).compile(schema);

/** @throws CityError with every fault found */
export function parseCity(text: string, path: string): City {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, maxAliasCount: 100 } as never);
  const place = (offset: number): { line: number; column: number } => {
    const { line, col } = lines.linePos(offset);
    return { line, column: col };
  };
  if (document.errors.length > 0) {
    throw new CityError(
      document.errors.map((e) => ({
        code: 'CITY_YAML',
        file: path,
        ...place(e.pos[0]),
        text: e.message.split('\n')[0]!,
        remedy: 'Mend the YAML here.',
      })),
    );
  }
  const data = (document.toJS() ?? {}) as CityFile;
  if (!validate(data)) {
    throw new CityError(
      (validate.errors ?? []).map((e) => {
        const keys = e.instancePath
          .split('/')
          .slice(1)
          .map((k) => k.replaceAll('~1', '/').replaceAll('~0', '~'));
        const node = nodeAt(document, keys);
        return {
          code: 'CITY_FIELD',
          file: path,
          ...place(node),
          text: `${keys.join('.') || 'the file'} ${e.message ?? 'is wrong'}${detail(e)}.`,
          remedy: remedy(e),
        };
      }),
    );
  }
  // What a pattern can't tell.
  const ranges = (['networks', 'exporters'] as const).flatMap((section) =>
    (data[section] ?? []).flatMap(({ cidr }, i): CityFault[] =>
      isRange(cidr)
        ? []
        : [
            {
              code: 'CITY_FIELD',
              file: path,
              ...place(nodeAt(document, [section, String(i), 'cidr'])),
              text: `${section}.${i}.cidr is no address range: ${cidr}.`,
              remedy: 'Write it as 10.20.0.0/16 or 2001:db8::/32.',
            },
          ],
    ),
  );
  if (ranges.length > 0) throw new CityError(ranges);
  const dir = dirname(resolve(path));
  const { proxyware } = data;
  if (proxyware === undefined) return new City(data, dir);
  const read = (key: 'list' | 'key'): string => {
    const file = resolve(dir, proxyware[key]);
    try {
      if (statSync(file).size <= LIST_BYTES_MAX) return readFileSync(file, 'utf8');
    } catch {}
    throw new CityError([
      {
        code: 'CITY_UNREADABLE',
        file: path,
        ...place(nodeAt(document, ['proxyware', key])),
        text: `proxyware.${key}: ${file} can't be read, or is longer than 4 MiB.`,
        remedy: 'Name a file that is there, or leave the section out: a list is built in.',
      },
    ]);
  };
  return new City(data, dir, { list: read('list'), key: read('key') });
}

function nodeAt(document: ReturnType<typeof parseDocument>, keys: string[]): number {
  for (let n = keys.length; n >= 0; n--) {
    const node = document.getIn(
      keys.slice(0, n).map((k) => (/^\d+$/.test(k) ? Number(k) : k)),
      true,
    ) as { range?: [number, number, number] } | undefined;
    if (node?.range) return node.range[0];
  }
  return 0;
}

function detail(e: ErrorObject): string {
  if (e.keyword === 'additionalProperties')
    return ` (\`${(e.params as { additionalProperty: string }).additionalProperty}\`)`;
  if (e.keyword === 'enum') return ` (${(e.params as { allowedValues: string[] }).allowedValues.join(', ')})`;
  return '';
}

function remedy(e: ErrorObject): string {
  if (e.keyword === 'additionalProperties') return 'Take the field out or spell it as in docs/contract.md.';
  if (e.keyword === 'required') return 'Add the missing field.';
  if (e.keyword === 'type')
    return `Write a value of type ${String((e.params as { type: string }).type)}; quote digits that are names ("00101").`;
  return 'See city.schema.json for what is accepted.';
}
