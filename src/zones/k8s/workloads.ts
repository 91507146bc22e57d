// Namespaces and the pods that workloads make, as policies see them: labels, named ports, and the networks they stand in.
import { parse } from 'yaml';
import type { K8sFaults } from './faults.ts';
import type { Manifest } from './manifests.ts';
import { at, list, object, strings, text } from './plain.ts';
import { type Protocol, protocols } from './ports.ts';
import { parseRange, type Range } from './ranges.ts';
import type { Labels } from './selector.ts';

export interface NamedPort {
  readonly name: string;
  readonly protocol: Protocol;
  readonly port: number;
}
/** A pod, or many that differ in nothing a policy can see. */
export interface Pod {
  readonly namespace: string;
  readonly labels: Labels;
  readonly ports: readonly NamedPort[];
}
/** What is told as one: the pods of a Deployment, a StatefulSet, a virtual machine... */
export interface Workload {
  readonly namespace: string;
  readonly name: string;
  readonly kind: string;
  readonly pods: Pod[];
  /** Secondary networks by name, with the fixed addresses there. */
  readonly attached: Map<string, Range[]>;
}
export interface Cluster {
  /** Labels by namespace. */
  readonly namespaces: Map<string, Labels>;
  readonly workloads: readonly Workload[];
}

/** Workloads told; pairs grow with the square. */
export const WORKLOADS_MAX = 1_000;

/** Where the pod template stands in each kind. */
const templates: Readonly<Record<string, readonly string[]>> = {
  Pod: [],
  Deployment: ['spec', 'template'],
  StatefulSet: ['spec', 'template'],
  DaemonSet: ['spec', 'template'],
  ReplicaSet: ['spec', 'template'],
  ReplicationController: ['spec', 'template'],
  Job: ['spec', 'template'],
  CronJob: ['spec', 'jobTemplate', 'spec', 'template'],
  VirtualMachine: ['spec', 'template'],
  VirtualMachineInstance: [],
};

export const namespaceOf = (m: Manifest): string => text(at(m.body, 'metadata', 'namespace')) || 'default';
export const nameOf = (m: Manifest): string => text(at(m.body, 'metadata', 'name'));

export function readCluster(manifests: readonly Manifest[], faults: K8sFaults): Cluster {
  const namespaces = new Map<string, Labels>();
  for (const m of manifests)
    if (m.kind === 'Namespace') namespaces.set(nameOf(m), namespaceLabels(nameOf(m), at(m.body, 'metadata', 'labels')));
  const workloads = new Map<string, Workload>();
  for (const m of manifests) {
    const path = templates[m.kind];
    if (path === undefined || nameOf(m) === '') continue;
    const namespace = namespaceOf(m);
    if (!namespaces.has(namespace)) namespaces.set(namespace, namespaceLabels(namespace, undefined));
    const template = at(m.body, ...path);
    // Pods that a controller made are told by its name; a pod's own kind stands where the owner's is not written.
    const owner = m.kind === 'Pod' ? object(list(at(m.body, 'metadata', 'ownerReferences'))[0]) : {};
    const name = text(owner.name) || nameOf(m);
    const kind = text(owner.kind) || m.kind;
    const key = `${namespace}/${name}[${kind}]`;
    if (!workloads.has(key) && workloads.size >= WORKLOADS_MAX) {
      faults.add('K8S_TOO_LARGE', m.file, `At most ${WORKLOADS_MAX} workloads.`);
      continue;
    }
    const workload: Workload = workloads.get(key) ?? { namespace, name, kind, pods: [], attached: new Map() };
    workloads.set(key, workload);
    workload.pods.push({
      namespace,
      labels: strings(at(template, 'metadata', 'labels')),
      ports: containerPorts(at(template, 'spec', 'containers')),
    });
    attach(workload, template);
  }
  return { namespaces, workloads: [...workloads.values()] };
}

/** Every namespace carries its own name as a label (Kubernetes 1.22). */
function namespaceLabels(name: string, labels: unknown): Labels {
  return new Map([...strings(labels), ['kubernetes.io/metadata.name', name]]);
}

function containerPorts(containers: unknown): NamedPort[] {
  return list(containers).flatMap((c) =>
    list(at(c, 'ports')).flatMap((p) => {
      const protocol = protocolOf(at(p, 'protocol'));
      const port = Number(at(p, 'containerPort'));
      const name = text(at(p, 'name'));
      return protocol === undefined || name === '' || !Number.isInteger(port) ? [] : [{ name, protocol, port }];
    }),
  );
}

/** TCP where nothing is written. */
export function protocolOf(value: unknown): Protocol | undefined {
  const name = text(value) || 'TCP';
  return protocols.find((p) => p === name);
}

function attach(workload: Workload, template: unknown): void {
  const add = (name: string, addresses: readonly unknown[]): void => {
    const bare = name.slice(name.indexOf('/') + 1).replace(/@.*$/, '');
    if (bare === '') return;
    const ranges = addresses.flatMap((a) => parseRange(text(a).replace(/\/\d+$/, '')) ?? []);
    workload.attached.set(bare, [...(workload.attached.get(bare) ?? []), ...ranges]);
  };
  for (const { name, addresses } of networkAnnotation(
    text(at(template, 'metadata', 'annotations', 'k8s.v1.cni.cncf.io/networks')),
  ))
    add(name, addresses);
  const vmAddresses = cloudInitAddresses(at(template, 'spec', 'volumes'));
  for (const network of list(at(template, 'spec', 'networks')))
    add(text(at(network, 'multus', 'networkName')), vmAddresses);
}

/** `a, ns/b@eth1`, or a JSON list (Kubernetes Network Plumbing Working Group, 4.1.2). */
function networkAnnotation(annotation: string): { name: string; addresses: readonly unknown[] }[] {
  if (!annotation.trimStart().startsWith('['))
    return annotation.split(',').map((name) => ({ name: name.trim(), addresses: [] }));
  try {
    return list(JSON.parse(annotation)).map((n) => ({ name: text(at(n, 'name')), addresses: list(at(n, 'ips')) }));
  } catch {
    return [];
  }
}

/** Addresses that a virtual machine gives itself (cloud-init network configuration, version 2). */
function cloudInitAddresses(volumes: unknown): unknown[] {
  return list(volumes).flatMap((v) => {
    const source = text(at(v, 'cloudInitNoCloud', 'networkData')) || text(at(v, 'cloudInitConfigDrive', 'networkData'));
    if (source === '') return [];
    try {
      const ethernets = at(parse(source, { maxAliasCount: 10, logLevel: 'silent' }), 'ethernets');
      return Object.values(object(ethernets)).flatMap((e) => list(at(e, 'addresses')));
    } catch {
      return [];
    }
  });
}
