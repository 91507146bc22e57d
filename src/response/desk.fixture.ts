// For tests: findings and cities as the desk meets them.
import { City } from '#city';
import type { Finding } from '#findings';
import type { ResponseFile } from './config.ts';

/** Microseconds of the machine's clock: resolvers judge signatures by theirs. */
export const clock = (): number => Date.now() * 1000;

export function tunnelFinding(zone: string, more: Partial<Finding> = {}): Finding {
  const at = clock();
  return {
    kind: 'finding',
    id: `f-${zone}`,
    plane: 'dns',
    detector: 'dns-tunnel',
    family: 'tunnel',
    title: `data leaves under ${zone}`,
    severity: 'high',
    confidence: 0.99,
    bits: 30,
    asset: { ip: '10.20.0.9' },
    subject: { type: 'domain', value: zone },
    firstAt: at,
    at,
    lastAt: at,
    techniques: [],
    reasons: [],
    evidence: [{ file: 'a.pcap', frame: 1 }],
    count: 1,
    response: [
      { type: 'rpz', record: `${zone} CNAME .` },
      { type: 'rpz', record: `*.${zone} CNAME .` },
    ],
    ...more,
  };
}

export function cityWith(response: ResponseFile, dir = '/'): City {
  const file = {
    networks: [{ name: 'field', cidr: '10.20.0.0/16' }],
    dns: { protected: ['corp.example'], allow: ['antivirus.example'] },
    response,
  };
  return new City(file as ConstructorParameters<typeof City>[0], dir);
}
