// Drift: what the wire shows beside what city.yaml says. Talks no conduit allows, conduits nobody uses, addresses of ours in no
// zone; each with counts, times and one flow to open. Tries that nobody answered are told apart: they are a scan or a mistake,
// and no reason to open anything.
import type { City } from '#city';
import type { Evidence } from '#findings';
import type { Conversation } from '../flows/conversations.ts';
import { Ground, type Standing } from './ground.ts';
import { conduitName, conduitPolicy, ruleFor } from './rules.ts';
import { type Service, serviceName, serviceText, transportOf } from './service.ts';

interface Counted {
  readonly flows: number;
  readonly answered: number;
  readonly unanswered: number;
  readonly firstAt: number;
  readonly lastAt: number;
}
export interface Example {
  readonly from: string;
  readonly to: string;
  readonly service: string;
  readonly evidence: Evidence;
}
export interface NoConduit extends Counted {
  readonly kind: 'drift';
  readonly what: 'no-conduit';
  readonly from: string;
  readonly to: string;
  readonly service: string;
  /** Pairs of addresses. */
  readonly pairs: number;
  readonly example: Example;
  readonly text: string;
}
export interface UnusedConduit {
  readonly kind: 'drift';
  readonly what: 'unused-conduit';
  readonly conduit: string;
  /** Services of it that nobody used; all of them where the conduit is unused as a whole. */
  readonly services: readonly string[];
  /** Tries that nobody answered. */
  readonly tries: number;
  readonly text: string;
}
export interface NoZone extends Counted {
  readonly kind: 'drift';
  readonly what: 'no-zone';
  readonly address: string;
  readonly asset?: string;
  readonly example?: Example;
  readonly text: string;
}
export type Drift = NoConduit | UnusedConduit | NoZone;

export interface DriftReport {
  readonly drifts: readonly Drift[];
  /** Services or zones that conduits name and city.yaml does not have. */
  readonly unread: readonly string[];
  readonly allowed: Counted;
  /** Answered flows that no conduit allows. */
  readonly strayed: number;
}

export function driftOf(city: City, conversations: readonly Conversation[]): DriftReport {
  const ground = new Ground(city);
  const { policy, unread } = conduitPolicy(city);
  const used = policy.rules.map((r) => r.services.map(() => ({ answered: 0, tries: 0 })));
  const strays = new Map<string, NoConduit & { readonly isAnsweredExample: boolean }>();
  const homeless = new Map<string, NoZone>();
  const allowed = {
    flows: 0,
    answered: 0,
    unanswered: 0,
    firstAt: Number.POSITIVE_INFINITY,
    lastAt: Number.NEGATIVE_INFINITY,
  };
  for (const c of conversations) {
    const from = ground.of(c.from);
    const to = ground.of(c.to);
    // A capture outside of the city's own networks shows talks of strangers among themselves.
    if (from.isOutside && to.isOutside) continue;
    for (const s of [from, to]) if (s.zone === '') addHomeless(homeless, s, c, exampleOf(city, c, from, to));
    const rule = allowing(ground, policy, c, from, to);
    if (rule !== -1) {
      allowed.flows += c.flows;
      allowed.answered += c.answered;
      allowed.unanswered += c.flows - c.answered;
      allowed.firstAt = Math.min(allowed.firstAt, c.firstAt);
      allowed.lastAt = Math.max(allowed.lastAt, c.lastAt);
      if (rule >= 0) {
        const turned = ruleFor(ground, policy, from, to, transportOf(c.protocol), c.port) === -1;
        const at = policy.rules[rule]!.services.findIndex((s) => usesService(s, c, turned));
        const use = used[rule]![Math.max(0, at)]!;
        use.answered += c.answered;
        use.tries += c.flows - c.answered;
      }
      continue;
    }
    // What is in no zone is told as that; no conduit can name it.
    if (from.zone === '' || to.zone === '') continue;
    addStray(strays, city, c, from, to);
  }
  // A zone that declares an asset and gives it none.
  for (const a of city.assets) {
    if (a.ip === '') continue;
    const s = ground.ofText(a.ip);
    if (s !== undefined && s.zone === '' && !homeless.has(s.address))
      homeless.set(s.address, noZone(s, { flows: 0, answered: 0, unanswered: 0, firstAt: 0, lastAt: 0 }));
  }
  const drifts: Drift[] = [
    ...[...strays.values()]
      .map(({ isAnsweredExample: _, ...d }) => ({ ...d, text: strayText(d) }))
      .sort(
        (a, b) =>
          b.answered - a.answered ||
          b.flows - a.flows ||
          (a.from + a.to + a.service < b.from + b.to + b.service ? -1 : 1),
      ),
    ...[...homeless.values()].sort((a, b) => b.flows - a.flows || (a.address < b.address ? -1 : 1)),
    ...policy.rules.flatMap((r, i) => unused(city, r.conduit, r.services, used[i]!)),
  ];
  const strayed = [...strays.values()].reduce((n, s) => n + s.answered, 0);
  return { drifts, unread, allowed, strayed };
}

