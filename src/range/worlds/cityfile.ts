// city.yaml of the simulated city, as text.
import { ipText } from '../encode/ethernet.ts';
import type { Grid } from './grid.ts';
import { meterApn, type Plan } from './plan.ts';
import { feedsOf } from './readings.ts';
import { homeNumbers, partnerNetworks } from './signalling.ts';

const head = `city: Riverton
networks:
  - {name: services, cidr: 10.1.0.0/24, zone: services}
  - {name: control, cidr: 10.10.0.0/16, zone: control}
  - {name: meters, cidr: 10.20.0.0/16, zone: field}
  - {name: cellular-rtus, cidr: 10.21.0.0/24, zone: field}
  - {name: cameras, cidr: 10.25.0.0/24, zone: camera}
  - {name: twin, cidr: 10.30.0.0/24, zone: twin}
  - {name: office, cidr: 10.40.0.0/23, zone: office}
zones:
  - {name: field, level: 1}
  - {name: control, level: 2}
  - {name: camera, level: 1}
  - {name: twin, level: 3}
  - {name: services, level: 3}
  - {name: office, level: 4}
conduits:
  - {from: field, to: services, services: [https, ntp, dns]}
  - {from: control, to: field, services: [iec104]}
  - {from: control, to: services, services: [dns, ntp, backup]}
  - {from: control, to: twin, services: [mqtt-tls]}
  - {from: services, to: field, services: [https]}
  - {from: services, to: control, services: [ssh]}
  - {from: services, to: twin, services: [ssh]}
  - {from: camera, to: services, services: [https, ntp, dns]}
  - {from: twin, to: services, services: [dns, ntp, backup]}
  - {from: office, to: services, services: [https, dns, ldaps, ntp, ssh]}
services:
  https: tcp/443
  ntp: udp/123
  dns: udp/53
  iec104: tcp/2404
  mqtt-tls: tcp/8883
  ssh: tcp/22
  ldaps: tcp/636
  backup: tcp/873
dns: {resolvers: [10.1.0.53], protected: [riverton.example], allow: [], signed: [riverton.example]}
`;

/** JSON in flow style is YAML; strings of digits stay quoted. */
const flow = (value: unknown): string => JSON.stringify(value);

export function cityText(plan: Plan, grid: Grid): string {
  const lines = [head.trimEnd(), 'signalling:'];
  lines.push(`  plmn: ${flow([homeNumbers.plmn])}`, `  gtPrefixes: ${flow([homeNumbers.gtPrefix])}`);
  lines.push(
    `  realms: ${flow([homeNumbers.realm])}`,
    '  gtpNodes: ["192.0.2.2/32"]',
    `  apns: ${flow([meterApn])}`,
    '  partners:',
  );
  for (const p of partnerNetworks) {
    lines.push(`    - ${flow({ plmn: [p.plmn], gtPrefixes: [p.gtPrefix], realms: [p.realm], gtpNodes: [p.gtpNode] })}`);
  }
  lines.push(
    'twins:',
    '  power: {model: grid.m, readings: power/+/+, commands: "cmd/power/#"}',
    'gateway: {}',
    'response: {mode: propose, ttl: 4h}',
  );
  lines.push('assets:');
  const asset = (fields: Record<string, unknown>): void => {
    lines.push(`  - ${flow(Object.fromEntries(Object.entries(fields).filter(([, v]) => v !== '')))}`);
  };
  for (const h of [...plan.servers, ...plan.cameras, ...plan.offices]) {
    asset({ id: h.id, role: h.role, zone: h.zone, ip: ipText(h.ip) });
  }
  for (const r of plan.rtus) {
    const zone = r.cellular ? 'field' : 'control';
    const apn = r.cellular ? meterApn : '';
    asset({
      id: r.id,
      role: 'rtu',
      zone,
      ip: ipText(r.ip),
      imsi: r.imsi,
      msisdn: r.msisdn,
      apn,
      feeds: feedsOf(grid, r.bus),
    });
  }
  for (const m of plan.meters) {
    const feeds = [`power/load/${m.bus}/p`, `power/load/${m.bus}/q`];
    asset({
      id: m.id,
      role: 'smart-meter',
      zone: 'field',
      ip: ipText(m.ip),
      imsi: m.imsi,
      msisdn: m.msisdn,
      apn: meterApn,
      feeds,
    });
  }
  return `${lines.join('\n')}\n`;
}
