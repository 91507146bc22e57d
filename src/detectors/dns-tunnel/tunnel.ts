// Information per client and registered domain. The quiet path: a filter of names this client asked lately drops nearly all
// rows at once; a new name is measured and counted in its pair's sketch; only a pair with something odd about it becomes a
// suspect, whose names, types, volumes and answers are then weighed in bits (evidence.ts) at each new sight.
import { type DnsBatch, type EventBatch, formatAddress } from '#events';
import { isUnder } from '#lib/domain';
import { linearCount, ones } from '#lib/sketch';
import { registeredAt } from '#lib/suffix';
import { PairTable } from '#lib/table';
import { hashLowerCased, LOWER } from '#lib/wirename';
import type { Detector, DetectorContext, DetectorKind } from '../contract.ts';
import { RecentGate } from '../gate.ts';
import { isFieldRole } from '../roles.ts';
import { presentWire } from '../rpz.ts';
import calibration from './calibration.json' with { type: 'json' };
import { card } from './card.ts';
import { findingOf, levelOf } from './claim.ts';
import { type Circumstances, judge, weigh } from './evidence.ts';
import { measureLabels, NameMeasure } from './names.ts';
import { pack, unpack } from './state.ts';
import { Carrier, carrierOf, type Sighting, Suspect } from './suspect.ts';
import { CONVERSATION, conversationOf, signOf } from './tools.ts';

export const dnsTunnel: DetectorKind = { card, create: (context) => new DnsTunnel(context) };

/** log2 of the pairs kept: 65,536 x 52 octets lie mostly in the second-level cache. */
const PAIR_BITS = 16;
const ZONE_BITS = 13;
/** Clients told of a domain whose sketch is full. */
const CLIENTS_FULL = 256;
/** log2 of the client-name pairs the gate holds; beyond it names are measured again and found in the pair's sketch. */
const RECENT_BITS = 18;
export const SUSPECTS_MAX = 4096;
/** Distinct names between a client and a domain from which it is watched though none looks odd. */
const WATCH_DISTINCT = 24;
/** Distinct names from which the loss of a pair is counted. */
const SHED_DISTINCT = 6;
/** Names looked at for the signs of a tool: the first ones (handshakes), and two in a row now and then. */
const SIGNS_FIRST = 24;
const SIGNS_EACH = 16;
/** Names up to which a suspect is weighed at each one; later at every fourth. */
const WEIGH_EACH_UP_TO = 48;
/** A pair's sketch of names starts anew after the longest window. */
const SKETCH_SECONDS = 604800;
const SKETCH = 8;
const EVIDENCE_MAX = 10_000;
/** What is claimed is told again when its rows have doubled, or after this. */
const TELL_MICROS = 60e6;
/** Distinct names by the zeros left in a sketch of 128 bits (linear counting); large once it is full. */
const DISTINCT = Float64Array.from({ length: 129 }, (_, zeros) => (zeros === 0 ? 1000 : -128 * Math.log(zeros / 128)));
/** Key of names without a plausible top-level label: tools that ask the server directly. */
const NO_ZONE = 1;

export class DnsTunnel implements Detector {
  /** Client and registered domain; the word is the index of the pair's suspect plus one, 0 where there is none. */
  readonly pairs = new PairTable(PAIR_BITS);
  /** Per pair a sketch of 128 bits of the names seen, and the second since when; eight words, to lie in one cache line. */
  readonly sketch = new Uint32Array(SKETCH * 2 ** PAIR_BITS);
  readonly zones = new PairTable(ZONE_BITS);
  /** 64-bit sketch of the clients of a zone. */
  readonly clients = new Uint32Array(2 * 2 ** ZONE_BITS);
  readonly recent = new RecentGate(RECENT_BITS);
  suspects: (Suspect | undefined)[] = [];
  hand = 0;
  suspectsShed = 0;
  /** Whether any answer was seen: a log of questions alone tells nothing of how they ended. */
  hasAnswers = false;
  /** Pairs given up that had more than a few names; the rest held nothing that a next look-up would not tell. */
  pairsShed = 0;
  readonly #dirty: Suspect[] = [];
  /** Domains under which a field device was found to move data. */
  readonly fieldZones = new Set<number>();
  readonly #context: DetectorContext;
  readonly #measure = new NameMeasure();
  #multicast = 0;

