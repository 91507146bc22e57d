import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { City } from '#city';
import { recordBatch, type SignallingMessage } from '#events';
import type { Coverage, Finding } from '#findings';
import { signalling } from './index.ts';

const city = new City(
  {
    city: 'Exampleville',
    signalling: {
      plmn: ['00101'],
      gtPrefixes: ['99970'],
      realms: ['epc.mnc001.mcc001.3gppnetwork.org'],
      apns: ['meters.city.example'],
      partners: [{ plmn: ['20810'], gtPrefixes: ['33689'], realms: ['epc.mnc010.mcc208.3gppnetwork.org'] }],
    },
    assets: [
      {
        id: 'meter-0042',
        role: 'smart-meter',
        imsi: '001010000000042',
        msisdn: '9997000042',
        apn: 'meters.city.example',
      },
    ],
  },
  '.',
);
const METER = '001010000000042';
const OWN = '001010000000777';
const FOREIGN = '88213000001';
const FOREIGN_REALM = 'epc.mnc099.mcc654.3gppnetwork.org';
const HOME_REALM = 'epc.mnc001.mcc001.3gppnetwork.org';
const PARTNER_REALM = 'epc.mnc010.mcc208.3gppnetwork.org';

let next = 0;
function ask(fields: Partial<SignallingMessage>): SignallingMessage {
  next += 1;
  return {
    kind: 'signalling',
    at: 1e12 + next * 60e6,
    origin: { file: 'a.pcap', placed: 'frame' },
    place: 10 * next,
    answerPlace: -1,
    answerAt: -1,
    protocol: 'map',
    operation: 71,
    name: 'anyTimeInterrogation',
    context: '',
    dialogue: String(next),
    calling: FOREIGN,
    called: '99970000001',
    callingSsn: 147,
    calledSsn: 6,
    originRealm: '',
    destinationRealm: '',
    visitedPlmn: '',
    routeRecords: [],
    imsi: METER,
    msisdn: '',
    servingNode: '',
    apn: '',
    outcome: 'pending',
    errorCode: -1,
    gaveLocation: false,
    gaveKeys: false,
    gaveIdentity: false,
    oddities: [],
    ...fields,
  };
}
const answer = (m: SignallingMessage, fields: Partial<SignallingMessage>): SignallingMessage => ({
  ...m,
  answerPlace: m.place + 1,
  answerAt: m.at + 1e6,
  outcome: 'success',
  ...fields,
});
const dia = (operation: number, realm: string, fields: Partial<SignallingMessage> = {}): SignallingMessage =>
  ask({
    protocol: 'diameter',
    operation,
    name: `command ${operation}`,
    calling: `mme.${realm}`,
    called: '',
    originRealm: realm,
    destinationRealm: HOME_REALM,
    ...fields,
  });

function run(
  messages: SignallingMessage[],
  of: City = city,
  evidenceAll = false,
): { found: Finding[]; covered: Coverage[] } {
  const claims = new Map<string, Finding>();
  const covered: Coverage[] = [];
  const d = signalling.create({
    city: of,
    evidenceAll,
    claim: (f) => void claims.set(f.id, f),
    cover: (c) => void covered.push(c),
  });
  for (const m of messages) d.observe(recordBatch([m]));
  d.advance(2e12);
  return { found: [...claims.values()], covered };
}
const asked = (m: SignallingMessage, fields: Partial<SignallingMessage> = {}): SignallingMessage[] => [
  m,
  answer(m, fields),
];

