// Repeats past the cached lifetime, per client and registered domain. The quiet path is one probe of a small table: a name asked
// for the first time, or again while its answer lives, says nothing to anybody outside and ends there.

import type { City } from '#city';
import { type DnsBatch, type EventBatch, evidenceOf, formatAddress } from '#events';
import { bitsToConfidence, type Finding, findingId, type Subject } from '#findings';
import { isUnder } from '#lib/domain';
import { linearCount } from '#lib/sketch';
import { packColumn, unpackColumn } from '#lib/snapshot';
import { registeredStart } from '#lib/suffix';
import { type PackedPairs, PairTable } from '#lib/table';
import { hashLowerCased, LOWER } from '#lib/wirename';
import { assetOf, distinctEvidence } from '../claim.ts';
import type { Detector, DetectorContext, DetectorKind } from '../contract.ts';
import { isFieldRole } from '../roles.ts';
import { presentWire, rpzOf } from '../rpz.ts';
import calibration from './calibration.json' with { type: 'json' };
import { card } from './card.ts';
import { type Judgement, judge, weigh } from './judge.ts';
import { Sequence, type Sighting } from './sequence.ts';

export const dnsRepeats: DetectorKind = { card, create: (context) => new DnsRepeats(context) };

const VERSION = 2;
const GATE_BITS = 16;
const GATE_MASK = (1 << GATE_BITS) - 1;
const PAIR_BITS = 16;
const ZONE_BITS = 13;
/** What a full sketch of 64 bits tells. */
const SKETCH_FULL = 256;
export const SEQUENCES_MAX = 4096;
/** The gate's clock: quarters of a second, of which 16 bits are kept. */
const TICK_MICROS = 250_000;
/** What is asked again sooner is a retransmission, or the same look-up for the other address family. */
const AGAIN_TICKS = 2;
/** An answer this long after what is known of its question tells of one that was not seen: two seconds. */
const LATE_TICKS = 8;
/** Longest lifetime the gate's clock can tell from a time gone by. */
const TTL_MAX_SECONDS = 7200;
/** Lifetime assumed where the road tells none. */
const TTL_UNKNOWN_SECONDS = 60;
const DAY_MICROS = 86_400e6;
const WATCHED = 4096;
/** Bits below which a sequence that was judged gives up its place to a new one. */
const NEWCOMER = 6;

class DnsRepeats implements Detector {
  readonly #context: DetectorContext;
  /** Tag of (client, name) in the upper half, tick at which its answer has run out in the lower. */
  readonly #gate = new Uint32Array(1 << GATE_BITS);
  /** Client and registered domain: the weight is its fresh repeats, decayed over a day; the word its sequence's index plus one. */
  readonly #pairs = new PairTable(PAIR_BITS);
  readonly #freshAt = new Float64Array(2 ** PAIR_BITS);
  readonly #zones = new PairTable(ZONE_BITS);
  readonly #clients = new Uint32Array(2 * 2 ** ZONE_BITS);
  /** Marks of (client, name) keys whose answers are of interest. */
  readonly #watched = new Uint8Array(WATCHED);
  #sequences: (Sequence | undefined)[] = [];
  #hand = 0;
  /** 64-bit sketch of domains whose answers name no address. */
  readonly #nowhere = new Uint32Array(2);
  shed = 0;

  constructor(context: DetectorContext) {
    this.#context = context;
  }

