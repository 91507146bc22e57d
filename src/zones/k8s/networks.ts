// Which networks the workloads stand in: the pod network, a user-defined network that takes its place in a namespace
// (OVN-Kubernetes), and secondary networks (NetworkAttachmentDefinition). Nothing goes from one to the other.
import type { Manifest } from './manifests.ts';
import { at } from './plain.ts';
import { readSelector, selects } from './selector.ts';
import { type Cluster, nameOf, namespaceOf, type Workload } from './workloads.ts';

export interface Network {
  readonly kind: 'pod' | 'UDN' | 'CUDN' | 'NAD';
  readonly name: string;
  readonly workloads: readonly Workload[];
}

/** A namespace without it stays on the pod network. */
const PRIMARY_LABEL = 'k8s.ovn.org/primary-user-defined-network';

/** @returns the pod network first; only it where the manifests name no other */
export function readNetworks(manifests: readonly Manifest[], cluster: Cluster): Network[] {
  const takenBy = new Map<string, { kind: 'UDN' | 'CUDN'; name: string }>();
  const isReady = (namespace: string): boolean => cluster.namespaces.get(namespace)?.has(PRIMARY_LABEL) ?? false;
  for (const m of manifests)
    if (m.kind === 'UserDefinedNetwork' && isPrimary(at(m.body, 'spec')) && isReady(namespaceOf(m)))
      takenBy.set(namespaceOf(m), { kind: 'UDN', name: namespaceOf(m) });
  for (const m of manifests) {
    if (m.kind !== 'ClusterUserDefinedNetwork' || !isPrimary(at(m.body, 'spec', 'network'))) continue;
    const selector = readSelector(at(m.body, 'spec', 'namespaceSelector')) ?? [];
    for (const [namespace, labels] of cluster.namespaces)
      if (isReady(namespace) && !takenBy.has(namespace) && selects(selector, labels))
        takenBy.set(namespace, { kind: 'CUDN', name: nameOf(m) });
  }
  const attachments = new Set(manifests.filter((m) => m.kind === 'NetworkAttachmentDefinition').map(nameOf));
  const networks: Network[] = [];
  for (const kind of ['UDN', 'CUDN'] as const)
    for (const name of sortedNames([...takenBy.values()].filter((n) => n.kind === kind).map((n) => n.name)))
      networks.push({
        kind,
        name,
        workloads: cluster.workloads.filter((w) => {
          const taken = takenBy.get(w.namespace);
          return taken?.kind === kind && taken.name === name;
        }),
      });
  for (const name of sortedNames(attachments))
    networks.push({ kind: 'NAD', name, workloads: cluster.workloads.filter((w) => w.attached.has(name)) });
  const pod = cluster.workloads.filter((w) => !takenBy.has(w.namespace));
  return [{ kind: 'pod', name: 'pod-network', workloads: pod }, ...networks];
}

function isPrimary(spec: unknown): boolean {
  return ['layer2', 'layer3', 'localnet'].some((layer) => at(spec, layer, 'role') === 'Primary');
}

const sortedNames = (names: Iterable<string>): string[] => [...new Set(names)].sort();
