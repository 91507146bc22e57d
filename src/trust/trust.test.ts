import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Finding } from '#findings';
import { Trust } from '#trust';

const day = 86_400e6;

function finding(asset: string, family: string, bits: number, at: number, extra: Partial<Finding> = {}): Finding {
  return {
    kind: 'finding',
    id: `${asset}-${family}-${bits}`,
    plane: 'dns',
    detector: 'x',
    family,
    title: 'x',
    severity: 'high',
    confidence: 0.9,
    bits,
    asset: { id: asset },
    subject: { type: 'asset', value: asset },
    firstAt: at,
    at,
    lastAt: at,
    techniques: [],
    reasons: [],
    evidence: [],
    count: 1,
    response: [],
    ...extra,
  };
}

describe('trust', () => {
  it('without evidence a device is trusted, nearly', () => {
    expect(new Trust().trustOf('meter', 0)).toBeCloseTo(0.999, 3);
  });

  it('families add, one family speaks with its strongest', () => {
    const trust = new Trust();
    trust.learn(finding('m', 'dns', 8, 0));
    const one = trust.trustOf('m', 0);
    trust.learn(finding('m', 'dns', 7, 0));
    expect(trust.trustOf('m', 0)).toBe(one);
    trust.learn(finding('m', 'relay', 8, 0));
    expect(trust.trustOf('m', 0)).toBeCloseTo(1 / (1 + 2 ** 6), 6);
  });

  it('a tracked subscriber keeps the trust of its readings (trustBits 0)', () => {
    const trust = new Trust();
    expect(trust.learn(finding('m', 'signalling', 20, 0, { trustBits: 0 }))).toBe(false);
    expect(trust.trustOf('m', 0)).toBeGreaterThan(0.99);
  });

  it('time heals by half a week at a time, repair at once', () => {
    const trust = new Trust();
    trust.learn(finding('m', 'dns', 20, 0));
    expect(trust.trustOf('m', 0)).toBeLessThan(0.01);
    expect(trust.trustOf('m', 7 * day)).toBeCloseTo(0.5, 2);
    trust.repaired('m', 1);
    expect(trust.trustOf('m', 1)).toBeGreaterThan(0.99);
  });

  it('more suspicion never raises trust, in any order of findings', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.constantFrom('a', 'b', 'c'), fc.double({ min: 0.1, max: 30, noNaN: true })), {
          minLength: 1,
          maxLength: 12,
        }),
        (list) => {
          const trust = new Trust();
          let before = trust.trustOf('m', 0);
          for (const [family, bits] of list) {
            trust.learn(finding('m', family, bits, 0));
            const after = trust.trustOf('m', 0);
            expect(after).toBeLessThanOrEqual(before);
            before = after;
          }
          const reversed = new Trust();
          for (const [family, bits] of [...list].reverse()) reversed.learn(finding('m', family, bits, 0));
          expect(reversed.trustOf('m', 0)).toBeCloseTo(before, 12);
        },
      ),
      { numRuns: 300, seed: 2 },
    );
  });

  it('resumes from a snapshot', () => {
    const trust = new Trust();
    trust.learn(finding('m', 'dns', 12, 5));
    const other = new Trust();
    other.restore(JSON.parse(JSON.stringify(trust.snapshot())));
    expect(other.records(9)).toEqual(trust.records(9));
    expect(() => other.restore({ version: 9 })).toThrow('version 9');
  });

  it('a device whose neighbours are hijacked is doubted, not condemned; few or far neighbours say nothing', () => {
    const members = ['rtu', ...Array.from({ length: 9 }, (_, i) => `m${i}`)];
    const trust = new Trust({ of: (a) => (members.includes(a) ? ['bus-1'] : []), size: () => members.length });
    for (const m of members.slice(1, 4)) trust.learn(finding(m, 'relay', 14, 0));
    expect(trust.trustOf('rtu', 0)).toBeGreaterThan(0.6);
    for (const m of members.slice(4)) trust.learn(finding(m, 'relay', 14, 0));
    expect(trust.trustOf('rtu', 0)).toBeLessThan(0.5);
    expect(trust.trustOf('rtu', 0)).toBeGreaterThan(0.3);
    expect(trust.because('rtu').length).toBeGreaterThan(0);
    expect(trust.trustOf('elsewhere', 0)).toBeGreaterThan(0.99);
    const other = new Trust({ of: () => ['g'], size: () => 10 });
    other.restore(JSON.parse(JSON.stringify(trust.snapshot())));
    expect(other.trustOf('rtu', 0)).toBeCloseTo(trust.trustOf('rtu', 0), 12);
    for (const m of members.slice(1)) trust.repaired(m, 1);
    expect(trust.trustOf('rtu', 1)).toBeGreaterThan(0.99);
  });
});
