// A small city for the console's tests: a made-up grid of the size of the 118-bus system, a story over four planes and
// one held command. It follows the rules of a real source (two different people, not the requester).
import type { Action, Coverage, Finding, Incident, TrustRecord, Verdict } from '#findings';
import { seededRandom } from '#lib/random';
import { layoutGrid } from './layout.ts';
import type { ConsoleEvent, ConsoleSource, Decision, GridView, HeldCommand, Snapshot } from './source.ts';

/** 2026-03-12T14:05:12Z in microseconds. */
export const START = Date.UTC(2026, 2, 12, 14, 5, 12) * 1000;
const MINUTE = 60e6;
const BUSES = 118;
const BRANCHES = 186;

/** Buses strewn over a plane; a spanning tree of nearest neighbours, then the shortest lines that close a mesh. */
export function topology(seed: number): { buses: number[]; branches: { from: number; to: number }[] } {
  const random = seededRandom(seed);
  const points = Array.from({ length: BUSES }, () => ({ x: random.uniform() * 1.7, y: random.uniform() }));
  const pairs: { a: number; b: number; d: number }[] = [];
  for (let a = 0; a < BUSES; a++)
    for (let b = a + 1; b < BUSES; b++)
      pairs.push({ a, b, d: Math.hypot(points[a]!.x - points[b]!.x, points[a]!.y - points[b]!.y) });
  pairs.sort((p, q) => p.d - q.d);
  const group = points.map((_, i) => i);
  const find = (i: number): number => (group[i] === i ? i : (group[i] = find(group[i]!)));
  const tree = pairs.filter(({ a, b }) => {
    const [ga, gb] = [find(a), find(b)];
    group[ga] = gb;
    return ga !== gb;
  });
  // Gabriel's rule: no third bus stands within the circle over the line. It keeps meshes and leaves out cliques.
  const open = ({ a, b, d }: { a: number; b: number; d: number }): boolean => {
    const [mx, my] = [(points[a]!.x + points[b]!.x) / 2, (points[a]!.y + points[b]!.y) / 2];
    return points.every((p, i) => i === a || i === b || Math.hypot(p.x - mx, p.y - my) >= d / 2);
  };
  const rest = pairs.filter((p) => !tree.includes(p) && open(p)).slice(0, BRANCHES - tree.length);
  const branches = [...tree, ...rest].sort((p, q) => p.a - q.a || p.b - q.b);
  return {
    buses: points.map((_, i) => i + 1),
    branches: branches.map(({ a, b }) => ({ from: a + 1, to: b + 1 })),
  };
}

export function gridViews(): { now: GridView; after: GridView; row: number } {
  const { buses, branches } = topology(7);
  const random = seededRandom(11);
  const places = layoutGrid(buses, branches);
  const doubted = new Set([31, 32, 33]);
  const now: GridView = {
    label: 'Now (estimated)',
    at: START,
    buses: buses.map((id) => {
      const { x, y } = places.get(id)!;
      return {
        id,
        x,
        y,
        vm: 0.96 + random.uniform() * 0.08,
        loadShare: random.uniform() ** 2 * 0.03,
        trust: doubted.has(id) ? 0.04 : 0.98,
      };
    }),
    branches: branches.map((b, i) => ({
      row: i + 1,
      ...b,
      loading: 0.15 + random.uniform() ** 1.5 * 0.75,
      open: i === 20,
    })),
    loadLostShare: 0,
  };
  const x = (bus: number): number => places.get(bus)!.x;
  const row = now.branches.find((b) => x(b.from) > 560 && x(b.to) > 560 && x(b.from) < 640)!.row;
  const dark = (bus: number): boolean => x(bus) > 760;
  const after: GridView = {
    label: `If line ${row} had been opened`,
    buses: now.buses.map((b) => (dark(b.id) ? { ...b, vm: 0, dark: true } : b)),
    branches: now.branches.map((b) => {
      if (b.row === row) return { ...b, loading: 0, open: true };
      const far = dark(b.from) || dark(b.to);
      if (far && !(dark(b.from) && dark(b.to))) return { ...b, loading: 0, open: true, tripped: true };
      if (dark(b.from)) return { ...b, loading: 0 };
      const near = x(b.from) > 640 && x(b.to) > 640;
      return near ? { ...b, loading: b.loading + 0.55, overloadedAfter: b.loading + 0.55 > 1 } : b;
    }),
    loadLostShare: 0.236,
  };
  return { now, after, row };
}

