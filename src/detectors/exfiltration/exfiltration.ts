// Two ways for data to leave or to be carried on. A day's octets to a place, or to all new places together, against what the device
// itself gave such places before; and octets fetched from outside that are pushed to an inside host within a minute.
import { type EventBatch, evidenceOf, FlowBatch, FlowPhase, formatAddress, type Origin } from '#events';
import {
  type AssetRef,
  bitsToConfidence,
  type Evidence,
  type Finding,
  findingId,
  type Reason,
  type Subject,
} from '#findings';
import { addressHash, isGroupAddress } from '#lib/address';
import { packColumn, unpackColumn } from '#lib/snapshot';
import { type PackedPairs, PairTable } from '#lib/table';
import type { Detector, DetectorContext, DetectorKind } from '../contract.ts';
import { FlowNames } from '../flow-names.ts';
import { Outside } from '../outside.ts';
import { isFieldRole } from '../roles.ts';
import calibration from './calibration.json' with { type: 'json' };
import { card, DEVICES_BITS, PASSED_MAX, PEERS_BITS } from './card.ts';
import { RING, Ring } from './passes.ts';
import { weighPass, weighVolume } from './weigh.ts';

const c = calibration;
const serverRoles = /server|backup|nas|storage|proxy|mail|relay|vpn|gateway|recorder/i;
/** Services by the numbers of events/flow.ts that give control of the other host: SMB, DCERPC, SSH, RDP, WinRM. */
const admin = new Set([3, 4, 5, 6, 11]);
const proxyPorts = new Set([3128, 8080, 8000, 1080]);
const DAY = c.windowMicros;
const TUPLES_BITS = 13;
/** Clocks of two sensors may differ by this much. */
const SAME_FLOW_MICROS = 60e6;

export const exfiltration: DetectorKind = { card, create: (context) => new Exfiltration(context) };

/** What was told, kept so that it can be told again with more. */
interface Told {
  readonly subject: Subject;
  readonly origin: Origin;
  readonly firstPlace: number;
  readonly decisivePlace: number;
  readonly alertAt: number;
  readonly firstAt: number;
  readonly leakedAtAlert: number;
  bits: number;
}

class Exfiltration implements Detector {
  readonly #context: DetectorContext;
  readonly #outside: Outside;
  readonly #names = new FlowNames();
  readonly #devices = new PairTable(DEVICES_BITS);
  readonly #deviceFirstAt = new Float64Array(2 ** DEVICES_BITS);
  /** 0 a person's, 1 field, 2 server. */
  readonly #deviceKind = new Uint8Array(2 ** DEVICES_BITS);
  /** Most a new place got from the device in a day, and most that all of them got together. */
  readonly #usualNew = new Float64Array(2 ** DEVICES_BITS);
  readonly #usualTogether = new Float64Array(2 ** DEVICES_BITS);
  /** Day of the device's window, and octets to new places in it. */
  readonly #windowAt = new Float64Array(2 ** DEVICES_BITS);
  readonly #newUp = new Float64Array(2 ** DEVICES_BITS);
  readonly #newDown = new Float64Array(2 ** DEVICES_BITS);
  readonly #newMost = new Float64Array(2 ** DEVICES_BITS);
  readonly #newPlace = new Float64Array(2 ** DEVICES_BITS);
  readonly #peers = new PairTable(PEERS_BITS);
  readonly #peerFirstAt = new Float64Array(2 ** PEERS_BITS);
  readonly #peerWindowAt = new Float64Array(2 ** PEERS_BITS);
  readonly #peerUp = new Float64Array(2 ** PEERS_BITS);
  readonly #peerDown = new Float64Array(2 ** PEERS_BITS);
  readonly #peerUsual = new Float64Array(2 ** PEERS_BITS);
  readonly #peerPlace = new Float64Array(2 ** PEERS_BITS);
  /** Octets at the last look: it is looked at again when they have grown by a fifth. */
  readonly #peerLooked = new Float64Array(2 ** PEERS_BITS);
  /** Hosts of ours that use a place, or an inside host by a service: first three, and how many. */
  readonly #users = new PairTable(PEERS_BITS);
  readonly #userHash = new Uint32Array(4 * 2 ** PEERS_BITS);
  /** Flows lately told of, direct-mapped by tuple: number and start. */
  readonly #tuple = new Uint32Array(2 ** TUPLES_BITS);
  readonly #tupleFlow = new Float64Array(2 ** TUPLES_BITS);
  readonly #tupleAt = new Float64Array(2 ** TUPLES_BITS);
  readonly #fetched = new Ring();
  readonly #pushed = new Ring();
  readonly #told = new Map<string, Told>();
  #toldShed = 0;

