// dnstap from running DNS servers: they connect to a socket here, several at once, and connect again after either side was
// started anew. Messages of all of them come in the order of arrival.
import { createServer, type Server, type Socket } from 'node:net';
import type { Sink } from '#events';
import type { Source } from '../contract.ts';
import { FrameQueue } from './queue.ts';
import { Rows } from './rows.ts';
import { Sender } from './sender.ts';
import { type DnstapWhere, listenAt } from './where.ts';

export interface DnstapOptions {
  /** Octets that may wait in each of the two halves of the queue; at least one frame. */
  readonly queueBytes?: number;
  readonly sendersMax?: number;
  /** How long senders are held back before messages are dropped (and counted) instead. */
  readonly holdMillis?: number;
  readonly handshakeMillis?: number;
}

const QUEUE_BYTES = 4 * 1024 * 1024;
const QUEUE_BYTES_MIN = 512 * 1024;
const SENDERS_MAX = 64;
const HOLD_MILLIS = 1000;
const HANDSHAKE_MILLIS = 10_000;
/** A TCP sender that is gone without a word is noticed by then. */
const KEEPALIVE_MILLIS = 60_000;

/** Listens for senders. @throws DnstapError where it can't */
export async function openDnstap(where: DnstapWhere, options: DnstapOptions = {}): Promise<DnstapListener> {
  const server = createServer({ keepAlive: true, keepAliveInitialDelay: KEEPALIVE_MILLIS });
  return new DnstapListener(server, await listenAt(server, where), options);
}

/** What was not read, for coverage. */
export interface DnstapLoss {
  /** Messages dropped because they were not taken in time. */
  shed: number;
  /** Times that senders were held back; what they then drop themselves is told by them alone (BIND: rndc stats). */
  held: number;
  /** Connections that broke off inside a frame. */
  cut: number;
}

interface Connection {
  readonly socket: Socket;
  readonly sender: Sender;
  isHeld: boolean;
}

export class DnstapListener implements Source {
  /** `dnstap:unix:/path` or `dnstap:tcp:address:port`: the file that evidence names. */
  readonly name: string;
  readonly loss: DnstapLoss = { shed: 0, held: 0, cut: 0 };
  readonly progress = { read: 0, size: 0 };
  readonly #server: Server;
  readonly #queue: FrameQueue;
  readonly #rows: Rows;
  readonly #connections = new Set<Connection>();
  readonly #sendersMax: number;
  readonly #holdMillis: number;
  readonly #handshakeMillis: number;
  #holdTimer: NodeJS.Timeout | undefined;
  #isShedding = false;
  /** Whether the frame at the front of the queue is decoded and waits to become a row. */
  #isReady = false;
  #hasFaults = false;
  #isStopped = false;
  #wake: (() => void) | undefined;

