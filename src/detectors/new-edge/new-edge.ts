// Who speaks to whom as what inside the city. A new edge with a remote-administration protocol, to a host that serves nobody
// else with it, is how an intruder steps on; across zones without a conduit it should not exist at all. The strongest proof
// comes after: the host that was stepped on calls an outside address that only the one who stepped had called before.
import { type EventBatch, evidenceOf, FlowBatch, FlowPhase, FlowState, formatAddress } from '#events';
import { BoundedMap } from '../bounded-map.ts';
import { Callers } from '../callers.ts';
import type { Detector, DetectorContext, DetectorKind } from '../contract.ts';
import { SameFlow } from '../same-flow.ts';
import calibration from './calibration.json' with { type: 'json' };
import { card, EDGES_MAX, HOPS_MAX, PEERS_MAX } from './card.ts';
import { findingOfHop } from './claim.ts';
import { type Hop, judge } from './hop.ts';
import { isControl, plant } from './services.ts';

const c = calibration;
/** Flows from which it is said that none begins at an address of the city. */
const FLOWS_TO_TELL = 200;
/** Edges seen this long after the first flow are the city's habit, microseconds. */
const LEARN_MICROS = 6 * 3600e6;
/** A hop's consequences are looked for this long. */
const AFTER_MICROS = 1800e6;
/** Clients from which a host counts as a server of the service. */
const SERVER_CLIENTS = 3;

export const newEdge: DetectorKind = { card, create: (context) => new NewEdge(context) };

interface Edge {
  readonly firstAt: number;
  lastAt: number;
  flows: number;
  failed: number;
  bytes: number;
}

