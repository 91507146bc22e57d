import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { digestOf, parseCommand, parseReadings } from './command.ts';
import { type CommandFacts, CommandWindow, judgeCommand, Nonces, type TwinAnswer } from './interlock.ts';
import { parseStrict } from './json.ts';

const at = 1_760_000_000_000_000;
const command = {
  kind: 'command' as const,
  id: 'c1',
  at,
  requester: 'op',
  target: 'power/branch/9',
  action: 'open',
  value: undefined,
  deadline: 0,
  reason: '',
  nonce: 'nonce-0001',
  origin: { file: 'gateway', placed: 'line' as const },
  place: 0,
};
const passing: TwinAnswer = { kind: 'answer', verdict: { decision: 'pass', reasons: [], leansOn: [], harm: [] } };
const facts: CommandFacts = {
  command,
  digest: digestOf(command),
  identity: { id: 'spiffe://city/operator/op', name: 'op', revoked: false },
  topic: 'cmd/power/branch/9',
  denied: '',
  declared: 'routine',
  retain: false,
  at,
  ageMicrosMax: 300e6,
  skewMicrosMax: 60e6,
  nonce: 'fresh',
  tooMany: '',
  auditWritable: true,
  brokerUp: true,
  twin: passing,
  decidedInMicros: 5,
};

describe('the interlock', () => {
  it('passes a command that nothing stands against, with a reason', () => {
    expect(judgeCommand(facts)).toMatchObject({ decision: 'pass', reasons: ['Identity, policy and physics agree.'] });
  });

  it.each<[string, Partial<CommandFacts>, string]>([
    ['another requester', { command: { ...command, requester: 'bo' } }, 'refuse'],
    ['a revoked identity', { identity: { ...facts.identity, revoked: true } }, 'refuse'],
    ['a denied topic', { denied: 'no rule' }, 'refuse'],
    ['an undeclared class', { declared: 'no' }, 'refuse'],
    ['a target other than the topic', { topic: 'cmd/power/branch/8' }, 'refuse'],
    ['retain', { retain: true }, 'refuse'],
    ['a replayed nonce', { nonce: 'seen' }, 'refuse'],
    ['a passed deadline', { command: { ...command, deadline: at } }, 'refuse'],
    ['an old command', { at: at + 301e6 }, 'refuse'],
    ['a future command', { at: at - 61e6 }, 'refuse'],
    ['unknowable nonces', { nonce: 'unknowable' }, 'hold'],
    ['an unwritable audit', { auditWritable: false }, 'hold'],
    ['a broker that is away', { brokerUp: false }, 'hold'],
    ['too many commands', { tooMany: 'ten passed.' }, 'hold'],
    ['physics not asked', { twin: undefined }, 'hold'],
    ['physics late', { twin: { kind: 'late', waitedMicros: 1e6 } }, 'hold'],
    ['physics broken', { twin: { kind: 'error', text: 'no route' } }, 'hold'],
    ['physics unreadable', { twin: { kind: 'answer', verdict: { decision: 'PASS' } as never } }, 'hold'],
    [
      'physics that passes with harm',
      { twin: { kind: 'answer', verdict: { decision: 'pass', reasons: [], leansOn: [], harm: ['overload'] } } },
      'hold',
    ],
    [
      'a pass on untrusted data',
      { twin: { kind: 'answer', verdict: { decision: 'pass', reasons: [], leansOn: ['meter-1'], harm: [] } } },
      'hold',
    ],
    [
      'physics that refuses',
      { twin: { kind: 'answer', verdict: { decision: 'refuse', reasons: ['island'], leansOn: [], harm: [] } } },
      'refuse',
    ],
  ])('never passes %s, and says why', (_, change, decision) => {
    const v = judgeCommand({ ...facts, ...change });
    expect(v.decision).toBe(decision);
    expect(v.reasons.length).toBeGreaterThan(0);
    expect(v.reasons[0]).not.toBe('');
  });

  it('lets an emergency class pass without physics and audit, never without identity, policy and freshness', () => {
    const emergency = { ...facts, declared: 'emergency' as const, twin: undefined, auditWritable: false, tooMany: 'x' };
    expect(judgeCommand(emergency).decision).toBe('pass');
    expect(judgeCommand({ ...emergency, nonce: 'seen' }).decision).toBe('refuse');
    expect(judgeCommand({ ...emergency, denied: 'no' }).decision).toBe('refuse');
    expect(judgeCommand({ ...emergency, brokerUp: false }).decision).toBe('hold');
  });

  it('keeps a held command held when anything else speaks against it too', () => {
    const bad = fc.record(
      {
        denied: fc.constantFrom('', 'no rule'),
        nonce: fc.constantFrom('fresh' as const, 'seen' as const, 'unknowable' as const),
        tooMany: fc.constantFrom('', 'many'),
        auditWritable: fc.boolean(),
        brokerUp: fc.boolean(),
        retain: fc.boolean(),
      },
      { requiredKeys: [] },
    );
    const hold: TwinAnswer = { kind: 'late', waitedMicros: 1 };
    fc.assert(
      fc.property(bad, (b) => {
        expect(judgeCommand({ ...facts, twin: hold, ...b }).decision).not.toBe('pass');
      }),
    );
  });

  it('remembers nonces as long as a command may be old, and a clock set back makes none new', () => {
    const nonces = new Nonces(10e6, 3);
    nonces.remember('a', 'n', 100e6);
    expect(nonces.check('a', 'n', 109e6)).toBe('seen');
    expect(nonces.check('b', 'n', 109e6)).toBe('fresh');
    expect(nonces.check('a', 'n', 1e6)).toBe('seen');
    nonces.remember('a', 'm', 109e6);
    nonces.remember('a', 'o', 109e6);
    expect(nonces.check('a', 'p', 109e6)).toBe('unknowable');
    expect(nonces.check('a', 'n', 111e6)).toBe('fresh');
  });

  it('counts many harmless commands of one requester, of all, and to one target', () => {
    const w = new CommandWindow({ most: 3, mostTotal: 5, mostPerTarget: 2, withinMs: 60_000 });
    for (let i = 0; i < 3; i++) w.passed('a', `t${i}`, at);
    expect(w.tooMany('a', 't9', at)).toContain('of this requester');
    expect(w.tooMany('b', 't9', at)).toBe('');
    w.passed('b', 't0', at);
    expect(w.tooMany('b', 't0', at)).toContain('to t0');
    w.passed('c', 't5', at);
    expect(w.tooMany('d', 't9', at)).toContain('from all requesters');
    expect(w.tooMany('a', 't9', at + 61e6)).toBe('');
  });
});

