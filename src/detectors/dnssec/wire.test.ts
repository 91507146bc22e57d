import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { DEFAULT_LIMITS, Spent } from './limits.ts';
import { type Message, type Rrset, readMessage } from './message.ts';
import type { Name } from './names.ts';
import { type Key, keysOf, readSignature, verifySet } from './signature.ts';
import { Type } from './types.ts';

const folder = join(process.env.PARAPET_CORPUS ?? '../shared/corpus', 'dns/dnssec/wire');
const isThere = existsSync(folder);
if (!isThere) console.log('skipped: no corpus (PARAPET_CORPUS) with dns/dnssec/wire');

/** UDP payloads of a classic pcap of Ethernet and IPv4, with their times in seconds. */
function responses(path: string): { message: Message; at: number }[] {
  const bytes = readFileSync(path);
  const found: { message: Message; at: number }[] = [];
  const isLittle = bytes.readUInt8(0) !== 0xa1;
  const u32 = (at: number): number => (isLittle ? bytes.readUInt32LE(at) : bytes.readUInt32BE(at));
  for (let at = 24; at + 16 <= bytes.length; at += 16 + u32(at + 8)) {
    const frame = bytes.subarray(at + 16, at + 16 + u32(at + 8));
    if (frame.length < 42 || frame.readUInt16BE(12) !== 0x0800 || frame[23] !== 17) continue;
    const udp = 14 + 4 * (frame[14]! & 15);
    const message = readMessage(frame.subarray(udp + 8, udp + frame.readUInt16BE(udp + 4)));
    if (message !== undefined && (message.flags & 0x8000) !== 0) found.push({ message, at: u32(at) });
  }
  return found;
}

describe.skipIf(!isThere)('signatures of real zones on the wire', () => {
  it('verify at the time of their capture, wherever the zone shows its keys; altered ones do not', () => {
    const all = readdirSync(folder)
      .filter((f) => f.endsWith('.pcap'))
      .flatMap((f) => responses(join(folder, f)));
    const spent = (): Spent => new Spent(DEFAULT_LIMITS);
    const keys = new Map<Name, Key[]>();
    for (const { message } of all)
      for (const set of message.answer)
        if (set.type === Type.DNSKEY) keys.set(set.owner, [...(keys.get(set.owner) ?? []), ...keysOf(set, spent())]);
    const verified = new Map<number, number>();
    const failed: string[] = [];
    for (const { message, at } of all)
      for (const set of [...message.answer, ...message.authority, ...message.additional]) {
        const signature = set.signatures[0] && readSignature(set.signatures[0]);
        const zoneKeys = signature && keys.get(signature.signer)?.filter((k) => k.tag === signature.tag);
        if (signature === undefined || zoneKeys === undefined || zoneKeys.length === 0) continue;
        if (set.rdatas.length === 0) continue;
        const result = verifySet(set, signature.signer, zoneKeys, at, spent());
        if (result.isGood) verified.set(signature.algorithm, (verified.get(signature.algorithm) ?? 0) + 1);
        else failed.push(`${set.owner} ${set.type} ${result.code}`);
        const altered: Rrset = { ...set, rdatas: [...set.rdatas.slice(1), Uint8Array.of(1, 2, 3, 4)] };
        expect(verifySet(altered, signature.signer, zoneKeys, at, spent()).isGood).toBe(false);
      }
    console.log('verified by algorithm:', Object.fromEntries(verified));
    expect(failed).toEqual([]);
    expect(verified.get(15)).toBeGreaterThan(0);
    expect(verified.get(16)).toBeGreaterThan(0);
  });
});
