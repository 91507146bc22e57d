// One rule of a response policy zone (draft-vixie-dnsop-dns-rpz-00, sections 3 to 5): an owner below the zone says when,
// its records say what. Only what all four resolvers know is made here; a CNAME sink is known to three.
import { isIP } from 'node:net';
import { formatAddress, parseAddress } from '#lib/address';
import { canonicalName, nameToWire } from '../wire/index.ts';

export type Outcome =
  | { readonly kind: 'nxdomain' }
  | { readonly kind: 'nodata' }
  | { readonly kind: 'passthru' }
  /** Local data: the sink that a refused name leads to. */
  | { readonly kind: 'sink'; readonly records: readonly SinkRecord[] };
export interface SinkRecord {
  readonly type: 'A' | 'AAAA' | 'CNAME';
  readonly value: string;
}
export interface Rule {
  /** Canonical, relative to the zone: `evil.example`, `*.evil.example`, `32.9.2.20.10.rpz-client-ip`. */
  readonly owner: string;
  readonly outcome: Outcome;
}

export const CLIENT_TRIGGER = 'rpz-client-ip';

/** The zone-file lines of a rule without owner: `CNAME .`, `A 10.0.0.9`. */
export function outcomeLines(outcome: Outcome): string[] {
  if (outcome.kind === 'nxdomain') return ['CNAME .'];
  if (outcome.kind === 'nodata') return ['CNAME *.'];
  if (outcome.kind === 'passthru') return ['CNAME rpz-passthru.'];
  return outcome.records.map((r) => `${r.type} ${r.value}${r.type === 'CNAME' ? '.' : ''}`).sort();
}
export const sameOutcome = (a: Outcome, b: Outcome): boolean =>
  outcomeLines(a).join('\n') === outcomeLines(b).join('\n');

/** `32.9.2.20.10.rpz-client-ip` for 10.20.2.9, `128.9.zz.db8.2001.rpz-client-ip` for 2001:db8::9 (draft, 4.1.1). */
export function clientOwner(address: string): string | undefined {
  const words = new Uint32Array(4);
  if (!parseAddress(address, words, 0)) return undefined;
  const text = formatAddress(words, 0);
  if (!text.includes(':')) return `32.${text.split('.').reverse().join('.')}.${CLIENT_TRIGGER}`;
  // RFC 5952's `::` is written `zz`. At either end it leaves an empty part, which falls away.
  const parts = text.split('::');
  const groups = (part: string): string[] => (part === '' ? [] : part.split(':'));
  const all = parts.length === 1 ? groups(text) : [...groups(parts[0]!), 'zz', ...groups(parts[1]!)];
  return `128.${all.reverse().join('.')}.${CLIENT_TRIGGER}`;
}

/** The address of a client trigger for one host; undefined for all else. */
export function clientOf(owner: string): string | undefined {
  const labels = owner.split('.');
  if (labels.at(-1) !== CLIENT_TRIGGER) return undefined;
  const parts = labels.slice(1, -1).reverse();
  let text: string;
  if (labels[0] === '32') text = parts.join('.');
  else {
    const gap = parts.indexOf('zz');
    text = gap < 0 ? parts.join(':') : `${parts.slice(0, gap).join(':')}::${parts.slice(gap + 1).join(':')}`;
  }
  return isIP(text) !== 0 && clientOwner(text) === owner ? text : undefined;
}

const recordForm = /^(\S+)\s+(?:(?:\d+\s+)?(?:IN\s+)?)(CNAME|A|AAAA)\s+(\S+)$/i;

/**
 * Reads `owner [ttl] [IN] TYPE value` as findings carry it; the owner may or may not end in the zone's name.
 * @returns the rules, records of one owner joined, or what is wrong in one sentence
 */
export function readRules(records: readonly string[], zone: string): Rule[] | string {
  const rules = new Map<string, Outcome>();
  for (const text of records) {
    const match = recordForm.exec(text.trim());
    if (match === null) return `not a record of a policy zone: ${text.slice(0, 200)}`;
    let owner = canonicalName(match[1]!);
    if (owner === undefined || owner === '.') return `its owner is no domain name: ${text.slice(0, 200)}`;
    if (owner.endsWith(`.${zone}`)) owner = owner.slice(0, -zone.length - 1);
    const outcome = readOutcome(match[2]!.toUpperCase(), match[3]!);
    if (typeof outcome === 'string') return outcome;
    const known = rules.get(owner);
    if (known === undefined) rules.set(owner, outcome);
    else if (known.kind === 'sink' && outcome.kind === 'sink' && mayStandTogether(known, outcome))
      rules.set(owner, { kind: 'sink', records: [...known.records, ...outcome.records] });
    else if (!sameOutcome(known, outcome)) return `two policies for ${owner}: one owner has one action`;
  }
  return [...rules].map(([owner, outcome]) => ({ owner, outcome }));
}

type Sink = Extract<Outcome, { kind: 'sink' }>;
/** A CNAME stands alone (RFC 1034, 3.6.2). */
function mayStandTogether(a: Sink, b: Sink): boolean {
  return [...a.records, ...b.records].every((r) => r.type !== 'CNAME');
}

function readOutcome(type: string, value: string): Outcome | string {
  if (type !== 'CNAME') {
    const words = new Uint32Array(4);
    const version = type === 'A' ? 4 : 6;
    if (isIP(value) !== version || !parseAddress(value, words, 0))
      return `not an address of type ${type}: ${value.slice(0, 100)}`;
    // ::ffff:a.b.c.d would be formatted as IPv4: no sink is that.
    const address = formatAddress(words, 0);
    if (isIP(address) !== version) return `an IPv4 address in an AAAA record: ${value}`;
    return { kind: 'sink', records: [{ type: type as 'A' | 'AAAA', value: address }] };
  }
  if (value === '.') return { kind: 'nxdomain' };
  if (value === '*.' || value === '*') return { kind: 'nodata' };
  const target = canonicalName(value);
  if (target === undefined) return `not a domain name: ${value.slice(0, 100)}`;
  if (target === 'rpz-passthru') return { kind: 'passthru' };
  // The draft reserves the top label rpz-*; `*.garden.` would echo the queried name, and with it the data, to a name server.
  if (/^(?:.*\.)?rpz-[^.]*$/.test(target) || target.startsWith('*.'))
    return `not an action Parapet publishes: CNAME ${target}.`;
  return { kind: 'sink', records: [{ type: 'CNAME', value: target }] };
}

/** Octets of the owner in wire form with the zone's name below it; more than 255 can't be published. */
export function ownerFits(owner: string, zone: string): boolean {
  return nameToWire(`${owner}.${zone}`) !== undefined;
}
