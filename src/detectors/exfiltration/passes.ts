// Octets fetched from outside that are pushed onto an inside host within a minute: two sums that are too close to be chance.
import { type FlowBatch, formatAddress, Service } from '#events';
import { addressHash } from '#lib/address';
import { packColumn, unpackColumn } from '#lib/snapshot';
import type { DetectorContext } from '../contract.ts';
import type { Users } from '../users.ts';
import calibration from './calibration.json' with { type: 'json' };
import { DEVICES_BITS } from './card.ts';
import type { Claims } from './claim.ts';
import { serverRoles } from './volume.ts';
import { weighPass } from './weigh.ts';

const c = calibration;
/** How many hosts are remembered that a device fetched from, and pushed to. */
const RING = 4;
const COUNT = RING * 2 ** DEVICES_BITS;
/** Services that give control of the other host. */
const admin = new Set<number>([Service.Smb, Service.Dcerpc, Service.Ssh, Service.Rdp, Service.Winrm]);
/** Users of an inside host by a service are counted beside those of places, which are of kind 1. */
const kindOf = (service: number): number => 1000 + service;

export class Passes {
  readonly fetched = new Ring();
  readonly pushed = new Ring();
  readonly #context: DetectorContext;
  readonly #users: Users;
  readonly #claims: Claims;

  constructor(context: DetectorContext, users: Users, claims: Claims) {
    this.#context = context;
    this.#users = users;
    this.#claims = claims;
  }

  clear(device: number): void {
    this.fetched.clear(device);
    this.pushed.clear(device);
  }

  fetch(batch: FlowBatch, i: number, device: number, down: number): void {
    const k = this.fetched.add(device, batch, i, down, c.passMicros);
    if (this.fetched.bytes[k]! < c.passBytesMin) return;
    for (let p = RING * device; p < RING * device + RING; p++) this.#compare(batch, i, k, p);
  }

  push(batch: FlowBatch, i: number, device: number, up: number): void {
    if (up === 0) return;
    const service = batch.service[i]!;
    const receiver = addressHash(batch.addresses, 8 * i + 4);
    this.#users.add(addressHash(batch.addresses, 8 * i), receiver, kindOf(service));
    const p = this.pushed.add(device, batch, i, up, c.passMicros);
    this.pushed.service[p] = service;
    if (this.pushed.bytes[p]! < c.passBytesMin) return;
    for (let k = RING * device; k < RING * device + RING; k++) this.#compare(batch, i, k, p);
  }

  /** Fetch k of the device against push p. */
  #compare(batch: FlowBatch, i: number, k: number, p: number): void {
    const { fetched, pushed } = this;
    if (fetched.peer[k] === 0 || pushed.peer[p] === 0) return;
    if (fetched.bytes[k]! < c.passBytesMin || pushed.bytes[p]! < c.passBytesMin) return;
    if (Math.abs(fetched.bytes[k]! - pushed.bytes[p]!) > 0.02 * fetched.bytes[k]!) return;
    if (pushed.lastAt[p]! < fetched.firstAt[k]! || pushed.lastAt[p]! - fetched.lastAt[k]! > c.passMicros) return;
    const { city } = this.#context;
    const service = pushed.service[p]!;
    const receiver = formatAddress(pushed.words, 4 * p);
    const target = city.assetByIp(receiver);
    const { bits, reasons } = weighPass({
      fetched: fetched.bytes[k]!,
      pushed: pushed.bytes[p]!,
      clients: this.#users.of(pushed.peer[p]!, kindOf(service)),
      admin: admin.has(service),
      receiverServer: serverRoles.test(target?.role ?? ''),
    });
    if (bits < c.mediumBits) return;
    const ip = formatAddress(batch.addresses, 8 * i);
    const from = formatAddress(fetched.words, 4 * k);
    this.#claims.claim(batch, i, {
      key: `${ip} pass ${receiver}`,
      ip,
      subject: { type: 'asset', value: target?.id ?? receiver },
      bits,
      reasons,
      title: `${city.assetByIp(ip)?.id ?? ip} pushed onto ${target?.id ?? receiver} what it had just fetched from ${from}`,
      techniques: ['T1570', 'T1105'],
      firstPlace: Math.min(fetched.place[k]!, pushed.place[p]!),
      leakedBytes: 0,
      response: [{ type: 'nft', record: `add element inet parapet denied { ${ip} . ${receiver} timeout 4h }` }],
      links: [`ip:${receiver}`, `ip:${from}`],
    });
  }
}

/** Sums of octets between a host and one other, kept together while they come within a minute of each other. */
class Ring {
  readonly peer = new Uint32Array(COUNT);
  readonly bytes = new Float64Array(COUNT);
  readonly firstAt = new Float64Array(COUNT);
  readonly lastAt = new Float64Array(COUNT);
  readonly place = new Float64Array(COUNT);
  readonly words = new Uint32Array(4 * COUNT);
  readonly service = new Uint8Array(COUNT);

  clear(device: number): void {
    this.peer.fill(0, RING * device, RING * device + RING);
  }

  /** Adds a row's octets to those of its responder. @returns the cell that holds the sum */
  add(device: number, batch: FlowBatch, i: number, bytes: number, within: number): number {
    const peer = addressHash(batch.addresses, 8 * i + 4);
    const k = this.#sum(device, peer, bytes, batch.firstAt[i]!, batch.lastAt[i]!, within);
    for (let w = 0; w < 4; w++) this.words[4 * k + w] = batch.addresses[8 * i + 4 + w]!;
    this.place[k] ||= batch.place[i]!;
    return k;
  }

  #sum(device: number, peer: number, bytes: number, firstAt: number, lastAt: number, within: number): number {
    let oldest = RING * device;
    for (let k = RING * device; k < RING * device + RING; k++) {
      if (this.peer[k] === peer) {
        if (firstAt - this.lastAt[k]! > within) {
          this.bytes[k] = 0;
          this.firstAt[k] = firstAt;
          this.place[k] = 0;
        }
        this.bytes[k]! += bytes;
        this.firstAt[k] = Math.min(firstAt, this.firstAt[k]!);
        this.lastAt[k] = Math.max(lastAt, this.lastAt[k]!);
        return k;
      }
      if (this.peer[k] === 0) {
        if (this.peer[oldest] !== 0) oldest = k;
      } else if (this.peer[oldest] !== 0 && this.lastAt[k]! < this.lastAt[oldest]!) oldest = k;
    }
    this.peer[oldest] = peer;
    this.bytes[oldest] = bytes;
    this.firstAt[oldest] = firstAt;
    this.lastAt[oldest] = lastAt;
    this.place[oldest] = 0;
    return oldest;
  }

  #columns(): ArrayBufferView[] {
    return [this.peer, this.bytes, this.firstAt, this.lastAt, this.place, this.words, this.service];
  }
  pack(): string[] {
    return this.#columns().map(packColumn);
  }
  /** @throws Error where a column is damaged */
  unpack(from: unknown): void {
    for (const [i, column] of this.#columns().entries()) unpackColumn((from as string[])[i], column);
  }
}
