// A device that is sold: control channel, gateway sessions, and flows to what customers want, with the same octets on both sides.
import type { Random } from '#lib/random';
import { ipText, ipv4 } from '../encode/ethernet.ts';
import {
  type Device,
  handshake,
  minute,
  type Plot,
  roundTripOf,
  say,
  type Talk,
  Writer,
} from '../worlds/flow/index.ts';
import { publicAddress } from '../worlds/net.ts';
import type { Profile } from './proxyware-profiles.ts';

export interface Sale {
  readonly profile: Profile;
  readonly device: Device;
  readonly from: number;
  readonly until: number;
}
export interface SaleTruth {
  /** First request handed on; 0 where there was none. */
  firstAt: number;
  lastAt: number;
  requests: number;
  relayedBytes: number;
}

/** Writes the sale into the plot; its talks carry `index`. */
export function sell(random: Random, plot: Plot, sale: Sale, index: number): SaleTruth {
  return new Seller(random, plot, sale, index).run();
}

class Seller {
  readonly #random: Random;
  readonly #sale: Sale;
  readonly #writer: Writer;
  readonly #truth: SaleTruth = { firstAt: 0, lastAt: 0, requests: 0, relayedBytes: 0 };
  readonly #zone: string;
  #control: Talk | undefined;
  readonly #pool: Talk[] = [];

  constructor(random: Random, plot: Plot, sale: Sale, index: number) {
    this.#random = random;
    this.#sale = sale;
    this.#writer = new Writer(plot, index, 47_000);
    this.#zone = `net${random.integer(10, 99)}.example`;
  }

  run(): SaleTruth {
    const { profile: p, device, from, until } = this.#sale;
    const random = this.#random;
    const name = `cp.${this.#zone}`;
    this.#writer.ask(from - 40_000, device.ip, name);
    const wire = p.control === 'quic' ? 'quic' : 'tls';
    const control = this.#writer.open(from, device.ip, publicAddress(name), 443, wire, name);
    this.#control = control;
    let t = handshake(random, control, from);
    if (p.control === 'websocket') {
      say(control, t, 420, 0);
      say(control, t + roundTripOf(control), 0, 160);
    }
    const frame = p.control === 'websocket' ? 6 : 29;
    for (t += p.keepAliveSeconds * 1e6; t < until; t += p.keepAliveSeconds * 1e6) {
      say(control, t, 30 + frame, 0);
      say(control, t + roundTripOf(control), 0, 24 + frame);
    }
    control.closeAt = until;
    if (p.carry === 'pool')
      for (let k = 0; k < 3; k++) this.#pool.push(this.#gateway(from + minute + k * 20_000, until));
    const gap = (3600e6 / p.requestsPerHour) * (p.burst > 0 ? p.burst : 1);
    for (let at = from + minute + random.exponential(gap / 2); at < until - 2 * minute; at += random.exponential(gap)) {
      if (p.burst === 0) this.#request(at, p.customers > 1 ? random.integer(1, p.customers) : 1);
      else
        for (let k = 0; k < p.burst; k++) this.#request(Math.min(until - minute, at + random.integer(0, 180) * 1e6), 1);
    }
    return this.#truth;
  }

  /** A session to one of the service's gateways. */
  #gateway(at: number, until: number): Talk {
    const { profile: p, device } = this.#sale;
    const ip = ipv4('203.0.113.0') + this.#random.integer(10, 60);
    const host = p.gatewayName === 'dashed' ? ipText(ip).replaceAll('.', '-') : `gw${ip & 255}`;
    const name = p.gatewayName === 'none' ? '' : `${host}.${this.#zone}`;
    const talk = this.#writer.open(at, device.ip, ip, p.gatewayWire === 'plain' ? 7000 : 443, p.gatewayWire, name);
    const t = handshake(this.#random, talk, at);
    talk.closeAt = Math.max(until, t);
    return talk;
  }

  #request(at: number, together: number): void {
    for (let k = 0; k < together; k++) this.#relay(at + this.#random.integer(0, 900_000) * (together > 1 ? 1 : 0));
  }

  #relay(at: number): void {
    const { profile: p, device } = this.#sale;
    const random = this.#random;
    let gateway: Talk;
    let t = at;
    if (p.carry === 'channel') gateway = this.#control!;
    else if (p.carry === 'pool') gateway = random.pick(this.#pool);
    else {
      gateway = this.#gateway(at, at);
      // Spares opened within 50 ms, closed unused.
      for (let k = 1; k < p.opened; k++) this.#gateway(at + random.integer(1000, 45_000), at + 2e6);
      t = at + 2 * roundTripOf(gateway) + 2000;
    }
    // Shops, log-in pages, advertisements; mail now and then.
    const isMail = random.chance(0.06);
    const wanted = `w${Math.floor(30_000 ** random.uniform())}.${isMail ? 'mail' : random.pick(['shop', 'login', 'ads', 'search'])}.example`;
    const wire = p.exitWire === 'mixed' ? (random.chance(0.4) ? 'quic' : 'tls') : p.exitWire;
    if (p.lookup === 'device') {
      this.#writer.ask(t, device.ip, wanted);
      t += random.integer(4_000, 30_000);
    }
    // The customer speaks TLS through the tunnel: hello and flight are relayed octets as well.
    const exit = this.#writer.open(t, device.ip, publicAddress(wanted), isMail ? 465 : 443, wire, wanted);
    const round = roundTripOf(exit);
    const customer = random.integer(40_000, 220_000);
    const hold = p.holdMillis * 1000;
    const up = (when: number, bytes: number): void => {
      say(gateway, when, 0, bytes * p.framing + 22);
      say(exit, when + hold, bytes, 0);
      this.#truth.relayedBytes += bytes;
    };
    const down = (when: number, bytes: number): void => {
      say(exit, when, 0, bytes);
      say(gateway, when + hold, bytes * p.framing + 22, 0);
      this.#truth.relayedBytes += bytes;
    };
    say(gateway, t - 3000, 0, 90);
    t += round;
    up(t, 320 + wanted.length);
    t += hold + round;
    down(t, random.integer(2400, 4600));
    t += hold + customer;
    up(t, random.integer(450, 1600));
    t += hold + round + random.integer(5_000, 80_000);
    const total = Math.min(4e6, Math.round(p.bytesMedian * Math.exp(random.normal(p.bytesSigma))));
    const pieces = Math.max(1, Math.ceil(p.drawOutSeconds * 2), Math.ceil(total / 60_000));
    const gap = p.drawOutSeconds > 0 ? (p.drawOutSeconds * 1e6) / pieces : 30_000;
    for (let k = 0; k < pieces; k++, t += gap) down(t, total / pieces);
    exit.closeAt = t + hold + 30_000;
    if (p.carry === 'session') gateway.closeAt = t + hold + 60_000;
    this.#truth.requests += 1;
    if (this.#truth.firstAt === 0 || at < this.#truth.firstAt) this.#truth.firstAt = Math.floor(at);
    this.#truth.lastAt = Math.max(this.#truth.lastAt, Math.floor(t));
  }
}
