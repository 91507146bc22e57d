// For the tests of the exchange formats: claims of every kind, from sensible to hostile.
import fc from 'fast-check';
import { type Action, type Finding, type Incident, severities, stixBundle } from '#findings';

const text = fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom('', 'a.example', "it's", '%_.example', '\u0000'));
const time = fc.oneof(fc.integer({ min: 0, max: 4e15 }), fc.constantFrom(0, -1, 9e15, Number.NaN, 9e17));
const number = fc.oneof(fc.double(), fc.integer());
const ip = fc.oneof(fc.ipV4(), fc.ipV6(), fc.constantFrom('fe80::1%eth0', '::ffff:192.0.2.1', 'not an address', ''));
export const some = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T[]> => fc.array(value, { maxLength: 3 });
const asset = fc.record(
  { id: text, ip, mac: fc.oneof(text, fc.constant('02:00:00:00:00:0A')), imsi: text, host: text, role: text },
  { requiredKeys: [] },
);
const response = some(
  fc.record({ type: fc.constantFrom('rpz', 'nft', 'policy', 'signalling-rule', 'hold', 'trust'), record: text }),
);
const techniques = some(fc.oneof(fc.constantFrom('T1071.004', 'T1572', 'T0832', 'T9999.001'), text));
const planes = ['dns', 'flow', 'signalling', 'power', 'water', 'transport', 'gateway'] as const;
const subjects = ['domain', 'ip', 'gt', 'realm', 'asset', 'command', 'reading', 'zone', 'service'] as const;

export const anyFinding = fc.record(
  {
    kind: fc.constant('finding' as const),
    id: text,
    plane: fc.constantFrom(...planes),
    detector: text,
    family: text,
    title: text,
    severity: fc.constantFrom(...severities),
    confidence: number,
    bits: number,
    trustBits: number,
    asset,
    subject: fc.record({ type: fc.constantFrom(...subjects), value: fc.oneof(text, ip, fc.domain()) }),
    firstAt: time,
    at: time,
    lastAt: time,
    tool: text,
    leakedBytes: number,
    leakedBytesAtAlert: number,
    techniques,
    reasons: some(fc.record({ text, bits: number })),
    evidence: some(
      fc.record({ file: text, frame: number, line: number, offset: number, flow: text }, { requiredKeys: ['file'] }),
    ),
    count: number,
    response,
    links: some(text),
  },
  { noNullPrototype: true },
) as fc.Arbitrary<Finding>;
export const anyIncident = fc.record({
  kind: fc.constant('incident' as const),
  id: text,
  title: text,
  severity: fc.constantFrom(...severities),
  confidence: number,
  assets: some(asset),
  planes: some(fc.constantFrom(...planes)),
  findings: some(text),
  firstAt: time,
  lastAt: time,
  story: some(fc.record({ at: time, text, finding: text })),
  techniques,
  response,
}) as fc.Arbitrary<Incident>;
export const anyAction = fc.record({
  kind: fc.constant('action' as const),
  id: text,
  at: time,
  enforcer: text,
  state: fc.constantFrom('proposed', 'enforced', 'undone', 'expired', 'refused'),
  records: response,
  subject: text,
  client: ip,
  until: time,
  because: some(text),
  by: text,
  text,
  proofs: some(fc.record({ consumer: text, at: time, enforced: fc.boolean(), text })),
}) as fc.Arbitrary<Action>;

export const tunnel: Finding = {
  kind: 'finding',
  id: 'f00d',
  plane: 'dns',
  detector: 'dns-tunnel',
  family: 'dns-tunnel',
  title: 'meter-1 moves data through DNS under t.exfil.example (iodine)',
  severity: 'high',
  confidence: 0.97,
  bits: 21.5,
  asset: { id: 'meter-1', ip: '10.20.0.1', role: 'smart-meter' },
  subject: { type: 'domain', value: 't.exfil.example' },
  firstAt: 1_700_000_000_000_001,
  at: 1_700_000_003_500_000,
  lastAt: 1_700_000_009_000_000,
  tool: 'iodine',
  leakedBytes: 4096,
  leakedBytesAtAlert: 512,
  techniques: ['T1071.004', 'T1572'],
  reasons: [{ text: 'Names carry data.', bits: 12 }],
  evidence: [{ file: 'day/one.pcap', frame: 7 }],
  count: 90,
  response: [{ type: 'rpz', record: 't.exfil.example CNAME .' }],
  links: ['domain:exfil.example'],
};
export const incident: Incident = {
  kind: 'incident',
  id: 'i1',
  title: 'Data leaves meter-1',
  severity: 'high',
  confidence: 0.97,
  assets: [tunnel.asset],
  planes: ['dns'],
  findings: ['f00d'],
  firstAt: tunnel.firstAt,
  lastAt: tunnel.lastAt,
  story: [{ at: tunnel.at, text: 'A tunnel begins.', finding: 'f00d' }],
  techniques: ['T1071.004'],
  response: tunnel.response,
};
export const action: Action = {
  kind: 'action',
  id: 'a1',
  at: 1_700_000_004_000_000,
  enforcer: 'rpz',
  state: 'enforced',
  records: tunnel.response,
  subject: 't.exfil.example',
  until: 1_700_014_404_000_000,
  because: ['f00d'],
  by: 'Ada Example',
  text: 'Refused in both resolvers.',
  proofs: [{ consumer: 'unbound', at: 1_700_000_005_000_000, enforced: true, text: 'NXDOMAIN for t.exfil.example' }],
};

export type Objects = { objects: Record<string, unknown>[] };
export const objects = (input: Parameters<typeof stixBundle>[0]): Objects['objects'] =>
  (stixBundle(input) as Objects).objects;
export const ofType = (all: Objects['objects'], type: string): Objects['objects'] => all.filter((o) => o.type === type);
export const whole = { findings: [tunnel], incidents: [incident], actions: [action], at: tunnel.lastAt };
