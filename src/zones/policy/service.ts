// Services as city.yaml writes them: a name of its services, `tcp/8883`, or a protocol alone (all its ports).
import type { City } from '#city';

export type Transport = 'tcp' | 'udp' | 'sctp' | 'icmp';
export interface Service {
  readonly protocol: Transport;
  /** First and last port; 0 and 0 where the protocol has none, 1 and 65535 where all are meant. */
  readonly first: number;
  readonly last: number;
}

export const PORTS_ALL = 65_535;
const byNumber: Readonly<Record<number, Transport>> = { 1: 'icmp', 6: 'tcp', 17: 'udp', 58: 'icmp', 132: 'sctp' };

/** undefined for protocols that no service can name (GRE, ESP, OSPF...). */
export const transportOf = (protocol: number): Transport | undefined => byNumber[protocol];

/** undefined where it is neither a service's name nor a protocol. */
export function readService(city: City, written: string): Service | undefined {
  const match = /^(tcp|udp|icmp|sctp)(?:\/(\d{1,5})(?:-(\d{1,5}))?)?$/.exec(city.services.get(written) ?? written);
  if (match === null) return undefined;
  const protocol = match[1] as Transport;
  // A type of ICMP is not told apart: without echo and unreachable together nothing works.
  if (protocol === 'icmp') return { protocol, first: 0, last: 0 };
  if (match[2] === undefined) return { protocol, first: 1, last: PORTS_ALL };
  const first = Number(match[2]);
  const last = Number(match[3] ?? match[2]);
  return first >= 1 && last >= first && last <= PORTS_ALL ? { protocol, first, last } : undefined;
}

export const holds = (s: Service, protocol: Transport, port: number): boolean =>
  s.protocol === protocol && (protocol === 'icmp' || (port >= s.first && port <= s.last));

/** `tcp/8883`, `tcp/8000-8010`, `tcp`, `icmp`. */
export function serviceText(s: Service): string {
  if (s.protocol === 'icmp' || (s.first === 1 && s.last === PORTS_ALL)) return s.protocol;
  return `${s.protocol}/${s.first === s.last ? s.first : `${s.first}-${s.last}`}`;
}

/** The city's own name for a service where it has one. */
export function serviceName(city: City, s: Service): string {
  const plain = serviceText(s);
  for (const [name, written] of city.services) if (written === plain) return name;
  return plain;
}
