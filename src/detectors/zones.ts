// A set of zones asked in wire form, without a string: whether a name is one of them or lies below one, on label boundaries.
import { hashLowerCased, LOWER, textToWire } from '#lib/wirename';

export class ZoneSet {
  /** Zones by their hash; equal hashes in one list. */
  readonly #zones = new Map<number, Uint8Array[]>();

  /** @param zones in presentation form; what is no name is left out */
  constructor(zones: Iterable<string>) {
    for (const zone of zones) {
      const wire = new Uint8Array(256);
      const length = textToWire(zone.toLowerCase().replace(/\.$/, ''), wire, 0);
      if (length <= 1) continue;
      const name = wire.slice(0, length);
      const hash = hashLowerCased(name, 0, length);
      this.#zones.set(hash, [...(this.#zones.get(hash) ?? []), name]);
    }
  }

  /** Whether the wire name at [offset, end) is one of the zones or below one. */
  holds(bytes: Uint8Array, offset: number, end: number): boolean {
    if (this.#zones.size === 0) return false;
    for (let at = offset; at < end && bytes[at] !== 0; at += bytes[at]! + 1) {
      const candidates = this.#zones.get(hashLowerCased(bytes, at, end - at));
      if (candidates !== undefined) for (const z of candidates) if (isSame(bytes, at, end, z)) return true;
    }
    return false;
  }
}

function isSame(bytes: Uint8Array, offset: number, end: number, zone: Uint8Array): boolean {
  if (end - offset !== zone.length) return false;
  for (let k = 0; k < zone.length; k++) if (LOWER[bytes[offset + k]!] !== zone[k]) return false;
  return true;
}
