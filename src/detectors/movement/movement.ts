// Steps from host to host, told by what is done on the target and what it does next. Flows say who administers whom for the first
// time and what is pushed; operations say what is run; tickets say as whom. What many do, what is old, and what a role allows is
// no step. Steps that follow each other are a path.
import {
  type EventBatch,
  evidenceOf,
  FlowBatch,
  FlowPhase,
  FlowState,
  formatAddress,
  OperationBatch,
  OperationProtocol,
  type Origin,
} from '#events';
import type { Evidence } from '#findings';
import { addressHash } from '#lib/address';
import type { Detector, DetectorContext, DetectorKind } from '../contract.ts';
import calibration from './calibration.json' with { type: 'json' };
import { card, SHARED } from './card.ts';
import { findingOf } from './claim.ts';
import { type Hop, judge, repeat, stepOf } from './hop.ts';
import { Tickets, trim } from './tickets.ts';
import { wayOfOperation, wayOfService, ways } from './ways.ts';

const c = calibration;
const VERSION = 1;
/** Edges, clients and sources remembered, each. */
const EDGES_MAX = 50_000;
const PEERS_MAX = 50_000;
const HOPS_MAX = 512;
const TOLD_MAX = 20_000;
const FETCHED_MAX = 2_000;
const CALLS_MAX = 200_000;
/** Clocks of two sensors may differ by this much. */
const SAME_FLOW_MICROS = 60e6;
/** What was seen this long ago first is a habit. */
const LEARN_MICROS = 6 * 3600e6;
/** Steps between two hosts within this are one. */
const HOP_MICROS = 1800e6;
/** What is fetched is pushed on within this. */
const FETCH_MICROS = 180e6;
/** A path goes on within this. */
const PATH_MICROS = 24 * 3600e6;
const HOPS_IN_PATH_MAX = 8;

interface Edge {
  firstAt: number;
  suspect: boolean;
}
interface Fetched {
  peer: string;
  at: number;
  bytes: number;
  pushed: number;
  to: string;
  evidence: Evidence;
}

export const movement: DetectorKind = { card, create: (context) => new Movement(context) };

class Movement implements Detector {
  readonly #context: DetectorContext;
  #shed = 0;
  #firstAt = Number.POSITIVE_INFINITY;
  /** When a source first took a way to a target. */
  readonly #edges = new Map<string, Edge>();
  /** Clients of a target by way, and targets of a source by way: the first few. */
  readonly #clients = new Map<string, string[]>();
  readonly #targets = new Map<string, { to: string; at: number }[]>();
  /** Hosts that hand out tickets. */
  readonly #controllers = new Set<string>();
  readonly #tickets = new Tickets();
  /** Pairs of host and peer that called, by hash: a pair is looked at once. */
  readonly #calls = new Set<number>();
  readonly #callers = new Map<string, { host: string; at: number }[]>();
  readonly #fetched = new Map<string, Fetched[]>();
  readonly #told = new Map<string, number>();
  readonly #hops = new Map<string, Hop>();

  constructor(context: DetectorContext) {
    this.#context = context;
  }

  get shed(): number {
    return this.#shed + this.#tickets.shed;
  }

