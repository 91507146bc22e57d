// Key and delegation messages seen on the wire, kept while their records live, as the validator asks for them.
import type { Name } from './names.ts';

const ENTRIES_MAX = 512;
const BYTES_MAX = 2 * 2 ** 20;
const LIFE_SECONDS_MAX = 86_400;

export interface SeenMessage {
  readonly bytes: Uint8Array;
  /** Event time, microseconds, at which its records run out. */
  readonly until: number;
  /** It validated. One that did not is replaced by any. */
  readonly isSecure: boolean;
}

export function seenKey(name: Name, type: number): string {
  return `${type} ${name}`;
}

export class SeenMessages {
  readonly entries = new Map<string, SeenMessage>();
  bytes = 0;
  /** Messages given up at a capacity while they lived. */
  shed = 0;

  put(key: string, bytes: Uint8Array, at: number, ttlSeconds: number, isSecure: boolean): void {
    const old = this.entries.get(key);
    if (old?.isSecure === true && !isSecure && old.until > at) return;
    const life = Math.min(ttlSeconds, LIFE_SECONDS_MAX);
    this.#drop(key);
    this.entries.set(key, { bytes, until: at + life * 1e6, isSecure });
    this.bytes += bytes.length;
    for (const [oldest, entry] of this.entries) {
      if (this.entries.size <= ENTRIES_MAX && this.bytes <= BYTES_MAX) break;
      if (entry.until > at) this.shed += 1;
      this.#drop(oldest);
    }
  }

  /** Gives up what was kept and turned out false. */
  refuse(key: string, bytes: Uint8Array): void {
    const kept = this.entries.get(key);
    if (kept !== undefined && Buffer.compare(kept.bytes, bytes) === 0) this.#drop(key);
  }

  get(key: string, at: number): Uint8Array | undefined {
    const entry = this.entries.get(key);
    return entry !== undefined && entry.until > at ? entry.bytes : undefined;
  }

  #drop(key: string): void {
    this.bytes -= this.entries.get(key)?.bytes.length ?? 0;
    this.entries.delete(key);
  }
}
