import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { ALGORITHMS, digestOf } from './algorithms.ts';
import { ROOT_ANCHORS, readAnchors } from './anchors.ts';
import { DEFAULT_LIMITS, Spent } from './limits.ts';
import { readMessage } from './message.ts';
import { parseName } from './names.ts';
import { keysOf, keyTag, verifySet } from './signature.ts';
import { message, rr } from './testing.ts';

const bytes = (key: KeyObject, field: 'n' | 'e' | 'x' | 'y'): Buffer =>
  Buffer.from(key.export({ format: 'jwk' })[field] as string, 'base64url');
const data = Buffer.from('what was signed');

function rsa(bits: number): { secret: KeyObject; key: Buffer } {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: bits });
  const e = bytes(publicKey, 'e');
  return { secret: privateKey, key: Buffer.concat([Buffer.from([e.length]), e, bytes(publicKey, 'n')]) };
}

describe('signature algorithms', () => {
  for (const [number, digest] of [
    [5, 'sha1'],
    [7, 'sha1'],
    [8, 'sha256'],
    [10, 'sha512'],
  ] as const)
    it(`${number} (RSA, ${digest}) holds its own signature and no other`, () => {
      const { secret, key } = rsa(1024);
      const check = ALGORITHMS.get(number)!(key)!;
      const signature = sign(digest, data, secret);
      expect(check(data, signature)).toBe(true);
      expect(check(Buffer.from('another'), signature)).toBe(false);
    });
  for (const [number, digest, curve] of [
    [13, 'sha256', 'P-256'],
    [14, 'sha384', 'P-384'],
  ] as const)
    it(`${number} (ECDSA ${curve}) holds its own signature and no other`, () => {
      const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: curve });
      const check = ALGORITHMS.get(number)!(Buffer.concat([bytes(publicKey, 'x'), bytes(publicKey, 'y')]))!;
      const signature = sign(digest, data, { key: privateKey, dsaEncoding: 'ieee-p1363' });
      expect(check(data, signature)).toBe(true);
      expect(check(data, signature.subarray(1))).toBe(false);
      expect(check(Buffer.from('another'), signature)).toBe(false);
    });
  for (const [number, pair] of [
    [15, generateKeyPairSync('ed25519')],
    [16, generateKeyPairSync('ed448')],
  ] as const)
    it(`${number} (Edwards curves) holds its own signature and no other`, () => {
      const check = ALGORITHMS.get(number)!(bytes(pair.publicKey, 'x'))!;
      expect(check(data, sign(null, data, pair.privateKey))).toBe(true);
      expect(check(Buffer.from('another'), sign(null, data, pair.privateKey))).toBe(false);
    });
  it('keys out of form are no keys: short, long exponent, off the curve', () => {
    expect(ALGORITHMS.get(8)!(Buffer.alloc(0))).toBeUndefined();
    expect(ALGORITHMS.get(8)!(Buffer.concat([Buffer.from([64]), Buffer.alloc(200, 3)]))).toBeUndefined();
    expect(ALGORITHMS.get(13)!(Buffer.alloc(64, 1))).toBeUndefined();
    expect(ALGORITHMS.get(15)!(Buffer.alloc(31))).toBeUndefined();
  });
  it('DSA, RSA/MD5 and GOST are not validated (RFC 8624 3.1)', () => {
    for (const number of [1, 3, 6, 12]) expect(ALGORITHMS.has(number)).toBe(false);
  });
});

