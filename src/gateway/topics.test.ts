import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { contains, filterFault, nameFault, overlaps, parseShare } from './topics.ts';

const corpus = join(process.env.PARAPET_CORPUS ?? '../shared/corpus', 'platform/gateway/topic-filter-containment.tsv');
const there = existsSync(corpus);
if (!there) console.log(`skipped: no ${corpus}`);

const level = fc.constantFrom('a', 'b', '', '$s');
const name = fc
  .array(level, { minLength: 1, maxLength: 4 })
  .map((l) => l.join('/'))
  .filter((t) => t !== '');
const filter = fc
  .tuple(fc.array(fc.constantFrom('a', 'b', '', '+', '$s'), { maxLength: 4 }), fc.boolean())
  .map(([l, all]) => [...l, ...(all ? ['#'] : [])].join('/'))
  .filter((f) => f !== '' && filterFault(f) === '');

describe('topic filters', () => {
  it.skipIf(!there)('agree with all cases of the containment corpus', () => {
    const wrong = readFileSync(corpus, 'utf8')
      .trimEnd()
      .split('\n')
      .slice(1)
      .map((l) => l.split('\t'))
      .filter(([grant = '', asked = '', allowed]) => {
        const { filter: f, fault } = parseShare(asked);
        return (fault === '' && contains(grant, f)) !== (allowed === '1');
      });
    expect(wrong).toEqual([]);
  });

  it('contain a filter only where they match every topic it matches', () => {
    fc.assert(
      fc.property(filter, filter, name, (grant, asked, topic) => {
        if (contains(grant, asked) && contains(asked, topic)) expect(contains(grant, topic)).toBe(true);
        if (contains(grant, topic) && contains(asked, topic)) expect(overlaps(grant, asked)).toBe(true);
      }),
      { numRuns: 20_000, seed: 3 },
    );
  });

  it('are refused where a wildcard does not fill its level, and past 64 levels', () => {
    for (const f of ['a+', '+a', 'a/+x', 'a/#/b', 'a#', '', 'a/'.repeat(64), 'x\u0000'])
      expect(filterFault(f), f).not.toBe('');
    for (const f of ['+', '#', 'a/+/b/#', '/', '$SYS/#']) expect(filterFault(f), f).toBe('');
    expect(nameFault('+/'.repeat(8000))).not.toBe('');
  });

  it('lose one $share prefix and no more', () => {
    expect(parseShare('$share/g/$share/h/x')).toMatchObject({ group: 'g', filter: '$share/h/x' });
    for (const f of ['$share', '$share/', '$share//x', '$share/+/x', '$share/g', '$share/g/'])
      expect(parseShare(f).fault, f).not.toBe('');
  });
});
