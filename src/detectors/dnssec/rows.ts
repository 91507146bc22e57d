// Rows of a batch as the detector looks at them: by the end of the name, by the exchange, by the message.
import { hash } from 'node:crypto';
import type { DnsBatch } from '#events';
import { LOWER } from '#lib/wirename';
import { type Name, nameOf } from './names.ts';

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
