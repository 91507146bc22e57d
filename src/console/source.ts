// What the console shows and who answers for it. The hub implements ConsoleSource; the console computes nothing itself:
// it carries these records to the page and the answers of people (release, refuse; enforce, undo) back.
// Times are event time in integer microseconds here and ISO 8601 on the wire.
import type { Action, Coverage, Finding, Incident, State, TrustRecord, Verdict } from '#findings';

export interface GridBus {
  readonly id: number;
  /** Place on the drawing, any unit; `layoutGrid` gives 0..1000 by 0..620. y grows downward. */
  readonly x: number;
  readonly y: number;
  /** Voltage magnitude, per unit. */
  readonly vm: number;
  /** This bus's share of all load, 0..1: the size of its dot. */
  readonly loadShare?: number;
  /** Lowest trust (0..1) among the assets that report for this bus; absent where nobody reports. */
  readonly trust?: number;
  /** Without supply. */
  readonly dark?: boolean;
}

export interface GridBranch {
  /** 1-based row of the branch in the grid's file, the number commands use. */
  readonly row: number;
  readonly from: number;
  readonly to: number;
  /** Flow over rating: 1 is at its limit. */
  readonly loading: number;
  readonly open: boolean;
  /** Would carry more than its rating after the command; in a cascade it trips. */
  readonly overloadedAfter?: boolean;
  /** Opened by its own protection in this picture, not by anyone's command. */
  readonly tripped?: boolean;
}

export interface GridView {
  /** What the picture is, in words: `Now (estimated)`, `If branch 9 had been opened`. */
  readonly label: string;
  readonly at?: number;
  readonly buses: readonly GridBus[];
  readonly branches: readonly GridBranch[];
  /** Share of load without supply in this picture, 0..1. */
  readonly loadLostShare?: number;
  /** One sentence on what the picture shows, for those who can't see it. */
  readonly text?: string;
}

export interface HeldCommand {
  readonly id: string;
  readonly command: {
    readonly target: string;
    readonly action: string;
    readonly value?: number | string | undefined;
    readonly requester: string;
    readonly reason: string;
    readonly at: number;
  };
  readonly verdict: Verdict;
  /** Who has agreed to release it, in order. */
  readonly approvals: readonly string[];
  /** How many different people it takes. */
  readonly needed: number;
  /** When the rule for unanswered commands applies. */
  readonly expiresAt: number;
  /** What exactly is agreed to; goes back with each answer, so nothing can be exchanged between two people's answers. */
  readonly digest?: string;
  /** What happens when nobody answers, in words. */
  readonly unanswered?: string;
  readonly before?: GridView;
  readonly after?: GridView;
  /** Set once it no longer waits; it then moves to the list of decided commands. */
  readonly outcome?: {
    readonly what: 'released' | 'refused' | 'expired';
    readonly by: readonly string[];
    readonly at: number;
    readonly text: string;
  };
}

export interface Progress {
  readonly phase: 'quiet' | 'attack' | 'end';
  readonly at: number;
  /** Event seconds for one second of the wall clock; 1 is live, 0 is paused. */
  readonly speed: number;
  /** What is happening, one plain sentence. */
  readonly text: string;
}

export interface Outcome {
  /** 0..1 of the city's load. */
  readonly loadLostShare: number;
  /** Harmful commands that were carried out. */
  readonly harmfulExecuted: number;
}

export interface End {
  readonly with: Outcome;
  readonly without: Outcome;
  readonly text: string;
}

export interface Snapshot {
  readonly city: string;
  readonly progress: Progress;
  readonly incidents: readonly Incident[];
  readonly findings: readonly Finding[];
  /** The latest record of each asset. */
  readonly trust: readonly TrustRecord[];
  /** Waiting and lately decided. */
  readonly holds: readonly HeldCommand[];
  readonly verdicts: readonly Verdict[];
  /** The power grid as estimated now. */
  readonly grid?: GridView;
  readonly end?: End;
  /** Who may release or refuse, offered as suggestions; whether they may is decided by the source. */
  readonly people?: readonly string[];
}

/** Each carries the whole record; the page replaces what it had under the same id (asset for trust, plane and what for coverage). */
export type ConsoleEvent =
  | { readonly type: 'finding'; readonly data: Finding }
  | { readonly type: 'incident'; readonly data: Incident }
  | { readonly type: 'trust'; readonly data: TrustRecord }
  | { readonly type: 'verdict'; readonly data: Verdict }
  | { readonly type: 'hold'; readonly data: HeldCommand }
  | { readonly type: 'state'; readonly data: { readonly state?: State; readonly grid?: GridView } }
  | { readonly type: 'progress'; readonly data: Progress }
  | { readonly type: 'end'; readonly data: End }
  | { readonly type: 'action'; readonly data: Action }
  | { readonly type: 'coverage'; readonly data: Coverage };

export interface Decision {
  /** Whether this person's answer counted. */
  readonly accepted: boolean;
  /** How it went, in words: shown as it is. */
  readonly text: string;
}

export interface ConsoleSource {
  snapshot(): Snapshot;
  /** Calls back for everything after this moment, in order; returns the way to stop. The listener doesn't throw. */
  subscribe(listener: (event: ConsoleEvent) => void): () => void;
  /** One person's agreement; a hold moves only when `needed` different people gave theirs. */
  release(id: string, person: string, digest?: string): Decision | Promise<Decision>;
  /** One person is enough to say no. */
  refuse(id: string, person: string): Decision | Promise<Decision>;
  /** A finding that the snapshot no longer holds; where absent the snapshot is searched. */
  finding?(id: string): Finding | undefined;
  /** What was proposed, is in force or has ended, newest first. Absent where nothing responds. */
  actions?(): readonly Action[];
  /** Names of the resolvers and lists that an action's records go into. */
  consumers?(): readonly string[];
  /** What can't be seen. */
  unseen?(): readonly Coverage[];
  /**
   * One person has a proposed action enforced, or one that is published undone. A proposed action with `until` is
   * published and waits for its proof: it can be undone, not enforced again. The console asks only for an action in the
   * right state whose records are those the person saw.
   * @returns how it went, in words @throws Error whose message says why it was not done
   */
  respond?(id: string, answer: 'enforce' | 'undo', by: string): Promise<string>;
}