/** The allowing rule; a flow without a seen start may have been told the wrong way round (OT sessions live for months). */
export function allowing(
  ground: Ground,
  policy: Parameters<typeof ruleFor>[1],
  c: Conversation,
  from: Standing,
  to: Standing,
): number {
  const protocol = transportOf(c.protocol);
  const rule = ruleFor(ground, policy, from, to, protocol, c.port);
  if (rule !== -1 || c.unsureFromPort === 0) return rule;
  return ruleFor(ground, policy, to, from, protocol, c.unsureFromPort);
}

function usesService(s: Service, c: Conversation, turned: boolean): boolean {
  const port = turned ? c.unsureFromPort : c.port;
  return s.protocol === transportOf(c.protocol) && (s.protocol === 'icmp' || (port >= s.first && port <= s.last));
}

export function exampleOf(city: City, c: Conversation, from: Standing, to: Standing): Example {
  return { from: from.address, to: to.address, service: talkName(city, c), evidence: c.example };
}
/** Service of a talk in the city's words; `ip/47` for protocols no service can name. */
export function talkName(city: City, c: Conversation): string {
  const protocol = transportOf(c.protocol);
  return protocol === undefined ? `ip/${c.protocol}` : serviceName(city, { protocol, first: c.port, last: c.port });
}

function addStray(
  strays: Map<string, NoConduit & { readonly isAnsweredExample: boolean }>,
  city: City,
  c: Conversation,
  from: Standing,
  to: Standing,
): void {
  const service = talkName(city, c);
  const key = `${from.zone}\u0000${to.zone}\u0000${service}`;
  const before = strays.get(key);
  const isBetter = before === undefined || (!before.isAnsweredExample && c.answered > 0);
  strays.set(key, {
    kind: 'drift',
    what: 'no-conduit',
    from: from.zone,
    to: to.zone,
    service,
    pairs: (before?.pairs ?? 0) + 1,
    ...sum(before, c),
    example: isBetter ? exampleOf(city, c, from, to) : before.example,
    isAnsweredExample: c.answered > 0 || (before?.isAnsweredExample ?? false),
    text: '',
  });
}

function addHomeless(homeless: Map<string, NoZone>, s: Standing, c: Conversation, example: Example): void {
  const before = homeless.get(s.address);
  homeless.set(s.address, { ...noZone(s, sum(before, c)), example: before?.example ?? example });
}
function noZone(s: Standing, counted: Counted): NoZone {
  const name = s.asset === undefined ? s.address : `${s.asset.id} (${s.address})`;
  return {
    kind: 'drift',
    what: 'no-zone',
    address: s.address,
    ...(s.asset === undefined ? {} : { asset: s.asset.id }),
    ...counted,
    text: `${name} is ours and in no zone: no conduit speaks of it. Give it a zone, or its network one.`,
  };
}

function sum(before: Counted | undefined, c: Conversation): Counted {
  return {
    flows: (before?.flows ?? 0) + c.flows,
    answered: (before?.answered ?? 0) + c.answered,
    unanswered: (before?.unanswered ?? 0) + c.flows - c.answered,
    firstAt: Math.min(before?.firstAt ?? Number.POSITIVE_INFINITY, c.firstAt),
    lastAt: Math.max(before?.lastAt ?? Number.NEGATIVE_INFINITY, c.lastAt),
  };
}

function strayText(d: Omit<NoConduit, 'text'>): string {
  const tries = d.unanswered > 0 ? `, and ${d.unanswered} tried in vain` : '';
  const head =
    d.answered > 0
      ? `${d.answered} answered ${d.answered === 1 ? 'flow' : 'flows'}${tries}`
      : `${d.unanswered} tries, none answered`;
  return `${head} from ${d.from} to ${d.to} by ${d.service}: no conduit ${conduitName(d.from, d.to)} allows it.`;
}

function unused(
  city: City,
  conduit: string,
  services: readonly Service[],
  used: readonly { answered: number; tries: number }[],
): UnusedConduit[] {
  const idle = services.flatMap((s, i) => (used[i]!.answered === 0 ? [{ s, tries: used[i]!.tries }] : []));
  if (idle.length === 0) return [];
  const names = idle.map(({ s }) => serviceName(city, s) || serviceText(s));
  const tries = idle.reduce((n, i) => n + i.tries, 0);
  const what =
    idle.length === services.length
      ? `Nobody used the conduit ${conduit}`
      : `Nobody used ${names.join(', ')} of the conduit ${conduit}`;
  return [
    {
      kind: 'drift',
      what: 'unused-conduit',
      conduit,
      services: names,
      tries,
      text: `${what}${tries > 0 ? `; ${tries} tried and were not answered` : ''}. Close it if the time seen covers all that happens there.`,
    },
  ];
}