  constructor(context: DetectorContext) {
    this.#context = context;
    this.#outside = new Outside(context.city);
  }

  get shed(): number {
    return this.#devices.shed + this.#peers.shed + this.#users.shed + this.#toldShed;
  }

  observe(batch: EventBatch): void {
    if (!(batch instanceof FlowBatch)) return;
    for (let i = 0; i < batch.count; i++) {
      const up = batch.originatorPayloadDelta[i]!;
      const down = batch.responderPayloadDelta[i]!;
      if (batch.phase[i] === FlowPhase.Open && batch.nameBytes[i]! > 0) this.#names.remember(batch, i);
      if (up + down === 0 || !this.#outside.isOurs(batch.addresses, 8 * i)) continue;
      if (isGroupAddress(batch.addresses, 8 * i + 4) || this.#isTwice(batch, i)) continue;
      const inside = this.#outside.isOurs(batch.addresses, 8 * i + 4);
      const viaProxy = inside && proxyPorts.has(batch.responderPort[i]!) && this.#names.find(batch, i);
      const device = this.#device(batch, i);
      if (inside && !viaProxy) {
        if (batch.protocol[i] === 6) this.#push(batch, i, device, up);
        continue;
      }
      if (down > 0) this.#fetch(batch, i, device, down);
      if (up > 0) this.#give(batch, i, device, up, down);
    }
  }

  /** Both ends of a flow may be watched, and tell of it under two numbers: the second's octets are not counted. */
  #isTwice(batch: FlowBatch, i: number): boolean {
    const ports = batch.originatorPort[i]! * 65_536 + batch.responderPort[i]!;
    const hash =
      addressHash(batch.addresses, 8 * i) ^ Math.imul(addressHash(batch.addresses, 8 * i + 4), 0x9e3779b1) ^ ports;
    const slot = (hash ^ (hash >>> 15)) & (2 ** TUPLES_BITS - 1);
    const at = batch.firstAt[i]!;
    if (
      this.#tuple[slot] === hash >>> 0 &&
      this.#tupleFlow[slot] !== batch.flow[i] &&
      Math.abs(this.#tupleAt[slot]! - at) < SAME_FLOW_MICROS
    )
      return true;
    this.#tuple[slot] = hash >>> 0;
    this.#tupleFlow[slot] = batch.flow[i]!;
    this.#tupleAt[slot] = at;
    return false;
  }

  #device(batch: FlowBatch, i: number): number {
    const hash = addressHash(batch.addresses, 8 * i);
    let slot = this.#devices.find(hash, 1);
    if (slot >= 0) {
      if (batch.firstAt[i]! < this.#deviceFirstAt[slot]!) this.#deviceFirstAt[slot] = batch.firstAt[i]!;
      return slot;
    }
    slot = this.#devices.insert(hash, 1);
    const role = this.#context.city.assetByAddress(batch.addresses, 8 * i)?.role ?? '';
    this.#deviceFirstAt[slot] = batch.firstAt[i]!;
    this.#deviceKind[slot] = isFieldRole(role) ? 1 : serverRoles.test(role) ? 2 : 0;
    this.#devices.setWeight(slot, this.#deviceKind[slot] === 0 ? 1 : 2);
    for (const column of [
      this.#usualNew,
      this.#usualTogether,
      this.#windowAt,
      this.#newUp,
      this.#newDown,
      this.#newMost,
      this.#newPlace,
    ])
      column[slot] = 0;
    this.#fetched.clear(slot);
    this.#pushed.clear(slot);
    return slot;
  }

  /** Counts a host among the users of a key. @returns how many there are, at most four */
  #usersOf(host: number, key: number, kind: number): number {
    let slot = this.#users.find(key, kind);
    if (slot < 0) {
      slot = this.#users.insert(key, kind);
      this.#userHash.fill(0, 4 * slot, 4 * slot + 4);
    }
    let count = this.#users.word(slot);
    for (let k = 0; k < count; k++) if (this.#userHash[4 * slot + k] === host) return count;
    if (count < 4) {
      this.#userHash[4 * slot + count] = host;
      this.#users.setWord(slot, ++count);
      this.#users.setWeight(slot, count);
    }
    return count;
  }

  /** The device's day is over: what it gave new places becomes its habit. */
  #turnDevice(slot: number, at: number): void {
    if (at - this.#windowAt[slot]! < DAY) return;
    // On the day it is learned all places of a device are new: for a person's machine that tells how such days look; a field device
    // has its own few places, and a new one is measured against nothing.
    if (this.#deviceKind[slot] !== 1 || this.#windowAt[slot]! - this.#deviceFirstAt[slot]! >= c.learnFieldMicros) {
      this.#usualNew[slot] = Math.max(this.#newMost[slot]!, c.decay * this.#usualNew[slot]!);
      this.#usualTogether[slot] = Math.max(this.#newUp[slot]!, c.decay * this.#usualTogether[slot]!);
    }
    this.#windowAt[slot] = at;
    this.#newUp[slot] = 0;
    this.#newDown[slot] = 0;
    this.#newMost[slot] = 0;
    this.#newPlace[slot] = 0;
  }

  #give(batch: FlowBatch, i: number, device: number, up: number, down: number): void {
    const host = addressHash(batch.addresses, 8 * i);
    const named = this.#names.find(batch, i);
    const key = named ? this.#names.hash() : addressHash(batch.addresses, 8 * i + 4);
    const at = batch.at[i]!;
    const callers = this.#usersOf(host, key, 1);
    let slot = this.#peers.find(host, key);
    if (slot < 0) {
      slot = this.#peers.insert(host, key);
      this.#peerFirstAt[slot] = batch.firstAt[i]!;
      this.#peerWindowAt[slot] = at;
      this.#peerUp[slot] = 0;
      this.#peerDown[slot] = 0;
      this.#peerUsual[slot] = 0;
      this.#peerLooked[slot] = 0;
      this.#peerPlace[slot] = batch.place[i]!;
    } else if (at - this.#peerWindowAt[slot]! >= DAY) {
      this.#peerUsual[slot] = Math.max(this.#peerUp[slot]!, c.decay * this.#peerUsual[slot]!);
      this.#peerWindowAt[slot] = at;
      this.#peerUp[slot] = 0;
      this.#peerDown[slot] = 0;
      this.#peerLooked[slot] = 0;
      this.#peerPlace[slot] = batch.place[i]!;
    }
    this.#turnDevice(device, at);
    this.#peerUp[slot]! += up;
    this.#peerDown[slot]! += down;
    // What gives much is worth keeping.
    this.#peers.setWeight(slot, Math.max(this.#peers.weight(slot), this.#peerUp[slot]!));
    const kind = this.#deviceKind[device]!;
    const learn = kind === 1 ? c.learnFieldMicros : c.learnMicros;
    const isNew = this.#peerFirstAt[slot]! - this.#deviceFirstAt[device]! >= learn;
    const learning = at - this.#deviceFirstAt[device]! < learn;
    // What the whole city uses is no new place, whoever comes to it last.
    if ((isNew || learning) && callers < c.popular) {
      if (this.#newPlace[device] === 0) this.#newPlace[device] = batch.place[i]!;
      this.#newUp[device]! += up;
      this.#newDown[device]! += down;
      this.#newMost[device] = Math.max(this.#newMost[device]!, this.#peerUp[slot]!);
    }
    if (learning) return;
    const total = this.#peerUp[slot]!;
    const floor = kind === 1 ? c.floorFieldBytes : kind === 2 ? c.floorServerBytes : c.floorBytes;
    if (total > floor && total > 1.2 * this.#peerLooked[slot]!) {
      this.#peerLooked[slot] = total;
      // A new place that got much before today is judged by itself then.
      const usual = isNew
        ? Math.max(this.#usualNew[device]!, this.#peerUsual[slot]!)
        : Math.max(this.#peerUsual[slot]!, 0.5 * this.#usualNew[device]!);
      this.#judge(
        batch,
        i,
        device,
        named,
        callers,
        total,
        this.#peerDown[slot]!,
        usual,
        isNew,
        this.#peerPlace[slot]!,
        false,
      );
    }
    if (
      isNew &&
      callers < c.popular &&
      this.#newUp[device]! > 2 * floor &&
      this.#newUp[device]! > 2 * this.#newMost[device]!
    )
      this.#judge(
        batch,
        i,
        device,
        named,
        callers,
        this.#newUp[device]!,
        this.#newDown[device]!,
        this.#usualTogether[device]!,
        true,
        this.#newPlace[device]!,
        true,
      );
  }

  #judge(
    batch: FlowBatch,
    i: number,
    device: number,
    named: boolean,
    callers: number,
    up: number,
    down: number,
    usual: number,
    isNew: boolean,
    firstPlace: number,
    together: boolean,
  ): void {
    const { city } = this.#context;
    const kind = this.#deviceKind[device]!;
    const known = city.assetByAddress(batch.addresses, 8 * i);
    const { bits, reasons } = weighVolume({
      ...{ up, down, usual, isNew, callers, named, together },
      field: kind === 1,
      role: known?.role ?? '',
      server: kind === 2,
    });
    if (bits < c.mediumBits) return;
    const name = named ? this.#names.text() : '';
    if (name !== '' && city.dns.allow.some((d) => name === d || name.endsWith(`.${d}`))) return;
    if (!named && city.assetByAddress(batch.addresses, 8 * i + 4) !== undefined) return;
    const ip = formatAddress(batch.addresses, 8 * i);
    const to = formatAddress(batch.addresses, 8 * i + 4);
    const subject: Subject = together
      ? { type: 'asset', value: known?.id ?? ip }
      : named
        ? { type: 'domain', value: name }
        : { type: 'ip', value: to };
    const what = together ? 'new places together' : subject.value;
    this.#claim(batch, i, {
      key: `${ip} ${subject.type} ${subject.value}`,
      ip,
      subject,
      bits,
      reasons,
      title: `${known?.id ?? ip} gave ${what} far more in a day than it ever did`,
      techniques: together ? ['T1048'] : ['T1048', 'T1567'],
      firstPlace,
      leaked: up,
      record: together
        ? { type: 'nft', record: `add element inet parapet quarantine { ${ip} timeout 4h }` }
        : named
          ? { type: 'policy', record: `deny ${ip} to ${name}:${batch.responderPort[i]}` }
          : { type: 'nft', record: `add element inet parapet blocked { ${to} timeout 4h }` },
      links: [`ip:${to}`],
    });
  }

  #fetch(batch: FlowBatch, i: number, device: number, down: number): void {
    const peer = addressHash(batch.addresses, 8 * i + 4);
    const k = this.#fetched.add(device, peer, down, batch.firstAt[i]!, batch.lastAt[i]!, c.passMicros);
    for (let w = 0; w < 4; w++) this.#fetched.words[4 * k + w] = batch.addresses[8 * i + 4 + w]!;
    this.#fetched.place[k] ||= batch.place[i]!;
    if (this.#fetched.bytes[k]! < c.passBytesMin) return;
    for (let p = RING * device; p < RING * device + RING; p++) this.#compare(batch, i, k, p);
  }

  #push(batch: FlowBatch, i: number, device: number, up: number): void {
    if (up === 0) return;
    const peer = addressHash(batch.addresses, 8 * i + 4);
    const service = batch.service[i]!;
    this.#usersOf(addressHash(batch.addresses, 8 * i), peer, 1000 + service);
    const p = this.#pushed.add(device, peer, up, batch.firstAt[i]!, batch.lastAt[i]!, c.passMicros);
    for (let w = 0; w < 4; w++) this.#pushed.words[4 * p + w] = batch.addresses[8 * i + 4 + w]!;
    this.#pushed.place[p] ||= batch.place[i]!;
    this.#pushed.service[p] = service;
    if (this.#pushed.bytes[p]! < c.passBytesMin) return;
    for (let k = RING * device; k < RING * device + RING; k++) this.#compare(batch, i, k, p);
  }

  /** Fetch k of the device against push p. */
  #compare(batch: FlowBatch, i: number, k: number, p: number): void {
    const fetched = this.#fetched;
    const pushed = this.#pushed;
    if (fetched.peer[k] === 0 || pushed.peer[p] === 0) return;
    if (fetched.bytes[k]! < c.passBytesMin || pushed.bytes[p]! < c.passBytesMin) return;
    if (Math.abs(fetched.bytes[k]! - pushed.bytes[p]!) > 0.02 * fetched.bytes[k]!) return;
    if (pushed.lastAt[p]! < fetched.firstAt[k]! || pushed.lastAt[p]! - fetched.lastAt[k]! > c.passMicros) return;
    const { city } = this.#context;
    const service = pushed.service[p]!;
    const users = this.#users.find(pushed.peer[p]!, 1000 + service);
    const receiver = formatAddress(pushed.words, 4 * p);
    const target = city.assetByIp(receiver);
    const { bits, reasons } = weighPass({
      fetched: fetched.bytes[k]!,
      pushed: pushed.bytes[p]!,
      clients: users < 0 ? 1 : this.#users.word(users),
      admin: admin.has(service),
      receiverServer: serverRoles.test(target?.role ?? ''),
    });
    if (bits < c.mediumBits) return;
    const ip = formatAddress(batch.addresses, 8 * i);
    const from = formatAddress(fetched.words, 4 * k);
    const known = city.assetByIp(ip);
    this.#claim(batch, i, {
      key: `${ip} pass ${receiver}`,
      ip,
      subject: { type: 'asset', value: target?.id ?? receiver },
      bits,
      reasons,
      title: `${known?.id ?? ip} pushed onto ${target?.id ?? receiver} what it had just fetched from ${from}`,
      techniques: ['T1570', 'T1105'],
      firstPlace: Math.min(fetched.place[k]!, pushed.place[p]!),
      leaked: 0,
      record: { type: 'nft', record: `add element inet parapet denied { ${ip} . ${receiver} timeout 4h }` },
      links: [`ip:${receiver}`, `ip:${from}`],
    });
  }

  #claim(
    batch: FlowBatch,
    i: number,
    w: {
      key: string;
      ip: string;
      subject: Subject;
      bits: number;
      reasons: Reason[];
      title: string;
      techniques: string[];
      firstPlace: number;
      leaked: number;
      record: Finding['response'][number];
      links: string[];
    },
  ): void {
    const at = Math.max(batch.at[i]!, batch.lastAt[i]!);
    let told = this.#told.get(w.key);
    if (told === undefined) {
      if (this.#told.size >= PASSED_MAX) {
        this.#told.delete(this.#told.keys().next().value!);
        this.#toldShed += 1;
      }
      told = {
        subject: w.subject,
        origin: { file: batch.origin.file, placed: batch.origin.placed },
        firstPlace: w.firstPlace,
        decisivePlace: batch.place[i]!,
        alertAt: at,
        firstAt: batch.firstAt[i]!,
        leakedAtAlert: w.leaked,
        bits: 0,
      };
      this.#told.set(w.key, told);
    }
    told.bits = Math.max(told.bits, w.bits);
    const known = this.#context.city.assetByIp(w.ip);
    const asset: AssetRef =
      known === undefined
        ? { ip: w.ip }
        : { id: known.id, ip: w.ip, ...(known.role === '' ? {} : { role: known.role }) };
    const first = evidenceOf(told.origin, told.firstPlace);
    const evidence: Evidence[] = [...new Set([told.firstPlace, told.decisivePlace])].map((p) =>
      evidenceOf(told.origin, p),
    );
    if (batch.place[i] !== told.decisivePlace || batch.origin.file !== told.origin.file)
      evidence.push(evidenceOf(batch.origin, batch.place[i]!));
    this.#context.claim({
      kind: 'finding',
      id: findingId(card.name, w.subject, asset, first),
      plane: card.plane,
      detector: card.name,
      family: card.family,
      title: w.title,
      severity: told.bits >= c.highBits ? 'high' : 'medium',
      confidence: Number(bitsToConfidence(told.bits, c.priorBits).toPrecision(5)),
      bits: Number(told.bits.toFixed(2)),
      asset,
      subject: w.subject,
      firstAt: Math.min(told.firstAt, told.alertAt),
      at: told.alertAt,
      lastAt: Math.max(at, told.alertAt),
      ...(w.leaked > 0 ? { leakedBytes: w.leaked, leakedBytesAtAlert: told.leakedAtAlert } : {}),
      techniques: w.techniques,
      reasons: w.reasons,
      evidence,
      count: evidence.length,
      response: [w.record],
      links: w.links,
    });
  }

  advance(): void {}

  #columns(): ArrayBufferView[] {
    return [
      this.#deviceFirstAt,
      this.#deviceKind,
      this.#usualNew,
      this.#usualTogether,
      this.#windowAt,
      this.#newUp,
      this.#newDown,
      this.#newMost,
      this.#newPlace,
      this.#peerFirstAt,
      this.#peerWindowAt,
      this.#peerUp,
      this.#peerDown,
      this.#peerUsual,
      this.#peerPlace,
      this.#peerLooked,
      this.#userHash,
      this.#tuple,
      this.#tupleFlow,
      this.#tupleAt,
    ];
  }

  snapshot(): unknown {
    return {
      version: 1,
      columns: this.#columns().map(packColumn),
      devices: this.#devices.pack(),
      peers: this.#peers.pack(),
      users: this.#users.pack(),
      names: this.#names.pack(),
      fetched: this.#fetched.pack(),
      pushed: this.#pushed.pack(),
      told: [...this.#told],
      toldShed: this.#toldShed,
    };
  }

  restore(state: unknown): void {
    const s = state as Record<string, unknown> & { version: number; columns: string[]; told: [string, Told][] };
    if (s.version !== 1) throw new Error(`exfiltration: state of version ${s.version} is not known`);
    for (const [k, column] of this.#columns().entries()) unpackColumn(s.columns[k], column);
    this.#devices.unpack(s.devices as PackedPairs);
    this.#peers.unpack(s.peers as PackedPairs);
    this.#users.unpack(s.users as PackedPairs);
    this.#names.unpack(s.names);
    this.#fetched.unpack(s.fetched);
    this.#pushed.unpack(s.pushed);
    this.#told.clear();
    for (const [key, told] of s.told) this.#told.set(key, { ...told });
    this.#toldShed = s.toldShed as number;
  }
}
