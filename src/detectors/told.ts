// What was told, by key, so that it can be told again with more: place, origin and alert stay those of the first time.
import type { Origin } from '#events';
import { BoundedMap } from './bounded-map.ts';

export interface Told {
  readonly origin: Origin;
  readonly firstPlace: number;
  readonly decisivePlace: number;
  readonly alertAt: number;
  readonly firstAt: number;
  bits: number;
}

export class ToldByKey<T extends Told> {
  readonly #told: BoundedMap<string, T>;
  readonly #afreshMicros: number;
  shed = 0;

  /** @param afreshMicros so long after its alert a key is told as if it never had been */
  constructor(max: number, afreshMicros = Number.POSITIVE_INFINITY) {
    this.#told = new BoundedMap(max, () => (this.shed += 1));
    this.#afreshMicros = afreshMicros;
  }

  /** @returns what was told of the key, with the bits of `latest` where those are more; else `latest`, which is kept */
  tell(key: string, latest: T): T {
    const before = this.#told.get(key);
    if (before === undefined || latest.alertAt - before.alertAt > this.#afreshMicros)
      return this.#told.add(key, latest);
    before.bits = Math.max(before.bits, latest.bits);
    return before;
  }

  pack(): { told: [string, T][]; toldShed: number } {
    return { told: [...this.#told], toldShed: this.shed };
  }

  unpack(from: Record<string, unknown>): void {
    this.#told.load(from.told);
    this.shed = from.toldShed as number;
  }
}
