import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseIsoMicros } from '#lib/time';

describe('ISO time', () => {
  it('agrees with Date to the millisecond on any date from 1970 to 2250', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 8_836_000_000_000 }), fc.integer({ min: 0, max: 999 }), (millis, rest) => {
        const text = new Date(millis).toISOString().replace('Z', `${String(rest).padStart(3, '0')}Z`);
        expect(parseIsoMicros(text)).toBe(millis * 1000 + rest);
      }),
      { numRuns: 2000 },
    );
  });
  it('takes offsets, short and long fractions and the leap second', () => {
    expect(parseIsoMicros('1970-01-01T01:00:00+01:00')).toBe(0);
    expect(parseIsoMicros('1970-01-01T00:00:00-00:30')).toBe(1800e6);
    expect(parseIsoMicros('1970-01-01T00:00:00.5Z')).toBe(500_000);
    expect(parseIsoMicros('1970-01-01T00:00:00.123456789Z')).toBe(123_456);
    expect(parseIsoMicros('2016-12-31T23:59:60Z')).toBe(parseIsoMicros('2017-01-01T00:00:00Z'));
  });
  it('is NaN for what is no time', () => {
    for (const text of [
      '',
      '2026-01-01',
      '2026-13-01T00:00:00Z',
      '2026-02-29T00:00:00Z',
      '2026-01-01T24:00:00Z',
      '2026-01-01T00:00:00',
      '2026-01-01T00:00:00.Z',
      '2026-01-01T00:00:00Zx',
      '2026-0x-01T00:00:00Z',
      '1969-12-31T23:59:59Z',
      '9999-12-31T23:59:59Z',
      '2026-01-01T00:00:00+1:00',
    ])
      expect(parseIsoMicros(text), text).toBeNaN();
  });
  it('never throws on any text', () => {
    fc.assert(fc.property(fc.string({ maxLength: 40 }), (text) => typeof parseIsoMicros(text) === 'number'));
  });
});
