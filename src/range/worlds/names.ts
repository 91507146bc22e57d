// Public names of the simulated internet, made from syllables by the seed. Registered names have two labels.
import type { Random } from '#lib/random';

const syllables =
  'ba be bo da di do fa fi go ka ki la le li lo ma me mi mo na ne no pa pi ra re ri ro sa se si so ta te to va ve vi'.split(
    ' ',
  );
const ends = ['example', 'test'];

export function word(random: Random, parts: number): string {
  return Array.from({ length: parts }, () => random.pick(syllables)).join('');
}
export function registered(random: Random): string {
  return `${word(random, random.integer(2, 4))}${random.chance(0.3) ? `-${word(random, 2)}` : ''}.${random.pick(ends)}`;
}
export function hex(random: Random, digits: number): string {
  let out = '';
  while (out.length < digits) out += random.word().toString(16).padStart(8, '0');
  return out.slice(0, digits);
}
const base32 = 'abcdefghijklmnopqrstuvwxyz234567';
export function base32Text(bytes: Uint8Array): string {
  let out = '';
  let held = 0;
  let bits = 0;
  for (const octet of bytes) {
    held = (held << 8) | octet;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      out += base32[(held >>> bits) & 31];
    }
    held &= (1 << bits) - 1;
  }
  return bits > 0 ? out + base32[(held << (5 - bits)) & 31] : out;
}

export interface Names {
  /** Web sites people visit, most visited first. */
  readonly sites: readonly string[];
  readonly cdn: readonly string[];
  readonly shops: readonly string[];
  readonly mail: readonly string[];
  readonly antivirus: string;
  readonly cloud: string;
  readonly firmware: string;
}
export function makeNames(random: Random): Names {
  const many = (count: number, prefix: string): string[] =>
    Array.from({ length: count }, () => `${prefix}${registered(random)}`);
  return {
    sites: many(220, 'www.'),
    cdn: many(8, ''),
    shops: [...many(40, 'shop.'), ...many(20, 'login.')],
    mail: many(15, 'smtp.'),
    antivirus: registered(random),
    cloud: `api.${registered(random)}`,
    firmware: `fw.${registered(random)}`,
  };
}
