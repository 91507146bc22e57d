// A policy between zones: what may be opened from one group to another, each rule with the conduit it is of (IEC 62443-3-2,
// ZCR 5; 62443-3-3 SR 5.2 RE 1: what no rule allows is denied). Within a zone all may talk, as city.yaml says.
import type { City } from '#city';
import type { Ground, Group, Standing } from './ground.ts';
import { holds, readService, type Service, type Transport } from './service.ts';

export interface ZoneRule {
  readonly from: Group;
  readonly to: Group;
  readonly services: readonly Service[];
  /** `field -> twin`: the conduit of city.yaml, or the one to be made. */
  readonly conduit: string;
  /** False where city.yaml has no such conduit yet. */
  readonly isKnown: boolean;
}
export interface ZonePolicy {
  readonly name: string;
  readonly rules: readonly ZoneRule[];
}

export const conduitName = (from: string, to: string): string => `${from} -> ${to}`;

/** The policy that city.yaml states. Services that are none are left out and named. */
export function conduitPolicy(city: City): { policy: ZonePolicy; unread: string[] } {
  const unread: string[] = [];
  const rules = city.conduits.map((c): ZoneRule => {
    const services = c.services.flatMap((s) => {
      const service = readService(city, s);
      if (service === undefined) unread.push(`${conduitName(c.from, c.to)}: ${s} is no service of city.yaml`);
      return service === undefined ? [] : [service];
    });
    for (const zone of [c.from, c.to])
      if (city.zones.size > 0 && !city.zones.has(zone))
        unread.push(`${conduitName(c.from, c.to)}: ${zone} is no zone of city.yaml`);
    return { from: { zone: c.from }, to: { zone: c.to }, services, conduit: conduitName(c.from, c.to), isKnown: true };
  });
  return { policy: { name: 'city.yaml', rules }, unread };
}

/** The rule that allows a talk, by its index; -1 where none does, and -2 within one zone, which needs none. */
export function ruleFor(
  ground: Ground,
  policy: ZonePolicy,
  from: Standing,
  to: Standing,
  protocol: Transport | undefined,
  port: number,
): number {
  if (from.zone === to.zone && from.zone !== '' && !from.isOutside) return -2;
  if (protocol === undefined) return -1;
  return policy.rules.findIndex(
    (r) => ground.isIn(r.from, from) && ground.isIn(r.to, to) && r.services.some((s) => holds(s, protocol, port)),
  );
}
