// What a host does to a controller, gathered as reasons, as one finding that grows.
import { evidenceOf, type OperationBatch, OperationProtocol } from '#events';
import { bitsToConfidence, type Evidence, type Finding, findingId } from '#findings';
import { BoundedMap } from '../bounded-map.ts';
import { assetOf } from '../claim.ts';
import type { DetectorContext } from '../contract.ts';

import calibration from './calibration.json' with { type: 'json' };
import { CLAIMS_MAX, card } from './plant-card.ts';
import { type Signed, signs } from './plant-signs.ts';
import { protocolNames } from './plant-words.ts';

const c = calibration;

interface Claim {
  readonly client: string;
  readonly server: string;
  readonly protocol: number;
  readonly firstAt: number;
  lastAt: number;
  alertAt: number;
  count: number;
  bits: number;
  reasons: Signed[];
  evidence: Evidence[];
}

export class Claims extends BoundedMap<string, Claim> {
  readonly #context: DetectorContext;

  constructor(context: DetectorContext, shed: () => void) {
    super(CLAIMS_MAX, shed);
    this.#context = context;
  }

  grow(
    batch: OperationBatch,
    i: number,
    client: string,
    server: string,
    protocol: number,
    reasons: readonly Signed[],
    key: string,
  ): void {
    const at = batch.at[i]!;
    const evidence: Evidence = {
      ...evidenceOf(batch.origin, batch.place[i]!),
      flow: `${client}:${batch.clientPort[i]} > ${server}:${batch.serverPort[i]}`,
    };
    const blank = { firstAt: at, lastAt: at, alertAt: 0, count: 0, bits: 0, reasons: [], evidence: [] };
    const claim = this.get(key) ?? this.add(key, { client, server, protocol, ...blank });
    claim.count += 1;
    claim.lastAt = Math.max(claim.lastAt, at);
    // Each reason once, at its strongest.
    let grew = false;
    for (const r of reasons) {
      const known = claim.reasons.find((k) => k.text === r.text);
      if (known !== undefined || claim.reasons.length >= 16) continue;
      claim.reasons.push(r);
      grew = true;
    }
    if (!grew) return;
    if (claim.evidence.length < 16) claim.evidence.push(evidence);
    // Of what is done only the worst counts in full; each further kind adds one bit.
    const positive = claim.reasons
      .filter((r) => r.bits > 0)
      .map((r) => r.bits)
      .sort((a, b) => b - a);
    const alone = reasons.filter((r) => r.bits > 0).reduce((sum, r) => sum + r.bits, 0);
    const negative = Math.min(0, ...claim.reasons.map((r) => r.bits));
    const bits = Math.max(alone, (positive[0] ?? 0) + Math.min(4, positive.length - 1)) + negative;
    if (bits <= claim.bits) return;
    claim.bits = bits;
    if (bits < c.mediumBits) return;
    if (claim.alertAt === 0) claim.alertAt = at;
    this.#context.claim(findingOf(this.#context, claim));
  }
}

function findingOf(context: DetectorContext, claim: Claim): Finding {
  const goose = claim.protocol === OperationProtocol.Goose;
  const link = goose || claim.protocol === OperationProtocol.Profinet;
  const asset = assetOf(context.city, goose ? claim.client : claim.server);
  const subject = {
    type: 'asset',
    value: goose ? claim.server : (context.city.assetByIp(claim.client)?.id ?? claim.client),
  } as const;
  const reasons = [...claim.reasons].sort((a, b) => b.bits - a.bits);
  const name = protocolNames[claim.protocol] ?? '';
  return {
    kind: 'finding',
    id: findingId(card.name, subject, asset, claim.evidence[0]!),
    plane: card.plane,
    detector: card.name,
    family: card.family,
    title: goose
      ? `GOOSE of ${claim.server} is not what its publisher would send`
      : `${subject.value} ${signs[reasons[0]!.sign].does} ${asset.id ?? claim.server} (${name})`,
    severity: claim.bits >= c.highBits ? 'high' : 'medium',
    confidence: bitsToConfidence(claim.bits, c.priorBits),
    bits: claim.bits,
    asset,
    subject,
    firstAt: claim.firstAt,
    at: claim.alertAt,
    lastAt: claim.lastAt,
    techniques: [...new Set(reasons.flatMap((r) => signs[r.sign].techniques))],
    reasons: reasons.map(({ text, bits }) => ({ text, bits })),
    evidence: [...claim.evidence],
    count: claim.count,
    // A wall of IP addresses stops nothing within one Ethernet.
    response: link
      ? []
      : [{ type: 'nft', record: `add element inet parapet denied { ${claim.client} . ${claim.server} timeout 4h }` }],
    links: link ? [] : [`ip:${claim.client}`],
  };
}
