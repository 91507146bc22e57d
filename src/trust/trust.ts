// Trust of an asset: the posterior that its data are its own. Evidence adds bits against it (the strongest of each family,
// summed over families, since planes are independent witnesses), time takes them away. Here alone cyber and physics meet.
//   trust = 1 / (1 + 2^(prior + sum of bits))
// The prior is not the same for all: devices that serve one place fall together. Where most of the neighbours of a device are
// hijacked, it is likelier to be hijacked too, though nothing speaks against it yet:
//   prior = log2 odds of (suspected neighbours) / (neighbours + 2), never below PRIOR_BITS nor above GROUP_BITS_MAX
import type { AssetRef, Finding, TrustRecord } from '#findings';

/** log2 odds that a device's data are not its own before any evidence: about one device in a thousand. */
const PRIOR_BITS = -10;
/** Evidence halves in a week without news (microseconds): repair is usual by then, and weeks-old bits say little of today. */
const HALF_LIFE_MICROS = 7 * 86_400e6;
/** One family can't say more than this: a single detector's model error is likelier than 2^-24. */
const FAMILY_BITS_MAX = 24;
const ASSETS_MAX = 200_000;
/** A group alone may say this much: enough to lower trust below a half, too little to condemn. */
const GROUP_BITS_MAX = 1;
/** Fewer neighbours than this say nothing of one another. */
const NEIGHBOURS_MIN = 4;

interface Family {
  bits: number;
  at: number;
  finding: string;
}

/** The name by which findings, trust and readings speak of one asset. */
export function assetKey(asset: AssetRef): string {
  return asset.id ?? asset.ip ?? asset.imsi ?? asset.host ?? asset.mac ?? '';
}

/** Devices that serve one place: groups by asset, members by group. */
export interface Neighbourhoods {
  readonly of: (asset: string) => readonly string[];
  readonly size: (group: string) => number;
}

const alone: Neighbourhoods = { of: () => [], size: () => 0 };

export class Trust {
  readonly #neighbours: Neighbourhoods;
  /** Members of a group whose own evidence makes them suspects. */
  readonly #suspects = new Map<string, Set<string>>();
  readonly #assets = new Map<string, Map<string, Family>>();
  /** Assets forgotten at the capacity. */
  shed = 0;

  constructor(neighbours: Neighbourhoods = alone) {
    this.#neighbours = neighbours;
  }

  /** Takes a finding in; the same finding again (more evidence) replaces what it said. @returns whether trust changed */
  learn(finding: Finding): boolean {
    const key = assetKey(finding.asset);
    const bits = Math.min(FAMILY_BITS_MAX, finding.trustBits ?? finding.bits);
    if (key === '' || bits <= 0) return false;
    let families = this.#assets.get(key);
    if (families === undefined) {
      if (this.#assets.size >= ASSETS_MAX) this.#forget(finding.at);
      families = new Map();
      this.#assets.set(key, families);
    }
    const old = families.get(finding.family);
    if (old !== undefined && decayed(old, finding.lastAt) > bits) return false;
    families.set(finding.family, { bits, at: finding.lastAt, finding: finding.id });
    this.#regroup(key, finding.lastAt);
    return old === undefined || Math.abs(old.bits - bits) > 0.5;
  }

  /** The asset was repaired: evidence up to `at` no longer counts. */
  repaired(asset: string, at: number): void {
    const families = this.#assets.get(asset);
    if (families === undefined) return;
    for (const [name, f] of families) if (f.at <= at) families.delete(name);
    if (families.size === 0) this.#assets.delete(asset);
    this.#regroup(asset, at);
  }

  /** Puts the asset among its groups' suspects, or takes it out, by its own evidence alone. */
  #regroup(asset: string, at: number): void {
    for (const group of this.#neighbours.of(asset)) {
      let suspects = this.#suspects.get(group);
      if (this.#ownBits(asset, at) + PRIOR_BITS > 0) {
        if (suspects === undefined) {
          suspects = new Set();
          this.#suspects.set(group, suspects);
        }
        suspects.add(asset);
      } else suspects?.delete(asset);
    }
  }

  /** What the asset's own findings say, bits. */
  #ownBits(asset: string, at: number): number {
    let bits = 0;
    for (const f of this.#assets.get(asset)?.values() ?? []) bits += decayed(f, at);
    return bits;
  }

  #priorBits(asset: string): number {
    let prior = PRIOR_BITS;
    for (const group of this.#neighbours.of(asset)) {
      const suspects = this.#suspects.get(group);
      if (suspects === undefined) continue;
      const neighbours = this.#neighbours.size(group) - 1;
      const suspected = suspects.size - (suspects.has(asset) ? 1 : 0);
      if (neighbours < NEIGHBOURS_MIN || suspected === 0) continue;
      const share = suspected / (neighbours + 2);
      prior = Math.max(prior, Math.min(GROUP_BITS_MAX, Math.log2(share / (1 - share))));
    }
    return prior;
  }

  /** 0..1 at event time `at`. */
  trustOf(asset: string, at: number): number {
    return 1 / (1 + 2 ** (this.#priorBits(asset) + this.#ownBits(asset, at)));
  }

  /** Ids of the findings against it, strongest first; where it has none, of those against its neighbours. */
  because(asset: string): string[] {
    const own = [...(this.#assets.get(asset)?.values() ?? [])].sort((a, b) => b.bits - a.bits).map((f) => f.finding);
    if (own.length > 0) return own;
    const near: string[] = [];
    for (const group of this.#neighbours.of(asset))
      for (const other of this.#suspects.get(group) ?? []) {
        const first = this.#assets.get(other)?.values().next().value;
        if (first !== undefined && near.length < 5 && !near.includes(first.finding)) near.push(first.finding);
      }
    return near;
  }

  record(asset: string, at: number): TrustRecord {
    return {
      kind: 'trust',
      asset,
      at,
      trust: Number(this.trustOf(asset, at).toPrecision(6)),
      because: this.because(asset),
    };
  }

  /** All assets with evidence against them, in order of name. */
  records(at: number): TrustRecord[] {
    return [...this.#assets.keys()].sort().map((asset) => this.record(asset, at));
  }

  #forget(at: number): void {
    let least: string | undefined;
    let leastTrust = -1;
    for (const asset of this.#assets.keys()) {
      const trust = this.trustOf(asset, at);
      if (trust > leastTrust) {
        leastTrust = trust;
        least = asset;
      }
    }
    if (least !== undefined) this.#assets.delete(least);
    this.shed += 1;
  }

  snapshot(): unknown {
    return { version: 1, assets: [...this.#assets].map(([asset, families]) => [asset, [...families]]) };
  }

  /** @throws Error where the version is not known */
  restore(state: unknown): void {
    const saved = state as { version: number; assets: [string, [string, Family][]][] };
    if (saved.version !== 1) throw new Error(`trust state of version ${saved.version} is not known`);
    this.#assets.clear();
    this.#suspects.clear();
    for (const [asset, families] of saved.assets) {
      this.#assets.set(asset, new Map(families));
      this.#regroup(asset, Math.max(...families.map(([, f]) => f.at)));
    }
  }
}

function decayed(f: Family, at: number): number {
  return f.bits * 2 ** -(Math.max(0, at - f.at) / HALF_LIFE_MICROS);
}
