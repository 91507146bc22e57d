// Devices of the field: few names, regular, the same for years. That is what makes a strange name there telling.
import type { Activity } from './acts.ts';
import { a, Rtype } from './answers.ts';
import type { Client } from './clients.ts';
import type { Host } from './hosts.ts';
import { alphabets, stableLabel, textLabel, zone } from './labels.ts';
import { Rcode, type Site } from './site.ts';

const own =
  (which: (site: Site, client: Client) => Host): Activity =>
  (site, client) =>
    site.host(client, which(site, client), Rtype.A);

/** A vendor's choice by device: one device always has the same vendor. */
const mine = (hosts: readonly Host[], client: Client): Host => hosts[client.serial % hosts.length]!;

/** A peer-to-peer relay has one host name for each camera, made from its serial number. */
const relay: Activity = (site, client) => {
  const name = site.begin();
  stableLabel(name, client.serial, alphabets.lettersAndDigits, 20);
  zone(name, site.zones.relay);
  return site.ask(client, Rtype.A, Rcode.NoError, [a(0xc6120500 | (client.serial & 255), 600)]);
};

const vehicle: Activity = (site, client) => {
  const name = site.begin();
  textLabel(name, client.id);
  textLabel(name, 'telematics');
  zone(name, site.zones.own);
  return site.ask(client, Rtype.A, Rcode.NoError, [a(0x0a010028, 300)], true);
};

export const field = {
  headEnd: own((s) => s.zones.hosts.headEnd),
  time: own((s, c) => (c.caches ? mine(s.zones.hosts.publicTime, c) : s.zones.hosts.time)),
  firmware: own((s, c) => mine(s.zones.hosts.firmware, c)),
  recorder: own((s) => s.zones.hosts.recorder),
  cameraCloud: own((s, c) => mine(s.zones.hosts.cameraCloud, c)),
  historian: own((s) => s.zones.hosts.historian),
  lights: own((s) => s.zones.hosts.lights),
  fleet: own((s) => s.zones.hosts.fleet),
  relay,
  vehicle,
} as const satisfies Record<string, Activity>;
