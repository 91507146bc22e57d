// city.yaml of a flow scenario: networks, zones, who is who by role.
import { ipText } from '../../encode/ethernet.ts';
import type { Device } from './devices.ts';
import { resolver } from './packets.ts';

export function flowCityText(devices: readonly Device[]): string {
  const lines = [
    'city: Riverton',
    'networks:',
    '  - {name: services, cidr: 10.1.0.0/16, zone: services}',
    '  - {name: control, cidr: 10.11.0.0/16, zone: control}',
    '  - {name: field, cidr: 10.20.0.0/15, zone: field}',
    '  - {name: cameras, cidr: 10.25.0.0/16, zone: camera}',
    '  - {name: buses, cidr: 10.30.0.0/16, zone: transport}',
    '  - {name: signals, cidr: 10.31.0.0/16, zone: field}',
    '  - {name: office, cidr: 10.40.0.0/16, zone: office}',
    'zones:',
    '  - {name: field, level: 1}',
    '  - {name: camera, level: 1}',
    '  - {name: transport, level: 1}',
    '  - {name: control, level: 2}',
    '  - {name: services, level: 3}',
    '  - {name: office, level: 4}',
    `dns: {resolvers: [${ipText(resolver)}]}`,
    'assets:',
  ];
  for (const d of devices)
    lines.push(`  - ${JSON.stringify({ id: d.id, role: d.role, zone: d.zone, ip: ipText(d.ip) })}`);
  return `${lines.join('\n')}\n`;
}
