import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { domainToASCII } from 'node:url';
import { describe, expect, it } from 'vitest';
import { formatName } from '#events';
import { textToWire } from '#lib/wirename';
import { registeredAt, registeredName, suffixKind } from './index.ts';

function registered(text: string): string {
  const bytes = new Uint8Array(256);
  const end = textToWire(text, bytes, 0);
  const starts = new Int32Array(128);
  let count = 0;
  for (let at = 0; bytes[at]! !== 0; at += bytes[at]! + 1) starts[count++] = at;
  const at = registeredAt(bytes, starts, count, end);
  return formatName(bytes, at, end - at);
}

describe('registered domains', () => {
  it('are one label more than the suffix', () => {
    expect(registered('www.city.example')).toBe('city.example');
    expect(registered('a.b.shop.co.uk')).toBe('shop.co.uk');
    expect(registered('x.y.Tenant.DuckDNS.org')).toBe('Tenant.DuckDNS.org');
    expect(registered('4.3.2.1.in-addr.arpa')).toBe('1.in-addr.arpa');
    expect(registered('a.b.s3.amazonaws.com')).toBe('b.s3.amazonaws.com');
  });
  it('of a bare suffix are the suffix, and of the root the root', () => {
    expect(registered('co.uk')).toBe('co.uk');
    expect(registered('example')).toBe('example');
    expect(registered('.')).toBe('.');
  });
  it('suffixes of registries and of providers are told apart', () => {
    const bytes = new Uint8Array(256);
    const kind = (t: string): number => suffixKind(bytes, 0, textToWire(t, bytes, 0));
    expect([kind('co.uk'), kind('duckdns.org'), kind('city.example')]).toEqual([1, 2, 0]);
  });
});

/** The vectors that the list's own project publishes (checkPublicSuffix in its tests), where a copy is at hand. */
const vectors = join(process.env.PARAPET_CORPUS ?? '../shared/corpus', 'dns/domains/psl-test-vectors.txt');
describe('the list’s own vectors', () => {
  it.skipIf(!existsSync(vectors))(`hold (${vectors})`, () => {
    let checked = 0;
    for (const line of readFileSync(vectors, 'utf8').split('\n')) {
      const m = /^checkPublicSuffix\('([^']+)', (?:'([^']+)'|null)\);/.exec(line.trim());
      // Names with an empty label are none on the wire.
      if (m === null || m[1]!.startsWith('.')) continue;
      const name = domainToASCII(m[1]!);
      const want = m[2] === undefined ? undefined : domainToASCII(m[2]);
      const got = registeredName(name);
      // The project's function gives nothing for a bare suffix; here it is the suffix itself.
      if (want === undefined) expect([name, got]).toEqual([name, name]);
      else expect([name, got]).toEqual([name, want]);
      checked += 1;
    }
    expect(checked).toBeGreaterThan(60);
  });
});
