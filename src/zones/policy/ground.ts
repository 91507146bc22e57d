// Where an address stands: its zone and role, outside, or ours and in no zone. And the other way: the addresses of each zone.
import { type Asset, type City, privateRanges } from '#city';
import { formatAddress, parseAddress } from '#lib/address';
import { contains, parseRange, type Range } from '../k8s/ranges.ts';

/** Any of a zone, or those of one role in it. */
export interface Group {
  readonly zone: string;
  /** Absent: any. */
  readonly role?: string;
  /** Single addresses that are meant alone, where few of the outside were spoken to. */
  readonly hosts?: readonly string[];
}
export interface Standing {
  readonly address: string;
  readonly zone: string;
  readonly role: string;
  readonly asset: Asset | undefined;
  readonly isOutside: boolean;
}

/** Level that the city file gives to what is outside (Zone.level). */
const OUTSIDE_LEVEL = 5;

export class Ground {
  readonly city: City;
  /** Name of the outside: the city's zone of level 5 where it has one. */
  readonly outside: string;
  readonly #known = new Map<string, Standing>();

  constructor(city: City) {
    this.city = city;
    this.outside = [...city.zones.values()].find((z) => z.level === OUTSIDE_LEVEL)?.name ?? 'outside';
  }

  /** @param words four words at the start of `words` */
  of(words: Uint32Array): Standing {
    const address = formatAddress(words, 0);
    const known = this.#known.get(address);
    if (known !== undefined) return known;
    const asset = this.city.assetByAddress(words, 0);
    const zone = this.city.zoneOf(words, 0);
    const isOutside = zone === '' ? asset === undefined && !this.city.isOurs(words, 0) : zone === this.outside;
    const standing = {
      address,
      zone: zone === '' && isOutside ? this.outside : zone,
      role: asset?.role ?? '',
      asset,
      isOutside,
    };
    this.#known.set(address, standing);
    return standing;
  }
  ofText(address: string): Standing | undefined {
    const words = new Uint32Array(4);
    return parseAddress(address, words, 0) ? this.of(words) : undefined;
  }

  isIn(group: Group, s: Standing): boolean {
    if (group.zone !== s.zone || (group.role !== undefined && group.role !== s.role)) return false;
    return group.hosts === undefined || group.hosts.includes(s.address);
  }

  /**
   * Ranges of a group, neighbours fused: networks of the zone without the assets there that are of another, and the zone's
   * assets elsewhere. The outside has none: it is what is not `ours()`.
   */
  rangesOf(group: Group, version: 4 | 6): Range[] {
    if (group.hosts !== undefined) return fused(group.hosts.flatMap((h) => this.#range(h, version)));
    if (group.role !== undefined)
      return fused(
        this.city.assets
          .filter((a) => a.ip !== '' && a.role === group.role && this.ofText(a.ip)?.zone === group.zone)
          .flatMap((a) => this.#range(a.ip, version)),
      );
    return fused(
      this.#pieces(version)
        .filter((p) => p.zone === group.zone)
        .map((p) => p.range),
    );
  }

  /** All that is the city's or private. */
  ours(version: 4 | 6): Range[] {
    const written = (this.city.file.networks ?? [])
      .filter((n) => (n.zone ?? n.name) !== this.outside)
      .map((n) => n.cidr);
    return fused([...written, ...privateRanges].flatMap((r) => this.#range(r, version)));
  }

  #range(text: string, version: 4 | 6): Range[] {
    const range = parseRange(text);
    return range !== undefined && range.version === version ? [range] : [];
  }

  readonly #cut = new Map<4 | 6, { zone: string; range: Range }[]>();
  /** The networks cut at each edge of a network and around each asset, with the zone of each piece. */
  #pieces(version: 4 | 6): { zone: string; range: Range }[] {
    const known = this.#cut.get(version);
    if (known !== undefined) return known;
    const networks = (this.city.file.networks ?? []).flatMap((n) => this.#range(n.cidr, version));
    const assets = this.city.assets.flatMap((a) => (a.ip === '' ? [] : this.#range(a.ip, version)));
    const starts = new Set<bigint>();
    for (const r of [...networks, ...assets]) {
      starts.add(r.first);
      starts.add(r.last + 1n);
    }
    const sorted = [...starts].sort((a, b) => (a < b ? -1 : 1));
    const spans = fused([...networks, ...assets]);
    const pieces: { zone: string; range: Range }[] = [];
    let span = 0;
    for (let i = 0; i + 1 < sorted.length; i++) {
      const range: Range = { version, first: sorted[i]!, last: sorted[i + 1]! - 1n };
      while (span < spans.length && spans[span]!.last < range.first) span++;
      if (span < spans.length && contains(spans[span]!, range)) pieces.push({ zone: this.#zoneAt(range), range });
    }
    this.#cut.set(version, pieces);
    return pieces;
  }
  #zoneAt(range: Range): string {
    const words = new Uint32Array(4);
    if (range.version === 4) {
      words[2] = 0xffff;
      words[3] = Number(range.first);
    } else for (let i = 0; i < 4; i++) words[i] = Number((range.first >> BigInt(96 - 32 * i)) & 0xffffffffn);
    return this.city.zoneOf(words, 0);
  }
}

/** Sorted, overlapping and neighbouring ones as one. */
export function fused(ranges: readonly Range[]): Range[] {
  const out: Range[] = [];
  for (const r of [...ranges].sort((a, b) => (a.first < b.first ? -1 : a.first > b.first ? 1 : 0))) {
    const before = out.at(-1);
    if (before !== undefined && r.first <= before.last + 1n) {
      if (r.last > before.last) out[out.length - 1] = { ...before, last: r.last };
    } else out.push(r);
  }
  return out;
}

export const groupText = (g: Group): string =>
  `${g.zone}${g.role === undefined ? '' : `/${g.role || 'no role'}`}${g.hosts === undefined ? '' : ` (${g.hosts.join(', ')})`}`;
