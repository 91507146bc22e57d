// Transaction signatures (RFC 8945) with hmac-sha256 alone: a shared key proves who asks for a transfer, and to the asker
// who answers. Time comes from the caller, in seconds.
import { createHmac, timingSafeEqual } from 'node:crypto';
import { Class, type Message, recordBytes, Type, wireName } from './message.ts';
import { canonicalName, readName } from './name.ts';

export const TSIG_ALGORITHM = 'hmac-sha256';
/** Seconds by which the two clocks may differ (RFC 8945, 10: 300). */
export const TSIG_FUDGE_SECONDS = 300;
const MAC_OCTETS = 32;

export const TsigError = { None: 0, BadSig: 16, BadKey: 17, BadTime: 18, BadTrunc: 22 } as const;

export interface TsigKey {
  /** Canonical domain name. */
  readonly name: string;
  readonly secret: Buffer;
}
interface TsigData {
  readonly key: string;
  readonly algorithm: string;
  readonly atSeconds: number;
  readonly fudgeSeconds: number;
  readonly mac: Buffer;
  readonly originalId: number;
  readonly error: number;
  readonly other: Buffer;
  readonly startsAt: number;
}
/** What of an earlier message goes into the digest of this one. */
export interface TsigChain {
  readonly mac: Buffer;
  /** True from the second message of a transfer on (RFC 8945, 5.3.1). */
  readonly timersOnly: boolean;
}
export type TsigCheck =
  | { readonly kind: 'none' }
  | { readonly kind: 'malformed' }
  | { readonly kind: 'good'; readonly key: TsigKey; readonly mac: Buffer; readonly error: number }
  | {
      readonly kind: 'bad';
      readonly error: number;
      readonly tsig: {
        readonly key: string;
        readonly algorithm: string;
        readonly mac: Buffer;
        readonly atSeconds: number;
      };
      readonly known: TsigKey | undefined;
    };

/** The TSIG record of a message, which must be its last (RFC 8945, 5.1). */
function readTsig(message: Message): TsigData | 'none' | 'malformed' {
  const all = [...message.answers, ...message.authority, ...message.additional];
  if (!all.some((r) => r.type === Type.TSIG)) return 'none';
  const record = message.additional.at(-1);
  const count = all.filter((r) => r.type === Type.TSIG).length;
  if (record?.type !== Type.TSIG || count !== 1 || message.broken || record.class !== Class.ANY) return 'malformed';
  const { bytes } = message;
  const end = record.dataAt + record.dataLength;
  const algorithm = readName(bytes, record.dataAt);
  if (algorithm === undefined || algorithm.end + 10 > end) return 'malformed';
  let at = algorithm.end;
  const atSeconds = bytes.readUIntBE(at, 6);
  const fudgeSeconds = bytes.readUInt16BE(at + 6);
  const macLength = bytes.readUInt16BE(at + 8);
  at += 10;
  if (at + macLength + 6 > end) return 'malformed';
  const mac = Buffer.from(bytes.subarray(at, at + macLength));
  at += macLength;
  const otherLength = bytes.readUInt16BE(at + 4);
  if (at + 6 + otherLength !== end) return 'malformed';
  return {
    key: record.name.toLowerCase(),
    algorithm: algorithm.name.toLowerCase(),
    atSeconds,
    fudgeSeconds,
    mac,
    originalId: bytes.readUInt16BE(at),
    error: bytes.readUInt16BE(at + 2),
    other: Buffer.from(bytes.subarray(at + 6, end)),
    startsAt: record.startsAt,
  };
}

