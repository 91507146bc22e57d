// A bounded queue that drops its oldest telemetry and never anything else. What can't be dropped past the bound tells the
// owner to stop reading where it comes from.

/** Octets queued over all clients. */
export interface Budget {
  bytes: number;
  readonly bytesMax: number;
}
interface Item<T> {
  readonly value: T;
  readonly bytes: number;
  readonly sheddable: boolean;
}

export class BoundedQueue<T> {
  #items: Item<T>[] = [];
  #first = 0;
  #bytes = 0;
  #sheddable = 0;
  readonly #bytesMax: number;
  readonly #budget: Budget;
  readonly #shed: () => void;

  constructor(bytesMax: number, budget: Budget, shed: () => void) {
    this.#bytesMax = bytesMax;
    this.#budget = budget;
    this.#shed = shed;
  }

  get length(): number {
    return this.#items.length - this.#first;
  }
  /** Past its bound with nothing left to drop. */
  get full(): boolean {
    return this.#bytes > this.#bytesMax;
  }

  push(value: T, bytes: number, sheddable: boolean): void {
    this.#items.push({ value, bytes, sheddable });
    this.#count(bytes);
    if (sheddable) this.#sheddable++;
    while ((this.#bytes > this.#bytesMax || this.#budget.bytes > this.#budget.bytesMax) && this.#sheddable > 0) {
      const index = this.#items.findIndex((item, i) => i >= this.#first && item.sheddable);
      const [item] = this.#items.splice(index, 1);
      this.#count(-item!.bytes);
      this.#sheddable--;
      this.#shed();
    }
  }

  peek(): T | undefined {
    return this.#items[this.#first]?.value;
  }

  shift(): T | undefined {
    const item = this.#items[this.#first];
    if (item === undefined) return undefined;
    this.#first++;
    if (this.#first > 64 && this.#first * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#first);
      this.#first = 0;
    }
    this.#count(-item.bytes);
    if (item.sheddable) this.#sheddable--;
    return item.value;
  }

  clear(): void {
    this.#count(-this.#bytes);
    this.#items = [];
    this.#first = this.#sheddable = 0;
  }

  #count(bytes: number): void {
    this.#bytes += bytes;
    this.#budget.bytes += bytes;
  }
}
