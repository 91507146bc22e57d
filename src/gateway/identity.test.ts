import { X509Certificate } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createAuthority, issue, usage } from './ca.ts';
import { identityOf, parseSpiffeId } from './identity.ts';

const corpus = join(process.env.PARAPET_CORPUS ?? '../shared/corpus', 'platform/gateway/spiffe-ids.jsonl');
const there = existsSync(corpus);
if (!there) console.log(`skipped: no ${corpus}`);

const id = 'spiffe://city.example/meter/dev-1';
const der = (pem: string): Buffer => new X509Certificate(pem).raw;

describe('SPIFFE ids', () => {
  it.skipIf(!there)('agree with the corpus; an upper-case scheme, left open there, is refused', () => {
    const wrong = readFileSync(corpus, 'utf8')
      .trimEnd()
      .split('\n')
      .map((l) => JSON.parse(l) as { id: string; valid: boolean | null; why: string })
      .filter((c) => !('fault' in parseSpiffeId(c.id)) !== (c.valid ?? false));
    expect(wrong).toEqual([]);
  });
});

describe('the identity in a certificate', () => {
  it('is the one URI name, whatever other names stand beside it', async () => {
    const ca = await createAuthority('city.example');
    const plain = await issue(ca, id, {
      names: [
        { type: 'ip', value: '192.0.2.1' },
        { type: 'dns', value: 'dev-1.example' },
      ],
    });
    expect(identityOf(der(plain.cert), ['city.example'])).toMatchObject({
      id,
      name: 'dev-1',
      path: ['meter', 'dev-1'],
    });
  });

  it.each([
    ['two URI names, one of them https', { uris: [id, 'https://city.example/'] }],
    ['two SPIFFE names', { uris: [id, 'spiffe://city.example/admin'] }],
    ['no URI name, only a common name', { uris: [] as string[], commonName: 'dev-1' }],
    ['an authority', { authority: true }],
    ['the right to sign certificates', { usages: usage.digitalSignature | usage.keyCertSign }],
    ['no right to sign', { usages: usage.keyEncipherment }],
    [
      'a URI hidden in the text of a DNS name',
      { uris: [] as string[], names: [{ type: 'dns' as const, value: 'a.example, URI:spiffe://city.example/admin' }] },
    ],
    ['another trust domain', { uris: ['spiffe://other.example/meter/dev-1'] }],
    ['the id of a trust domain', { uris: ['spiffe://city.example'] }],
    ['a percent-encoded id', { uris: ['spiffe://city.example/%61dmin'] }],
  ])('is refused with %s', async (_, options) => {
    const ca = await createAuthority('city.example');
    const { cert } = await issue(ca, id, options);
    expect(identityOf(der(cert), ['city.example'])).toHaveProperty('fault');
  });

  it('is never another one after any change of bytes, and reading never throws', async () => {
    const ca = await createAuthority('city.example');
    const bytes = der((await issue(ca, id)).cert);
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(bytes.length - 1), fc.nat(255)), { maxLength: 4 }),
        fc.nat(bytes.length),
        (changes, cut) => {
          const changed = Buffer.from(bytes);
          for (const [at, value] of changes) changed[at] = value;
          const read = identityOf(cut === 0 ? changed : changed.subarray(0, Math.max(cut, 1)), ['city.example']);
          if (!('fault' in read)) expect(parseSpiffeId(read.id)).toEqual(read);
        },
      ),
      { numRuns: 5000, seed: 5 },
    );
  });
});
