// The enforcer of packets on this machine: a device in quarantine, a place outside that is blocked, a pair kept apart, as members
// with a time to live of nftables sets. The list of decisions is ours; the wall is asked again and again whether it still holds
// them, because elements expire while a decision stands (crowdsecurity/cs-firewall-bouncer#509) and reloads empty sets
// (pymumu/smartdns#1510).
import { networkInterfaces } from 'node:os';
import type { City } from '#city';
import type { Action, Fault, Finding, Proof } from '#findings';
import type { Enforcer, Proposal, Stop } from '../contract.ts';
import { NftGuard } from './guard.ts';
import { type Commands, Kernel, type Standing } from './kernel.ts';
import { type Element, elementKey, elementRecord, plainAddress, readRecords, setOf } from './record.ts';
import { baseLines, dropLines, putLines, timedSets, wallChains, wallRules } from './ruleset.ts';
import type { NftSettings } from './settings.ts';

export interface NftOptions {
  readonly city: City;
  readonly settings: NftSettings;
  readonly never: readonly string[];
  /** Integer microseconds. */
  readonly now: () => number;
  readonly commands?: Partial<Commands>;
  /** Addresses of this machine; its interfaces' unless told. */
  readonly own?: readonly string[];
  readonly onFault?: (fault: Fault) => void;
  /** False: nobody asks the wall by itself; the owner calls `recheck`. */
  readonly isWatching?: boolean;
}

/** Members of all sets. */
export const ELEMENTS_MAX = 65_536;
/** How much shorter than decided an element may live before it is renewed. */
const SLACK_MS = 2_000;
const WALL = 'nft';

interface Held {
  readonly elements: readonly Element[];
  readonly untilMicros: number;
}
export interface Recheck {
  /** Elements that were gone, or would have ended too early. */
  readonly missing: readonly string[];
  /** Chains, rules or sets that were gone or changed. */
  readonly base: readonly string[];
  /** Members nobody here decided on: put in by hand, left alone. */
  readonly foreign: readonly string[];
  /** Whether the wall now holds all that is decided. */
  readonly holds: boolean;
  readonly why: string;
}

export class NftEnforcer implements Enforcer {
  readonly name = 'nft';
  readonly #options: NftOptions;
  readonly #table: string;
  readonly #guard: NftGuard;
  readonly #kernel: Kernel;
  readonly #held = new Map<string, Held>();
  #timer: NodeJS.Timeout | undefined;
  /** Refills so far: a wall that keeps losing its members has another owner. */
  refills = 0;

