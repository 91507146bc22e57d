// A collector: exporters send to a UDP socket here, several at once. Datagrams come in the order of arrival.
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import type { Origin, Sink } from '#events';
import type { Source } from '../contract.ts';
import { netflowListenFaults } from './faults.ts';
import { DatagramQueue } from './queue.ts';
import { Ends, Rows } from './rows.ts';

export interface NetflowWhere {
  /** `address:port`, `[address]:port`; an address left out is this host alone. Port 0: any. */
  readonly udp: string;
}

export interface NetflowOptions {
  /** Octets that may wait in each of the two halves of the queue. */
  readonly queueBytes?: number;
  /** Octets the kernel keeps until this process looks; it may give less (net.core.rmem_max). */
  readonly socketBytes?: number;
}

const QUEUE_BYTES = 8 * 1024 * 1024;
const QUEUE_BYTES_MIN = 128 * 1024;
const SOCKET_BYTES = 4 * 1024 * 1024;
/** Senders whose address is kept as words; more are made anew each time. */
const ENDS_MAX = 4096;

export type NetflowCode = 'NETFLOW_ADDRESS' | 'NETFLOW_IN_USE' | 'NETFLOW_NOT_PERMITTED';

/** It could not listen. Code, text and remedy are those of netflowListenFaults. */
export class NetflowError extends Error {
  readonly code: NetflowCode;
  readonly remedy: string;
  constructor(code: NetflowCode, place: string, detail: string) {
    const { text, remedy } = netflowListenFaults[code]!;
    super(`${code}: ${place}: ${text}${detail === '' ? '' : ` (${detail})`} ${remedy}`);
    this.name = 'NetflowError';
    this.code = code;
    this.remedy = remedy;
  }
}

/** Listens for exporters. @throws NetflowError where it can't */
export async function openNetflow(where: NetflowWhere, options: NetflowOptions = {}): Promise<NetflowListener> {
  const parts = /^(?:\[([^\]]+)\]|([^:]*)):(\d{1,5})$/.exec(where.udp);
  const port = Number(parts?.[3] ?? -1);
  const name = `netflow:udp:${where.udp}`;
  if (parts === null || port > 65_535) throw new NetflowError('NETFLOW_ADDRESS', name, '');
  const address = parts[1] ?? (parts[2] === '' ? '127.0.0.1' : parts[2]!);
  const socket = createSocket({ type: isIPv6(address) ? 'udp6' : 'udp4' });
  await new Promise<void>((resolve, reject) => {
    socket.once('error', (error: NodeJS.ErrnoException) => {
      socket.close();
      reject(new NetflowError(codeOf(error), name, error.message));
    });
    socket.bind({ address, port, exclusive: true }, () => resolve());
  });
  socket.removeAllListeners('error');
  return new NetflowListener(socket, options);
}

function codeOf(error: NodeJS.ErrnoException): NetflowCode {
  if (error.code === 'EADDRINUSE') return 'NETFLOW_IN_USE';
  return error.code === 'EACCES' || error.code === 'EPERM' ? 'NETFLOW_NOT_PERMITTED' : 'NETFLOW_ADDRESS';
}

export class NetflowListener implements Source {
  /** `netflow:udp:address:port`: the file that evidence names. */
  readonly name: string;
  readonly port: number;
  /** Datagrams dropped because they were not taken in time. What the kernel drops before shows as NETFLOW_LOST. */
  readonly loss = { shed: 0 };
  readonly progress = { read: 0, size: 0 };
  readonly #socket: Socket;
  readonly #origin: Origin;
  readonly #queue: DatagramQueue;
  readonly #rows: Rows;
  readonly #ends = new Map<string, Ends>();
  #last = new Ends('', 0, '', 0);
  readonly #address: string;
  readonly #faults = new Set<string>();
  #place = 0;
  #at = 0;
  #isStopped = false;
  #wake: (() => void) | undefined;

  constructor(socket: Socket, options: NetflowOptions) {
    const { address, port } = socket.address();
    this.port = port;
    this.#address = address;
    this.name = `netflow:udp:${address.includes(':') ? `[${address}]` : address}:${port}`;
    this.#socket = socket;
    this.#origin = { file: this.name, placed: 'frame' };
    this.#queue = new DatagramQueue(Math.max(options.queueBytes ?? QUEUE_BYTES, QUEUE_BYTES_MIN));
    this.#rows = new Rows(this.#origin);
    try {
      socket.setRecvBufferSize(options.socketBytes ?? SOCKET_BYTES);
    } catch {
      // The kernel's default then; loss is told by sequence numbers all the same.
    }
    socket.on('message', (bytes, from) => this.#take(bytes, from));
    socket.on('error', () => this.#fault('NETFLOW_SOCKET'));
  }

  #take(bytes: Buffer, from: RemoteInfo): void {
    if (this.#isStopped) return;
    this.#place += 1;
    this.progress.read += bytes.length;
    // Never back: the clock may be set while this runs.
    this.#at = Math.max(this.#at, Date.now() * 1000);
    if (!this.#queue.push(bytes, this.#at, this.#place, this.#endsOf(from))) {
      this.loss.shed += 1;
      this.#fault('NETFLOW_SHED');
    }
    this.#rouse();
  }

  #endsOf(from: RemoteInfo): Ends {
    // Exporters send several at a time.
    if (from.port === this.#last.fromPort && from.address === this.#last.from) return this.#last;
    const key = `${from.address} ${from.port}`;
    let ends = this.#ends.get(key);
    if (ends === undefined) {
      ends = new Ends(from.address, from.port, this.#address, this.port);
      if (this.#ends.size < ENDS_MAX) this.#ends.set(key, ends);
    }
    this.#last = ends;
    return ends;
  }

  /** Waits for a datagram; Infinity once stopped and read out. */
  async peekAt(): Promise<number> {
    for (;;) {
      if (!this.#queue.isReadOut) return this.#queue.at;
      if (this.#queue.swap()) continue;
      if (this.#faults.size > 0) return this.#at;
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
    rows.clear();
    if (queue.isReadOut) queue.swap();
    rows.batch.bytes = queue.bytes;
    while (!queue.isReadOut && !rows.isFull && queue.at < until) {
      rows.put(queue.at, queue.place, queue.offset, queue.length, queue.ends);
      queue.shift();
    }
    if (rows.batch.count > 0) sink.emit(rows.batch);
    for (const code of this.#faults) sink.fault(code, this.#origin, this.#place, -1);
    this.#faults.clear();
    return !this.#isStopped || !queue.isReadOut || queue.isWritten;
  }

  #fault(code: string): void {
    this.#faults.add(code);
    this.#rouse();
  }

  /**
   * Wakes who waits once the socket has given what it has (libuv: up to 32 datagrams a turn), for a pull costs nearly as much
   * for one datagram as for all of these.
   */
  #rouse(): void {
    if (this.#wake === undefined) return;
    setImmediate(this.#wake);
    this.#wake = undefined;
  }

  /** Hears no more; what waits in the queue can still be pulled. */
  stop(): void {
    if (this.#isStopped) return;
    this.#isStopped = true;
    this.#socket.close();
    this.#rouse();
  }

  close(): void {
    this.stop();
    this.#queue.clear();
  }
}