class NewEdge implements Detector {
  shed = 0;
  readonly #drop = (): void => {
    this.shed += 1;
  };
  readonly #context: DetectorContext;
  readonly #edges = new BoundedMap<string, Edge>(EDGES_MAX, this.#drop);
  /** Clients of a host by service, at most a few: `host|service`. */
  readonly #clients = new BoundedMap<string, string[]>(EDGES_MAX, this.#drop);
  readonly #callers = new Callers(PEERS_MAX, this.#drop);
  readonly #hops = new Map<string, Hop>();
  readonly #sameFlow = new SameFlow();
  #firstAt = Number.POSITIVE_INFINITY;
  #flows = 0;
  #ours = 0;

  constructor(context: DetectorContext) {
    this.#context = context;
  }

  observe(batch: EventBatch): void {
    if (!(batch instanceof FlowBatch)) return;
    const { city } = this.#context;
    for (let i = 0; i < batch.count; i++) {
      const at = batch.firstAt[i]!;
      if (at < this.#firstAt) this.#firstAt = at;
      const phase = batch.phase[i]!;
      const service = batch.service[i]!;
      const isAdmin = isControl(service);
      // Names and openings of other services say nothing here; a closed flow is judged once, an administering one as it opens too.
      if (phase !== FlowPhase.Close && !(isAdmin && phase === FlowPhase.Open)) continue;
      this.#flows += 1;
      if (!city.isOurs(batch.addresses, 8 * i)) continue;
      this.#ours += 1;
      if (batch.protocol[i] !== 6) continue;
      const inside = city.isOurs(batch.addresses, 8 * i + 4);
      if (isAdmin && inside) this.#edge(batch, i, service, phase === FlowPhase.Close);
      else if (phase === FlowPhase.Close && batch.responderPayloadBytes[i]! > 0) this.#call(batch, i);
    }
  }

  #edge(batch: FlowBatch, i: number, service: number, closed: boolean): void {
    const from = formatAddress(batch.addresses, 8 * i);
    const to = formatAddress(batch.addresses, 8 * i + 4);
    const at = batch.firstAt[i]!;
    if (closed && this.#sameFlow.isTold(batch, i, from, to)) return;
    const key = `${from}>${to}|${service}`;
    const failed =
      closed &&
      (batch.responderPayloadBytes[i] === 0 || batch.state[i] === FlowState.S0 || batch.state[i] === FlowState.REJ);
    let edge = this.#edges.get(key);
    const known =
      edge !== undefined && edge.firstAt - this.#firstAt < LEARN_MICROS && at - edge.firstAt >= LEARN_MICROS;
    if (edge === undefined) {
      edge = this.#edges.add(key, { firstAt: at, lastAt: at, flows: 0, failed: 0, bytes: 0 });
      const served = `${to}|${service}`;
      const clients = this.#clients.get(served) ?? this.#clients.add(served, []);
      if (clients.length < SERVER_CLIENTS && !clients.includes(from)) clients.push(from);
    }
    if (at > edge.lastAt) edge.lastAt = at;
    if (!closed) {
      if (!known) this.#hop(batch, i, service, from, to, at, false, false);
      return;
    }
    edge.flows += 1;
    if (failed) edge.failed += 1;
    edge.bytes += batch.originatorPayloadBytes[i]!;
    if (!known) this.#hop(batch, i, service, from, to, at, true, failed);
  }

  #hop(
    batch: FlowBatch,
    i: number,
    service: number,
    from: string,
    to: string,
    at: number,
    closed: boolean,
    failed: boolean,
  ): void {
    const { city } = this.#context;
    const zones = [city.zoneOf(batch.addresses, 8 * i), city.zoneOf(batch.addresses, 8 * i + 4)] as const;
    const port = batch.responderPort[i]!;
    const zoned = zones[0] !== '' && zones[1] !== '' && zones[0] !== zones[1];
    const crossing = zoned && !city.mayTalk(zones[0], zones[1], `tcp/${port}`);
    // Where the city says that they may, they may.
    if (zoned && !crossing) return;
    if (plant[service] !== undefined && !crossing) return;
    // Edges that were there from the start are judged only where the capture is too short to learn from them.
    const learning = at - this.#firstAt < LEARN_MICROS;
    const role = city.assetByIp(to)?.role ?? '';
    if (/domain-controller|file-server|management|jump|backup|print/.test(role) && !crossing) return;
    const key = `${from}>${to}`;
    let hop = this.#hops.get(key);
    if (hop === undefined || at - hop.lastAt > AFTER_MICROS) {
      if (hop !== undefined && hop.bits > 0) return;
      if (this.#hops.size >= HOPS_MAX) {
        for (const [k, h] of this.#hops) {
          if (h.bits > 0 && this.#hops.size < 2 * HOPS_MAX) continue;
          this.#hops.delete(k);
          this.shed += 1;
          break;
        }
      }
      hop = {
        key,
        from,
        to,
        services: new Set(),
        zones,
        firstAt: at,
        origin: batch.origin,
        firstPlace: batch.place[i]!,
        firstFlow: `tcp ${from}:${batch.originatorPort[i]} > ${to}:${port}`,
        last: evidenceOf(batch.origin, batch.place[i]!),
        lastAt: at,
        flows: 0,
        failed: 0,
        bytes: 0,
        stranger: '',
        strangerAtPlace: undefined,
        strangerAt: 0,
        crossing,
        plant: plant[service] ?? '',
        lone: true,
        unlearned: learning,
        alertAt: 0,
        bits: 0,
        places: [],
      };
      this.#hops.set(key, hop);
    }
    hop.services.add(service);
    hop.crossing ||= crossing;
    hop.lastAt = Math.max(hop.lastAt, at);
    hop.last = evidenceOf(batch.origin, batch.place[i]!);
    if (closed) {
      hop.flows += 1;
      if (failed) hop.failed += 1;
      hop.bytes += batch.originatorPayloadBytes[i]!;
      if (hop.places.length < 5000) hop.places.push(evidenceOf(batch.origin, batch.place[i]!));
    }
    hop.lone = [...hop.services].every((s) => (this.#clients.get(`${to}|${s}`)?.length ?? 0) < SERVER_CLIENTS);
    // Without zones, while the city's habits are not known, only a host that serves nobody else is worth a look.
    if (!hop.crossing && (learning ? !hop.lone : false)) return;
    this.#weigh(hop, Math.max(at, batch.at[i]!));
  }

  /** A host of ours got an answer from an address: does that tie it to who stepped onto it? */
  #call(batch: FlowBatch, i: number): void {
    const { city } = this.#context;
    if (city.assetByAddress(batch.addresses, 8 * i + 4) !== undefined) return;
    const host = formatAddress(batch.addresses, 8 * i);
    const peer = formatAddress(batch.addresses, 8 * i + 4);
    // Called by exactly two hosts: the first stepped onto the second shortly before.
    const tied = this.#callers.note(peer, host, batch.firstAt[i]!);
    if (tied === undefined) return;
    const [first, second] = tied;
    const hop = this.#hops.get(`${first.host}>${second.host}`);
    if (hop === undefined || second.at < hop.firstAt || second.at - hop.lastAt > AFTER_MICROS || hop.stranger !== '')
      return;
    hop.stranger = peer;
    hop.strangerAtPlace = evidenceOf(batch.origin, batch.place[i]!);
    hop.strangerAt = second.at;
    hop.lastAt = Math.max(hop.lastAt, second.at);
    this.#weigh(hop, Math.max(second.at, batch.at[i]!));
  }

  #weigh(hop: Hop, at: number): void {
    const { bits, reasons } = judge(hop);
    if (bits < c.mediumBits) return;
    const level = (b: number): number => (b >= c.highBits ? 2 : b >= c.mediumBits ? 1 : 0);
    if (hop.alertAt === 0) hop.alertAt = at;
    const risen = level(bits) > level(hop.bits);
    const grew = bits > hop.bits;
    hop.bits = Math.max(hop.bits, bits);
    if (risen || grew || this.#context.evidenceAll)
      this.#context.claim(findingOfHop(this.#context, hop, bits, reasons));
  }

  advance(): void {
    if (this.#flows < FLOWS_TO_TELL || this.#ours > 0) return;
    this.#context.cover({
      kind: 'coverage',
      plane: 'flow',
      what: 'no-flow-of-ours',
      count: this.#flows,
      text: `None of ${this.#flows} flows begins at an address of the city, so neither relays, beacons nor movement could be judged: name the networks in city.yaml.`,
    });
  }

  snapshot(): unknown {
    return {
      version: 1,
      firstAt: this.#firstAt === Number.POSITIVE_INFINITY ? null : this.#firstAt,
      edges: [...this.#edges],
      clients: [...this.#clients],
      callers: [...this.#callers],
      told: [...this.#sameFlow],
      hops: [...this.#hops].map(([k, h]) => [k, { ...h, services: [...h.services] }]),
    };
  }

  restore(state: unknown): void {
    const s = state as Record<string, unknown> & {
      version: number;
      firstAt: number | null;
      hops: [string, Omit<Hop, 'services'> & { services: number[] }][];
    };
    if (s.version !== 1) throw new Error(`new-edge: state of version ${s.version} is not known`);
    this.#firstAt = s.firstAt ?? Number.POSITIVE_INFINITY;
    this.#edges.load(s.edges);
    this.#clients.load(s.clients);
    this.#callers.load(s.callers);
    this.#sameFlow.load(s.told);
    this.#hops.clear();
    for (const [k, v] of s.hops) this.#hops.set(k, { ...v, services: new Set(v.services) });
  }
}
