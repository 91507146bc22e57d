// Address ranges for what lies outside the cluster: CIDR blocks as first and last address, and the whole space cut at each
// edge that a policy names, so that every part is treated alike by every rule.
import { formatAddress, parseAddress } from '#lib/address';

export interface Range {
  readonly version: 4 | 6;
  readonly first: bigint;
  readonly last: bigint;
}

const bitsOf = { 4: 32n, 6: 128n } as const;
export const everywhere = (version: 4 | 6): Range => ({ version, first: 0n, last: (1n << bitsOf[version]) - 1n });

/** Reads `10.0.0.0/8`, `2001:db8::/32` or one address; host bits are cut off. undefined where the text is no range. */
export function parseRange(text: string): Range | undefined {
  const match = /^([0-9A-Fa-f:.]{2,45})(?:\/(\d{1,3}))?$/.exec(text.trim());
  if (match === null) return undefined;
  const words = new Uint32Array(4);
  if (!parseAddress(match[1]!, words, 0)) return undefined;
  const version = match[1]!.includes(':') ? 6 : 4;
  const bits = bitsOf[version];
  const length = match[2] === undefined ? bits : BigInt(match[2]);
  if (length > bits) return undefined;
  let value = 0n;
  for (const word of version === 4 ? words.subarray(3) : words) value = (value << 32n) | BigInt(word);
  const host = (1n << (bits - length)) - 1n;
  return { version, first: value & ~host, last: value | host };
}

export const contains = (outer: Range, inner: Range): boolean =>
  outer.version === inner.version && outer.first <= inner.first && inner.last <= outer.last;

/** The whole space of a version cut before the first and after the last address of each block. */
export function split(version: 4 | 6, blocks: readonly Range[]): Range[] {
  const all = everywhere(version);
  const starts = new Set<bigint>([0n]);
  for (const b of blocks) {
    if (b.version !== version) continue;
    starts.add(b.first);
    if (b.last < all.last) starts.add(b.last + 1n);
  }
  const sorted = [...starts].sort((a, b) => (a < b ? -1 : 1));
  return sorted.map((first, i) => ({ version, first, last: (sorted[i + 1] ?? all.last + 1n) - 1n }));
}

export function addressText(version: 4 | 6, value: bigint): string {
  const words = new Uint32Array(4);
  if (version === 4) {
    words[2] = 0xffff;
    words[3] = Number(value);
  } else for (let i = 0; i < 4; i++) words[i] = Number((value >> BigInt(96 - 32 * i)) & 0xffffffffn);
  return formatAddress(words, 0);
}

export const rangeText = (r: Range): string => `${addressText(r.version, r.first)}-${addressText(r.version, r.last)}`;

/** The fewest CIDR blocks that are exactly the range. */
export function rangeBlocks(r: Range): string[] {
  const out: string[] = [];
  const bits = bitsOf[r.version];
  for (let at = r.first; at <= r.last; ) {
    let size = at === 0n ? 1n << bits : at & -at;
    while (at + size - 1n > r.last) size >>= 1n;
    out.push(`${addressText(r.version, at)}/${bits - BigInt(size.toString(2).length - 1)}`);
    at += size;
  }
  return out;
}
