// Who may reach whom: manifests in, one row a pair with what is open between them. Pairs that are not told are shut.
import type { Fault } from '#findings';
import { Decider, type End } from './decide.ts';
import { readFrontDoors } from './doors.ts';
import { K8sFaults } from './faults.ts';
import { type ManifestFile, readManifests } from './manifests.ts';
import { type Network, readNetworks } from './networks.ts';
import { blocksOf, type Policy, type PolicyTiers, readPolicies } from './policies.ts';
import { Ports } from './ports.ts';
import { type Range, rangeText, split } from './ranges.ts';
import { selects } from './selector.ts';
import { readCluster, type Workload } from './workloads.ts';

export interface Connection {
  readonly from: string;
  readonly to: string;
  readonly ports: Ports;
}
export interface NetworkReach {
  readonly kind: Network['kind'];
  readonly name: string;
  readonly workloads: readonly string[];
  readonly connections: readonly Connection[];
}
export interface Reach {
  readonly networks: readonly NetworkReach[];
  /** Networks of each workload: the one that stands in for the pod network, then the secondary ones. */
  readonly homes: ReadonlyMap<string, { readonly primary: string; readonly secondary: readonly string[] }>;
  readonly faults: readonly Fault[];
}

const FRONT = '{ingress-controller}';

export const workloadName = (w: Workload): string => `${w.namespace}/${w.name}[${w.kind}]`;

export function reach(files: readonly ManifestFile[]): Reach {
  const faults = new K8sFaults();
  const manifests = readManifests(files, faults);
  const cluster = readCluster(manifests, faults);
  const tiers = readPolicies(manifests, faults);
  const networks = readNetworks(manifests, cluster);
  const doors = readFrontDoors(manifests);
  const told = networks.map((network): NetworkReach => {
    const of = tiersOf(network, tiers);
    const decider = new Decider(of, cluster.namespaces);
    const peers = network.workloads.map((workload) => ({
      name: peerName(network, workload),
      ends: endsOf(network, workload),
    }));
    const mixed =
      (...names: string[]) =>
      (): void =>
        faults.add('K8S_MIXED_OWNER', '', names.join(' and '));
    const connections: Connection[] = [];
    const tell = (from: string, to: string, ports: Ports): void => {
      if (!ports.isNone) connections.push({ from, to, ports });
    };
    for (const from of peers)
      for (const to of peers)
        if (from !== to) tell(from.name, to.name, between(decider, from.ends, to.ends, mixed(from.name, to.name)));
    if (network.kind !== 'NAD') {
      for (const range of outside(of, 'ingress'))
        for (const to of peers)
          tell(outsideName(range), to.name, between(decider, [outsideEnd(range)], to.ends, mixed(to.name)));
      for (const range of outside(of, 'egress'))
        for (const from of peers)
          tell(from.name, outsideName(range), between(decider, from.ends, [outsideEnd(range)], mixed(from.name)));
    }
    if (network.kind === 'pod')
      for (const workload of network.workloads)
        tell(FRONT, peerName(network, workload), throughFront(decider, doors, workload));
    connections.sort((a, b) => (a.from + a.to < b.from + b.to ? -1 : 1));
    return { kind: network.kind, name: network.name, workloads: peers.map((p) => p.name), connections };
  });
  const homes = new Map(
    cluster.workloads.map((w) => {
      const primary = networks.find((n) => n.kind !== 'NAD' && n.workloads.includes(w));
      return [
        workloadName(w),
        {
          primary: primary === undefined || primary.kind === 'pod' ? 'pod-network' : `${primary.name}[${primary.kind}]`,
          secondary: networks.filter((n) => n.kind === 'NAD' && n.workloads.includes(w)).map((n) => `${n.name}[NAD]`),
        },
      ];
    }),
  );
  return { networks: told, homes, faults: faults.list() };
}

/** NetworkPolicy and the tiers hold on the primary network, MultiNetworkPolicy on the secondary ones it names. */
function tiersOf(network: Network, tiers: PolicyTiers): PolicyTiers {
  if (network.kind !== 'NAD') return { ...tiers, secondary: [] };
  return {
    admin: [],
    namespaced: tiers.secondary.filter((p) => p.networks.includes(network.name)),
    secondary: [],
    baseline: [],
  };
}

function endsOf(network: Network, workload: Workload): End[] {
  const addresses = network.kind === 'NAD' ? (workload.attached.get(network.name) ?? []) : [];
  return workload.pods.map((pod) => ({ kind: 'pod', pod, addresses }));
}

/** An owner reaches what any of its pods reaches. */
function between(decider: Decider, from: readonly End[], to: readonly End[], onMixed: () => void): Ports {
  let open: Ports | undefined;
  for (const a of from)
    for (const b of to) {
      const one = decider.allowed(a, b);
      if (open !== undefined && !open.equals(one)) onMixed();
      open = open === undefined ? one : open.union(one);
    }
  return open ?? Ports.none;
}

function peerName(network: Network, w: Workload): string {
  return network.kind === 'UDN' ? `${w.namespace}[udn]/${w.name}[${w.kind}]` : workloadName(w);
}

function outside(tiers: PolicyTiers, direction: 'ingress' | 'egress'): Range[] {
  const policies: Policy[] = [...tiers.admin, ...tiers.namespaced, ...tiers.baseline];
  const blocks = blocksOf(policies, direction);
  // The IPv6 outside is told where a policy speaks of it.
  return [...split(4, blocks), ...(blocks.some((b) => b.version === 6) ? split(6, blocks) : [])];
}
const outsideName = (range: Range): string => `${rangeText(range)}[External]`;
const outsideEnd = (range: Range): End => ({ kind: 'outside', range });

/** The controller is a pod of a namespace that nobody described: no labels, so only rules for everyone let it in. */
function throughFront(decider: Decider, doors: ReturnType<typeof readFrontDoors>, workload: Workload): Ports {
  const front: End = {
    kind: 'pod',
    pod: { namespace: '\u0000ingress-controller', labels: new Map(), ports: [] },
    addresses: [],
  };
  let open = Ports.none;
  for (const pod of workload.pods)
    for (const door of doors) {
      const selector = [...door.selector].map(([key, value]) => ({ key, operator: 'In', values: [value] }));
      if (door.namespace !== workload.namespace || !selects(selector, pod.labels)) continue;
      open = open.union(decider.allowed(front, { kind: 'pod', pod, addresses: [] }).intersect(door.portsAt(pod)));
    }
  return open;
}
