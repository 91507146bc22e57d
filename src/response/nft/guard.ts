// Whom the wall must never shut out, and why: a wrong element here is an outage of our own making.
import type { City } from '#city';
import { formatAddress, parseAddress } from '#lib/address';
import { type Element, plainAddress } from './record.ts';

export interface GuardOptions {
  readonly city: City;
  readonly never: readonly string[];
  readonly remediation: readonly { readonly address: string }[];
  /** Addresses of this machine: shutting ourselves out would shut out the undo. */
  readonly own: readonly string[];
}

export class NftGuard {
  readonly #city: City;
  readonly #kept = new Map<string, string>();

  constructor(options: GuardOptions) {
    this.#city = options.city;
    const keep = (text: string, from: string): void => {
      const address = plainAddress(text);
      if (address !== undefined && !this.#kept.has(address)) this.#kept.set(address, from);
    };
    for (const n of options.never) keep(options.city.assetById(n)?.ip ?? n, 'response.never');
    for (const r of options.city.dns.resolvers) keep(r, 'dns.resolvers');
    for (const r of options.remediation) keep(r.address, 'response.nft.remediation');
    for (const o of options.own) keep(o, 'this machine');
  }

  /** @returns why the element may not be put in, or undefined */
  refusal(e: Element): string | undefined {
    for (const address of e.addresses) {
      const from = this.#kept.get(address);
      if (from !== undefined && e.set !== 'denied') return `${address} is never shut out (${from})`;
      if (isSpecial(address)) return `${address} is not the address of one device`;
    }
    if (e.set === 'denied' && e.addresses.every((a) => this.#kept.has(a)))
      return `${e.addresses.join(' and ')} are never kept apart (${this.#kept.get(e.addresses[0]!)})`;
    if (e.set === 'quarantine' && !this.#isOurs(e.addresses[0]!))
      return `${e.addresses[0]} is not an address of the city`;
    if (e.set === 'blocked' && this.#isOurs(e.addresses[0]!))
      return `${e.addresses[0]} is the city's own: quarantine it instead`;
    return undefined;
  }

  #isOurs(address: string): boolean {
    const words = new Uint32Array(4);
    return parseAddress(address, words, 0) && this.#city.isOurs(words, 0) && formatAddress(words, 0) === address;
  }
}

/** Unspecified, loopback, multicast, broadcast. */
function isSpecial(address: string): boolean {
  if (address.includes(':')) return address === '::' || address === '::1' || /^ff/.test(address);
  const first = Number(address.split('.')[0]);
  return first === 0 || first === 127 || first >= 224;
}
