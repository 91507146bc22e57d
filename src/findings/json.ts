// The contract's NDJSON: `kind` first, ISO times with microseconds, absent fields left out.

const timeKeys = new Set(['at', 'firstAt', 'lastAt', 'until', 'deadline', 'expiresAt']);

/** ISO 8601 with microseconds from integer microseconds since the epoch. */
export function isoTime(micros: number): string {
  if (!Number.isFinite(micros)) return '1970-01-01T00:00:00.000000Z';
  const seconds = Math.floor(micros / 1e6);
  const rest = Math.round(micros - seconds * 1e6);
  // Date's range is +-8.64e15 ms; a hostile time stamp must not throw.
  const bounded = Math.min(Math.max(seconds, -62135596800), 253402300799);
  return `${new Date(bounded * 1000).toISOString().slice(0, 19)}.${String(rest).padStart(6, '0')}Z`;
}

/** One line of NDJSON without the line end. */
export function toJsonLine(record: object): string {
  return JSON.stringify(record, (key, value) =>
    typeof value === 'number' && timeKeys.has(key) ? isoTime(value) : value,
  );
}
