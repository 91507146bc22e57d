// What must never be refused by us, and why: names the city lives by, what shelters them, suffixes under which strangers
// live, addresses that may not be cut off. A wrong rule here is an outage of our own making.
import { isIP } from 'node:net';
import { formatAddress, parseAddress } from '#lib/address';
import { suffixKind } from '#lib/suffix';
import { canonicalName, isBelow, labelsOf, nameToWire } from '../wire/index.ts';
import { CLIENT_TRIGGER, clientOf, ownerFits, type Rule } from './rule.ts';

export interface GuardSettings {
  readonly zone: string;
  /** Names and, with each, the reason's words: `dns.protected`, `dns.allow`, `response.never`. */
  readonly names: readonly { readonly name: string; readonly from: string }[];
  /** Addresses that are never quarantined: resolvers, consumers, addresses in response.never. */
  readonly addresses: readonly { readonly address: string; readonly from: string }[];
  readonly isOurs: (address: string) => boolean;
}

export class Guard {
  readonly #zone: string;
  readonly #names: { name: string; from: string }[] = [];
  readonly #addresses = new Map<string, string>();
  readonly #isOurs: (address: string) => boolean;

  constructor(settings: GuardSettings) {
    this.#zone = settings.zone;
    this.#isOurs = settings.isOurs;
    for (const { name, from } of settings.names) {
      const canonical = canonicalName(name.replace(/^\*\./, ''));
      if (canonical !== undefined && canonical !== '.') this.#names.push({ name: canonical, from });
    }
    for (const { address, from } of settings.addresses) {
      const plain = plainAddress(address);
      if (plain !== undefined) this.#addresses.set(plain, from);
    }
  }

  /** @returns why the rule may not be published, or undefined */
  refusal(rule: Rule): string | undefined {
    const top = labelsOf(rule.owner).at(-1)!;
    if (!ownerFits(rule.owner, this.#zone))
      return `${rule.owner.slice(0, 80)}... with ${this.#zone} is longer than a domain name may be (255 octets): block a shorter name above it`;
    // Unbound 1.17 does not honour it (NLnetLabs/unbound#1029): whoever relied on it would be shut out there.
    if (top === CLIENT_TRIGGER && rule.outcome.kind === 'passthru')
      return `${rule.owner}: passthru for a client is not read alike by resolvers`;
    if (top === CLIENT_TRIGGER) return this.#clientRefusal(rule.owner);
    // draft-vixie-dnsop-dns-rpz-00, 4: such an owner is no name but another trigger.
    if (top.startsWith('rpz-')) return `${rule.owner} would be read as a trigger, not as a name`;
    if (rule.outcome.kind === 'passthru') return undefined;
    return this.#nameRefusal(rule.owner.startsWith('*.') ? rule.owner.slice(2) : rule.owner);
  }

  #nameRefusal(name: string): string | undefined {
    if (name.includes('*')) return `${name} has a * that is not its first label`;
    const wire = nameToWire(name)!;
    const kind = suffixKind(wire, 0, wire.length);
    if (labelsOf(name).length < 2 || kind === 1) return `${name} is a public suffix: all names below it would go`;
    if (kind === 2) return `${name} is shared by strangers: block the one name below it`;
    for (const p of this.#names) {
      if (name === p.name || isBelow(name, p.name)) return `${name} is protected by ${p.from} (${p.name})`;
      // Also for an exact rule: NXDOMAIN for a name says that nothing is below it (RFC 8020).
      if (isBelow(p.name, name)) return `${name} shelters ${p.name}, which ${p.from} protects`;
    }
    return undefined;
  }

  #clientRefusal(owner: string): string | undefined {
    const address = clientOf(owner);
    if (address === undefined) return `${owner} is not the trigger of one client address`;
    const from = this.#addresses.get(address);
    if (from !== undefined) return `${address} is never quarantined (${from})`;
    return this.#isOurs(address) ? undefined : `${address} is not an address of the city`;
  }
}

/** The one spelling of an address, IPv4-mapped ones as IPv4; undefined where the text is none. */
export function plainAddress(text: string): string | undefined {
  const words = new Uint32Array(4);
  return isIP(text) !== 0 && parseAddress(text, words, 0) ? formatAddress(words, 0) : undefined;
}
