// A connection to the broker: clean start, no session kept, reconnecting for as long as it is wanted. Each client has one
// of its own, and the gateway has one for commands and verdicts.
import { connect, type Socket } from 'node:net';
import { encode, Id, noProperties, numberOf, type Packet, PacketStream, type Version } from '../mqtt/index.ts';

export interface LinkOptions {
  readonly host: string;
  readonly port: number;
  readonly version: Version;
  /** Unique at the broker: two of one name would put each other out for ever. */
  readonly clientId: string;
  readonly packetBytes: number;
  /** QoS 1 and 2 messages the other side may have under way to us. */
  readonly receiveMaximum: number;
}
export interface LinkEvents {
  up(): void;
  down(): void;
  packet(packet: Packet): void;
  drain(): void;
}

const keepAliveSeconds = 30;
const waitMsMax = 5_000;

export class BrokerLink {
  readonly #options: LinkOptions;
  readonly #events: LinkEvents;
  #socket: Socket | undefined;
  #up = false;
  #closed = false;
  #waitMs = 100;
  #retry: NodeJS.Timeout | undefined;
  #ping: NodeJS.Timeout | undefined;
  /** QoS 1 and 2 messages the broker lets us have under way. */
  receiveMaximum = 65_535;

  constructor(options: LinkOptions, events: LinkEvents) {
    this.#options = options;
    this.#events = events;
    this.#open();
  }

  get up(): boolean {
    return this.#up;
  }
  /** The socket's buffer is full: stop reading what feeds it. */
  get clogged(): boolean {
    return this.#socket?.writableNeedDrain === true;
  }

  send(packet: Packet): void {
    this.#socket?.write(encode(packet, this.#options.version));
  }
  pause(): void {
    this.#socket?.pause();
  }
  resume(): void {
    this.#socket?.resume();
  }

  /** Tries again now where it waits to. */
  hurry(): void {
    if (this.#closed || this.#retry === undefined) return;
    clearTimeout(this.#retry);
    this.#open();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#retry);
    clearInterval(this.#ping);
    if (this.#up)
      this.#socket?.end(encode({ type: 'disconnect', reason: 0, properties: noProperties }, this.#options.version));
    else this.#socket?.destroy();
    this.#up = false;
    this.#socket?.resume();
    this.#socket?.setTimeout(1000, () => this.#socket?.destroy());
  }

  #open(): void {
    this.#retry = undefined;
    const { host, port, version, clientId, packetBytes, receiveMaximum } = this.#options;
    const socket = connect({ host, port, noDelay: true });
    const stream = new PacketStream('server', packetBytes + 4096);
    stream.version = version;
    this.#socket = socket;
    socket.once('connect', () => {
      this.send({
        type: 'connect',
        version,
        cleanStart: true,
        keepAlive: keepAliveSeconds,
        clientId,
        will: undefined,
        username: undefined,
        password: undefined,
        properties: [{ id: Id.ReceiveMaximum, value: receiveMaximum }],
      });
    });
    socket.on('data', (chunk: Buffer) => {
      stream.push(chunk);
      for (let p = stream.next(); p !== undefined; p = stream.next()) {
        if (p.type === 'malformed') return void socket.destroy();
        if (this.#up) {
          if (!this.#closed) this.#events.packet(p);
        } else if (p.type === 'connack' && p.reason === 0) {
          this.#up = true;
          this.#waitMs = 100;
          this.receiveMaximum = numberOf(p.properties, Id.ReceiveMaximum, 65_535);
          this.#ping = setInterval(() => this.send({ type: 'pingreq' }), (keepAliveSeconds * 1000) / 2);
          this.#ping.unref();
          this.#events.up();
        } else return void socket.destroy();
      }
    });
    socket.on('drain', () => this.#events.drain());
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      clearInterval(this.#ping);
      const was = this.#up;
      this.#up = false;
      if (this.#closed) return;
      this.#retry = setTimeout(() => this.#open(), this.#waitMs);
      this.#waitMs = Math.min(this.#waitMs * 2, waitMsMax);
      if (was) this.#events.down();
    });
  }
}
