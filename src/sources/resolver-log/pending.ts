// Queries whose answer comes in a later line that does not say who asked. Bounded: the oldest is forgotten, its answer then finds
// nobody and makes no row.
import type { DnsEntry } from '../lines/index.ts';

const KEYS_MAX = 1024;
/** Queries under one key: several clients that ask for one name at once. */
const OF_KEY_MAX = 8;
/** A query keeps the line that it is a part of: octets of one that is remembered, so that all are at most 32 MiB. */
const LINE_BYTES_MAX = 4096;

export class Pending {
  readonly #queries = new Map<string, DnsEntry[]>();

  /** @param line the text that key and query are parts of */
  put(key: string, query: DnsEntry, line: string): void {
    if (line.length > LINE_BYTES_MAX) return;
    const old = this.#queries.get(key);
    if (old === undefined) {
      if (this.#queries.size >= KEYS_MAX) this.#queries.delete(this.#queries.keys().next().value!);
      this.#queries.set(key, [query]);
    } else {
      if (old.length >= OF_KEY_MAX) old.shift();
      old.push(query);
    }
  }

  /** Takes out the first query under the key that fits. */
  take(key: string, fits: (query: DnsEntry) => boolean = () => true): DnsEntry | undefined {
    const all = this.#queries.get(key);
    const index = all?.findIndex(fits) ?? -1;
    if (all === undefined || index < 0) return undefined;
    const [query] = all.splice(index, 1);
    if (all.length === 0) this.#queries.delete(key);
    return query;
  }
}
