// Who asks: clients by role with their addresses. Shares are those of a city with metering, cameras, buses and an office.
import type { Random } from '#lib/random';
import { ipv4 } from '../../encode/ethernet.ts';

export const roles = [
  'smart-meter',
  'camera',
  'rtu',
  'plc',
  'bus',
  'traffic-light',
  'office-pc',
  'phone',
  'tv',
  'mail-server',
  'backup-server',
  'resolver-check',
  'roaming-laptop',
] as const;
export type Role = (typeof roles)[number];

export interface Client {
  readonly index: number;
  readonly id: string;
  readonly role: Role;
  readonly ip: number;
  readonly random: Random;
  /** A stub resolver with a cache; small devices have none. */
  readonly caches: boolean;
  readonly udpBytesMax: number;
  /** A number that devices put into the names of their own hosts. */
  readonly serial: number;
  /** Ranks of the sites that this client's user keeps going to. */
  readonly favourites: Int32Array;
  port: number;
}

/** Shares of the many; the few servers below are there once each from ten clients on. */
const shares: readonly (readonly [Role, number])[] = [
  ['smart-meter', 0.46],
  ['camera', 0.12],
  ['rtu', 0.05],
  ['plc', 0.03],
  ['bus', 0.05],
  ['traffic-light', 0.06],
  ['office-pc', 0.15],
  ['phone', 0.05],
  ['tv', 0.03],
];
const single: readonly Role[] = ['mail-server', 'backup-server', 'resolver-check', 'roaming-laptop'];

export const zoneOfRole: Readonly<Record<Role, string>> = {
  'smart-meter': 'field',
  camera: 'camera',
  rtu: 'control',
  plc: 'control',
  bus: 'field',
  'traffic-light': 'field',
  'office-pc': 'office',
  phone: 'office',
  tv: 'office',
  'mail-server': 'services',
  'backup-server': 'services',
  'resolver-check': 'services',
  'roaming-laptop': 'office',
};
const base: Readonly<Record<string, number>> = {
  field: ipv4('10.20.0.0'),
  camera: ipv4('10.25.0.0'),
  control: ipv4('10.11.0.0'),
  office: ipv4('10.40.0.0'),
  services: ipv4('10.1.1.0'),
};

/** `count` clients; every role is there from 22 clients on. At most 60,000. */
export function makeClients(random: Random, count: number, popular: (random: Random) => number): Client[] {
  if (!(Number.isInteger(count) && count >= 1 && count <= 60_000))
    throw new RangeError('clients: a whole number from 1 to 60,000');
  const wanted: Role[] = count >= 10 ? [...single] : [];
  const many = count - wanted.length;
  let share = 0;
  for (const [role, part] of shares) {
    const from = Math.round(share * many);
    share += part;
    const least = many >= 18 ? 1 : 0;
    for (let i = Math.round(share * many) - from; i > 0 || (i === 0 && least === 1 && !wanted.includes(role)); i--)
      wanted.push(role);
  }
  while (wanted.length > count) wanted.splice(wanted.lastIndexOf('smart-meter'), 1);
  while (wanted.length < count) wanted.push('smart-meter');
  const used = new Map<string, number>();
  const numbered = new Map<Role, number>();
  return wanted.map((role, index) => {
    const place = zoneOfRole[role];
    const host = (used.get(place) ?? 9) + 1;
    used.set(place, host);
    const number = (numbered.get(role) ?? 0) + 1;
    numbered.set(role, number);
    const id = `${role}-${String(number).padStart(4, '0')}`;
    const own = random.split(id);
    const person = role === 'office-pc' || role === 'phone' || role === 'roaming-laptop';
    return {
      index,
      id,
      role,
      // Addresses ending in .0 and .255 are left out.
      ip: base[place]! + Math.floor(host / 250) * 256 + 1 + (host % 250),
      random: own,
      caches: person || role === 'tv' || role === 'mail-server',
      udpBytesMax:
        role === 'resolver-check' || role === 'mail-server' || role === 'backup-server'
          ? 1232
          : own.chance(0.3)
            ? 1232
            : 0,
      serial: own.word(),
      favourites: Int32Array.from({ length: person ? 24 : 0 }, () => popular(own)),
      port: own.integer(20_000, 60_000),
    };
  });
}
