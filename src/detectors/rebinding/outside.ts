// Whether a name is one of the outside, in presentation form: these run on the few answers that point inward.
import type { City } from '#city';
import { registeredName } from '#lib/suffix';
import { ZoneSet } from '../zones.ts';

/** Last labels that sites and home routers serve themselves (RFC 6761, 6762, 8375 and custom). */
const local =
  'local localhost localdomain home lan internal intranet corp private workgroup domain router gateway fritz box invalid test arpa onion alt'.split(
    ' ',
  );
const isLocal = new Set(local);

/** What turns inward by right: local names, and what city.yaml protects or allows. */
export function siteZones(city: City): ZoneSet {
  return new ZoneSet([...local, ...city.dns.protected, ...city.dns.allow]);
}

/** The registered domain of a name not of the site; '' where it is a single label or a reversed address. */
export function outsideZone(name: string): string {
  const text = name.toLowerCase();
  const tld = text.slice(text.lastIndexOf('.') + 1);
  if (!text.includes('.') || isLocal.has(tld) || !/^([a-z]{2,24}|xn--[a-z0-9-]+)$/.test(tld)) return '';
  // Block lists answer with codes in 127.0.0.0/8 for addresses turned round (RFC 5782).
  if (/^(\d{1,3}\.){4}/.test(text) || /^([0-9a-f]\.){16}/.test(text)) return '';
  return registeredName(text);
}

/** Whether the name spells the IPv4 address: with dots or hyphens, or as eight hex digits, either way as rebinding tools do. */
export function spells(name: string, address: string): boolean {
  if (!/^\d+\.\d+\.\d+\.\d+$/.test(address)) return false;
  const octets = address.split('.');
  const hex = octets.map((o) => Number(o).toString(16).padStart(2, '0')).join('');
  const text = name.toLowerCase();
  return text.includes(address) || text.includes(octets.join('-')) || text.includes(hex);
}
