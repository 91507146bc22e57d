// Which devices serve one place: those that feed the same bus, node or stop with their readings (city.yaml, `feeds`).
import type { City } from '#city';
import type { Neighbourhoods } from '#trust';

/** Kinds of a quantity whose third part names the place itself: `power/load/49/p` and `power/bus/49/v` are both of bus 49. */
const placeKinds = new Set(['load', 'bus', 'gen', 'tank', 'node', 'junction', 'stop']);

export function neighbourhoods(city: City): Neighbourhoods {
  const groups = new Map<string, readonly string[]>();
  const sizes = new Map<string, number>();
  for (const asset of city.assets) {
    const own = new Set<string>();
    for (const feed of asset.feeds) {
      const [plane, kind, id] = feed.split('/');
      if (kind !== undefined && id !== undefined && placeKinds.has(kind)) own.add(`${plane}/${id}`);
    }
    if (own.size === 0) continue;
    groups.set(asset.id, [...own]);
    for (const group of own) sizes.set(group, (sizes.get(group) ?? 0) + 1);
  }
  return { of: (asset) => groups.get(asset) ?? [], size: (group) => sizes.get(group) ?? 0 };
}
