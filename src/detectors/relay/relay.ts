// A device sold as a proxy: what comes in through one flow leaves through another within seconds, again and again, to
// strangers. Encrypted or not, a relay can't hide this balance: over short bins the bytes it takes in from everyone equal the
// bytes it hands out to everyone, while a client takes in much more than it hands out, and a sensor the reverse.
//   match of a bin = min(in, out) / max(in, out), weighted by bytes; a bin that one flow makes alone counts as unmatched
import { type EventBatch, evidenceOf, FlowBatch, FlowPhase, formatAddress, type Origin } from '#events';
import { type AssetRef, bitsToConfidence, type Evidence, type Finding, findingId } from '#findings';
import { addressHash, isGroupAddress } from '#lib/address';
import { registeredName } from '#lib/suffix';
import type { Detector, DetectorCard, DetectorContext, DetectorKind } from '../contract.ts';
import calibration from './calibration.json' with { type: 'json' };
import { type Indicator, indicatorOf } from './indicators.ts';
import { judge } from './judge.ts';

const c = calibration;
const BIN_MICROS = 5e6;
/** Bins kept open: rows of a flow may come this late. */
const BINS = 12;
/** A bin in which one flow moves more than this share is a talk, not a relay. */
const SOLE_SHARE = 0.8;
const DEVICES_MAX = 20_000;
/** Peers of a device that are remembered as known. */
const KNOWN_MAX = 64;
const STRANGERS_MAX = 512;
const NAMES_SEEN_MAX = 128;
/** A device's own first hours, in which peers are learned, microseconds. */
const LEARN_MICROS = 6 * 3600e6;
/** Peers that a field device may meet at first sight: its head-end, its time server, its maker. */
const FIELD_PEERS = 3;
const fieldRoles = /meter|camera|rtu|plc|sensor|bus|signal|controller|inverter|pump|light|charger/i;

const card: DetectorCard = {
  name: 'relay',
  plane: 'flow',
  family: 'relay',
  behaviour:
    'A device takes bytes in through one flow and hands the same amount out through another within seconds, over and over, to destinations its role never needed: its bandwidth is sold.',
  takes: ['flow'],
  scope: 'client',
  techniques: ['T1496.002', 'T1090'],
  cannotSee: [
    'A relay of sparse traffic that waits longer than five seconds before it hands on.',
    'Padding that doubles or halves the volume on one side.',
    'A relay below some kilobytes in two hours.',
    'What happens behind an address shared by many devices.',
  ],
  innocentCauses: [
    'VPN gateways, web proxies and mail relays: give them a role in city.yaml.',
    'Synchronising a folder up and down at once.',
    'Video calls, which balance but meet one or two peers.',
  ],
  firstSteps: [
    'Look at the destinations: shops, mail and log-in pages are not what a meter needs.',
    'Ask whether the device was updated or sold on; look for a long session to a controller.',
    'Quarantine it by the nft record, and change its credentials.',
  ],
  memoryBound: `${DEVICES_MAX} devices of at most 32 KiB`,
};

export const relay: DetectorKind = { card, create: (context) => new Relay(context) };

class Device {
  readonly words = new Uint32Array(4);
  firstAt = 0;
  lastAt = 0;
  isField = false;
  role = '';
  known = new Set<number>();
  /** Peers that were not known, and when they were first met; those older than the window go. */
  strangers = new Map<number, number>();
  names: string[] = [];
  /** Hashes of (name, peer) that were looked at. */
  namesSeen = new Set<number>();
  indicator: Indicator | undefined;
  /** Per open bin: bytes in and out, and the flow that moved most of them. */
  binAt = new Float64Array(BINS);
  bytesIn = new Float64Array(BINS);
  bytesOut = new Float64Array(BINS);
  soleBytes = new Float64Array(BINS);
  soleFlow = new Float64Array(BINS);
  /** Decayed over the window. */
  matched = 0;
  larger = 0;
  matchedBins = 0;
  decayedAt = 0;
  origin: Origin = { file: '', placed: 'frame' };
  firstPlace = -1;
  firstMatchAt = 0;
  decisivePlace = 0;
  lastPlace = 0;
  rows = 0;
  bits = 0;
  alertAt = 0;
  toldCount = 0;
  evidence: number[] = [];
}

class Relay implements Detector {
  shed = 0;
  readonly #context: DetectorContext;
  readonly #devices = new Map<number, Device>();
  readonly #dirty = new Set<Device>();

