// The three tiers of policy as written: AdminNetworkPolicy by priority, NetworkPolicy (and MultiNetworkPolicy for secondary
// networks), BaselineAdminNetworkPolicy (network-policy-api v1alpha1; networking.k8s.io/v1).
import type { K8sFaults } from './faults.ts';
import type { Manifest } from './manifests.ts';
import { at, list, object, text } from './plain.ts';
import { PORT_MAX, Ports } from './ports.ts';
import { parseRange, type Range } from './ranges.ts';
import { readSelector, type Selector } from './selector.ts';
import { nameOf, namespaceOf, protocolOf } from './workloads.ts';

export interface Block {
  readonly range: Range;
  readonly except: readonly Range[];
}
/** Pods by labels (an absent namespace selector means the policy's own namespace), or addresses. */
export type Peer =
  | { readonly kind: 'pods'; readonly namespaces: Selector | undefined; readonly pods: Selector }
  | { readonly kind: 'block'; readonly block: Block };
export interface PortRule {
  /** Numbered ports, ready. */
  readonly ports: Ports;
  /** Names, to be looked up at the pod that is spoken to. `protocol` absent: any. */
  readonly named: readonly { readonly name: string; readonly protocol: string | undefined }[];
}
export interface Rule {
  readonly action: 'Allow' | 'Deny' | 'Pass';
  /** undefined: everyone. */
  readonly peers: readonly Peer[] | undefined;
  /** undefined: all ports. */
  readonly ports: PortRule | undefined;
}
export interface Policy {
  readonly name: string;
  /** '' for the tiers of the whole cluster. */
  readonly namespace: string;
  readonly subject: { readonly namespaces: Selector | undefined; readonly pods: Selector };
  /** undefined: says nothing about that direction. */
  readonly ingress: readonly Rule[] | undefined;
  readonly egress: readonly Rule[] | undefined;
  readonly priority: number;
  /** Secondary networks it is for, by name. */
  readonly networks: readonly string[];
}
export interface PolicyTiers {
  readonly admin: readonly Policy[];
  readonly namespaced: readonly Policy[];
  readonly secondary: readonly Policy[];
  readonly baseline: readonly Policy[];
}

export function readPolicies(manifests: readonly Manifest[], faults: K8sFaults): PolicyTiers {
  const of = (kind: string): Manifest[] => manifests.filter((m) => m.kind === kind);
  const admin = of('AdminNetworkPolicy').map((m) => tierPolicy(m, faults));
  return {
    // Equal priorities are undefined by the API; names make the answer repeat.
    admin: admin.sort((a, b) => a.priority - b.priority || (a.name < b.name ? -1 : 1)),
    namespaced: of('NetworkPolicy').map((m) => namespacedPolicy(m, faults)),
    secondary: of('MultiNetworkPolicy').map((m) => namespacedPolicy(m, faults)),
    baseline: of('BaselineAdminNetworkPolicy').map((m) => tierPolicy(m, faults)),
  };
}

/** All blocks that rules of one direction name, for cutting the outside at their edges. */
export function blocksOf(policies: readonly Policy[], direction: 'ingress' | 'egress'): Range[] {
  return policies.flatMap((p) =>
    (p[direction] ?? []).flatMap((r) =>
      (r.peers ?? []).flatMap((peer) => (peer.kind === 'block' ? [peer.block.range, ...peer.block.except] : [])),
    ),
  );
}

