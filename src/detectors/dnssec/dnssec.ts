// Validation of what passes: answers about the zones that city.yaml lists as signed, with the keys and delegations that passed
// before them. The quiet path is one test a batch without such zones, and a comparison of name ends with them.
import { addressHash, type DnsBatch, type EventBatch } from '#events';
import type { Detector, DetectorContext, DetectorKind } from '../contract.ts';
import { type Anchor, negativeAnchor, ROOT_ANCHORS, readAnchors } from './anchors.ts';
import { card } from './card.ts';
import { type Claim, EVIDENCE_MAX, findingOf, type Sighting } from './claim.ts';
import { judge } from './judge.ts';
import { type Message, readMessage } from './message.ts';
import { isBelow, isWithin, type Name, nameOf, parseName, textOf, wireOf } from './names.ts';
import type { Result } from './result.ts';
import { endsIn, FILTER_BITS, markOf, nameAt, queryKey, showsSignatures, slotOf, tailOf } from './rows.ts';
import { SeenMessages, seenKey } from './seen.ts';
import { pack, unpack } from './state.ts';
import { Type } from './types.ts';
import { settle, validate } from './validate.ts';

export const dnssec: DetectorKind = { card, create: (context) => new Dnssec(context) };

const WAITING_MAX = 256;
const WAITING_BYTES_MAX = 2 * 2 ** 20;
/** A resolver asks for keys within the life of a client's query; what has not come by then is not coming. */
const WAIT_MICROS = 30e6;
const CLAIMS_MAX = 1024;
const SERVERS_MAX = 1024;
const CUTS_MAX = 1024;
const SECURE_MAX = 4096;
const SOUND_MICROS = 86_400e6;
/** A denial without signatures to tell its life is kept so long. */
const DENIAL_SECONDS = 900;
const HOUR_MICROS = 3600e6;

/** An answer that is being judged, or waits to be. */
export interface Answer {
  readonly name: Name;
  readonly type: number;
  readonly bytes: Uint8Array;
  readonly at: number;
  readonly server: number[];
  readonly serverHash: number;
  readonly sighting: Sighting;
  readonly ttlSeconds: number;
  /** Signatures were asked for, as far as seen. */
  readonly isAsked: boolean;
}

export interface Waiting {
  readonly answer: Answer;
  /** seenKey of the message it waits for. */
  readonly needs: string;
  /** The validator's word so far, where an answer without any signature waits to learn of a cut below the listed zone. */
  readonly unsigned?: Result;
}

export class Dnssec implements Detector {
  readonly seen = new SeenMessages();
  waiting: Waiting[] = [];
  waitingBytes = 0;
  readonly claims = new Map<string, Claim>();
  /** Servers that gave signatures, by addressHash. */
  readonly knowing = new Set<number>();
  /** Cuts below listed zones that were once proven unsigned. */
  readonly cuts = new Set<Name>();
  /** Listed zones and when they were last found secure. */
  readonly sound = new Map<Name, number>();
  readonly asked = new Uint32Array(2 ** FILTER_BITS);
  /** Marks of answers found secure within the hour, oldest first. */
  readonly secure = new Set<string>();
  readonly counts = { judged: 0, unasked: 0, unjudged: 0, unanchored: 0, wireless: 0, shed: 0 };
  readonly #context: DetectorContext;
  readonly #zones: readonly { name: Name; wire: Uint8Array }[];
  /** 1 where a listed zone ends in these two octets, root left out. */
  readonly #tails = new Uint8Array(65_536);
  readonly #anchors: readonly Anchor[];
  readonly #rejected: readonly string[];
  #isCovered = true;

  constructor(context: DetectorContext) {
    this.#context = context;
    const names = context.city.dns.signed.map(parseName).filter((n) => n !== undefined);
    this.#zones = [...new Set(names)].map((name) => ({ name, wire: wireOf(name) }));
    for (const { wire } of this.#zones) {
      // A listed root holds every name.
      if (wire.length === 1) this.#tails.fill(1);
      this.#tails[tailOf(wire, wire.length)] = 1;
    }
    const { anchors, rejected } = readAnchors(context.city.file.dns?.anchors ?? ROOT_ANCHORS);
    const insecure = (context.city.file.dns?.insecure ?? []).map(parseName).filter((n) => n !== undefined);
    this.#anchors = [...anchors, ...insecure.map(negativeAnchor)];
    this.#rejected = rejected;
    this.#isCovered = rejected.length === 0;
  }