  constructor(context: DetectorContext) {
    this.#context = context;
  }

  observe(batch: EventBatch): void {
    if (!(batch instanceof FlowBatch)) return;
    for (let i = 0; i < batch.count; i++) {
      // Broadcast and name look-ups are nobody's relay traffic.
      if (batch.protocol[i] !== 6 && batch.protocol[i] !== 17) continue;
      if (batch.service[i] === 10 || isGroupAddress(batch.addresses, 8 * i + 4)) continue;
      // Talk inside the city is other detectors' matter, and would hide a relay's balance.
      if (this.#context.city.isOurs(batch.addresses, 8 * i) && this.#context.city.isOurs(batch.addresses, 8 * i + 4))
        continue;
      this.#side(batch, i, 0, batch.responderPayloadDelta[i]!, batch.originatorPayloadDelta[i]!);
      this.#side(batch, i, 4, batch.originatorPayloadDelta[i]!, batch.responderPayloadDelta[i]!);
    }
  }

  /** The device at one end of the flow took `bytesIn` in and handed `bytesOut` out. */
  #side(batch: FlowBatch, i: number, end: number, bytesIn: number, bytesOut: number): void {
    const w = 8 * i + end;
    const key = addressHash(batch.addresses, w) | 0;
    let d = this.#devices.get(key);
    if (d === undefined) {
      if (!this.#context.city.isOurs(batch.addresses, w)) return;
      d = this.#open(key, batch, i, w);
    }
    const at = batch.lastAt[i]!;
    if (at > d.lastAt) d.lastAt = at;
    if (batch.phase[i] === FlowPhase.Open || d.names.length === 0 || batch.nameBytes[i]! > 0)
      this.#peer(d, batch, i, end, at);
    if (bytesIn <= 0 && bytesOut <= 0) return;
    // A log that tells a long flow in one lump, at its start, says nothing of seconds.
    if (at - batch.at[i]! > BINS * BIN_MICROS) return;
    const bin = Math.floor(at / BIN_MICROS);
    const slot = bin % BINS;
    if (d.binAt[slot] !== bin) {
      if (d.binAt[slot]! > bin) return;
      this.#close(d, slot);
      d.binAt[slot] = bin;
    }
    d.bytesIn[slot]! += bytesIn;
    d.bytesOut[slot]! += bytesOut;
    // The flow that moves most in this bin (majority vote): a talk that balances by itself is no relay.
    if (d.soleFlow[slot] === batch.flow[i]!) d.soleBytes[slot]! += bytesIn + bytesOut;
    else if (bytesIn + bytesOut > d.soleBytes[slot]!) {
      d.soleFlow[slot] = batch.flow[i]!;
      d.soleBytes[slot] = bytesIn + bytesOut;
    }
    if (d.firstPlace < 0) {
      d.origin = batch.origin;
      d.firstPlace = batch.place[i]!;
    }
    if (d.origin.file === batch.origin.file) d.lastPlace = batch.lastPlace[i]!;
  }

  #open(key: number, batch: FlowBatch, i: number, w: number): Device {
    if (this.#devices.size >= DEVICES_MAX) {
      let least: [number, Device] | undefined;
      let looked = 0;
      for (const entry of this.#devices) {
        if (least === undefined || entry[1].bits < least[1].bits) least = entry;
        if (++looked >= 64) break;
      }
      if (least !== undefined) this.#devices.delete(least[0]);
      this.shed += 1;
    }
    const d = new Device();
    for (let k = 0; k < 4; k++) d.words[k] = batch.addresses[w + k]!;
    d.firstAt = batch.at[i]!;
    d.decayedAt = d.firstAt;
    const asset = this.#context.city.assetByAddress(batch.addresses, w);
    d.role = asset?.role ?? '';
    d.isField = fieldRoles.test(d.role);
    d.origin = batch.origin;
    this.#devices.set(key, d);
    return d;
  }

