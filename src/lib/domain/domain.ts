// Domain names as text.

/** Lower case, without the dot of the root at its end. */
export function canonicalDomain(name: string): string {
  return name.toLowerCase().replace(/\.$/, '');
}

/** Whether a name is one of the zones or below one: on dot boundaries only. All in canonical form (`canonicalDomain`). */
export function isUnder(name: string, zones: readonly string[]): boolean {
  for (const zone of zones) if (zone !== '' && (name === zone || name.endsWith(`.${zone}`))) return true;
  return false;
}