  observe(batch: EventBatch): void {
    if (batch.kind !== 'dns') return;
    const { count, clientHash, nameHash, nameBytes, isResponse, serverPort, at } = batch;
    const gate = this.#gate;
    for (let i = 0; i < count; i++) {
      if (nameBytes[i]! <= 1 || serverPort[i] === 5353 || serverPort[i] === 5355) continue;
      const mixed = Math.imul(clientHash[i]! ^ Math.imul(nameHash[i]!, 0x9e3779b1), 0x85ebca6b) ^ nameHash[i]!;
      const key = (mixed ^ (mixed >>> 15)) >>> 0;
      const slot = key & GATE_MASK;
      const entry = gate[slot]!;
      const tag = key >>> GATE_BITS || 1;
      const tick = Math.floor(at[i]! / TICK_MICROS) & 0xffff;
      if (isResponse[i] === 0) {
        if (entry >>> 16 === tag) {
          // Times half the clock's round away or more count as gone by.
          if (((tick - entry) & 0xffff) >= 0x8000) continue;
          gate[slot] = (tag << 16) | ((tick + AGAIN_TICKS) & 0xffff);
          this.#fresh(batch, i, key);
        } else gate[slot] = (tag << 16) | ((tick + AGAIN_TICKS) & 0xffff);
      } else {
        // Zeek and others write one line for both: what answers no question that is known tells of one.
        const isKnown = entry >>> 16 === tag;
        const past = (tick - entry) & 0xffff;
        if (!isKnown || (past >= LATE_TICKS && past < 0x8000)) {
          gate[slot] = (tag << 16) | ((tick + AGAIN_TICKS) & 0xffff);
          if (isKnown) this.#fresh(batch, i, key);
        }
        if (batch.answerCount[i]! > 0) {
          const told = batch.answerTtlSeconds[i]!;
          const seconds = told < 0 ? TTL_UNKNOWN_SECONDS : Math.min(told, TTL_MAX_SECONDS);
          if (4 * seconds > AGAIN_TICKS) gate[slot] = (tag << 16) | ((tick + 4 * seconds) & 0xffff);
        }
        if (this.#watched[key & (WATCHED - 1)] === 1) this.#answer(batch, i);
      }
    }
  }

  advance(): void {}

  #fresh(batch: DnsBatch, i: number, key: number): void {
    if (batch.opcode[i] !== 0 || batch.foreign[i] !== 0) return;
    const bytes = batch.bytes;
    const offset = batch.nameOffset[i]!;
    const end = offset + batch.nameBytes[i]!;
    const zoneAt = registeredStart(bytes, offset, end);
    const zoneHash = hashLowerCased(bytes, zoneAt, end - zoneAt);
    const client = batch.clientHash[i]!;
    const at = batch.at[i]!;
    const pair = this.#pair(client, zoneHash, at);
    const pairs = this.#pairs;
    const elapsed = Math.max(0, at - this.#freshAt[pair]!);
    const fresh = pairs.weight(pair) * Math.exp(-elapsed / DAY_MICROS) + 1;
    if (elapsed > 0) this.#freshAt[pair] = at;
    pairs.setWeight(pair, fresh);
    let s = pairs.word(pair) === 0 ? undefined : this.#sequences[pairs.word(pair) - 1];
    if (s === undefined) {
      if (fresh < calibration.watchFresh / 3) return;
      s = this.#begin(batch, i, pair, zoneHash, zoneAt, end);
      if (s === undefined) return;
    }
    this.#watched[key & (WATCHED - 1)] = 1;
    s.add(batch.nameHash[i]!, at, () => latin1(bytes, offset, end));
    this.#saw(s, batch, i);
    if (s.fresh >= calibration.watchFresh) this.#weigh(s, at);
  }

  #answer(batch: DnsBatch, i: number): void {
    const bytes = batch.bytes;
    const offset = batch.nameOffset[i]!;
    const end = offset + batch.nameBytes[i]!;
    const zoneAt = registeredStart(bytes, offset, end);
    const zoneHash = hashLowerCased(bytes, zoneAt, end - zoneAt);
    const pair = this.#pairs.find(batch.clientHash[i]!, zoneHash);
    const s = pair < 0 || this.#pairs.word(pair) === 0 ? undefined : this.#sequences[this.#pairs.word(pair) - 1];
    if (s === undefined || !s.hashes.includes(batch.nameHash[i]!)) return;
    const nowhere = leadsNowhere(batch, i);
    if (nowhere) this.#nowhere[(zoneHash >>> 5) & 1]! |= 1 << (zoneHash & 31);
    const ttl = batch.answerTtlSeconds[i]!;
    const isShort = batch.answerCount[i]! > 0 && ttl >= 0 && ttl <= calibration.shortLifetimeSeconds;
    // The names of aliases on the way to an address are no orders: most hosts of clouds have some.
    const data = batch.answerAddressCount[i]! > 0 ? 0 : batch.answerDataBytes[i]!;
    s.answer(batch.at[i]!, data, nowhere, isShort);
    this.#saw(s, batch, i);
  }

