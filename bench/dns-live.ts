// From the first malicious query to a proved refusal: real tunnels (iodine, dns2tcp) through real resolvers in network
// namespaces, found by `parapet watch`, refused by its policy zone. PARAPET_RUNS says how many worlds a row (10).
import { DnsWorld, missing, type ResolverKind } from '../test/live/dns-world.ts';
import type { Figure } from './run.ts';

const runs = Number(process.env.PARAPET_RUNS ?? 10);

export async function bench(): Promise<Figure[]> {
  const out: Figure[] = [];
  for (const [kind, road, tool, share] of [
    ['unbound', 'dnstap', 'iodine', 1],
    ['unbound', 'live', 'iodine', 1],
    ['unbound', 'live', 'dns2tcp', 0.5],
    ['bind', 'live', 'iodine', 0.3],
    ['bind', 'live', 'dns2tcp', 0.3],
    ['powerdns', 'live', 'iodine', 0.3],
    ['powerdns', 'live', 'dns2tcp', 0.3],
  ] as const) {
    const why = missing(kind as ResolverKind);
    if (why !== '') {
      console.log(`${kind} is left out: ${why}`);
      continue;
    }
    const millis: number[] = [];
    const alert: number[] = [];
    const whole: number[] = [];
    for (let run = 0; run < Math.max(1, Math.round(runs * share)); run++) {
      const world = new DnsWorld(kind);
      try {
        await world.start(road);
        const caught = await world.tunnel(tool);
        millis.push(caught.provedMillis);
        alert.push(caught.finding.leakedBytesAtAlert ?? 0);
        whole.push(caught.finding.leakedBytes ?? 0);
      } finally {
        await world.close();
      }
    }
    const name = `${tool} through ${kind}, seen by ${road === 'live' ? 'capture' : 'dnstap'}`;
    const goal = kind === 'unbound' ? '<= 2,000' : undefined;
    out.push({ name: `${name}: proved after, median of ${millis.length}`, value: at(millis, 0.5), unit: 'ms' });
    out.push({
      name: `${name}: proved after, p99 (the worst)`,
      value: at(millis, 0.99),
      unit: 'ms',
      ...(goal === undefined ? {} : { goal }),
    });
    out.push({ name: `${name}: sent up at the alert, median`, value: at(alert, 0.5), unit: 'bytes', goal: '<= 200' });
    out.push({ name: `${name}: tried to send up by the proof, median`, value: at(whole, 0.5), unit: 'bytes' });
  }
  return out;
}

function at(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
}
