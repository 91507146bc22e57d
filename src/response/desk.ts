// The one entry of the hub to all that Parapet refuses: findings come in as offers, people agree or take back, time ends what
// nobody ended. An action is on disk before it is in force, and is called enforced only when a resolver was asked and said so.
import { createHash } from 'node:crypto';
import type { City } from '#city';
import type { Action, Fault, Finding, Proof } from '#findings';
import { type ResponseSettings, responseSettings } from './config.ts';
import type { Enforcer, Proposal } from './contract.ts';
import type { Ledger } from './ledger.ts';
import { NftEnforcer } from './nft/index.ts';
import { RpzEnforcer } from './rpz/index.ts';

/** Actions in memory; the oldest that are over go first, and where none is, new ones are shed. The ledger has all. */
export const ACTIONS_MAX = 4_096;
/** Findings named behind one action; more are the same story. */
const BECAUSE_MAX = 64;

export interface DeskOptions {
  readonly city: City;
  readonly ledger: Ledger;
  /** Integer microseconds: the wall clock where resolvers are real, event time in a replay. */
  readonly now: () => number;
  /** Called with each new state of an action. */
  readonly onAction?: (action: Action) => void;
  /** How long a proof goes on asking. */
  readonly proveMs?: number;
  /** What an enforcer finds wrong by itself: a wall that lost its entries. */
  readonly onFault?: (fault: Fault) => void;
  /** Others beside these. */
  readonly enforcers?: readonly Enforcer[];
}

export class ResponseDesk {
  readonly settings: ResponseSettings;
  /** Absent where city.yaml has no response.rpz. */
  readonly rpz: RpzEnforcer | undefined;
  readonly #options: DeskOptions;
  readonly #enforcers: readonly Enforcer[];
  readonly #actions = new Map<string, Action>();
  /** Counts the changes of each action, so that a proof of a state that is over is thrown away. */
  readonly #turns = new Map<string, number>();
  readonly #proving = new Set<Promise<unknown>>();
  #closed = false;
  /** Offers that found no room. */
  shed = 0;

  /** @throws FaultError RESPONSE_CONFIG */
  constructor(options: DeskOptions) {
    this.#options = options;
    this.settings = responseSettings(options.city);
    const { rpz, nft } = this.settings;
    this.rpz =
      rpz === undefined
        ? undefined
        : new RpzEnforcer({
            city: options.city,
            settings: { ...this.settings, rpz },
            ledger: options.ledger,
            now: options.now,
            ...(options.proveMs === undefined ? {} : { proveMs: options.proveMs }),
          });
    const wall =
      nft === undefined
        ? undefined
        : new NftEnforcer({
            city: options.city,
            settings: nft,
            never: this.settings.never,
            now: options.now,
            ...(options.onFault === undefined ? {} : { onFault: options.onFault }),
          });
    this.#enforcers = [this.rpz, wall, ...(options.enforcers ?? [])].filter((e) => e !== undefined);
  }

  /** Takes up what the ledger says is in force, ends what ran out meanwhile, opens sockets, and asks the resolvers again. */
  async start(): Promise<void> {
    const now = this.#options.now();
    for (const action of this.#options.ledger.latest(ACTIONS_MAX).reverse()) this.#actions.set(action.id, action);
    for (const enforcer of this.#enforcers) {
      const own = [...this.#actions.values()].filter((a) => a.enforcer === enforcer.name && isInstalled(a));
      const valid = own.filter((a) => a.until! > now);
      const refused = await enforcer.start(valid);
      for (const a of own.filter((o) => o.until! <= now))
        this.#put(
          { ...a, at: now, state: 'expired', text: 'Its time ran out while Parapet was down.' },
          'expire',
          'parapet',
        );
      for (const a of valid) {
        const why = refused.get(a.id);
        if (why === undefined) this.#prove(a, true);
        else this.#put({ ...a, at: now, state: 'refused', text: `Not taken up again: ${why}.` }, 'refuse', 'parapet');
      }
    }
  }

  /** @returns the actions this finding now stands behind; none in mode observe, or where it asks for none */
  offer(finding: Finding): Action[] {
    if (this.settings.mode === 'observe') return [];
    return this.#enforcers.flatMap((enforcer) => {
      const proposal = enforcer.propose(finding);
      return proposal === undefined ? [] : (this.#offered(enforcer, proposal, finding) ?? []);
    });
  }

