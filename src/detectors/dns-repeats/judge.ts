// What a sequence of repeats is worth, as a poll for orders and as a channel. Bits are told apart from words: they are asked
// for at each repeat, and most are never said.
import type { Reason } from '#findings';
import calibration from './calibration.json' with { type: 'json' };
import type { Sequence } from './sequence.ts';

const c = calibration;

export interface Circumstances {
  readonly clients: number;
  /** Domains for which the answers name no address: with several the resolver filters, and such answers say nothing. */
  readonly nowhereZones: number;
  readonly fieldRole: string;
  readonly allowed: boolean;
}

export type Kind = 'poll' | 'channel';

export interface Judgement {
  readonly kind: Kind;
  readonly bits: number;
  readonly reasons: readonly Reason[];
}

/** A term of a sum: what it is worth, and how it is said. */
interface Term {
  bits(s: Sequence, around: Circumstances): number;
  text(s: Sequence, around: Circumstances): string;
}

const common: readonly Term[] = [
  {
    bits: (s) => (s.answers > 0 && s.shortLived >= 0.8 * s.answers ? c.shortLifetime : 0),
    text: () => `the answers live for ${c.shortLifetimeSeconds} seconds or less`,
  },
  {
    bits: (_, around) => (around.fieldRole === '' ? 0 : c.fieldRole),
    text: (_, around) => `a ${around.fieldRole} has no business with this domain`,
  },
  {
    bits: (_, around) => (around.clients > 2 ? -Math.min(c.popularMax, Math.log2(around.clients / 2)) : 0),
    text: (_, around) => `${around.clients} clients ask for this domain`,
  },
  {
    bits: (_, around) => (around.allowed ? -c.allowed : 0),
    text: () => 'the city lists this domain as allowed to carry data',
  },
];

const channel: readonly Term[] = [
  ...common,
  {
    bits: (s) => c.infoSlope * Math.log2(1 + s.infoBytes / c.infoBytes),
    text: (s) =>
      `the order of its names, or the gaps between them, can have carried ${Math.round(s.infoBytes)} bytes within a day`,
  },
];

/** Orders that come in the answers. Published texts (policies, signature versions) may be cached; orders must not be. */
const carries = (s: Sequence): boolean => s.answers > 0 && s.carrying >= 0.5 * s.answers;
const orders: readonly Term[] = [
  {
    bits: (s, around) => (s.answers > 0 && s.nowhere >= 0.8 * s.answers && around.nowhereZones <= 3 ? c.nowhere : 0),
    text: () => 'the answers name no address to go to, as an idle command channel’s do',
  },
  {
    bits: (s) => (!carries(s) ? 0 : s.shortLived >= 0.5 * s.answers ? c.carrier : c.carrier / 2),
    text: () => 'each answer brings data, not addresses',
  },
];

const poll: readonly Term[] = [
  ...common,
  {
    bits: (s) => (s.bitsPerGap < c.regularBitsPerGap ? c.regular : 0),
    text: (s) => `${Math.round(s.fresh)} repeats at even gaps`,
  },
  {
    bits: (s) => (s.fresh > c.watchFresh ? Math.min(c.countMax, Math.log2(s.fresh / c.watchFresh)) : 0),
    text: (s) => `asked ${Math.round(s.fresh)} times within a day`,
  },
  ...orders,
  {
    bits: (s) => (carries(s) ? c.downSlope * Math.log2(1 + s.downBytes / c.downBytes) : 0),
    text: (s) => `received ${Math.round(s.downBytes)} bytes of answer data within a day`,
  },
];

function sum(terms: readonly Term[], s: Sequence, around: Circumstances): number {
  let bits = 0;
  for (const term of terms) bits += term.bits(s, around);
  return bits;
}

/** The larger sum of both kinds. Without a sign of orders a poll is only a habit. */
export function weigh(s: Sequence, around: Circumstances): { kind: Kind; bits: number } {
  const pollBits = sum(orders, s, around) === 0 ? 0 : sum(poll, s, around);
  const channelBits = sum(channel, s, around);
  return pollBits >= channelBits ? { kind: 'poll', bits: pollBits } : { kind: 'channel', bits: channelBits };
}

export function judge(s: Sequence, around: Circumstances): Judgement {
  const { kind, bits } = weigh(s, around);
  const reasons = (kind === 'poll' ? poll : channel)
    .map((term) => ({ term, bits: Math.round(term.bits(s, around) * 100) / 100 }))
    .filter((r) => r.bits !== 0)
    .map((r) => ({ text: r.term.text(s, around), bits: r.bits }));
  reasons.sort((a, b) => Math.abs(b.bits) - Math.abs(a.bits));
  return { kind, bits, reasons };
}