const plain = { techniques: [], response: [], count: 1, bits: 12, family: 'f' } as const;

export const findings: readonly Finding[] = [
  {
    ...plain,
    kind: 'finding',
    id: 'f-sig',
    plane: 'signalling',
    detector: 'roaming',
    severity: 'high',
    confidence: 0.97,
    title: 'A foreign network moved three meters to itself although they stand still',
    asset: { id: 'meter-0031', role: 'smart-meter' },
    subject: { type: 'gt', value: '44770900001' },
    firstAt: START - 41 * MINUTE,
    at: START - 41 * MINUTE,
    lastAt: START - 40 * MINUTE,
    techniques: ['T1557'],
    count: 6,
    reasons: [
      { text: 'update location from a partner that has no roaming agreement for meters', bits: 8.2 },
      { text: 'last seen 2,100 km away eleven minutes before', bits: 4.1 },
    ],
    evidence: [
      { file: 'signalling.pcap', frame: 1204 },
      { file: 'signalling.pcap', frame: 1206 },
      { file: 'signalling.pcap', frame: 1219 },
    ],
    response: [
      { type: 'signalling-rule', record: 'refuse map.updateLocation from gt 44770900001 for apn meters.city.example' },
    ],
  },
  {
    ...plain,
    kind: 'finding',
    id: 'f-dns',
    plane: 'dns',
    detector: 'dns-tunnel',
    severity: 'high',
    confidence: 0.995,
    title: 'Gateway gw-07 sends data out inside DNS questions',
    tool: 'iodine',
    leakedBytes: 18432,
    leakedBytesAtAlert: 612,
    asset: { id: 'gw-07', ip: '10.20.0.7', role: 'gateway' },
    subject: { type: 'domain', value: 't.updates.example' },
    firstAt: START - 28 * MINUTE,
    at: START - 27 * MINUTE,
    lastAt: START - 4 * MINUTE,
    techniques: ['T1071.004', 'T1048'],
    count: 1873,
    reasons: [
      { text: '214 different names below one domain in one minute, none asked twice', bits: 9.4 },
      { text: 'names carry 4.7 bits a character', bits: 5.2 },
      { text: 'answers are of type NULL, which nothing else here asks for', bits: 4.4 },
      { text: 'the client asks no other name of that domain', bits: 1.1 },
    ],
    evidence: [
      { file: 'network.pcap', frame: 20411 },
      { file: 'network.pcap', frame: 20655 },
      { file: 'network.pcap', frame: 88120 },
    ],
    response: [
      { type: 'rpz', record: 't.updates.example CNAME .' },
      { type: 'rpz', record: '*.t.updates.example CNAME .' },
    ],
  },
  {
    ...plain,
    kind: 'finding',
    id: 'f-flow',
    plane: 'flow',
    detector: 'beacon',
    severity: 'medium',
    confidence: 0.88,
    title: 'Gateway gw-07 calls the same outside address every 30 seconds',
    asset: { id: 'gw-07', ip: '10.20.0.7', role: 'gateway' },
    subject: { type: 'ip', value: '203.0.113.24' },
    firstAt: START - 33 * MINUTE,
    at: START - 21 * MINUTE,
    lastAt: START - 2 * MINUTE,
    techniques: ['T1071'],
    count: 62,
    reasons: [{ text: 'intervals differ by less than 2 %', bits: 6.0 }],
    evidence: [{ file: 'network.pcap', frame: 19002, flow: '10.20.0.7:49211 > 203.0.113.24:443' }],
  },
  {
    ...plain,
    kind: 'finding',
    id: 'f-pow',
    plane: 'power',
    detector: 'power-residual',
    severity: 'critical',
    confidence: 0.93,
    title: 'Load readings at buses 31, 32 and 33 do not fit the flows around them',
    asset: { id: 'meter-0031', role: 'smart-meter' },
    subject: { type: 'reading', value: 'power/load/31/p' },
    firstAt: START - 9 * MINUTE,
    at: START - 7 * MINUTE,
    lastAt: START - 1 * MINUTE,
    techniques: ['T0832'],
    count: 18,
    reasons: [{ text: 'reported 41 MW less than physics allows, 9 standard deviations', bits: 10.3 }],
    evidence: [
      { file: 'readings.ndjson', line: 48211 },
      { file: 'readings.ndjson', line: 48329 },
    ],
  },
  {
    ...plain,
    kind: 'finding',
    id: 'f-scan',
    plane: 'flow',
    detector: 'scan',
    severity: 'low',
    confidence: 0.61,
    title: 'Office printer asked 14 neighbours for a port it never used',
    asset: { ip: '10.40.3.9', role: 'printer' },
    subject: { type: 'ip', value: '10.40.3.9' },
    firstAt: START - 80 * MINUTE,
    at: START - 79 * MINUTE,
    lastAt: START - 79 * MINUTE,
    reasons: [{ text: 'first time in 30 days', bits: 3.1 }],
    evidence: [{ file: 'network.pcap', frame: 811 }],
  },
];

