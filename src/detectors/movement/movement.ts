// Steps from host to host, told by what is done on the target and what it does next. Flows say who administers whom for the first
// time and what is pushed; operations say what is run; tickets say as whom. What many do, what is old, and what a role allows is
// no step; across zones without a conduit there should be none at all. Steps that follow each other are a path.
import {
  type EventBatch,
  evidenceOf,
  FlowBatch,
  FlowPhase,
  FlowState,
  formatAddress,
  OperationBatch,
  OperationProtocol,
  Service,
} from '#events';
import type { Evidence } from '#findings';
import { addressHash } from '#lib/address';
import { BoundedMap } from '../bounded-map.ts';
import type { Detector, DetectorContext, DetectorKind } from '../contract.ts';
import { SameFlow } from '../same-flow.ts';
import calibration from './calibration.json' with { type: 'json' };
import { Callers } from './callers.ts';
import { card } from './card.ts';
import { hopFinding } from './claim.ts';
import { Fetches } from './fetched.ts';
import { Habits, LEARN_MICROS } from './habits.ts';
import { type Hop, judge, repeat, stepOf } from './hop.ts';
import { Hops } from './hops.ts';
import { Tickets } from './tickets.ts';
import { wayOfOperation, wayOfService, ways } from './ways.ts';

const c = calibration;
const VERSION = 2;
const PEERS_MAX = 50_000;
const HOPS_MAX = 512;
const FETCHED_MAX = 2_000;
const CALLS_MAX = 200_000;
const OPEN_MAX = 50_000;
/** Flows from which it is said that none begins at an address of the city. */
const FLOWS_TO_TELL = 200;
/** Steps between two hosts within this are one. */
const HOP_MICROS = 1800e6;

export const movement: DetectorKind = { card, create: (context) => new Movement(context) };

