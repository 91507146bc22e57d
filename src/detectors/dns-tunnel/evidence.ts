// From counts to bits: each term is a pure function of what was counted, bounded, and named in words. The terms' scales were
// read off the tune half (calibration.json); a term says log2 of how much likelier such a count is in a tunnel than in
// ordinary life, given the terms before it.
import type { Reason } from '#findings';
import calibration from './calibration.json' with { type: 'json' };
import { Carrier, type Suspect, WINDOWS } from './suspect.ts';

const t = calibration.terms;
const windowNames = ['two minutes', 'an hour', 'a day', 'a week'];
const carrierNames = ['', 'NULL, PRIVATE or unknown-type', 'KEY or SIG', 'TXT', 'CNAME', 'MX', 'SRV'];

/** What others know of the zone and the client; read once a judgement. */
export interface Circumstances {
  /** Clients that asked for the registered domain. */
  readonly clients: number;
  /** A field device (meter, camera, controller) by city.yaml. */
  readonly fieldRole: string;
  /** Some field device was found to move data under the domain. */
  readonly fieldClaimed: boolean;
  /** The city's owner lists the zone as known to carry data. */
  readonly allowed: boolean;
  /** Whether this input brings answers at all. */
  readonly hasAnswers: boolean;
}

export interface Judgement {
  bits: number;
  reasons: Reason[];
}

/** Share of the names that look like data, which all terms of form scale with. */
function dataShare(s: Suspect): number {
  return s.names === 0 ? 0 : s.dataNames / s.names;
}

/** How unlike host names the labels are. Bounded: once a zone is known to hold hashes, more hashes add nothing. */
export function shapeBits(s: Suspect): number {
  if (s.dataNames === 0) return 0;
  const full = Math.min(t.shapeMax, t.shapeBase + Math.log2(1 + s.dataBits / t.shapeScale));
  return dataShare(s) >= 0.34 ? full : full / 2;
}

/** Types that few clients ask for, the more so of names that look like data. The strongest, and a bonus for a mixture. */
export function carrierBits(s: Suspect): { bits: number; carrier: number } {
  let bits = 0;
  let carrier = 0;
  let kinds = 0;
  for (let c = 1; c < s.byCarrier.length; c++) {
    const names = s.byCarrier[c]!;
    if (names === 0) continue;
    const data = s.dataByCarrier[c]!;
    if (data > 0 && c >= Carrier.Txt) kinds += 1;
    // Mail servers read one or two texts of a domain; a client that reads many of one domain follows a script.
    const plain = Math.min(t.carrierPlainMax, t.carrierPlain * Math.log2(1 + s.plainByCarrier[c]!));
    const each = c <= Carrier.Key ? t.carrier[c]! : data > 0 ? Math.max(t.carrier[c]!, plain) : plain;
    if (each > bits) {
      bits = each;
      carrier = c;
    }
  }
  return { bits: bits + (kinds >= 2 ? t.mixture : 0), carrier };
}

/** Estimated bytes up, against what ordinary clients send to one domain in the window; the window that says most. */
export function upBits(s: Suspect): { bits: number; window: number } {
  let bits = 0;
  let window = 0;
  for (let w = 0; w < WINDOWS.length; w++) {
    const b =
      t.upSlope * Math.log2(1 + s.up[w]! / t.upScale[w]!) +
      t.upSlope * Math.log2(1 + s.upWords[w]! / t.upWordsScale[w]!);
    if (b > bits) {
      bits = b;
      window = w;
    }
  }
  return { bits, window };
}

/** Answer data down. Policy and key records are read too, so the scale is some of those. */
export function downBits(s: Suspect): { bits: number; window: number } {
  let bits = 0;
  let window = 0;
  if (s.names < 3) return { bits, window };
  for (let w = 0; w < WINDOWS.length; w++) {
    const b = t.downSlope * Math.log2(1 + s.down[w]! / t.downScale[w]!);
    if (b > bits) {
      bits = b;
      window = w;
    }
  }
  return { bits, window };
}

/** Length of the part left of the registered domain. */
export function lengthBits(s: Suspect): number {
  let bits = 0;
  for (const [bytes, value] of t.length) if (s.payloadBytesMax >= bytes!) bits = value!;
  return bits;
}

/** Characters host names never have, and letter case that means something. */
export function characterBits(s: Suspect): number {
  if (s.rawNames > 0) return t.raw;
  return Math.max(s.oddNames > 0 ? t.odd : 0, s.caseNames > 0 && s.caseNames * 2 >= s.dataNames ? t.mixedCase : 0);
}

/** Names numbered one by one under types that carry data. */
export function counterBits(s: Suspect): number {
  const carried = s.names - s.byCarrier[0]!;
  return s.counterNames >= 4 && s.quadNames < s.counterNames / 2 && carried >= s.names / 2 ? t.counter : 0;
}

/** Data names of a week that never repeat, one after the other. */
export function countBits(s: Suspect): number {
  return s.weekDataNames < 4 ? 0 : Math.min(t.countMax, Math.log2(s.weekDataNames / 3)) * dataShare(s);
}

/** Names of a week that are no data by their form, each asked once: coded as words, or a zone of very many hosts. */
export function wordsBits(s: Suspect): number {
  if (s.weekNames < t.wordsNames || s.quadNames > s.names / 2) return 0;
  return Math.min(t.wordsMax, t.wordsSlope * Math.log2(s.weekNames / t.wordsNames)) * (1 - dataShare(s));
}

/**
 * Look-up services (block lists, virus scanners, shards of delivery networks) put hashes into address look-ups, and only
 * into those, and bring nothing down. The discount is a ceiling on volume, not a pass: where the answers lead nowhere, as a
 * reputation service's do, the bytes up outgrow it; where they are addresses to go to, it shrinks with the bytes of a week.
 */
