// The list of public encrypted resolvers (resolvers.json) as look-ups. It only helps: most signs do without.
import { addressHash, parseAddress } from '#lib/address';
import { hashLowerCased, textToWire } from '#lib/wirename';
import list from './resolvers.json' with { type: 'json' };

const bySuffix = new Map<string, string>();
for (const [operator, names] of Object.entries(list.names)) for (const name of names) bySuffix.set(name, operator);

const words = new Uint32Array(4);
const byAddress = new Map<number, string>();
for (const [operator, addresses] of Object.entries(list.addresses))
  for (const text of addresses) if (parseAddress(text, words, 0)) byAddress.set(addressHash(words, 0), operator);

/** Names that are asked on the way to encrypted DNS, by hash of the wire name: what is asked for, in words. */
const hints = new Map<number, string>();
const wire = new Uint8Array(256);
const hashOf = (name: string): number => hashLowerCased(wire, 0, textToWire(name, wire, 0));
// Firefox and Apple ask these to learn whether the network wants its own resolver used; DDR is RFC 9462.
for (const name of ['use-application-dns.net', 'mask.icloud.com', 'mask-h2.icloud.com'])
  hints.set(hashOf(name), 'canary');
hints.set(hashOf('_dns.resolver.arpa'), 'DDR');
for (const name of bySuffix.keys()) if (!hints.has(hashOf(name))) hints.set(hashOf(name), 'look-up of a resolver');

/** One bit per hint, so that a row that is none costs one read. */
const bits = new Uint32Array(512);
for (const hash of hints.keys()) bits[(hash >>> 5) & 511]! |= 1 << (hash & 31);

/** What the name with this hash is asked for; undefined for nearly all. */
export function hintOf(nameHash: number): string | undefined {
  if (((bits[(nameHash >>> 5) & 511]! >>> (nameHash & 31)) & 1) === 0) return undefined;
  return hints.get(nameHash);
}

/** The operator of a public resolver at this address (addressHash); undefined where none is known. */
export function operatorAt(hash: number): string | undefined {
  return byAddress.get(hash);
}

/** The operator of the listed name or of its nearest listed parent; lower case. */
export function operatorOf(name: string): string | undefined {
  for (let at = 0; at >= 0; at = name.indexOf('.', at + 1)) {
    const found = bySuffix.get(at === 0 ? name : name.slice(at + 1));
    if (found !== undefined) return found;
  }
  return undefined;
}
