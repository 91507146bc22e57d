// One end of a channel between two processes, over Node's own (fork with serialization 'advanced').
//
//   send ──▶ [window: sent, not yet acknowledged] ──▶ other end's handler ──▶ acknowledgement ──┐
//     ▲  waits, in order, while the window is full                                              │
//     └─────────────────────────────────────────────────────────────────────────────────────────┘
//
// Requests go past the window: telemetry that piles up must not delay a command's judgement. A request always resolves, by its
// deadline at the latest: with the verdict, or with a Late, on which the gateway holds.
import type { Verdict } from '#findings';
import { type BusMessage, type BusRequest, type Late, messageKinds } from './message.ts';

/** What both `process` (in a child) and a ChildProcess (in its parent) have. */
export interface Port {
  send?(message: unknown, sendHandle: undefined, options: undefined, callback: (error: Error | null) => void): boolean;
  on(event: 'message', listener: (message: unknown) => void): unknown;
  on(event: 'disconnect', listener: () => void): unknown;
  off(event: 'message', listener: (message: unknown) => void): unknown;
  off(event: 'disconnect', listener: () => void): unknown;
  readonly connected: boolean;
}

export interface ChannelOptions {
  /** Messages that may be sent and not yet acknowledged (at most 4,096). */
  readonly windowMax?: number;
  /** Messages that may wait for the window; beyond, `send` rejects. */
  readonly waitingMax?: number;
  /** Requests that may be open at once; beyond, they are late at once. */
  readonly requestsMax?: number;
  /** Takes a message; the sender's window moves when the promise settles. */
  onMessage?(message: BusMessage): void | Promise<void>;
  /** Judges a command. */
  onRequest?(request: BusRequest): Verdict | Promise<Verdict>;
  /** The other end is gone (once). */
  onClose?(): void;
  /** What a handler of this end threw. */
  onError?(error: Error): void;
}

export type BusCode = 'BUS_CLOSED' | 'BUS_FULL';
const remedies: Readonly<Record<BusCode, string>> = {
  BUS_CLOSED: 'the other process is gone; it is started again from its last checkpoint.',
  BUS_FULL: 'the other process does not keep up; shed what can be shed, and look at its health.',
};

export class BusError extends Error {
  readonly code: BusCode;
  constructor(code: BusCode) {
    super(`${code}: ${remedies[code]}`);
    this.name = 'BusError';
    this.code = code;
  }
}

/** On the wire: m a message, a an acknowledgement of one, q a request, r its answer. */
type Frame =
  | { readonly m: number; readonly body: BusMessage }
  | { readonly a: number }
  | { readonly q: number; readonly body: BusRequest }
  | { readonly r: number; readonly body: Verdict | Late };

interface Waiting {
  readonly body: BusMessage;
  resolve(): void;
  reject(error: Error): void;
}
interface Open {
  readonly timer: NodeJS.Timeout;
  resolve(answer: Verdict | Late): void;
}

/** Messages of the other end that may wait for the handler here. An honest end never has more than its window on the way. */
const RECEIVED_MAX = 4096;

const late = (why: Late['why'], text: string): Late => ({ kind: 'late', why, text });

export class Channel {
  /** Verdicts that came after their deadline. */
  lateAnswers = 0;
  /** Frames that were of no known form, and handlers that threw. */
  faults = 0;
  readonly #port: Port;
  readonly #options: ChannelOptions;
  readonly #windowMax: number;
  readonly #waitingMax: number;
  readonly #requestsMax: number;
  #sent = 0;
  #outstanding = 0;
  readonly #waiting: Waiting[] = [];
  #requests = 0;
  readonly #open = new Map<number, Open>();
  /** Messages are handled one after the other, so that order holds past an asynchronous handler. */
  #handling: Promise<void> = Promise.resolve();
  #received = 0;
  #judging = 0;
  #isClosed = false;
  readonly #onFrame = (frame: unknown): void => this.#take(frame);
  readonly #onGone = (): void => this.#gone();

