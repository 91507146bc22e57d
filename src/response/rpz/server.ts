// The sockets of the policy zone: DNS over UDP and TCP (RFC 7766) on one address. All bounds are here; meaning is in answer.ts.
import { createSocket, type RemoteInfo, type Socket as UdpSocket } from 'node:dgram';
import { createServer, type Server, type Socket } from 'node:net';
import { FaultError } from '#findings';
import { type Endpoint, endpointText } from '../config.ts';
import { type Answer, answer, type Served } from './answer.ts';
import { plainAddress } from './guard.ts';

/** Open TCP connections, and those of one address. More are closed at once, and counted. */
const CONNECTIONS_MAX = 64;
const CONNECTIONS_PER_ADDRESS_MAX = 8;
/** A request is a name, a SOA and a signature. */
const REQUEST_BYTES_MAX = 2_048;
/** Milliseconds without a whole request, or without the peer taking what is written. */
const IDLE_MS = 10_000;
/** Milliseconds one connection may live: a transfer that is still read after that is given up. */
const LIFE_MS = 120_000;

export interface ServerCounts {
  /** By what was answered. */
  readonly soa: number;
  readonly axfr: number;
  readonly ixfr: number;
  readonly refused: number;
  /** Connections closed at a bound. */
  readonly shed: number;
}

export class ZoneServer {
  readonly #served: () => Served;
  readonly #nowSeconds: () => number;
  readonly #counts = { soa: 0, axfr: 0, ixfr: 0, refused: 0, shed: 0 };
  readonly #connections = new Map<Socket, string>();
  #udp: UdpSocket | undefined;
  #tcp: Server | undefined;

  constructor(served: () => Served, nowSeconds: () => number) {
    this.#served = served;
    this.#nowSeconds = nowSeconds;
  }

  get counts(): ServerCounts {
    return { ...this.#counts };
  }

  /** @returns where it listens (port 0 asks for any). @throws FaultError RESPONSE_LISTEN */
  async listen(at: Endpoint): Promise<Endpoint> {
    const tcp = createServer({ pauseOnConnect: false }, (socket) => this.#accept(socket));
    const udp = createSocket(at.address.includes(':') ? 'udp6' : 'udp4');
    try {
      await new Promise<void>((done, fail) => tcp.once('error', fail).listen(at.port, at.address, done));
      const { port } = tcp.address() as { port: number };
      await new Promise<void>((done, fail) => udp.once('error', fail).bind(port, at.address, done));
      udp.on('message', (bytes, from) => this.#datagram(udp, bytes, from)).on('error', () => {});
      tcp.on('error', () => {});
      this.#tcp = tcp;
      this.#udp = udp;
      return { address: at.address, port };
    } catch (error) {
      tcp.close();
      udp.close();
      throw new FaultError({
        kind: 'fault',
        code: 'RESPONSE_LISTEN',
        file: 'city.yaml',
        text: `The policy zone can't be served on ${endpointText(at)}: ${(error as Error).message}.`,
        remedy: 'Name a free address and port of this machine in response.rpz.listen.',
        lost: 'Resolvers keep the rules they have and get no new ones.',
      });
    }
  }

  async close(): Promise<void> {
    for (const socket of this.#connections.keys()) socket.destroy();
    const { promise, resolve } = Promise.withResolvers<void>();
    if (this.#tcp === undefined) resolve();
    else this.#tcp.close(() => resolve());
    this.#udp?.close();
    this.#tcp = undefined;
    this.#udp = undefined;
    await promise;
  }

  #answer(bytes: Buffer, from: string, transport: 'udp' | 'tcp'): Answer | undefined {
    const address = plainAddress(from) ?? from;
    const reply = answer({ bytes, address, transport, nowSeconds: this.#nowSeconds() }, this.#served());
    if (reply !== undefined) this.#counts[reply.what]++;
    return reply;
  }

  #datagram(udp: UdpSocket, bytes: Buffer, from: RemoteInfo): void {
    const reply = this.#answer(bytes, from.address, 'udp');
    if (reply === undefined) return;
    for (const message of reply.messages) udp.send(message, from.port, from.address, () => {});
  }

  #accept(socket: Socket): void {
    const address = socket.remoteAddress ?? '';
    const ofAddress = [...this.#connections.values()].filter((a) => a === address).length;
    if (this.#connections.size >= CONNECTIONS_MAX || ofAddress >= CONNECTIONS_PER_ADDRESS_MAX) {
      this.#counts.shed++;
      socket.on('error', () => {}).destroy();
      return;
    }
    this.#connections.set(socket, address);
    const life = setTimeout(() => socket.destroy(), LIFE_MS);
    socket.setNoDelay(true);
    socket.setTimeout(IDLE_MS, () => socket.destroy());
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      clearTimeout(life);
      this.#connections.delete(socket);
    });
    void this.#converse(socket, address).finally(() => socket.destroy());
  }

  /** One request after the other: the next is read when the answer to the last has been taken. */
  async #converse(socket: Socket, address: string): Promise<void> {
    let rest: Buffer = Buffer.alloc(0);
    try {
      for await (const chunk of socket as AsyncIterable<Buffer>) {
        rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
        while (rest.length >= 2) {
          const length = rest.readUInt16BE(0);
          if (length > REQUEST_BYTES_MAX || length < 12) return;
          if (rest.length < 2 + length) break;
          const reply = this.#answer(Buffer.from(rest.subarray(2, 2 + length)), address, 'tcp');
          rest = Buffer.from(rest.subarray(2 + length));
          if (reply === undefined) return;
          for (const message of reply.messages) if (!(await send(socket, message))) return;
        }
      }
      socket.end();
    } catch {
      // The peer went away: there is nobody to tell.
    }
  }
}

/** Writes a framed message and waits while the peer is slower than we. @returns false where the connection is gone */
async function send(socket: Socket, message: Buffer): Promise<boolean> {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(message.length);
  if (socket.destroyed) return false;
  if (socket.write(Buffer.concat([length, message]))) return true;
  await new Promise<void>((done) => {
    const end = (): void => {
      socket.off('drain', end).off('close', end);
      done();
    };
    socket.on('drain', end).on('close', end);
  });
  return !socket.destroyed;
}