  constructor(context: DetectorContext) {
    this.#context = context;
  }

  get shed(): number {
    return this.pairsShed + this.suspectsShed;
  }

  observe(batch: EventBatch): void {
    if (batch.kind !== 'dns') return;
    const { count, clientHash, nameHash, nameBytes, isResponse, answerDataBytes, serverPort, rcode, opcode } = batch;
    if (!this.hasAnswers) this.hasAnswers = isResponse.subarray(0, count).includes(1);
    const recent = this.recent;
    recent.count = 0;
    for (let i = 0; i < count; i++) {
      if (nameBytes[i]! <= 1 || opcode[i] !== 0) continue;
      const port = serverPort[i]!;
      if ((port === 5353 || port === 5355) && isLocal(batch.addresses, 8 * i)) {
        this.#multicast += 1;
        continue;
      }
      recent.add(i, clientHash[i]!, nameHash[i]!);
    }
    recent.look();
    for (let k = 0; k < recent.count; k++) {
      const i = recent.rows[k]!;
      const isNew = recent.isNew[k] === 1;
      // A name asked again carries nothing new; an answer may, by its data or by its refusal.
      if (!isNew && (isResponse[i] === 0 || (answerDataBytes[i] === 0 && rcode[i]! <= 0))) continue;
      this.#row(batch, i, isNew);
    }
  }

