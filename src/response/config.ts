// The `response` section of city.yaml as settings, with every wrong value named at once. The schema has checked shapes;
// what only meaning can tell is checked here.
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { resolve } from 'node:path';
import type { City } from '#city';
import { FaultError } from '#findings';
import { type NftFile, type NftSettings, nftSettings } from './nft/settings.ts';
import { canonicalName, labelsOf } from './wire/index.ts';

export type ConsumerKind = 'unbound' | 'bind' | 'powerdns' | 'knot';

/** The section as written. */
export interface ResponseFile {
  mode?: 'observe' | 'propose' | 'enforce';
  ttl?: string;
  never?: string[];
  rpz?: {
    zone?: string;
    listen?: string;
    ttlSeconds?: number;
    canaries?: boolean;
    sinkhole?: { a?: string; aaaa?: string };
    consumers?: ConsumerFile[];
  };
  nft?: NftFile;
}
export interface ConsumerFile {
  name: string;
  kind: ConsumerKind;
  address: string;
  notify?: string;
  ask?: string;
  from?: string;
  tsig?: { name: string; algorithm?: 'hmac-sha256'; secretFile: string };
  file?: string;
}

export interface Endpoint {
  readonly address: string;
  readonly port: number;
}
export interface Consumer {
  readonly name: string;
  readonly kind: ConsumerKind;
  /** From where it fetches the zone. */
  readonly address: string;
  readonly notify?: Endpoint;
  /** Where its answers are asked for. */
  readonly ask?: Endpoint;
  /** Our source address when asking: one on the side of the quarantined. */
  readonly from?: string;
  /** Never printed. */
  readonly tsig?: { readonly name: string; readonly secret: Buffer };
  /** Zone file for a consumer that reads files. */
  readonly file?: string;
}
export interface RpzSettings {
  readonly zone: string;
  readonly listen: Endpoint;
  readonly ttlSeconds: number;
  readonly canaries: boolean;
  readonly sinkhole?: { readonly a?: string; readonly aaaa?: string };
  readonly consumers: readonly Consumer[];
}
export interface ResponseSettings {
  readonly mode: 'observe' | 'propose' | 'enforce';
  readonly ttlMicros: number;
  readonly never: readonly string[];
  /** Absent: nothing is served, and nothing can be enforced by RPZ. */
  readonly rpz?: RpzSettings;
  /** Absent: there is no wall here. */
  readonly nft?: NftSettings;
}

const CONSUMERS_MAX = 64;
const unitMicros: Readonly<Record<string, number>> = { s: 1e6, m: 60e6, h: 3600e6, d: 86_400e6 };

/** @throws FaultError RESPONSE_CONFIG with every wrong value; a secret's content is never in its text */
export function responseSettings(city: City): ResponseSettings {
  const file = (city.file.response ?? {}) as ResponseFile;
  const wrong: string[] = [];
  const rpz = file.rpz === undefined ? undefined : rpzSettings(file.rpz, city.dir, wrong);
  const nft = file.nft === undefined ? undefined : nftSettings(file.nft, wrong);
  const ttl = /^(\d{1,9})([smhd])$/.exec(file.ttl ?? '4h');
  if (ttl === null) wrong.push(`response.ttl: ${file.ttl} is no duration such as 4h`);
  if (wrong.length > 0)
    throw new FaultError({
      kind: 'fault',
      code: 'RESPONSE_CONFIG',
      file: 'city.yaml',
      text: wrong.join('; '),
      remedy: 'Correct the section response of city.yaml; src/response/README.md shows one.',
      lost: 'Nothing can be refused until then.',
    });
  return {
    mode: file.mode ?? 'observe',
    ttlMicros: Number(ttl![1]) * unitMicros[ttl![2]!]!,
    never: file.never ?? [],
    ...(rpz === undefined ? {} : { rpz }),
    ...(nft === undefined ? {} : { nft }),
  };
}

