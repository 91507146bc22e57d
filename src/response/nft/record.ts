// Records of this enforcer, as findings carry them: `add element inet parapet quarantine { 10.20.0.9 timeout 4h }`. They are
// read strictly into elements; nothing of a record's text reaches nft. How long an element stays is the action's `until`, not
// the time in the record.
import { isIP } from 'node:net';
import { formatAddress, parseAddress } from '#lib/address';

/** quarantine: a device, in both directions. blocked: a place outside, for all. denied: from one address to one other. */
export type SetName = 'quarantine' | 'blocked' | 'denied';
export interface Element {
  readonly set: SetName;
  readonly version: 4 | 6;
  /** One address; two for `denied`. In their one spelling. */
  readonly addresses: readonly string[];
}

const pattern =
  /^add element inet [A-Za-z_][A-Za-z0-9_]{0,31} (quarantine|blocked|denied)6? \{ ([0-9A-Fa-f.:]{2,45})(?: \. ([0-9A-Fa-f.:]{2,45}))?(?: timeout [0-9smhdw]{1,20})? \}$/;

/** @returns the element, or why it is none */
export function readRecord(record: string): Element | string {
  const match = pattern.exec(record.trim());
  if (match === null) return `${record.slice(0, 120)} is no record of the wall`;
  const set = match[1] as SetName;
  const addresses = [match[2]!, ...(match[3] === undefined ? [] : [match[3]])].map(plainAddress);
  if (addresses.some((a) => a === undefined)) return `${record.slice(0, 120)} names no address`;
  if (addresses.length !== (set === 'denied' ? 2 : 1))
    return `${set} takes ${set === 'denied' ? 'two addresses' : 'one address'}`;
  const versions = new Set(addresses.map((a) => isIP(a!)));
  if (versions.size !== 1) return `${record.slice(0, 120)} mixes IPv4 and IPv6`;
  return { set, version: versions.has(4) ? 4 : 6, addresses: addresses as string[] };
}

export function readRecords(records: readonly string[]): Element[] | string {
  const out: Element[] = [];
  for (const record of records) {
    const element = readRecord(record);
    if (typeof element === 'string') return element;
    out.push(element);
  }
  return out;
}

export const elementRecord = (table: string, e: Element): string =>
  `add element inet ${table} ${setOf(e)} { ${e.addresses.join(' . ')} }`;
export const setOf = (e: Pick<Element, 'set' | 'version'>): string => (e.version === 4 ? e.set : `${e.set}6`);
export const elementKey = (e: Element): string => `${setOf(e)} ${e.addresses.join(' . ')}`;

/** The one spelling of an address, IPv4-mapped ones as IPv4; undefined where the text is none. */
export function plainAddress(text: string): string | undefined {
  const words = new Uint32Array(4);
  return isIP(text) !== 0 && parseAddress(text, words, 0) ? formatAddress(words, 0) : undefined;
}