export const incident: Incident = {
  kind: 'incident',
  id: 'i-1',
  severity: 'critical',
  confidence: 0.985,
  title: 'Hijacked meters feed false load while a command would cut off the east of the city',
  assets: [{ id: 'meter-0031' }, { id: 'meter-0032' }, { id: 'meter-0033' }, { id: 'gw-07' }],
  planes: ['signalling', 'flow', 'dns', 'power'],
  findings: ['f-sig', 'f-flow', 'f-dns', 'f-pow'],
  firstAt: START - 41 * MINUTE,
  lastAt: START - 1 * MINUTE,
  techniques: ['T1557', 'T1071.004', 'T0832'],
  story: [
    {
      at: START - 41 * MINUTE,
      text: 'A foreign network takes over the connections of three meters.',
      finding: 'f-sig',
    },
    { at: START - 33 * MINUTE, text: 'Gateway gw-07 begins to call an outside address.', finding: 'f-flow' },
    { at: START - 28 * MINUTE, text: 'It sends data out inside DNS questions.', finding: 'f-dns' },
    {
      at: START - 9 * MINUTE,
      text: 'The meters report 41 MW less load than the flows around them allow.',
      finding: 'f-pow',
    },
  ],
  response: [
    { type: 'rpz', record: 't.updates.example CNAME .' },
    { type: 'rpz', record: '*.t.updates.example CNAME .' },
    { type: 'nft', record: 'add element inet parapet hostile { 203.0.113.24 timeout 4h }' },
  ],
};

export const trust: readonly TrustRecord[] = [
  { kind: 'trust', asset: 'meter-0031', at: START - 7 * MINUTE, trust: 0.004, because: ['f-pow', 'f-sig'] },
  { kind: 'trust', asset: 'meter-0032', at: START - 7 * MINUTE, trust: 0.03, because: ['f-sig'] },
  { kind: 'trust', asset: 'meter-0033', at: START - 7 * MINUTE, trust: 0.03, because: ['f-sig'] },
  { kind: 'trust', asset: 'gw-07', at: START - 21 * MINUTE, trust: 0.11, because: ['f-dns', 'f-flow'] },
  { kind: 'trust', asset: 'printer-3-9', at: START - 79 * MINUTE, trust: 0.86, because: ['f-scan'] },
];

