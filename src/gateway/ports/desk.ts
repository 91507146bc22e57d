// Where commands are decided: gathers the facts, asks physics in time, writes the audit, and only then acts.
// The order is fixed: recorded as received -> judged -> verdict recorded -> out, held or refused -> outcome recorded.
import type { Command } from '#events';
import { toJsonLine, type Verdict } from '#findings';
import type { AuditLog } from '../audit/index.ts';
import { commandJson, digestOf, parseCommand } from '../command.ts';
import type { GatewayConfig } from '../config.ts';
import { type HeldCommand, type HoldEntry, Holds } from '../holds.ts';
import {
  type CommandFacts,
  CommandWindow,
  type Judge,
  judgeCommand,
  Nonces,
  precheck,
  type TwinAnswer,
} from '../interlock.ts';
import { Id, type Packet, type Property, type Publish, Reason } from '../mqtt/index.ts';
import type { Grants, Policy } from '../policy.ts';
import type { BrokerReturn } from './broker-return.ts';
import { BrokerLink, type LinkOptions } from './link.ts';
import { AUTHOR, GATEWAY } from './session.ts';

/** Commands under judgement at once; more are held unjudged. */
const judgingMax = 64;
/** Verdicts kept while the broker is away; the oldest go first, since all are in the audit. */
const verdictsMax = 256;
const outcomeMs = 5_000;

export interface DeskWorld {
  readonly config: GatewayConfig;
  readonly policy: Policy;
  readonly audit: AuditLog;
  readonly judge: Judge;
  readonly link: Omit<LinkOptions, 'clientId'>;
  readonly linkName: string;
  readonly brokerReturn: BrokerReturn;
  /** Microseconds of the wall clock. */
  now(): number;
  say(text: string): void;
  verdict(verdict: Verdict): void;
}
export interface Past {
  readonly holds: readonly HoldEntry[];
  readonly nonces: readonly { readonly requester: string; readonly nonce: string; readonly at: number }[];
}

export class Desk {
  readonly holds: Holds;
  readonly counts = { pass: 0, hold: 0, refuse: 0, malformed: 0 };
  readonly #world: DeskWorld;
  readonly #nonces: Nonces;
  readonly #window: CommandWindow;
  readonly #link: BrokerLink;
  readonly #outcomes = new Map<number, (text: string) => void>();
  #verdicts: Publish[] = [];
  #judging = 0;
  #nextId = 0;

