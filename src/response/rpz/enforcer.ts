// The enforcer of names: from findings' records to a policy zone that resolvers fetch from us, and back out of it.
import type { City } from '#city';
import type { Action, Finding, Proof, ResponseRecord } from '#findings';
import { formatAddress, parseAddress } from '#lib/address';
import { type Endpoint, endpointText, type ResponseSettings, type RpzSettings } from '../config.ts';
import type { Enforcer, Proposal, Stop } from '../contract.ts';
import type { ZoneLedger } from '../ledger.ts';
import { isBelow } from '../wire/index.ts';
import { arrange } from './arrange.ts';
import { canaryRules } from './canary.ts';
import { writeZoneFile } from './file.ts';
import { Guard, plainAddress } from './guard.ts';
import { Notifier, type NotifyState } from './notify.ts';
import { proveAt } from './prove.ts';
import { clientOf, clientOwner, type Outcome, outcomeLines, type Rule, readRules } from './rule.ts';
import { ZoneServer } from './server.ts';
import { JOURNAL_STEPS_MAX, PolicyZone, RULES_MAX } from './zone.ts';

export interface RpzOptions {
  readonly city: City;
  readonly settings: ResponseSettings & { readonly rpz: RpzSettings };
  readonly ledger: ZoneLedger;
  /** Integer microseconds. */
  readonly now: () => number;
  /** How long a proof goes on asking; above BIND's minute and PowerDNS' cache unless told. */
  readonly proveMs?: number;
}

const PROVE_MS = 120_000;

export class RpzEnforcer implements Enforcer {
  readonly name = 'rpz';
  readonly zone: PolicyZone;
  /** Rules by action: what one alone holds goes with it. */
  readonly #held = new Map<string, readonly Rule[]>();
  readonly #options: RpzOptions;
  readonly #rpz: RpzSettings;
  readonly #guard: Guard;
  readonly #server: ZoneServer;
  readonly #canaries: readonly Rule[];
  #notifier: Notifier | undefined;
  #published: readonly Rule[] = [];
  /** Files that could not be written, by path. */
  readonly #fileFaults = new Map<string, string>();
  #listening: Endpoint | undefined;