export function heldCommand(id = 'cmd-204'): HeldCommand {
  const { now, after, row } = gridViews();
  const verdict: Verdict = {
    kind: 'verdict',
    id: `v-${id}`,
    at: START,
    command: id,
    decision: 'hold',
    decidedInMicros: 4120,
    loadLostShare: 0.236,
    reasons: [
      `On the estimated grid, opening line ${row} overloads its neighbours; they trip, and the east goes dark.`,
      'The readings that make it look safe come from meters that are not trusted; without them it is not safe.',
    ],
    leansOn: ['meter-0031', 'meter-0032', 'meter-0033'],
    harm: ['Lines past their limit at once, then a cascade', 'Buses in the east lose supply'],
  };
  return {
    id,
    verdict,
    approvals: [],
    needed: 2,
    expiresAt: START + 15 * MINUTE,
    digest: 'sha256:9f2c',
    unanswered: 'it is refused',
    command: {
      target: `power/branch/${row}`,
      action: 'open',
      requester: 'ops-twin',
      reason: 'relieve line after low load',
      at: START,
    },
    before: now,
    after,
  };
}

export const resolvers = ['unbound-east', 'bind-west'] as const;

/** One of each state. */
export const actions: readonly Action[] = [
  {
    kind: 'action',
    id: 'a-new',
    at: START - 26 * MINUTE,
    enforcer: 'rpz',
    state: 'proposed',
    records: findings[1]!.response,
    subject: 't.updates.example',
    because: ['f-dns'],
    by: 'parapet',
    text: 'Waits for someone to enforce it.',
    proofs: [],
  },
  {
    kind: 'action',
    id: 'a-on',
    at: START - 20 * MINUTE,
    enforcer: 'rpz',
    state: 'enforced',
    records: [{ type: 'rpz', record: '32.7.0.20.10.rpz-client-ip CNAME *.' }],
    subject: 'gw-07',
    client: '10.20.0.7',
    until: START + 222 * MINUTE,
    because: ['f-flow', 'f-dns'],
    by: 'J. Lindqvist',
    text: 'In force; one resolver has not taken it over yet.',
    proofs: [
      { consumer: 'unbound-east', at: START - 19 * MINUTE, enforced: true, text: 'asked for the canary, got NXDOMAIN' },
      { consumer: 'bind-west', at: START - 19 * MINUTE, enforced: false, text: 'asked for the canary, got an answer' },
    ],
  },
  {
    kind: 'action',
    id: 'a-over',
    at: START - 70 * MINUTE,
    enforcer: 'rpz',
    state: 'undone',
    records: [{ type: 'rpz', record: 'cdn.example CNAME .' }],
    subject: 'cdn.example',
    because: ['f-scan'],
    by: 'M. Tanaka',
    text: 'Undone: the name belongs to a printer maker.',
    proofs: [
      { consumer: 'unbound-east', at: START - 69 * MINUTE, enforced: false, text: 'cdn.example has an answer again' },
    ],
  },
  {
    kind: 'action',
    id: 'a-no',
    at: START - 75 * MINUTE,
    enforcer: 'rpz',
    state: 'refused',
    records: [{ type: 'rpz', record: 'exampleville.example CNAME .' }],
    subject: 'exampleville.example',
    because: ['f-scan'],
    by: 'parapet',
    text: 'Never refused: the city protects exampleville.example.',
    proofs: [],
  },
];

export const unseen: readonly Coverage[] = [
  {
    kind: 'coverage',
    plane: 'dns',
    what: 'dns-encrypted',
    count: 1204,
    text: 'DNS in TLS to 1.1.1.1 from 14 clients: names not seen',
  },
  {
    kind: 'coverage',
    plane: 'dns',
    what: 'dns-one-way',
    count: 37,
    text: 'questions without answers: the sensor sees one direction',
  },
  { kind: 'coverage', plane: 'flow', what: 'flow-sampled', count: 9, text: 'flows sampled 1 in 64' },
];

export class TestSource implements ConsoleSource {
  readonly #listeners = new Set<(event: ConsoleEvent) => void>();
  readonly holds = new Map<string, HeldCommand>();
  /** Commands that ran. */
  readonly executed: string[] = [];
  state: Snapshot;
  readonly acted = new Map<string, Action>();
  /** What people had done: `enforce a-new A. Okafor`. */
  readonly responded: string[] = [];
  gaps: readonly Coverage[] = [];

