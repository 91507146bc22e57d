// Requests waiting for their answers. Q.774 pairs by transaction: an answer names the asker's own id as its destination id,
// and goes to the asker's address; the answering address may be another than the one asked (global title translation).
// So a side is known by (its own address, its transaction id), and ids of different peers never meet.
import type { SignallingMessage } from '#events';

/** Dialogues and requests held; the oldest goes first. */
const DIALOGUES_MAX = 8192;
const PENDING_MAX = 16384;
/** Longest MAP operation timers are in minutes for USSD; location and security operations wait 30 s at most (TS 29.002, 17.1). */
export const ANSWER_MICROS = 60e6;

export interface Dialogue {
  readonly name: string;
  context: string;
  imsi: string;
  msisdn: string;
  at: number;
  /** Keys of requests in it that wait. */
  readonly waiting: Set<string>;
}

export class Transactions {
  readonly #dialogues = new Map<string, Dialogue>();
  readonly #pending = new Map<string, { message: SignallingMessage; dialogue: Dialogue }>();
  shed = 0;

  dialogue(side: string): Dialogue | undefined {
    return this.#dialogues.get(side);
  }

  open(side: string, dialogue: Dialogue): void {
    this.#dialogues.delete(side);
    if (this.#dialogues.size >= DIALOGUES_MAX) this.#dialogues.delete(this.#dialogues.keys().next().value!);
    this.#dialogues.set(side, dialogue);
  }

  close(side: string): void {
    this.#dialogues.delete(side);
  }

  /** @returns a request that had to go (same key again, or the capacity), to be told as unanswered */
  wait(side: string, invokeId: number, message: SignallingMessage, dialogue: Dialogue): SignallingMessage | undefined {
    const key = `${side}#${invokeId}`;
    let gone = this.take(key);
    if (gone === undefined && this.#pending.size >= PENDING_MAX) {
      gone = this.take(this.#pending.keys().next().value!);
      this.shed += 1;
    }
    this.#pending.set(key, { message, dialogue });
    dialogue.waiting.add(key);
    return gone;
  }

  answer(side: string, invokeId: number): SignallingMessage | undefined {
    return this.take(`${side}#${invokeId}`);
  }

  take(key: string): SignallingMessage | undefined {
    const found = this.#pending.get(key);
    if (found === undefined) return undefined;
    this.#pending.delete(key);
    found.dialogue.waiting.delete(key);
    return found.message;
  }

  /** Oldest request that has waited until `to`. */
  overdue(to: number): SignallingMessage | undefined {
    for (const [key, p] of this.#pending) return to - p.message.at < ANSWER_MICROS ? undefined : this.take(key);
    return undefined;
  }
}
