// May this pod or address speak to that one, and on which ports. Each side decides for itself; both must say yes.
// Order of the tiers: admin by priority, first match wins, Pass hands on; then NetworkPolicy where one selects the pod, whose
// silence is a no; else baseline; else yes (network-policy-api, KEP-2091).
import type { Block, Peer, Policy, PolicyTiers, Rule } from './policies.ts';
import { Ports } from './ports.ts';
import { contains, type Range } from './ranges.ts';
import { type Labels, selects } from './selector.ts';
import type { Pod } from './workloads.ts';

/** One end of a talk: a pod (with fixed addresses on a secondary network), or a range outside that no rule divides. */
export type End =
  | { readonly kind: 'pod'; readonly pod: Pod; readonly addresses: readonly Range[] }
  | { readonly kind: 'outside'; readonly range: Range };

export class Decider {
  readonly #tiers: PolicyTiers;
  readonly #namespaces: ReadonlyMap<string, Labels>;

  constructor(tiers: PolicyTiers, namespaces: ReadonlyMap<string, Labels>) {
    this.#tiers = tiers;
    this.#namespaces = namespaces;
  }

  /** What `from` may open to `to`. */
  allowed(from: End, to: End): Ports {
    const out = from.kind === 'outside' ? Ports.all : this.#direction('egress', from.pod, to, to);
    if (out.isNone) return out;
    return to.kind === 'outside' ? out : out.intersect(this.#direction('ingress', to.pod, from, to));
  }

  /** @param spokenTo whose named ports count: in both directions the pod that is spoken to */
  #direction(direction: 'ingress' | 'egress', subject: Pod, peer: End, spokenTo: End): Ports {
    const { admin, namespaced, baseline } = this.#tiers;
    const first = this.#ordered(admin, direction, subject, peer, spokenTo, Ports.all);
    const rest = first.undecided;
    if (rest.isNone) return first.allowed;
    const selecting = namespaced.filter((p) => p[direction] !== undefined && this.#isSubject(p, subject));
    if (selecting.length > 0) {
      let open = Ports.none;
      for (const p of selecting)
        for (const rule of p[direction]!) if (this.#matches(rule, p, peer)) open = open.union(portsOf(rule, spokenTo));
      return first.allowed.union(open.intersect(rest));
    }
    const last = this.#ordered(baseline, direction, subject, peer, spokenTo, rest);
    return first.allowed.union(last.allowed).union(last.undecided);
  }

  #ordered(
    policies: readonly Policy[],
    direction: 'ingress' | 'egress',
    subject: Pod,
    peer: End,
    spokenTo: End,
    asked: Ports,
  ): { allowed: Ports; undecided: Ports } {
    let allowed = Ports.none;
    let passed = Ports.none;
    let rest = asked;
    for (const policy of policies) {
      if (rest.isNone) break;
      if (policy[direction] === undefined || !this.#isSubject(policy, subject)) continue;
      for (const rule of policy[direction]) {
        if (!this.#matches(rule, policy, peer)) continue;
        const hit = rest.intersect(portsOf(rule, spokenTo));
        if (rule.action === 'Allow') allowed = allowed.union(hit);
        else if (rule.action === 'Pass') passed = passed.union(hit);
        rest = rest.subtract(hit);
      }
    }
    return { allowed, undecided: rest.union(passed) };
  }

  #isSubject(policy: Policy, pod: Pod): boolean {
    if (policy.namespace !== '') return policy.namespace === pod.namespace && selects(policy.subject.pods, pod.labels);
    return this.#inNamespaces(policy.subject.namespaces ?? [], pod) && selects(policy.subject.pods, pod.labels);
  }

  #matches(rule: Rule, policy: Policy, peer: End): boolean {
    return rule.peers === undefined || rule.peers.some((p) => this.#isPeer(p, policy, peer));
  }

  #isPeer(peer: Peer, policy: Policy, end: End): boolean {
    if (peer.kind === 'block')
      return end.kind === 'outside'
        ? inBlock(peer.block, end.range)
        : end.addresses.some((a) => inBlock(peer.block, a));
    if (end.kind === 'outside') return false;
    const inside =
      peer.namespaces === undefined
        ? end.pod.namespace === policy.namespace
        : this.#inNamespaces(peer.namespaces, end.pod);
    return inside && selects(peer.pods, end.pod.labels);
  }

  #inNamespaces(selector: Parameters<typeof selects>[0], pod: Pod): boolean {
    return selects(selector, this.#namespaces.get(pod.namespace) ?? new Map());
  }
}

/** Ranges were cut at all edges, so a range lies inside or outside as a whole. */
function inBlock(block: Block, range: Range): boolean {
  return contains(block.range, range) && !block.except.some((e) => contains(e, range));
}

function portsOf(rule: Rule, spokenTo: End): Ports {
  if (rule.ports === undefined) return Ports.all;
  let ports = rule.ports.ports;
  if (spokenTo.kind === 'pod')
    for (const { name, protocol } of rule.ports.named)
      for (const p of spokenTo.pod.ports)
        if (p.name === name && (protocol === undefined || p.protocol === protocol))
          ports = ports.union(Ports.of(p.protocol, p.port, p.port));
  return ports;
}
