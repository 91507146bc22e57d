// A policy from what was seen: the smallest rules by zone and role that cover every answered talk between zones. Tries nobody
// answered and scanners open nothing. Each rule names its conduit. It is a proposal for audit, not for enforcement: what was not
// seen in the time watched (the yearly test, the standby) is not in it.
import type { City } from '#city';
import type { Conversation } from '../flows/conversations.ts';
import { allowing, type Example, exampleOf, talkName } from './drift.ts';
import { Ground, type Group, groupText, type Standing } from './ground.ts';
import { conduitName, conduitPolicy, type ZonePolicy, type ZoneRule } from './rules.ts';
import { PORTS_ALL, type Service, type Transport, transportOf } from './service.ts';

/** Below it a business cycle was not seen (monthly jobs still are not). */
export const CYCLE_MICROS = 14 * 86_400e6;
/** Ports of one pair of groups above which they are told as one span: FTP and RPC take them by chance. */
const PORTS_MAX = 16;
/** Addresses of the outside that are told one by one. */
const HOSTS_MAX = 16;
/** A scanner: this many addresses on one port, and this share of them silent. */
const SCAN_ADDRESSES = 20;
const SCAN_SILENT = 0.8;

export interface SuggestedRule extends ZoneRule {
  readonly flows: number;
  readonly pairs: number;
  readonly firstAt: number;
  readonly lastAt: number;
  readonly example: Example;
  /** Why it is wider than what was seen, where it is. */
  readonly wider?: string;
}
export interface Suggestion {
  readonly policy: ZonePolicy & { readonly rules: readonly SuggestedRule[] };
  readonly scanners: readonly { readonly address: string; readonly port: number; readonly addresses: number }[];
  /** Answered talks that no rule can be made for: in no zone, or of a protocol no service names. */
  readonly left: readonly Conversation[];
  readonly spanMicros: number;
  readonly isWholeCycle: boolean;
}

interface Talk {
  readonly from: Group;
  readonly to: Group;
  readonly protocol: Transport;
  readonly ports: Set<number>;
  readonly conversations: Conversation[];
}

export function suggest(city: City, conversations: readonly Conversation[]): Suggestion {
  const ground = new Ground(city);
  const scanners = scannersOf(ground, conversations);
  const isScan = (c: Conversation, from: Standing): boolean =>
    scanners.some((s) => s.address === from.address && s.port === c.port);
  const left: Conversation[] = [];
  const talks = new Map<string, Talk>();
  let first = Number.POSITIVE_INFINITY;
  let last = Number.NEGATIVE_INFINITY;
  for (const c of conversations) {
    first = Math.min(first, c.firstAt);
    last = Math.max(last, c.lastAt);
    if (c.answered === 0) continue;
    const seen = upright(ground, city, c);
    const { from, to, port } = seen;
    if (isScan(c, from)) continue;
    if (from.zone === to.zone && from.zone !== '' && !from.isOutside) continue;
    const protocol = transportOf(c.protocol);
    if (from.zone === '' || to.zone === '' || protocol === undefined || (from.isOutside && to.isOutside)) {
      left.push(c);
      continue;
    }
    const a = groupOf(from);
    const b = groupOf(to);
    const key = [groupText(a), groupText(b), protocol].join('\u0000');
    const talk = talks.get(key) ?? { from: a, to: b, protocol, ports: new Set<number>(), conversations: [] };
    talk.ports.add(protocol === 'icmp' ? 0 : port);
    talk.conversations.push(c);
    talks.set(key, talk);
  }
  const rules = joined(
    [...talks.values()].map((t) => ruleOf(city, ground, t)),
    city,
  );
  rules.sort((x, y) => (ruleKey(x) < ruleKey(y) ? -1 : 1));
  const spanMicros = Math.max(0, last - first) || 0;
  return {
    policy: { name: 'suggested', rules },
    scanners,
    left,
    spanMicros,
    isWholeCycle: spanMicros >= CYCLE_MICROS,
  };
}