  constructor(options: NftOptions) {
    this.#options = options;
    this.#table = options.settings.table;
    this.#kernel = new Kernel({
      nft: options.commands?.nft ?? ['nft'],
      conntrack: options.commands?.conntrack ?? ['conntrack'],
    });
    const own = options.own ?? Object.values(networkInterfaces()).flatMap((list) => (list ?? []).map((i) => i.address));
    this.#guard = new NftGuard({
      city: options.city,
      never: options.never,
      remediation: options.settings.remediation,
      own,
    });
  }

  propose(finding: Finding): Proposal | undefined {
    const records = finding.response.filter((r) => r.type === 'nft');
    if (records.length === 0) return undefined;
    const elements = readRecords(records.map((r) => r.record));
    if (typeof elements === 'string') return { records, subject: finding.subject.value, refused: elements };
    return this.#proposal(elements);
  }

  /** One device, both directions: it reaches the remediation host and nothing else. */
  proposeQuarantine(address: string): Proposal {
    const plain = plainAddress(address);
    if (plain === undefined) return { records: [], subject: address, refused: `${address} is no address` };
    return this.#proposal([{ set: 'quarantine', version: plain.includes(':') ? 6 : 4, addresses: [plain] }]);
  }

  enforce(action: Action): string | undefined {
    const elements = this.#permitted(action);
    if (typeof elements === 'string') return elements;
    const count = [...this.#held].reduce((n, [id, h]) => n + (id === action.id ? 0 : h.elements.length), 0);
    if (count + elements.length > ELEMENTS_MAX) return `${ELEMENTS_MAX} elements stand already: undo some first`;
    const before = this.#held.get(action.id);
    this.#held.set(action.id, { elements, untilMicros: action.until ?? 0 });
    const ran = this.#apply(elements.flatMap((e) => this.#put(e)));
    if (ran !== undefined) {
      if (before === undefined) this.#held.delete(action.id);
      else this.#held.set(action.id, before);
      return ran;
    }
    for (const e of elements) if (e.set === 'quarantine') this.#kernel.forget(e.addresses[0]!);
    return undefined;
  }

  undo(action: Action): void {
    const held = this.#held.get(action.id);
    if (held === undefined) return;
    this.#held.delete(action.id);
    // What another action holds too stays, as long as that one says.
    const lines = held.elements.flatMap((e) => (this.#untilOf(e) > 0 ? this.#put(e) : dropLines(this.#table, e)));
    const ran = this.#apply(lines);
    if (ran !== undefined)
      this.#tell(
        'NFT_APPLY',
        `The wall kept what was undone: ${ran}`,
        'Whoever was shut out may still be, until its time ends.',
      );
  }
  /** The kernel ends elements by itself; what another action holds longer is renewed. */
  expire(action: Action): void {
    this.undo(action);
  }

  async prove(action: Action, wanted: boolean, stop: Stop): Promise<readonly Proof[]> {
    if (stop()) return [];
    const elements = readRecords(action.records.map((r) => r.record));
    if (typeof elements === 'string') return [];
    const standing = this.#kernel.read(this.#table);
    const at = this.#options.now();
    if (typeof standing === 'string')
      return [{ consumer: WALL, at, enforced: false, text: `the wall can't be asked: ${standing}` }];
    const asked = wanted ? elements : elements.filter((e) => this.#untilOf(e) === 0);
    const lines = asked.map((e) => memberText(e, standing));
    const base = standing === undefined ? ['there is no table'] : baseFaults(standing, this.#options.settings);
    const isThere = asked.length > 0 && asked.every((e) => memberOf(e, standing) !== undefined);
    const details = [
      ...lines,
      base.length === 0 ? 'its rules come before any that accepts a running flow' : `but ${base.join(', ')}`,
      ...(wanted && standing !== undefined ? [metText(elements, standing)] : []),
    ];
    if (asked.length === 0) details.unshift('other actions hold all of it');
    return [{ consumer: WALL, at, enforced: isThere && base.length === 0, text: details.join('; ') }];
  }

  async start(actions: readonly Action[]): Promise<ReadonlyMap<string, string>> {
    const refused = new Map<string, string>();
    for (const action of actions) {
      const elements = this.#permitted(action);
      if (typeof elements === 'string') refused.set(action.id, elements);
      else this.#held.set(action.id, { elements, untilMicros: action.until ?? 0 });
    }
    const done = this.recheck();
    if (!done.holds) for (const { id } of actions) if (!refused.has(id)) refused.set(id, done.why);
    if (this.#options.isWatching !== false) {
      this.#timer = setInterval(() => this.recheck(), 1000 * this.#options.settings.recheckSeconds);
      this.#timer.unref();
    }
    return refused;
  }

  /** Stops watching. The wall keeps what is decided until its time ends: a Parapet that stops opens nothing. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
  }

  /** Compares the wall with the list of decisions, and mends what is gone. */
  recheck(): Recheck {
    const standing = this.#kernel.read(this.#table);
    if (typeof standing === 'string') {
      this.#tell('NFT_READ', `The wall can't be asked: ${standing}`, 'Whether what is decided holds is not known.');
      return { missing: [], base: [], foreign: [], holds: false, why: standing };
    }
    const wanted = this.#wanted();
    if (standing === undefined && wanted.size === 0)
      return { missing: [], base: [], foreign: [], holds: true, why: '' };
    const base = standing === undefined ? ['the table'] : baseFaults(standing, this.#options.settings);
    const now = this.#options.now();
    const gone = [...wanted.values()].filter(({ element, untilMicros }) => {
      const member = memberOf(element, standing);
      return member === undefined || 1000 * member.expiresSeconds + SLACK_MS < (untilMicros - now) / 1000 - 1000;
    });
    const foreign = [...(standing?.members ?? [])].flatMap(([set, members]) =>
      [...members.keys()].map((text) => `${set} ${text}`).filter((key) => !wanted.has(key)),
    );
    const missing = gone.map(({ element }) => elementKey(element));
    if (missing.length === 0 && base.length === 0) return { missing, base, foreign, holds: true, why: '' };
    const ran = this.#kernel.apply([
      ...baseRepair(standing, this.#options.settings),
      ...gone.flatMap(({ element }) => this.#put(element)),
    ]);
    if (ran.ok) this.refills++;
    // A first set-up is no loss.
    if (standing !== undefined || this.refills > 1)
      this.#tell(
        ran.ok ? 'NFT_REFILLED' : 'NFT_APPLY',
        `The wall had lost ${[...base, ...missing].slice(0, 5).join(', ')}${ran.ok ? '; it is put back.' : `, and it can't be put back: ${ran.why}`}`,
        'Since the last look, packets that are decided against may have passed.',
      );
    return { missing, base, foreign, holds: ran.ok, why: ran.why };
  }

  #proposal(elements: readonly Element[]): Proposal {
    const [first] = elements;
    const refused = elements.map((e) => this.#guard.refusal(e)).find((t) => t !== undefined);
    return {
      records: elements.map((e) => ({ type: 'nft' as const, record: elementRecord(this.#table, e) })),
      subject: first!.addresses.at(-1)!,
      ...(first!.set === 'blocked' ? {} : { client: first!.addresses[0]! }),
      ...(refused === undefined ? {} : { refused }),
    };
  }

  #permitted(action: Action): Element[] | string {
    const elements = readRecords(action.records.map((r) => r.record));
    if (typeof elements === 'string') return elements;
    if (elements.length === 0) return 'there is nothing to put into the wall';
    return elements.map((e) => this.#guard.refusal(e)).find((t) => t !== undefined) ?? elements;
  }

  /** @returns why not */
  #apply(changes: readonly string[]): string | undefined {
    const standing = this.#kernel.read(this.#table);
    if (typeof standing === 'string') return `the wall can't be asked: ${standing}`;
    const ran = this.#kernel.apply([...baseRepair(standing, this.#options.settings), ...changes]);
    return ran.ok ? undefined : `nft refused: ${ran.why}`;
  }

  #put(e: Element): string[] {
    return putLines(this.#table, e, (this.#untilOf(e) - this.#options.now()) / 1000);
  }
  /** Latest end of the actions that hold it; 0 where none does. */
  #untilOf(e: Element): number {
    const key = elementKey(e);
    let until = 0;
    for (const h of this.#held.values())
      if (h.untilMicros > until && h.elements.some((x) => elementKey(x) === key)) until = h.untilMicros;
    return until > this.#options.now() ? until : 0;
  }
  #wanted(): Map<string, { element: Element; untilMicros: number }> {
    const now = this.#options.now();
    const out = new Map<string, { element: Element; untilMicros: number }>();
    for (const { elements, untilMicros } of this.#held.values())
      for (const element of elements) {
        const key = elementKey(element);
        if (untilMicros > now && untilMicros > (out.get(key)?.untilMicros ?? 0)) out.set(key, { element, untilMicros });
      }
    return out;
  }

  #tell(code: string, text: string, lost: string): void {
    this.#options.onFault?.({
      kind: 'fault',
      code,
      file: `nft table inet ${this.#table}`,
      text,
      lost,
      remedy:
        code === 'NFT_REFILLED'
          ? 'Find who reloads the rules (nft flush ruleset, a firewall service) and leave our table out of it.'
          : 'Run nft by hand to see why; it needs CAP_NET_ADMIN and the nf_tables module.',
    });
  }
}

function memberOf(e: Element, standing: Standing | undefined) {
  return standing?.members.get(setOf(e))?.get(e.addresses.join(' . '));
}
function memberText(e: Element, standing: Standing | undefined): string {
  const member = memberOf(e, standing);
  const who = e.addresses.join(' to ');
  return member === undefined
    ? `${who} is not in ${setOf(e)}`
    : `${who} is in ${setOf(e)} for ${member.expiresSeconds} s more`;
}
function metText(elements: readonly Element[], standing: Standing): string {
  const sets = new Set(elements.map(setOf));
  let met = 0;
  for (const [comment, packets] of standing.packets) if (sets.has(comment.split(' ')[1]!)) met += packets;
  return `${met} packets dropped by the rules of ${[...sets].join(', ')} so far`;
}

/** What of the table is not as we made it, in words. */
function baseFaults(standing: Standing, settings: NftSettings): string[] {
  const out: string[] = [];
  const comments = wallRules.map((r) => r.comment).join('\n');
  for (const chain of wallChains)
    if (standing.rules.get(chain)?.join('\n') !== comments) out.push(`chain ${chain} is not as it was made`);
  for (const set of timedSets) if (!standing.timed.has(set)) out.push(`set ${set} has no time limit`);
  for (const { address } of settings.remediation)
    if (!standing.remediation.has(address)) out.push(`${address} is not in remediation`);
  return out;
}
function baseRepair(standing: Standing | undefined, settings: NftSettings): string[] {
  return standing === undefined || baseFaults(standing, settings).length > 0 ? baseLines(settings) : [];
}