  get shed(): number {
    return this.counts.shed + this.seen.shed;
  }

  observe(batch: EventBatch): void {
    if (this.#zones.length === 0 || batch.kind !== 'dns') return;
    for (let i = 0; i < batch.count; i++) {
      const type = batch.qtype[i]!;
      if (batch.opcode[i] !== 0 || batch.qclass[i] !== 1 || batch.foreign[i] !== 0) continue;
      const isKey = type === Type.DNSKEY || type === Type.DS;
      if (!this.#isListed(batch, i) && !(isKey && this.#isAbove(batch, i))) continue;
      if (batch.isResponse[i] === 0) {
        if (batch.dnssecOk[i] === 1) this.asked[slotOf(queryKey(batch, i))] = queryKey(batch, i);
      } else this.#response(batch, i);
    }
  }

  advance(to: number): void {
    const late = this.waiting.filter((w) => w.answer.at + WAIT_MICROS < to);
    for (const w of late) {
      if (w.unsigned === undefined || this.#isBelowCut(w.answer.name)) this.#unjudged(w);
      else {
        this.#leave(w);
        this.counts.judged += 1;
        this.#weigh(w.answer, w.unsigned, true);
      }
    }
    for (const claim of this.claims.values()) if (claim.isDirty) this.#claim(claim);
    if (!this.#isCovered) this.#cover();
  }

  /** Whether the row's name ends in a listed zone, on a label boundary. */
  #isListed(b: DnsBatch, i: number): boolean {
    // Two octets before the root turn most names away.
    const end = b.nameOffset[i]! + b.nameBytes[i]!;
    if (this.#tails[tailOf(b.bytes, end)] === 0) return false;
    const zones = this.#zones;
    for (let z = 0; z < zones.length; z++) if (endsIn(b, i, zones[z]!.wire)) return true;
    return false;
  }

  /** Whether the row's name stands above a listed zone. */
  #isAbove(b: DnsBatch, i: number): boolean {
    const name = nameAt(b, i);
    return this.#zones.some((z) => isWithin(z.name, name));
  }

  #response(b: DnsBatch, i: number): void {
    const length = b.wireBytes[i]!;
    this.#isCovered = false;
    if (length === 0) {
      this.counts.wireless += 1;
      return;
    }
    // Several questions of one message are several rows; the answer is one.
    if (i > 0 && b.wireOffset[i] === b.wireOffset[i - 1] && b.place[i] === b.place[i - 1]) return;
    const key = queryKey(b, i);
    const isAsked = b.dnssecOk[i] === 1 || this.asked[slotOf(key)] === key;
    if (!isAsked && !showsSignatures(b.wire, b.wireOffset[i]!, length)) {
      this.counts.unasked += 1;
      return;
    }
    const at = b.at[i]!;
    const serverHash = addressHash(b.addresses, 8 * i + 4);
    const mark = markOf(b.wire, b.wireOffset[i]!, length, `${serverHash} ${Math.floor(at / HOUR_MICROS)}`);
    if (this.secure.has(mark)) {
      this.counts.judged += 1;
      return;
    }
    const answer: Answer = {
      name: nameAt(b, i),
      type: b.qtype[i]!,
      // A Buffer's slice would be a view of what is only lent.
      bytes: new Uint8Array(b.wire.subarray(b.wireOffset[i]!, b.wireOffset[i]! + length)),
      at,
      server: [...b.addresses.subarray(8 * i + 4, 8 * i + 8)],
      serverHash,
      sighting: { origin: b.origin, place: b.place[i]! },
      ttlSeconds: b.answerTtlSeconds[i]!,
      isAsked,
    };
    if (this.#judge(answer) !== 'secure') return;
    this.secure.add(mark);
    if (this.secure.size > SECURE_MAX) for (const oldest of this.secure) if (this.secure.delete(oldest)) break;
  }

  /** Validates with what was seen so far; an answer whose keys are still to come waits. */
  #judge(answer: Answer): Result['status'] | undefined {
    const message = readMessage(answer.bytes);
    const isBare = message === undefined || !hasSignatures(message);
    if (isBare && !answer.isAsked) {
      this.counts.unasked += 1;
      return undefined;
    }
    const own = seenKey(answer.name, answer.type);
    let missing = '';
    const fetch = (name: Uint8Array, type: number): Uint8Array | undefined => {
      const key = seenKey(nameOf(name), type);
      // A key set is signed by itself: it is judged with its own keys, not with those kept.
      const found = key === own ? answer.bytes : this.seen.get(key, answer.at);
      if (found === undefined && missing === '') missing = key;
      return found;
    };
    const question = { name: wireOf(answer.name), type: answer.type };
    const result = settle(validate(answer.bytes, question, this.#anchors, Math.floor(answer.at / 1e6)), fetch);
    if (!isBare && result.status === 'secure') this.#learn(answer.serverHash);
    if (answer.type === Type.DNSKEY || answer.type === Type.DS) this.#keep(own, answer, result);
    if (result.status === 'indeterminate') this.#postpone(answer, result, missing, isBare && this.#isInside(missing));
    // What a message seen before did wrong is not this server's fault.
    else if (result.status === 'bogus' && result.isInChain && !isOwnFault(answer, result)) this.counts.unjudged += 1;
    else {
      this.counts.judged += 1;
      this.#weigh(answer, result, isBare);
    }
    return result.status;
  }

  #isBelowCut(name: Name): boolean {
    for (const cut of this.cuts) if (isWithin(name, cut)) return true;
    return false;
  }

  /** Whether the message missing is of delegation signers strictly below a listed zone, whose own keys were then found. */
  #isInside(missing: string): boolean {
    const prefix = seenKey('', Type.DS);
    return missing.startsWith(prefix) && this.#zones.some((z) => isBelow(missing.slice(prefix.length), z.name));
  }

  #learn(serverHash: number): void {
    if (this.knowing.size < SERVERS_MAX) this.knowing.add(serverHash);
  }

  /** What validates, or may yet, is kept for other answers; what is false is not. */
  #keep(key: string, answer: Answer, result: Result): void {
    if (result.status === 'bogus') {
      this.seen.refuse(key, answer.bytes);
      return;
    }
    if (result.code !== 'KEYS_MISSING' && result.code !== 'DS_MISSING' && result.status === 'indeterminate') return;
    const isNew = this.seen.get(key, answer.at) === undefined;
    const ttl = answer.ttlSeconds < 0 ? denialSeconds(answer.bytes) : answer.ttlSeconds;
    this.seen.put(key, answer.bytes, answer.at, ttl, result.status === 'secure');
    if (!isNew) return;
    const ready = this.waiting.filter((w) => w.needs === key);
    for (const w of ready) this.#leave(w);
    // Keys first: a false key set must go before answers are judged by it.
    ready.sort((a, b) => Number(b.answer.type === Type.DNSKEY) - Number(a.answer.type === Type.DNSKEY));
    for (const w of ready) this.#judge(w.answer);
  }