describe('payloads', () => {
  const text = (o: object): Buffer => Buffer.from(JSON.stringify(o));
  const good = { id: 'c1', at, requester: 'op', target: 'power/branch/9', action: 'open', nonce: 'nonce-0001' };
  it('become a command only where every field is in its form', () => {
    expect(parseCommand(text(good))).toMatchObject({ id: 'c1', target: 'power/branch/9' });
    for (const bad of [
      { ...good, id: 'a/b' },
      { ...good, at: 'soon' },
      { ...good, target: 'power/../x' },
      { ...good, target: 'power/+' },
      { ...good, action: 'OPEN' },
      { ...good, nonce: 'short' },
      { ...good, nonce: undefined },
      { ...good, value: [1] },
      { ...good, extra: 1 },
      { ...good, kind: 'reading' },
      [good],
    ])
      expect(parseCommand(text(bad)), JSON.stringify(bad)).toHaveProperty('fault');
  });
  it('are refused where two readers could read two things', () => {
    for (const bad of [
      '{"a":1,"a":2}',
      '{"a":1,"\\u0061":2}',
      '{"a":[[[[[[[[1]]]]]]]]}',
      '{"a":1} x',
      '\ufeff{}',
      '{"a":NaN}',
    ])
      expect(parseStrict(Buffer.from(bad)), bad).toHaveProperty('fault');
    expect(parseStrict(Buffer.from('{"a":{"a":"\\"a\\":{"},"b":[{"a":1},{"a":2}]}'))).toHaveProperty('value');
    expect(parseStrict(Buffer.from([0x22, 0xff, 0x22]))).toHaveProperty('fault');
  });
  it('become readings with finite values only', () => {
    const r = { at, asset: 'm', quantity: 'power/load/1/p', value: 2 };
    expect(parseReadings(text([r, r]))).toHaveLength(2);
    expect(parseReadings(Buffer.from('{"at":1,"asset":"m","quantity":"q","value":1e999}'))).toHaveProperty('fault');
  });
});
