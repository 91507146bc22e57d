// QUIC Initial packets for tests, sealed apart from the reader (RFC 9001 5, RFC 9369).
import { createCipheriv, createHmac } from 'node:crypto';

const salts: Readonly<Record<number, string>> = {
  1: '38762cf7f55934b34d179ae6a4c80cadccbb7f0a',
  1798521807: '0dede3def700a6db819381be6e269dcbf9bd2ed9',
  4278190109: 'afbfec289993d24c9e9786f19c6111e04390a899',
  4278190107: 'c3eef712c72ebb5a11a7d2432bb46365bef9f502',
  4278190114: '38762cf7f55934b34d179ae6a4c80cadccbb7f0a',
};

export interface Initial {
  version?: number;
  /** Connection id the keys are made from; the header's own where it is not told. */
  keyId?: Uint8Array;
  id?: Uint8Array;
  source?: Uint8Array;
  token?: Uint8Array;
  number?: number;
  numberBytes?: number;
  frames: readonly number[];
  /** Octets of the protected packet, filled by PADDING. */
  size?: number;
}

export const ID = Uint8Array.from([0x83, 0x94, 0xc8, 0xf0, 0x3e, 0x51, 0x57, 0x08]);

const two = (n: number): number[] => [0x40 | (n >> 8), n & 255];
/** RFC 9000 19.6. */
export const crypto = (offset: number, data: readonly number[]): number[] => [
  6,
  ...two(offset),
  ...two(data.length),
  ...data,
];

function hmac(key: Uint8Array, data: Uint8Array): Buffer {
  return createHmac('sha256', key).update(data).digest();
}

/** HKDF-Expand-Label (RFC 8446 7.1): one block is enough. */
function expand(secret: Uint8Array, name: string, bytes: number): Buffer {
  const label = Buffer.from(`tls13 ${name}`);
  return hmac(secret, Buffer.from([0, bytes, label.length, ...label, 0, 1])).subarray(0, bytes);
}

export function seal(p: Initial): Uint8Array {
  const version = p.version ?? 1;
  const isV2 = version === 0x6b3343cf;
  const id = p.id ?? ID;
  const source = p.source ?? new Uint8Array(0);
  const token = p.token ?? new Uint8Array(0);
  const numberBytes = p.numberBytes ?? 4;
  const prefix = isV2 ? 'quicv2' : 'quic';
  const secret = expand(hmac(Buffer.from(salts[version]!, 'hex'), p.keyId ?? id), 'client in', 32);
  const head = [
    0xc0 | (isV2 ? 0x10 : 0) | (numberBytes - 1),
    version >>> 24,
    (version >> 16) & 255,
    (version >> 8) & 255,
    version & 255,
    id.length,
    ...id,
    source.length,
    ...source,
    ...two(token.length).slice(token.length === 0 ? 1 : 0),
    ...token,
  ];
  const plain = Buffer.alloc(Math.max(p.frames.length, (p.size ?? 1200) - head.length - 2 - numberBytes - 16));
  plain.set(p.frames);
  const numberAt = head.length + 2;
  const header = Buffer.from([...head, ...two(numberBytes + plain.length + 16), ...Array<number>(numberBytes).fill(0)]);
  const nonce = Buffer.from(expand(secret, `${prefix} iv`, 12));
  for (let k = 0, n = p.number ?? 2; k < numberBytes; k++, n >>>= 8) {
    header[numberAt + numberBytes - 1 - k] = n & 255;
    nonce[11 - k]! ^= n & 255;
  }
  const cipher = createCipheriv('aes-128-gcm', expand(secret, `${prefix} key`, 16), nonce).setAAD(header);
  const body = Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
  const sample = body.subarray(4 - numberBytes, 20 - numberBytes);
  const mask = createCipheriv('aes-128-ecb', expand(secret, `${prefix} hp`, 16), null).update(sample);
  header[0]! ^= mask[0]! & 0x0f;
  for (let k = 0; k < numberBytes; k++) header[numberAt + k]! ^= mask[1 + k]!;
  return Buffer.concat([header, body]);
}
