// A device that hands on other people's traffic, as a finding.
import { evidenceOf, formatAddress } from '#events';
import type { Evidence, Finding } from '#findings';
import { registeredName } from '#lib/suffix';
import { assetOf, findingOf } from '../claim.ts';
import type { DetectorContext } from '../contract.ts';
import calibration from './calibration.json' with { type: 'json' };
import { card } from './card.ts';
import type { Device } from './device.ts';
import { judge } from './judge.ts';

export function relayFinding({ city, evidenceAll }: DetectorContext, d: Device): Finding {
  const ip = formatAddress(Uint32Array.from(d.words), 0);
  const asset = assetOf(city, ip);
  const who = asset.id ?? ip;
  const places = [d.firstPlace, ...(evidenceAll ? d.evidence : [d.decisivePlace, d.lastPlace])];
  const evidence: Evidence[] = [...new Set(places)].map((p) => evidenceOf(d.origin, p));
  return findingOf(card, calibration, {
    title: `${who} hands on other people's traffic to ${d.peers.size} strangers: it is used as a proxy`,
    bits: d.bits,
    asset,
    subject: { type: 'asset', value: who },
    firstAt: d.firstMatchAt,
    at: d.alertAt,
    lastAt: d.lastMatchAt,
    techniques: card.techniques,
    reasons: judge({ ...d, names: d.relayed }).reasons,
    evidence,
    count: d.rows,
    // The services behind it are what its fellows share.
    links: [...new Set(d.relayed.map((n) => `domain:${registeredName(n)}`))],
    response: [
      { type: 'nft', record: `add element inet parapet quarantine { ${ip} timeout 4h }` },
      { type: 'trust', record: `${who} until repaired` },
    ],
  });
}