  /** Notes whom the device meets: known, or a stranger. Only flows that it opens itself count. */
  #peer(d: Device, batch: FlowBatch, i: number, end: number, at: number): void {
    if (end !== 0 || this.#context.city.isOurs(batch.addresses, 8 * i + 4)) return;
    const peer = addressHash(batch.addresses, 8 * i + 4) | 0;
    if (!d.known.has(peer) && !d.strangers.has(peer)) {
      const learning = at - d.firstAt < LEARN_MICROS && d.known.size < (d.isField ? FIELD_PEERS : KNOWN_MAX);
      if (learning) d.known.add(peer);
      else if (d.strangers.size < STRANGERS_MAX) d.strangers.set(peer, at);
    }
    if (batch.nameBytes[i] === 0) return;
    // Every row of a flow repeats its name: it becomes a string once.
    const key = nameKey(batch, i, peer);
    if (d.namesSeen.has(key)) return;
    if (d.namesSeen.size >= NAMES_SEEN_MAX) d.namesSeen.clear();
    d.namesSeen.add(key);
    const from = batch.nameOffset[i]!;
    const name = Buffer.from(batch.bytes.subarray(from, from + batch.nameBytes[i]!))
      .toString('latin1')
      .toLowerCase();
    d.indicator ??= indicatorOf(name);
    if (d.strangers.has(peer) && d.names.length < 8 && !d.names.includes(name)) d.names.push(name);
  }

  /** A bin is over: its balance joins the window. */
  #close(d: Device, slot: number): void {
    const taken = d.bytesIn[slot]!;
    const given = d.bytesOut[slot]!;
    if (taken + given > 0) {
      const at = (d.binAt[slot]! + 1) * BIN_MICROS;
      this.#decay(d, at);
      const both = d.soleBytes[slot]! > SOLE_SHARE * (taken + given) ? 0 : Math.min(taken, given);
      const most = Math.max(taken, given);
      d.matched += both;
      d.larger += most;
      if (both > 400 && both > 0.5 * most) {
        d.matchedBins += 1;
        d.rows += 1;
        if (d.firstMatchAt === 0) d.firstMatchAt = at - BIN_MICROS;
        if (this.#context.evidenceAll && d.evidence.length < 5000) d.evidence.push(d.lastPlace);
        this.#weigh(d, at);
      }
    }
    d.bytesIn[slot] = 0;
    d.bytesOut[slot] = 0;
    d.soleBytes[slot] = 0;
    d.soleFlow[slot] = 0;
  }

