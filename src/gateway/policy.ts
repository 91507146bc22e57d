// Who may do what, decided by the rules of city.yaml: deny by default, and no namespace is exempt. Pure; grants are
// compiled once a session, so that a message costs a few comparisons.
import type { CommandClass, GatewayConfig, Rule } from './config.ts';
import type { Identity } from './identity.ts';
import { Reason } from './mqtt/index.ts';
import { contains, nameFault, overlaps, parseShare } from './topics.ts';

export interface Denied {
  readonly reason: number;
  readonly text: string;
}

/** Levels that name the gateway's own answers: never a client's to publish. */
const ownTopics = 'verdict/#';

export class Policy {
  readonly #rules: readonly Rule[];
  readonly #commands: readonly CommandClass[];
  readonly #clients: ReadonlyMap<string, readonly string[]>;
  readonly #revoked: Set<string>;

  constructor(config: Pick<GatewayConfig, 'rules' | 'commands' | 'clients' | 'revoked'>) {
    this.#rules = config.rules;
    this.#commands = config.commands;
    this.#clients = config.clients;
    this.#revoked = new Set(config.revoked);
  }

  revoke(id: string): void {
    this.#revoked.add(id);
  }
  isRevoked(id: string): boolean {
    return this.#revoked.has(id);
  }
  isCommand(topic: string): boolean {
    return this.#commands.some((c) => contains(c.topic, topic));
  }
  /** The class of a command: the first whose topic and action fit. */
  classOf(topic: string, action: string): CommandClass | undefined {
    return this.#commands.find(
      (c) => contains(c.topic, topic) && (c.actions.length === 0 || c.actions.includes(action)),
    );
  }
  grantsOf(identity: Identity): Grants {
    const fits = this.#rules.filter((r) => matchesWho(r.who, identity.id));
    const topics = (may: Rule['may'], rule: (r: Rule) => boolean = () => true): string[] =>
      fits
        .filter((r) => r.may === may && rule(r))
        .flatMap((r) => r.topics.map((t) => t.replaceAll('{id}', identity.name)));
    return new Grants(
      this,
      identity,
      topics('publish'),
      topics('publish', (r) => r.retain),
      topics('subscribe'),
      this.#commands.map((c) => c.topic),
      this.#clients.get(identity.id) ?? [],
    );
  }
}

/** Whether an id fits a pattern in which `*` stands for exactly one segment. */
export function matchesWho(pattern: string, id: string): boolean {
  const p = pattern.split('/');
  const s = id.split('/');
  return p.length === s.length && p.every((part, i) => part === '*' || part === s[i]);
}

/** What one identity may do. */
export class Grants {
  readonly identity: Identity;
  readonly #policy: Policy;
  readonly #publish: readonly string[];
  readonly #retain: readonly string[];
  readonly #subscribe: readonly string[];
  readonly #commands: readonly string[];
  readonly #clients: readonly string[];

  constructor(
    policy: Policy,
    identity: Identity,
    publish: readonly string[],
    retain: readonly string[],
    subscribe: readonly string[],
    commands: readonly string[],
    clients: readonly string[],
  ) {
    this.#policy = policy;
    this.identity = identity;
    this.#publish = publish;
    this.#retain = retain;
    this.#subscribe = subscribe;
    this.#commands = commands;
    this.#clients = clients;
  }

  get revoked(): boolean {
    return this.#policy.isRevoked(this.identity.id);
  }

  /** A client id is a claim: the identity's name, or one listed for the identity. Empty: the gateway gives the name. */
  client(clientId: string): Denied | undefined {
    if (clientId === '' || clientId === this.identity.name || this.#clients.includes(clientId)) return undefined;
    return { reason: Reason.ClientIdNotValid, text: 'the client id is not one of this identity' };
  }

  /** A user name is a claim too: the id or the name in the certificate, or nothing. */
  user(username: string | undefined): Denied | undefined {
    if (username === undefined || username === '' || username === this.identity.id || username === this.identity.name)
      return undefined;
    return { reason: Reason.NotAuthorised, text: 'the user name is not that of the certificate' };
  }

  publish(topic: string, retain: boolean): Denied | undefined {
    if (this.revoked) return { reason: Reason.NotAuthorised, text: 'the identity is revoked' };
    const fault = nameFault(topic);
    if (fault !== '') return { reason: Reason.TopicNameInvalid, text: fault };
    if (topic.startsWith('$'))
      return { reason: Reason.NotAuthorised, text: 'topics that begin with $ are not for clients' };
    if (contains(ownTopics, topic) || !this.#publish.some((g) => contains(g, topic)))
      return { reason: Reason.NotAuthorised, text: 'no rule lets this identity publish here' };
    if (!retain) return undefined;
    if (this.#policy.isCommand(topic))
      return { reason: Reason.RetainNotSupported, text: 'a command may not be retained' };
    if (!this.#retain.some((g) => contains(g, topic)))
      return { reason: Reason.RetainNotSupported, text: 'no rule lets this identity retain here' };
    return undefined;
  }

  /** A will is a message sent later; a command is decided when it is asked for, so it can't be one. */
  will(topic: string, retain: boolean): Denied | undefined {
    const denied = this.publish(topic, retain);
    if (denied !== undefined) return { reason: Reason.NotAuthorised, text: `will: ${denied.text}` };
    if (this.#policy.isCommand(topic))
      return { reason: Reason.NotAuthorised, text: 'will: a will may not be a command' };
    return undefined;
  }

  subscribe(text: string): Denied | undefined {
    if (this.revoked) return { reason: Reason.NotAuthorised, text: 'the identity is revoked' };
    const { group, filter, fault } = parseShare(text);
    if (fault !== '') return { reason: Reason.FilterInvalid, text: fault };
    if (!this.#subscribe.some((g) => contains(g, filter)))
      return { reason: Reason.NotAuthorised, text: 'no rule covers all that this filter matches' };
    if (group !== '' && this.#commands.some((c) => overlaps(c, filter)))
      return { reason: Reason.SharedNotSupported, text: 'commands have no shared subscriptions' };
    return undefined;
  }

  /** Whether a filter can bring commands: those come at QoS 0, since a repeat at QoS 1 would act twice. */
  reachesCommands(text: string): boolean {
    const { filter } = parseShare(text);
    return this.#commands.some((c) => overlaps(c, filter));
  }

  /** Asked for each message on its way out: rules may have changed since the subscription. */
  deliver(topic: string): boolean {
    return !this.revoked && this.#subscribe.some((g) => contains(g, topic));
  }
}