/** Turns a talk whose start was not seen the way that a conduit of the city knows it. */
function upright(ground: Ground, city: City, c: Conversation): { from: Standing; to: Standing; port: number } {
  const from = ground.of(c.from);
  const to = ground.of(c.to);
  if (c.unsureFromPort === 0) return { from, to, port: c.port };
  const { policy } = conduitPolicy(city);
  const turned = { ...c, from: c.to, to: c.from, port: c.unsureFromPort, unsureFromPort: 0 };
  const isKnown = allowing(ground, policy, { ...c, unsureFromPort: 0 }, from, to) !== -1;
  return !isKnown && allowing(ground, policy, turned, to, from) !== -1
    ? { from: to, to: from, port: c.unsureFromPort }
    : { from, to, port: c.port };
}

function groupOf(s: Standing): Group {
  return s.isOutside ? { zone: s.zone } : { zone: s.zone, role: s.role };
}

function ruleOf(city: City, ground: Ground, t: Talk): SuggestedRule {
  const ports = [...t.ports].sort((a, b) => a - b);
  const isSpan = ports.length > PORTS_MAX;
  const services: Service[] = isSpan
    ? [{ protocol: t.protocol, first: ports[0]!, last: Math.min(PORTS_ALL, ports.at(-1)!) }]
    : ports.map((p) => ({ protocol: t.protocol, first: p, last: p }));
  const best = t.conversations[0]!;
  const isKnown = city.conduits.some((c) => c.from === t.from.zone && c.to === t.to.zone);
  return {
    from: withHosts(ground, t.from, t.conversations, 'from'),
    to: withHosts(ground, t.to, t.conversations, 'to'),
    services,
    conduit: conduitName(t.from.zone, t.to.zone),
    isKnown,
    flows: t.conversations.reduce((n, c) => n + c.answered, 0),
    pairs: t.conversations.length,
    firstAt: Math.min(...t.conversations.map((c) => c.firstAt)),
    lastAt: Math.max(...t.conversations.map((c) => c.lastAt)),
    example: exampleOf(city, best, ground.of(best.from), ground.of(best.to)),
    ...(isSpan
      ? {
          wider: `${ports.length} ports were seen; the rule opens all from ${ports[0]} to ${ports.at(-1)}. Pin the service's ports (RPC, passive FTP) and it shrinks.`,
        }
      : {}),
  };
}

/** Few addresses of the outside are named; many are the outside as such. */
function withHosts(ground: Ground, group: Group, conversations: readonly Conversation[], side: 'from' | 'to'): Group {
  if (group.zone !== ground.outside || group.role !== undefined) return group;
  const hosts = [
    ...new Set(
      conversations
        .flatMap((c) => [ground.of(c.from), ground.of(c.to)])
        .filter((s) => s.isOutside)
        .map((s) => s.address),
    ),
  ];
  return hosts.length > HOSTS_MAX || side === 'from' ? { zone: group.zone } : { zone: group.zone, hosts: hosts.sort() };
}

/**
 * Rules of one service from every role that the zone has become one rule of the zone, and likewise on the other side; then
 * rules of the same two groups become one with all their services.
 */
function joined(rules: readonly SuggestedRule[], city: City): SuggestedRule[] {
  const widened = widen(widen(rules, 'from', city), 'to', city);
  const byGroups = new Map<string, SuggestedRule>();
  for (const r of widened) {
    const key = `${groupText(r.from)}\u0000${groupText(r.to)}`;
    const before = byGroups.get(key);
    byGroups.set(
      key,
      before === undefined ? r : { ...together(before, r), services: merged([...before.services, ...r.services]) },
    );
  }
  return [...byGroups.values()];
}

function widen(rules: readonly SuggestedRule[], side: 'from' | 'to', city: City): SuggestedRule[] {
  const other = side === 'from' ? 'to' : 'from';
  const alike = new Map<string, SuggestedRule[]>();
  for (const r of rules) {
    const services = r.services.map((s) => `${s.protocol}/${s.first}-${s.last}`).join();
    const key = [r[side].zone, groupText(r[other]), services].join('\u0000');
    alike.set(key, [...(alike.get(key) ?? []), r]);
  }
  return [...alike.values()].flatMap((group) => {
    const [one] = group;
    const { zone } = one![side];
    const roles = new Set(city.assets.filter((a) => a.zone === zone).map((a) => a.role));
    const seen = new Set(group.map((r) => r[side].role ?? ''));
    // With no role at all a zone's addresses are alike.
    const isAll =
      one![side].hosts === undefined &&
      ((seen.has('') && group.length === 1 && roles.size <= 1) ||
        (roles.size > 1 && [...roles].every((r) => seen.has(r))));
    return isAll ? [{ ...group.reduce(together), [side]: { zone } }] : group;
  });
}

