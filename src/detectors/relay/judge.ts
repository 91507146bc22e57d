// What a device's balance, fan-out and persistence are worth together.
import type { Reason } from '#findings';
import calibration from './calibration.json' with { type: 'json' };
import type { Indicator } from './indicators.ts';

const c = calibration;

/** From what a device did to bits and words. */
export function judge(d: {
  matched: number;
  larger: number;
  matchedBins: number;
  strangers: ReadonlyMap<number, number>;
  names: readonly string[];
  isField: boolean;
  role: string;
  indicator: Indicator | undefined;
}): { bits: number; reasons: Reason[] } {
  const ratio = d.larger <= 0 ? 0 : d.matched / d.larger;
  const balance = (c.ratioBits * Math.max(0, ratio - c.ratioFloor)) / (1 - c.ratioFloor);
  const fan = Math.min(
    c.strangerBitsMax,
    (d.isField ? c.strangerBitsField : c.strangerBits) * Math.log2(Math.max(1, d.strangers.size / 2)),
  );
  const persist = Math.min(c.persistBitsMax, c.persistBits * Math.log2(Math.max(1, d.matchedBins)));
  const reasons: Reason[] = [
    {
      text: `what it took in it handed out again within seconds: ${Math.round(d.matched)} bytes, ${Math.round(ratio * 100)} % of its traffic in two hours`,
      bits: balance,
    },
    {
      text: `it met ${d.strangers.size} destinations it had no need of before${d.names.length > 0 ? `, such as ${d.names.slice(0, 3).join(', ')}` : ''}`,
      bits: fan,
    },
    { text: `it did so in ${Math.round(d.matchedBins)} separate spells of five seconds`, bits: persist },
  ];
  if (d.isField) reasons.push({ text: `a ${d.role} has no reason to`, bits: c.fieldRoleBits });
  if (d.indicator !== undefined && (d.indicator.role === 'control' || d.indicator.role === 'gateway'))
    reasons.push({
      text: `it speaks to ${d.indicator.suffix}, which serves ${d.indicator.service}`,
      bits: c.indicatorBits * d.indicator.confidence,
    });
  // Without balance nothing else makes a relay.
  const bits = balance < 1 ? 0 : reasons.reduce((sum, r) => sum + r.bits, 0);
  reasons.sort((a, b) => b.bits - a.bits);
  return { bits, reasons: reasons.map((r) => ({ text: r.text, bits: Number(r.bits.toFixed(2)) })) };
}
