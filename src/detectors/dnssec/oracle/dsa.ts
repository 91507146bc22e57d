// DSA (3, 6) for the old scenarios, which were signed with it. The product does not validate DSA (RFC 8624 3.1).
import { createPublicKey, verify } from 'node:crypto';
import type { KeyReader } from '../algorithms.ts';

function der(tag: number, ...parts: Uint8Array[]): Buffer {
  const body = Buffer.concat(parts);
  const length =
    body.length < 128
      ? [body.length]
      : body.length < 256
        ? [0x81, body.length]
        : [0x82, body.length >> 8, body.length & 255];
  return Buffer.concat([Buffer.from([tag, ...length]), body]);
}

const integer = (b: Uint8Array): Buffer => der(2, b[0]! & 0x80 ? Buffer.from([0]) : Buffer.alloc(0), b);

/** RFC 2536 2: T, Q, P, G, Y; signatures in DER as the scenarios have them, or as T, R, S. */
export const dsa: KeyReader = (key) => {
  const size = 64 + 8 * key[0]!;
  if (key[0]! > 8 || key.length !== 21 + 3 * size) return undefined;
  const part = (i: number): Buffer => integer(key.subarray(21 + i * size, 21 + (i + 1) * size));
  const oid = Buffer.from([0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x38, 0x04, 0x01]);
  const parameters = der(0x30, part(0), integer(key.subarray(1, 21)), part(1));
  const spki = der(0x30, der(0x30, oid, parameters), der(3, Buffer.from([0]), part(2)));
  const object = createPublicKey({ key: spki, format: 'der', type: 'spki' });
  return (data, signature) =>
    signature[0] === 0x30
      ? verify('sha1', data, object, signature)
      : verify('sha1', data, { key: object, dsaEncoding: 'ieee-p1363' }, signature.subarray(1));
};
