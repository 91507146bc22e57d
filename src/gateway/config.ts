// The `gateway` section of city.yaml as the gateway uses it: paths resolved, durations in milliseconds, defaults set,
// and every wrong field found at once. The JSON schema has checked shapes; here is what a schema can't say.
import { resolve } from 'node:path';
import type { City } from '#city';
import { FaultError } from '#findings';
import { parseSpiffeId } from './identity.ts';
import { contains, filterFault } from './topics.ts';

/** Who may publish to or subscribe to what. `*` in `who` is one path segment, `{id}` in a topic the last one of it. */
export interface Rule {
  readonly who: string;
  readonly may: 'publish' | 'subscribe';
  readonly topics: readonly string[];
  /** Whether messages may be kept by the broker (retain). */
  readonly retain: boolean;
}
export interface CommandClass {
  readonly topic: string;
  /** Empty: any action. */
  readonly actions: readonly string[];
  /** Passes on identity and policy alone, at once, recorded as such. For protection trips. */
  readonly emergency: boolean;
}
export interface Approvals {
  readonly people: readonly string[];
  readonly need: number;
  readonly unanswered: 'hold' | 'refuse';
  readonly afterMs: number;
}
export interface Limits {
  /** Octets of the first packet, which comes before anyone is authenticated by CONNECT. */
  readonly connectBytes: number;
  readonly packetBytes: number;
  readonly handshakeMs: number;
  readonly connectMs: number;
  readonly connections: number;
  readonly connectionsPerSource: number;
  readonly connectionsPerIdentity: number;
  /** Octets held for one client while the broker or the client is slow. */
  readonly queueBytes: number;
  readonly queueBytesTotal: number;
  readonly receiveMaximum: number;
  readonly subscriptions: number;
  readonly keepAliveSeconds: number;
  readonly judgeMs: number;
  readonly commandAgeMs: number;
  readonly commandSkewMs: number;
  readonly held: number;
}
export interface Sequence {
  /** Commands that may pass within the window: one requester's, and everyone's. */
  readonly most: number;
  readonly mostTotal: number;
  /** Commands to one target: a breaker that is made to chatter. */
  readonly mostPerTarget: number;
  readonly withinMs: number;
}
export interface GatewayConfig {
  readonly host: string;
  readonly port: number;
  /** undefined: a broker of our own is started. */
  readonly broker: { readonly host: string; readonly port: number } | undefined;
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
  readonly audit: string;
  readonly trustDomains: readonly string[];
  readonly clients: ReadonlyMap<string, readonly string[]>;
  readonly revoked: readonly string[];
  readonly rules: readonly Rule[];
  readonly commands: readonly CommandClass[];
  readonly approvals: Approvals;
  readonly sequence: Sequence;
  readonly limits: Limits;
}

export const limitDefaults: Limits = {
  connectBytes: 16_384,
  packetBytes: 262_144,
  handshakeMs: 10_000,
  connectMs: 10_000,
  connections: 2_000,
  connectionsPerSource: 500,
  connectionsPerIdentity: 4,
  queueBytes: 1_048_576,
  queueBytesTotal: 67_108_864,
  receiveMaximum: 64,
  subscriptions: 256,
  keepAliveSeconds: 300,
  judgeMs: 1_000,
  commandAgeMs: 300_000,
  commandSkewMs: 60_000,
  held: 1_000,
};

/** The section as it stands in the file (city.schema.json checks it). */
export interface GatewayFile {
  listen?: string[];
  broker?: string;
  ca?: string;
  cert?: string;
  key?: string;
  audit?: string;
  trustDomains?: string[];
  identities?: Record<string, { clients?: string[]; revoked?: boolean }>;
  rules?: { who: string; may: 'publish' | 'subscribe'; topics: string[]; retain?: boolean }[];
  commands?: { topic: string; actions?: string[]; emergency?: boolean }[];
  approvals?: { people?: string[]; need?: number; unanswered?: 'hold' | 'refuse'; after?: string };
  sequence?: { most?: number; mostTotal?: number; mostPerTarget?: number; within?: string };
  limits?: Partial<Limits>;
}

export function gatewayConfig(city: City): GatewayConfig {
  return compileConfig((city.file.gateway ?? {}) as GatewayFile, city.dir);
}

