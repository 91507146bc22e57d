// The response records of findings about domains, and what must never be among them.
import type { City } from '#city';
import { formatName } from '#events';
import type { ResponseRecord } from '#findings';
import { isUnder } from '#lib/domain';
import { suffixKind } from '#lib/suffix';
import { textToWire } from '#lib/wirename';

/** Presentation form of a wire name kept as latin1 text. */
export function presentWire(wire: string): string {
  const bytes = Buffer.from(wire, 'latin1');
  return formatName(bytes, 0, bytes.length);
}

/**
 * QNAME triggers for the zone and all below it; `*.zone` does not cover `zone` (RPZ draft 00, 4.1.1). None where the city
 * protects or allows the zone or one inside it, and none for a suffix below which strangers own names.
 */
export function rpzOf(zone: string, city: City): ResponseRecord[] {
  const spared = [...city.dns.protected, ...city.dns.allow];
  // The policy zone's own name must still fit behind: 255 octets with room for it.
  if (zone === '.' || zone.length > 190 || isUnder(zone, spared)) return [];
  if (spared.some((z) => isUnder(z, [zone]))) return [];
  const wire = new Uint8Array(256);
  const length = textToWire(zone, wire, 0);
  if (length <= 0 || suffixKind(wire, 0, length) !== 0) return [];
  return [
    { type: 'rpz', record: `${zone} CNAME .` },
    { type: 'rpz', record: `*.${zone} CNAME .` },
  ];
}