  #decay(d: Device, at: number): void {
    const elapsed = at - d.decayedAt;
    if (elapsed <= 0) return;
    const keep = Math.exp(-elapsed / c.windowMicros);
    d.matched *= keep;
    d.larger *= keep;
    d.matchedBins *= keep;
    d.decayedAt = at;
    if (d.bits > 0) return;
    // Nobody is suspected: what is older than the window no longer belongs to what may come.
    for (const [peer, metAt] of d.strangers) {
      if (at - metAt <= c.windowMicros) break;
      d.strangers.delete(peer);
    }
    if (d.matchedBins < 0.05) {
      d.firstMatchAt = 0;
      d.firstPlace = -1;
      if (d.names.length > 0) {
        d.names = [];
        d.namesSeen.clear();
      }
    }
  }

  #weigh(d: Device, at: number): void {
    if (d.matched < c.matchedBytesMin || d.strangers.size < c.strangersMin || d.matchedBins < c.spellsMin) return;
    const { bits } = judge(d);
    if (bits < c.mediumBits) return;
    if (d.bits === 0) {
      d.alertAt = at;
      d.decisivePlace = d.lastPlace;
    }
    const level = (b: number): number => (b >= c.highBits ? 2 : b >= c.mediumBits ? 1 : 0);
    const risen = level(bits) > level(d.bits);
    d.bits = Math.max(d.bits, bits);
    if (risen) this.#context.claim(this.#finding(d));
    else this.#dirty.add(d);
  }

  advance(to: number): void {
    const now = Math.floor(to / BIN_MICROS);
    if (now === this.#sweptBin) return;
    this.#sweptBin = now;
    for (const d of this.#devices.values()) {
      for (let slot = 0; slot < BINS; slot++)
        if (d.binAt[slot]! > 0 && d.binAt[slot]! <= now - BINS && d.bytesIn[slot]! + d.bytesOut[slot]! > 0)
          this.#close(d, slot);
    }
    // A claim grows at most every ten minutes: people read it, and it crosses processes.
    if (now - this.#toldBin >= 120 && this.#dirty.size > 0) {
      this.#toldBin = now;
      for (const d of this.#dirty) this.#context.claim(this.#finding(d));
      this.#dirty.clear();
    }
  }
  #sweptBin = 0;
  #toldBin = 0;

  #finding(d: Device): Finding {
    const { city } = this.#context;
    const ip = formatAddress(d.words, 0);
    const known = city.assetByIp(ip);
    const asset: AssetRef =
      known === undefined ? { ip } : { id: known.id, ip, ...(known.role === '' ? {} : { role: known.role }) };
    const { bits, reasons } = judge(d);
    const best = Math.max(bits, d.bits);
    const first = evidenceOf(d.origin, d.firstPlace);
    const subject = { type: 'asset', value: known?.id ?? ip } as const;
    const places = this.#context.evidenceAll ? d.evidence : [d.firstPlace, d.decisivePlace, d.lastPlace];
    const evidence: Evidence[] = [...new Set(places)].map((p) => evidenceOf(d.origin, p));
    return {
      kind: 'finding',
      id: findingId(card.name, subject, asset, first),
      plane: card.plane,
      detector: card.name,
      family: card.family,
      title: `${known?.id ?? ip} hands on other people's traffic to ${d.strangers.size} strangers: it is used as a proxy`,
      severity: best >= c.highBits ? 'high' : 'medium',
      confidence: Number(bitsToConfidence(best, c.priorBits).toPrecision(5)),
      bits: Number(best.toFixed(2)),
      asset,
      subject,
      firstAt: Math.min(d.firstMatchAt, d.alertAt),
      at: d.alertAt,
      lastAt: Math.max(d.lastAt, d.alertAt),
      ...(d.indicator === undefined ? {} : { tool: d.indicator.service }),
      techniques: card.techniques,
      reasons,
      evidence,
      count: d.rows,
      // The services behind it are what its fellows share.
      links: [...new Set(d.names.map((n) => `domain:${registeredName(n)}`))],
      response: [
        { type: 'nft', record: `add element inet parapet quarantine { ${ip} timeout 4h }` },
        { type: 'trust', record: `${known?.id ?? ip} until repaired` },
      ],
    };
  }

  snapshot(): unknown {
    return {
      version: 1,
      devices: [...this.#devices].map(([key, d]) => [
        key,
        {
          ...d,
          words: [...d.words],
          known: [...d.known],
          strangers: [...d.strangers],
          namesSeen: [...d.namesSeen],
          binAt: [...d.binAt],
          bytesIn: [...d.bytesIn],
          bytesOut: [...d.bytesOut],
          soleBytes: [...d.soleBytes],
          soleFlow: [...d.soleFlow],
        },
      ]),
      dirty: [...this.#devices].filter(([, d]) => this.#dirty.has(d)).map(([key]) => key),
      sweptBin: this.#sweptBin,
      toldBin: this.#toldBin,
    };
  }

  restore(state: unknown): void {
    const saved = state as {
      version: number;
      devices: [number, Record<string, unknown>][];
      dirty: number[];
      sweptBin: number;
      toldBin?: number;
    };
    if (saved.version !== 1) throw new Error(`relay: state of version ${saved.version} is not known`);
    this.#devices.clear();
    this.#dirty.clear();
    for (const [key, plain] of saved.devices) {
      const d = new Device();
      const { words, known, strangers, namesSeen, ...rest } = plain as {
        words: number[];
        known: number[];
        strangers: [number, number][];
        namesSeen: number[];
      };
      for (const [field, value] of Object.entries(rest)) {
        const own = (d as unknown as Record<string, unknown>)[field];
        if (own instanceof Float64Array) own.set(value as number[]);
        else (d as unknown as Record<string, unknown>)[field] = value;
      }
      d.words.set(words);
      d.known = new Set(known);
      d.strangers = new Map(strangers);
      d.namesSeen = new Set(namesSeen);
      this.#devices.set(key, d);
      if (saved.dirty.includes(key)) this.#dirty.add(d);
    }
    this.#sweptBin = saved.sweptBin;
    this.#toldBin = saved.toldBin ?? 0;
  }
}

/** FNV-1a of the row's name, folded with the peer. */
function nameKey(batch: FlowBatch, i: number, peer: number): number {
  let h = 0x811c9dc5 ^ peer;
  const end = batch.nameOffset[i]! + batch.nameBytes[i]!;
  for (let at = batch.nameOffset[i]!; at < end; at++) h = Math.imul(h ^ batch.bytes[at]!, 0x01000193);
  return h;
}