describe('signalling fires on', () => {
  it('a foreign network that asked where a meter is, and was told', () => {
    const { found } = run(asked(ask({}), { gaveLocation: true }));
    expect(found[0]).toMatchObject({
      title: 'The network at 88213000001 asked where meter-0042 is, and was told',
      severity: 'high',
      trustBits: 0,
      asset: { id: 'meter-0042', role: 'smart-meter' },
      techniques: ['T1430.002'],
      response: [
        {
          type: 'signalling-rule',
          record: 'block category=1 operation=anyTimeInterrogation calling-gt=88213000001 direction=inbound',
        },
      ],
    });
    expect(found[0]!.links).toContain('gt:88213000001');
    expect(JSON.stringify(found)).not.toContain(METER);
  });
  it('the same question refused, at low', () => {
    expect(
      run(asked(ask({}), { outcome: 'refused', errorCode: 49 })).found.map((f) => [f.severity, f.trustBits]),
    ).toEqual([['low', 0]]);
  });
  it('keys that were given, with some weight on trust', () => {
    const { found } = run(asked(dia(318, FOREIGN_REALM), { gaveKeys: true }));
    expect([found[0]!.family, found[0]!.severity, found[0]!.trustBits]).toEqual(['signalling-keys', 'high', 4]);
  });
  it('identity by temporary id: one finding, under the name the answer gave', () => {
    const m = ask({ operation: 55, name: 'sendIdentification', imsi: '', calledSsn: 7 });
    const { found } = run([m, answer(m, { imsi: OWN, gaveKeys: true, gaveIdentity: true })]);
    expect(found.length).toBe(1);
    expect(found[0]!.asset.imsi).toMatch(/^00101~/);
  });
  it('a location update that names a home node from a foreign address, even refused', () => {
    const ul = ask({ operation: 2, name: 'updateLocation', servingNode: '99970000009', calledSsn: 6 });
    expect(run(asked(ul, { outcome: 'refused', errorCode: 8 })).found[0]!.severity).toBe('medium');
    const accepted = run(asked(ul)).found[0]!;
    expect([accepted.severity, accepted.trustBits! >= 10]).toEqual(['critical', true]);
  });
  it('a meter that changes networks within an hour', () => {
    const other = {
      ...city.file,
      signalling: {
        ...city.file.signalling!,
        partners: [...city.file.signalling!.partners!, { gtPrefixes: ['447785'] }],
      },
    };
    const moves = [
      ...asked(ask({ operation: 2, calling: '33689001', servingNode: '33689001' })),
      ...asked(ask({ operation: 2, calling: '447785001', servingNode: '447785001' })),
    ];
    expect(run(moves, new City(other, '.')).found.map((f) => f.family)).toEqual(['signalling-registration']);
  });
  it.each([
    [3, 'map'],
    [8, 'map'],
    [317, 'diameter'],
    [320, 'diameter'],
    [322, 'diameter'],
  ] as const)('denial by operation %i (%s)', (operation, protocol) => {
    const m =
      protocol === 'map' ? ask({ operation }) : dia(operation, FOREIGN_REALM, operation === 322 ? { imsi: '' } : {});
    expect(run(asked(m)).found.map((f) => f.family)).toEqual(['signalling-denial']);
  });
  it('a purge from where the device is not registered', () => {
    const here = asked(dia(316, PARTNER_REALM));
    expect(run([...here, dia(321, FOREIGN_REALM)]).found.map((f) => f.family)).toEqual(['signalling-denial']);
  });
  it('a profile from outside, and one from home with a strange access point', () => {
    expect(run(asked(ask({ operation: 7, apn: 'internet.example' }))).found[0]!.severity).toBe('critical');
    expect(run(asked(ask({ operation: 7, calling: '99970000002', apn: 'internet.example' }))).found[0]!.family).toBe(
      'signalling-profile',
    );
  });
  it('a chain: identity, then location, weighs more than either', () => {
    const id = ask({ operation: 45, name: 'sendRoutingInfoForSM', imsi: '', msisdn: '9997000042' });
    const chain = run([
      ...asked(id, { gaveIdentity: true, imsi: METER }),
      ...asked(ask({ operation: 70 }), { gaveLocation: true }),
    ]).found;
    const alone = run(asked(ask({ operation: 70 }), { gaveLocation: true })).found;
    expect(chain.find((f) => f.reasons.some((r) => r.text.includes('identity')))!.bits).toBeGreaterThan(alone[0]!.bits);
  });
  it.each([
    ['host outside its realm', { calling: `mme.${FOREIGN_REALM}` }],
    ['visited network that is not the realm', { visitedPlmn: '65499' }],
    ['identities given twice', { oddities: ['DIAMETER_DUPLICATE_AVP'] }],
  ])('spoofing: %s', (_, fields) => {
    expect(run([dia(318, PARTNER_REALM, fields)]).found.map((f) => f.family)).toEqual(['signalling-spoofing']);
  });
  it('home origin over an outside hop', () => {
    expect(
      run([dia(319, HOME_REALM, { routeRecords: [`relay.${FOREIGN_REALM}`] })]).found.map((f) => f.family),
    ).toEqual(['signalling-spoofing']);
  });
});

describe('signalling is silent on', () => {
  it.each([
    ['the home network asking', ask({ calling: '99970000005' })],
    ['a partner asking for keys', dia(318, PARTNER_REALM)],
    ['a partner registering a roamer', dia(316, PARTNER_REALM, { visitedPlmn: '20810' })],
    ['a partner SMS centre', ask({ operation: 45, calling: '33689001' })],
    ['a foreign subscriber', ask({ imsi: '654990000000001' })],
    ['a profile from an inbound roamer’s home', dia(319, PARTNER_REALM, { imsi: '208100000000077' })],
    ['a purge where the registration is not known', ask({ operation: 67 })],
    [
      'legal but rare encodings from home',
      ask({ calling: '99970000005', oddities: ['TCAP_INDEFINITE', 'TCAP_LONG_LENGTH'] }),
    ],
    [
      'a profile with the usual access point',
      ask({ operation: 7, calling: '99970000002', apn: 'meters.city.example' }),
    ],
  ])('%s', (_, m) => {
    expect(run(asked(m as SignallingMessage)).found).toEqual([]);
  });
});

