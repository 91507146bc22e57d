// Who lives in the city: addresses, subscriber numbers, roles; and city.yaml made from it.
import type { Random } from '#lib/random';
import { ipv4 } from '../encode/ethernet.ts';
import { shareSigma } from '../profile.ts';
import { districtBuses, insideBuses } from './district.ts';
import type { Grid } from './grid.ts';

export interface Meter {
  readonly id: string;
  readonly bus: number;
  readonly busIndex: number;
  readonly ip: number;
  readonly imsi: string;
  readonly msisdn: string;
  /** Share of the bus's load; shares of a bus add up to one. */
  readonly share: number;
  /** Second within the half-hour at which it reports. */
  readonly phaseSeconds: number;
  readonly inDistrict: boolean;
  /** Whether it attaches over LTE (S6a) or GSM/UMTS (MAP). */
  readonly lte: boolean;
}
export interface Rtu {
  readonly id: string;
  readonly bus: number;
  readonly ip: number;
  readonly imsi: string;
  readonly msisdn: string;
  readonly cellular: boolean;
}
export interface Host {
  readonly id: string;
  readonly role: string;
  readonly zone: string;
  readonly ip: number;
}
export interface Plan {
  readonly meters: readonly Meter[];
  readonly rtus: readonly Rtu[];
  readonly cameras: readonly Host[];
  readonly offices: readonly Host[];
  readonly servers: readonly Host[];
  readonly at: Readonly<Record<ServerName, number>>;
}

const serverRows = [
  ['resolver', 'dns-resolver', 'services', '10.1.0.53'],
  ['directory', 'directory-server', 'services', '10.1.0.5'],
  ['time', 'ntp-server', 'services', '10.1.0.123'],
  ['headEnd', 'head-end', 'services', '10.1.0.10'],
  ['recorder', 'video-recorder', 'services', '10.1.0.40'],
  ['updates', 'update-server', 'services', '10.1.0.60'],
  ['backup', 'backup-server', 'services', '10.1.0.70'],
  ['jump', 'jump-host', 'services', '10.1.0.90'],
  ['scada', 'scada-server', 'control', '10.10.0.200'],
  ['engineering', 'engineering-workstation', 'control', '10.10.0.210'],
  ['historian', 'historian', 'control', '10.10.0.220'],
  ['twin', 'twin-server', 'twin', '10.30.0.10'],
  ['modelStore', 'model-store', 'twin', '10.30.0.20'],
  ['broker', 'mqtt-broker', 'twin', '10.30.0.30'],
] as const;
export type ServerName = (typeof serverRows)[number][0];

export const meterApn = 'meters.riverton.example';
/** The district is dense: a bus there has this many times the meters of a bus elsewhere. */
const districtWeight = 3;

export function makePlan(random: Random, grid: Grid, meterCount: number): Plan {
  return {
    meters: makeMeters(random.split('meters'), grid, meterCount),
    rtus: grid.busId.map((bus) => {
      const cellular = districtBuses.includes(bus);
      const number = String(bus).padStart(4, '0');
      return {
        id: `rtu-${number.slice(1)}`,
        bus,
        ip: ipv4(cellular ? `10.21.0.${bus}` : `10.10.1.${bus}`),
        imsi: cellular ? `00101000009${number}` : '',
        msisdn: cellular ? `9997000009${number}` : '',
        cellular,
      };
    }),
    cameras: hosts('camera', 'camera', 'camera', 60, (i) => `10.25.0.${i + 10}`),
    offices: hosts('pc', 'office-host', 'office', 120, (i) => `10.40.0.${i + 20}`),
    servers: serverRows.map(([name, role, zone, ip]) => ({ id: `${name.toLowerCase()}-01`, role, zone, ip: ipv4(ip) })),
    at: Object.fromEntries(serverRows.map(([name, , , ip]) => [name, ipv4(ip)])) as Record<ServerName, number>,
  };
}

function hosts(prefix: string, role: string, zone: string, count: number, ip: (i: number) => string): Host[] {
  return Array.from({ length: count }, (_, i) => ({
    id: `${prefix}-${String(i + 1).padStart(3, '0')}`,
    role,
    zone,
    ip: ipv4(ip(i)),
  }));
}

function makeMeters(random: Random, grid: Grid, count: number): Meter[] {
  const buses = grid.busId.filter((_, i) => grid.loadWatts[i]! > 0);
  const weights = buses.map((bus) => ((insideBuses as readonly number[]).includes(bus) ? districtWeight : 1));
  const total = weights.reduce((s, w) => s + w, 0);
  // Every load bus has a meter at least; the rest go round by weight (largest remainder, in bus order).
  const counts = weights.map((w) => Math.max(1, Math.floor((w / total) * count)));
  for (let left = count - counts.reduce((s, c) => s + c, 0), i = 0; left > 0; left--, i = (i + 1) % counts.length)
    counts[i]! += 1;
  const meters: Meter[] = [];
  buses.forEach((bus, b) => {
    const raw = Array.from({ length: counts[b]! }, () => Math.exp(random.normal(shareSigma)));
    const sum = raw.reduce((s, v) => s + v, 0);
    for (const value of raw) {
      const number = meters.length + 1;
      const text = String(number).padStart(4, '0');
      meters.push({
        id: `meter-${text}`,
        bus,
        busIndex: grid.indexOf.get(bus)!,
        ip: ipv4('10.20.0.0') + 256 + number,
        imsi: `00101000000${text}`,
        msisdn: `9997000000${text}`,
        share: value / sum,
        phaseSeconds: random.integer(0, 1799),
        inDistrict: districtBuses.includes(bus),
        lte: number % 2 === 0,
      });
    }
  });
  return meters;
}
