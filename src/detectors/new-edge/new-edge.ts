// Who speaks to whom as what inside the city. A new edge with a remote-administration protocol, to a host that serves nobody
// else with it, is how an intruder steps on; across zones without a conduit it should not exist at all. The strongest proof
// comes after: the host that was stepped on calls an outside address that only the one who stepped had called before.
import { type EventBatch, evidenceOf, FlowBatch, FlowPhase, FlowState, formatAddress, type Origin } from '#events';
import { type AssetRef, bitsToConfidence, type Evidence, type Finding, findingId, type Reason } from '#findings';
import type { Detector, DetectorCard, DetectorContext, DetectorKind } from '../contract.ts';
import calibration from './calibration.json' with { type: 'json' };

const c = calibration;
/** Services by the numbers of events/flow.ts that give control over the other host, with their ATT&CK technique. */
const admin: Readonly<Record<number, { name: string; technique: string }>> = {
  3: { name: 'SMB', technique: 'T1021.002' },
  4: { name: 'DCERPC', technique: 'T1021.003' },
  5: { name: 'SSH', technique: 'T1021.004' },
  6: { name: 'RDP', technique: 'T1021.001' },
  11: { name: 'WinRM', technique: 'T1021.006' },
};
const SMB = 3;
/** Services of the plant: a new speaker of one of these is as bad as a new administrator. */
const plant: Readonly<Record<number, string>> = { 8: 'Modbus', 9: 'IEC 104', 12: 'DNP3' };
const EDGES_MAX = 100_000;
const PEERS_MAX = 50_000;
const HOPS_MAX = 512;
const TOLD_MAX = 20_000;
/** Clocks of two sensors may differ by this much. */
const SAME_FLOW_MICROS = 60e6;
/** Flows from which it is said that none begins at an address of the city. */
const FLOWS_TO_TELL = 200;
/** Edges seen this long after the first flow are the city's habit, microseconds. */
const LEARN_MICROS = 6 * 3600e6;
/** A hop's consequences are looked for this long. */
const AFTER_MICROS = 1800e6;
/** Clients from which a host counts as a server of the service. */
const SERVER_CLIENTS = 3;

const card: DetectorCard = {
  name: 'new-edge',
  plane: 'flow',
  family: 'movement',
  behaviour:
    'A host administers another that it never did, to one that serves nobody else so, or across zones where city.yaml has no conduit; then the target turns to the same outside address as the intruder.',
  takes: ['flow'],
  scope: 'city',
  techniques: ['T1021.002', 'T1021.003', 'T1021.001', 'T1021.004', 'T1021.006', 'T1570'],
  cannotSee: [
    'Steps along edges that honest people use every day.',
    'What is said inside SMB, WinRM or SSH.',
    'Hosts that speak within one switch port of each other, where no capture sees it.',
  ],
  innocentCauses: [
    'A new administrator or a new management server: say so in city.yaml (role, conduit).',
    'Vulnerability scanners.',
    'A repair done from a laptop on site.',
  ],
  firstSteps: [
    'Ask the owner of the source host whether it was them.',
    'Look at what the target did in the half hour after.',
    'Close the conduit by the record, then look for other hosts the source reached.',
  ],
  memoryBound: `${EDGES_MAX} edges of 100 octets, ${PEERS_MAX} outside peers, ${HOPS_MAX} open hops`,
};

export const newEdge: DetectorKind = { card, create: (context) => new NewEdge(context) };

interface Edge {
  readonly firstAt: number;
  lastAt: number;
  flows: number;
  failed: number;
  bytes: number;
}

interface Hop {
  readonly key: string;
  readonly from: string;
  readonly to: string;
  readonly services: Set<number>;
  readonly zones: readonly [string, string];
  readonly firstAt: number;
  readonly origin: Origin;
  readonly firstPlace: number;
  readonly firstFlow: string;
  last: Evidence;
  lastAt: number;
  flows: number;
  failed: number;
  bytes: number;
  stranger: string;
  strangerAtPlace: Evidence | undefined;
  strangerAt: number;
  crossing: boolean;
  plant: string;
  lone: boolean;
  /** The city's habits were not known yet. */
  unlearned: boolean;
  alertAt: number;
  bits: number;
  places: Evidence[];
}

