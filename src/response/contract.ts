// What an enforcer is. A proposal is pure; only `enforce`, `undo` and `expire` change the world, and `prove` asks it.
// Records are wanted states, not steps: enforcing an action twice is enforcing it once.
import type { Action, Finding, Proof, ResponseRecord } from '#findings';

/** What an action would install, or why it may not be. */
export interface Proposal {
  readonly records: readonly ResponseRecord[];
  readonly subject: string;
  /** The one client it holds for; absent where it holds for all. */
  readonly client?: string;
  /** One sentence: why it must not be installed. */
  readonly refused?: string;
}

/** True ends a proof early: the action was undone meanwhile. */
export type Stop = () => boolean;

export interface Enforcer {
  readonly name: string;
  /** Pure. undefined where the finding asks nothing of this enforcer. */
  propose(finding: Finding): Proposal | undefined;
  /** Pure. All traffic, or all names, of one client. */
  proposeQuarantine?(address: string): Proposal;
  /** Installs the records. @returns why not, in one sentence, where they may not stand beside what is installed */
  enforce(action: Action): string | undefined;
  /** Takes away what this action alone holds; what another action holds too stays. */
  undo(action: Action): void;
  /** The time of the action is over: takes away what does not end by itself. */
  expire(action: Action): void;
  /**
   * Asks each consumer whether the refusal holds, again and again until all say `wanted` or the time is over.
   * @param wanted true: the refusal should hold; false: it should be gone
   */
  prove(action: Action, wanted: boolean, stop: Stop): Promise<readonly Proof[]>;
  /** Opens what it needs and installs these actions, and nothing else. @returns why, by action id, where one may not stand any more */
  start(actions: readonly Action[]): Promise<ReadonlyMap<string, string>>;
  /** Frees sockets, timers and children. */
  close(): Promise<void>;
}
