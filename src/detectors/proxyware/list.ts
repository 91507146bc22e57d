// The list of names, built in or brought by the operator as a signed file, and the form it must have.
import { createPublicKey, type KeyObject, verify } from 'node:crypto';
import { registeredName } from '#lib/suffix';
import builtIn from './list.json' with { type: 'json' };

export const roles = ['control', 'gateway', 'register', 'update', 'test', 'site', 'customer'] as const;
export type Role = (typeof roles)[number];
export const confidences = ['high', 'medium', 'low'] as const;
export type ListConfidence = (typeof confidences)[number];

export interface Entry {
  readonly name: string;
  readonly service: string;
  readonly role: Role;
  readonly confidence: ListConfidence;
  /** Only flows to this port; an entry with a port goes before one without. */
  readonly port?: number;
  readonly provenance: string;
}
export interface NameList {
  readonly version: number;
  /** YYYY-MM-DD. */
  readonly date: string;
  readonly entries: readonly Entry[];
}

export const builtInList = builtIn as unknown as NameList;

/** Octets of a signed file, names in it: what is larger is refused unread. */
export const FILE_BYTES_MAX = 4 << 20;
export const ENTRIES_MAX = 10_000;

export type Read = { readonly list: NameList } | { readonly refused: string };
const refuse = (refused: string): Read => ({ refused });

/**
 * A signed list: `{"payload": base64 of the list's JSON, "signature": base64}`, Ed25519 (RFC 8032) over the payload's octets as
 * they are, so that nothing depends on how JSON is written.
 * @param keyText the public key: PEM (SubjectPublicKeyInfo, RFC 8410), or its 32 octets in base64
 */
export function readSignedList(fileText: string, keyText: string): Read {
  if (fileText.length > FILE_BYTES_MAX) return refuse(`it is larger than ${FILE_BYTES_MAX} octets`);
  const key = publicKey(keyText);
  if (key === undefined) return refuse('the key is no Ed25519 public key (PEM, or 32 octets in base64)');
  const file = parsed(fileText);
  if (file === undefined) return refuse('it is no JSON object');
  const { payload, signature } = file;
  if (typeof payload !== 'string' || typeof signature !== 'string')
    return refuse('it has no `payload` and `signature` in base64');
  const octets = Buffer.from(payload, 'base64');
  const mark = Buffer.from(signature, 'base64');
  if (mark.length !== 64 || !verify(null, octets, key, mark))
    return refuse('the signature is not that of the key over the payload');
  const list = parsed(octets.toString('utf8'));
  return list === undefined ? refuse('the payload is no JSON object') : checkList(list);
}

/** Whether an object is a list this detector can use, at least as new as the built-in one. */
export function checkList(list: Record<string, unknown>): Read {
  const { version, date, entries } = list;
  if (typeof version !== 'number' || !Number.isSafeInteger(version) || version < 1)
    return refuse('`version` is no positive integer');
  if (typeof date !== 'string' || !isDate(date)) return refuse('`date` is no date like 2026-11-26');
  if (date < builtInList.date)
    return refuse(`it is of ${date}, older than the built-in list of ${builtInList.date}: an old list may be replayed`);
  if (!Array.isArray(entries) || entries.length === 0) return refuse('`entries` is no list, or empty');
  if (entries.length > ENTRIES_MAX) return refuse(`it has ${entries.length} entries, more than ${ENTRIES_MAX}`);
  const out: Entry[] = [];
  for (const [i, raw] of entries.entries()) {
    const fault = faultOf(raw);
    if (fault !== '') return refuse(`entry ${i + 1}: ${fault}`);
    const e = raw as Entry;
    out.push({
      name: e.name.toLowerCase(),
      service: e.service.slice(0, 64),
      role: e.role,
      confidence: e.confidence,
      provenance: String(e.provenance).slice(0, 256),
      ...(e.port === undefined ? {} : { port: e.port }),
    });
  }
  return { list: { version, date, entries: out } };
}

function faultOf(raw: unknown): string {
  if (typeof raw !== 'object' || raw === null) return 'no object';
  const e = raw as Partial<Record<keyof Entry, unknown>>;
  if (typeof e.name !== 'string' || !isHostName(e.name)) return '`name` is no host name of two labels or more';
  // A whole top-level or public suffix would name everybody below it.
  const below = `x.${e.name.toLowerCase()}`;
  if (registeredName(below) === below) return '`name` is a public suffix';
  if (typeof e.service !== 'string' || e.service === '') return '`service` is missing';
  if (!roles.includes(e.role as Role)) return `\`role\` is none of ${roles.join(', ')}`;
  if (!confidences.includes(e.confidence as ListConfidence))
    return `\`confidence\` is none of ${confidences.join(', ')}`;
  if (typeof e.provenance !== 'string' || e.provenance === '')
    return '`provenance` is missing: say where the name is from';
  if (e.port !== undefined && !(Number.isInteger(e.port) && (e.port as number) > 0 && (e.port as number) < 65_536))
    return '`port` is no port';
  return '';
}

/** Letters, digits, hyphens (RFC 1123 2.1), two labels or more; no address. */
function isHostName(name: string): boolean {
  if (name.length > 253) return false;
  const labels = name.split('.');
  return (
    labels.length >= 2 &&
    labels.every((l) => /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/i.test(l)) &&
    !/^[0-9]+$/.test(labels.at(-1)!)
  );
}
function isDate(text: string): boolean {
  const time = /^\d{4}-\d{2}-\d{2}$/.test(text) ? Date.parse(`${text}T00:00:00Z`) : Number.NaN;
  return !Number.isNaN(time) && new Date(time).toISOString().startsWith(text);
}
function parsed(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}
function publicKey(text: string): KeyObject | undefined {
  try {
    const raw = /^[A-Za-z0-9+/]{43}=?$/.test(text.trim()) ? Buffer.from(text.trim(), 'base64') : undefined;
    const key =
      raw === undefined
        ? createPublicKey(text)
        : createPublicKey({ key: Buffer.concat([SPKI, raw]), format: 'der', type: 'spki' });
    return key.asymmetricKeyType === 'ed25519' ? key : undefined;
  } catch {
    return undefined;
  }
}
/** SubjectPublicKeyInfo of id-Ed25519 up to the key's 32 octets (RFC 8410 4). */
const SPKI = Buffer.from('302a300506032b6570032100', 'hex');