function together(a: SuggestedRule, b: SuggestedRule): SuggestedRule {
  return {
    ...a,
    flows: a.flows + b.flows,
    pairs: a.pairs + b.pairs,
    firstAt: Math.min(a.firstAt, b.firstAt),
    lastAt: Math.max(a.lastAt, b.lastAt),
    ...((a.wider ?? b.wider) ? { wider: (a.wider ?? b.wider)! } : {}),
  };
}

function merged(services: readonly Service[]): Service[] {
  const seen = new Map(services.map((s) => [`${s.protocol}/${s.first}-${s.last}`, s]));
  return [...seen.values()].sort((a, b) =>
    a.protocol < b.protocol ? -1 : a.protocol > b.protocol ? 1 : a.first - b.first,
  );
}

const ruleKey = (r: SuggestedRule): string => `${r.conduit} ${groupText(r.from)} ${groupText(r.to)}`;

function scannersOf(ground: Ground, conversations: readonly Conversation[]): Suggestion['scanners'] {
  const byPort = new Map<string, { address: string; port: number; addresses: number; silent: number }>();
  for (const c of conversations) {
    const { address } = ground.of(c.from);
    const key = `${address} ${c.protocol} ${c.port}`;
    const s = byPort.get(key) ?? { address, port: c.port, addresses: 0, silent: 0 };
    s.addresses += 1;
    if (c.answered === 0) s.silent += 1;
    byPort.set(key, s);
  }
  return [...byPort.values()]
    .filter((s) => s.addresses >= SCAN_ADDRESSES && s.silent >= SCAN_SILENT * s.addresses)
    .map(({ address, port, addresses }) => ({ address, port, addresses }))
    .sort((a, b) => b.addresses - a.addresses || (a.address < b.address ? -1 : 1));
}

export interface Broken {
  readonly kind: 'broken';
  readonly policy: string;
  readonly from: string;
  readonly to: string;
  readonly service: string;
  /** Answered flows that the policy would have stopped. */
  readonly flows: number;
  readonly pairs: number;
  readonly firstAt: number;
  readonly lastAt: number;
  readonly example: Example;
  readonly text: string;
}

/** What a policy would have broken had it been enforced while the flows were seen. */
export function brokenBy(city: City, policy: ZonePolicy, conversations: readonly Conversation[]): Broken[] {
  const ground = new Ground(city);
  const rows = new Map<string, Broken>();
  for (const c of conversations) {
    if (c.answered === 0) continue;
    const from = ground.of(c.from);
    const to = ground.of(c.to);
    // What never passes the wall between zones, no policy of zones breaks.
    if (from.isOutside && to.isOutside) continue;
    if (allowing(ground, policy, c, from, to) !== -1) continue;
    const service = talkName(city, c);
    const key = `${from.zone}\u0000${to.zone}\u0000${service}`;
    const before = rows.get(key);
    rows.set(key, {
      kind: 'broken',
      policy: policy.name,
      from: from.zone || 'no zone',
      to: to.zone || 'no zone',
      service,
      flows: (before?.flows ?? 0) + c.answered,
      pairs: (before?.pairs ?? 0) + 1,
      firstAt: Math.min(before?.firstAt ?? Number.POSITIVE_INFINITY, c.firstAt),
      lastAt: Math.max(before?.lastAt ?? Number.NEGATIVE_INFINITY, c.lastAt),
      example: before?.example ?? exampleOf(city, c, from, to),
      text: '',
    });
  }
  return [...rows.values()]
    .map((r) => ({
      ...r,
      text: `The policy ${r.policy} would have stopped ${r.flows} answered ${r.flows === 1 ? 'flow' : 'flows'} from ${r.from} to ${r.to} by ${r.service}.`,
    }))
    .sort((a, b) => b.flows - a.flows || (a.from + a.to + a.service < b.from + b.to + b.service ? -1 : 1));
}
