// The answer as text, in the form of np-guard's netpol-analyzer, so that both can be compared line by line.
import type { NetworkReach, Reach } from './reach.ts';

/** One line a connection; with sections and a map of networks where there is more than the pod network. */
export function listing(reach: Reach): string {
  const only = reach.networks.length === 1 ? reach.networks[0] : undefined;
  if (only !== undefined) return block(lines(only));
  const sections = reach.networks.map((n) => {
    const rows = lines(n);
    return `Permitted connectivity analyzed in ${title(n)}:\n${block(rows.length > 0 ? rows : [silence(n)])}`;
  });
  const homes = [...reach.homes]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([name, { primary, secondary }]) => [
      `${name}: `,
      `\tPrimary Network: ${primary}`,
      ...(secondary.length === 0 ? [] : [`\tSecondary Networks: ${secondary.join(',')}`]),
    ]);
  return `${sections.join('\n')}\nWorkload-to-Networks Mapping:\n${block(homes)}`;
}

/** IPv6 is left out, as the peer does. */
function lines(n: NetworkReach): string[] {
  return n.connections
    .filter((c) => !isSix(c.from) && !isSix(c.to))
    .map((c) => `${c.from} => ${c.to} : ${c.ports.text()}`)
    .sort();
}
const isSix = (name: string): boolean => name.endsWith('[External]') && name.includes(':');

const block = (rows: readonly string[]): string => rows.map((r) => `${r}\n`).join('');

function title(n: NetworkReach): string {
  if (n.kind === 'pod') return 'Pod network';
  return `${n.kind === 'NAD' ? 'secondary' : 'primary'} ${n.kind} ${n.name}`;
}
function silence(n: NetworkReach): string {
  if (n.workloads.length === 0 && n.kind === 'pod')
    return 'all input workloads are configured with (C)UDN as their primary network interface';
  return `All connections are not allowed for the workloads in the ${n.name}`;
}
