// What every host of the simulated network can do: look up names through the city's resolver, hold TLS sessions.
import type { Random } from '#lib/random';
import { type DnsRecord, DnsType, dnsAnswer, dnsQuery } from '../encode/dns.ts';
import { ipText, ipv4, udpFrame } from '../encode/ethernet.ts';
import { type Emit, TcpConnection } from '../encode/tcp.ts';
import { applicationData, clientHello, serverFlight } from '../encode/tls.ts';

export interface Lookup {
  readonly name: string;
  readonly type: number;
  readonly records: readonly DnsRecord[];
  readonly rcode?: number;
}
const cacheMax = 20_000;

export class Net {
  readonly emit: Emit;
  readonly resolver: number;
  readonly #random: Random;
  /** Name and type to the time its answer expires in the resolver. */
  readonly #cache = new Map<string, number>();
  readonly #ports = new Map<number, number>();

  constructor(random: Random, emit: Emit, resolver: number) {
    this.#random = random;
    this.emit = emit;
    this.resolver = resolver;
  }
  /** Next client port of a host. */
  port(host: number): number {
    const next = this.#ports.get(host) ?? 49152 + (host % 8192);
    this.#ports.set(host, next >= 65535 ? 49152 : next + 1);
    return next;
  }
  /** A client's query and answer, and the resolver's own towards the authority where the answer is not cached. */
  lookup(at: number, client: number, ask: Lookup, onFrame?: (frame: number) => void): number {
    const random = this.#random;
    const rcode = ask.rcode ?? 0;
    const id = random.integer(1, 65535);
    const port = this.port(client);
    this.emit(at, udpFrame(client, port, this.resolver, 53, dnsQuery(id, ask.name, ask.type)), onFrame);
    let t = at + random.integer(150, 900);
    const key = `${ask.type} ${ask.name}`;
    if ((this.#cache.get(key) ?? 0) < at) {
      const authority = publicAddress(zoneOf(ask.name));
      const upstream = random.integer(1, 65535);
      const from = this.port(this.resolver);
      this.emit(t, udpFrame(this.resolver, from, authority, 53, dnsQuery(upstream, ask.name, ask.type)));
      t += random.integer(8_000, 45_000);
      this.emit(
        t,
        udpFrame(authority, 53, this.resolver, from, dnsAnswer(upstream, ask.name, ask.type, rcode, ask.records)),
      );
      t += random.integer(100, 400);
      if (this.#cache.size >= cacheMax) this.#cache.delete(this.#cache.keys().next().value as string);
      const ttl = ask.records[0]?.ttl ?? 60;
      if (ttl > 0) this.#cache.set(key, at + ttl * 1e6);
    }
    this.emit(t, udpFrame(this.resolver, 53, client, port, dnsAnswer(id, ask.name, ask.type, rcode, ask.records)));
    return t + random.integer(100, 2000);
  }
  /** An address look-up of a public name. */
  address(at: number, client: number, name: string, ttl = 300, onFrame?: (frame: number) => void): number {
    const records = [{ type: DnsType.A, ttl, data: ipText(publicAddress(name)) }];
    return this.lookup(at, client, { name, type: DnsType.A, records }, onFrame);
  }
  /** A whole TLS exchange: `exchanges` are octets up and down. Returns the time after it. */
  tls(
    at: number,
    client: number,
    server: number,
    port: number,
    name: string,
    exchanges: readonly (readonly [number, number])[],
    onFrame?: (frame: number) => void,
  ): number {
    const random = this.#random;
    const connection = this.connect(client, server, port);
    let t = connection.open(at, onFrame);
    t = connection.send(t, true, clientHello(random, name), false);
    t = connection.send(t + connection.roundTrip, false, serverFlight(random, random.integer(900, 1600)));
    t = connection.send(t + 300, true, applicationData(random, 74), false);
    for (const [up, down] of exchanges) {
      if (up > 0) t = connection.send(t + random.integer(300, 4000), true, applicationData(random, up), down === 0);
      if (down > 0)
        t = connection.send(t + connection.roundTrip + random.integer(200, 6000), false, applicationData(random, down));
    }
    return connection.close(t + random.integer(500, 30_000));
  }
  connect(client: number, server: number, port: number): TcpConnection {
    const inside = server >>> 24 === 10;
    const roundTrip = inside ? this.#random.integer(400, 2500) : this.#random.integer(9_000, 60_000);
    return new TcpConnection(this.emit, client, this.port(client), server, port, roundTrip);
  }
  /** NTP version 4 client and server packet. */
  time(at: number, client: number, server: number): void {
    const packet = new Uint8Array(48);
    packet[0] = 0x23;
    this.#random.fill(packet, 40, 48);
    const answer = packet.slice();
    answer[0] = 0x24;
    answer[1] = 2;
    answer.set(packet.subarray(40, 48), 24);
    const port = this.port(client);
    this.emit(at, udpFrame(client, port, server, 123, packet));
    this.emit(at + this.#random.integer(300, 2000), udpFrame(server, 123, client, port, answer));
  }
}

/** Last two labels: every registered name of the simulated world has two. */
export function zoneOf(name: string): string {
  return name.split('.').slice(-2).join('.');
}
/** Every public name has one address out of 198.18.0.0/15 (RFC 2544), told by its own hash. */
export function publicAddress(name: string): number {
  let h = 0x811c9dc5;
  for (let i = 0; i < name.length; i++) h = Math.imul(h ^ name.charCodeAt(i), 0x01000193);
  h ^= h >>> 15;
  return ipv4('198.18.0.0') + 256 + ((h >>> 0) % 130_000);
}