  advance(to: number): void {
    let kept = 0;
    for (const s of this.#dirty) {
      if (to - s.toldAt < TELL_MICROS && s.rows < 2 * s.toldRows) this.#dirty[kept++] = s;
      else this.#tell(s);
    }
    this.#dirty.length = kept;
    if (this.#multicast > 0) {
      this.#context.cover({
        kind: 'coverage',
        plane: 'dns',
        what: 'local-names',
        count: this.#multicast,
        text: 'mDNS and LLMNR messages are decoded and left out of tunnel scoring',
      });
    }
  }

  end(): void {
    for (const s of this.#dirty) this.#tell(s);
    this.#dirty.length = 0;
  }

  #tell(s: Suspect): void {
    s.dirty = false;
    this.#claim(s);
  }

  #row(batch: DnsBatch, i: number, isNew: boolean): void {
    const m = this.#measure;
    const bytes = batch.bytes;
    const offset = batch.nameOffset[i]!;
    const end = offset + batch.nameBytes[i]!;
    findZone(bytes, offset, end, m);
    if (m.payloadLabels === 0) return;
    const zoneHash = m.zoneAt === end - 1 ? NO_ZONE : hashLowerCased(bytes, m.zoneAt, end - m.zoneAt);
    const client = batch.clientHash[i]!;
    const at = batch.at[i]!;
    let pair = this.pairs.find(client, zoneHash);
    if (pair < 0) {
      if (!isNew) return;
      pair = this.#newPair(client, zoneHash, at);
    }
    const index = this.pairs.word(pair);
    let suspect = index === 0 ? undefined : this.suspects[index - 1];
    if (!isNew) {
      if (suspect !== undefined) this.#again(suspect, batch, i);
      return;
    }
    measureLabels(bytes, m);
    const distinct = this.#count(pair, batch.nameHash[i]!, at);
    const carrier = carrierOf(batch.qtype[i]!);
    if (suspect === undefined) {
      if (!this.#isOdd(m, carrier, distinct, zoneHash)) return;
      suspect = this.#suspect(batch, i, pair, zoneHash, m.zoneAt, end);
    }
    if (suspect.isNew(batch.nameHash[i]!)) {
      suspect.decay(at);
      const wire = (): string => Buffer.from(bytes.buffer, bytes.byteOffset + offset, end - offset).toString('latin1');
      suspect.addName(m, suspect.code.add(bytes, m), carrier, wire, caseIsRandom(bytes, m.zoneAt, end));
      if (suspect.toolBits < 11 && (suspect.names <= SIGNS_FIRST || suspect.names % SIGNS_EACH < 2)) {
        const text = payloadText(wire(), m.payloadLabels);
        const conversation = conversationOf(text);
        const repeats = conversation !== '' && conversation === suspect.conversation;
        suspect.conversation = conversation;
        const sign = signOf(text, batch.qtype[i]!) ?? (repeats ? CONVERSATION : undefined);
        if (sign !== undefined && sign.bits > suspect.toolBits) {
          suspect.tool = sign.tool;
          suspect.toolBits = sign.bits;
        }
      }
    }
    this.#again(suspect, batch, i);
    // What many names did not make certain, one more hardly does.
    if (suspect.names <= WEIGH_EACH_UP_TO || (suspect.names & 3) === 0) this.#weigh(suspect, pair, at);
  }

  /** What makes a pair worth keeping names of. Cheap, and true for some per cent of benign pairs. */
  #isOdd(m: NameMeasure, carrier: number, distinct: number, zoneHash: number): boolean {
    if (m.rawBytes > 0 || m.oddBytes > 0) return true;
    // Single labels are searched in all suffixes, also random ones (browsers probe with them); nobody answers them.
    if (zoneHash === NO_ZONE) return m.payloadBytes >= 20 && m.dataBits >= 12;
    if (m.lastDataLabel >= 0) return true;
    if (carrier === Carrier.Null || carrier === Carrier.Key) return true;
    // `_dmarc`, `_ldap._tcp` and their like are asked for by type as a matter of course.
    if (carrier !== Carrier.Ordinary && !m.underscore) return true;
    return distinct >= WATCH_DISTINCT;
  }

  #newPair(client: number, zoneHash: number, at: number): number {
    const pair = this.pairs.insert(client, zoneHash);
    if (this.pairs.evicted && this.pairs.evictedWeight >= SHED_DISTINCT) this.pairsShed += 1;
    if (this.pairs.evicted && this.pairs.evictedWord !== 0) this.#forget(this.pairs.evictedWord - 1);
    this.#clear(SKETCH * pair, at);
    let zone = this.zones.find(zoneHash, 0);
    if (zone < 0) {
      zone = this.zones.insert(zoneHash, 0);
      this.clients.fill(0, 2 * zone, 2 * zone + 2);
    }
    const bit = (client >>> 8) & 63;
    this.clients[2 * zone + (bit >>> 5)]! |= 1 << (bit & 31);
    this.zones.setWeight(zone, this.zones.weight(zone) + 1);
    return pair;
  }

  /** Marks the name in the pair's sketch. @returns distinct names, by linear counting; large once the sketch is nearly full */
  #count(pair: number, nameHash: number, at: number): number {
    const sketch = this.sketch;
    const base = SKETCH * pair;
    if (at / 1e6 - sketch[base + 4]! > SKETCH_SECONDS) this.#clear(base, at);
    const bit = (nameHash >>> 7) & 127;
    sketch[base + (bit >>> 5)]! |= 1 << (bit & 31);
    const zeros = 128 - ones(sketch, base, 4);
    const distinct = DISTINCT[zeros]!;
    if (this.pairs.word(pair) === 0) this.pairs.setWeight(pair, distinct);
    return distinct;
  }

  #clear(base: number, at: number): void {
    for (let k = base; k < base + 4; k++) this.sketch[k] = 0;
    this.sketch[base + 4] = at / 1e6;
  }

  #suspect(batch: DnsBatch, i: number, pair: number, zoneHash: number, zoneAt: number, end: number): Suspect {
    let index = this.suspects.length;
    if (index >= SUSPECTS_MAX) {
      // The hand looks at sixteen, and the least suspected of them goes.
      index = this.hand;
      for (let k = 1; k < 16; k++) {
        const other = (this.hand + k) % SUSPECTS_MAX;
        if ((this.suspects[other]?.bits ?? -100) < (this.suspects[index]?.bits ?? -100)) index = other;
      }
      this.hand = (this.hand + 16) % SUSPECTS_MAX;
      const old = this.suspects[index];
      if (old !== undefined) {
        const oldPair = this.pairs.find(old.clientHash, old.zoneHash);
        if (oldPair >= 0) this.pairs.setWord(oldPair, 0);
        this.#forget(index);
      }
    }
    let registered = '';
    for (let k = zoneAt; k < end; k++) registered += String.fromCharCode(LOWER[batch.bytes[k]!]!);
    const client = [...batch.addresses.subarray(8 * i, 8 * i + 4)];
    const s = new Suspect(client, batch.clientHash[i]!, zoneHash, registered, batch.at[i]!, sighting(batch, i));
    const { city } = this.#context;
    const role = city.assetByAddress(batch.addresses, 8 * i)?.role ?? '';
    s.fieldRole = isFieldRole(role) ? role : '';
    s.isAllowed = isUnder(presentWire(registered), city.dns.allow);
    this.suspects[index] = s;
    this.pairs.setWord(pair, index + 1);
    this.pairs.setWeight(pair, 1000);
    return s;
  }

  #forget(index: number): void {
    const s = this.suspects[index];
    if (s === undefined) return;
    if (s.dirty) this.#claim(s);
    this.suspects[index] = undefined;
    this.suspectsShed += 1;
  }

  /** A row of a suspect, of a name new or known: answers count, and the place is the latest. */
  #again(s: Suspect, batch: DnsBatch, i: number): void {
    const at = batch.at[i]!;
    s.rows += 1;
    if (at > s.lastAt) s.lastAt = at;
    const here = sighting(batch, i);
    s.last = here;
    if (this.#context.evidenceAll && s.evidence.length < EVIDENCE_MAX) s.evidence.push(here);
    if (batch.isResponse[i] === 1) {
      const data = batch.answerDataBytes[i]!;
      const carrier = carrierOf(batch.qtype[i]!);
      if (data > 0 && (carrier !== Carrier.Ordinary || batch.answerType[i] === 0)) {
        s.decay(at);
        if (carrier !== Carrier.Ordinary) s.addDown(data);
      }
      const rcode = batch.rcode[i]!;
      if (rcode === 2 || rcode === 5) s.refusals += 1;
      // A log of one line a query says NOERROR and nothing of the answer: that is no answer to judge by.
      else if (rcode === 3 || (rcode === 0 && batch.answerCount[i]! > 0)) {
        s.plainAnswers += 1;
        if (rcode === 3 || leadsNowhere(batch, i)) s.deniedAnswers += 1;
      }
    }
    if (s.claimed > 0 && !s.dirty) {
      s.dirty = true;
      this.#dirty.push(s);
    }
  }

  #weigh(s: Suspect, pair: number, at: number): void {
    const around = this.#around(s);
    const bits = weigh(s, around);
    if (bits > s.bits) s.bits = bits;
    this.pairs.setWeight(pair, 1000 + bits);
    if (bits < calibration.mediumBits || s.claimed === 2) return;
    const j = judge(s, around);
    const level = levelOf(s, j, this.#context.city);
    if (level <= s.claimed) return;
    if (s.claimed === 0) {
      s.alertAt = at;
      s.leakedAtAlert = s.leakedUp;
      s.decisive = s.last;
    }
    s.claimed = level;
    if (s.fieldRole !== '' && this.fieldZones.size < SUSPECTS_MAX) this.fieldZones.add(s.zoneHash);
    this.#context.claim(findingOf(s, j, this.#context.city, this.#context.evidenceAll, this.#isEcho(s)));
  }

  #around(s: Suspect): Circumstances {
    const zone = this.zones.find(s.zoneHash, 0);
    return {
      clients:
        s.zoneHash === NO_ZONE ? 1 : zone < 0 ? 0 : Math.round(linearCount(this.clients, 2 * zone, 2, CLIENTS_FULL)),
      fieldRole: s.fieldRole,
      fieldClaimed: this.fieldZones.has(s.zoneHash),
      hasAnswers: this.hasAnswers,
      allowed: s.isAllowed,
    };
  }

  /** A resolver of the city that passes on what one of its clients has been found to ask. */
  #isEcho(s: Suspect): boolean {
    const ip = formatAddress(Uint32Array.from(s.client), 0);
    if (!this.#context.city.dns.resolvers.includes(ip)) return false;
    return this.suspects.some(
      (o) => o !== undefined && o !== s && o.zoneHash === s.zoneHash && o.claimed > 0 && o.clientHash !== s.clientHash,
    );
  }

  /** Claims again with what came since. What was claimed once stays claimed at the bits it reached. */
  #claim(s: Suspect): void {
    const j = judge(s, this.#around(s));
    if (j.bits < s.bits) j.bits = s.bits;
    s.toldAt = s.lastAt;
    s.toldRows = s.rows;
    this.#context.claim(findingOf(s, j, this.#context.city, this.#context.evidenceAll, this.#isEcho(s)));
  }

  snapshot(): unknown {
    return pack(this);
  }

  restore(state: unknown): void {
    unpack(this, state);
    this.#dirty.length = 0;
    for (const s of this.suspects) if (s?.dirty) this.#dirty.push(s);
  }
}