class Movement implements Detector {
  readonly #context: DetectorContext;
  #shed = 0;
  readonly #drop = (): void => {
    this.#shed += 1;
  };
  #firstAt = Number.POSITIVE_INFINITY;
  readonly #habits = new Habits(this.#drop);
  /** Hosts that hand out tickets. */
  readonly #controllers = new Set<string>();
  readonly #tickets = new Tickets();
  /** Pairs of host and peer that called, by hash: a pair is looked at once. */
  readonly #calls = new Set<number>();
  readonly #callers = new Callers(PEERS_MAX, this.#drop);
  readonly #fetched = new Fetches(FETCHED_MAX, this.#drop);
  readonly #sameFlow = new SameFlow();
  readonly #hops = new Hops(HOPS_MAX, this.#drop);
  /** Flows that live and took a way, by number: the hop they belong to, '' where to none. */
  readonly #open = new BoundedMap<number, string>(OPEN_MAX, this.#drop);
  #closed = 0;
  #ours = 0;

  constructor(context: DetectorContext) {
    this.#context = context;
  }

  get shed(): number {
    return this.#shed + this.#tickets.shed;
  }

  observe(batch: EventBatch): void {
    if (batch instanceof FlowBatch) this.#flows(batch);
    else if (batch instanceof OperationBatch) this.#operations(batch);
  }

  #flows(batch: FlowBatch): void {
    const { city } = this.#context;
    for (let i = 0; i < batch.count; i++) {
      const at = batch.firstAt[i]!;
      if (at < this.#firstAt) this.#firstAt = at;
      const isClosed = batch.phase[i] === FlowPhase.Close;
      const service = batch.service[i]!;
      const way = wayOfService(service);
      if (!isClosed && way === '') continue;
      const isOurs = city.isOurs(batch.addresses, 8 * i);
      if (isClosed) {
        this.#closed += 1;
        if (isOurs) this.#ours += 1;
      }
      if (batch.protocol[i] !== 6 || !isOurs) continue;
      const isAnswered = batch.responderPayloadBytes[i]! > 0;
      if (service === Service.Kerberos) {
        if (isAnswered) this.#controller(formatAddress(batch.addresses, 8 * i + 4));
      } else if (way !== '' && city.isOurs(batch.addresses, 8 * i + 4)) this.#step(batch, i, way, at);
      else if (isClosed && isAnswered) this.#call(batch, i, at);
    }
  }

  #controller(address: string): void {
    if (this.#controllers.size < 256) this.#controllers.add(address);
  }

  /** A flow is a step once, with its first answer: sessions of hours are told as they begin. What it pushes adds up. */
  #step(batch: FlowBatch, i: number, way: string, at: number): void {
    const flow = batch.flow[i]!;
    const isClosed = batch.phase[i] === FlowPhase.Close;
    const isAnswered = batch.responderPayloadBytes[i]! > 0;
    let key = this.#open.get(flow);
    if (key === undefined && !isClosed && !isAnswered) return;
    const isFirst = key === undefined;
    if (key === undefined) {
      const zones = this.#zones(batch.addresses, i);
      const isCrossing = this.#crosses(zones, batch.responderPort[i]!);
      // Within its zone a plant protocol is no step, and there are many: nothing is written of it.
      if (ways[way]!.plant && !isCrossing) return;
      key = this.#begin(batch, i, way, at, zones, isCrossing);
      if (!isClosed) this.#open.add(flow, key);
    } else if (isClosed) this.#open.delete(flow);
    const hop = this.#hops.get(key);
    if (hop === undefined) return;
    const before = hop.bytes;
    hop.bytes += isFirst ? batch.originatorPayloadBytes[i]! : batch.originatorPayloadDelta[i]!;
    if (isClosed) this.#fetched.passOn(hop, at, batch.originatorPayloadBytes[i]!);
    if (isFirst || isClosed || (before < c.pushedBytesMin && hop.bytes >= c.pushedBytesMin))
      this.#weigh(hop, Math.max(at, batch.at[i]!));
  }

  /** @returns the key of the hop that the flow is a step of; '' where it is of none */
  #begin(
    batch: FlowBatch,
    i: number,
    way: string,
    at: number,
    zones: readonly [string, string],
    isCrossing: boolean,
  ): string {
    const from = formatAddress(batch.addresses, 8 * i);
    const to = formatAddress(batch.addresses, 8 * i + 4);
    if (this.#sameFlow.isTold(batch, i, from, to)) return '';
    const hasFailed =
      batch.responderPayloadBytes[i] === 0 || batch.state[i] === FlowState.S0 || batch.state[i] === FlowState.REJ;
    if (hasFailed) {
      const hop = this.#hops.between(from, to);
      if (hop !== undefined && at - hop.lastAt <= HOP_MICROS) hop.failed += 1;
      return '';
    }
    const flow = `tcp ${from}:${batch.originatorPort[i]} > ${to}:${batch.responderPort[i]}`;
    const evidence: Evidence = { ...evidenceOf(batch.origin, batch.place[i]!), flow };
    const hop = this.#look(from, to, way, at, evidence, zones, isCrossing);
    if (hop === undefined) return '';
    if (hop.before.length === 0) this.#hops.trace(hop);
    return Hops.keyOf(from, to);
  }

  #zones(addresses: Uint32Array, i: number): readonly [string, string] {
    const { city } = this.#context;
    return [city.zoneOf(addresses, 8 * i), city.zoneOf(addresses, 8 * i + 4)];
  }

  /** Whether no conduit joins the zones for the port. */
  #crosses([from, to]: readonly [string, string], port: number): boolean {
    return from !== '' && to !== '' && from !== to && !this.#context.city.mayTalk(from, to, `tcp/${port}`);
  }

  #operations(batch: OperationBatch): void {
    const { city } = this.#context;
    for (let i = 0; i < batch.count; i++) {
      const protocol = batch.protocol[i]!;
      if (protocol < OperationProtocol.Smb) continue;
      const at = batch.at[i]!;
      if (at < this.#firstAt) this.#firstAt = at;
      if (protocol === OperationProtocol.Kerberos) {
        if (batch.code[i] !== 11 && batch.code[i] !== 13) continue;
        this.#controller(formatAddress(batch.addresses, 8 * i + 4));
        this.#tickets.take(batch, i, formatAddress(batch.addresses, 8 * i));
        continue;
      }
      const way = wayOfOperation(batch, i);
      if (way === '' || !city.isOurs(batch.addresses, 8 * i) || !city.isOurs(batch.addresses, 8 * i + 4)) continue;
      const from = formatAddress(batch.addresses, 8 * i);
      const to = formatAddress(batch.addresses, 8 * i + 4);
      // Controllers copy the directory from each other.
      if (way === 'replication' && (this.#controllers.has(from) || city.assetByIp(from)?.role === 'domain-controller'))
        continue;
      const flow = `${from}:${batch.clientPort[i]} > ${to}:${batch.serverPort[i]}`;
      const evidence: Evidence = { ...evidenceOf(batch.origin, batch.place[i]!), flow };
      const zones = this.#zones(batch.addresses, i);
      const isCrossing = this.#crosses(zones, batch.serverPort[i]!);
      const hop = this.#look(from, to, way, at, evidence, zones, isCrossing);
      if (hop !== undefined) this.#weigh(hop, at);
    }
  }

  /** Notes the edge; where it is no habit, the hop it belongs to. */
  #look(
    from: string,
    to: string,
    way: string,
    at: number,
    evidence: Evidence,
    zones: readonly [string, string],
    isCrossing: boolean,
  ): Hop | undefined {
    const { city } = this.#context;
    if (this.#habits.isHabit(from, to, way, at)) return undefined;
    const role = city.assetByIp(from)?.role ?? '';
    if (/scanner/.test(role) && ways[way]?.executes !== true) return undefined;
    const controller = this.#controllers.has(to) || city.assetByIp(to)?.role === 'domain-controller';
    const fileServer = /domain-controller|file-server|print|backup/.test(city.assetByIp(to)?.role ?? '');
    const serves = this.#habits.serves(to, way) || ((controller || fileServer) && ways[way]!.common);
    // What everyone does to a server is no step.
    let hop = this.#hops.between(from, to);
    if (serves && ways[way]!.common && hop === undefined && !isCrossing) return undefined;
    if (hop === undefined || (at - hop.lastAt > HOP_MICROS && hop.bits < c.mediumBits)) {
      hop = this.#hops.open(from, to, at);
      hop.controller = controller;
      hop.zones = zones;
      hop.managementRole = /management|jump|backup|administration/.test(role);
    }
    hop.isCrossing ||= isCrossing;
    hop.serves = serves;
    hop.fanOut ||= this.#habits.fansOut(from, to, way, at);
    hop.roleChange =
      at - this.#firstAt >= LEARN_MICROS &&
      !ways[way]!.common &&
      !ways[way]!.plant &&
      this.#habits.isFirst(from, to, way);
    hop.lastAt = Math.max(hop.lastAt, at);
    const step = hop.steps.find((s) => s.way === way);
    if (step === undefined) hop.steps.push(stepOf(way, at, evidence));
    else repeat(step, at, evidence, this.#context.evidenceAll);
    const ticket = this.#tickets.serving(from, at, ways[way]!.tickets);
    if (
      ticket !== undefined &&
      (hop.ticket === undefined || ticket.realm !== '' || (hop.ticket.realm === '' && ticket.switched !== ''))
    )
      hop.ticket = ticket;
    return hop;
  }

  /** A host of ours got an answer from an address that nobody administers: what it fetched, and who called there before. */
  #call(batch: FlowBatch, i: number, at: number): void {
    const { city } = this.#context;
    const bytes = batch.responderPayloadBytes[i]!;
    const a = addressHash(batch.addresses, 8 * i);
    const b = addressHash(batch.addresses, 8 * i + 4);
    const pair = a * 0x200000 + (b >>> 11);
    const large = bytes >= c.fetchedBytesMin;
    if (!large && this.#calls.has(pair)) return;
    if (city.assetByAddress(batch.addresses, 8 * i + 4) !== undefined) return;
    const host = formatAddress(batch.addresses, 8 * i);
    const peer = formatAddress(batch.addresses, 8 * i + 4);
    if (large && !this.#sameFlow.isTold(batch, i, host, peer)) this.#fetched.note(batch, i, host, peer, bytes);
    if (this.#calls.has(pair)) return;
    if (this.#calls.size >= CALLS_MAX) {
      this.#calls.delete(this.#calls.values().next().value!);
      this.#shed += 1;
    }
    this.#calls.add(pair);
    const tied = this.#callers.note(peer, host, at);
    if (tied === undefined) return;
    const [first, second] = tied;
    const hop = this.#hops.between(first.host, second.host);
    if (
      hop === undefined ||
      second.at < hop.firstAt ||
      second.at - hop.lastAt > HOP_MICROS ||
      hop.stranger !== undefined
    )
      return;
    hop.stranger = { peer, at: second.at, evidence: evidenceOf(batch.origin, batch.place[i]!) };
    this.#weigh(hop, Math.max(second.at, batch.at[i]!));
  }

  #weigh(hop: Hop, at: number): void {
    const { bits, reasons } = judge(hop);
    if (bits < c.mediumBits || (bits <= hop.bits && !this.#context.evidenceAll)) {
      if (hop.bits < c.mediumBits) hop.bits = Math.max(0, bits);
      return;
    }
    if (hop.alertAt === 0) {
      hop.alertAt = at;
      for (const s of hop.steps) this.#habits.suspect(hop.from, hop.to, s.way);
    }
    hop.bits = Math.max(hop.bits, bits);
    this.#context.claim(hopFinding(this.#context.city, hop, bits, reasons));
  }

  advance(): void {
    if (this.#closed < FLOWS_TO_TELL || this.#ours > 0) return;
    this.#context.cover({
      kind: 'coverage',
      plane: 'flow',
      what: 'no-flow-of-ours',
      count: this.#closed,
      text: `None of ${this.#closed} flows begins at an address of the city, so neither relays, beacons nor movement could be judged: name the networks in city.yaml.`,
    });
  }

  snapshot(): unknown {
    return {
      version: VERSION,
      shed: this.#shed,
      firstAt: this.#firstAt === Number.POSITIVE_INFINITY ? null : this.#firstAt,
      ...this.#habits.save(),
      controllers: [...this.#controllers],
      calls: [...this.#calls],
      callers: [...this.#callers],
      fetched: [...this.#fetched],
      told: [...this.#sameFlow],
      hops: [...this.#hops],
      open: [...this.#open],
      closed: this.#closed,
      ours: this.#ours,
      tickets: this.#tickets.save(),
    };
  }

  restore(state: unknown): void {
    const s = state as Saved;
    if (s?.version !== VERSION) throw new Error(`movement: state of version ${s?.version}, not ${VERSION}`);
    this.#shed = s.shed;
    this.#firstAt = s.firstAt ?? Number.POSITIVE_INFINITY;
    this.#habits.load(s);
    this.#callers.load(s.callers);
    this.#fetched.load(s.fetched);
    this.#sameFlow.load(s.told);
    this.#hops.load(s.hops);
    this.#open.load(s.open);
    this.#closed = s.closed;
    this.#ours = s.ours;
    this.#controllers.clear();
    for (const x of s.controllers) this.#controllers.add(x);
    this.#calls.clear();
    for (const x of s.calls) this.#calls.add(x);
    this.#tickets.load(s.tickets);
  }
}

interface Saved extends Record<string, unknown> {
  version: number;
  shed: number;
  closed: number;
  ours: number;
  firstAt: number | null;
  controllers: string[];
  calls: number[];
  tickets: Record<string, unknown>;
}
