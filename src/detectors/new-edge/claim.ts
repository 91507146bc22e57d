// A hop as a finding: the asset whose data are in doubt is the one that was stepped onto.
import { evidenceOf } from '#events';
import type { Evidence, Finding, Reason } from '#findings';
import { assetOf, findingOf } from '../claim.ts';
import type { DetectorContext } from '../contract.ts';
import calibration from './calibration.json' with { type: 'json' };
import { card } from './card.ts';
import type { Hop } from './hop.ts';
import { admin, nameOf } from './services.ts';

const c = calibration;

export function findingOfHop(
  { city, evidenceAll }: DetectorContext,
  hop: Hop,
  bits: number,
  reasons: readonly Reason[],
): Finding {
  const source = city.assetByIp(hop.from);
  const asset = assetOf(city, hop.to);
  const services = [...hop.services];
  const names = services.map(nameOf).filter((n) => n !== '');
  const who = source?.id ?? hop.from;
  const first: Evidence = { ...evidenceOf(hop.origin, hop.firstPlace), flow: hop.firstFlow };
  const all: Evidence[] = [first, ...(evidenceAll ? hop.places : [hop.last])];
  if (hop.strangerAtPlace !== undefined) all.push(hop.strangerAtPlace);
  const seen = new Set<string>();
  const evidence = all.filter((e) => {
    const key = `${e.file}:${e.frame ?? e.line}`;
    return !seen.has(key) && seen.add(key);
  });
  return findingOf(card, c, {
    title: `${who} stepped onto ${asset.id ?? hop.to} by ${names.join(' and ')}${hop.crossing ? `, from zone ${hop.zones[0]} into ${hop.zones[1]}, where there is no conduit` : ''}`,
    bits,
    asset,
    subject: { type: 'asset', value: who },
    firstAt: hop.firstAt,
    at: hop.alertAt,
    lastAt: hop.lastAt,
    techniques: [
      ...new Set(services.map((s) => admin[s]?.technique ?? 'T0886')),
      ...(hop.bytes >= c.pushedBytesMin ? ['T1570'] : []),
    ],
    reasons,
    evidence,
    count: hop.flows + 1,
    response: [{ type: 'nft', record: `add element inet parapet denied { ${hop.from} . ${hop.to} timeout 4h }` }],
    links: [
      `ip:${hop.from}`,
      ...(source === undefined ? [] : [`asset:${source.id}`]),
      ...(hop.stranger === '' ? [] : [`ip:${hop.stranger}`]),
    ],
  });
}