export function serviceBits(s: Suspect, hasAnswers: boolean): number {
  let other = s.leakedDown > 0 && s.byCarrier[0]! < s.names ? 1 : 0;
  for (let c = 1; c < s.byCarrier.length; c++) other += s.byCarrier[c]!;
  if (other > s.names / 10) return 0;
  if (s.refusals > 0 && s.plainAnswers === 0) return 0;
  if (s.plainAnswers > 0 && s.deniedAnswers >= 0.9 * s.plainAnswers) return -t.service;
  if (!hasAnswers) return -t.service;
  const week = s.up[WINDOWS.length - 1]! + s.upWords[WINDOWS.length - 1]!;
  return -t.service * Math.max(0, 1 - week / t.serviceBytes);
}

/** Keys, domain controllers and certificates have hashes beside an underscored service label (RFC 8552). */
export function underscoreBits(s: Suspect): number {
  return s.dataNames > 0 && s.underscoreNames >= 0.9 * s.dataNames ? -t.underscore : 0;
}

/**
 * Scanners that ask for verdicts in TXT: one type, names of one length as hashes are, answers of a word or two, and several
 * clients that have the product. One client alone gets no discount, field devices have no such product, and what they were
 * found to talk to is none.
 */
export function verdictBits(s: Suspect, c: Circumstances): number {
  const text = s.byCarrier[Carrier.Txt]!;
  if (
    c.clients < 3 ||
    c.fieldRole !== '' ||
    c.fieldClaimed ||
    s.names < 4 ||
    text < 0.95 * s.names ||
    s.dataNames < 0.95 * s.names
  )
    return 0;
  if (s.payloadBytesMin !== s.payloadBytesMax || s.leakedDown > t.verdictDownBytes * s.names) return 0;
  // What such answers bring and how hashes happen to run is part of the same explanation.
  return -(t.verdict + downBits(s).bits + counterBits(s));
}

/** The more clients ask, the likelier a product that many have; a mass infection outgrows it by what each of them sends. */
export function popularBits(clients: number): number {
  return clients > 2 ? -Math.min(t.popularMax, Math.log2(clients / 2)) : 0;
}

/** A term of the sum: what it is worth, and how it is said. Bits are told apart from words because most sums are never said. */
interface Term {
  bits(s: Suspect, c: Circumstances): number;
  text(s: Suspect, c: Circumstances): string;
}

const terms: readonly Term[] = [
  {
    bits: shapeBits,
    text: (s) => `${s.dataNames} of ${s.names} names hold labels that read as coded data, not as host names`,
  },
  {
    bits: (s) => carrierBits(s).bits,
    text: (s) => `asks for ${carrierNames[carrierBits(s).carrier]} records below the zone`,
  },
  {
    bits: (s) => upBits(s).bits,
    text: (s) => {
      const { window } = upBits(s);
      return `sent about ${Math.round(s.up[window]! + s.upWords[window]!)} bytes in distinct names within ${windowNames[window]}`;
    },
  },
  {
    bits: (s) => downBits(s).bits,
    text: (s) => {
      const { window } = downBits(s);
      return `received ${Math.round(s.down[window]!)} bytes of answer data within ${windowNames[window]}`;
    },
  },
  { bits: lengthBits, text: (s) => `${s.payloadBytesMax} characters stand before the registered domain` },
  {
    bits: characterBits,
    text: (s) => (s.rawNames > 0 ? 'labels hold raw octets' : 'labels hold characters or letter case of a code'),
  },
  { bits: countBits, text: (s) => `${s.dataNames} such names, each asked once` },
  { bits: wordsBits, text: (s) => `${Math.round(s.weekNames)} different names below one domain within a week` },
  { bits: counterBits, text: (s) => `${s.counterNames} names are numbered` },
  { bits: (s) => s.toolBits, text: (s) => `the names begin and run as those of ${s.tool}` },
  {
    bits: (s, c) => serviceBits(s, c.hasAnswers),
    text: () => 'only address look-ups with nothing brought down, as look-up services do',
  },
  {
    bits: verdictBits,
    text: () => 'names of one length and answers of a word, for several clients, as a scanner asks for verdicts',
  },
  { bits: underscoreBits, text: () => 'the names are those of service records' },
  { bits: (_, c) => popularBits(c.clients), text: (_, c) => `${c.clients} clients ask for this domain` },
  {
    bits: (s, c) => (c.fieldRole !== '' && s.dataNames > 0 ? t.fieldRole : 0),
    text: (_, c) => `a ${c.fieldRole} has no business with this zone`,
  },
  {
    bits: (_, c) => (c.allowed ? -t.allowed : 0),
    text: () => 'the city lists this zone as allowed to carry data',
  },
];

/** Parts of a bit below this are neither counted nor said. */
const LEAST_BITS = 0.05;
const rounded = (bits: number): number => (Math.abs(bits) < LEAST_BITS ? 0 : Math.round(bits * 100) / 100);

/** The sum alone: asked at each new name. */
export function weigh(s: Suspect, c: Circumstances): number {
  let bits = 0;
  for (const term of terms) bits += rounded(term.bits(s, c));
  return bits;
}

/** The sum with its reasons. */
export function judge(s: Suspect, c: Circumstances): Judgement {
  const reasons: Reason[] = [];
  for (const term of terms) {
    const bits = rounded(term.bits(s, c));
    if (bits !== 0) reasons.push({ text: term.text(s, c), bits });
  }
  return { bits: weigh(s, c), reasons };
}