function rpzSettings(file: NonNullable<ResponseFile['rpz']>, dir: string, wrong: string[]): RpzSettings {
  const zone = canonicalName(file.zone ?? 'parapet.rpz') ?? '';
  // 40 octets leave an owner 214, and the marker its labels.
  if (zone === '' || zone === '.' || zone.length > 40 || labelsOf(zone)[0]!.startsWith('rpz-'))
    wrong.push(`response.rpz.zone: ${file.zone} must be a name of at most 40 characters`);
  const listen = endpoint(file.listen ?? '127.0.0.1:5300');
  if (listen === undefined) wrong.push(`response.rpz.listen: ${file.listen} is not address:port`);
  const ttlSeconds = file.ttlSeconds ?? 10;
  if (!(Number.isInteger(ttlSeconds) && ttlSeconds >= 5 && ttlSeconds <= 30))
    wrong.push('response.rpz.ttlSeconds: 5 to 30, so that an undo is felt and resolvers are not flooded');
  for (const [key, version] of [
    ['a', 4],
    ['aaaa', 6],
  ] as const) {
    const value = file.sinkhole?.[key];
    if (value !== undefined && isIP(value) !== version)
      wrong.push(`response.rpz.sinkhole.${key}: ${value} is no IPv${version} address`);
  }
  const files = file.consumers ?? [];
  if (files.length > CONSUMERS_MAX) wrong.push(`response.rpz.consumers: at most ${CONSUMERS_MAX}`);
  const names = new Set<string>();
  const consumers = files.slice(0, CONSUMERS_MAX).map((c) => {
    if (names.has(c.name)) wrong.push(`response.rpz.consumers: ${c.name} is named twice`);
    names.add(c.name);
    return consumer(c, dir, wrong);
  });
  return {
    zone,
    listen: listen ?? { address: '127.0.0.1', port: 0 },
    ttlSeconds,
    canaries: file.canaries ?? true,
    ...(file.sinkhole === undefined ? {} : { sinkhole: file.sinkhole }),
    consumers,
  };
}

function consumer(c: ConsumerFile, dir: string, wrong: string[]): Consumer {
  const place = `response.rpz.consumers.${c.name}`;
  const at = (text: string | undefined, key: string): Endpoint | undefined => {
    const read = text === undefined ? undefined : endpoint(text);
    if (text !== undefined && read === undefined) wrong.push(`${place}.${key}: ${text} is not address:port`);
    return read;
  };
  if (isIP(c.address) === 0) wrong.push(`${place}.address: ${c.address} is no address`);
  if (c.from !== undefined && isIP(c.from) === 0) wrong.push(`${place}.from: ${c.from} is no address`);
  if (c.kind === 'knot' && c.file === undefined) wrong.push(`${place}.file: Knot Resolver reads a file; name one`);
  // Unbound can't sign (NLnetLabs/unbound#336): a key would shut it out.
  if (c.kind === 'unbound' && c.tsig !== undefined)
    wrong.push(`${place}.tsig: Unbound has no TSIG; leave it out, its address is what counts`);
  const notify = at(c.notify, 'notify');
  const ask = at(c.ask, 'ask');
  const tsig = c.tsig === undefined ? undefined : key(c.tsig, dir, place, wrong);
  return {
    name: c.name,
    kind: c.kind,
    address: c.address,
    ...(notify === undefined ? {} : { notify }),
    ...(ask === undefined ? {} : { ask }),
    ...(c.from === undefined ? {} : { from: c.from }),
    ...(tsig === undefined ? {} : { tsig }),
    ...(c.file === undefined ? {} : { file: resolve(dir, c.file) }),
  };
}

/** A secret as base64 alone in a file, or as BIND's key file (`secret "...";`). */
function key(tsig: NonNullable<ConsumerFile['tsig']>, dir: string, place: string, wrong: string[]): Consumer['tsig'] {
  const name = canonicalName(tsig.name);
  if (name === undefined || name === '.') wrong.push(`${place}.tsig.name: ${tsig.name} is no domain name`);
  try {
    const text = readFileSync(resolve(dir, tsig.secretFile), 'utf8');
    const base64 = (/secret\s+"([^"]*)"/.exec(text)?.[1] ?? text).replace(/\s+/g, '');
    const secret = Buffer.from(base64, 'base64');
    // Shorter than half of the hash is weak (RFC 2104, 3).
    if (/^[A-Za-z0-9+/]+=*$/.test(base64) && secret.length >= 16) return { name: name ?? '', secret };
    wrong.push(`${place}.tsig.secretFile: ${tsig.secretFile} must hold a base64 secret of 16 octets or more`);
  } catch (error) {
    wrong.push(`${place}.tsig.secretFile: ${tsig.secretFile} can't be read (${(error as NodeJS.ErrnoException).code})`);
  }
  return undefined;
}

/** `10.0.0.53:53`, `[2001:db8::53]:53`. */
export function endpoint(text: string): Endpoint | undefined {
  const match = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text);
  const address = match?.[1] ?? match?.[2] ?? '';
  const port = Number(match?.[3]);
  return isIP(address) === 0 || port > 65_535 ? undefined : { address, port };
}
export const endpointText = (e: Endpoint): string =>
  e.address.includes(':') ? `[${e.address}]:${e.port}` : `${e.address}:${e.port}`;
