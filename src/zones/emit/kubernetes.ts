// A policy between zones as Kubernetes NetworkPolicy, and as CiliumNetworkPolicy. Pods carry their zone and role as labels;
// groups without pods (field networks, the outside) are address blocks. Each zone's pods are shut in both directions, then
// opened by conduit; within the zone all may talk, and names may be asked for.
import { stringify } from 'yaml';
import type { City } from '#city';
import { type Range, rangeBlocks } from '../k8s/ranges.ts';
import { Ground, type Group } from '../policy/ground.ts';
import type { ZonePolicy, ZoneRule } from '../policy/rules.ts';
import { PORTS_ALL, type Service } from '../policy/service.ts';

export interface KubernetesOptions {
  /** Where the pods and the policies live. */
  readonly namespace: string;
  /** Zones whose members are pods; all others are told by addresses. Absent: all but the outside. */
  readonly podZones?: readonly string[];
}

export const ZONE_LABEL = 'parapet/zone';
export const ROLE_LABEL = 'parapet/role';
const DNS_LABELS = { 'k8s-app': 'kube-dns' };
const DNS_NAMESPACE = 'kube-system';

type Body = Record<string, unknown>;

export interface Emitted {
  /** One object each. */
  readonly objects: readonly Body[];
  /** What the target can't say, in words. */
  readonly left: readonly string[];
}

export function networkPolicies(city: City, policy: ZonePolicy, options: KubernetesOptions): Emitted {
  const ground = new Ground(city);
  const isPods = podsTest(ground, options);
  const left: string[] = [];
  const objects: Body[] = [];
  for (const zone of podZonesOf(city, ground, isPods)) {
    objects.push(
      netpol(
        `zone-${zone}`,
        options.namespace,
        { [ZONE_LABEL]: label(zone) },
        {
          policyTypes: ['Ingress', 'Egress'],
          ingress: [{ from: [{ podSelector: { matchLabels: { [ZONE_LABEL]: label(zone) } } }] }],
          egress: [
            { to: [{ podSelector: { matchLabels: { [ZONE_LABEL]: label(zone) } } }] },
            // Egress is shut: without this no name resolves.
            {
              to: [
                {
                  namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': DNS_NAMESPACE } },
                  podSelector: { matchLabels: DNS_LABELS },
                },
              ],
              ports: dnsPorts,
            },
          ],
        },
      ),
    );
  }
  for (const [i, r] of policy.rules.entries()) {
    const ports = k8sPorts(r, left);
    if (ports === undefined) continue;
    const annotations = { 'parapet/conduit': r.conduit };
    if (isPods(r.from))
      objects.push(
        netpol(
          `rule-${i + 1}-out`,
          options.namespace,
          labelsOf(r.from),
          {
            policyTypes: ['Egress'],
            egress: [{ to: k8sPeers(ground, r.to, isPods), ports }],
          },
          annotations,
        ),
      );
    if (isPods(r.to))
      objects.push(
        netpol(
          `rule-${i + 1}-in`,
          options.namespace,
          labelsOf(r.to),
          {
            policyTypes: ['Ingress'],
            ingress: [{ from: k8sPeers(ground, r.from, isPods), ports }],
          },
          annotations,
        ),
      );
    if (!isPods(r.from) && !isPods(r.to)) left.push(`${r.conduit}: neither side has pods; it is for another wall.`);
  }
  return { objects, left };
}

const dnsPorts = [
  { protocol: 'UDP', port: 53 },
  { protocol: 'TCP', port: 53 },
];

function netpol(name: string, namespace: string, labels: Body, spec: Body, annotations?: Body): Body {
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { name: objectName(name), namespace, ...(annotations === undefined ? {} : { annotations }) },
    spec: { podSelector: { matchLabels: labels }, ...spec },
  };
}

function k8sPeers(ground: Ground, g: Group, isPods: (g: Group) => boolean): Body[] {
  if (isPods(g)) return [{ podSelector: { matchLabels: labelsOf(g) } }];
  if (isOutside(ground, g))
    return ([4, 6] as const).map((version) => ({
      ipBlock: { cidr: version === 4 ? '0.0.0.0/0' : '::/0', except: blocksOf(ground.ours(version)) },
    }));
  return groupBlocks(ground, g).map((cidr) => ({ ipBlock: { cidr } }));
}

/** undefined where nothing of the rule can be said. NetworkPolicy knows no ICMP. */
function k8sPorts(r: ZoneRule, left: string[]): Body[] | undefined {
  const own = r.services.filter((s) => s.protocol !== 'icmp');
  if (own.length < r.services.length) left.push(`${r.conduit}: a NetworkPolicy can not speak of ICMP.`);
  if (own.length === 0) return undefined;
  return own.map((s) => {
    const protocol = s.protocol.toUpperCase();
    if (s.first === 1 && s.last === PORTS_ALL) return { protocol };
    return s.first === s.last ? { protocol, port: s.first } : { protocol, port: s.first, endPort: s.last };
  });
}

/**
 * The same for Cilium. Its CIDR rules never match pods or nodes of the cluster, so those are told as endpoints and entities;
 * enableDefaultDeny is stated, because the default depends on which directions a policy speaks of.
 */