describe('published vectors', () => {
  const vectors: [string, string, string, [string, string, string], number][] = [
    [
      'RFC 6605 6.1 (P-256)',
      'example.net',
      '257 3 13 GojIhhXUN/u4v54ZQqGSnyhWJwaubCvTmeexv7bR6edbkrSqQpF64cYbcB7wNcP+e+MAnLr+Wi9xMWyQLc8NAA==',
      [
        'www.example.net',
        'A',
        '13 3 3600 20100909100439 20100812100439 55648 example.net qx6wLYqmh+l9oCKTN6qIc+bw6ya+KJ8oMz0YP107epXAyGmt+3SNruPFKG7tZoLBLlUzGGus7ZwmwWep666VCw==',
      ],
      1283000000,
    ],
    [
      'RFC 8080 6.1 (Ed25519)',
      'example.com',
      '257 3 15 l02Woi0iS8Aa25FQkUd9RMzZHJpBoRQwAQEX1SxZJA4=',
      [
        'example.com',
        'MX',
        '15 2 3600 1440021600 1438207200 3613 example.com oL9krJun7xfBOIWcGHi7mag5/hdZrKWw15jPGrHpjQeRAvTdszaPD+QLs3fx8A4M3e23mRZ9VrbpMngwcrqNAg==',
      ],
      1440000000,
    ],
  ];
  for (const [title, zone, key, [owner, type, signature], at] of vectors)
    it(title, () => {
      const name = parseName(zone)!;
      const record = rr(owner, type, type === 'A' ? '192.0.2.1' : '10 mail.example.com');
      const keySet = readMessage(message(zone, 'DNSKEY', { answer: [rr(zone, 'DNSKEY', key)] }))!.answer[0]!;
      const answer = [record, rr(owner, 'RRSIG', `${type} ${signature}`)];
      const set = readMessage(message(owner, type, { answer }))!.answer[0]!;
      const spent = new Spent(DEFAULT_LIMITS);
      const keys = keysOf(keySet, spent);
      expect(verifySet(set, name, keys, at, spent)).toMatchObject({ isGood: true });
      set.rdatas[0] = set.rdatas[0]!.map((octet, i) => (i === 0 ? octet ^ 1 : octet));
      expect(verifySet(set, name, keys, at, spent)).toMatchObject({ isGood: false, code: 'SIGNATURE_WRONG' });
    });

  it('the root anchors are digests of the published root keys', () => {
    const published = [
      'AwEAAaz/tAm8yTn4Mfeh5eyI96WSVexTBAvkMgJzkKTOiW1vkIbzxeF3+/4RgWOq7HrxRixHlFlExOLAJr5emLvN7SWXgnLh4+B5xQlNVz8Og8kvArMtNROxVQuCaSnIDdD5LKyWbRd2n9WGe2R8PzgCmr3EgVLrjyBxWezF0jLHwVN8efS3rCj/EWgvIWgb9tarpVUDK/b58Da+sqqls3eNbuv7pr+eoZG+SrDK6nWeL3c6H5Apxz7LjVc1uTIdsIXxuOLYA4/ilBmSVIzuDWfdRUfhHdY6+cn8HFRm+2hM8AnXGXws9555KrUB5qihylGa8subX2Nn6UwNR1AkUTV74bU=',
      'AwEAAa96jeuknZlaeSrvyAJj6ZHv28hhOKkx3rLGXVaC6rXTsDc449/cidltpkyGwCJNnOAlFNKF2jBosZBU5eeHspaQWOmOElZsjICMQMC3aeHbGiShvZsx4wMYSjH8e7Vrhbu6irwCzVBApESjbUdpWWmEnhathWu1jo+siFUiRAAxm9qyJNg/wOZqqzL/dL/q8PkcRU5oUKEpUge71M3ej2/7CPqpdVwuMoTvoB+ZOT4YeGyxMvHmbrxlFzGOHOijtzN+u1TQNatX2XBuzZNQ1K+s2CXkPIZo7s6JgZyvaBevYtxPvYLw4z9mR7K2vaF18UYH9Z9GNUUeayffKC73PYc=',
    ];
    const { anchors, rejected } = readAnchors(ROOT_ANCHORS);
    expect(rejected).toEqual([]);
    expect(anchors).toHaveLength(1);
    published.forEach((key, i) => {
      const rdata = Buffer.concat([Buffer.from([1, 1, 3, 8]), Buffer.from(key, 'base64')]);
      const ds = anchors[0]!.ds[i]!;
      expect(keyTag(rdata)).toBe((ds[0]! << 8) | ds[1]!);
      expect([...ds.subarray(4)]).toEqual([...digestOf(2, Buffer.concat([Buffer.from([0]), rdata]))]);
    });
  });
  it('lines that are no anchors are told', () => {
    const lines = ['', 'x', 'example DS 1 8 2', 'example DS 70000 8 2 00', 'example. 60 IN DS 1 RSASHA256 2 00ff'];
    const { anchors, rejected } = readAnchors(lines);
    expect(anchors).toHaveLength(1);
    expect(rejected).toEqual(lines.slice(0, 4));
  });
});