  constructor(state: Partial<Snapshot> = {}) {
    this.state = {
      city: 'Exampleville',
      progress: {
        phase: 'quiet',
        at: START - 60 * MINUTE,
        speed: 60,
        text: 'A quiet day: all readings fit each other.',
      },
      incidents: [],
      findings: [],
      trust: [],
      holds: [],
      verdicts: [],
      people: ['A. Okafor', 'J. Lindqvist', 'M. Tanaka'],
      ...state,
    };
    for (const hold of this.state.holds) this.holds.set(hold.id, hold);
  }

  static underAttack(): TestSource {
    const source = new TestSource({
      progress: {
        phase: 'attack',
        at: START,
        speed: 60,
        text: 'Meters in the east are hijacked; a command that would darken the east is held.',
      },
      incidents: [incident],
      findings,
      trust,
      holds: [heldCommand()],
      grid: gridViews().now,
      verdicts: [
        {
          ...heldCommand().verdict,
          id: 'v-1',
          command: 'cmd-198',
          decision: 'pass',
          at: START - 12 * MINUTE,
          reasons: ['No line passes its limit, with any one line out.'],
        },
      ],
    });
    for (const action of actions) source.acted.set(action.id, action);
    source.gaps = unseen;
    return source;
  }

  snapshot(): Snapshot {
    return { ...this.state, holds: [...this.holds.values()] };
  }
  subscribe(listener: (event: ConsoleEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
  send(event: ConsoleEvent): void {
    if (event.type === 'hold') this.holds.set(event.data.id, event.data);
    if (event.type === 'action') this.acted.set(event.data.id, event.data);
    for (const listener of this.#listeners) listener(event);
  }

  actions(): readonly Action[] {
    return [...this.acted.values()];
  }
  consumers(): readonly string[] {
    return resolvers;
  }
  unseen(): readonly Coverage[] {
    return this.gaps;
  }

  async respond(id: string, answer: 'enforce' | 'undo', by: string): Promise<string> {
    const action = this.acted.get(id)!;
    if (by === 'Nobody') throw new Error('Nobody may not do that.');
    this.responded.push(`${answer} ${id} ${by}`);
    const { until: _, ...bare } = action;
    const proofs = resolvers.map((consumer) => ({
      consumer,
      at: START,
      enforced: answer === 'enforce',
      text: 'asked',
    }));
    const text = `${answer} by ${by}`;
    const next: Action =
      answer === 'enforce'
        ? { ...bare, at: START, until: START + 240 * MINUTE, state: 'enforced', by, proofs, text }
        : { ...action, at: START, state: 'undone', by, proofs, text };
    this.send({ type: 'action', data: next });
    return answer === 'enforce' ? `In force in ${resolvers.join(', ')}.` : `Undone in ${resolvers.join(', ')}.`;
  }

  release(id: string, person: string, digest?: string): Decision {
    const hold = this.holds.get(id)!;
    if (digest !== undefined && digest !== hold.digest)
      return { accepted: false, text: 'The command is not the one that was agreed to.' };
    if (person === hold.command.requester)
      return { accepted: false, text: 'Whoever asked for a command can not release it.' };
    const approvals = [...hold.approvals, person];
    if (approvals.length < hold.needed) {
      this.send({ type: 'hold', data: { ...hold, approvals } });
      return { accepted: true, text: `${person} has agreed. One more person is needed.` };
    }
    const text = `Released by ${approvals.join(' and ')}; it has run.`;
    this.executed.push(id);
    this.send({
      type: 'hold',
      data: { ...hold, approvals, outcome: { what: 'released', by: approvals, at: START + MINUTE, text } },
    });
    return { accepted: true, text };
  }

  refuse(id: string, person: string): Decision {
    const hold = this.holds.get(id)!;
    const text = `Refused by ${person}.`;
    this.send({
      type: 'hold',
      data: { ...hold, outcome: { what: 'refused', by: [person], at: START + MINUTE, text } },
    });
    return { accepted: true, text };
  }
}
