// A host that calls one place at a steady pace. Gaps are taken in microseconds, a missed call is a multiple of the period, and
// jitter up to a third is allowed. Regular is not hostile: update checks and time servers are too. What weighs is that nobody
// else in the city calls there, that it goes on, and that each call looks like the last.
//   regularity = share of gaps within 30 % of the period or of a small multiple of it
import { type EventBatch, evidenceOf, FlowBatch, FlowPhase, formatAddress, type Origin } from '#events';
import { type AssetRef, bitsToConfidence, type Finding, findingId, type Reason } from '#findings';
import type { Detector, DetectorCard, DetectorContext, DetectorKind } from '../contract.ts';
import calibration from './calibration.json' with { type: 'json' };

const c = calibration;
const PAIRS_MAX = 20_000;
const TIMES = 64;
const CALLERS_MAX = 50_000;
/** Ports on which a name may be asked of an inside proxy: the pair is then the client and the name. */
const proxyPorts = new Set([3128, 8080, 8000, 1080]);
/** Faster than this is one busy session, slower than this takes weeks to tell, microseconds. */
const GAP_MIN = 1e6;
const GAP_MAX = 6 * 3600e6;

const card: DetectorCard = {
  name: 'beacon',
  plane: 'flow',
  family: 'beacon',
  behaviour:
    'A host calls one outside place at a steady pace, each call like the last, and hardly anyone else in the city calls there.',
  takes: ['flow'],
  scope: 'city',
  techniques: ['T1071.001', 'T1573'],
  cannotSee: [
    'Jitter beyond a third of the period.',
    'One long session instead of calls.',
    'Places that change at every call without a common name.',
    'Fewer than a dozen calls.',
  ],
  innocentCauses: [
    'Update checks, telemetry and monitoring of a device that is alone of its kind.',
    'A page left open that polls.',
  ],
  firstSteps: [
    'Ask which program calls: the period and the size name it.',
    'Look at what came down in the calls, and at what the host did after.',
    'If nobody owns it, block the place and isolate the host.',
  ],
  memoryBound: `${PAIRS_MAX} pairs of 700 octets, ${CALLERS_MAX} places`,
};

export const beacon: DetectorKind = { card, create: (context) => new Beacons(context) };

class Pair {
  client = '';
  place = '';
  named = false;
  port = 0;
  times = new Float64Array(TIMES);
  bytes = new Float64Array(TIMES);
  count = 0;
  origin: Origin = { file: '', placed: 'frame' };
  firstPlace = 0;
  lastPlace = 0;
  firstAt = 0;
  lastAt = 0;
  alertAt = 0;
  bits = 0;
  decisivePlace = 0;
  evidence: number[] = [];
}

class Beacons implements Detector {
  shed = 0;
  readonly #context: DetectorContext;
  readonly #pairs = new Map<string, Pair>();
  /** Clients of a place, the first few. */
  readonly #callers = new Map<string, string[]>();

  constructor(context: DetectorContext) {
    this.#context = context;
  }

  observe(batch: EventBatch): void {
    if (!(batch instanceof FlowBatch)) return;
    const { city } = this.#context;
    for (let i = 0; i < batch.count; i++) {
      if (batch.protocol[i] !== 6 || !city.isOurs(batch.addresses, 8 * i)) continue;
      const viaProxy = proxyPorts.has(batch.responderPort[i]!);
      const inside = city.isOurs(batch.addresses, 8 * i + 4);
      // A named opening (http.log) is a call in its own right where a proxy stands between; else a closed flow is, to the
      // outside or, by the name it asked for, to a proxy.
      const named = batch.nameBytes[i]! > 0;
      if (batch.phase[i] === FlowPhase.Close) {
        if ((inside && !(named && viaProxy)) || batch.responderPayloadBytes[i] === 0) continue;
      } else if (batch.phase[i] !== FlowPhase.Open || !named || !inside || !viaProxy) continue;
      this.#called(batch, i, named);
    }
  }