class NewEdge implements Detector {
  shed = 0;
  readonly #context: DetectorContext;
  readonly #edges = new Map<string, Edge>();
  /** Clients of a host by service, at most a few: `host|service`. */
  readonly #clients = new Map<string, string[]>();
  /** Hosts of ours that called an address outside, the first few in order. */
  readonly #callers = new Map<string, { host: string; at: number }[]>();
  readonly #hops = new Map<string, Hop>();
  /** Closed flows lately judged, by tuple, with their start: two logs may tell of one flow. */
  readonly #told = new Map<string, number>();
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
      const isAdmin = admin[service] !== undefined || plant[service] !== undefined;
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
    if (closed && this.#isTold(`${from}:${batch.originatorPort[i]}>${to}:${batch.responderPort[i]}`, at)) return;
    const key = `${from}>${to}|${service}`;
    const failed =
      closed &&
      (batch.responderPayloadBytes[i] === 0 || batch.state[i] === FlowState.S0 || batch.state[i] === FlowState.REJ);
    let edge = this.#edges.get(key);
    const known =
      edge !== undefined && edge.firstAt - this.#firstAt < LEARN_MICROS && at - edge.firstAt >= LEARN_MICROS;
    if (edge === undefined) {
      if (this.#edges.size >= EDGES_MAX) {
        this.#edges.delete(this.#edges.keys().next().value!);
        this.shed += 1;
      }
      edge = { firstAt: at, lastAt: at, flows: 0, failed: 0, bytes: 0 };
      this.#edges.set(key, edge);
      const serves = `${to}|${service}`;
      const clients = this.#clients.get(serves) ?? [];
      if (clients.length === 0 && this.#clients.size >= EDGES_MAX) {
        this.#clients.delete(this.#clients.keys().next().value!);
        this.shed += 1;
      }
      if (clients.length < SERVER_CLIENTS && !clients.includes(from)) this.#clients.set(serves, [...clients, from]);
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

  /** Both ends of a hop may be watched: the same tuple that began within a minute is the same flow, and counts once. */
  #isTold(tuple: string, at: number): boolean {
    const before = this.#told.get(tuple);
    if (before !== undefined && Math.abs(before - at) < SAME_FLOW_MICROS) return true;
    if (this.#told.size >= TOLD_MAX) this.#told.delete(this.#told.keys().next().value!);
    this.#told.set(tuple, at);
    return false;
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
    const at = batch.firstAt[i]!;
    let callers = this.#callers.get(peer);
    if (callers === undefined) {
      if (this.#callers.size >= PEERS_MAX) {
        this.#callers.delete(this.#callers.keys().next().value!);
        this.shed += 1;
      }
      callers = [];
      this.#callers.set(peer, callers);
    }
    if (callers.some((x) => x.host === host)) return;
    if (callers.length < SERVER_CLIENTS + 1) callers.push({ host, at });
    // Called by exactly two hosts: the first stepped onto the second shortly before.
    if (callers.length !== 2) return;
    const [first, second] = callers[0]!.at <= callers[1]!.at ? [callers[0]!, callers[1]!] : [callers[1]!, callers[0]!];
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
    const { bits } = judge(hop);
    if (bits < c.mediumBits) return;
    const level = (b: number): number => (b >= c.highBits ? 2 : b >= c.mediumBits ? 1 : 0);
    if (hop.alertAt === 0) hop.alertAt = at;
    const risen = level(bits) > level(hop.bits);
    const grew = bits > hop.bits;
    hop.bits = Math.max(hop.bits, bits);
    if (risen || grew || this.#context.evidenceAll) this.#context.claim(this.#finding(hop));
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

  #finding(hop: Hop): Finding {
    const { city } = this.#context;
    const source = city.assetByIp(hop.from);
    const target = city.assetByIp(hop.to);
    // The asset whose data are in doubt is the one that was stepped onto.
    const asset: AssetRef =
      target === undefined
        ? { ip: hop.to }
        : { id: target.id, ip: hop.to, ...(target.role === '' ? {} : { role: target.role }) };
    const { bits, reasons } = judge(hop);
    const names = [...hop.services].map((s) => admin[s]?.name ?? plant[s] ?? '').filter((n) => n !== '');
    const first: Evidence = { ...evidenceOf(hop.origin, hop.firstPlace), flow: hop.firstFlow };
    const subject = { type: 'asset', value: source?.id ?? hop.from } as const;
    const rest = [
      ...(this.#context.evidenceAll ? hop.places : [hop.last]),
      ...(hop.strangerAtPlace === undefined ? [] : [hop.strangerAtPlace]),
    ];
    const seen = new Set<string>();
    const evidence = [first, ...rest].filter((e) => {
      const key = `${e.file}:${e.frame ?? e.line}`;
      return !seen.has(key) && seen.add(key);
    });
    return {
      kind: 'finding',
      id: findingId(card.name, subject, asset, first),
      plane: card.plane,
      detector: card.name,
      family: card.family,
      title: `${source?.id ?? hop.from} stepped onto ${target?.id ?? hop.to} by ${names.join(' and ')}${hop.crossing ? `, from zone ${hop.zones[0]} into ${hop.zones[1]}, where there is no conduit` : ''}`,
      severity: bits >= c.highBits ? 'high' : 'medium',
      confidence: Number(bitsToConfidence(bits, c.priorBits).toPrecision(5)),
      bits: Number(bits.toFixed(2)),
      asset,
      subject,
      firstAt: Math.min(hop.firstAt, hop.alertAt),
      at: hop.alertAt,
      lastAt: Math.max(hop.lastAt, hop.alertAt),
      techniques: [
        ...new Set([...hop.services].map((s) => admin[s]?.technique ?? 'T0886')),
        ...(hop.bytes >= c.pushedBytesMin ? ['T1570'] : []),
      ],
      reasons,
      evidence,
      count: hop.flows + 1,
      response: [{ type: 'nft', record: `add element inet parapet denied { ${hop.from} . ${hop.to} timeout 4h }` }],
      links: [
        `ip:${hop.from}`,
        ...(source === undefined ? [] : [`asset:${source.id}`]),
        ...(hop.stranger === '' ? [] : [`ip:${hop.stranger}`]),
      ],
    };
  }

  snapshot(): unknown {
    return {
      version: 1,
      firstAt: this.#firstAt === Number.POSITIVE_INFINITY ? null : this.#firstAt,
      edges: [...this.#edges],
      clients: [...this.#clients],
      callers: [...this.#callers],
      told: [...this.#told],
      hops: [...this.#hops].map(([k, h]) => [k, { ...h, services: [...h.services] }]),
    };
  }

  restore(state: unknown): void {
    const s = state as {
      version: number;
      firstAt: number | null;
      edges: [string, Edge][];
      clients: [string, string[]][];
      callers: [string, { host: string; at: number }[]][];
      told: [string, number][];
      hops: [string, Omit<Hop, 'services'> & { services: number[] }][];
    };
    if (s.version !== 1) throw new Error(`new-edge: state of version ${s.version} is not known`);
    this.#firstAt = s.firstAt ?? Number.POSITIVE_INFINITY;
    for (const map of [this.#edges, this.#clients, this.#callers, this.#told, this.#hops]) map.clear();
    for (const [k, v] of s.told) this.#told.set(k, v);
    for (const [k, v] of s.edges) this.#edges.set(k, v);
    for (const [k, v] of s.clients) this.#clients.set(k, v);
    for (const [k, v] of s.callers) this.#callers.set(k, v);
    for (const [k, v] of s.hops) this.#hops.set(k, { ...v, services: new Set(v.services) });
  }
}

function judge(hop: Hop): { bits: number; reasons: Reason[] } {
  const reasons: Reason[] = [];
  const names = [...hop.services].map((s) => admin[s]?.name ?? plant[s] ?? '').join(' and ');
  if (hop.crossing) {
    reasons.push({ text: `zones ${hop.zones[0]} and ${hop.zones[1]} have no conduit for this`, bits: c.crossing });
    if (/twin|control/.test(hop.zones[1]))
      reasons.push({ text: `it leads towards the ${hop.zones[1]}`, bits: c.towardsTwin });
  } else reasons.push({ text: `it never administered this host before (${names})`, bits: c.newAdmin });
  if (hop.lone && hop.plant === '')
    reasons.push({ text: 'the target serves nobody else so: it is no server', bits: c.loneServer });
  // Storing is what file servers are for: before habits are known, SMB alone tells nothing by it.
  const stores = hop.unlearned && hop.services.size === 1 && hop.services.has(SMB);
  if (hop.bytes >= c.pushedBytesMin && !stores)
    reasons.push({ text: `${Math.round(hop.bytes)} bytes were pushed onto it`, bits: c.pushed });
  if (hop.failed >= 3) reasons.push({ text: `${hop.failed} tries failed before or beside`, bits: c.probes });
  if (hop.services.size >= 2)
    reasons.push({ text: `two ways of administering were used (${names}), as remote execution does`, bits: c.runs });
  if (hop.stranger !== '')
    reasons.push({
      text: `then the target called ${hop.stranger}, which only the source had called before`,
      bits: c.sharedStranger,
    });
  reasons.sort((a, b) => b.bits - a.bits);
  return { bits: reasons.reduce((sum, r) => sum + r.bits, 0), reasons };
}
