// Rows of a batch as the detector looks at them: by the end of the name, by the exchange, by the message.
import { hash } from 'node:crypto';
import type { DnsBatch } from '#events';
import { LOWER } from '#lib/wirename';
import { type Name, nameOf } from './names.ts';
import { Type } from './types.ts';

/** log2 of the slots of a filter. */
export const FILTER_BITS = 12;

export function nameAt(b: DnsBatch, i: number): Name {
  return nameOf(b.bytes.subarray(b.nameOffset[i]!, b.nameOffset[i]! + b.nameBytes[i]!));
}

export function tailOf(bytes: Uint8Array, end: number): number {
  return end < 3 ? 0 : (LOWER[bytes[end - 3]!]! << 8) | LOWER[bytes[end - 2]!]!;
}

export function endsIn(b: DnsBatch, i: number, wire: Uint8Array): boolean {
  const bytes = b.bytes;
  const start = b.nameOffset[i]!;
  const tail = start + b.nameBytes[i]! - wire.length;
  if (tail < start) return false;
  for (let k = wire.length - 1; k >= 0; k--) if (LOWER[bytes[tail + k]!] !== wire[k]) return false;
  let at = start;
  while (at < tail) at += 1 + bytes[at]!;
  return at === tail;
}

/** Client, port, id and name: what joins a query and its answer. Never 0. */
export function queryKey(b: DnsBatch, i: number): number {
  const h = Math.imul(b.clientHash[i]! ^ ((b.clientPort[i]! << 16) | b.id[i]!), 0x85ebca6b) ^ b.nameHash[i]!;
  return Math.imul(h ^ (h >>> 15), 0x9e3779b1) >>> 0 || 1;
}

export function slotOf(key: number): number {
  return key >>> (32 - FILTER_BITS);
}

/**
 * What tells one message from all others, its id left out. A cryptographic hash, since an answer known by it is not looked at
 * again: one that collides would be a way past.
 */
export function markOf(bytes: Uint8Array, offset: number, length: number, context: string): string {
  const message = Buffer.from(bytes.buffer, bytes.byteOffset + offset + 2, Math.max(0, length - 2));
  return `${context} ${hash('sha256', message, 'base64')}`;
}

/** Whether a signature stands among the answer's or the authority's records, as far as the message can be walked. */
export function showsSignatures(bytes: Uint8Array, offset: number, length: number): boolean {
  const end = offset + length;
  if (length < 12) return false;
  const u16 = (at: number): number => (bytes[at]! << 8) | bytes[at + 1]!;
  let at = offset + 12;
  for (let questions = u16(offset + 4); questions > 0 && at < end; questions--) at = afterName(bytes, at, end) + 4;
  for (let records = u16(offset + 6) + u16(offset + 8); records > 0; records--) {
    at = afterName(bytes, at, end);
    if (at + 10 > end) return false;
    if (u16(at) === Type.RRSIG) return true;
    at += 10 + u16(at + 8);
  }
  return false;
}

/** Offset after a name, compressed or not; `end` where it runs over. */
function afterName(bytes: Uint8Array, offset: number, end: number): number {
  let at = offset;
  while (at < end) {
    const octet = bytes[at]!;
    if (octet === 0) return at + 1;
    if (octet >= 0xc0) return at + 2;
    at += octet + 1;
  }
  return end;
}