/** An answer of loopback addresses, as block lists and reputation services give their verdicts (RFC 5782 2.1). */
function leadsNowhere(batch: DnsBatch, i: number): boolean {
  if (batch.answerAddressCount[i] === 0) return false;
  const at = batch.answerAddressOffset[i]!;
  const words = batch.answerAddresses;
  return words[at] === 0 && words[at + 1] === 0 && words[at + 2] === 0xffff && words[at + 3]! >>> 24 === 127;
}

function sighting(batch: DnsBatch, i: number): Sighting {
  return { origin: batch.origin, place: batch.place[i]! };
}

/** Label offsets, and where the registered domain begins; a last label that no registry could sell means none. */
export function findZone(bytes: Uint8Array, offset: number, end: number, m: NameMeasure): void {
  let labels = 0;
  let at = offset;
  while (at < end && bytes[at]! !== 0 && labels < 127) {
    m.starts[labels++] = at;
    at += bytes[at]! + 1;
  }
  m.labels = labels;
  m.zoneAt = end - 1;
  m.payloadLabels = labels;
  if (labels === 0 || !isTopLevel(bytes, m.starts[labels - 1]!)) return;
  if (labels === 1) return;
  m.zoneAt = registeredAt(bytes, m.starts, labels, end);
  let payload = 0;
  while (payload < labels && m.starts[payload]! < m.zoneAt) payload += 1;
  m.payloadLabels = payload;
}

