// Signature algorithms by their DNSSEC numbers, over node:crypto. Keys are checked for form before a library sees them, so that
// a crafted key costs no more than its length.
import { createPublicKey, hash, type KeyObject, verify } from 'node:crypto';

/** Makes a check of signatures from a DNSKEY's public key field; undefined where the key is malformed. */
export type KeyReader = (key: Uint8Array) => SignatureCheck | undefined;
export type SignatureCheck = (data: Uint8Array, signature: Uint8Array) => boolean;

const base64url = (b: Uint8Array): string => Buffer.from(b.buffer, b.byteOffset, b.length).toString('base64url');

/** RFC 3110 2: exponent length in one octet, or zero and two; then exponent and modulus. */
function rsa(digest: string, modulusBytesMin: number): KeyReader {
  return (key) => {
    const short = key[0] ?? 0;
    const at = short === 0 ? 3 : 1;
    const exponentBytes = short === 0 ? ((key[1] ?? 0) << 8) | (key[2] ?? 0) : short;
    const modulus = key.subarray(at + exponentBytes);
    // A long exponent makes each check slow: all keys in use have 3 or 65537, and five octets hold every sensible one.
    if (exponentBytes === 0 || exponentBytes > 5) return undefined;
    if (modulus.length < modulusBytesMin || modulus.length > 512 || modulus[0] === 0) return undefined;
    const object = jwk({ kty: 'RSA', n: base64url(modulus), e: base64url(key.subarray(at, at + exponentBytes)) });
    return object && ((data, signature) => verify(digest, data, object, signature));
  };
}

/** RFC 6605 4: x and y, and r and s, each of the curve's size. */
function ecdsa(digest: string, curve: string, size: number): KeyReader {
  return (key) => {
    if (key.length !== 2 * size) return undefined;
    const x = base64url(key.subarray(0, size));
    const object = jwk({ kty: 'EC', crv: curve, x, y: base64url(key.subarray(size)) });
    return (
      object &&
      ((data, signature) =>
        signature.length === 2 * size && verify(digest, data, { key: object, dsaEncoding: 'ieee-p1363' }, signature))
    );
  };
}

/** RFC 8080 3 and 4. */
function eddsa(curve: string, size: number): KeyReader {
  return (key) => {
    if (key.length !== size) return undefined;
    const object = jwk({ kty: 'OKP', crv: curve, x: base64url(key) });
    return object && ((data, signature) => signature.length === 2 * size && verify(null, data, object, signature));
  };
}

function jwk(key: Record<string, string>): KeyObject | undefined {
  try {
    return createPublicKey({ key, format: 'jwk' });
  } catch {
    // A point off the curve: the key is as good as malformed.
    return undefined;
  }
}

/**
 * What is validated (RFC 8624 3.1, validation column). DSA (3, 6) and RSA/MD5 (1) must not be, GOST (12) need not: a zone with
 * none but those is insecure (RFC 4035 5.2).
 */
export const ALGORITHMS: ReadonlyMap<number, KeyReader> = new Map([
  [5, rsa('sha1', 64)],
  [7, rsa('sha1', 64)],
  [8, rsa('sha256', 64)],
  [10, rsa('sha512', 128)],
  [13, ecdsa('sha256', 'P-256', 32)],
  [14, ecdsa('sha384', 'P-384', 48)],
  [15, eddsa('Ed25519', 32)],
  [16, eddsa('Ed448', 57)],
]);

/** DS digest types (RFC 4034, 4509, 6605); GOST (3) is not in. */
const digests: Readonly<Record<number, { name: string; bytes: number }>> = {
  1: { name: 'sha1', bytes: 20 },
  2: { name: 'sha256', bytes: 32 },
  4: { name: 'sha384', bytes: 48 },
};

export function digestBytes(type: number): number {
  return digests[type]?.bytes ?? -1;
}

/** @param type one for which digestBytes is positive */
export function digestOf(type: number, data: Uint8Array): Buffer {
  return hash(digests[type]!.name, data, 'buffer');
}