export function ciliumPolicies(city: City, policy: ZonePolicy, options: KubernetesOptions): Emitted {
  const ground = new Ground(city);
  const isPods = podsTest(ground, options);
  const left: string[] = [];
  const objects: Body[] = [];
  for (const zone of podZonesOf(city, ground, isPods)) {
    const own = { matchLabels: { [ZONE_LABEL]: label(zone) } };
    const dns = { matchLabels: { 'k8s:io.kubernetes.pod.namespace': DNS_NAMESPACE, 'k8s:k8s-app': 'kube-dns' } };
    objects.push(
      cilium(`zone-${zone}`, options.namespace, own, {
        enableDefaultDeny: { ingress: true, egress: true },
        ingress: [{ fromEndpoints: [own] }],
        egress: [
          { toEndpoints: [own] },
          {
            toEndpoints: [dns],
            toPorts: [{ ports: [{ port: '53', protocol: 'ANY' }], rules: { dns: [{ matchPattern: '*' }] } }],
          },
        ],
      }),
    );
  }
  for (const [i, r] of policy.rules.entries()) {
    const blocks = ciliumPorts(r);
    const annotations = { 'parapet/conduit': r.conduit };
    if (isPods(r.from))
      objects.push(
        cilium(
          `rule-${i + 1}-out`,
          options.namespace,
          { matchLabels: labelsOf(r.from) },
          {
            enableDefaultDeny: { ingress: false, egress: true },
            egress: blocks.map((b) => ({ ...ciliumPeer(ground, r.to, isPods, 'to'), ...b })),
          },
          annotations,
        ),
      );
    if (isPods(r.to))
      objects.push(
        cilium(
          `rule-${i + 1}-in`,
          options.namespace,
          { matchLabels: labelsOf(r.to) },
          {
            enableDefaultDeny: { ingress: true, egress: false },
            ingress: blocks.map((b) => ({ ...ciliumPeer(ground, r.from, isPods, 'from'), ...b })),
          },
          annotations,
        ),
      );
    if (!isPods(r.from) && !isPods(r.to)) left.push(`${r.conduit}: neither side has pods; it is for another wall.`);
  }
  return { objects, left };
}

function cilium(name: string, namespace: string, selector: Body, spec: Body, annotations?: Body): Body {
  return {
    apiVersion: 'cilium.io/v2',
    kind: 'CiliumNetworkPolicy',
    metadata: { name: objectName(name), namespace, ...(annotations === undefined ? {} : { annotations }) },
    spec: { endpointSelector: selector, ...spec },
  };
}

function ciliumPeer(ground: Ground, g: Group, isPods: (g: Group) => boolean, way: 'to' | 'from'): Body {
  if (isPods(g)) return { [`${way}Endpoints`]: [{ matchLabels: labelsOf(g) }] };
  // `world` is what is outside the cluster: the city's own field networks are there too, so they are taken out.
  if (isOutside(ground, g))
    return {
      [`${way}CIDRSet`]: ([4, 6] as const).map((version) => ({
        cidr: version === 4 ? '0.0.0.0/0' : '::/0',
        except: blocksOf(ground.ours(version)),
      })),
    };
  return { [`${way}CIDR`]: groupBlocks(ground, g) };
}

function ciliumPorts(r: ZoneRule): Body[] {
  const out: Body[] = [];
  const own = r.services.filter((s) => s.protocol !== 'icmp');
  if (own.length > 0) out.push({ toPorts: [{ ports: own.map(ciliumPort) }] });
  if (own.length < r.services.length)
    out.push({
      icmps: [
        {
          fields: [
            { family: 'IPv4', type: 8 },
            { family: 'IPv6', type: 128 },
          ],
        },
      ],
    });
  return out;
}
function ciliumPort(s: Service): Body {
  const protocol = s.protocol.toUpperCase();
  // Port 0 is all of them.
  if (s.first === 1 && s.last === PORTS_ALL) return { port: '0', protocol };
  return { port: `${s.first}`, ...(s.first === s.last ? {} : { endPort: s.last }), protocol };
}

/** Objects as one stream of YAML documents. */
export function yamlStream(objects: readonly Body[]): string {
  return objects
    .map((o) => `---\n${stringify(o, { lineWidth: 0, aliasDuplicateObjects: false }).trimEnd()}\n`)
    .join('');
}

function podsTest(ground: Ground, options: KubernetesOptions): (g: Group) => boolean {
  const pods = options.podZones === undefined ? undefined : new Set(options.podZones);
  return (g) => g.zone !== ground.outside && g.hosts === undefined && (pods === undefined || pods.has(g.zone));
}
function podZonesOf(city: City, ground: Ground, isPods: (g: Group) => boolean): string[] {
  const named = new Set([...city.zones.keys(), ...city.assets.map((a) => a.zone).filter((z) => z !== '')]);
  return [...named].filter((zone) => zone !== ground.outside && isPods({ zone })).sort();
}
const isOutside = (ground: Ground, g: Group): boolean =>
  g.zone === ground.outside && g.hosts === undefined && g.role === undefined;

function labelsOf(g: Group): Body {
  return { [ZONE_LABEL]: label(g.zone), ...(g.role === undefined ? {} : { [ROLE_LABEL]: label(g.role) }) };
}
/** A label's value: 63 of letters, digits, `-_.`, a letter or digit at both ends; may be empty. */
export function label(text: string): string {
  return text
    .replace(/[^A-Za-z0-9._-]/g, '-')
    .slice(0, 63)
    .replace(/^[^A-Za-z0-9]+|[^A-Za-z0-9]+$/g, '');
}
/** RFC 1123 name. */
function objectName(text: string): string {
  return `parapet-${text.toLowerCase().replace(/[^a-z0-9-]+/g, '-')}`.slice(0, 63).replace(/-+$/, '');
}

const blocksOf = (ranges: readonly Range[]): string[] => ranges.flatMap(rangeBlocks);
function groupBlocks(ground: Ground, g: Group): string[] {
  return ([4, 6] as const).flatMap((version) => blocksOf(ground.rangesOf(g, version)));
}
