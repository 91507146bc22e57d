// The MQTT door: TLS with client certificates, and every bound that holds before anyone is authenticated.
import { constants, X509Certificate } from 'node:crypto';
import type { AddressInfo, Socket } from 'node:net';
import { createServer, type Server, type TLSSocket } from 'node:tls';
import type { GatewayConfig } from '../config.ts';
import { type Identity, identityOf } from '../identity.ts';
import { type Connect, encode, Id, noProperties, PacketStream, Reason } from '../mqtt/index.ts';
import type { Denied, Grants, Policy } from '../policy.ts';
import { Session, type SessionWorld } from './session.ts';

export interface TlsFiles {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}
export interface MqttCounts {
  connections: number;
  refused: number;
  malformed: number;
}

export class MqttDoor {
  readonly counts: MqttCounts = { connections: 0, refused: 0, malformed: 0 };
  readonly #config: GatewayConfig;
  readonly #policy: Policy;
  readonly #world: SessionWorld;
  readonly #server: Server;
  readonly #sources = new Map<string, number>();
  readonly #sessions = new Map<string, Session>();
  readonly #open = new Set<Connection>();
  readonly #tick: NodeJS.Timeout;
  #made = 0;

  constructor(config: GatewayConfig, tls: TlsFiles, policy: Policy, world: SessionWorld) {
    this.#config = config;
    this.#policy = policy;
    this.#world = world;
    // An empty authority file would let everyone in (Mosquitto 2.0.9 notes): fail at the start.
    new X509Certificate(tls.ca);
    this.#server = createServer(
      {
        ca: tls.ca,
        cert: tls.cert,
        key: tls.key,
        requestCert: true,
        rejectUnauthorized: true,
        minVersion: 'TLSv1.2',
        // A resumed session would bring an identity that nobody looked at again.
        secureOptions: constants.SSL_OP_NO_TICKET | constants.SSL_OP_NO_RENEGOTIATION,
        handshakeTimeout: config.limits.handshakeMs,
        highWaterMark: 65_536,
      },
      (socket) => this.#accept(socket),
    );
    this.#server.maxConnections = config.limits.connections;
    // Sockets are counted before TLS costs anything.
    this.#server.on('connection', (socket: Socket) => this.#count(socket));
    this.#server.on('tlsClientError', () => this.counts.refused++);
    this.#tick = setInterval(() => this.#check(), 1000);
    this.#tick.unref();
  }

  listen(): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(this.#config.port, this.#config.host, () =>
        resolve((this.#server.address() as AddressInfo).port),
      );
    });
  }

  /** Ends what a revoked identity has open. */
  revoked(id: string): void {
    for (const s of this.#sessions.values())
      if (s.grants.identity.id === id) s.end(Reason.Administrative, 'the identity is revoked', false);
  }

  async close(): Promise<void> {
    clearInterval(this.#tick);
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const s of this.#sessions.values()) s.end(Reason.ShuttingDown, '', false);
    for (const c of this.#open) setTimeout(() => c.socket.destroy(), 200).unref();
    await closed;
  }

  #count(socket: Socket): void {
    const source = socket.remoteAddress ?? '';
    const n = (this.#sources.get(source) ?? 0) + 1;
    // Counted as refused by tlsClientError.
    if (n > this.#config.limits.connectionsPerSource) return void socket.destroy();
    this.#sources.set(source, n);
    socket.once('close', () => {
      const left = (this.#sources.get(source) ?? 1) - 1;
      if (left === 0) this.#sources.delete(source);
      else this.#sources.set(source, left);
    });
  }

  #accept(socket: TLSSocket): void {
    socket.on('error', () => socket.destroy());
    const certificate = socket.getPeerX509Certificate();
    const identity =
      certificate === undefined || socket.isSessionReused() || !socket.authorized
        ? { fault: 'no fresh certificate' }
        : identityOf(certificate.raw, this.#config.trustDomains);
    if ('fault' in identity || this.#policy.isRevoked(identity.id)) {
      this.counts.refused++;
      return void socket.destroy();
    }
    this.counts.connections++;
    socket.setNoDelay(true);
    const connection = new Connection(
      socket,
      identity,
      certificate!.validToDate.getTime(),
      this.#config.limits.connectBytes,
    );
    this.#open.add(connection);
    socket.once('close', () => {
      this.#open.delete(connection);
      connection.session?.end(0, '', true);
      this.counts.connections--;
    });
    socket.on('data', (chunk: Buffer) => this.#data(connection, chunk));
  }

  #data(c: Connection, chunk: Buffer): void {
    c.seenAt = performance.now();
    if (c.over) return;
    c.stream.push(chunk);
    for (let p = c.stream.next(); p !== undefined && !c.over; p = c.stream.next()) {
      if (p.type === 'malformed') {
        this.counts.malformed++;
        c.over = true;
        if (c.session !== undefined) c.session.end(p.reason, p.text, true);
        else c.socket.destroy();
      } else if (p.type === 'connect') this.#connect(c, p);
      else c.session?.fromClient(p);
    }
  }

  #connect(c: Connection, p: Connect): void {
    const grants = this.#policy.grantsOf(c.identity);
    const denied = this.#denied(grants, p);
    if (denied !== undefined) {
      this.counts.refused++;
      this.#world.denied(grants, 'connect', denied.text);
      c.over = true;
      // 3.1.1: 0x02 identifier rejected, 0x03 server unavailable, 0x05 not authorised (section 3.2.2.3).
      const old = denied.reason === Reason.ClientIdNotValid ? 2 : denied.reason === Reason.QuotaExceeded ? 3 : 5;
      const reason = p.version === 5 ? denied.reason : old;
      c.socket.end(encode({ type: 'connack', sessionPresent: false, reason, properties: noProperties }, p.version));
      c.socket.setTimeout(2000, () => c.socket.destroy());
      return;
    }
    c.stream.bytesMax = this.#config.limits.packetBytes;
    const clientId = p.clientId === '' ? c.identity.name : p.clientId;
    const key = `${c.identity.id}\n${clientId}`;
    // The same identity may take its own session over, nobody else's: the key holds the identity.
    this.#sessions.get(key)?.end(Reason.SessionTakenOver, '', false);
    const session = new Session(c.socket, p, clientId, `${this.#world.linkName}-${++this.#made}`, grants, this.#world);
    c.session = session;
    this.#sessions.set(key, session);
    c.socket.once('close', () => {
      if (this.#sessions.get(key) === session) this.#sessions.delete(key);
    });
  }

  #denied(grants: Grants, p: Connect): Denied | undefined {
    if (grants.revoked) return { reason: Reason.NotAuthorised, text: 'the identity is revoked' };
    if (p.properties.some((q) => q.id === Id.AuthMethod))
      return { reason: Reason.BadAuthenticationMethod, text: 'extended authentication is not spoken here' };
    let own = 0;
    for (const s of this.#sessions.values()) if (s.grants.identity.id === grants.identity.id) own++;
    if (own > this.#config.limits.connectionsPerIdentity)
      return { reason: Reason.QuotaExceeded, text: 'too many connections of this identity' };
    return (
      grants.client(p.clientId) ??
      grants.user(p.username) ??
      (p.will === undefined ? undefined : grants.will(p.will.topic, p.will.retain))
    );
  }

  /** One coarse tick serves all time limits. */
  #check(): void {
    const now = performance.now();
    const wall = Date.now();
    for (const c of this.#open) {
      if (c.session === undefined) {
        if (now - c.openedAt > this.#config.limits.connectMs) c.socket.destroy();
      } else if (now - c.seenAt > c.session.keepAliveSeconds * 1500 && !c.socket.isPaused())
        c.session.end(Reason.KeepAliveTimeout, '', true);
      else if (wall > c.validTo) c.session.end(Reason.NotAuthorised, 'the certificate has expired', true);
    }
  }
}

class Connection {
  readonly socket: TLSSocket;
  readonly identity: Identity;
  readonly validTo: number;
  readonly stream: PacketStream;
  readonly openedAt = performance.now();
  seenAt = performance.now();
  session: Session | undefined;
  /** Nothing more is read. */
  over = false;

  constructor(socket: TLSSocket, identity: Identity, validTo: number, connectBytes: number) {
    this.socket = socket;
    this.identity = identity;
    this.validTo = validTo;
    this.stream = new PacketStream('client', connectBytes);
  }
}
