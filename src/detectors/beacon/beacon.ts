// A host that calls one place at a machine's pace, or holds a session to it for hours. Regular is not hostile: meters, update checks
// and time servers are more regular than any implant. What weighs is that the device did not call there while it was learned and
// that hardly anyone else in the city does. What was there from the start is a habit: nothing can be said of it while the device
// lives on, and of a recorded input it is told at its end, when no more can be learned.

import { type EventBatch, FlowBatch, FlowPhase, formatAddress } from '#events';
import { addressHash, parseAddress } from '#lib/address';
import { isUnder } from '#lib/domain';
import { packColumn, unpackColumn } from '#lib/snapshot';
import { type PackedPairs, PairTable } from '#lib/table';
import { hashLowerCased } from '#lib/wirename';
import type { Detector, DetectorContext, DetectorKind } from '../contract.ts';
import { FlowNames } from '../flow-names.ts';
import { Outside } from '../outside.ts';
import { isFieldRole } from '../roles.ts';
import { Users } from '../users.ts';
import calibration from './calibration.json' with { type: 'json' };
import { card, DEVICES_BITS, PLACES_BITS, TIMES } from './card.ts';
import { findingOfPair } from './claim.ts';
import { factsOf, keepPace } from './facts.ts';
import { By, type PackedState, Pairs } from './pairs.ts';
import { weigh } from './weigh.ts';

const c = calibration;
/** Ports on which a name may be asked of an inside proxy: the pair is then the client and the name. */
const proxyPorts = new Set([3128, 8080, 8000, 1080]);
/** Datagrams that every network is full of and that other detectors read: names, leases, time, discovery. */
const housekeeping = new Set([53, 67, 68, 123, 137, 138, 546, 547, 1900, 3702, 5353, 5355]);
const EVIDENCE_MAX = 5000;
/** Weights are seconds from here, so that a float holds them to the minute. */
const EPOCH_SECONDS = 1.6e9;
const TOLD_WEIGHT = 1e12;

export const beacon: DetectorKind = { card, create: (context) => new Beacons(context) };

class Beacons implements Detector {
  readonly #context: DetectorContext;
  readonly #outside: Outside;
  readonly #pairs = new Pairs();
  readonly #callers = new Users(PLACES_BITS);
  readonly #devices = new PairTable(DEVICES_BITS);
  readonly #deviceFirstAt = new Float64Array(2 ** DEVICES_BITS);
  /** 1 for field roles. */
  readonly #deviceField = new Uint8Array(2 ** DEVICES_BITS);
  readonly #names = new FlowNames();
  readonly #words = new Uint32Array(4);

  constructor(context: DetectorContext) {
    this.#context = context;
    this.#outside = new Outside(context.city);
  }

  get shed(): number {
    return this.#pairs.table.shed + this.#callers.table.shed + this.#devices.shed;
  }

  observe(batch: EventBatch): void {
    if (!(batch instanceof FlowBatch)) return;
    for (let i = 0; i < batch.count; i++) {
      const protocol = batch.protocol[i]!;
      const port = batch.responderPort[i]!;
      if (protocol !== 6 && protocol !== 17) continue;
      if (!this.#outside.isOurs(batch.addresses, 8 * i)) continue;
      // A device is being learned from its first sign of life, whatever that is.
      const client = addressHash(batch.addresses, 8 * i);
      const device = this.#device(batch, i, client);
      if (protocol === 17 && housekeeping.has(port)) continue;
      const named = batch.nameBytes[i]! > 0;
      const viaProxy = proxyPorts.has(port) && this.#outside.isOurs(batch.addresses, 8 * i + 4);
      if (!viaProxy && !this.#outside.isOutside(batch.addresses, 8 * i + 4)) continue;
      const phase = batch.phase[i]!;
      if (phase === FlowPhase.Open) {
        if (!named) continue;
        // Through a proxy each named request is a call in its own right; else the flow's end is the call.
        if (viaProxy) this.#called(batch, i, client, device, false);
        else this.#names.remember(batch, i);
        continue;
      }
      const lasted = batch.lastAt[i]! - batch.firstAt[i]!;
      const isSession = lasted >= c.sessionMicrosMin;
      if (phase !== FlowPhase.Close && !isSession) continue;
      if (batch.responderPayloadBytes[i] === 0 || (viaProxy && !named)) continue;
      this.#called(batch, i, client, device, isSession);
    }
  }

  /** A place is known by its name, else its certificate, else its address, and then by the client's fingerprint besides. */
  #called(batch: FlowBatch, i: number, client: number, device: number, isSession: boolean): void {
    if (this.#names.find(batch, i) && !this.#isAddress(this.#names)) {
      this.#pair(batch, i, client, device, By.Name, this.#names.hash(), isSession);
      return;
    }
    if (batch.certificateBytes[i] === 32) {
      const key = hashLowerCased(batch.bytes, batch.certificateOffset[i]!, 32);
      this.#pair(batch, i, client, device, By.Certificate, key, isSession);
      return;
    }
    this.#pair(batch, i, client, device, By.Address, addressHash(batch.addresses, 8 * i + 4), isSession);
    const ja4 = batch.ja4Bytes[i]!;
    if (ja4 > 0 && !isSession)
      this.#pair(
        batch,
        i,
        client,
        device,
        By.Fingerprint,
        hashLowerCased(batch.bytes, batch.ja4Offset[i]!, ja4),
        false,
      );
  }

