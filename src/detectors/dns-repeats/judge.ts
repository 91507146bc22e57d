// What a sequence of repeats is worth, as a poll for orders and as a channel.
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

export interface Judgement {
  readonly kind: 'poll' | 'channel';
  readonly bits: number;
  readonly reasons: readonly Reason[];
}

export function judge(s: Sequence, around: Circumstances): Judgement {
  const common: Reason[] = [];
  if (s.answers > 0 && s.shortLived >= 0.8 * s.answers)
    common.push({ text: `the answers live for ${c.shortLifetimeSeconds} seconds or less`, bits: c.shortLifetime });
  if (around.fieldRole !== '')
    common.push({ text: `a ${around.fieldRole} has no business with this domain`, bits: c.fieldRole });
  if (around.clients > 2)
    common.push({
      text: `${around.clients} clients ask for this domain`,
      bits: -Math.min(c.popularMax, Math.log2(around.clients / 2)),
    });
  if (around.allowed) common.push({ text: 'the city lists this domain as allowed to carry data', bits: -c.allowed });
  const channel: Reason[] = [
    ...common,
    {
      text: `the order of its names, or the gaps between them, can have carried ${Math.round(s.infoBytes)} bytes within a day`,
      bits: c.infoSlope * Math.log2(1 + s.infoBytes / c.infoBytes),
    },
  ];
  const poll: Reason[] = [...common];
  const repeats = Math.round(s.fresh);
  if (s.bitsPerGap < c.regularBitsPerGap) poll.push({ text: `${repeats} repeats at even gaps`, bits: c.regular });
  if (s.fresh > c.watchFresh)
    poll.push({
      text: `asked ${repeats} times within a day`,
      bits: Math.min(c.countMax, Math.log2(s.fresh / c.watchFresh)),
    });
  let orders = 0;
  if (s.answers > 0 && s.nowhere >= 0.8 * s.answers && around.nowhereZones <= 3) {
    orders = c.nowhere;
    poll.push({ text: 'the answers name no address to go to, as an idle command channel’s do', bits: orders });
  }
  if (s.answers > 0 && s.carrying >= 0.5 * s.answers) {
    // Published texts (policies, signature versions) may be cached; orders must not be.
    orders = s.shortLived >= 0.5 * s.answers ? c.carrier : c.carrier / 2;
    poll.push({ text: 'each answer brings data, not addresses', bits: orders });
    poll.push({
      text: `received ${Math.round(s.downBytes)} bytes of answer data within a day`,
      bits: c.downSlope * Math.log2(1 + s.downBytes / c.downBytes),
    });
  }
  const total = (reasons: readonly Reason[]): number => reasons.reduce((sum, r) => sum + r.bits, 0);
  // Without a sign of orders a poll is only a habit.
  const pollBits = orders === 0 ? 0 : total(poll);
  const channelBits = total(channel);
  const isPoll = pollBits >= channelBits;
  const reasons = (isPoll ? poll : channel).map((r) => ({ text: r.text, bits: Math.round(r.bits * 100) / 100 }));
  reasons.sort((a, b) => Math.abs(b.bits) - Math.abs(a.bits));
  return { kind: isPoll ? 'poll' : 'channel', bits: isPoll ? pollBits : channelBits, reasons };
}
