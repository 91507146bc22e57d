// A MATPOWER case, format version 2, from text or bytes (zstd too), as plain tables; faults instead of exceptions.
import { zstdDecompressSync } from 'node:zlib';
import type { Fault } from '#findings';
import type { Read } from '../types.ts';
import { Evaluator, isMatrix, type Matrix } from './evaluate.ts';
import { Stop } from './scan.ts';

export interface MatpowerCase {
  readonly baseMva: number;
  readonly bus: Matrix;
  readonly gen: Matrix;
  readonly branch: Matrix;
  /** DC lines in the file; the AC model leaves them out and says so. */
  readonly dcLines: number;
}

const remedies: Readonly<Record<string, string>> = {
  MATPOWER_SYNTAX: 'Correct the line, or save the case again with savecase.',
  MATPOWER_STATEMENT:
    'Run the case in MATPOWER and save the result with savecase: only literals and unit conversions are evaluated.',
  MATPOWER_VERSION: 'Load the case in MATPOWER and save it as version 2 with savecase.',
  MATPOWER_TABLE: 'Give every row of the table the columns of format version 2.',
  MATPOWER_VALUE: 'Replace the value by a finite number.',
  MATPOWER_BUS: 'Correct the bus number, or add the bus.',
  MATPOWER_BUSBAR: 'Merge the two buses, or give the branch its impedance.',
  MATPOWER_BYTES: 'Check that the file is text, or text compressed with zstd.',
};

export function matpowerFault(file: string, code: string, text: string, line?: number): Fault {
  return {
    kind: 'fault',
    code,
    file,
    ...(line === undefined ? {} : { line }),
    text,
    remedy: remedies[code] ?? 'See the manual.',
    lost: 'the whole case',
  };
}

/** Bytes a case may unfold to. */
const textBytesMax = 256 * 2 ** 20;

export function readMatpowerBytes(bytes: Uint8Array, file: string): Read<MatpowerCase> {
  let plain = bytes;
  if (bytes[0] === 0x28 && bytes[1] === 0xb5 && bytes[2] === 0x2f && bytes[3] === 0xfd) {
    try {
      plain = zstdDecompressSync(bytes, { maxOutputLength: textBytesMax });
    } catch {
      return { faults: [matpowerFault(file, 'MATPOWER_BYTES', 'the compressed text is damaged or too long')] };
    }
  }
  if (plain.length > textBytesMax) return { faults: [matpowerFault(file, 'MATPOWER_BYTES', 'the file is too long')] };
  return readMatpower(new TextDecoder().decode(plain), file);
}

export function readMatpower(text: string, file: string): Read<MatpowerCase> {
  const run = new Evaluator(text);
  try {
    run.run();
  } catch (error) {
    if (error instanceof Stop) return { faults: [matpowerFault(file, error.code, error.message, error.line)] };
    throw error;
  }
  const field = (name: string) => run.values.get(`${run.struct}.${name}`);
  const lineOf = (name: string) => run.lines.get(`${run.struct}.${name}`);
  const faults: Fault[] = [];
  const version = field('version');
  if (version !== undefined && version !== '2' && version !== 2)
    faults.push(matpowerFault(file, 'MATPOWER_VERSION', `format version ${String(version)}`, lineOf('version')));
  else if (version === undefined)
    faults.push(
      matpowerFault(
        file,
        'MATPOWER_VERSION',
        'the case names no version: version 1 has other columns, and this may be no MATPOWER case at all',
      ),
    );
  const base = field('baseMVA');
  if (typeof base !== 'number' || !(base > 0) || !Number.isFinite(base))
    faults.push(matpowerFault(file, 'MATPOWER_VALUE', 'baseMVA is missing or not above zero', lineOf('baseMVA')));
  const tables: Record<string, Matrix> = {};
  for (const [name, columns] of [
    ['bus', 13],
    ['gen', 10],
    ['branch', 11],
  ] as const) {
    const table = field(name);
    if (!isMatrix(table)) faults.push(matpowerFault(file, 'MATPOWER_TABLE', `the case has no ${name} table`));
    else if (table.rows > 0 && table.columns < columns)
      faults.push(
        matpowerFault(
          file,
          'MATPOWER_TABLE',
          `${name} has ${table.columns} columns, version 2 has ${columns}`,
          lineOf(name),
        ),
      );
    else tables[name] = table;
  }
  if (faults.length > 0) return { faults };
  const dc = field('dcline');
  let dcLines = 0;
  if (isMatrix(dc)) for (let r = 0; r < dc.rows; r++) if (dc.data[r * dc.columns + 2]! > 0) dcLines += 1;
  return {
    value: { baseMva: base as number, bus: tables.bus!, gen: tables.gen!, branch: tables.branch!, dcLines },
    faults: [],
  };
}
