// A day's octets to a place, or to all new places together, against what the device itself gave such places before. A day that
// is over becomes habit, which fades.

import type { City } from '#city';
import { type FlowBatch, formatAddress } from '#events';
import type { Subject } from '#findings';
import { addressHash } from '#lib/address';
import { isUnder } from '#lib/domain';
import { PairTable } from '#lib/table';
import type { DetectorContext } from '../contract.ts';
import type { FlowNames } from '../flow-names.ts';
import { isFieldRole } from '../roles.ts';
import type { Users } from '../users.ts';
import calibration from './calibration.json' with { type: 'json' };
import { DEVICES_BITS, PEERS_BITS } from './card.ts';
import type { Claims } from './claim.ts';
import { type Volume as Weighed, weighVolume } from './weigh.ts';

const c = calibration;
export const serverRoles = /server|backup|nas|storage|proxy|mail|relay|vpn|gateway|recorder/i;
const Kind = { Person: 0, Field: 1, Server: 2 } as const;
/** A flow that gave less makes no hour. */
const HOUR_BYTES_MIN = 1000;
const HOUR_MICROS = 3600e6;
const floors = [c.floorBytes, c.floorFieldBytes, c.floorServerBytes];

/** What was given in a day, beside what was usual. */
type Given = Omit<Weighed, 'field' | 'role' | 'server'>;

export class Volume {
  readonly devices = new Devices();
  readonly peers = new Peers();
  readonly #context: DetectorContext;
  readonly #names: FlowNames;
  readonly #users: Users;
  readonly #claims: Claims;

  constructor(context: DetectorContext, names: FlowNames, users: Users, claims: Claims) {
    this.#context = context;
    this.#names = names;
    this.#users = users;
    this.#claims = claims;
  }

  give(batch: FlowBatch, i: number, device: number, up: number, down: number): void {
    const { devices, peers } = this;
    const host = addressHash(batch.addresses, 8 * i);
    const named = this.#names.find(batch, i);
    const key = named ? this.#names.hash() : addressHash(batch.addresses, 8 * i + 4);
    const at = batch.at[i]!;
    const callers = this.#users.add(host, key, 1);
    devices.turn(device, at);
    const slot = peers.add(batch, i, host, key, up, down);
    const kind = devices.kind[device]!;
    const learn = kind === Kind.Field ? c.learnFieldMicros : c.learnMicros;
    const isNew = peers.firstAt[slot]! - devices.firstAt[device]! >= learn;
    const learning = at - devices.firstAt[device]! < learn;
    const total = peers.up[slot]!;
    // What the whole city uses is no new place, whoever comes to it last.
    if ((isNew || learning) && callers < c.popular) {
      if (devices.newPlace[device] === 0) devices.newPlace[device] = batch.place[i]!;
      devices.newUp[device]! += up;
      devices.newDown[device]! += down;
      devices.newMost[device] = Math.max(devices.newMost[device]!, total);
    }
    if (learning) return;
    const floor = floors[kind]!;
    if (total > floor && total > 1.2 * peers.looked[slot]!) {
      peers.looked[slot] = total;
      // A new place that got much before today is judged by itself then.
      const usual = isNew
        ? Math.max(devices.usualNew[device]!, peers.usual[slot]!)
        : Math.max(peers.usual[slot]!, 0.5 * devices.usualNew[device]!);
      const given = {
        ...{ up: total, down: peers.down[slot]!, usual, isNew, callers, named, together: false },
        ...{ hours: peers.hoursOf(slot), usualHere: peers.usual[slot]! },
      };
      this.#judge(batch, i, kind, given, peers.place[slot]!);
    }
    const newUp = devices.newUp[device]!;
    if (isNew && callers < c.popular && newUp > 2 * floor && newUp > 2 * devices.newMost[device]!) {
      const usual = devices.usualTogether[device]!;
      const given = {
        ...{ up: newUp, down: devices.newDown[device]!, usual, isNew, callers, named, together: true },
        ...{ hours: 0, usualHere: 0 },
      };
      this.#judge(batch, i, kind, given, devices.newPlace[device]!);
    }
  }

  #judge(batch: FlowBatch, i: number, kind: number, given: Given, firstPlace: number): void {
    const { city } = this.#context;
    const { named, together } = given;
    const known = city.assetByAddress(batch.addresses, 8 * i);
    const { bits, reasons } = weighVolume({
      ...given,
      field: kind === Kind.Field,
      role: known?.role ?? '',
      server: kind === Kind.Server,
    });
    if (bits < c.mediumBits) return;
    const name = named ? this.#names.text() : '';
    if (isUnder(name, city.dns.allow)) return;
    if (!named && city.assetByAddress(batch.addresses, 8 * i + 4) !== undefined) return;
    const ip = formatAddress(batch.addresses, 8 * i);
    const to = formatAddress(batch.addresses, 8 * i + 4);
    const subject: Subject = together
      ? { type: 'asset', value: known?.id ?? ip }
      : named
        ? { type: 'domain', value: name }
        : { type: 'ip', value: to };
    const what = together ? 'new places together' : subject.value;
    this.#claims.claim(batch, i, {
      key: `${ip} ${subject.type} ${subject.value}`,
      ip,
      subject,
      bits,
      reasons,
      title: `${known?.id ?? ip} gave ${what} far more in a day than it ever did`,
      techniques: together ? ['T1048'] : ['T1048', 'T1567'],
      firstPlace,
      leakedBytes: given.up,
      response: [
        together
          ? { type: 'nft', record: `add element inet parapet quarantine { ${ip} timeout 4h }` }
          : named
            ? { type: 'policy', record: `deny ${ip} to ${name}:${batch.responderPort[i]}` }
            : { type: 'nft', record: `add element inet parapet blocked { ${to} timeout 4h }` },
      ],
      links: [`ip:${to}`],
    });
  }
}