  constructor(port: Port, options: ChannelOptions = {}) {
    this.#port = port;
    this.#options = options;
    this.#windowMax = Math.min(options.windowMax ?? 256, RECEIVED_MAX);
    this.#waitingMax = options.waitingMax ?? 4096;
    this.#requestsMax = options.requestsMax ?? 1024;
    port.on('message', this.#onFrame);
    port.on('disconnect', this.#onGone);
  }

  /** Messages on their way, sent or waiting. */
  get outstanding(): number {
    return this.#outstanding + this.#waiting.length;
  }

  /** Resolves when every message received so far is handled: for a request that must not go past them here. */
  get handled(): Promise<void> {
    return this.#handling;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /**
   * Sends in order. Resolves when the message is on its way, which is the back-pressure: await it.
   * @throws BusError BUS_CLOSED, or BUS_FULL where too many wait already
   */
  send(body: BusMessage): Promise<void> {
    if (this.#isClosed) return Promise.reject(new BusError('BUS_CLOSED'));
    if (this.#outstanding < this.#windowMax && this.#waiting.length === 0) {
      this.#dispatch(body);
      return Promise.resolve();
    }
    if (this.#waiting.length >= this.#waitingMax) return Promise.reject(new BusError('BUS_FULL'));
    return new Promise((resolve, reject) => void this.#waiting.push({ body, resolve, reject }));
  }

  /** Sends where there is room, for what may be shed. @returns false where there is none; nothing is kept then */
  trySend(body: BusMessage): boolean {
    if (this.#isClosed || this.#outstanding >= this.#windowMax || this.#waiting.length > 0) return false;
    this.#dispatch(body);
    return true;
  }

  /** Asks for a verdict; resolves within `deadlineMillis`, never rejects. */
  request(command: BusRequest, deadlineMillis: number): Promise<Verdict | Late> {
    if (this.#isClosed) return Promise.resolve(late('closed', 'The process that judges commands is gone.'));
    if (this.#open.size >= this.#requestsMax)
      return Promise.resolve(late('overload', `${this.#requestsMax} commands wait for judgement already.`));
    const q = ++this.#requests;
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.#open.delete(q);
        resolve(late('deadline', `No verdict came within ${deadlineMillis} ms.`));
      }, deadlineMillis);
      this.#open.set(q, { timer, resolve });
      this.#post({ q, body: command });
    });
  }

  /** Stops listening; open requests are late, waiting sends reject. The port itself stays. */
  close(): void {
    this.#port.off('message', this.#onFrame);
    this.#port.off('disconnect', this.#onGone);
    this.#gone();
  }

  #dispatch(body: BusMessage): void {
    this.#outstanding += 1;
    this.#sent += 1;
    this.#post({ m: this.#sent, body });
  }

  #post(frame: Frame): void {
    if (!this.#port.connected || this.#port.send === undefined) {
      this.#gone();
      return;
    }
    // Without a callback a broken pipe is an 'error' event of the process, which nobody may hear.
    this.#port.send(frame, undefined, undefined, (error) => {
      if (error !== null) this.#gone();
    });
  }

  #gone(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const { timer, resolve } of this.#open.values()) {
      clearTimeout(timer);
      resolve(late('closed', 'The process that judges commands is gone.'));
    }
    this.#open.clear();
    for (const w of this.#waiting.splice(0)) w.reject(new BusError('BUS_CLOSED'));
    this.#options.onClose?.();
  }

  #take(raw: unknown): void {
    if (typeof raw !== 'object' || raw === null) {
      this.faults += 1;
      return;
    }
    const frame = raw as { m?: unknown; a?: unknown; q?: unknown; r?: unknown; body?: { kind?: unknown } };
    if (typeof frame.a === 'number') this.#acknowledged();
    else if (typeof frame.r === 'number' && (frame.body?.kind === 'verdict' || frame.body?.kind === 'late'))
      this.#answered(frame.r, frame.body as Verdict | Late);
    else if (typeof frame.q === 'number' && frame.body?.kind === 'command')
      void this.#judge(frame.q, frame.body as BusRequest);
    else if (typeof frame.m === 'number') {
      const { m } = frame;
      if (this.#received >= RECEIVED_MAX) {
        this.faults += 1;
        return;
      }
      this.#received += 1;
      const isKnown = typeof frame.body?.kind === 'string' && messageKinds.has(frame.body.kind);
      if (!isKnown) this.faults += 1;
      this.#handling = this.#handling.then(() => this.#handle(m, isKnown ? (frame.body as BusMessage) : undefined));
    } else this.faults += 1;
  }

  async #handle(m: number, body: BusMessage | undefined): Promise<void> {
    try {
      if (body !== undefined) await this.#options.onMessage?.(body);
    } catch (error) {
      this.faults += 1;
      this.#options.onError?.(error as Error);
    }
    this.#received -= 1;
    // Acknowledged in any case: one message that can't be handled must not shut the window for good.
    if (!this.#isClosed) this.#post({ a: m });
  }

  async #judge(q: number, request: BusRequest): Promise<void> {
    let body: Verdict | Late = late('failed', 'Nothing here judges commands.');
    this.#judging += 1;
    try {
      if (this.#judging > this.#requestsMax)
        body = late('overload', `${this.#requestsMax} commands are being judged already.`);
      else if (this.#options.onRequest !== undefined) body = await this.#options.onRequest(request);
    } catch (error) {
      this.faults += 1;
      this.#options.onError?.(error as Error);
      body = late('failed', `The judgement failed: ${(error as Error).message}`);
    }
    this.#judging -= 1;
    if (!this.#isClosed) this.#post({ r: q, body });
  }

  #acknowledged(): void {
    // The other end can't open the window wider than it is.
    if (this.#outstanding > 0) this.#outstanding -= 1;
    while (this.#outstanding < this.#windowMax && this.#waiting.length > 0 && !this.#isClosed) {
      const next = this.#waiting.shift()!;
      this.#dispatch(next.body);
      next.resolve();
    }
  }

  #answered(q: number, answer: Verdict | Late): void {
    const open = this.#open.get(q);
    if (open === undefined) {
      this.lateAnswers += 1;
      return;
    }
    this.#open.delete(q);
    clearTimeout(open.timer);
    open.resolve(answer);
  }
}