  constructor(options: RpzOptions) {
    this.#options = options;
    this.#rpz = options.settings.rpz;
    this.zone = new PolicyZone(
      { name: this.#rpz.zone, ttlSeconds: this.#rpz.ttlSeconds },
      options.ledger.zone(this.#rpz.zone),
    );
    this.#guard = guardOf(options);
    // A city that protects a canary's name wants its real answer.
    this.#canaries = this.#rpz.canaries ? canaryRules.filter((r) => this.#guard.refusal(r) === undefined) : [];
    const readers = this.#rpz.consumers.map((c) => ({
      name: c.name,
      address: plainAddress(c.address) ?? c.address,
      ...(c.tsig === undefined ? {} : { key: c.tsig }),
    }));
    this.#server = new ZoneServer(
      () => ({ zone: this.zone, readers }),
      () => options.now() / 1e6,
    );
  }

  /** Where the zone is served; undefined before `start`. */
  get listening(): Endpoint | undefined {
    return this.#listening;
  }
  get notified(): readonly NotifyState[] {
    return this.#notifier?.states ?? [];
  }
  get served(): ZoneServer['counts'] {
    return this.#server.counts;
  }

  propose(finding: Finding): Proposal | undefined {
    const records = finding.response.filter((r) => r.type === 'rpz').map((r) => r.record);
    if (records.length === 0) return undefined;
    const rules = readRules(records, this.#rpz.zone);
    if (typeof rules === 'string')
      return {
        records: finding.response.filter((r) => r.type === 'rpz'),
        subject: finding.subject.value,
        refused: rules,
      };
    return this.#proposal(rules.map((r) => this.#sunk(r)));
  }

  /** All names for one client, by its address (draft-vixie-dnsop-dns-rpz-00, 4.1.1); needs a resolver that knows the trigger. */
  proposeQuarantine(address: string): Proposal {
    const owner = clientOwner(address);
    if (owner === undefined) return { records: [], subject: address, refused: `${address} is no address` };
    return this.#proposal([{ owner, outcome: { kind: 'nxdomain' } }]);
  }

  enforce(action: Action): string | undefined {
    const rules = readRules(
      action.records.map((r) => r.record),
      this.#rpz.zone,
    );
    if (typeof rules === 'string') return rules;
    for (const rule of rules) {
      const refusal = this.#guard.refusal(rule);
      if (refusal !== undefined) return refusal;
    }
    const arranged = this.#arranged(
      [...this.#held].filter(([id]) => id !== action.id).map(([, r]) => r),
      rules,
    );
    if (typeof arranged === 'string') return arranged;
    this.#publish(arranged);
    this.#held.set(action.id, rules);
    return undefined;
  }

  undo(action: Action): void {
    if (!this.#held.has(action.id)) return;
    const others = [...this.#held].filter(([id]) => id !== action.id).map(([, r]) => r);
    let rest = this.#arranged(others, []);
    // An exception may have lost the rule it stood under. Refusals alone always stand together: an undo never fails.
    if (typeof rest === 'string')
      rest = this.#arranged(
        others.map((r) => r.filter((rule) => rule.outcome.kind !== 'passthru')),
        [],
      );
    if (typeof rest === 'string') throw new Error(`undo of ${action.id}: ${rest}`);
    this.#publish(rest);
    this.#held.delete(action.id);
  }
  expire(action: Action): void {
    this.undo(action);
  }

  async prove(action: Action, wanted: boolean, stop: Stop): Promise<readonly Proof[]> {
    const rules = readRules(
      action.records.map((r) => r.record),
      this.#rpz.zone,
    );
    if (typeof rules === 'string') return [];
    const run = {
      zone: this.zone,
      // Names that another action still refuses stay refused after an undo: nothing to prove there.
      rules: wanted ? rules.map((r) => this.#effective(r) ?? r) : rules.filter((r) => this.#effective(r) === undefined),
      wanted,
      deadlineMs: this.#options.proveMs ?? PROVE_MS,
      ordinary: this.#ordinary(),
      stop,
    };
    return Promise.all(
      this.#rpz.consumers.map(async (consumer) => {
        const { enforced, text } = await proveAt(consumer, run);
        const fault = consumer.file === undefined ? undefined : this.#fileFaults.get(consumer.file);
        return {
          consumer: consumer.name,
          at: this.#options.now(),
          enforced,
          text: fault === undefined ? text : `${fault}; ${text}`,
        };
      }),
    );
  }

  async start(actions: readonly Action[]): Promise<ReadonlyMap<string, string>> {
    const refused = new Map<string, string>();
    const accepted: Rule[][] = [];
    for (const action of actions) {
      const rules = readRules(
        action.records.map((r) => r.record),
        this.#rpz.zone,
      );
      const why =
        typeof rules === 'string' ? rules : rules.map((r) => this.#guard.refusal(r)).find((t) => t !== undefined);
      const together = typeof rules === 'string' ? rules : this.#arranged(accepted, rules);
      if (why !== undefined || typeof together === 'string' || typeof rules === 'string')
        refused.set(action.id, why ?? String(together));
      else {
        accepted.push(rules);
        this.#held.set(action.id, rules);
      }
    }
    this.#listening = await this.#server.listen(this.#rpz.listen);
    this.#notifier = new Notifier(
      this.zone,
      this.#rpz.consumers,
      this.#rpz.listen.address,
      () => this.#options.now() / 1e6,
    );
    const arranged = this.#arranged(accepted, []);
    // Each was tried with those before it.
    if (typeof arranged === 'string') throw new Error(arranged);
    this.#publish(arranged);
    return refused;
  }

  async close(): Promise<void> {
    this.#notifier?.close();
    await this.#server.close();
  }

  #arranged(held: readonly (readonly Rule[])[], more: readonly Rule[]): Rule[] | string {
    const wanted = [...held.flat(), ...more];
    if (wanted.length > RULES_MAX) return `${RULES_MAX} rules are published already: undo some first`;
    const taken = new Set(wanted.map((r) => r.owner));
    return arrange([...wanted, ...this.#canaries.filter((c) => !taken.has(c.owner))]);
  }

  /** On disk first, then in force, then told. */
  #publish(rules: readonly Rule[]): void {
    const plan = this.zone.plan(rules, this.#options.now());
    this.#options.ledger.saveZone(this.zone.name, { ...plan.step }, JOURNAL_STEPS_MAX);
    this.zone.apply(plan);
    this.#published = rules;
    for (const { file } of this.#rpz.consumers) {
      if (file === undefined) continue;
      const fault = writeZoneFile(file, this.zone.text());
      if (fault === undefined) this.#fileFaults.delete(file);
      else this.#fileFaults.set(file, fault);
    }
    this.#notifier?.send();
  }

  /** The rule as resolvers meet it: its own, or that of the nearest wildcard above; undefined where nothing refuses the name. */
  #effective(rule: Rule): Rule | undefined {
    const above = this.#published.filter((p) => p.owner.startsWith('*.') && isBelow(rule.owner, p.owner.slice(2)));
    const nearest = above.sort((x, y) => y.owner.length - x.owner.length)[0];
    const met = this.#published.find((p) => p.owner === rule.owner) ?? nearest;
    return met === undefined || met.outcome.kind === 'passthru'
      ? undefined
      : { owner: rule.owner, outcome: met.outcome };
  }

  #proposal(rules: readonly Rule[]): Proposal {
    const records: ResponseRecord[] = rules.flatMap((r) =>
      outcomeLines(r.outcome).map((text) => ({ type: 'rpz' as const, record: `${r.owner} ${text}` })),
    );
    const names = rules.filter((r) => !r.owner.startsWith('*.'));
    const client = clientOf(rules[0]!.owner);
    const refused = rules.map((r) => this.#guard.refusal(r)).find((t) => t !== undefined);
    return {
      records,
      subject: client ?? names[0]?.owner ?? rules[0]!.owner,
      ...(client === undefined ? {} : { client }),
      ...(refused === undefined ? {} : { refused }),
    };
  }

  /** A refused name leads to the city's sink where it has one: the device shows itself there. */
  #sunk(rule: Rule): Rule {
    const { a, aaaa } = this.#rpz.sinkhole ?? {};
    if (
      rule.outcome.kind !== 'nxdomain' ||
      clientOf(rule.owner) !== undefined ||
      (a === undefined && aaaa === undefined)
    )
      return rule;
    const records = [
      ...(a === undefined ? [] : [{ type: 'A' as const, value: a }]),
      ...(aaaa === undefined ? [] : [{ type: 'AAAA' as const, value: plainAddress(aaaa)! }]),
    ];
    const outcome: Outcome = { kind: 'sink', records };
    return { owner: rule.owner, outcome };
  }

  #ordinary(): string | undefined {
    const { dns } = this.#options.city;
    return dns.protected[0] ?? dns.allow[0];
  }
}

function guardOf(options: RpzOptions): Guard {
  const { city, settings } = options;
  const names = (list: readonly string[], from: string): { name: string; from: string }[] =>
    list.map((name) => ({ name, from }));
  const words = new Uint32Array(4);
  const resolvers = settings.rpz.consumers.flatMap((c) => [c.address, ...(c.ask === undefined ? [] : [c.ask.address])]);
  return new Guard({
    zone: settings.rpz.zone,
    names: [
      ...names(city.dns.protected, 'dns.protected'),
      ...names(city.dns.allow, 'dns.allow'),
      ...names(
        settings.never.filter((n) => plainAddress(n) === undefined),
        'response.never',
      ),
    ],
    addresses: [
      ...settings.never.map((n) => ({ address: city.assetById(n)?.ip ?? n, from: 'response.never' })),
      ...city.dns.resolvers.map((address) => ({ address, from: 'dns.resolvers' })),
      ...resolvers.map((address) => ({ address, from: 'a resolver of response.rpz' })),
      { address: settings.rpz.listen.address, from: `we serve ${endpointText(settings.rpz.listen)}` },
    ],
    isOurs: (address) =>
      parseAddress(address, words, 0) && city.isOurs(words, 0) && formatAddress(words, 0) === address,
  });
}
