// A turn inward in bits: log2 of how much likelier it is where somebody rebinds a name than in ordinary life.
import type { Reason } from '#findings';
import { Place } from './address.ts';
import calibration from './calibration.json' with { type: 'json' };
import type { Turn } from './suspect.ts';

const t = calibration.terms;
const placeNames = [
  'the city’s own',
  'a private',
  'the loopback',
  'a link-local',
  'the zero',
  'a carrier-shared',
  'a loopback',
];

export interface Judgement {
  bits: number;
  reasons: Reason[];
}

function ttlBits(seconds: number): number {
  if (seconds < 0) return 0;
  for (const [limit, bits] of t.ttl) if (seconds <= limit!) return bits!;
  return t.ttlLong;
}

/**
 * @param turns answers so far that turned inward
 * @param zones domains for which this client got inside answers of this kind within the hour
 */
export function judge(turn: Turn, turns: number, zones: number): Judgement {
  const reasons: Reason[] = [];
  const say = (bits: number, text: string): void => {
    if (Math.abs(bits) >= 0.05) reasons.push({ text, bits: Math.round(bits * 100) / 100 });
  };
  const where = `${placeNames[turn.place]} address ${turn.inside}`;
  say(
    t.turn,
    turn.together
      ? `one answer holds ${turn.outside} and ${where}`
      : `answered with ${turn.outside}, then with ${where}`,
  );
  // An answer that always holds both is the same answer again.
  if (!turn.together) say(Math.min(t.againMax, turns - 1), `it turned inward ${turns} times`);
  say(ttlBits(turn.ttlSeconds), `the answer lives for ${turn.ttlSeconds} s`);
  say(turn.place === Place.Public ? t.ours : t.place[turn.place]!, `it points at ${where}`);
  if (turn.asset !== '') say(t.asset, `the address is that of ${turn.asset}`);
  if (turn.named) say(t.named, 'the name spells the address that it turns to');
  if (!turn.sameServer) say(t.otherServer, 'the two answers came from two servers, as where a client changes networks');
  if (zones >= t.manyFrom)
    say(
      -Math.min(t.manyMax, 2 * Math.log2(zones)),
      `${zones} domains were answered so to this client, as by a portal or a filter`,
    );
  reasons.sort((a, b) => Math.abs(b.bits) - Math.abs(a.bits));
  return { bits: reasons.reduce((sum, r) => sum + r.bits, 0), reasons };
}
