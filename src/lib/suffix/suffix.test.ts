import { describe, expect, it } from 'vitest';
import { formatName } from '#events';
import { textToWire } from '#lib/wirename';
import { registeredAt, suffixKind } from './index.ts';

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
