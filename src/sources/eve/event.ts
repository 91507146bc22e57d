// One line of EVE JSON behind checked questions, and what a mapping of one event type adds to the shared reader.
import { parseIsoMicros } from '#lib/time';
import type { Ready } from '../lines/index.ts';

export type Fields = Readonly<Record<string, unknown>>;

export interface EveEvent {
  /** Event time, microseconds. */
  readonly at: number;
  readonly line: number;
  readonly fields: Fields;
  /** Whether the line has no octet above 0x7f; characters above it then come from \u escapes. */
  readonly isAscii: boolean;
}

export interface EveKind {
  /** `event_type` of the events it reads. */
  readonly eventType: string;
  create(): EveMapping;
}

export interface EveMapping {
  /**
   * Reads an event; rows that are whole go to `out`.
   * @returns '' or the code of a fault
   */
  read(event: EveEvent, out: Ready[]): string;
  /** Another type of event, or the end, follows: rows still held go to `out`. */
  flush(out: Ready[]): void;
}

export function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Suricata writes the zone as +0000, without the colon of RFC 3339. @returns microseconds, or NaN */
export function eveTime(value: unknown): number {
  if (typeof value !== 'string') return Number.NaN;
  const sign = value.charCodeAt(value.length - 5);
  const isBare = sign === 0x2b || sign === 0x2d;
  return parseIsoMicros(isBare ? `${value.slice(0, -2)}:${value.slice(-2)}` : value);
}

export function textOf(value: unknown): string {
  return typeof value === 'string' ? value : typeof value === 'number' ? String(value) : '';
}

/** A whole number within [0, max]; 0 where the value is none. */
export function countOf(value: unknown, max: number): number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= max ? value : 0;
}

/** A name, one character an octet: UTF-8 where characters came from \u escapes, else the octets as they stood in the line. */
export function octetsOf(text: string, isAscii: boolean): string {
  return isAscii && /[^\x00-\x7f]/.test(text) ? Buffer.from(text, 'utf8').toString('latin1') : text;
}
