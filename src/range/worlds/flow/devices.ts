// Who lives in the flow city: field devices by role and office machines, with addresses and random streams of their own.
import type { Random } from '#lib/random';
import { ipv4 } from '../../encode/ethernet.ts';

export const roles = ['smart-meter', 'camera', 'bus', 'signal-controller', 'iot-gateway', 'workstation'] as const;
export type Role = (typeof roles)[number];

export interface Device {
  readonly id: string;
  readonly role: Role;
  readonly zone: string;
  readonly ip: number;
  readonly random: Random;
}

const share: Record<Role, { of100: number; net: string; zone: string }> = {
  'smart-meter': { of100: 32, net: '10.20.0.0', zone: 'field' },
  camera: { of100: 16, net: '10.25.0.0', zone: 'camera' },
  bus: { of100: 14, net: '10.30.0.0', zone: 'transport' },
  'signal-controller': { of100: 10, net: '10.31.0.0', zone: 'field' },
  'iot-gateway': { of100: 6, net: '10.21.0.0', zone: 'field' },
  workstation: { of100: 22, net: '10.40.0.0', zone: 'office' },
};

/** `count` devices in fixed shares, at least one of each role. */
export function devicesOf(random: Random, count: number): Device[] {
  const out: Device[] = [];
  for (const role of roles) {
    const { of100, net, zone } = share[role];
    const n = Math.max(1, Math.round((of100 * count) / 100));
    for (let i = 1; i <= n; i++) {
      const id = `${role}-${String(i).padStart(3, '0')}`;
      out.push({ id, role, zone, ip: ipv4(net) + 10 + i, random: random.split(id) });
    }
  }
  return out;
}