  /** A person's wish, whatever the mode: the finding's records become proposed actions, each for someone to enforce. */
  propose(finding: Finding, by: string): Action[] {
    return this.#enforcers.flatMap((enforcer) => {
      const proposal = enforcer.propose(finding);
      if (proposal === undefined) return [];
      const known = this.#actions.get(actionId(enforcer.name, proposal));
      if (known !== undefined && !isOver(known)) return [known];
      return this.#propose(enforcer, proposal, [finding.id], by) ?? [];
    });
  }

  /**
   * Shuts one client off at every enforcer that can: its names, its packets.
   * @returns the first action that was not refused, else the last one; undefined where nothing can
   */
  quarantine(address: string, by: string, because: readonly string[] = []): Action | undefined {
    let told: Action | undefined;
    for (const enforcer of this.#enforcers) {
      const proposal = enforcer.proposeQuarantine?.(address);
      if (proposal === undefined) continue;
      const known = this.#actions.get(actionId(enforcer.name, proposal));
      const made = known ?? this.#propose(enforcer, proposal, because, by);
      const action = made === undefined || made.state === 'refused' ? made : this.enforce(made.id, by);
      if (told === undefined || told.state === 'refused') told = action ?? told;
    }
    return told;
  }

  /** Publishes; the proof follows by `onAction`. @returns undefined where there is no such action */
  enforce(id: string, by: string): Action | undefined {
    const action = this.#actions.get(id);
    const enforcer = this.#enforcers.find((e) => e.name === action?.enforcer);
    if (action === undefined || enforcer === undefined) return undefined;
    const now = this.#options.now();
    const until = now + this.settings.ttlMicros;
    const next: Action = {
      ...action,
      at: now,
      until,
      by,
      state: 'proposed',
      proofs: [],
      text: 'Published; who enforces it is being asked.',
    };
    this.#put(next, 'enforce', by);
    const refused = enforcer.enforce(next);
    if (refused !== undefined)
      return this.#put({ ...withoutUntil(next), state: 'refused', text: `${refused}.` }, 'refuse', 'parapet');
    this.#prove(next, true);
    return next;
  }

  /** One step back: the rules go, the resolvers are asked that they went. */
  undo(id: string, by: string): Action | undefined {
    const action = this.#actions.get(id);
    if (action === undefined || !isInstalled(action))
      return action === undefined ? undefined : this.#withdraw(action, by);
    return this.#end(action, 'undone', by, `Taken back by ${by}.`);
  }

  /** Ends what is due. */
  expire(nowMicros: number): Action[] {
    return [...this.#actions.values()]
      .filter((a) => isInstalled(a) && a.until! <= nowMicros)
      .map((a) => this.#end(a, 'expired', 'parapet', 'Its time was over.'));
  }

  /** Latest change first. */
  list(): Action[] {
    return [...this.#actions.values()].sort((a, b) => b.at - a.at || (a.id < b.id ? -1 : 1));
  }
  find(id: string): Action | undefined {
    return this.#actions.get(id);
  }

  /** Asks the resolvers now. @returns the action with what they said */
  async prove(id: string): Promise<Action | undefined> {
    const action = this.#actions.get(id);
    if (action !== undefined && (isInstalled(action) || isOver(action))) await this.#prove(action, isInstalled(action));
    return this.#actions.get(id);
  }

  /** Resolves when no proof is under way. */
  async settled(): Promise<void> {
    while (this.#proving.size > 0) await Promise.allSettled([...this.#proving]);
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const enforcer of this.#enforcers) await enforcer.close();
    await this.settled();
  }

  #offered(enforcer: Enforcer, proposal: Proposal, finding: Finding): Action | undefined {
    const known = this.#actions.get(actionId(enforcer.name, proposal));
    if (known !== undefined && !isOver(known)) return this.#alsoBecause(known, finding.id);
    // What ended is opened again by newer evidence only: the same finding told again must not undo an undo.
    if (known !== undefined && finding.lastAt <= known.at) return known;
    const action = this.#propose(enforcer, proposal, [finding.id], 'parapet');
    // What a person took back is for a person to enforce again.
    if (
      action === undefined ||
      action.state === 'refused' ||
      known?.state === 'undone' ||
      this.settings.mode !== 'enforce'
    )
      return action;
    return this.enforce(action.id, 'parapet');
  }

  #propose(enforcer: Enforcer, proposal: Proposal, because: readonly string[], by: string): Action | undefined {
    const id = actionId(enforcer.name, proposal);
    if (!this.#room(id)) return undefined;
    const { refused } = proposal;
    const action: Action = {
      kind: 'action',
      id,
      at: this.#options.now(),
      enforcer: enforcer.name,
      state: refused === undefined ? 'proposed' : 'refused',
      records: proposal.records,
      subject: proposal.subject,
      ...(proposal.client === undefined ? {} : { client: proposal.client }),
      because: because.slice(0, BECAUSE_MAX),
      by,
      text: refused === undefined ? 'Waits for someone to enforce it.' : `${refused}.`,
      proofs: [],
    };
    return this.#put(action, refused === undefined ? 'propose' : 'refuse', by);
  }

  #alsoBecause(action: Action, finding: string): Action {
    if (action.because.includes(finding) || action.because.length >= BECAUSE_MAX) return action;
    return this.#put({ ...action, because: [...action.because, finding] }, 'because', 'parapet', true);
  }

  /** A proposal that is not in force is laid aside, so that it is not offered again without new evidence. */
  #withdraw(action: Action, by: string): Action {
    if (action.state !== 'proposed') return action;
    return this.#put(
      { ...action, at: this.#options.now(), by, state: 'undone', text: `Laid aside by ${by}.` },
      'undo',
      by,
    );
  }

  #end(action: Action, state: 'undone' | 'expired', by: string, text: string): Action {
    // Absent where city.yaml no longer has it: then nothing of it is in force here.
    const enforcer = this.#enforcers.find((e) => e.name === action.enforcer);
    const next = this.#put(
      { ...action, at: this.#options.now(), by, state, text, proofs: [] },
      state === 'undone' ? 'undo' : 'expire',
      by,
    );
    if (state === 'undone') enforcer?.undo(next);
    else enforcer?.expire(next);
    this.#prove(next, false);
    return next;
  }

  #prove(action: Action, wanted: boolean): Promise<void> {
    const enforcer = this.#enforcers.find((e) => e.name === action.enforcer);
    if (enforcer === undefined) return Promise.resolve();
    const turn = this.#turns.get(action.id) ?? 0;
    const over = (): boolean => this.#closed || this.#turns.get(action.id) !== turn;
    if (this.#turns.get(action.id) === undefined) this.#turns.set(action.id, turn);
    const work = enforcer.prove(action, wanted, over).then((proofs) => {
      const current = this.#actions.get(action.id);
      if (over() || current === undefined) return;
      this.#put(wanted ? proved(current, proofs) : ended(current, proofs), 'prove', 'parapet', true);
    });
    // A ledger that fails here leaves the action as it was, unproven: the next write of the desk meets the same failure.
    const kept = work.catch(() => {}).finally(() => this.#proving.delete(kept));
    this.#proving.add(kept);
    return kept;
  }

  /** @param sameTurn true where the action goes on as it was, so that a proof under way stays true */
  #put(action: Action, type: string, by: string, sameTurn = false): Action {
    this.#options.ledger.append({ at: this.#options.now(), type, by, action });
    this.#actions.set(action.id, action);
    if (!sameTurn) this.#turns.set(action.id, (this.#turns.get(action.id) ?? 0) + 1);
    this.#options.onAction?.(action);
    return action;
  }

  #room(id: string): boolean {
    if (this.#actions.has(id) || this.#actions.size < ACTIONS_MAX) return true;
    const oldest = [...this.#actions.values()]
      .filter((a) => isOver(a) || a.state === 'refused')
      .sort((a, b) => a.at - b.at)[0];
    if (oldest === undefined) {
      this.shed++;
      return false;
    }
    this.#actions.delete(oldest.id);
    this.#turns.delete(oldest.id);
    return true;
  }
}