  #saw(s: Sequence, batch: DnsBatch, i: number): void {
    s.rows += 1;
    if (batch.at[i]! > s.lastAt) s.lastAt = batch.at[i]!;
    s.last = { origin: batch.origin, place: batch.place[i]! };
  }

  #pair(client: number, zoneHash: number, at: number): number {
    const found = this.#pairs.find(client, zoneHash);
    if (found >= 0) return found;
    const pair = this.#pairs.insert(client, zoneHash);
    if (this.#pairs.evicted && this.#pairs.evictedWord !== 0) {
      this.#sequences[this.#pairs.evictedWord - 1] = undefined;
      this.shed += 1;
    }
    this.#freshAt[pair] = at;
    let zone = this.#zones.find(zoneHash, 0);
    if (zone < 0) {
      zone = this.#zones.insert(zoneHash, 0);
      this.#clients.fill(0, 2 * zone, 2 * zone + 2);
    }
    const bit = (client >>> 8) & 63;
    this.#clients[2 * zone + (bit >>> 5)]! |= 1 << (bit & 31);
    this.#zones.setWeight(zone, this.#zones.weight(zone) + 1);
    return pair;
  }

  /** A place for the pair's sequence; undefined where all that were looked at are still to be judged, or weigh something. */
  #begin(
    batch: DnsBatch,
    i: number,
    pair: number,
    zoneHash: number,
    zoneAt: number,
    end: number,
  ): Sequence | undefined {
    let index = this.#sequences.length;
    if (index >= SEQUENCES_MAX) {
      // The hand looks at sixteen, and the one of least evidence goes; an empty place has none.
      index = this.#hand;
      for (let k = 1; k < 16; k++) {
        const other = (this.#hand + k) % SEQUENCES_MAX;
        if (worth(this.#sequences[other]) < worth(this.#sequences[index])) index = other;
      }
      this.#hand = (this.#hand + 16) % SEQUENCES_MAX;
      const old = this.#sequences[index];
      if (worth(old) >= NEWCOMER) {
        this.shed += 1;
        return undefined;
      }
      const oldPair = old === undefined ? -1 : this.#pairs.find(old.clientHash, old.zoneHash);
      if (oldPair >= 0) {
        // It was judged: its turn comes again after as many repeats as any other's.
        this.#pairs.setWord(oldPair, 0);
        this.#pairs.setWeight(oldPair, 0);
      }
    }
    const client = [...batch.addresses.subarray(8 * i, 8 * i + 4)];
    const here: Sighting = { origin: batch.origin, place: batch.place[i]! };
    const s = new Sequence(
      client,
      batch.clientHash[i]!,
      zoneHash,
      latin1(batch.bytes, zoneAt, end),
      batch.at[i]!,
      here,
    );
    const { city } = this.#context;
    s.fieldRole = fieldRole(city, s);
    s.isAllowed = isUnder(presentWire(s.registered), city.dns.allow);
    this.#sequences[index] = s;
    this.#pairs.setWord(pair, index + 1);
    return s;
  }

  #weigh(s: Sequence, at: number): void {
    const city = this.#context.city;
    const zone = this.#zones.find(s.zoneHash, 0);
    const around = {
      clients: zone < 0 ? 1 : Math.round(linearCount(this.#clients, 2 * zone, 2, SKETCH_FULL)),
      nowhereZones: Math.round(linearCount(this.#nowhere, 0, 2, SKETCH_FULL)),
      fieldRole: s.fieldRole,
      allowed: s.isAllowed,
    };
    const { bits } = weigh(s, around);
    s.weighed = bits;
    const level = bits >= calibration.highBits ? 2 : bits >= calibration.mediumBits ? 1 : 0;
    if (level === 0 || (level <= s.claimed && s.rows % 64 !== 0)) return;
    const j = judge(s, around);
    if (s.claimed === 0) {
      s.alertAt = at;
      s.decisive = s.last;
      s.upBitsAtAlert = s.upBits;
    }
    s.claimed = Math.max(s.claimed, level);
    s.bits = Math.max(s.bits, j.bits);
    this.#context.claim(findingOf(s, j, city));
  }

  snapshot(): unknown {
    return {
      version: VERSION,
      gate: packColumn(this.#gate),
      pairs: this.#pairs.pack(),
      freshAt: packColumn(this.#freshAt),
      zones: this.#zones.pack(),
      clients: packColumn(this.#clients),
      watched: packColumn(this.#watched),
      nowhere: [...this.#nowhere],
      sequences: this.#sequences.map((s) => (s === undefined ? null : { ...s })),
      hand: this.#hand,
      shed: this.shed,
    };
  }

  restore(state: unknown): void {
    const s = state as ReturnType<DnsRepeats['snapshot']> & Record<string, never>;
    const v = s as unknown as {
      version: number;
      gate: string;
      pairs: PackedPairs;
      freshAt: string;
      zones: PackedPairs;
      clients: string;
      watched: string;
      nowhere: number[];
      sequences: (Sequence | null)[];
      hand: number;
      shed: number;
    };
    if (v?.version !== VERSION) throw new Error(`dns-repeats state of version ${v?.version} is not known`);
    unpackColumn(v.gate, this.#gate);
    this.#pairs.unpack(v.pairs);
    unpackColumn(v.freshAt, this.#freshAt);
    this.#zones.unpack(v.zones);
    unpackColumn(v.clients, this.#clients);
    unpackColumn(v.watched, this.#watched);
    this.#nowhere.set(v.nowhere);
    this.#sequences = v.sequences.map((p) =>
      p === null
        ? undefined
        : Object.assign(
            new Sequence(p.client, p.clientHash, p.zoneHash, p.registered, p.firstAt, p.first),
            structuredClone(p),
          ),
    );
    this.#hand = v.hand;
    this.shed = v.shed;
  }
}

/** What keeps a sequence its place: its evidence once it was judged, and before that a little more than a judged habit has. */
function worth(s: Sequence | undefined): number {
  if (s === undefined) return Number.NEGATIVE_INFINITY;
  return s.fresh < calibration.watchFresh && s.claimed === 0 ? NEWCOMER : Math.max(s.bits, s.weighed);
}

/** An answer without an address to go to: 0.0.0.0/8 or 127.0.0.0/8 alone. */
function leadsNowhere(batch: DnsBatch, i: number): boolean {
  if (batch.answerAddressCount[i] === 0) return false;
  const at = batch.answerAddressOffset[i]!;
  const w = batch.answerAddresses;
  if (w[at] !== 0 || w[at + 1] !== 0 || w[at + 2] !== 0xffff) return false;
  const top = w[at + 3]! >>> 24;
  return top === 0 || top === 127;
}

function latin1(bytes: Uint8Array, from: number, to: number): string {
  let text = '';
  for (let k = from; k < to; k++) text += String.fromCharCode(LOWER[bytes[k]!]!);
  return text;
}

function fieldRole(city: City, s: Sequence): string {
  const role = city.assetByAddress(Uint32Array.from(s.client), 0)?.role ?? '';
  return isFieldRole(role) ? role : '';
}

function findingOf(s: Sequence, j: Judgement, city: City): Finding {
  const ip = formatAddress(Uint32Array.from(s.client), 0);
  const known = city.assetByIp(ip);
  const asset = assetOf(city, ip);
  // With one name that name is the subject; several share the registered domain.
  const name = presentWire(s.hashes.length === 1 ? s.names[0]! : s.registered);
  const subject: Subject = { type: 'domain', value: name };
  const first = evidenceOf(s.first.origin, s.first.place);
  if (s.id === '') s.id = findingId(card.name, subject, asset, first);
  const isHigh = s.claimed === 2;
  const up = Math.round(s.upBits / 8);
  return {
    kind: 'finding',
    id: s.id,
    plane: 'dns',
    detector: card.name,
    family: j.kind === 'poll' ? 'dns-command' : 'dns-exfiltration',
    title:
      j.kind === 'poll'
        ? `${known?.id ?? ip} polls ${name} as a command channel is polled`
        : `${known?.id ?? ip} repeats look-ups under ${name} in an order or at gaps that can carry data`,
    severity: isHigh ? 'high' : 'medium',
    confidence: bitsToConfidence(s.bits, calibration.priorBits),
    bits: Math.round(s.bits * 100) / 100,
    asset,
    subject,
    firstAt: s.firstAt,
    at: s.alertAt,
    lastAt: s.lastAt,
    leakedBytes: j.kind === 'poll' ? 0 : up,
    leakedBytesAtAlert: j.kind === 'poll' ? 0 : Math.round(s.upBitsAtAlert / 8),
    techniques: j.kind === 'poll' ? ['T1071.004'] : ['T1071.004', 'T1029'],
    reasons: j.reasons,
    evidence: distinctEvidence([
      first,
      evidenceOf(s.decisive.origin, s.decisive.place),
      evidenceOf(s.last.origin, s.last.place),
    ]),
    count: s.rows,
    response: isHigh ? rpzOf(name, city) : [],
    links: [`domain:${presentWire(s.registered)}`],
  };
}
