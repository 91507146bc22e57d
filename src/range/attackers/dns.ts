// Command and control over DNS by hijacked devices and one office host, and the grid model leaving by DNS from the
// engineering workstation while orders come in as TXT answers.
import type { Random } from '#lib/random';
import { DnsType } from '../encode/dns.ts';
import type { TruthLog } from '../truth.ts';
import { base32Text, hex, registered } from '../worlds/names.ts';
import type { Net } from '../worlds/net.ts';
import type { Plan } from '../worlds/plan.ts';

export interface AttackPlace {
  readonly random: Random;
  readonly net: Net;
  readonly plan: Plan;
  readonly truth: TruthLog;
  readonly campaign: string;
}

/** Each implant asks one name of its own under the zone about each minute and gets short orders. */
export function commandOverDns(
  place: AttackPlace,
  from: number,
  until: number,
  devices: readonly { id: string; ip: number }[],
): void {
  const { random, net, truth, campaign } = place;
  const zone = registered(random);
  const mark = truth.begin(
    { at: from, until, plane: 'dns', what: 'dns-command-and-control', assets: devices.map((d) => d.id), campaign },
    'network.pcap',
  );
  devices.forEach((device, i) => {
    const name = hex(random, 10);
    for (let t = from + i * 700_000; t < until; t += 75e6 * (0.8 + 0.4 * random.uniform())) {
      const ask = `${hex(random, 16)}.${name}.${zone}`;
      const order = base32Text(Uint8Array.from({ length: 24 }, () => random.integer(0, 255)));
      net.lookup(
        t,
        device.ip,
        { name: ask, type: DnsType.TXT, records: [{ type: DnsType.TXT, ttl: 0, data: order }] },
        mark,
      );
    }
  });
}

/** `bytes` octets leave in base32 labels of at most 57 characters, three a name, under one zone. */
export function exfiltrateModel(place: AttackPlace, from: number, until: number, bytes: number): void {
  const { random, net, plan, truth, campaign } = place;
  const zone = registered(random);
  const engineering = plan.servers.find((s) => s.role === 'engineering-workstation')!;
  const step = {
    at: from,
    until,
    plane: 'dns',
    what: 'grid-model-exfiltration',
    assets: [engineering.id],
    campaign,
    leakedBytes: bytes,
  } as const;
  const mark = truth.begin(step, 'network.pcap');
  const perQuery = 105;
  const queries = Math.ceil(bytes / perQuery);
  const gap = (until - from) / queries;
  const chunk = new Uint8Array(perQuery);
  for (let q = 0; q < queries; q++) {
    random.fill(chunk);
    const text = base32Text(chunk.subarray(0, Math.min(perQuery, bytes - q * perQuery)));
    const labels = text.match(/.{1,57}/g) ?? [];
    const name = `${[q.toString(36), ...labels].join('.')}.${zone}`;
    const order = q % 20 === 0 ? hex(random, 120) : hex(random, 8);
    const at = from + Math.floor(gap * (q + 0.4 * random.uniform()));
    net.lookup(
      at,
      engineering.ip,
      { name, type: DnsType.TXT, records: [{ type: DnsType.TXT, ttl: 0, data: order }] },
      mark,
    );
  }
}
