// A device sold as a proxy. Encrypted or not, what it fetches for a stranger must leave it again through another flow: the octets
// of a visit to a destination that it never needed are mirrored by a session that ends with it, or by what a long channel moved
// in the same span. Each visit is asked once whether another flow mirrors it; chance answers how surprising so many are.

import { type EventBatch, FlowBatch, FlowPhase, Service } from '#events';
import { addressHash, isGroupAddress } from '#lib/address';
import type { Detector, DetectorContext, DetectorKind } from '../contract.ts';
import { isFieldRole } from '../roles.ts';
import calibration from './calibration.json' with { type: 'json' };
import { card, DEVICES_MAX, KNOWN_MAX, STRANGERS_MAX } from './card.ts';
import { relayFinding } from './claim.ts';
import { Device } from './device.ts';
import { judge } from './judge.ts';
import { explain, Look, Match } from './match.ts';
import { Rings } from './rings.ts';

const c = calibration;
/** A device's own first hours, in which peers are learned. */
const LEARN_MICROS = 6 * 3600e6;
/** Met again after this long while learning, a peer is known. */
const AGAIN_MICROS = 300e6;
/** A flow older than this is a channel; what it moves is looked at row by row. */
const LONG_MICROS = 60e6;
/** Visits that last longer than this are not judged. */
const VISIT_MICROS = 600e6;
/** A row of more than this tells nothing of when its octets moved. */
const LUMP_MICROS = 310e6;
/** A visit is judged this much after its end: datagram flows end by a minute of silence, told at most 5 s late. */
const SETTLE_MICROS = 70e6;
const TOGETHER_MICROS = 50_000;
const LONG_FLOWS_MAX = 64;
const NAMES_MAX = 128;

const VERSION = 4;

export const relay: DetectorKind = { card, create: (context) => new Relay(context) };

class Relay implements Detector {
  shed = 0;
  readonly #context: DetectorContext;
  readonly #devices = new Map<number, Device>();
  readonly #dirty = new Set<Device>();
  /** Devices with visits that wait to be judged. */
  readonly #waiting = new Set<Device>();
  /** What was found about the visit judged last. */
  readonly #look = new Look();
  #sweptAt = 0;
  #toldAt = 0;
  /** Rows of sampled flows, told once in a while. */
  #sampled = 0;

  constructor(context: DetectorContext) {
    this.#context = context;
  }

  observe(batch: EventBatch): void {
    if (!(batch instanceof FlowBatch)) return;
    const { city } = this.#context;
    for (let i = 0; i < batch.count; i++) {
      // Broadcast and name look-ups are nobody's relay traffic; talk inside the city is other detectors' matter.
      if (batch.protocol[i] !== 6 && batch.protocol[i] !== 17) continue;
      // Of one packet in many the octets say nothing of what went through.
      if (batch.samplingRate[i] !== 1) {
        this.#sampled += 1;
        continue;
      }
      const w = 8 * i;
      if (batch.service[i] === Service.Dns || isGroupAddress(batch.addresses, w + 4)) continue;
      const originator = city.isOurs(batch.addresses, w);
      const responder = city.isOurs(batch.addresses, w + 4);
      if (originator === responder) continue;
      if (originator) this.#row(batch, i, w, w + 4, batch.responderPayloadDelta[i]!, batch.originatorPayloadDelta[i]!);
      else this.#row(batch, i, w + 4, w, batch.originatorPayloadDelta[i]!, batch.responderPayloadDelta[i]!);
    }
  }