  #called(batch: FlowBatch, i: number, named: boolean): void {
    const { city } = this.#context;
    const client = formatAddress(batch.addresses, 8 * i);
    const from = batch.nameOffset[i]!;
    const place = named
      ? Buffer.from(batch.bytes.subarray(from, from + batch.nameBytes[i]!))
          .toString('latin1')
          .toLowerCase()
      : formatAddress(batch.addresses, 8 * i + 4);
    // What the city file names as an asset is meant to be called.
    if (city.assetByAddress(batch.addresses, 8 * i + 4) !== undefined && !proxyPorts.has(batch.responderPort[i]!))
      return;
    if (city.dns.allow.some((d) => place === d || place.endsWith(`.${d}`))) return;
    let callers = this.#callers.get(place);
    if (callers === undefined) {
      if (this.#callers.size >= CALLERS_MAX) {
        this.#callers.delete(this.#callers.keys().next().value!);
        this.shed += 1;
      }
      callers = [];
      this.#callers.set(place, callers);
    }
    if (callers.length < c.popular && !callers.includes(client)) callers.push(client);
    // What several hosts of the city call is a service, not a channel of one.
    if (callers.length >= c.popular) return;
    const key = `${client}|${place}`;
    let pair = this.#pairs.get(key);
    const at = batch.firstAt[i]!;
    if (pair === undefined) {
      if (this.#pairs.size >= PAIRS_MAX) this.#forget();
      pair = new Pair();
      pair.client = client;
      pair.place = place;
      pair.named = named;
      pair.port = batch.responderPort[i]!;
      pair.firstPlace = batch.place[i]!;
      pair.firstAt = at;
      pair.origin = batch.origin;
      this.#pairs.set(key, pair);
    }
    const slot = pair.count % TIMES;
    pair.times[slot] = at;
    pair.bytes[slot] = batch.originatorPayloadBytes[i]!;
    pair.count += 1;
    pair.lastAt = Math.max(pair.lastAt, at);
    // Places are of one file: calls told by others count, and are not pointed at.
    if (pair.origin.file === batch.origin.file) {
      pair.lastPlace = batch.place[i]!;
      if (this.#context.evidenceAll && pair.evidence.length < 5000) pair.evidence.push(pair.lastPlace);
    }
    if (pair.count < c.samplesMin || (pair.count > 64 && pair.count % 16 !== 0)) return;
    this.#weigh(pair, callers.length, Math.max(at, batch.at[i]!));
  }

  #forget(): void {
    let least: [string, Pair] | undefined;
    let looked = 0;
    for (const entry of this.#pairs) {
      if (least === undefined || entry[1].count < least[1].count) least = entry;
      if (++looked >= 64) break;
    }
    if (least !== undefined) this.#pairs.delete(least[0]);
    this.shed += 1;
  }

  #weigh(pair: Pair, callers: number, at: number): void {
    const { bits, reasons } = judge(pair, callers);
    if (bits < c.mediumBits) return;
    if (pair.alertAt === 0) {
      pair.alertAt = at;
      pair.decisivePlace = pair.lastPlace;
    }
    pair.bits = Math.max(pair.bits, bits);
    this.#context.claim(this.#finding(pair, reasons));
  }

  advance(): void {}

  #finding(pair: Pair, reasons: Reason[]): Finding {
    const known = this.#context.city.assetByIp(pair.client);
    const asset: AssetRef =
      known === undefined
        ? { ip: pair.client }
        : { id: known.id, ip: pair.client, ...(known.role === '' ? {} : { role: known.role }) };
    const subject = { type: pair.named ? 'domain' : 'ip', value: pair.place } as const;
    const first = evidenceOf(pair.origin, pair.firstPlace);
    const places = this.#context.evidenceAll ? pair.evidence : [pair.firstPlace, pair.decisivePlace, pair.lastPlace];
    return {
      kind: 'finding',
      id: findingId(card.name, subject, asset, first),
      plane: card.plane,
      detector: card.name,
      family: card.family,
      title: `${known?.id ?? pair.client} calls ${pair.place} at a steady pace, and hardly anyone else does`,
      severity: pair.bits >= c.highBits ? 'high' : 'medium',
      confidence: Number(bitsToConfidence(pair.bits, c.priorBits).toPrecision(5)),
      bits: Number(pair.bits.toFixed(2)),
      asset,
      subject,
      firstAt: pair.firstAt,
      at: pair.alertAt,
      lastAt: Math.max(pair.lastAt, pair.alertAt),
      techniques: card.techniques,
      reasons,
      evidence: [...new Set(places)].map((p) => evidenceOf(pair.origin, p)),
      count: pair.count,
      response: [
        pair.named
          ? { type: 'policy', record: `deny ${pair.client} to ${pair.place}:${pair.port}` }
          : { type: 'nft', record: `add element inet parapet blocked { ${pair.place} timeout 4h }` },
      ],
    };
  }

  snapshot(): unknown {
    return {
      version: 1,
      callers: [...this.#callers],
      pairs: [...this.#pairs].map(([k, p]) => [k, { ...p, times: [...p.times], bytes: [...p.bytes] }]),
    };
  }

  restore(state: unknown): void {
    const s = state as {
      version: number;
      callers: [string, string[]][];
      pairs: [string, Omit<Pair, 'times' | 'bytes'> & { times: number[]; bytes: number[] }][];
    };
    if (s.version !== 1) throw new Error(`beacon: state of version ${s.version} is not known`);
    this.#callers.clear();
    this.#pairs.clear();
    for (const [k, v] of s.callers) this.#callers.set(k, v);
    for (const [k, v] of s.pairs)
      this.#pairs.set(
        k,
        Object.assign(new Pair(), { ...v, times: Float64Array.from(v.times), bytes: Float64Array.from(v.bytes) }),
      );
  }
}

