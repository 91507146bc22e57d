// What the processes of `serve` say to each other: a closed list, one shape each. Owned records only; borrowed batches
// never cross a process.
import type { Command, Position, Reading } from '#events';
import type { Coverage, Fault, Finding, Incident, Action as Response, State, TrustRecord, Verdict } from '#findings';

/** How a process is, for the console's health page. */
export interface Health {
  readonly kind: 'health';
  readonly process: string;
  /** Event time reached. */
  readonly at: number;
  readonly shed: number;
  readonly rssBytes: number;
  readonly text: string;
}

/** A command that waits for people, as the console shows it. */
export interface Hold {
  readonly id: string;
  readonly command: Command;
  readonly verdict: Verdict;
  readonly approvals: readonly string[];
  readonly needed: number;
  readonly expiresAt: number;
}

/** Where an entry of the audit log stands. */
export interface Action {
  readonly id: string;
  readonly at: number;
  readonly actor: string;
  readonly what: string;
  readonly subject: string;
  readonly logFile: string;
  readonly logOffset: number;
  readonly hash: string;
}

export type BusMessage =
  | { readonly kind: 'findings'; readonly findings: readonly Finding[] }
  | { readonly kind: 'incidents'; readonly incidents: readonly Incident[] }
  | { readonly kind: 'trust'; readonly trust: readonly TrustRecord[] }
  | { readonly kind: 'readings'; readonly readings: readonly (Reading | Position)[] }
  | { readonly kind: 'verdicts'; readonly verdicts: readonly Verdict[] }
  | { readonly kind: 'state'; readonly state: State }
  | { readonly kind: 'coverage'; readonly coverage: readonly Coverage[] }
  | { readonly kind: 'faults'; readonly faults: readonly Fault[] }
  /** Event time of the sender has reached `at`: the hub's watermark. */
  | { readonly kind: 'advance'; readonly at: number }
  /** Asks for a checkpoint at event time `at`. */
  | { readonly kind: 'checkpoint'; readonly at: number }
  /** The answer: how far each input is read, and each detector's snapshot. */
  | {
      readonly kind: 'checkpointed';
      readonly at: number;
      readonly sources: readonly { readonly file: string; readonly position: number }[];
      readonly detectors: readonly { readonly name: string; readonly state: unknown }[];
    }
  /** All commands that wait, whenever that changes. */
  | { readonly kind: 'holds'; readonly holds: readonly Hold[] }
  /** A person answers a hold; the gateway says in `answered` what came of it. */
  | { readonly kind: 'answer'; readonly hold: string; readonly release: boolean; readonly person: string }
  | { readonly kind: 'answered'; readonly hold: string; readonly done: boolean; readonly text: string }
  | { readonly kind: 'actions'; readonly actions: readonly Action[] }
  /** What was proposed, enforced or taken back, as it stands now. */
  | { readonly kind: 'responses'; readonly actions: readonly Response[] }
  /** Commands that were let through, for the twin to count with. */
  | { readonly kind: 'passed'; readonly commands: readonly Command[] }
  /** What was lost with and without Parapet, once a scenario that knows the truth has ended. */
  | {
      readonly kind: 'outcome';
      readonly with: { readonly loadLostShare: number; readonly harmfulExecuted: number };
      readonly without: { readonly loadLostShare: number; readonly harmfulExecuted: number };
      readonly text: string;
    }
  /** A live input is read from now on. */
  | { readonly kind: 'opened'; readonly input: string }
  /** The input is at its end. */
  | { readonly kind: 'end'; readonly at: number }
  | Health;

/** A command to be judged; the answer is a Verdict. */
export type BusRequest = Command;

/** There is no verdict in time: whoever asked holds the command, with these words as the reason. */
export interface Late {
  readonly kind: 'late';
  readonly why: 'deadline' | 'closed' | 'overload' | 'failed';
  readonly text: string;
}

export const messageKinds: ReadonlySet<string> = new Set<BusMessage['kind']>([
  'findings',
  'incidents',
  'trust',
  'readings',
  'verdicts',
  'state',
  'coverage',
  'faults',
  'advance',
  'checkpoint',
  'checkpointed',
  'health',
  'holds',
  'answer',
  'answered',
  'passed',
  'opened',
  'end',
  'outcome',
  'actions',
  'responses',
]);