/** Checks a message; the order of checks is that of RFC 8945, 5.2: key, MAC, time. */
export function checkTsig(
  message: Message,
  keyOf: (name: string) => TsigKey | undefined,
  nowSeconds: number,
  chain?: TsigChain,
): TsigCheck {
  const tsig = readTsig(message);
  if (tsig === 'none' || tsig === 'malformed') return { kind: tsig };
  const key = keyOf(tsig.key);
  const bad = (error: number): TsigCheck => ({ kind: 'bad', error, tsig, known: key });
  if (key === undefined || tsig.algorithm !== TSIG_ALGORITHM) return bad(TsigError.BadKey);
  if (tsig.mac.length > MAC_OCTETS || tsig.mac.length < 16) return bad(TsigError.BadSig);
  const signed = Buffer.from(message.bytes.subarray(0, tsig.startsAt));
  signed.writeUInt16BE(tsig.originalId, 0);
  signed.writeUInt16BE(signed.readUInt16BE(10) - 1, 10);
  const mac = digest(signed, key, tsig, chain);
  if (!timingSafeEqual(mac.subarray(0, tsig.mac.length), tsig.mac)) return bad(TsigError.BadSig);
  // A shortened MAC is allowed by the RFC and by nobody here (5.2.2.1: BADTRUNC once the rest is right).
  if (tsig.mac.length !== MAC_OCTETS) return bad(TsigError.BadTrunc);
  if (Math.abs(nowSeconds - tsig.atSeconds) > Math.min(tsig.fudgeSeconds, TSIG_FUDGE_SECONDS))
    return bad(TsigError.BadTime);
  return { kind: 'good', key, mac, error: tsig.error };
}

/** Appends a signature to a message without one. */
export function signTsig(
  bytes: Buffer,
  key: TsigKey,
  atSeconds: number,
  chain?: TsigChain,
  error = 0,
  other: Buffer = Buffer.alloc(0),
): { bytes: Buffer; mac: Buffer } {
  const data = { atSeconds, fudgeSeconds: TSIG_FUDGE_SECONDS, error, other };
  const mac = digest(bytes, key, data, chain);
  return { bytes: append(bytes, key.name, TSIG_ALGORITHM, mac, data), mac };
}

/** A TSIG with an error and no MAC, for BADKEY and BADSIG (RFC 8945, 5.3.2): who can't be proven gets nothing signed. */
export function unsignedTsig(bytes: Buffer, key: string, algorithm: string, atSeconds: number, error: number): Buffer {
  return append(bytes, key, algorithm, Buffer.alloc(0), {
    atSeconds,
    fudgeSeconds: TSIG_FUDGE_SECONDS,
    error,
    other: Buffer.alloc(0),
  });
}

type Timers = Pick<TsigData, 'atSeconds' | 'fudgeSeconds' | 'error' | 'other'>;

function digest(bytes: Buffer, key: TsigKey, data: Timers, chain: TsigChain | undefined): Buffer {
  const hmac = createHmac('sha256', key.secret);
  if (chain !== undefined) {
    const length = Buffer.alloc(2);
    length.writeUInt16BE(chain.mac.length);
    hmac.update(length).update(chain.mac);
  }
  hmac.update(bytes);
  const timers = Buffer.alloc(8);
  timers.writeUIntBE(data.atSeconds, 0, 6);
  timers.writeUInt16BE(data.fudgeSeconds, 6);
  if (chain?.timersOnly === true) return hmac.update(timers).digest();
  const fixed = Buffer.alloc(6);
  fixed.writeUInt16BE(Class.ANY, 0);
  const tail = Buffer.alloc(4);
  tail.writeUInt16BE(data.error, 0);
  tail.writeUInt16BE(data.other.length, 2);
  return hmac
    .update(wireName(canonicalName(key.name)!))
    .update(fixed)
    .update(wireName(TSIG_ALGORITHM))
    .update(timers)
    .update(tail)
    .update(data.other)
    .digest();
}

function append(bytes: Buffer, key: string, algorithm: string, mac: Buffer, data: Timers): Buffer {
  const timers = Buffer.alloc(10);
  timers.writeUIntBE(data.atSeconds, 0, 6);
  timers.writeUInt16BE(data.fudgeSeconds, 6);
  timers.writeUInt16BE(mac.length, 8);
  const tail = Buffer.alloc(6);
  tail.writeUInt16BE(bytes.readUInt16BE(0), 0);
  tail.writeUInt16BE(data.error, 2);
  tail.writeUInt16BE(data.other.length, 4);
  const rdata = Buffer.concat([wireName(algorithm), timers, mac, tail, data.other]);
  const signed = Buffer.concat([
    bytes,
    recordBytes({ name: key, type: Type.TSIG, class: Class.ANY, ttl: 0, data: rdata }),
  ]);
  signed.writeUInt16BE(signed.readUInt16BE(10) + 1, 10);
  return signed;
}