describe('signalling fires despite', () => {
  it('an odd form, with a finding of its own beside', () => {
    const families = run([ask({ oddities: ['MAP_EXTENDED_TAG'] })])
      .found.map((f) => f.family)
      .sort();
    expect(families).toEqual(['signalling-evasion', 'signalling-tracking']);
  });
  it('a forged home address that is routed by the subscriber number', () => {
    const m = ask({ calling: '99970000002', called: '9997000042', msisdn: '9997000042', imsi: '' });
    expect(run([m]).found.map((f) => f.severity)).toEqual(['low']);
  });
  it('bytes that can’t be decoded', () => {
    expect(
      run([ask({ operation: -1, name: 'undecodable', imsi: '', oddities: ['TCAP_ANSI'] })]).found.map((f) => f.family),
    ).toEqual(['signalling-evasion']);
  });
});

describe('without a signalling section in city.yaml', () => {
  const none = new City({}, '.');
  it('questions are counted in coverage, not judged', () => {
    const { found, covered } = run(asked(ask({}), { gaveLocation: true }), none);
    expect(found).toEqual([]);
    expect(covered[0]!.count).toBe(1);
  });
  it('what can’t be decoded, and a hidden category 1 question that was answered, are told', () => {
    expect(run([ask({ operation: -1, imsi: '' })], none).found.length).toBe(1);
    expect(
      run(asked(ask({ oddities: ['TCAP_GLOBAL_OPCODE'] }), { gaveLocation: true }), none)
        .found.map((f) => f.family)
        .sort(),
    ).toEqual(['signalling-evasion', 'signalling-tracking']);
  });
});

describe('state', () => {
  it('forgets the least at its capacity and says how much', () => {
    const d = signalling.create({ city, evidenceAll: false, claim: () => {}, cover: () => {} });
    for (let i = 0; i < 4500; i++) d.observe(recordBatch([ask({ imsi: `00101${String(i).padStart(10, '0')}` })]));
    expect(d.shed).toBe(4500 - 4096);
  });
  it('resumes from a snapshot with the same output', () => {
    const messages = [
      ...asked(dia(316, PARTNER_REALM)),
      dia(321, FOREIGN_REALM),
      ...asked(ask({}), { gaveLocation: true }),
      ask({ operation: 70 }),
    ];
    const whole = new Map<string, Finding>();
    const parts = new Map<string, Finding>();
    const a = signalling.create({ city, evidenceAll: false, claim: (f) => void whole.set(f.id, f), cover: () => {} });
    for (const m of messages) a.observe(recordBatch([m]));
    const context = { city, evidenceAll: false, claim: (f: Finding) => void parts.set(f.id, f), cover: () => {} };
    let b = signalling.create(context);
    for (const m of messages) {
      b.observe(recordBatch([m]));
      const state = JSON.parse(JSON.stringify(b.snapshot()));
      b = signalling.create(context);
      b.restore(state);
    }
    expect([...parts]).toEqual([...whole]);
    expect(() => b.restore({ version: 9 })).toThrow();
  });
  it('every place behind a finding is there when all evidence is asked for', () => {
    const messages = Array.from({ length: 20 }, () => asked(ask({}), { gaveLocation: true })).flat();
    expect(run(messages, city, true).found[0]!.evidence.length).toBe(40);
    expect(run(messages, city).found[0]!.evidence.length).toBeLessThanOrEqual(3);
  });
  it('for any message: no throw, confidence in 0..1, no raw identity of ours in the output', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(-1, 2, 3, 7, 8, 22, 23, 45, 55, 56, 67, 70, 71, 316, 317, 318, 319, 321, 322),
        fc.constantFrom(FOREIGN, '33689001', '99970000002', '', ':7'),
        fc.constantFrom('', FOREIGN_REALM, PARTNER_REALM, HOME_REALM),
        fc.constantFrom('success', 'refused', 'no-answer', 'pending'),
        fc.boolean(),
        (operation, calling, originRealm, outcome, gave) => {
          const m = ask({ operation, calling, originRealm, protocol: operation > 256 ? 'diameter' : 'map', imsi: OWN });
          for (const f of run([m, answer(m, { outcome, gaveLocation: gave, gaveKeys: gave })]).found) {
            expect(f.confidence).toBeGreaterThanOrEqual(0);
            expect(f.confidence).toBeLessThanOrEqual(1);
            expect(JSON.stringify(f)).not.toContain(OWN);
          }
        },
      ),
    );
  });
});
