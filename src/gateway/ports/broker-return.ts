// After the broker was away its subscribers come back first, and then what was kept for them is sent: the broker keeps no
// session, so who is not there yet would never hear it.

/** How long what was kept waits for subscribers that do not come back, milliseconds. */
const WAIT_MS = 2000;

export interface Subscriber {
  /** Tries to reach the broker now, not when its own wait is over. */
  hurry(): void;
}

export class BrokerReturn {
  readonly #away = new Set<Subscriber>();
  readonly #kept = new Set<() => void>();
  #timer: NodeJS.Timeout | undefined;

  /** A subscriber has lost the broker. */
  lost(subscriber: Subscriber): void {
    this.#away.add(subscriber);
  }

  /** Somebody has reached the broker: those who wait to try again need not. */
  reached(): void {
    for (const s of this.#away) s.hurry();
  }

  /** A subscriber is subscribed again, or is gone. */
  back(subscriber: Subscriber): void {
    if (this.#away.delete(subscriber) && this.#away.size === 0) this.#release();
  }

  /** Sends once all subscribers are back, or have been waited for. */
  afterAll(send: () => void): void {
    if (this.#away.size === 0) return void send();
    this.#kept.add(send);
    this.#timer ??= setTimeout(() => {
      // Whoever is not there by now is not waited for again before it has been: the broker may refuse it for good.
      this.#away.clear();
      this.#release();
    }, WAIT_MS).unref();
  }

  #release(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const kept = [...this.#kept];
    this.#kept.clear();
    for (const send of kept) send();
  }
}
