// DuckDB's values for people and for JSON lines: times in ISO 8601, whole numbers exact.
import {
  DuckDBDateValue,
  DuckDBListValue,
  DuckDBTimestampMillisecondsValue,
  DuckDBTimestampNanosecondsValue,
  DuckDBTimestampSecondsValue,
  DuckDBTimestampTZValue,
  DuckDBTimestampValue,
  type DuckDBValue,
} from '@duckdb/node-api';
import { isoTime } from '#findings';

/** A cell of an answer as DuckDB gives it. */
export type HuntValue = DuckDBValue;

/** A value as JSON can carry it: integers past 2^53 and what JSON has no form for become text. */
export function huntJson(value: DuckDBValue): unknown {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return value;
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value);
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : value.toString();
  if (value instanceof DuckDBTimestampValue || value instanceof DuckDBTimestampTZValue) return time(value.micros);
  if (value instanceof DuckDBTimestampMillisecondsValue) return time(value.millis * 1000n);
  if (value instanceof DuckDBTimestampSecondsValue) return time(value.seconds * 1_000_000n);
  if (value instanceof DuckDBTimestampNanosecondsValue) return time(value.nanos / 1000n);
  if (value instanceof DuckDBDateValue) return value.toString();
  if (value instanceof DuckDBListValue) return value.items.map(huntJson);
  return String(value);
}

/** A value as a cell of a table. */
export function huntCell(value: DuckDBValue): string {
  const plain = huntJson(value);
  if (plain === null) return '';
  if (Array.isArray(plain)) return plain.map((item) => String(item ?? '')).join(', ');
  return String(plain);
}

function time(micros: bigint): string {
  // DuckDB's infinity lies beyond what a Number holds exactly.
  const number = Number(micros);
  return Number.isSafeInteger(number) ? isoTime(number) : micros > 0n ? 'infinity' : '-infinity';
}
