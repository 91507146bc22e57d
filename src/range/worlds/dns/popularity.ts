// Which public names people ask for: a list, most popular first, drawn by Zipf's law with exponent 1 (rank = n^u).
import type { Random } from '#lib/random';
import { textToWire } from '#lib/wirename';
import { registered } from '../names.ts';
import { Host } from './hosts.ts';

/** Longer names of a list are left out: the search list must still fit behind them. */
const NAME_CHARACTERS_MAX = 200;

const lifetimes = [30, 60, 60, 120, 300, 300, 600, 3600];

export class Popularity {
  readonly names: readonly string[];
  /** Made when first asked for; at most one a name of the list. */
  readonly #hosts: (Host | undefined)[];
  constructor(names: readonly string[]) {
    const scratch = new Uint8Array(256);
    this.names = names.filter((n) => n.length > 0 && n.length <= NAME_CHARACTERS_MAX && textToWire(n, scratch, 0) > 0);
    if (this.names.length === 0) throw new RangeError('a list of popular names has at least one that is a name');
    this.#hosts = this.names.map(() => undefined);
  }
  draw(random: Random): number {
    return Math.min(this.names.length, Math.floor(this.names.length ** random.uniform())) - 1;
  }
  host(rank: number): Host {
    const known = this.#hosts[rank];
    if (known !== undefined) return known;
    const name = this.names[rank]!;
    // A list of registered names is asked by its www hosts as often as by the bare names; host names stay as they are.
    const bare = name.split('.').length === 2 && (rank & 1) === 0;
    const host = new Host(bare ? `www.${name}` : name, lifetimes[rank % lifetimes.length]!);
    this.#hosts[rank] = host;
    return host;
  }
}

/** A list made from syllables, for who has no list of the real internet. */
export function plausibleNames(random: Random, count: number): string[] {
  const out = new Set<string>();
  const heads = ['', '', '', 'www.', 'api.', 'static.', 'img.', 'app.', 'login.', 'm.'];
  while (out.size < count) out.add(`${random.pick(heads)}${registered(random)}`);
  return [...out];
}
