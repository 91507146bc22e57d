// What a host does to a controller, as a finding that grows.
import { OperationProtocol } from '#events';
import type { Finding } from '#findings';
import { assetOf, findingOf } from '../claim.ts';
import type { DetectorContext } from '../contract.ts';
import type { Grown } from '../growing.ts';
import calibration from './calibration.json' with { type: 'json' };
import { card } from './plant-card.ts';
import { type SignName, signs } from './plant-signs.ts';
import { protocolNames } from './plant-words.ts';

/** @param server the controller; of GOOSE the control block */
export function plantFinding(
  { city }: DetectorContext,
  claim: Grown,
  client: string,
  server: string,
  protocol: number,
): Finding {
  const goose = protocol === OperationProtocol.Goose;
  // A wall of IP addresses stops nothing within one Ethernet.
  const link = goose || protocol === OperationProtocol.Profinet;
  const asset = assetOf(city, goose ? client : server);
  const subject = { type: 'asset', value: goose ? server : (city.assetByIp(client)?.id ?? client) } as const;
  const reasons = [...claim.reasons].sort((a, b) => b.bits - a.bits);
  const signOf = (name: string) => signs[name as SignName];
  const name = protocolNames[protocol] ?? '';
  return findingOf(card, calibration, {
    title: goose
      ? `GOOSE of ${server} is not what its publisher would send`
      : `${subject.value} ${signOf(reasons[0]!.sign).does} ${asset.id ?? server} (${name})`,
    bits: claim.bits,
    asset,
    subject,
    firstAt: claim.firstAt,
    at: claim.alertAt,
    lastAt: claim.lastAt,
    techniques: [...new Set(reasons.flatMap((r) => signOf(r.sign).techniques))],
    reasons: reasons.map(({ text, bits }) => ({ text, bits })),
    evidence: [...claim.evidence],
    count: claim.count,
    response: link
      ? []
      : [{ type: 'nft', record: `add element inet parapet denied { ${client} . ${server} timeout 4h }` }],
    links: link ? [] : [`ip:${client}`],
  });
}