  constructor(server: Server, name: string, options: DnstapOptions) {
    this.name = name;
    this.#server = server;
    this.#queue = new FrameQueue(Math.max(options.queueBytes ?? QUEUE_BYTES, QUEUE_BYTES_MIN));
    this.#rows = new Rows({ file: name, placed: 'frame' });
    this.#sendersMax = options.sendersMax ?? SENDERS_MAX;
    this.#holdMillis = options.holdMillis ?? HOLD_MILLIS;
    this.#handshakeMillis = options.handshakeMillis ?? HANDSHAKE_MILLIS;
    server.on('connection', (socket) => this.#connect(socket));
    // Out of descriptors, say: the listener stays, the next connection may succeed.
    server.on('error', () => this.#fault('DNSTAP_SENDERS'));
  }

  /** Senders that are connected. */
  get senders(): number {
    return this.#connections.size;
  }

  /** Waits for a message (or a fault, which has the time of the message before); Infinity once stopped and read out. */
  async peekAt(): Promise<number> {
    for (;;) {
      if (this.#scan() || this.#hasFaults) return this.#rows.at;
      if (this.#swap()) continue;
      if (this.#isStopped) return Number.POSITIVE_INFINITY;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** Emits what is there, and does not wait where nothing is. */
  async pull(until: number, sink: Sink): Promise<boolean> {
    const rows = this.#rows;
    const queue = this.#queue;
    rows.batch.count = 0;
    if (!this.#scan() && this.#swap()) this.#scan();
    while (!rows.isFull && this.#scan() && rows.at < until) {
      rows.put(queue.bytes, queue.at);
      queue.shift();
      this.#isReady = false;
    }
    if (rows.batch.count > 0) sink.emit(rows.batch);
    this.#hasFaults = false;
    rows.tell(sink);
    return !this.#isStopped || !queue.isEmpty;
  }

  /** Hears no more; what waits in the queue can still be pulled. Senders will try to connect again. */
  stop(): void {
    if (this.#isStopped) return;
    this.#isStopped = true;
    clearTimeout(this.#holdTimer);
    // Removes the socket file too.
    this.#server.close();
    for (const { socket } of this.#connections) socket.destroy();
    this.#rouse();
  }

  close(): void {
    this.stop();
    this.#queue.clear();
    this.#isReady = false;
  }

  /** Goes over frames of the read slab to the next one that makes a row. @returns false where there is none */
  #scan(): boolean {
    const queue = this.#queue;
    while (!this.#isReady) {
      if (queue.isReadOut) return false;
      if (this.#rows.decode(queue.bytes, queue.at, queue.length, -1)) this.#isReady = true;
      else {
        this.#hasFaults = true;
        queue.shift();
      }
    }
    return true;
  }

  /** @returns whether there is more to read */
  #swap(): boolean {
    if (!this.#queue.isReadOut || this.#queue.isEmpty) return false;
    this.#queue.swap();
    clearTimeout(this.#holdTimer);
    this.#holdTimer = undefined;
    this.#isShedding = false;
    for (const connection of this.#connections) if (connection.isHeld) this.#release(connection);
    return true;
  }

  #connect(socket: Socket): void {
    if (this.#connections.size >= this.#sendersMax) {
      this.#fault('DNSTAP_SENDERS');
      socket.destroy();
      return;
    }
    const sender = new Sender({
      take: (bytes, at, length) => this.#take(bytes, at, length),
      fault: (code) => this.#fault(code),
      reply: (frame) => void socket.write(frame),
      // What was written (FINISH) still goes out.
      end: () => socket.destroySoon(),
    });
    const connection = { socket, sender, isHeld: false };
    this.#connections.add(connection);
    const late = setTimeout(() => {
      if (sender.hasStarted) return;
      this.#fault('DNSTAP_HANDSHAKE');
      socket.destroy();
    }, this.#handshakeMillis);
    socket.on('data', (chunk: Buffer) => {
      this.progress.read += chunk.length;
      if (!sender.push(chunk)) this.#hold(connection);
    });
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      clearTimeout(late);
      this.#connections.delete(connection);
      sender.closed();
    });
  }

  #take(bytes: Uint8Array, at: number, length: number): boolean {
    if (this.#isStopped) return true;
    if (!this.#queue.push(bytes, at, length)) {
      if (!this.#isShedding) return false;
      this.loss.shed += 1;
      return true;
    }
    this.#rouse();
    return true;
  }

  #hold(connection: Connection): void {
    connection.isHeld = true;
    connection.socket.pause();
    this.loss.held += 1;
    this.#holdTimer ??= setTimeout(() => this.#shed(), this.#holdMillis);
  }

  #release(connection: Connection): void {
    connection.isHeld = false;
    if (connection.sender.resume()) connection.socket.resume();
    else this.#hold(connection);
  }

  /** A resolver drops in silence when it is held back; dropped here, messages are at least counted. */
  #shed(): void {
    this.#isShedding = true;
    this.#fault('DNSTAP_SHED');
    for (const connection of this.#connections) if (connection.isHeld) this.#release(connection);
  }

  #fault(code: string): void {
    if (this.#isStopped) return;
    if (code === 'DNSTAP_TRUNCATED') this.loss.cut += 1;
    this.#rows.note(code, -1);
    this.#hasFaults = true;
    this.#rouse();
  }

  #rouse(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }
}
