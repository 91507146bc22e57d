// What comes in as a message and means something: commands and readings, by the contract's "NDJSON in". A command is
// not a message: it has an exact target, a digest that approvals are bound to, and a nonce that makes it once only.
import { createHash } from 'node:crypto';
import type { Command, Origin, Reading } from '#events';
import { parseIsoMicros } from '#lib/time';
import { parseStrict } from './json.ts';

export const origin: Origin = { file: 'gateway', placed: 'line' };
/** Readings in one message. */
const READINGS_MAX = 1024;
const idText = /^[A-Za-z0-9._-]{1,64}$/;
const targetText = /^[a-z]+(\/[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}){1,6}$/;
const actionText = /^[a-z][a-z-]{0,31}$/;
const commandFields = new Set([
  'kind',
  'id',
  'at',
  'requester',
  'target',
  'action',
  'value',
  'deadline',
  'reason',
  'nonce',
]);

/** @returns the command, or a sentence saying what is wrong with the payload */
export function parseCommand(payload: Uint8Array): Command | { fault: string } {
  if (payload.length > 8192) return { fault: 'the command is longer than 8192 octets' };
  const read = parseStrict(payload);
  if ('fault' in read) return read;
  const r = asRecord(read.value);
  if (r === undefined) return { fault: 'the command is not an object' };
  for (const name of r.keys())
    if (!commandFields.has(name)) return { fault: `a command has no field "${name.slice(0, 32)}"` };
  if (r.has('kind') && r.get('kind') !== 'command') return { fault: 'the kind is not command' };
  const text = (name: string): string => (typeof r.get(name) === 'string' ? (r.get(name) as string) : '');
  const id = text('id');
  if (!idText.test(id)) return { fault: 'id must be 1 to 64 letters, digits, dots, dashes or underscores' };
  const at = time(r.get('at'));
  if (Number.isNaN(at)) return { fault: 'at is no time' };
  const deadline = r.has('deadline') ? time(r.get('deadline')) : 0;
  if (Number.isNaN(deadline)) return { fault: 'deadline is no time' };
  const requester = text('requester');
  if (requester === '' || requester.length > 2048) return { fault: 'requester is missing' };
  const target = text('target');
  if (!targetText.test(target)) return { fault: 'target must look like power/branch/9' };
  const action = text('action');
  if (!actionText.test(action)) return { fault: 'action must be a word' };
  const nonce = text('nonce');
  if (!/^[\x21-\x7e]{8,128}$/.test(nonce)) return { fault: 'nonce must be 8 to 128 printable characters' };
  const value = r.get('value');
  if (value !== undefined && typeof value !== 'string' && !(typeof value === 'number' && Number.isFinite(value)))
    return { fault: 'value must be a number or text' };
  if (typeof value === 'string' && value.length > 256) return { fault: 'value is longer than 256 characters' };
  if (r.has('reason') && typeof r.get('reason') !== 'string') return { fault: 'reason must be text' };
  const reason = text('reason').slice(0, 1024);
  return { kind: 'command', id, at, requester, target, action, value, deadline, reason, nonce, origin, place: 0 };
}

/** SHA-256 over every field that says what would happen, in a form that can't be read in two ways. */
export function digestOf(c: Command): string {
  const fields = [c.id, c.at, c.requester, c.target, c.action, c.value ?? null, c.deadline, c.nonce];
  return createHash('sha256').update(JSON.stringify(fields)).digest('hex');
}

/** The contract's JSON of a command, for the wire and the audit: what is sent on is built anew. */
export function commandJson(c: Command): Record<string, unknown> {
  return {
    kind: 'command',
    id: c.id,
    at: c.at,
    requester: c.requester,
    target: c.target,
    action: c.action,
    ...(c.value === undefined ? {} : { value: c.value }),
    ...(c.deadline === 0 ? {} : { deadline: c.deadline }),
    ...(c.reason === '' ? {} : { reason: c.reason }),
    nonce: c.nonce,
  };
}

/**
 * Readings in a telemetry payload; empty where it holds none.
 * @param asset who sent it by certificate: a reading in another's name is dropped and counted by the caller
 */
export function parseReadings(payload: Uint8Array): Reading[] | { fault: string } {
  const read = parseStrict(payload);
  if ('fault' in read) return read;
  const list = Array.isArray(read.value) ? read.value : [read.value];
  if (list.length > READINGS_MAX) return { fault: `more than ${READINGS_MAX} readings in one message` };
  const out: Reading[] = [];
  for (const item of list) {
    const r = asRecord(item);
    if (r === undefined || (r.has('kind') && r.get('kind') !== 'reading')) return { fault: 'an item is no reading' };
    const at = time(r.get('at'));
    const [asset, quantity, value, sigma, via, seq] = ['asset', 'quantity', 'value', 'sigma', 'via', 'seq'].map((n) =>
      r.get(n),
    );
    if (Number.isNaN(at) || typeof asset !== 'string' || typeof quantity !== 'string')
      return { fault: 'a reading lacks its time, asset or quantity' };
    if (asset.length > 128 || quantity.length > 256) return { fault: 'a name in a reading is too long' };
    if (typeof value !== 'number' || !Number.isFinite(value)) return { fault: 'a value is no finite number' };
    out.push({
      kind: 'reading',
      at,
      asset,
      quantity,
      value,
      sigma: typeof sigma === 'number' && Number.isFinite(sigma) && sigma >= 0 ? sigma : 0,
      via: typeof via === 'string' ? via.slice(0, 128) : '',
      seq: typeof seq === 'number' && Number.isSafeInteger(seq) ? seq : -1,
      origin,
      place: 0,
    });
  }
  return out;
}

/** Untrusted keys go into a Map, never into `{}`. */
function asRecord(value: unknown): Map<string, unknown> | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  return new Map(Object.entries(value));
}

function time(value: unknown): number {
  if (typeof value === 'number') return Number.isSafeInteger(value) && value >= 0 ? value : Number.NaN;
  return typeof value === 'string' ? parseIsoMicros(value) : Number.NaN;
}
