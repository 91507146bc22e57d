// Held commands: what waits, who has agreed, when it ends. Releasing takes two people who are neither each other nor the
// requester, and what they agree to is the command's digest, so that nothing can be exchanged between their two answers.
// Every change is appended through the port before it counts; after a restart the same entries rebuild the same store.
import type { Command } from '#events';
import type { Verdict } from '#findings';
import type { Approvals } from './config.ts';

export interface HeldCommand {
  readonly id: string;
  readonly command: Command;
  readonly digest: string;
  readonly topic: string;
  /** Identity from the certificate, not the claim in the command. */
  readonly requester: string;
  readonly verdict: Verdict;
  readonly heldAt: number;
  /** When the rule for unanswered commands applies, microseconds. */
  readonly expiresAt: number;
  readonly approvals: readonly string[];
}

/** Changes as they stand in the audit. */
export type HoldEntry =
  | { readonly what: 'held'; readonly held: Omit<HeldCommand, 'approvals'> }
  | { readonly what: 'approved'; readonly id: string; readonly digest: string; readonly person: string }
  | { readonly what: 'released' | 'refused' | 'expired'; readonly id: string; readonly person: string };

export interface HoldsPort {
  /** Durable when it resolves. Rejects where it can't be written. */
  append(entry: HoldEntry): Promise<void>;
  now(): number;
  /** Why a released command could not leave just now, or ''. Asked before anyone's agreement is taken. */
  blocked(held: HeldCommand): string;
  /** Carries out what two people released; says in words how it went, and whether it left. */
  execute(held: HeldCommand): Promise<{ left: boolean; text: string }>;
  /** Tells the world that a held command was refused, by a person or by its time. */
  refused(held: HeldCommand, by: string, text: string): void;
}

export interface HoldAnswer {
  readonly done: boolean;
  readonly text: string;
}

export class Holds {
  readonly #held = new Map<string, HeldCommand>();
  /** Being released or refused just now: an entry is decided once. */
  readonly #busy = new Set<string>();
  readonly #port: HoldsPort;
  readonly #approvals: Approvals;
  readonly #capacity: number;

  constructor(port: HoldsPort, approvals: Approvals, capacity: number, past: Iterable<HoldEntry> = []) {
    this.#port = port;
    this.#approvals = approvals;
    this.#capacity = capacity;
    for (const entry of past) this.#apply(entry);
  }

  #apply(entry: HoldEntry): void {
    if (entry.what === 'held') this.#held.set(entry.held.id, { ...entry.held, approvals: [] });
    else if (entry.what === 'approved') {
      const held = this.#held.get(entry.id);
      if (held !== undefined && held.digest === entry.digest)
        this.#held.set(entry.id, { ...held, approvals: [...held.approvals, entry.person] });
    } else this.#held.delete(entry.id);
  }

  list(): HeldCommand[] {
    return [...this.#held.values()];
  }

  get full(): boolean {
    return this.#held.size >= this.#capacity;
  }

  /** Keeps a command. Where the port can't write, it is kept in memory only, and the caller's verdict says so. */
  async hold(held: Omit<HeldCommand, 'approvals' | 'expiresAt'>): Promise<boolean> {
    if (this.full || this.#held.has(held.id)) return false;
    const byRule = held.heldAt + this.#approvals.afterMs * 1000;
    const deadline = held.command.deadline;
    const entry: HoldEntry = {
      what: 'held',
      held: { ...held, expiresAt: deadline === 0 ? byRule : Math.min(byRule, deadline) },
    };
    this.#apply(entry);
    try {
      await this.#port.append(entry);
    } catch {
      // Refused rather than lost is no better here: the command stays held, which is the safe side.
    }
    return true;
  }

  /**
   * One person's agreement.
   * @param digest what the person saw; where given it must be the command's
   */
  async release(id: string, person: string, digest?: string): Promise<HoldAnswer> {
    const held = this.#held.get(id);
    if (held === undefined) return no(`No held command ${id}.`);
    if (this.#busy.has(id)) return no('It is being decided just now.');
    if (digest !== undefined && digest !== held.digest) return no('The command is not the one that was agreed to.');
    if (!this.#approvals.people.includes(person)) return no(`${person} is not one of those who may release.`);
    if (person === held.requester || person === held.command.requester)
      return no('Whoever asked for a command can not release it.');
    if (held.approvals.includes(person)) return no(`${person} has agreed already; a second person is needed.`);
    const now = this.#port.now();
    if (this.#deadlinePassed(held, now)) return no('Its deadline has passed.');
    const blocked = this.#port.blocked(held);
    if (blocked !== '') return no(blocked);
    this.#busy.add(id);
    try {
      try {
        await this.#append({ what: 'approved', id, digest: held.digest, person });
      } catch (error) {
        return no(`The agreement could not be recorded, so it does not count: ${(error as Error).message}`);
      }
      const agreed = this.#held.get(id)!;
      const missing = this.#approvals.need - agreed.approvals.length;
      if (missing > 0) return { done: false, text: `Agreed. ${missing} more must agree.` };
      try {
        await this.#append({ what: 'released', id, person });
      } catch (error) {
        return no(`The release could not be recorded, so the command stays: ${(error as Error).message}`);
      }
      const { left, text } = await this.#port.execute(agreed);
      return { done: left, text };
    } finally {
      this.#busy.delete(id);
    }
  }

  /** One person is enough to say no. */
  async refuse(id: string, person: string): Promise<HoldAnswer> {
    const held = this.#held.get(id);
    if (held === undefined) return no(`No held command ${id}.`);
    if (this.#busy.has(id)) return no('It is being decided just now.');
    if (!this.#approvals.people.includes(person) && person !== held.requester)
      return no(`${person} is not one of those who may refuse.`);
    this.#busy.add(id);
    try {
      await this.#append({ what: 'refused', id, person });
    } catch {
      this.#held.delete(id);
    } finally {
      this.#busy.delete(id);
    }
    const text = `Refused by ${person}.`;
    this.#port.refused(held, person, text);
    return { done: true, text };
  }

  /** Applies the rule for unanswered commands; called now and then by the owner. */
  async expire(): Promise<void> {
    const now = this.#port.now();
    for (const held of this.list()) {
      if (this.#busy.has(held.id)) continue;
      const late = this.#deadlinePassed(held, now);
      if (!late && (now < held.expiresAt || this.#approvals.unanswered === 'hold')) continue;
      this.#busy.add(held.id);
      try {
        await this.#append({ what: 'expired', id: held.id, person: '' });
      } catch {
        this.#held.delete(held.id);
      } finally {
        this.#busy.delete(held.id);
      }
      this.#port.refused(held, '', late ? 'Its deadline passed while it was held.' : 'Nobody answered in time.');
    }
  }

  #deadlinePassed(held: HeldCommand, now: number): boolean {
    return held.command.deadline !== 0 && held.command.deadline <= now;
  }

  async #append(entry: HoldEntry): Promise<void> {
    await this.#port.append(entry);
    this.#apply(entry);
  }
}

function no(text: string): HoldAnswer {
  return { done: false, text };
}