function namespacedPolicy(m: Manifest, faults: K8sFaults): Policy {
  const spec = object(m.body.spec);
  const types = list(spec.policyTypes).map(text);
  // Not said: Ingress always, Egress where it has egress rules (NetworkPolicySpec.policyTypes).
  const isIngress = types.length === 0 || types.includes('Ingress');
  const isEgress = types.length === 0 ? Array.isArray(spec.egress) && spec.egress.length > 0 : types.includes('Egress');
  const rules = (value: unknown, peersKey: string): Rule[] =>
    list(value).map((r) => {
      const peers = list(at(r, peersKey));
      const ports = list(at(r, 'ports'));
      return {
        action: 'Allow',
        peers: peers.length === 0 ? undefined : peers.flatMap((p) => namespacedPeer(m, p, faults)),
        ports: ports.length === 0 ? undefined : joinPorts(ports.map((p) => namespacedPort(m, p, faults))),
      };
    });
  return {
    name: nameOf(m),
    namespace: namespaceOf(m),
    subject: { namespaces: undefined, pods: readSelector(spec.podSelector) ?? [] },
    ingress: isIngress ? rules(spec.ingress, 'from') : undefined,
    egress: isEgress ? rules(spec.egress, 'to') : undefined,
    priority: 0,
    networks: text(at(m.body, 'metadata', 'annotations', 'k8s.v1.cni.cncf.io/policy-for'))
      .split(',')
      .map((n) => n.trim().replace(/^.*\//, ''))
      .filter((n) => n !== ''),
  };
}

function namespacedPeer(m: Manifest, p: unknown, faults: K8sFaults): Peer[] {
  const block = at(p, 'ipBlock');
  if (block !== undefined && block !== null) {
    const range = parseRange(text(at(block, 'cidr')));
    const except = list(at(block, 'except')).map((e) => parseRange(text(e)));
    if (range === undefined || except.some((e) => e === undefined)) {
      faults.add('K8S_POLICY_PART', m.file, `${m.kind} ${nameOf(m)}: an ipBlock is no range.`);
      return [];
    }
    return [{ kind: 'block', block: { range, except: except as Range[] } }];
  }
  const pods = readSelector(at(p, 'podSelector'));
  const namespaces = readSelector(at(p, 'namespaceSelector'));
  if (pods === undefined && namespaces === undefined) {
    faults.add('K8S_POLICY_PART', m.file, `${m.kind} ${nameOf(m)}: a peer names nobody.`);
    return [];
  }
  return [{ kind: 'pods', namespaces, pods: pods ?? [] }];
}

function namespacedPort(m: Manifest, p: unknown, faults: K8sFaults): PortRule {
  const protocol = protocolOf(at(p, 'protocol'));
  const port = at(p, 'port');
  const end = at(p, 'endPort');
  if (protocol === undefined) {
    faults.add('K8S_POLICY_PART', m.file, `${m.kind} ${nameOf(m)}: protocol ${text(at(p, 'protocol')).slice(0, 32)}.`);
    return { ports: Ports.none, named: [] };
  }
  if (port === undefined || port === null) return { ports: Ports.of(protocol, 1, PORT_MAX), named: [] };
  if (typeof port === 'string' && !/^\d+$/.test(port)) return { ports: Ports.none, named: [{ name: port, protocol }] };
  const first = Number(port);
  const ports = Ports.of(protocol, first, end === undefined || end === null ? first : Number(end));
  if (ports.isNone) faults.add('K8S_POLICY_PART', m.file, `${m.kind} ${nameOf(m)}: no span of ports.`);
  return { ports, named: [] };
}

function tierPolicy(m: Manifest, faults: K8sFaults): Policy {
  const spec = object(m.body.spec);
  const subjectPods = at(spec, 'subject', 'pods');
  const subject =
    subjectPods === undefined
      ? { namespaces: readSelector(at(spec, 'subject', 'namespaces')) ?? [], pods: [] }
      : {
          namespaces: readSelector(at(subjectPods, 'namespaceSelector')) ?? [],
          pods: readSelector(at(subjectPods, 'podSelector')) ?? [],
        };
  const rules = (value: unknown, peersKey: string): Rule[] | undefined =>
    value === undefined || value === null
      ? undefined
      : list(value).flatMap((r) => {
          const action = text(at(r, 'action'));
          if (action !== 'Allow' && action !== 'Deny' && action !== 'Pass') {
            faults.add('K8S_POLICY_PART', m.file, `${m.kind} ${nameOf(m)}: action ${action.slice(0, 32)}.`);
            return [];
          }
          const ports = list(at(r, 'ports'));
          return [
            {
              action,
              // An absent list is invalid here; it must not become "everyone".
              peers: list(at(r, peersKey)).flatMap((p) => tierPeer(m, p, faults)),
              ports: ports.length === 0 ? undefined : joinPorts(ports.map((p) => tierPort(m, p, faults))),
            } satisfies Rule,
          ];
        });
  return {
    name: nameOf(m),
    namespace: '',
    subject,
    ingress: rules(spec.ingress, 'from'),
    egress: rules(spec.egress, 'to'),
    priority: Number(spec.priority ?? 0),
    networks: [],
  };
}

function tierPeer(m: Manifest, p: unknown, faults: K8sFaults): Peer[] {
  const namespaces = at(p, 'namespaces');
  if (namespaces !== undefined) return [{ kind: 'pods', namespaces: readSelector(namespaces) ?? [], pods: [] }];
  const pods = at(p, 'pods');
  if (pods !== undefined)
    return [
      {
        kind: 'pods',
        namespaces: readSelector(at(pods, 'namespaceSelector')) ?? [],
        pods: readSelector(at(pods, 'podSelector')) ?? [],
      },
    ];
  const networks = at(p, 'networks');
  if (networks !== undefined)
    return list(networks).flatMap((n): Peer[] => {
      const range = parseRange(text(n));
      if (range !== undefined) return [{ kind: 'block', block: { range, except: [] } }];
      faults.add('K8S_POLICY_PART', m.file, `${m.kind} ${nameOf(m)}: ${text(n).slice(0, 64)} is no range.`);
      return [];
    });
  faults.add(
    'K8S_POLICY_PART',
    m.file,
    `${m.kind} ${nameOf(m)}: a peer of kind ${Object.keys(object(p)).join(', ').slice(0, 64)}.`,
  );
  return [];
}

function tierPort(m: Manifest, p: unknown, faults: K8sFaults): PortRule {
  const name = at(p, 'namedPort');
  if (name !== undefined) return { ports: Ports.none, named: [{ name: text(name), protocol: undefined }] };
  const one = at(p, 'portNumber');
  const many = at(p, 'portRange');
  const protocol = protocolOf(at(one ?? many, 'protocol'));
  const first = Number(one === undefined ? at(many, 'start') : at(one, 'port'));
  const last = Number(one === undefined ? at(many, 'end') : first);
  const ports = protocol === undefined ? Ports.none : Ports.of(protocol, first, last);
  if (ports.isNone) faults.add('K8S_POLICY_PART', m.file, `${m.kind} ${nameOf(m)}: no span of ports.`);
  return { ports, named: [] };
}

function joinPorts(rules: readonly PortRule[]): PortRule {
  return {
    ports: rules.reduce((all, r) => all.union(r.ports), Ports.none),
    named: rules.flatMap((r) => r.named),
  };
}
