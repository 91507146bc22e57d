// What lies outside the city. Private ranges are ours where city.yaml names no networks; where it names some, a private address in
// none of them is a stranger: laboratories, rented lines and neighbours use private ranges too.
import type { City } from '#city';
import { addressHash, isGroupAddress } from '#lib/address';

const SLOTS = 4096;

export class Outside {
  readonly #city: City;
  readonly #named: boolean;
  /** Hash of an address lately asked for, and the answer: a city talks to few thousand inside addresses at a time. */
  readonly #hash = new Uint32Array(SLOTS);
  readonly #answer = new Uint8Array(SLOTS);

  constructor(city: City) {
    this.#city = city;
    this.#named = (city.file.networks?.length ?? 0) > 0;
  }

  /** Whether the address is one of the city's own. */
  isOurs(words: Uint32Array, at: number): boolean {
    if (!this.#city.isOurs(words, at)) return false;
    if (!this.#named) return true;
    const hash = addressHash(words, at) || 1;
    const slot = hash & (SLOTS - 1);
    if (this.#hash[slot] !== hash) {
      this.#hash[slot] = hash;
      this.#answer[slot] =
        this.#city.zoneOf(words, at) !== '' || this.#city.assetByAddress(words, at) !== undefined ? 1 : 0;
    }
    return this.#answer[slot] === 1;
  }

  /** Whether the address is one host that is not the city's. */
  isOutside(words: Uint32Array, at: number): boolean {
    return !this.isOurs(words, at) && !isGroupAddress(words, at);
  }
}