  #postpone(answer: Answer, result: Result, missing: string, isUnsigned: boolean): void {
    if (result.code === 'REFERRAL') return;
    if (result.code === 'NO_ANCHOR') {
      this.counts.unanchored += 1;
      return;
    }
    const waits = (result.code === 'KEYS_MISSING' || result.code === 'DS_MISSING') && missing !== '';
    if (!waits) {
      this.counts.unjudged += 1;
      return;
    }
    this.waiting.push({ answer, needs: missing, ...(isUnsigned ? { unsigned: result } : {}) });
    this.waitingBytes += answer.bytes.length;
    while (this.waiting.length > WAITING_MAX || this.waitingBytes > WAITING_BYTES_MAX) {
      this.counts.shed += 1;
      this.#unjudged(this.waiting[0]!);
    }
  }

  #leave(w: Waiting): void {
    const index = this.waiting.indexOf(w);
    if (index < 0) return;
    this.waiting.splice(index, 1);
    this.waitingBytes -= w.answer.bytes.length;
  }

  #unjudged(w: Waiting): void {
    this.#leave(w);
    this.counts.unjudged += 1;
    this.#isCovered = false;
  }

  #weigh(answer: Answer, result: Result, isBare: boolean): void {
    const zone = this.#zoneOf(answer.name);
    if (zone === undefined) return;
    const soundAt = this.sound.get(zone) ?? Number.NEGATIVE_INFINITY;
    if (result.status === 'secure') {
      if (answer.at > soundAt) this.sound.set(zone, answer.at);
      return;
    }
    const cut = parseName(result.zone);
    if (result.code === 'DELEGATION_UNSIGNED' && cut !== undefined && isBelow(cut, zone) && this.cuts.size < CUTS_MAX)
      this.cuts.add(cut);
    const judgement = judge(result, {
      isBare,
      isCutUnseen: result.status === 'indeterminate',
      zoneIsSound: Math.abs(answer.at - soundAt) < SOUND_MICROS,
      serverKnows: this.knowing.has(answer.serverHash),
      isCutAbove: cut !== undefined && isWithin(zone, cut),
    });
    if (judgement === undefined) return;
    const key = `${judgement.kind} ${answer.server.join(' ')} ${zone}`;
    let claim = this.claims.get(key);
    if (claim === undefined) {
      if (this.claims.size >= CLAIMS_MAX) {
        this.counts.shed += 1;
        return;
      }
      const { at, server, sighting, name } = answer;
      claim = {
        kind: judgement.kind,
        zone,
        server,
        name,
        code: result.code,
        judgement,
        id: '',
        firstAt: at,
        at,
        lastAt: at,
        first: sighting,
        decisive: sighting,
        last: sighting,
        evidence: [],
        count: 0,
        isDirty: true,
      };
      this.claims.set(key, claim);
    } else if (judgement.bits > claim.judgement.bits) {
      claim.judgement = judgement;
      claim.name = answer.name;
      claim.code = result.code;
      claim.decisive = answer.sighting;
      claim.at = answer.at;
    }
    claim.count += 1;
    claim.last = answer.sighting;
    if (answer.at > claim.lastAt) claim.lastAt = answer.at;
    if (this.#context.evidenceAll && claim.evidence.length < EVIDENCE_MAX) claim.evidence.push(answer.sighting);
    claim.isDirty = true;
    if (claim.count === 1) this.#claim(claim);
  }

  /** The listed zone that `name` lies in, or stands above as an owner of keys; the deepest. */
  #zoneOf(name: Name): Name | undefined {
    let best: Name | undefined;
    for (const z of this.#zones)
      if (isWithin(name, z.name) && (best === undefined || z.name.length > best.length)) best = z.name;
    return best ?? this.#zones.find((z) => isWithin(z.name, name))?.name;
  }

  #claim(claim: Claim): void {
    claim.isDirty = false;
    this.#context.claim(findingOf(claim, this.#context.city, this.#context.evidenceAll));
  }

  #cover(): void {
    this.#isCovered = true;
    const say = (what: string, count: number, text: string): void => {
      if (count > 0) this.#context.cover({ kind: 'coverage', plane: 'dns', what, count, text });
    };
    const c = this.counts;
    say('dnssec-unasked', c.unasked, 'answers about signed zones came to clients that asked for no signatures');
    say('dnssec-unjudged', c.unjudged, 'answers about signed zones could not be judged: keys were not seen, or cut');
    say('dnssec-no-anchor', c.unanchored, 'answers about signed zones have no trust anchor above them (dns.anchors)');
    say('dnssec-no-message', c.wireless, 'answers about signed zones came by a road that brings no message');
    say('dnssec-anchors', this.#rejected.length, `lines under dns.anchors are no anchors: ${this.#rejected[0]}`);
  }

  snapshot(): unknown {
    return pack(this);
  }

  /** @throws Error where the version is not known or a column is damaged */
  restore(state: unknown): void {
    unpack(this, state);
    this.#isCovered = false;
  }
}

/** A resolver keeps a denial as long as its records live (RFC 9077), and asks for it no sooner. */
function denialSeconds(bytes: Uint8Array): number {
  let seconds = DENIAL_SECONDS;
  for (const set of readMessage(bytes)?.authority ?? [])
    for (const s of set.signatures) seconds = Math.max(seconds, Buffer.from(s).readUInt32BE(4));
  return seconds;
}

/** A key set that does not fit its delegation is itself what is wrong. */
function isOwnFault(answer: Answer, result: Result): boolean {
  return answer.type === Type.DNSKEY && result.zone === textOf(answer.name);
}

function hasSignatures(m: Message): boolean {
  return [m.answer, m.authority].some((sets) => sets.some((s) => s.signatures.length > 0));
}
