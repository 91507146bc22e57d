// The specification's own example, its rules one by one, and the faults of peers in it.
import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { ClientHello, type Ja4Transport, ja4Of, readClientHello } from './index.ts';
import { alpn, type HelloParts, helloBody, serverName, signatures, versions } from './testing.ts';

function ja4(parts: HelloParts, transport: Ja4Transport = 't'): string {
  const body = Uint8Array.from(helloBody(parts));
  const h = new ClientHello();
  readClientHello(body, 0, body.length, body.length, transport === 'd', h);
  expect(h.isWhole).toBe(true);
  return ja4Of(h, transport, body);
}
const short = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 12);
const bare = (type: number): [number, number[]] => [type, []];
const first = (parts: HelloParts, transport: Ja4Transport = 't'): string => ja4(parts, transport).split('_')[0]!;

describe('JA4', () => {
  it('is the specification’s example, in any order of ciphers and extensions', () => {
    const ciphers = [
      0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0xc013, 0xc014, 0x009c, 0x009d, 0x002f,
      0x0035,
    ];
    const extensions: (readonly [number, readonly number[]])[] = [
      bare(0x001b),
      serverName('a.example'),
      bare(0x0033),
      alpn('h2', 'http/1.1'),
      bare(0x4469),
      bare(0x0017),
      bare(0x002d),
      signatures(0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601),
      bare(0x0005),
      bare(0x0023),
      bare(0x0012),
      versions(0x2a2a, 0x0304, 0x0303),
      bare(0xff01),
      bare(0x000b),
      bare(0x000a),
      bare(0x0015),
    ];
    const want = 't13d1516h2_8daaf6152771_e5627efa2ab1';
    expect(ja4({ ciphers: [0x1a1a, ...ciphers], extensions: [bare(0x3a3a), ...extensions] })).toBe(want);
    expect(ja4({ ciphers: ciphers.toReversed(), extensions: extensions.toReversed() })).toBe(want);
  });

  it('takes the last character of ALPN, not the second (nDPI#2914)', () => {
    expect(first({ extensions: [alpn('http/1.1')] }).slice(-2)).toBe('h1');
    expect(first({ extensions: [alpn('spdy/3.1', 'h2')] }).slice(-2)).toBe('s1');
    expect(first({ extensions: [alpn('h3-29')] }).slice(-2)).toBe('h9');
  });

  it('writes ALPN that is no letter or digit by its hexadecimal form', () => {
    for (const [name, letters] of [
      ['\xab', 'ab'],
      ['\xab\xcd', 'ad'],
      ['\xab\x12\xcd', 'ad'],
      ['a\xcd', '6d'],
      ['\xaba', 'a1'],
      ['a', 'aa'],
      ['!', '21'],
    ] as const)
      expect(first({ extensions: [alpn(name)] }).slice(-2), name).toBe(letters);
    expect(first({ extensions: [alpn('')] }).slice(-2)).toBe('00');
    expect(first({ extensions: [] }).slice(-2)).toBe('00');
  });

  it('says i without a server name, d with one of any content (nDPI#2916)', () => {
    expect(first({ extensions: [alpn('h2')] })[3]).toBe('i');
    expect(first({ extensions: [serverName('a.example')] })[3]).toBe('d');
    expect(first({ extensions: [[0, []]] })[3]).toBe('d');
  });

  it('counts 0x0101 and drops GREASE only (nDPI#1416)', () => {
    const parts = { ciphers: [0x0101, 0x0a0a, 0x1301], extensions: [bare(0x0101), bare(0xfafa), bare(0x1a2a)] };
    expect(ja4(parts)).toBe(`t12i020200_${short('0101,1301')}_${short('0101,1a2a')}`);
  });

  it('of a TLS 1.0 hello without signature algorithms is a fingerprint (FoxIO-LLC/ja4#89)', () => {
    expect(ja4({ version: 0x0301, ciphers: [0x002f], extensions: [bare(0x000b), bare(0x000a)] })).toBe(
      `t10i010200_${short('002f')}_${short('000a,000b')}`,
    );
    // Without any extension, or with those only that are left out, there is nothing to hash.
    expect(ja4({ version: 0x0301, ciphers: [0x002f] })).toBe(`t10i010000_${short('002f')}_000000000000`);
    expect(ja4({ version: 0x0301, ciphers: [], extensions: [serverName('a.example')] })).toBe(
      't10d000100_000000000000_000000000000',
    );
  });

  it('keeps signature algorithms in their own order, and counts no more than 99', () => {
    const one = ja4({ extensions: [signatures(0x0804, 0x0403)] });
    expect(one.split('_')[2]).toBe(short('000d_0804,0403'));
    const many = { ciphers: Array.from({ length: 120 }, (_, i) => i), extensions: [] };
    expect(first(many)).toBe('t12i990000');
  });

  it('tells versions and carriers', () => {
    for (const [version, word] of [
      [0x0300, 's3'],
      [0x0002, 's2'],
      [0x0301, '10'],
      [0x0302, '11'],
      [0x0304, '13'],
      [0x7f1c, '00'],
    ] as const)
      expect(first({ version, extensions: [] }).slice(1, 3)).toBe(word);
    for (const [version, word] of [
      [0xfeff, 'd1'],
      [0xfefd, 'd2'],
      [0xfefc, 'd3'],
    ] as const)
      expect(first({ version, cookie: [], extensions: [] }, 'd').slice(0, 3)).toBe(`d${word}`);
    expect(first({ extensions: [versions(0x0304)] }, 'q').slice(0, 3)).toBe('q13');
  });
});