  readonly #drop = (): void => {
    this.#shed += 1;
  };

  observe(batch: EventBatch): void {
    if (batch instanceof FlowBatch) this.#flows(batch);
    else if (batch instanceof OperationBatch) this.#operations(batch);
  }

  #flows(batch: FlowBatch): void {
    const { city } = this.#context;
    for (let i = 0; i < batch.count; i++) {
      if (batch.phase[i] !== FlowPhase.Close) continue;
      const at = batch.firstAt[i]!;
      if (at < this.#firstAt) this.#firstAt = at;
      if (batch.protocol[i] !== 6 || !city.isOurs(batch.addresses, 8 * i)) continue;
      const service = batch.service[i]!;
      if (service === 13) {
        if (batch.responderPayloadBytes[i]! > 0) this.#controller(formatAddress(batch.addresses, 8 * i + 4));
        continue;
      }
      const way = wayOfService(service);
      if (way !== '' && city.isOurs(batch.addresses, 8 * i + 4)) this.#step(batch, i, way, at);
      else if (way === '' && batch.responderPayloadBytes[i]! > 0) this.#call(batch, i, at);
    }
  }

  #controller(address: string): void {
    if (this.#controllers.size < 256) this.#controllers.add(address);
  }

  #step(batch: FlowBatch, i: number, way: string, at: number): void {
    const from = formatAddress(batch.addresses, 8 * i);
    const to = formatAddress(batch.addresses, 8 * i + 4);
    if (this.#isTold(`${from}:${batch.originatorPort[i]}>${to}:${batch.responderPort[i]}`, at)) return;
    const failed =
      batch.responderPayloadBytes[i] === 0 || batch.state[i] === FlowState.S0 || batch.state[i] === FlowState.REJ;
    const flow = `tcp ${from}:${batch.originatorPort[i]} > ${to}:${batch.responderPort[i]}`;
    const evidence: Evidence = { ...evidenceOf(batch.origin, batch.place[i]!), flow };
    if (failed) {
      const hop = this.#hops.get(`${from}>${to}`);
      if (hop !== undefined && at - hop.lastAt <= HOP_MICROS) hop.failed += 1;
      return;
    }
    const bytes = batch.originatorPayloadBytes[i]!;
    const hop = this.#look(from, to, way, at, evidence, batch, i, bytes);
    if (hop !== undefined) {
      hop.bytes += bytes;
      this.#passedOn(hop, at, bytes);
      this.#weigh(hop, Math.max(at, batch.at[i]!));
    }
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
      const hop = this.#look(from, to, way, at, evidence, batch, i, 0);
      if (hop !== undefined) this.#weigh(hop, at);
    }
  }

  /** Both ends of a flow may be watched: the same tuple that began within a minute is the same flow. */
  #isTold(tuple: string, at: number): boolean {
    const before = this.#told.get(tuple);
    if (before !== undefined && Math.abs(before - at) < SAME_FLOW_MICROS) return true;
    if (this.#told.size >= TOLD_MAX) this.#told.delete(this.#told.keys().next().value!);
    this.#told.set(tuple, at);
    return false;
  }

  /** Notes the edge; where it is no habit, the hop it belongs to. */
  #look(
    from: string,
    to: string,
    way: string,
    at: number,
    evidence: Evidence,
    batch: { readonly addresses: Uint32Array; readonly origin: Origin },
    i: number,
    bytes: number,
  ): Hop | undefined {
    const { city } = this.#context;
    const key = `${from}>${to}|${way}`;
    const edge = this.#edges.get(key);
    const clients = this.#note(this.#clients, `${to}|${way}`, from);
    const source = `${from}|${way}`;
    let targets = this.#targets.get(source);
    if (targets === undefined) {
      trim(this.#targets, EDGES_MAX, this.#drop);
      targets = [];
      this.#targets.set(source, targets);
    }
    if (targets.length < 2 * SHARED && !targets.some((t) => t.to === to)) targets.push({ to, at });
    if (edge === undefined) {
      trim(this.#edges, EDGES_MAX, this.#drop);
      this.#edges.set(key, { firstAt: at, suspect: false });
    } else if (!edge.suspect && at - edge.firstAt >= LEARN_MICROS) return undefined;
    const role = city.assetByIp(from)?.role ?? '';
    if (/scanner/.test(role) && ways[way]?.executes !== true) return undefined;
    const controller = this.#controllers.has(to) || city.assetByIp(to)?.role === 'domain-controller';
    const fileServer = /domain-controller|file-server|print|backup/.test(city.assetByIp(to)?.role ?? '');
    const serves = clients.length >= SHARED || ((controller || fileServer) && ways[way]!.common);
    // What everyone does to a server is no step.
    if (serves && ways[way]!.common && !this.#hops.has(`${from}>${to}`)) return undefined;
    let hop = this.#hops.get(`${from}>${to}`);
    if (hop === undefined || (at - hop.lastAt > HOP_MICROS && hop.bits < c.mediumBits)) {
      hop = this.#open(from, to, at);
      hop.controller = controller;
      hop.zone = city.zoneOf(batch.addresses, 8 * i + 4);
      hop.managementRole = /management|jump|backup|administration/.test(role);
    }
    hop.serves = serves;
    hop.fanOut ||= targets.filter((t) => t.to !== to && at - t.at >= LEARN_MICROS).length >= SHARED;
    hop.roleChange = at - this.#firstAt >= LEARN_MICROS && !ways[way]!.common && targets[0]!.to === to;
    hop.lastAt = Math.max(hop.lastAt, at);
    const step = hop.steps.find((s) => s.way === way);
    if (step === undefined) hop.steps.push(stepOf(way, at, evidence));
    else repeat(step, at, evidence);
    const ticket = this.#tickets.serving(from, at, ways[way]!.tickets);
    if (
      ticket !== undefined &&
      (hop.ticket === undefined || ticket.realm !== '' || (hop.ticket.realm === '' && ticket.switched !== ''))
    )
      hop.ticket = ticket;
    if (bytes > 0 && hop.before.length === 0) this.#path(hop);
    return hop;
  }

  #open(from: string, to: string, at: number): Hop {
    if (this.#hops.size >= HOPS_MAX) {
      // Hops without a claim go first.
      let victim = this.#hops.keys().next().value!;
      for (const [k, h] of this.#hops)
        if (h.bits < c.mediumBits) {
          victim = k;
          break;
        }
      this.#hops.delete(victim);
      this.#shed += 1;
    }
    const hop: Hop = {
      from,
      to,
      firstAt: at,
      lastAt: at,
      steps: [],
      bytes: 0,
      failed: 0,
      serves: false,
      controller: false,
      fanOut: false,
      managementRole: false,
      roleChange: false,
      zone: '',
      fetched: undefined,
      ticket: undefined,
      stranger: undefined,
      before: [],
      beforeEvidence: [],
      alertAt: 0,
      bits: 0,
    };
    this.#hops.delete(`${from}>${to}`);
    this.#hops.set(`${from}>${to}`, hop);
    return hop;
  }

  /** The claimed hops that led to this one's source. */
  #path(hop: Hop): void {
    let at = hop.from;
    let until = hop.firstAt;
    for (let n = 0; n < HOPS_IN_PATH_MAX; n++) {
      let best: Hop | undefined;
      for (const h of this.#hops.values())
        if (
          h.to === at &&
          h.bits >= c.mediumBits &&
          h.firstAt <= until &&
          until - h.firstAt <= PATH_MICROS &&
          h.from !== hop.to
        )
          if (best === undefined || h.bits > best.bits) best = h;
      if (best === undefined || hop.before.includes(best.from)) return;
      hop.before.unshift(best.from);
      hop.beforeEvidence.unshift(best.steps[0]!.evidence);
      at = best.from;
      until = best.firstAt;
    }
  }

  #note(map: Map<string, string[]>, key: string, value: string): string[] {
    let list = map.get(key);
    if (list === undefined) {
      trim(map, EDGES_MAX, this.#drop);
      list = [];
      map.set(key, list);
    }
    if (list.length < SHARED && !list.includes(value)) list.push(value);
    return list;
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
    if (large && !this.#isTold(`${host}:${batch.originatorPort[i]}>${peer}:${batch.responderPort[i]}`, at))
      this.#fetch(batch, i, host, peer, bytes);
    if (this.#calls.has(pair)) return;
    if (this.#calls.size >= CALLS_MAX) {
      this.#calls.delete(this.#calls.values().next().value!);
      this.#shed += 1;
    }
    this.#calls.add(pair);
    let callers = this.#callers.get(peer);
    if (callers === undefined) {
      trim(this.#callers, PEERS_MAX, this.#drop);
      callers = [];
      this.#callers.set(peer, callers);
    }
    if (callers.length > SHARED || callers.some((x) => x.host === host)) return;
    callers.push({ host, at });
    if (callers.length !== 2) return;
    const [first, second] = callers[0]!.at <= callers[1]!.at ? [callers[0]!, callers[1]!] : [callers[1]!, callers[0]!];
    const hop = this.#hops.get(`${first.host}>${second.host}`);
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

  #fetch(batch: FlowBatch, i: number, host: string, peer: string, bytes: number): void {
    let list = this.#fetched.get(host);
    if (list === undefined) {
      trim(this.#fetched, FETCHED_MAX, this.#drop);
      list = [];
      this.#fetched.set(host, list);
    }
    const at = batch.lastAt[i]!;
    const evidence = evidenceOf(batch.origin, batch.place[i]!);
    const before = list.find((f) => f.peer === peer && at - f.at < FETCH_MICROS);
    if (before === undefined) list.push({ peer, at, bytes, pushed: 0, to: '', evidence });
    else {
      before.bytes += bytes;
      before.at = Math.max(before.at, at);
    }
    if (list.length > 8) list.shift();
  }

  /** As much goes on as came in, or four thirds of it (base64): what was fetched is pushed. */
  #passedOn(hop: Hop, at: number, bytes: number): void {
    if (hop.fetched !== undefined || bytes === 0) return;
    for (const f of this.#fetched.get(hop.from) ?? []) {
      if (at - f.at > FETCH_MICROS || f.at - at > SAME_FLOW_MICROS || f.peer === hop.to) continue;
      if (f.to !== hop.to) {
        f.to = hop.to;
        f.pushed = 0;
      }
      f.pushed += bytes;
      for (const scale of [1, 4 / 3])
        if (Math.abs(f.pushed / (scale * f.bytes) - 1) <= c.fetchedRatioMax)
          hop.fetched = { peer: f.peer, bytes: f.bytes, pushed: f.pushed, evidence: f.evidence };
    }
  }

  #weigh(hop: Hop, at: number): void {
    const { bits, reasons } = judge(hop);
    if (bits < c.mediumBits || bits <= hop.bits) {
      if (hop.bits < c.mediumBits) hop.bits = Math.max(0, bits);
      return;
    }
    if (hop.alertAt === 0) {
      hop.alertAt = at;
      for (const s of hop.steps) {
        const edge = this.#edges.get(`${hop.from}>${hop.to}|${s.way}`);
        if (edge !== undefined) edge.suspect = true;
      }
    }
    hop.bits = bits;
    this.#context.claim(findingOf(this.#context.city, hop, bits, reasons));
  }

  advance(): void {}

  snapshot(): unknown {
    return {
      version: VERSION,
      shed: this.#shed,
      firstAt: this.#firstAt === Number.POSITIVE_INFINITY ? null : this.#firstAt,
      edges: [...this.#edges],
      clients: [...this.#clients],
      targets: [...this.#targets],
      controllers: [...this.#controllers],
      calls: [...this.#calls],
      callers: [...this.#callers],
      fetched: [...this.#fetched],
      told: [...this.#told],
      hops: [...this.#hops],
      tickets: this.#tickets.save(),
    };
  }

  restore(state: unknown): void {
    const s = state as Saved;
    if (s?.version !== VERSION) throw new Error(`movement: state of version ${s?.version}, not ${VERSION}`);
    this.#shed = s.shed;
    this.#firstAt = s.firstAt ?? Number.POSITIVE_INFINITY;
    refill(this.#edges, s.edges);
    refill(this.#clients, s.clients);
    refill(this.#targets, s.targets);
    refill(this.#callers, s.callers);
    refill(this.#fetched, s.fetched);
    refill(this.#told, s.told);
    refill(this.#hops, s.hops);
    this.#controllers.clear();
    for (const x of s.controllers) this.#controllers.add(x);
    this.#calls.clear();
    for (const x of s.calls) this.#calls.add(x);
    this.#tickets.load(s.tickets);
  }
}

interface Saved {
  version: number;
  shed: number;
  firstAt: number | null;
  edges: [string, Edge][];
  clients: [string, string[]][];
  targets: [string, { to: string; at: number }[]][];
  controllers: string[];
  calls: number[];
  callers: [string, { host: string; at: number }[]][];
  fetched: [string, Fetched[]][];
  told: [string, number][];
  hops: [string, Hop][];
  tickets: Parameters<Tickets['load']>[0];
}

/** Copies, so that two detectors restored from one state share nothing. */
function refill<V>(map: Map<string, V>, from: readonly [string, V][]): void {
  map.clear();
  for (const [k, v] of structuredClone(from)) map.set(k, v);
}
