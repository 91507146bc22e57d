import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { replay } from './oracle/replay.ts';

const corpus = process.env.PARAPET_CORPUS ?? '../shared/corpus';

/** Scenarios in which a resolver does something else than validate, or validates by other rules, each with its reason. */
const otherwise: Readonly<Record<string, string>> = {
  'val_dnametoolong.rpl': 'the signed DNAME proves YXDOMAIN (RFC 6672 2.2); Unbound does not validate that code',
  'val_ds_gost.crpl': 'GOST (DS digest 3, algorithm 12) is not validated',
  'val_ds_gost_downgrade.crpl': 'GOST (DS digest 3, algorithm 12) is not validated',
  'val_ds_sha2_lenient.crpl': 'an option of Unbound accepts SHA-1 beside SHA-256, against RFC 4509 3',
  'val_ta_algo_missing.rpl': 'an option of Unbound wants every algorithm to sign, against RFC 6840 5.11',
  'val_faildnskey_ok.rpl': 'an option of Unbound takes missing keys for insecure',
  'val_anchor_nx_nosig.rpl': 'Unbound gives up an anchor whose zone is denied without a signature; here that is bogus',
};

function scenarios(half: string): string[] {
  const manifest = readFileSync(`${corpus}/dns/MANIFEST.tsv`, 'utf8');
  return manifest
    .split('\n')
    .map((line) => line.split('\t'))
    .filter((row) => row[0]!.startsWith('dnssec/unbound-rpl/') && row[7] === half)
    .map((row) => row[0]!);
}

const isThere = existsSync(`${corpus}/dns/dnssec/unbound-rpl`);
if (!isThere) console.log('skipped: no corpus (PARAPET_CORPUS) with dns/dnssec/unbound-rpl');

describe.skipIf(!isThere)('what a validating resolver is expected to say (Unbound scenarios)', () => {
  for (const half of ['tune', 'test'])
    it(`${half} half`, () => {
      const paths = scenarios(half);
      const off: string[] = [];
      for (const path of paths) {
        const checks = replay(readFileSync(`${corpus}/dns/${path}`, 'utf8'));
        const wrong = checks.filter((c) => !c.agrees);
        const name = path.slice(path.lastIndexOf('/') + 1);
        if (wrong.length > 0) off.push(name);
        if (wrong.length > 0 && otherwise[name] === undefined)
          for (const c of wrong)
            console.log(`${name} step ${c.step}: expected ${c.expected}, got ${c.result?.status} ${c.result?.code}`);
      }
      const explained = off.filter((name) => otherwise[name] !== undefined).length;
      console.log(
        `${half}: ${paths.length - off.length} of ${paths.length} scenarios as expected, ${explained} of the rest by other rules`,
      );
      expect(paths.length).toBeGreaterThan(50);
      expect(off.filter((name) => otherwise[name] === undefined)).toEqual([]);
      // A scenario that agrees after all has no place in the list.
      const listed = Object.keys(otherwise).filter((name) => paths.some((p) => p.endsWith(`/${name}`)));
      expect(off.sort()).toEqual(listed.sort());
    });
});