  /** Whether a name is an address in text, which names nobody. */
  #isAddress({ bytes, from, length }: FlowNames): boolean {
    const lead = bytes[from]!;
    let colon = false;
    for (let k = from; k < from + length; k++) if (bytes[k] === 58) colon = true;
    if (!colon && !(lead >= 48 && lead <= 57)) return false;
    return parseAddress(Buffer.from(bytes.subarray(from, from + length)).toString('latin1'), this.#words, 0);
  }

  /** @returns slot of the device */
  #device(batch: FlowBatch, i: number, client: number): number {
    let slot = this.#devices.find(client, 1);
    if (slot < 0) {
      slot = this.#devices.insert(client, 1);
      this.#deviceFirstAt[slot] = batch.firstAt[i]!;
      const role = this.#context.city.assetByAddress(batch.addresses, 8 * i)?.role ?? '';
      this.#deviceField[slot] = isFieldRole(role) ? 1 : 0;
      this.#devices.setWeight(slot, 1);
    } else if (batch.firstAt[i]! < this.#deviceFirstAt[slot]!) this.#deviceFirstAt[slot] = batch.firstAt[i]!;
    return slot;
  }

  #pair(
    batch: FlowBatch,
    i: number,
    client: number,
    device: number,
    by: number,
    key: number,
    isSession: boolean,
  ): void {
    const callers = this.#callers.add(client, key, by);
    // What several hosts of the city call is a service, not a channel of one.
    if (callers >= c.popular) return;
    const p = this.#pairs;
    const keyed = (Math.imul(key, 0x9e3779b1) ^ by) >>> 0;
    let slot = p.table.find(client, keyed);
    const at = batch.firstAt[i]!;
    if (slot < 0) {
      slot = p.open(client, keyed);
      p.by[slot] = by;
      p.key[slot] = key;
      p.port[slot] = batch.responderPort[i]!;
      p.firstAt[slot] = at;
      p.firstPlace[slot] = batch.place[i]!;
      p.file[slot] = p.fileOf(batch.origin);
      p.nameBytes[slot] = 0;
      if (by === By.Name) p.setName(slot, this.#names);
      else if (by === By.Certificate) p.setMark(slot, batch.bytes, batch.certificateOffset[i]!, 32);
      else if (by === By.Fingerprint) p.setMark(slot, batch.bytes, batch.ja4Offset[i]!, batch.ja4Bytes[i]!);
      for (let k = 0; k < 8; k++) p.addresses[8 * slot + k] = batch.addresses[8 * i + k]!;
    } else if (
      p.addresses[8 * slot + 7] !== batch.addresses[8 * i + 7] ||
      p.addresses[8 * slot + 6] !== batch.addresses[8 * i + 6]
    ) {
      if (p.turns[slot]! < 65_535) p.turns[slot]! += 1;
      for (let k = 4; k < 8; k++) p.addresses[8 * slot + k] = batch.addresses[8 * i + k]!;
    }
    if (at < p.firstAt[slot]!) p.firstAt[slot] = at;
    p.lastAt[slot] = Math.max(p.lastAt[slot]!, isSession ? batch.lastAt[i]! : at);
    const sameFile = p.files[p.file[slot]! - 1]!.file === batch.origin.file;
    if (sameFile) {
      p.lastPlace[slot] = batch.place[i]!;
      const told = p.told.get(slot);
      if (told !== undefined && this.#context.evidenceAll && told.evidence.length < EVIDENCE_MAX)
        told.evidence.push(batch.place[i]!);
    }
    const alertAt = Math.max(at, batch.at[i]!);
    if (isSession) {
      // Looked at again when it has grown by a quarter, not at each row.
      const lasted = batch.lastAt[i]! - at;
      if (lasted < 1.25 * p.session[slot]! && batch.phase[i] !== FlowPhase.Close) return;
      p.session[slot] = Math.max(lasted, p.session[slot]!);
      this.#keep(slot, device);
      if (batch.phase[i] !== FlowPhase.Close) {
        this.#look(slot, device, callers, alertAt, false);
        return;
      }
    }
    const calls = p.calls[slot]!;
    if (calls > 0 && at - p.firstAt[slot]! < 5e6 && p.burst[slot]! < 255) p.burst[slot]! += 1;
    const cell = TIMES * slot + (calls % TIMES);
    p.times[cell] = at;
    p.up[cell] = batch.originatorPayloadBytes[i]!;
    p.down[cell] = batch.responderPayloadBytes[i]!;
    p.calls[slot] = calls + 1;
    this.#keep(slot, device);
    if (!isSession && (calls + 1 < c.callsMin || (calls + 1 > TIMES && (calls + 1) % 16 !== 0))) return;
    this.#look(slot, device, callers, alertAt, false);
  }

  /**
   * What a full table gives up first: places called long ago and seldom. A doubling of calls is worth six hours. A field device has
   * few places, and one that was forgotten would be new: a week.
   */
  #keep(slot: number, device: number): void {
    const p = this.#pairs;
    const seconds = p.lastAt[slot]! / 1e6 - EPOCH_SECONDS;
    const often = Math.log2(1 + p.calls[slot]!) + p.session[slot]! / c.sessionMicrosMin;
    p.table.setWeight(
      slot,
      p.told.has(slot) ? TOLD_WEIGHT : seconds + 21_600 * Math.min(12, often) + 604_800 * this.#deviceField[device]!,
    );
  }

  #look(slot: number, device: number, callers: number, at: number, ending: boolean): void {
    const p = this.#pairs;
    const field = this.#deviceField[device] === 1;
    const learn = field ? c.learnFieldMicros : c.learnMicros;
    const habit = p.firstAt[slot]! - this.#deviceFirstAt[device]! < learn;
    // Of a device that was watched for two spans of learning the habits are known, whatever the input is.
    if (habit && ending && at - this.#deviceFirstAt[device]! > 2 * c.learnMicros) return;
    if (habit && !ending) {
      keepPace(p, slot);
      return;
    }
    if (p.by[slot] === By.Fingerprint && p.turns[slot]! < 3) return;
    const { city } = this.#context;
    const role = field ? (city.assetByAddress(p.addresses, 8 * slot)?.role ?? '') : '';
    const { bits, reasons } = weigh(factsOf(p, slot, { callers, field, role, habit }));
    if (bits < c.mediumBits) return;
    // What the city file allows or names as an asset is meant to be called.
    const name = p.nameOf(slot);
    if (isUnder(name, city.dns.allow)) return;
    if (p.by[slot] !== By.Name && city.assetByAddress(p.addresses, 8 * slot + 4) !== undefined) return;
    let told = p.told.get(slot);
    if (told === undefined) {
      const { file, placed } = p.files[p.file[slot]! - 1]!;
      told = {
        first: { file, placed, place: p.firstPlace[slot]! },
        address: formatAddress(p.addresses, 8 * slot + 4),
        alertAt: at,
        bits: 0,
        decisivePlace: p.lastPlace[slot]!,
        evidence: [],
      };
      p.told.set(slot, told);
      this.#keep(slot, device);
    }
    told.bits = Math.max(told.bits, bits);
    this.#context.claim(findingOfPair(this.#context, p, slot, told, reasons));
  }

  advance(): void {}

  /** Nothing more can be learned: what was there from the start and stands out all the same is told now. */
  end(): void {
    const p = this.#pairs;
    const at = p.lastAt.reduce((a, b) => Math.max(a, b), 0);
    for (let slot = 0; slot < p.table.capacity; slot++) {
      if (p.firstAt[slot] === 0 || (p.calls[slot]! < c.callsMin && p.session[slot] === 0)) continue;
      const client = addressHash(p.addresses, 8 * slot);
      const device = this.#devices.find(client, 1);
      if (device < 0) continue;
      const callers = this.#callers.of(p.key[slot]!, p.by[slot]!);
      if (callers < c.popular) this.#look(slot, device, callers, at, true);
    }
  }

  snapshot(): unknown {
    return {
      version: 2,
      pairs: this.#pairs.pack(),
      places: this.#callers.table.pack(),
      callers: packColumn(this.#callers.hashes),
      devices: this.#devices.pack(),
      deviceFirstAt: packColumn(this.#deviceFirstAt),
      deviceField: packColumn(this.#deviceField),
      names: this.#names.pack(),
    };
  }

  restore(state: unknown): void {
    const s = state as Record<string, unknown> & { version: number };
    if (s.version !== 2) throw new Error(`beacon: state of version ${s.version} is not known`);
    this.#pairs.unpack(s.pairs as PackedState);
    this.#callers.table.unpack(s.places as PackedPairs);
    unpackColumn(s.callers, this.#callers.hashes);
    this.#devices.unpack(s.devices as PackedPairs);
    unpackColumn(s.deviceFirstAt, this.#deviceFirstAt);
    unpackColumn(s.deviceField, this.#deviceField);
    this.#names.unpack(s.names);
  }
}