  /** The device at word `own` took and gave so much through its flow with the host at word `other`. */
  #row(batch: FlowBatch, i: number, own: number, other: number, taken: number, given: number): void {
    const key = addressHash(batch.addresses, own) | 0;
    const d = this.#devices.get(key) ?? this.#open(key, batch, i, own);
    const at = batch.lastAt[i]!;
    if (at > d.lastAt) d.lastAt = at;
    const flow = batch.flow[i]!;
    const phase = batch.phase[i]!;
    const peer = addressHash(batch.addresses, other) | 0;
    const isOpener = own < other;
    if (isOpener && (phase === FlowPhase.Open || (phase === FlowPhase.Close && !d.known.has(peer))))
      this.#meet(d, peer, batch.firstAt[i]!);
    if (d.rings === undefined) return;
    if (isOpener && phase === FlowPhase.Open) {
      const apart = at - d.lastOpenAt;
      if (apart >= 0 && apart <= TOGETHER_MICROS) d.together += 1;
      d.lastOpenAt = at;
    }
    if (isOpener && batch.nameBytes[i]! > 0 && !d.known.has(peer) && !d.names.has(peer)) this.#name(d, batch, i, peer);
    const firstAt = batch.firstAt[i]!;
    const isLong = at - firstAt > LONG_MICROS;
    const before = d.long.get(flow);
    // Only a flow that is told while it lives shows when its octets moved; others are visits or sessions of one visit.
    const isChannel = phase === FlowPhase.Update || isLong || (before !== undefined && before > firstAt);
    if (taken + given > 0 && phase !== FlowPhase.Open && isChannel) {
      const from = before ?? firstAt;
      if (at - from <= LUMP_MICROS) {
        const r = d.rings;
        const k = r.long();
        r.longFlow[k] = flow;
        r.longPeer[k] = peer;
        r.fromAt[k] = from;
        r.toAt[k] = at;
        r.longTaken[k] = taken;
        r.longGiven[k] = given;
      }
    }
    if (phase !== FlowPhase.Close) {
      if (before === undefined && d.long.size >= LONG_FLOWS_MAX) d.long.delete(d.long.keys().next().value!);
      d.long.set(flow, at);
      return;
    }
    d.long.delete(flow);
    if (at - firstAt > VISIT_MICROS) return;
    const whole = isOpener;
    const r = d.rings;
    const k = r.close();
    r.flow[k] = flow;
    r.peer[k] = peer;
    r.firstAt[k] = firstAt;
    r.lastAt[k] = at;
    r.taken[k] = whole ? batch.responderPayloadBytes[i]! : batch.originatorPayloadBytes[i]!;
    r.given[k] = whole ? batch.originatorPayloadBytes[i]! : batch.responderPayloadBytes[i]!;
    r.place[k] = batch.place[i]!;
    r.mark[k] = isOpener && !d.known.has(peer) && r.taken[k]! + r.given[k]! >= c.exitBytesMin ? 1 : 2;
    if (d.origin.file !== batch.origin.file && d.firstPlace < 0) d.origin = batch.origin;
    if (r.mark[k] === 1) this.#waiting.add(d);
  }

  #open(key: number, batch: FlowBatch, i: number, w: number): Device {
    if (this.#devices.size >= DEVICES_MAX) {
      let least: [number, Device] | undefined;
      let looked = 0;
      for (const entry of this.#devices) {
        if (least === undefined || entry[1].bits < least[1].bits) least = entry;
        if (++looked >= 64) break;
      }
      if (least !== undefined) {
        this.#devices.delete(least[0]);
        this.#dirty.delete(least[1]);
        this.#waiting.delete(least[1]);
      }
      this.shed += 1;
    }
    const d = new Device();
    d.key = key;
    for (let k = 0; k < 4; k++) d.words[k] = batch.addresses[w + k]!;
    d.firstAt = batch.firstAt[i]!;
    d.decayedAt = d.firstAt;
    const asset = this.#context.city.assetByAddress(batch.addresses, w);
    d.role = asset?.role ?? '';
    d.isField = isFieldRole(d.role);
    d.origin = batch.origin;
    this.#devices.set(key, d);
    return d;
  }

  /** Notes whom the device opens a flow to: known where it was met before while the device was learned, else a stranger. */
  #meet(d: Device, peer: number, at: number): void {
    if (d.known.has(peer)) return;
    const metAt = d.strangers.get(peer);
    if (metAt === undefined) {
      if (d.strangers.size >= STRANGERS_MAX) d.strangers.delete(d.strangers.keys().next().value!);
      d.strangers.set(peer, at);
      d.rings ??= new Rings();
    } else if (at - d.firstAt < LEARN_MICROS && at - metAt > AGAIN_MICROS && d.known.size < KNOWN_MAX) {
      d.strangers.delete(peer);
      d.known.add(peer);
    }
  }

  #name(d: Device, batch: FlowBatch, i: number, peer: number): void {
    if (d.names.size >= NAMES_MAX) d.names.delete(d.names.keys().next().value!);
    const from = batch.nameOffset[i]!;
    const bytes = batch.bytes.subarray(from, from + Math.min(255, batch.nameBytes[i]!));
    d.names.set(peer, Buffer.from(bytes).toString('latin1').toLowerCase());
  }

  advance(to: number): void {
    if (to - this.#sweptAt < 5e6) return;
    this.#sweptAt = to;
    if (this.#sampled > 0)
      this.#context.cover({
        kind: 'coverage',
        plane: 'flow',
        what: 'relay-sampled',
        count: this.#sampled,
        text: 'rows of sampled flows, or of exporters that do not tell their sampling, were not looked at for relays',
      });
    for (const d of this.#waiting) this.#judgeVisits(d, to);
    // A claim grows at most every ten minutes: people read it, and it crosses processes.
    if (to - this.#toldAt >= 600e6 && this.#dirty.size > 0) {
      this.#toldAt = to;
      for (const d of this.#dirty) this.#context.claim(relayFinding(this.#context, d));
      this.#dirty.clear();
    }
  }

  end(): void {
    for (const d of this.#waiting) this.#judgeVisits(d, Number.POSITIVE_INFINITY);
    for (const d of this.#dirty) this.#context.claim(relayFinding(this.#context, d));
    this.#dirty.clear();
  }

  #judgeVisits(d: Device, to: number): void {
    const r = d.rings!;
    let left = 0;
    for (let n = 0; n < r.closed; n++) {
      const e = (r.closedHead - r.closed + n + r.mark.length) % r.mark.length;
      if ((r.mark[e]! & 3) !== 1) continue;
      if (r.lastAt[e]! > to - SETTLE_MICROS) {
        left += 1;
        continue;
      }
      const look = this.#look;
      explain(r, e, look);
      r.mark[e]! |= 2;
      this.#decay(d, r.lastAt[e]!);
      d.tight.add(look.tightChance, look.match === Match.Tight);
      d.mirrored.add(look.mirroredChance, look.match !== Match.None);
      if (look.match === Match.None) continue;
      r.mark[e]! |= 4;
      d.mirroredBytes += r.taken[e]! + r.given[e]!;
      d.rows += 1;
      d.lastMatchAt = Math.max(d.lastMatchAt, r.lastAt[e]!);
      if (d.firstMatchAt === 0) d.firstMatchAt = r.firstAt[e]!;
      if (d.firstPlace < 0) d.firstPlace = r.place[e]!;
      d.lastPlace = r.place[e]!;
      if (this.#context.evidenceAll && d.evidence.length < 5000) d.evidence.push(r.place[e]!);
      if (d.peers.size < STRANGERS_MAX) d.peers.add(r.peer[e]!);
      const name = d.names.get(r.peer[e]!);
      if (name !== undefined && d.relayed.length < 8 && !d.relayed.includes(name)) d.relayed.push(name);
      this.#weigh(d, Math.min(to, r.lastAt[e]! + SETTLE_MICROS));
    }
    if (left === 0) this.#waiting.delete(d);
  }

  #decay(d: Device, at: number): void {
    const elapsed = at - d.decayedAt;
    if (elapsed <= 0) return;
    const keep = Math.exp(-elapsed / c.windowMicros);
    d.tight.fade(keep);
    d.mirrored.fade(keep);
    d.mirroredBytes *= keep;
    d.decayedAt = at;
    // Nobody is suspected, and what matched is long ago: it no longer belongs to what may come.
    if (d.bits > 0 || d.mirrored.hits >= 0.1) return;
    d.firstMatchAt = 0;
    d.firstPlace = -1;
    d.together = 0;
    d.peers.clear();
    d.relayed = [];
  }

  #weigh(d: Device, at: number): void {
    const { bits } = judge({ ...d, names: d.relayed });
    if (bits < c.mediumBits) return;
    if (d.bits === 0) {
      d.alertAt = at;
      d.decisivePlace = d.lastPlace;
    }
    const level = (b: number): number => (b >= c.highBits ? 2 : b >= c.mediumBits ? 1 : 0);
    const risen = level(bits) > level(d.bits);
    d.bits = Math.max(d.bits, bits);
    if (risen) this.#context.claim(relayFinding(this.#context, d));
    else this.#dirty.add(d);
  }

  snapshot(): unknown {
    const keys = (set: ReadonlySet<Device>): number[] => [...set].map((d) => d.key);
    return {
      version: VERSION,
      shed: this.shed,
      devices: [...this.#devices.values()].map((d) => d.save()),
      dirty: keys(this.#dirty),
      waiting: keys(this.#waiting),
      sweptAt: this.#sweptAt,
      toldAt: this.#toldAt,
    };
  }

  restore(state: unknown): void {
    const saved = state as {
      version: number;
      shed: number;
      devices: Record<string, unknown>[];
      dirty: number[];
      waiting: number[];
      sweptAt: number;
      toldAt: number;
    };
    if (saved.version !== VERSION) throw new Error(`relay: state of version ${saved.version} is not known`);
    this.#devices.clear();
    this.#dirty.clear();
    this.#waiting.clear();
    this.shed = saved.shed;
    for (const plain of saved.devices) {
      const d = Device.load(plain);
      this.#devices.set(d.key, d);
    }
    for (const key of saved.dirty) this.#dirty.add(this.#devices.get(key)!);
    for (const key of saved.waiting) this.#waiting.add(this.#devices.get(key)!);
    this.#sweptAt = saved.sweptAt;
    this.#toldAt = saved.toldAt;
  }
}
