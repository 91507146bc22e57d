// Labels written straight into an exchange's name, without strings. A name is begun with `nameBytes` at 0, grows label by
// label and is closed by a zone, whose wire form brings the root.
import type { Random } from '#lib/random';
import type { Exchange } from './exchange.ts';

const ascii = (text: string): Uint8Array => Uint8Array.from(text, (c) => c.charCodeAt(0));

export const alphabets = {
  hex: ascii('0123456789abcdef'),
  base32: ascii('abcdefghijklmnopqrstuvwxyz234567'),
  letters: ascii('abcdefghijklmnopqrstuvwxyz'),
  lettersAndDigits: ascii('abcdefghijklmnopqrstuvwxyz0123456789'),
} as const;

/** A label of `length` characters drawn from the alphabet, which has at most 64 of them. */
export function randomLabel(exchange: Exchange, random: Random, alphabet: Uint8Array, length: number): void {
  const { name } = exchange;
  let o = exchange.nameBytes;
  name[o++] = length;
  let word = 0;
  const size = alphabet.length;
  for (let i = 0; i < length; i++) {
    // Four characters a draw: eight bits each, the bias of sizes that don't divide 256 is of no matter here.
    if ((i & 3) === 0) word = random.word();
    name[o++] = alphabet[(word & 255) % size]!;
    word >>>= 8;
  }
  exchange.nameBytes = o;
}

/** A label that depends on `seed` only: what a device or a file is called again and again. */
export function stableLabel(exchange: Exchange, seed: number, alphabet: Uint8Array, length: number): void {
  const { name } = exchange;
  let o = exchange.nameBytes;
  name[o++] = length;
  const size = alphabet.length;
  let h = seed | 0;
  for (let i = 0; i < length; i++) {
    h = Math.imul(h ^ (h >>> 15) ^ i, 0x2c1b3c6d);
    h ^= h >>> 13;
    name[o++] = alphabet[(h >>> 8) % size]!;
  }
  exchange.nameBytes = o;
}

/** Text without dots as one label; octets are taken as Latin-1. */
export function textLabel(exchange: Exchange, text: string): void {
  const { name } = exchange;
  let o = exchange.nameBytes;
  name[o++] = text.length;
  for (let i = 0; i < text.length; i++) name[o++] = text.charCodeAt(i);
  exchange.nameBytes = o;
}

export function decimalLabel(exchange: Exchange, value: number): void {
  const { name } = exchange;
  const at = exchange.nameBytes;
  let o = at + 1;
  if (value >= 100) name[o++] = 0x30 + Math.floor(value / 100);
  if (value >= 10) name[o++] = 0x30 + (Math.floor(value / 10) % 10);
  name[o++] = 0x30 + (value % 10);
  name[at] = o - at - 1;
  exchange.nameBytes = o;
}

/** The four octets of an address, last first, as reverse zones and block lists want them. */
export function reversedAddress(exchange: Exchange, ip: number): void {
  decimalLabel(exchange, ip & 255);
  decimalLabel(exchange, (ip >>> 8) & 255);
  decimalLabel(exchange, (ip >>> 16) & 255);
  decimalLabel(exchange, ip >>> 24);
}

/** Appends the wire form of a zone (root included), which closes the name. */
export function zone(exchange: Exchange, wire: Uint8Array): void {
  const { name } = exchange;
  const o = exchange.nameBytes;
  for (let i = 0; i < wire.length; i++) name[o + i] = wire[i]!;
  exchange.nameBytes = o + wire.length;
}

/** Dotted text as labels, without a root. */
export function textLabels(exchange: Exchange, text: string): void {
  for (const label of text.split('.')) textLabel(exchange, label);
}