/** In force, as far as we are concerned: with an end, whether a resolver has confirmed it or not. */
const isInstalled = (a: Action): boolean => a.until !== undefined && (a.state === 'proposed' || a.state === 'enforced');
const isOver = (a: Action): boolean => a.state === 'undone' || a.state === 'expired';

function withoutUntil(action: Action): Action {
  const { until: _, ...rest } = action;
  return rest;
}

function proved(action: Action, proofs: readonly Proof[]): Action {
  const yes = proofs.filter((p) => p.enforced).map((p) => p.consumer);
  const no = proofs.filter((p) => !p.enforced).map((p) => p.consumer);
  const state = yes.length > 0 ? 'enforced' : 'proposed';
  const text =
    proofs.length === 0
      ? 'Published; there is nobody to ask, so nothing is claimed.'
      : no.length === 0
        ? `Refused at ${yes.join(', ')}.`
        : yes.length === 0
          ? `Published, but refused nowhere yet: ${no.join(', ')}.`
          : `Refused at ${yes.join(', ')}; not at ${no.join(', ')}.`;
  return { ...action, state, proofs, text };
}

function ended(action: Action, proofs: readonly Proof[]): Action {
  const still = proofs.filter((p) => p.enforced).map((p) => p.consumer);
  const text = still.length === 0 ? action.text : `${action.text} Still refused at ${still.join(', ')}.`;
  return { ...action, proofs, text };
}

/** The same records are the same action, whichever finding asks. */
function actionId(enforcer: string, proposal: Proposal): string {
  const records = proposal.records.map((r) => `${r.type} ${r.record}`).sort();
  return createHash('sha256')
    .update([enforcer, proposal.subject, ...records].join('\n'))
    .digest('hex')
    .slice(0, 16);
}
