import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { stixBundle } from '#findings';
import { uuid5 } from './stix.ts';
import { anyAction, anyFinding, anyIncident, objects, ofType, some, tunnel, whole } from './testing.ts';

describe('STIX', () => {
  it('a UUID of version 5 is that of RFC 9562, appendix A.4', () => {
    expect(uuid5('6ba7b810-9dad-11d1-80b4-00c04fd430c8', 'www.example.com')).toBe(
      '2ed6657d-e927-568b-95e1-2665a8aea6a2',
    );
  });

  it('the same input gives the same bytes, and an object the same id in any company', () => {
    expect(JSON.stringify(stixBundle(whole))).toBe(JSON.stringify(stixBundle(whole)));
    const alone = objects({ findings: [tunnel], incidents: [], actions: [], at: 0 });
    const all = new Map(objects(whole).map((o) => [o.id, JSON.stringify(o)]));
    for (const o of alone) expect(all.get(o.id as string)).toBe(JSON.stringify(o));
  });

  it('every reference leads to an object of the bundle', () => {
    fc.assert(
      fc.property(some(anyFinding), some(anyIncident), some(anyAction), (findings, incidents, actions) => {
        const all = objects({ findings, incidents, actions, at: 0 });
        const ids = new Set(all.map((o) => o.id));
        expect(ids.size).toBe(all.length);
        for (const o of all)
          for (const [key, value] of Object.entries(o))
            if (key.endsWith('_ref') || key.endsWith('_refs'))
              for (const ref of [value].flat()) expect(ids.has(ref), `${o.type}.${key}`).toBe(true);
      }),
      { numRuns: 200 },
    );
  });

  it('a blockable zone cut is an indicator on it and all below; a finding that blocks nothing makes none', () => {
    expect(ofType(objects(whole), 'indicator')).toMatchObject([
      { pattern: "[domain-name:value = 't.exfil.example' OR domain-name:value LIKE '%.t.exfil.example']" },
    ]);
    const harmless = objects({ ...whole, findings: [{ ...tunnel, response: [] }], incidents: [], actions: [] });
    expect(ofType(harmless, 'indicator')).toEqual([]);
    expect(ofType(harmless, 'observed-data')).toHaveLength(1);
  });

  it('a name from the wire neither ends the pattern nor widens it', () => {
    const pattern = (value: string): unknown =>
      ofType(objects({ ...whole, findings: [{ ...tunnel, subject: { type: 'domain', value } }] }), 'indicator')[0]
        ?.pattern;
    expect(pattern("x'y.example")).toBe(
      "[domain-name:value = 'x\\'y.example' OR domain-name:value LIKE '%.x\\'y.example']",
    );
    expect(pattern('%.example')).toBe(
      "[domain-name:value = '%.example' OR domain-name:value MATCHES '\\\\.%\\\\.example$']",
    );
    expect(pattern('paaa.*')).toBeUndefined();
  });

  it("an action is bound to its findings, and the operator's name stays in the house", () => {
    const all = objects(whole);
    const made = ofType(all, 'course-of-action').find((o) => (o.x_parapet as { id?: string }).id === 'a1')!;
    expect(made.x_parapet).toMatchObject({ state: 'enforced', proofs: [{ consumer: 'unbound', enforced: true }] });
    expect(ofType(all, 'relationship')).toContainEqual(
      expect.objectContaining({
        source_ref: made.id,
        relationship_type: 'mitigates',
        target_ref: ofType(all, 'indicator')[0]!.id,
      }),
    );
    expect(JSON.stringify(all)).not.toContain('Ada');
  });
});
