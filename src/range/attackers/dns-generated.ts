// Clients that search for their masters by generated domains: many names that nobody has registered, then one that answers.
import type { Random } from '#lib/random';
import { Rtype } from '../worlds/dns/answers.ts';
import { addressOf, attackOf, type DnsAttack, type DnsPlace } from './dns-attack.ts';

/** A way to make the label of day and number; pure, so that master and client agree. */
export type NameGenerator = (seed: number, number: number) => string;

const mix = (h: number): number => {
  let x = Math.imul(h ^ (h >>> 16), 0x7feb352d);
  x = Math.imul(x ^ (x >>> 15), 0x846ca68b);
  return (x ^ (x >>> 16)) >>> 0;
};
const consonants = 'bcdfghjklmnprstvwz';
const vowels = 'aeiou';
const parts = (
  'able above across action after agree apart began block bring built carry chair change class clear close cloud cover ' +
  'cross dance depth drive early earth enter equal event every field final floor force front glass grand green group ' +
  'heart heavy horse house human light linen lower major march metal minor money month mouth music night north ocean'
).split(' ');

export const generators = {
  /** Letters at random, 10 to 19 of them. */
  letters(seed, number) {
    let h = mix(seed ^ Math.imul(number, 0x9e3779b1));
    const length = 10 + (h % 10);
    let out = '';
    for (let i = 0; i < length; i++) {
      h = mix(h + i);
      out += String.fromCharCode(97 + (h % 26));
    }
    return out;
  },
  /** Hexadecimal of a digest, 16 or 32 characters. */
  digest(seed, number) {
    let out = '';
    for (let i = 0; i < (seed % 2 === 0 ? 2 : 4); i++)
      out += mix(seed ^ mix(number * 4 + i))
        .toString(16)
        .padStart(8, '0');
    return out;
  },
  /** Consonants and vowels in turn: it can be spoken. */
  spoken(seed, number) {
    let h = mix(seed + Math.imul(number, 0x2545f491));
    let out = '';
    for (let i = 0; i < 4 + (number % 3); i++) {
      h = mix(h + i);
      out += consonants[h % consonants.length]! + vowels[(h >>> 8) % vowels.length]!;
    }
    return out;
  },
  /** Two words of a list. */
  words(seed, number) {
    const h = mix(seed ^ Math.imul(number, 0x85ebca6b));
    return parts[h % parts.length]! + parts[(h >>> 12) % parts.length]!;
  },
} as const satisfies Record<string, NameGenerator>;

/** Asks `perDay` domains each day, a few seconds apart, until the one that its master has registered. */
export function generatedDomains(
  place: DnsPlace,
  options: { generator: keyof typeof generators; perDay: number; gapMicros: number; endings: readonly string[] },
): DnsAttack {
  const make = generators[options.generator];
  return attackOf(place, { what: 'dns-generated-domains', zone: '' }, function* (sender) {
    const { random } = sender;
    const seed = random.word();
    for (let day = 0; sender.at < place.untilMicros; day++) {
      const registered = registeredNumber(random, options.perDay);
      for (let n = 0; n <= registered; n++) {
        const label = make(seed ^ day, n);
        sender.turnTo(options.endings[n % options.endings.length]!);
        if (n < registered) yield sender.denied(label, Rtype.A, 0);
        else yield sender.send(label, Rtype.A, [addressOf(label)], 0, 0);
        sender.wait(options.gapMicros, 0.5);
      }
      sender.at = Math.max(sender.at, place.fromMicros + (day + 1) * 86_400e6);
    }
  });
}

function registeredNumber(random: Random, perDay: number): number {
  return Math.max(0, perDay - 1 - random.integer(0, Math.floor(perDay / 4)));
}