class Devices {
  readonly table = new PairTable(DEVICES_BITS);
  readonly firstAt = new Float64Array(2 ** DEVICES_BITS);
  readonly kind = new Uint8Array(2 ** DEVICES_BITS);
  /** Most a new place got from the device in a day, and most that all of them got together. */
  readonly usualNew = new Float64Array(2 ** DEVICES_BITS);
  readonly usualTogether = new Float64Array(2 ** DEVICES_BITS);
  /** Day of the device's window, and octets to new places in it. */
  readonly #windowAt = new Float64Array(2 ** DEVICES_BITS);
  readonly newUp = new Float64Array(2 ** DEVICES_BITS);
  readonly newDown = new Float64Array(2 ** DEVICES_BITS);
  readonly newMost = new Float64Array(2 ** DEVICES_BITS);
  readonly newPlace = new Float64Array(2 ** DEVICES_BITS);
  readonly #ofDay = [this.#windowAt, this.newUp, this.newDown, this.newMost, this.newPlace];
  readonly #cleared = [this.usualNew, this.usualTogether, ...this.#ofDay];
  readonly columns: readonly ArrayBufferView[] = [this.firstAt, this.kind, ...this.#cleared];
  /** Whether the last `slotOf` met the device for the first time. */
  isNew = false;

  slotOf(batch: FlowBatch, i: number, city: City): number {
    const hash = addressHash(batch.addresses, 8 * i);
    let slot = this.table.find(hash, 1);
    this.isNew = slot < 0;
    if (slot >= 0) {
      if (batch.firstAt[i]! < this.firstAt[slot]!) this.firstAt[slot] = batch.firstAt[i]!;
      return slot;
    }
    slot = this.table.insert(hash, 1);
    const role = city.assetByAddress(batch.addresses, 8 * i)?.role ?? '';
    this.firstAt[slot] = batch.firstAt[i]!;
    this.kind[slot] = isFieldRole(role) ? Kind.Field : serverRoles.test(role) ? Kind.Server : Kind.Person;
    this.table.setWeight(slot, this.kind[slot] === Kind.Person ? 1 : 2);
    for (const column of this.#cleared) column[slot] = 0;
    return slot;
  }

  /** The device's day is over: what it gave new places becomes its habit. */
  turn(slot: number, at: number): void {
    if (at - this.#windowAt[slot]! < c.windowMicros) return;
    // On the day it is learned all places of a device are new: for a person's machine that tells how such days look; a field device
    // has its own few places, and a new one is measured against nothing.
    if (this.kind[slot] !== Kind.Field || this.#windowAt[slot]! - this.firstAt[slot]! >= c.learnFieldMicros) {
      this.usualNew[slot] = Math.max(this.newMost[slot]!, c.decay * this.usualNew[slot]!);
      this.usualTogether[slot] = Math.max(this.newUp[slot]!, c.decay * this.usualTogether[slot]!);
    }
    for (const column of this.#ofDay) column[slot] = 0;
    this.#windowAt[slot] = at;
  }
}

class Peers {
  readonly table = new PairTable(PEERS_BITS);
  readonly firstAt = new Float64Array(2 ** PEERS_BITS);
  readonly #windowAt = new Float64Array(2 ** PEERS_BITS);
  readonly up = new Float64Array(2 ** PEERS_BITS);
  readonly down = new Float64Array(2 ** PEERS_BITS);
  readonly usual = new Float64Array(2 ** PEERS_BITS);
  readonly place = new Float64Array(2 ** PEERS_BITS);
  /** Octets at the last look: it is looked at again when they have grown by a fifth. */
  readonly looked = new Float64Array(2 ** PEERS_BITS);
  /** Hours of its day in which the place was given something: a bit each. */
  readonly #hours = new Uint32Array(2 ** PEERS_BITS);
  readonly columns: readonly ArrayBufferView[] = [
    ...[this.firstAt, this.#windowAt, this.up, this.down, this.usual, this.place, this.looked, this.#hours],
  ];

  /** Adds a row to what the host gave the place in its day. @returns the slot of both */
  add(batch: FlowBatch, i: number, host: number, key: number, up: number, down: number): number {
    const at = batch.at[i]!;
    let slot = this.table.find(host, key);
    if (slot < 0) {
      slot = this.table.insert(host, key);
      this.firstAt[slot] = batch.firstAt[i]!;
      this.usual[slot] = 0;
      this.#begin(slot, at, batch.place[i]!);
    } else if (at - this.#windowAt[slot]! >= c.windowMicros) {
      this.usual[slot] = Math.max(this.up[slot]!, c.decay * this.usual[slot]!);
      this.#begin(slot, at, batch.place[i]!);
    }
    this.up[slot]! += up;
    this.down[slot]! += down;
    if (up >= HOUR_BYTES_MIN)
      this.#hours[slot]! |= 1 << Math.min(23, Math.floor((at - this.#windowAt[slot]!) / HOUR_MICROS));
    // What gives much is worth keeping.
    this.table.setWeight(slot, Math.max(this.table.weight(slot), this.up[slot]!));
    return slot;
  }

  hoursOf(slot: number): number {
    let hours = 0;
    for (let bits = this.#hours[slot]!; bits !== 0; bits &= bits - 1) hours += 1;
    return hours;
  }

  #begin(slot: number, at: number, place: number): void {
    this.#windowAt[slot] = at;
    this.up[slot] = 0;
    this.down[slot] = 0;
    this.looked[slot] = 0;
    this.#hours[slot] = 0;
    this.place[slot] = place;
  }
}
