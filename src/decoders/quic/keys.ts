// Keys of QUIC Initial packets (RFC 9001 5.2, RFC 9369 3.3): anyone who sees the client's first connection id can make
// them; they keep nothing secret.
import { createHmac } from 'node:crypto';

export interface Version {
  readonly salt: Uint8Array;
  readonly key: Uint8Array;
  readonly iv: Uint8Array;
  readonly hp: Uint8Array;
  /** Packet type of an Initial in the long header: 0, in version 2 it is 1. */
  readonly initialType: number;
}

export interface InitialKeys {
  readonly key: Uint8Array;
  readonly iv: Uint8Array;
  readonly hp: Uint8Array;
  /** The connection id they were made from. */
  readonly connectionId: Uint8Array;
}

/** HkdfLabel (RFC 8446 7.1) with an empty context and the first counter octet of HKDF-Expand behind it. */
function label(text: string, bytes: number): Uint8Array {
  return Uint8Array.from([0, bytes, 6 + text.length, ...Buffer.from(`tls13 ${text}`), 0, 1]);
}

function version(salt: string, prefix: string, initialType: number): Version {
  return {
    salt: Buffer.from(salt, 'hex'),
    key: label(`${prefix} key`, 16),
    iv: label(`${prefix} iv`, 12),
    hp: label(`${prefix} hp`, 16),
    initialType,
  };
}

const CLIENT = label('client in', 32);
const v1 = version('38762cf7f55934b34d179ae6a4c80cadccbb7f0a', 'quic', 0);
const v2 = version('0dede3def700a6db819381be6e269dcbf9bd2ed9', 'quicv2', 1);
/** Drafts 29 to 32 (draft-ietf-quic-tls-29 5.2). */
const draft29 = version('afbfec289993d24c9e9786f19c6111e04390a899', 'quic', 0);
/** Drafts 23 to 28 (draft-ietf-quic-tls-23 5.2). */
const draft23 = version('c3eef712c72ebb5a11a7d2432bb46365bef9f502', 'quic', 0);

/** @param number the long header's version field */
export function versionOf(number: number): Version | undefined {
  if (number === 1) return v1;
  if (number === 0x6b3343cf) return v2;
  if (number < 0xff000017 || number > 0xff000022) return undefined;
  // Drafts 33 and 34 have version 1's salt.
  return number >= 0xff000021 ? v1 : number >= 0xff00001d ? draft29 : draft23;
}

export function clientKeys(v: Version, connectionId: Uint8Array): InitialKeys {
  const secret = hmac(hmac(v.salt, connectionId), CLIENT);
  return {
    key: hmac(secret, v.key).subarray(0, 16),
    iv: hmac(secret, v.iv).subarray(0, 12),
    hp: hmac(secret, v.hp).subarray(0, 16),
    connectionId,
  };
}

function hmac(key: Uint8Array, data: Uint8Array): Uint8Array {
  return createHmac('sha256', key).update(data).digest();
}
