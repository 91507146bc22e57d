// Ways in from outside through the cluster's own front: Ingress and Route objects lead by a Service to pods.
import type { Manifest } from './manifests.ts';
import { at, list, strings, text } from './plain.ts';
import { Ports } from './ports.ts';
import type { Labels } from './selector.ts';
import { nameOf, namespaceOf, type Pod, protocolOf } from './workloads.ts';

export interface FrontDoor {
  readonly namespace: string;
  /** Labels of the pods behind it. */
  readonly selector: Labels;
  /** Ports at a pod. */
  portsAt(pod: Pod): Ports;
}

interface Backend {
  readonly service: string;
  /** Port of the service by number or name, or of the pod (Route); '' means all. */
  readonly port: string;
}

export function readFrontDoors(manifests: readonly Manifest[]): FrontDoor[] {
  const services = manifests.filter((m) => m.kind === 'Service');
  const doors: FrontDoor[] = [];
  for (const m of manifests) {
    const backends = m.kind === 'Ingress' ? ingressBackends(m) : m.kind === 'Route' ? routeBackends(m) : [];
    for (const backend of backends)
      for (const service of services.filter(
        (s) => nameOf(s) === backend.service && namespaceOf(s) === namespaceOf(m),
      )) {
        const selector = strings(at(service.body, 'spec', 'selector'));
        if (selector.size > 0)
          doors.push({
            namespace: namespaceOf(m),
            selector,
            portsAt: (pod) => servicePorts(service, backend.port, pod),
          });
      }
  }
  return doors;
}

function ingressBackends(m: Manifest): Backend[] {
  const one = (backend: unknown): Backend[] => {
    const service = at(backend, 'service');
    const port = text(at(service, 'port', 'number')) || text(at(service, 'port', 'name'));
    const name = text(at(service, 'name')) || text(at(backend, 'serviceName'));
    return name === '' ? [] : [{ service: name, port: port || text(at(backend, 'servicePort')) }];
  };
  return [
    ...one(at(m.body, 'spec', 'defaultBackend')),
    ...list(at(m.body, 'spec', 'rules')).flatMap((r) =>
      list(at(r, 'http', 'paths')).flatMap((p) => one(at(p, 'backend'))),
    ),
  ];
}

function routeBackends(m: Manifest): Backend[] {
  const spec = at(m.body, 'spec');
  const port = text(at(spec, 'port', 'targetPort'));
  return [at(spec, 'to'), ...list(at(spec, 'alternateBackends'))]
    .map((to) => ({ service: text(at(to, 'name')), port }))
    .filter((b) => b.service !== '');
}

function servicePorts(service: Manifest, wanted: string, pod: Pod): Ports {
  let ports = Ports.none;
  for (const p of list(at(service.body, 'spec', 'ports'))) {
    const number = text(at(p, 'port'));
    const target = text(at(p, 'targetPort')) || number;
    if (wanted !== '' && ![number, target, text(at(p, 'name'))].includes(wanted)) continue;
    const protocol = protocolOf(at(p, 'protocol'));
    if (protocol === undefined) continue;
    const named = pod.ports.find((n) => n.name === target && n.protocol === protocol);
    const port = named?.port ?? Number(target);
    if (Number.isInteger(port)) ports = ports.union(Ports.of(protocol, port, port));
  }
  return ports;
}
