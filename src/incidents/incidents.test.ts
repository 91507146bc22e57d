import { describe, expect, it } from 'vitest';
import { City } from '#city';
import type { Finding } from '#findings';
import { Incidents } from '#incidents';

const city = new City(
  {
    assets: [
      { id: 'meter-1', role: 'smart-meter', ip: '10.0.0.1', imsi: '001010000000001' },
      { id: 'meter-2', role: 'smart-meter', ip: '10.0.0.2' },
      { id: 'dns-01', role: 'resolver', ip: '10.0.0.53' },
    ],
    dns: { resolvers: ['10.0.0.53'], allow: ['antivirus.example'] },
  },
  '.',
);
let n = 0;
function finding(
  plane: Finding['plane'],
  asset: Finding['asset'],
  subject: Finding['subject'],
  at: number,
  extra: Partial<Finding> = {},
): Finding {
  n += 1;
  return {
    kind: 'finding',
    id: `f${String(n).padStart(3, '0')}`,
    plane,
    detector: `${plane}-x`,
    family: plane,
    title: `${plane} step ${n}.`,
    severity: 'high',
    confidence: 0.9,
    bits: 12,
    asset,
    subject,
    firstAt: at,
    at,
    lastAt: at,
    techniques: ['T1'],
    reasons: [],
    evidence: [],
    count: 1,
    response: [],
    ...extra,
  };
}

describe('incidents', () => {
  it('findings of several planes about one asset are one incident, its story in order', () => {
    const incidents = new Incidents(city);
    incidents.join(finding('flow', { ip: '10.0.0.1' }, { type: 'ip', value: '203.0.113.9' }, 30));
    incidents.join(finding('dns', { ip: '10.0.0.1' }, { type: 'domain', value: 'c2.example' }, 10));
    incidents.join(finding('signalling', { id: 'meter-1' }, { type: 'gt', value: '999' }, 20));
    const [one, ...more] = incidents.all();
    expect(more).toEqual([]);
    expect(one!.planes).toEqual(['dns', 'flow', 'signalling']);
    expect(one!.story.map((s) => s.at)).toEqual([10, 20, 30]);
    expect(one!.severity).toBe('critical');
    expect(one!.confidence).toBeCloseTo(1 - 0.1 ** 3, 6);
  });

  it('two assets under one zone cut, or one hostile global title, are one campaign', () => {
    const incidents = new Incidents(city);
    incidents.join(finding('dns', { ip: '10.0.0.1' }, { type: 'domain', value: 'c2.example' }, 1));
    incidents.join(finding('dns', { ip: '10.0.0.2' }, { type: 'domain', value: 'c2.example' }, 2));
    incidents.join(finding('signalling', { imsi: 'p1' }, { type: 'asset', value: 'x' }, 3, { links: ['gt:555'] }));
    incidents.join(finding('signalling', { imsi: 'p2' }, { type: 'asset', value: 'y' }, 4, { links: ['gt:555'] }));
    expect(incidents.all()).toHaveLength(2);
  });

  it('a resolver, an allowed zone or a finding for information joins nothing', () => {
    const incidents = new Incidents(city);
    incidents.join(finding('dns', { ip: '10.0.0.1' }, { type: 'ip', value: '10.0.0.53' }, 1));
    incidents.join(finding('dns', { ip: '10.0.0.2' }, { type: 'ip', value: '10.0.0.53' }, 2));
    incidents.join(finding('dns', { ip: '10.9.0.1' }, { type: 'domain', value: 'a.antivirus.example' }, 3));
    incidents.join(finding('dns', { ip: '10.9.0.2' }, { type: 'domain', value: 'a.antivirus.example' }, 4));
    incidents.join(finding('dns', { ip: '10.9.0.3' }, { type: 'domain', value: 'z.example' }, 5, { severity: 'info' }));
    expect(incidents.all()).toHaveLength(4);
  });

  it('a finding that links two incidents makes them one; a finding that grows stays in its own', () => {
    const incidents = new Incidents(city);
    incidents.join(finding('dns', { ip: '10.0.0.1' }, { type: 'domain', value: 'one.example' }, 1));
    const second = finding('flow', { ip: '10.0.0.2' }, { type: 'ip', value: '203.0.113.7' }, 2);
    incidents.join(second);
    expect(incidents.all()).toHaveLength(2);
    incidents.join({ ...second, lastAt: 9, count: 5 });
    expect(incidents.all()).toHaveLength(2);
    incidents.join(finding('flow', { ip: '10.0.0.1' }, { type: 'ip', value: '203.0.113.7' }, 3));
    expect(incidents.all()).toHaveLength(1);
  });

  it('repeats over many assets are told once with their number', () => {
    const incidents = new Incidents(city);
    for (let i = 0; i < 40; i++)
      incidents.join(finding('dns', { ip: `10.1.0.${i}` }, { type: 'domain', value: 'c2.example' }, i));
    const [one] = incidents.all();
    expect(one!.assets).toHaveLength(40);
    expect(one!.story.length).toBeLessThanOrEqual(4);
    expect(one!.story.some((s) => s.text.includes('37 more'))).toBe(true);
  });

  it('resumes from a snapshot', () => {
    const incidents = new Incidents(city);
    incidents.join(finding('dns', { ip: '10.0.0.1' }, { type: 'domain', value: 'one.example' }, 1));
    const other = new Incidents(city);
    other.restore(JSON.parse(JSON.stringify(incidents.snapshot())));
    expect(other.all()).toEqual(incidents.all());
  });
});