/** Regularity of the last calls, and what it is worth. */
function judge(pair: Pair, callers: number): { bits: number; reasons: Reason[] } {
  const n = Math.min(pair.count, TIMES);
  const times = [...pair.times.subarray(0, n)].sort((a, b) => a - b);
  const gaps: number[] = [];
  // Calls within a second belong to one visit.
  for (let i = 1; i < n; i++) if (times[i]! - times[i - 1]! >= GAP_MIN) gaps.push(times[i]! - times[i - 1]!);
  if (gaps.length < c.samplesMin - 1) return { bits: 0, reasons: [] };
  const sorted = [...gaps].sort((a, b) => a - b);
  const period = sorted[sorted.length >> 1]!;
  if (period < GAP_MIN || period > GAP_MAX) return { bits: 0, reasons: [] };
  let near = 0;
  for (const gap of gaps) {
    const turns = Math.max(1, Math.min(4, Math.round(gap / period)));
    if (Math.abs(gap - turns * period) <= 0.3 * period) near += 1;
  }
  const regularity = near / gaps.length;
  const regular = (c.regularBits * Math.max(0, regularity - c.regularFloor)) / (1 - c.regularFloor);
  const sizes = [...pair.bytes.subarray(0, n)].sort((a, b) => a - b);
  const middle = sizes[n >> 1]!;
  const alike = sizes.filter((b) => Math.abs(b - middle) <= 0.15 * middle + 32).length / n;
  const reasons: Reason[] = [
    { text: `${Math.round(regularity * 100)} % of the gaps fit a period of ${words(period)}`, bits: regular },
    {
      text: `it has called ${pair.count} times`,
      bits: Math.min(c.countBitsMax, c.countBits * Math.log2(pair.count / c.samplesMin + 1)),
    },
    {
      text: callers <= 1 ? 'nobody else in the city calls there' : `only ${callers} hosts of the city call there`,
      bits: callers <= 1 ? 1.5 : 0,
    },
    { text: `${Math.round(alike * 100)} % of the calls are of one size`, bits: alike > 0.6 ? c.sizeBits * alike : 0 },
  ];
  if (!pair.named) reasons.push({ text: 'the place gave no name', bits: c.noNameBits });
  reasons.sort((a, b) => b.bits - a.bits);
  // Without regularity the rest says nothing.
  const bits = regular < 1 ? 0 : reasons.reduce((sum, r) => sum + r.bits, 0);
  return { bits, reasons: reasons.map((r) => ({ text: r.text, bits: Number(r.bits.toFixed(2)) })) };
}

function words(micros: number): string {
  const seconds = micros / 1e6;
  return seconds < 120 ? `${seconds.toFixed(1)} s` : `${(seconds / 60).toFixed(1)} min`;
}
