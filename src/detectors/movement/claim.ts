// A hop as a finding: the asset in doubt is the one that was stepped onto.
import type { City } from '#city';
import type { Evidence, Finding, Reason } from '#findings';
import { assetOf, findingOf } from '../claim.ts';
import calibration from './calibration.json' with { type: 'json' };
import { card } from './card.ts';
import type { Hop } from './hop.ts';
import { ways } from './ways.ts';

const c = calibration;

export function hopFinding(city: City, hop: Hop, bits: number, reasons: readonly Reason[]): Finding {
  const asset = assetOf(city, hop.to);
  const source = city.assetByIp(hop.from);
  const subject = { type: 'asset', value: source?.id ?? hop.from } as const;
  const t = hop.ticket;
  const telling = t !== undefined && (t.realm !== '' || t.switched !== '');
  const evidence: Evidence[] = hop.steps.flatMap((s) => [
    s.evidence,
    ...(s.all.length > 0 ? s.all : s.again.map((x) => x.evidence)),
  ]);
  if (hop.fetched !== undefined) evidence.push(hop.fetched.evidence);
  if (t !== undefined && telling)
    evidence.push({
      file: t.file,
      ...(t.placed === 'frame' ? { frame: t.place } : t.placed === 'line' ? { line: t.place } : { offset: t.place }),
    });
  if (hop.stranger !== undefined) evidence.push(hop.stranger.evidence);
  evidence.push(...hop.beforeEvidence);
  const techniques = new Set(hop.steps.map((s) => ways[s.way]!.technique));
  if (hop.bytes >= c.pushedBytesMin || hop.fetched !== undefined) techniques.add('T1570');
  if (t !== undefined && t.realm !== '') techniques.add('T1558.001');
  else if (t !== undefined && t.switched !== '') techniques.add('T1078');
  const names = [...new Set(hop.steps.map((s) => ways[s.way]!.name))];
  const said = names.length > 1 ? `${names.slice(0, -1).join(', ')} and ${names.at(-1)}` : names[0];
  return findingOf(card, c, {
    title: `${subject.value} stepped onto ${asset.id ?? hop.to} by ${said}${hop.isCrossing ? `, from zone ${hop.zones[0]} into ${hop.zones[1]}, where there is no conduit` : ''}`,
    bits,
    asset,
    subject,
    firstAt: hop.firstAt,
    at: hop.alertAt,
    lastAt: Math.max(hop.lastAt, hop.stranger?.at ?? 0),
    techniques: [...techniques],
    reasons,
    evidence,
    count: hop.steps.reduce((n, s) => n + s.count, 0),
    response: [{ type: 'nft', record: `add element inet parapet denied { ${hop.from} . ${hop.to} timeout 4h }` }],
    links: [
      `ip:${hop.from}`,
      ...(source === undefined ? [] : [`asset:${source.id}`]),
      ...(hop.stranger === undefined ? [] : [`ip:${hop.stranger.peer}`]),
    ],
  });
}
