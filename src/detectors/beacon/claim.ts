// A pair of host and place as a finding.
import { evidenceOf, formatAddress } from '#events';
import type { Finding, Reason, Subject } from '#findings';
import { assetOf, findingOf } from '../claim.ts';
import type { DetectorContext } from '../contract.ts';
import calibration from './calibration.json' with { type: 'json' };
import { card } from './card.ts';
import { By, type Pairs, type Told } from './pairs.ts';

export function findingOfPair(
  { city }: DetectorContext,
  p: Pairs,
  slot: number,
  told: Told,
  reasons: readonly Reason[],
): Finding {
  const ip = formatAddress(p.addresses, 8 * slot);
  const asset = assetOf(city, ip);
  const who = asset.id ?? ip;
  const named = p.by[slot] === By.Name;
  const subject: Subject = named ? { type: 'domain', value: p.nameOf(slot) } : { type: 'ip', value: told.address };
  const mark = p.markOf(slot);
  const places = [told.first.place, told.decisivePlace, ...told.evidence, p.lastPlace[slot]!];
  const held = p.session[slot]! > 0 && p.calls[slot]! < calibration.callsMin;
  return findingOf(card, calibration, {
    title: held
      ? `${who} holds a session to ${subject.value} for hours, and hardly anyone else calls there`
      : `${who} calls ${subject.value} at a machine’s pace, and hardly anyone else does`,
    bits: told.bits,
    asset,
    subject,
    firstAt: p.firstAt[slot]!,
    at: told.alertAt,
    lastAt: p.lastAt[slot]!,
    techniques: card.techniques,
    reasons,
    evidence: [...new Set(places)].map((place) => evidenceOf(told.first, place)),
    count: p.calls[slot]!,
    // What has the same certificate, or the same client, is of one hand wherever it calls.
    ...(mark === '' ? {} : { links: [mark.replace(' ', ':').toLowerCase()] }),
    response: [
      named
        ? { type: 'policy', record: `deny ${ip} to ${subject.value}:${p.port[slot]}` }
        : { type: 'nft', record: `add element inet parapet blocked { ${subject.value} timeout 4h }` },
    ],
  });
}
