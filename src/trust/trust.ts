// Trust of an asset: the posterior that its data are its own. Evidence adds bits against it (the strongest of each family,
// summed over families, since planes are independent witnesses), time takes them away. Here alone cyber and physics meet.
//   trust = 1 / (1 + 2^(prior + sum of bits))
import type { AssetRef, Finding, TrustRecord } from '#findings';

/** log2 odds that a device's data are not its own before any evidence: about one device in a thousand. */
const PRIOR_BITS = -10;
/** Evidence halves in a week without news (microseconds): repair is usual by then, and weeks-old bits say little of today. */
const HALF_LIFE_MICROS = 7 * 86_400e6;
/** One family can't say more than this: a single detector's model error is likelier than 2^-24. */
const FAMILY_BITS_MAX = 24;
const ASSETS_MAX = 200_000;

interface Family {
  bits: number;
  at: number;
  finding: string;
}

/** The name by which findings, trust and readings speak of one asset. */
export function assetKey(asset: AssetRef): string {
  return asset.id ?? asset.ip ?? asset.imsi ?? asset.host ?? asset.mac ?? '';
}

export class Trust {
  readonly #assets = new Map<string, Map<string, Family>>();
  /** Assets forgotten at the capacity. */
  shed = 0;

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
    return old === undefined || Math.abs(old.bits - bits) > 0.5;
  }

  /** The asset was repaired: evidence up to `at` no longer counts. */
  repaired(asset: string, at: number): void {
    const families = this.#assets.get(asset);
    if (families === undefined) return;
    for (const [name, f] of families) if (f.at <= at) families.delete(name);
    if (families.size === 0) this.#assets.delete(asset);
  }

  /** 0..1 at event time `at`. */
  trustOf(asset: string, at: number): number {
    const families = this.#assets.get(asset);
    if (families === undefined) return 1 / (1 + 2 ** PRIOR_BITS);
    let bits = PRIOR_BITS;
    for (const f of families.values()) bits += decayed(f, at);
    return 1 / (1 + 2 ** bits);
  }

  because(asset: string): string[] {
    return [...(this.#assets.get(asset)?.values() ?? [])].sort((a, b) => b.bits - a.bits).map((f) => f.finding);
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
    for (const [asset, families] of saved.assets) this.#assets.set(asset, new Map(families));
  }
}

function decayed(f: Family, at: number): number {
  return f.bits * 2 ** -(Math.max(0, at - f.at) / HALF_LIFE_MICROS);
}
