// city.yaml of a DNS scenario: networks, resolver, the data-in-names service the city knows of, and who is who.
import { ipText } from '../../encode/ethernet.ts';
import { type Client, zoneOfRole } from './clients.ts';
import { resolverIp } from './world.ts';
import { ownZone, type Zones } from './zones.ts';

export function dnsCityText(clients: readonly Client[], zones: Zones): string {
  const lines = [
    'city: Riverton',
    'networks:',
    '  - {name: services, cidr: 10.1.0.0/16, zone: services}',
    '  - {name: control, cidr: 10.11.0.0/16, zone: control}',
    '  - {name: field, cidr: 10.20.0.0/16, zone: field}',
    '  - {name: cameras, cidr: 10.25.0.0/16, zone: camera}',
    '  - {name: office, cidr: 10.40.0.0/16, zone: office}',
    'zones:',
    '  - {name: field, level: 1}',
    '  - {name: control, level: 2}',
    '  - {name: camera, level: 1}',
    '  - {name: services, level: 3}',
    '  - {name: office, level: 4}',
    `dns: {resolvers: [${ipText(resolverIp)}], protected: [${ownZone}], allow: [${zones.allowed.join(', ')}], signed: [${ownZone}]}`,
    'assets:',
  ];
  for (const c of clients)
    lines.push(`  - ${JSON.stringify({ id: c.id, role: c.role, zone: zoneOfRole[c.role], ip: ipText(c.ip) })}`);
  return `${lines.join('\n')}\n`;
}
