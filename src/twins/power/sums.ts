// Readings that add up at a bus: the shares of its load, the output of its units.
import { trustedFrom, trustFloor } from './rows.ts';

export type SumSort = 'loadP' | 'loadQ' | 'genP' | 'genQ';

/** Readings that add up at a bus. */
export class Sums {
  readonly #tables: Readonly<Record<SumSort, Sum[]>>;
  constructor(n: number) {
    const make = (): Sum[] =>
      Array.from({ length: n }, () => ({
        value: 0,
        variance: 0,
        widened: 0,
        drift: 0,
        trusted: true,
        spoilt: false,
        assets: [],
      }));
    this.#tables = { loadP: make(), loadQ: make(), genP: make(), genQ: make() };
  }
  add(sort: SumSort, i: number, value: number, sigma: number, trust: number, asset: string, drift: number): void {
    const s = this.#tables[sort][i]!;
    s.value += value;
    s.variance += sigma ** 2;
    s.widened += sigma ** 2 / Math.max(trust, trustFloor);
    s.drift += drift;
    s.trusted &&= trust >= trustedFrom;
    s.assets.push(asset);
  }
  spoil(sort: SumSort, i: number): void {
    this.#tables[sort][i]!.spoilt = true;
  }
  known(sort: SumSort, i: number): boolean {
    const s = this.#tables[sort][i]!;
    return s.assets.length > 0 && !s.spoilt && s.variance !== Number.POSITIVE_INFINITY;
  }
  spoilt(sort: SumSort, i: number): boolean {
    return this.#tables[sort][i]!.spoilt;
  }
  value(sort: SumSort, i: number): number {
    return this.#tables[sort][i]!.value;
  }
  variance(sort: SumSort, i: number): number {
    return this.#tables[sort][i]!.variance;
  }
  widened(sort: SumSort, i: number): number {
    return this.#tables[sort][i]!.widened;
  }
  drift(sort: SumSort, i: number): number {
    return this.#tables[sort][i]!.drift;
  }
  trusted(sort: SumSort, i: number): boolean {
    return this.#tables[sort][i]!.trusted;
  }
  assets(sort: SumSort, i: number): readonly string[] {
    return this.#tables[sort][i]!.assets;
  }
}
interface Sum {
  value: number;
  variance: number;
  widened: number;
  drift: number;
  trusted: boolean;
  spoilt: boolean;
  assets: string[];
}