/** @throws FaultError naming every wrong field */
export function compileConfig(file: GatewayFile, dir: string): GatewayConfig {
  const wrong: string[] = [];
  const listen = url(file.listen?.[0] ?? 'mqtts://127.0.0.1:8883', 'mqtts:', 8883, 'gateway.listen[0]', wrong);
  if ((file.listen?.length ?? 0) > 1) wrong.push('gateway.listen has more than one address; one is served');
  const broker = file.broker === undefined ? undefined : url(file.broker, 'mqtt:', 1883, 'gateway.broker', wrong);
  const rules = (file.rules ?? []).map((r) => ({ ...r, retain: r.retain ?? false }));
  const domains = new Set(file.trustDomains ?? []);
  for (const [i, r] of rules.entries()) {
    const who = parseSpiffeId(r.who.replaceAll('*', 'x'));
    if ('fault' in who || who.path.length === 0)
      wrong.push(`gateway.rules[${i}].who: ${r.who} is no SPIFFE id with a path`);
    else if (file.trustDomains === undefined) domains.add(who.trustDomain);
    if (/\*[^/]|[^/]\*/.test(r.who)) wrong.push(`gateway.rules[${i}].who: * must fill its segment`);
    for (const [k, topic] of r.topics.entries()) {
      const fault = filterFault(topic.replaceAll('{id}', 'x'));
      if (fault !== '') wrong.push(`gateway.rules[${i}].topics[${k}]: ${fault}`);
      if (r.may === 'publish' && contains(topic, 'verdict/x'))
        wrong.push(`gateway.rules[${i}].topics[${k}]: nobody but the gateway may publish verdicts`);
    }
  }
  const commands = (file.commands ?? []).map((c) => ({
    topic: c.topic,
    actions: c.actions ?? [],
    emergency: c.emergency ?? false,
  }));
  for (const [i, c] of commands.entries()) {
    const fault = filterFault(c.topic);
    if (fault !== '') wrong.push(`gateway.commands[${i}].topic: ${fault}`);
    if (!c.topic.startsWith('cmd/')) wrong.push(`gateway.commands[${i}].topic: commands stand below cmd/`);
    if (c.emergency && c.actions.length === 0)
      wrong.push(`gateway.commands[${i}]: an emergency class must name its actions`);
  }
  const identities = Object.entries(file.identities ?? {});
  for (const [id] of identities)
    if ('fault' in parseSpiffeId(id)) wrong.push(`gateway.identities: ${id} is no SPIFFE id`);
  const people = file.approvals?.people ?? [];
  for (const id of people)
    if ('fault' in parseSpiffeId(id)) wrong.push(`gateway.approvals.people: ${id} is no SPIFFE id`);
  const need = file.approvals?.need ?? 2;
  if (need < 2) wrong.push('gateway.approvals.need: a held command needs two people or more');
  if (new Set(people).size < need && people.length > 0)
    wrong.push(`gateway.approvals: ${need} must agree but only ${new Set(people).size} are named`);
  if (wrong.length > 0)
    throw new FaultError({
      kind: 'fault',
      code: 'GATEWAY_CONFIG',
      file: 'city.yaml',
      text: `${wrong.join('; ')}.`,
      remedy: 'See src/gateway/README.md for the shape of the gateway section.',
      lost: 'the gateway does not start',
    });
  const path = (p: string | undefined): string => (p === undefined ? '' : resolve(dir, p));
  return {
    host: listen.host,
    port: listen.port,
    broker,
    ca: path(file.ca),
    cert: path(file.cert),
    key: path(file.key),
    audit: path(file.audit ?? 'audit.ndjson'),
    trustDomains: [...domains],
    clients: new Map(identities.map(([id, v]) => [id, v.clients ?? []])),
    revoked: identities.filter(([, v]) => v.revoked === true).map(([id]) => id),
    rules,
    commands,
    approvals: {
      people,
      need,
      unanswered: file.approvals?.unanswered ?? 'refuse',
      afterMs: durationMs(file.approvals?.after ?? '15m'),
    },
    sequence: {
      most: file.sequence?.most ?? 10,
      mostTotal: file.sequence?.mostTotal ?? 30,
      mostPerTarget: file.sequence?.mostPerTarget ?? 4,
      withinMs: durationMs(file.sequence?.within ?? '10m'),
    },
    limits: { ...limitDefaults, ...file.limits },
  };
}

function url(
  text: string,
  scheme: string,
  port: number,
  field: string,
  wrong: string[],
): { host: string; port: number } {
  if (!URL.canParse(text) || new URL(text).protocol !== scheme) {
    wrong.push(`${field}: ${text} is no ${scheme}// address`);
    return { host: '', port };
  }
  const u = new URL(text);
  return { host: u.hostname.replace(/^\[|\]$/g, ''), port: u.port === '' ? port : Number(u.port) };
}

const units: Readonly<Record<string, number>> = { s: 1e3, m: 6e4, h: 36e5, d: 864e5 };

/** `15m`, `30s`, `4h`, `1d`. */
function durationMs(text: string): number {
  const match = /^([0-9]{1,6})([smhd])$/.exec(text);
  return match === null ? 0 : Number(match[1]) * units[match[2]!]!;
}