/** Letters only (RFC 3696, 2), or an internationalised label. */
function isTopLevel(bytes: Uint8Array, at: number): boolean {
  const length = bytes[at]!;
  if (length < 2 || length > 24) return false;
  let letters = 0;
  for (let i = at + 1; i <= at + length; i++) {
    const c = LOWER[bytes[i]!]!;
    if (c >= 0x61 && c <= 0x7a) letters += 1;
  }
  if (letters === length) return true;
  return length > 4 && LOWER[bytes[at + 1]!] === 0x78 && bytes[at + 3] === 0x2d && bytes[at + 4] === 0x2d;
}

/** Resolvers that mix case against spoofing (0x20) do it in the zone too; a code mixes it in the payload alone. */
function caseIsRandom(bytes: Uint8Array, zoneAt: number, end: number): boolean {
  let upper = 0;
  let letters = 0;
  for (let i = zoneAt; i < end; i++) {
    const c = bytes[i]!;
    if (LOWER[c] !== c) upper += 1;
    if (LOWER[c]! >= 0x61 && LOWER[c]! <= 0x7a) letters += 1;
  }
  return upper > 1 && upper < letters - 1;
}

function payloadText(wire: string, labels: number): string {
  let text = '';
  let at = 0;
  for (let l = 0; l < labels; l++) {
    const length = wire.charCodeAt(at);
    text += (l === 0 ? '' : '.') + wire.slice(at + 1, at + 1 + length);
    at += length + 1;
  }
  return text;
}

function isLocal(words: Uint32Array, at: number): boolean {
  return localAddress(words, at) || localAddress(words, at + 4);
}

/** Multicast or link-local. */
function localAddress(words: Uint32Array, at: number): boolean {
  const a = words[at]!;
  if (a === 0 && words[at + 1] === 0 && words[at + 2] === 0xffff) {
    const d = words[at + 3]!;
    return d >>> 28 === 0xe || d >>> 16 === 0xa9fe || d === 0xffffffff;
  }
  return a >>> 24 === 0xff || a >>> 22 === 0x3fa;
}