  constructor(world: DeskWorld, past: Past) {
    this.#world = world;
    const { config } = world;
    this.#nonces = new Nonces((config.limits.commandAgeMs + config.limits.commandSkewMs) * 1000);
    for (const n of past.nonces) this.#nonces.remember(n.requester, n.nonce, n.at);
    this.#window = new CommandWindow(config.sequence);
    this.holds = new Holds(
      {
        append: (entry) => world.audit.append('hold', entry, world.now()),
        now: () => this.#nonces.moment(world.now()),
        blocked: (held) => this.#blocked(held),
        execute: (held) => this.#execute(held),
        refused: (held, _by, text) => {
          this.#tell({
            ...held.verdict,
            at: world.now(),
            decision: 'refuse',
            reasons: [text, ...held.verdict.reasons],
          });
        },
      },
      config.approvals,
      config.limits.held,
      past.holds,
    );
    this.#link = new BrokerLink(
      { ...world.link, clientId: `${world.linkName}-desk` },
      {
        up: () => this.#brokerUp(),
        down: () => {
          for (const done of this.#outcomes.values()) done('The broker went away before it confirmed: unknown.');
          world.say('The broker is not reachable: commands are held.');
          world.brokerReturn.lost(this.#link);
        },
        packet: (p) => this.#answered(p),
        drain: () => {},
      },
    );
  }

  get brokerUp(): boolean {
    return this.#link.up;
  }

  /** @returns the MQTT reason code for the requester's PUBACK or PUBREC */
  async submit(p: Publish, grants: Grants): Promise<number> {
    const startedAt = performance.now();
    const { config, policy } = this.#world;
    const at = this.#nonces.moment(this.#world.now());
    const command = parseCommand(p.payload);
    const identity = grants.identity;
    if ('fault' in command) {
      this.counts.malformed++;
      await this.#record('malformed', { identity: identity.id, topic: p.topic, text: command.fault });
      return Reason.PayloadFormat;
    }
    const digest = digestOf(command);
    const nonce = this.#nonces.check(identity.id, command.nonce, at);
    this.#nonces.remember(identity.id, command.nonce, at);
    const received = { identity: identity.id, topic: p.topic, digest, command: commandJson(command) };
    const auditWritable = await this.#record('command', received);
    const requester = identity.id;
    const facts: CommandFacts = {
      command,
      digest,
      identity: { id: identity.id, name: identity.name, revoked: grants.revoked },
      topic: p.topic,
      denied: grants.publish(p.topic, p.retain)?.text ?? '',
      declared: declared(policy, p.topic, command.action),
      retain: p.retain,
      at,
      ageMicrosMax: config.limits.commandAgeMs * 1000,
      skewMicrosMax: config.limits.commandSkewMs * 1000,
      nonce,
      tooMany:
        this.#judging >= judgingMax
          ? 'Too many commands are being judged at once.'
          : this.#window.tooMany(requester, command.target, at),
      auditWritable,
      brokerUp: this.#link.up,
      twin: undefined,
      decidedInMicros: 0,
    };
    const took = (): number => Math.round((performance.now() - startedAt) * 1000);
    if (precheck(facts) !== undefined)
      return this.#act(facts, judgeCommand({ ...facts, decidedInMicros: took() }), requester);
    // Counted before physics is asked, so that many at once can't slip through one gap.
    this.#window.passed(requester, command.target, at);
    this.#judging++;
    const twin = await this.#ask(command);
    this.#judging--;
    const verdict = judgeCommand({ ...facts, twin, brokerUp: this.#link.up, decidedInMicros: took() });
    if (verdict.decision !== 'pass') this.#window.undo(requester, command.target, at);
    return this.#act(facts, verdict, requester);
  }

  async #ask(command: Command): Promise<TwinAnswer> {
    const waitMs = this.#world.config.limits.judgeMs;
    const startedAt = performance.now();
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<TwinAnswer>((resolve) => {
      timer = setTimeout(() => resolve({ kind: 'late', waitedMicros: (performance.now() - startedAt) * 1000 }), waitMs);
    });
    try {
      const answer = Promise.resolve(this.#world.judge(command, this.#world.now() + waitMs * 1000)).then(
        (verdict): TwinAnswer => ({ kind: 'answer', verdict }),
        (error: unknown): TwinAnswer => ({
          kind: 'error',
          text: error instanceof Error ? error.message : String(error),
        }),
      );
      return await Promise.race([answer, late]);
    } catch (error) {
      return { kind: 'error', text: error instanceof Error ? error.message : String(error) };
    } finally {
      clearTimeout(timer);
    }
  }

  async #act(facts: CommandFacts, judged: Verdict, requester: string): Promise<number> {
    let verdict = judged;
    const { command, digest, topic } = facts;
    const emergency = facts.declared === 'emergency';
    const recorded = await this.#record('verdict', { ...verdict, digest, emergency });
    if (!recorded && verdict.decision === 'pass' && !emergency) {
      const text = 'The audit could not be written; nothing leaves that is not recorded.';
      verdict = { ...verdict, decision: 'hold', reasons: [text, ...verdict.reasons] };
    }
    if (emergency)
      this.#world.say(`Emergency command ${command.id}: ${verdict.decision}. ${verdict.reasons.join(' ')}`);
    if (verdict.decision === 'hold') {
      const kept = await this.holds.hold({
        id: command.id,
        command,
        digest,
        topic,
        requester,
        verdict,
        heldAt: facts.at,
      });
      if (!kept) {
        const text = 'It can not be held: its id is held already, or too many are.';
        verdict = { ...verdict, decision: 'refuse', reasons: [text, ...verdict.reasons] };
      }
    }
    if (verdict.decision === 'pass') {
      if (emergency) this.#window.passed(requester, command.target, facts.at);
      const outcome = this.#publishCommand(command);
      // The requester's acknowledgement does not wait for the device's broker.
      void outcome.then((text) => this.#record('outcome', { command: command.id, digest, text }));
    }
    this.#tell(verdict);
    return verdict.decision === 'refuse' ? Reason.NotAuthorised : Reason.Success;
  }

  #blocked(held: HeldCommand): string {
    if (!this.#link.up) return 'The broker is not reachable; the command stays held.';
    if (this.#world.policy.isRevoked(held.requester)) return 'The requester was revoked meanwhile.';
    if (!this.#world.policy.isCommand(held.topic)) return 'The city no longer declares this command.';
    return '';
  }

  async #execute(held: HeldCommand): Promise<{ left: boolean; text: string }> {
    const blocked = this.#blocked(held);
    const text = blocked !== '' ? blocked : await this.#publishCommand(held.command);
    await this.#record('outcome', { command: held.id, digest: held.digest, text });
    this.#tell({
      ...held.verdict,
      at: this.#world.now(),
      decision: blocked === '' ? 'pass' : 'hold',
      reasons: [`Released by ${held.approvals.join(' and ')}.`, ...held.verdict.reasons],
    });
    return { left: blocked === '', text };
  }

  /** Sends a command to the broker, once: one that was not confirmed is never sent again. Says what became of it. */
  #publishCommand(command: Command): Promise<string> {
    const properties: Property[] = [{ id: Id.UserProperty, value: [AUTHOR, GATEWAY] }];
    if (command.deadline !== 0) {
      const seconds = Math.floor((command.deadline - this.#world.now()) / 1e6);
      properties.push({ id: Id.MessageExpiry, value: Math.max(seconds, 1) });
    }
    return new Promise((resolve) => {
      if (!this.#link.up) return resolve('The broker was not reachable: it did not leave.');
      const id = this.#takeId();
      const timer = setTimeout(() => done('The broker did not confirm in time: unknown.'), outcomeMs);
      const done = (text: string): void => {
        clearTimeout(timer);
        this.#outcomes.delete(id);
        resolve(text);
      };
      this.#outcomes.set(id, done);
      const payload = Buffer.from(toJsonLine(commandJson(command)));
      const topic = `cmd/${command.target}`;
      this.#link.send({ type: 'publish', topic, payload, qos: 1, retain: false, dup: false, id, properties });
    });
  }

  /** Publishes a verdict; while the broker is away it waits, and it is in the audit in any case. */
  #tell(verdict: Verdict): void {
    this.counts[verdict.decision]++;
    this.#world.verdict(verdict);
    this.#verdicts.push({
      type: 'publish',
      topic: `verdict/${verdict.command}`,
      payload: Buffer.from(toJsonLine(verdict)),
      qos: 0,
      retain: false,
      dup: false,
      id: 0,
      properties: [{ id: Id.UserProperty, value: [AUTHOR, GATEWAY] }],
    });
    if (this.#verdicts.length > verdictsMax) this.#verdicts.shift();
    if (this.#link.up) this.#sendVerdicts();
  }
  #sendVerdicts(): void {
    this.#world.brokerReturn.afterAll(() => {
      if (this.#link.up) for (const v of this.#verdicts.splice(0)) this.#link.send(v);
    });
  }

  #brokerUp(): void {
    this.#world.brokerReturn.reached();
    this.#world.brokerReturn.back(this.#link);
    this.#sendVerdicts();
  }

  #answered(p: Packet): void {
    if (p.type === 'puback')
      this.#outcomes.get(p.id)?.(
        p.reason === 0
          ? 'The broker took it.'
          : p.reason === Reason.NoMatchingSubscribers
            ? 'The broker took it, but nobody listens on its topic.'
            : `The broker refused it with reason 0x${p.reason.toString(16)}.`,
      );
    else if (p.type === 'disconnect')
      this.#world.say(`The broker ended the gateway's session (0x${p.reason.toString(16)}).`);
  }

  #takeId(): number {
    do this.#nextId = (this.#nextId % 65_535) + 1;
    while (this.#outcomes.has(this.#nextId));
    return this.#nextId;
  }

  async #record(type: string, body: unknown): Promise<boolean> {
    try {
      await this.#world.audit.append(type, body, this.#world.now());
      return true;
    } catch {
      return false;
    }
  }

  close(): void {
    this.#link.close();
    for (const done of this.#outcomes.values()) done('The gateway ended before the broker confirmed: unknown.');
  }
}

function declared(policy: Policy, topic: string, action: string): CommandFacts['declared'] {
  const found = policy.classOf(topic, action);
  return found === undefined ? 'no' : found.emergency ? 'emergency' : 'routine';
}
