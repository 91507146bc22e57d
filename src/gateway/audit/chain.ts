// The audit's form: one JSON object a line, each with the hash of its predecessor and its own.
//   {"seq":7,"at":"...","type":"verdict","body":{...},"prev":"<hex>","hash":"<hex>"}
// hash = SHA-256(0x00 || prev || line up to `,"hash":`), the leaf prefix of RFC 6962 section 2.1 so that no entry can pass
// for an inner node of a tree built over these leaves later. The hash covers bytes, not values: no canonical form is needed.
import { createHash } from 'node:crypto';
import { isoTime } from '#findings';
import { parseIsoMicros } from '#lib/time';

export const genesis = '0'.repeat(64);
/** Octets of a line. Commands are at most 8 KiB; verdicts add words. */
export const LINE_BYTES_MAX = 65_536;

export interface AuditEntry {
  readonly seq: number;
  readonly at: number;
  readonly type: string;
  readonly body: unknown;
}

const tail = /,"hash":"([0-9a-f]{64})"\}$/;
const prefix = Buffer.from([0]);

export function leafHash(prev: string, head: Uint8Array | string): string {
  return createHash('sha256').update(prefix).update(Buffer.from(prev, 'hex')).update(head).digest('hex');
}

/** @throws RangeError where the entry is longer than a line may be */
export function entryLine(entry: AuditEntry, prev: string): { line: string; hash: string } {
  const whole = JSON.stringify({
    seq: entry.seq,
    at: isoTime(entry.at),
    type: entry.type,
    body: entry.body ?? null,
    prev,
  });
  const head = whole.slice(0, -1);
  const hash = leafHash(prev, head);
  const line = `${head},"hash":"${hash}"}\n`;
  if (Buffer.byteLength(line) > LINE_BYTES_MAX)
    throw new RangeError(`an audit entry longer than ${LINE_BYTES_MAX} octets`);
  return { line, hash };
}

/** @returns the entry and its hash, or what is wrong with the line */
export function readLine(
  line: Buffer,
  seq: number,
  prev: string,
): { entry: AuditEntry; hash: string } | { fault: string } {
  const text = line.toString('utf8');
  const match = tail.exec(text);
  if (match === null) return { fault: 'the line is not a whole entry' };
  const head = line.subarray(0, line.length - match[0].length);
  const hash = match[1]!;
  let value: Record<string, unknown>;
  try {
    value = JSON.parse(`${head.toString('utf8')}}`) as Record<string, unknown>;
  } catch {
    return { fault: 'the line is not JSON' };
  }
  if (value.seq !== seq) return { fault: `the entry is number ${String(value.seq)} where ${seq} must stand` };
  if (value.prev !== prev) return { fault: 'the entry does not follow its predecessor' };
  if (leafHash(prev, head) !== hash) return { fault: 'the entry was changed: its hash is another' };
  return {
    entry: { seq, at: parseIsoMicros(String(value.at)), type: String(value.type), body: value.body },
    hash,
  };
}
