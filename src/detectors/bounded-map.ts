/** A map that makes room by giving up what came first. Restored, it shares nothing with the state it comes from. */
export class BoundedMap<K, V> extends Map<K, V> {
  readonly #max: number;
  readonly #shed: () => void;

  /** @param shed called for each entry that is given up */
  constructor(max: number, shed: () => void) {
    super();
    this.#max = max;
    this.#shed = shed;
  }

  /** Sets a key that is not there, with room made before. @returns the value */
  add(key: K, value: V): V {
    this.makeRoom();
    this.set(key, value);
    return value;
  }

  protected makeRoom(): void {
    if (this.size < this.#max) return;
    this.delete(this.leastWorth());
    this.#shed();
  }

  protected leastWorth(): K {
    return this.keys().next().value!;
  }

  /** @param from the entries, as saved */
  load(from: unknown): void {
    this.clear();
    for (const [key, value] of structuredClone(from) as [K, V][]) this.set(key, value);
  }
}
