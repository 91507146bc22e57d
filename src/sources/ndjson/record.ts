// One line (or one MQTT payload) of the contract's NDJSON to owned records.
// The bytes are walked once before JSON.parse sees them: depth is bounded there, and members are counted, because
// JSON.parse lets the last of two equal keys win in silence (two readers of one line would see two different commands).
import type { Command, Origin, Position, Reading } from '#events';
import { parseIsoMicros } from '#lib/time';

export type SlowRecord = Reading | Command | Position;

/** Bytes of one line; a batch of a thousand readings takes about 150 kB. */
export const LINE_BYTES_MAX = 1_048_576;
/** Nesting that is walked; the records themselves need two levels. */
const DEPTH_MAX = 32;
/** Names stay in tables for long: characters of an id, and of text for people. */
const NAME_MAX = 256;
const TEXT_MAX = 4096;

/** What Parapet itself writes, and the range's truth: claims and answers, not observations. Passed over. */
const ignored = new Set([
  'truth',
  'true-state',
  'finding',
  'incident',
  'verdict',
  'trust',
  'state',
  'fault',
  'coverage',
  'score',
  'summary',
]);

type Fields = Record<string, unknown>;
type Refuse = (code: string) => void;

/**
 * Appends the records of one line to `out`; what can't be read is refused by code (see faults.ts), never thrown.
 * A line is one object, or an array of objects, of which the bad ones are refused singly.
 * @param bytes the line is [start, end), without its line end
 * @param assume the kind of objects that do not name one (an MQTT topic says it)
 */
export function parseRecordLine(
  bytes: Uint8Array,
  start: number,
  end: number,
  origin: Origin,
  place: number,
  out: SlowRecord[],
  refuse: Refuse,
  assume = '',
): void {
  const scanned = scan(bytes, start, end);
  if (typeof scanned === 'string') {
    if (scanned !== '') refuse(scanned);
    return;
  }
  let value: unknown;
  try {
    value = JSON.parse(textOf(bytes, start, end, scanned.high));
  } catch (error) {
    refuse(error instanceof TypeError ? 'NDJSON_UTF8' : 'NDJSON_SYNTAX');
    return;
  }
  const items: unknown[] = Array.isArray(value) ? value : [value];
  let members = 0;
  for (const item of items) if (isObject(item)) for (const _ in item) members += 1;
  if (members !== scanned.members) {
    refuse('NDJSON_DUPLICATE_KEY');
    return;
  }
  for (const item of items) {
    if (isObject(item)) record(item, origin, place, out, refuse, assume);
    else refuse('NDJSON_SHAPE');
  }
}

/** Reused: valid until the next call of scan. */
const found = { members: 0, high: false };

/** Walks the bytes once. @returns the count of the records' members, a fault's code, or '' where the line is blank */
function scan(bytes: Uint8Array, start: number, end: number): string | typeof found {
  if (end - start > LINE_BYTES_MAX) return 'NDJSON_LINE_LENGTH';
  let at = start;
  while (at < end && isSpace(bytes[at]!)) at += 1;
  if (at === end) return '';
  // Members of the records lie one level down in an object, two in an array of objects.
  const memberDepth = bytes[at] === 0x5b ? 2 : 1;
  let depth = 0;
  let members = 0;
  let high = 0;
  for (; at < end; at++) {
    const c = bytes[at]!;
    high |= c;
    if (c === 0x22) {
      for (at += 1; at < end; at++) {
        const d = bytes[at]!;
        high |= d;
        if (d === 0x22) break;
        if (d === 0x5c) at += 1;
      }
    } else if (c === 0x7b || c === 0x5b) {
      depth += 1;
      if (depth > DEPTH_MAX) return 'NDJSON_DEPTH';
    } else if (c === 0x7d || c === 0x5d) depth -= 1;
    else if (c === 0x3a && depth === memberDepth) members += 1;
  }
  found.members = members;
  found.high = high >= 0x80;
  return found;
}

const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** @throws TypeError where the bytes are not UTF-8 */
function textOf(bytes: Uint8Array, start: number, end: number, high: boolean): string {
  if (high) return strict.decode(bytes.subarray(start, end));
  return latin1Slice.call(bytes, start, end);
}
// Buffer's method works on any Uint8Array, so no view per line is made.
const latin1Slice = (Buffer.prototype as unknown as { latin1Slice(start: number, end: number): string }).latin1Slice;

function isSpace(c: number): boolean {
  return c === 0x20 || c === 0x09 || c === 0x0d || c === 0x0a;
}

function isObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function record(f: Fields, origin: Origin, place: number, out: SlowRecord[], refuse: Refuse, assume: string): void {
  const kind = f.kind ?? assume;
  let made: SlowRecord | string;
  if (kind === 'reading') made = reading(f, origin, place);
  else if (kind === 'command') made = command(f, origin, place);
  else if (kind === 'position') made = position(f, origin, place);
  else {
    if (typeof kind !== 'string' || !ignored.has(kind)) refuse('NDJSON_KIND');
    return;
  }
  if (typeof made === 'string') refuse(made);
  else out.push(made);
}

const MISSING = 'NDJSON_FIELD_MISSING';
const TYPE = 'NDJSON_FIELD_TYPE';
const RANGE = 'NDJSON_FIELD_RANGE';
const TIME = 'NDJSON_TIME';

function reading(f: Fields, origin: Origin, place: number): Reading | string {
  const at = timeOf(f.at);
  const asset = f.asset;
  const quantity = f.quantity;
  const value = f.value;
  const sigma = f.sigma ?? 0;
  const via = f.via ?? '';
  const seq = f.seq ?? -1;
  if (at < 0) return timeFault(f.at);
  const wrong = nameFault(asset, true) || nameFault(quantity, true) || nameFault(via, false);
  if (wrong !== '') return wrong;
  if (value === undefined || value === null) return MISSING;
  if (typeof value !== 'number' || typeof sigma !== 'number' || typeof seq !== 'number') return TYPE;
  // JSON can write 1e999, which reads as Infinity.
  if (!Number.isFinite(value) || !(sigma >= 0 && sigma < Number.POSITIVE_INFINITY)) return RANGE;
  if (!Number.isSafeInteger(seq) || seq < -1) return RANGE;
  return {
    kind: 'reading',
    at,
    asset: asset as string,
    quantity: quantity as string,
    value,
    sigma,
    via: via as string,
    seq,
    origin,
    place,
  };
}

function command(f: Fields, origin: Origin, place: number): Command | string {
  const at = timeOf(f.at);
  if (at < 0) return timeFault(f.at);
  const wrong =
    nameFault(f.id, true) ||
    nameFault(f.requester, true) ||
    nameFault(f.target, true) ||
    nameFault(f.action, true) ||
    nameFault(f.nonce ?? '', false) ||
    textFault(f.reason ?? '');
  if (wrong !== '') return wrong;
  const value = f.value ?? undefined;
  if (typeof value === 'string') {
    if (value.length > TEXT_MAX) return RANGE;
  } else if (typeof value === 'number') {
    if (!Number.isFinite(value)) return RANGE;
  } else if (value !== undefined) return TYPE;
  const deadline = f.deadline === undefined || f.deadline === null ? 0 : timeOf(f.deadline);
  if (deadline < 0) return TIME;
  return {
    kind: 'command',
    id: f.id as string,
    at,
    requester: f.requester as string,
    target: f.target as string,
    action: f.action as string,
    value,
    deadline,
    reason: (f.reason ?? '') as string,
    nonce: (f.nonce ?? '') as string,
    origin,
    place,
  };
}

function position(f: Fields, origin: Origin, place: number): Position | string {
  const at = timeOf(f.at);
  if (at < 0) return timeFault(f.at);
  const wrong = nameFault(f.asset, true) || nameFault(f.source ?? '', false);
  if (wrong !== '') return wrong;
  const { lat, lon } = f;
  const accuracyMeters = f.accuracyMeters ?? 0;
  if (lat === undefined || lat === null || lon === undefined || lon === null) return MISSING;
  if (typeof lat !== 'number' || typeof lon !== 'number' || typeof accuracyMeters !== 'number') return TYPE;
  if (!(lat >= -90 && lat <= 90 && lon >= -180 && lon <= 180)) return RANGE;
  if (!(accuracyMeters >= 0 && accuracyMeters < Number.POSITIVE_INFINITY)) return RANGE;
  return {
    kind: 'position',
    at,
    asset: f.asset as string,
    lat,
    lon,
    accuracyMeters,
    source: (f.source ?? '') as string,
    origin,
    place,
  };
}

/** Microseconds since the epoch, from ISO 8601 text or an integer; -1 where it is neither. */
function timeOf(value: unknown): number {
  if (typeof value === 'string') {
    const micros = parseIsoMicros(value);
    return micros >= 0 ? micros : -1;
  }
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : -1;
}

function timeFault(value: unknown): string {
  return value === undefined || value === null ? MISSING : TIME;
}

function nameFault(value: unknown, required: boolean): string {
  if (typeof value !== 'string') return value === undefined || value === null ? MISSING : TYPE;
  if (value.length > NAME_MAX) return RANGE;
  return required && value === '' ? MISSING : '';
}

function textFault(value: unknown): string {
  return typeof value !== 'string' ? TYPE : value.length > TEXT_MAX ? RANGE : '';
}
