// What is remembered of one subscriber: where it is registered, and who learned its identity when.
export interface Subscriber {
  /** Operator number (city/operators) of the serving network; -2 unknown. */
  serving: number;
  servingAt: number;
  /** The same before a registration that is not yet answered. */
  before: number;
  beforeAt: number;
  /** When an outsider last learned the identity, and who. */
  identityAt: number;
  identityBy: string;
  /** When an outsider last got or asked for the location. */
  locationAt: number;
  keysAt: number;
}

export function newSubscriber(): Subscriber {
  return {
    serving: -2,
    servingAt: 0,
    before: -2,
    beforeAt: 0,
    identityAt: 0,
    identityBy: '',
    locationAt: 0,
    keysAt: 0,
  };
}

const SUBSCRIBERS_MAX = 65536;

/** By IMSI, or by number where no IMSI is known. The one not seen for longest goes first. */
export class Subscribers {
  readonly #map = new Map<string, Subscriber>();
  shed = 0;

  find(key: string): Subscriber | undefined {
    return this.#map.get(key);
  }

  touch(key: string): Subscriber {
    let s = this.#map.get(key);
    if (s === undefined) {
      s = newSubscriber();
      if (this.#map.size >= SUBSCRIBERS_MAX) {
        this.#map.delete(this.#map.keys().next().value!);
        this.shed += 1;
      }
    } else this.#map.delete(key);
    this.#map.set(key, s);
    return s;
  }

  snapshot(): [string, Subscriber][] {
    return [...this.#map];
  }
  restore(rows: readonly [string, Subscriber][]): void {
    this.#map.clear();
    for (const [key, s] of rows) this.#map.set(key, { ...newSubscriber(), ...s });
  }
}
