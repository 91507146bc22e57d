// Domains that nobody sold, per client. The quiet path: queries, refusals and names this client had answered lately are
// dropped by one probe. A new name is taken apart; its registered domain counts once a client, as resolved or as failed. Only
// a failed domain makes a suspect, and each further one has it judged.
import type { DnsBatch, EventBatch } from '#events';
import { ones } from '#lib/sketch';
import { PairTable } from '#lib/table';
import type { Detector, DetectorContext, DetectorKind } from '../contract.ts';
import { RecentGate } from '../gate.ts';
import calibration from './calibration.json' with { type: 'json' };
import { card } from './card.ts';
import { findingOf, levelOf } from './claim.ts';
import { judge } from './evidence.ts';
import { formBits, tldBits } from './form.ts';
import { domainText, NameParts, takeApart } from './names.ts';
import { pack, unpack } from './state.ts';
import { type Sighting, Suspect, WINDOWS } from './suspect.ts';

export const dga: DetectorKind = { card, create: (context) => new Dga(context) };

const t = calibration.terms;
const PAIR_BITS = 15;
const ZONE_BITS = 14;
const CLIENT_BITS = 14;
/** Doubles a client: the windows, and when. */
const CLIENT_ROW = 8;
const DECAY_MICROS = 1e6;
const RECENT_BITS = 16;
export const SUSPECTS_MAX = 1024;
/** A domain that more clients than this asked for is nobody's rendezvous. */
const RESOLVED_CLIENTS_MAX = 2;
const NXDOMAIN = 3;
/** Flags of a pair: its domain has been counted as resolved, as failed. */
const RESOLVED = 1;
const FAILED = 2;

export class Dga implements Detector {
  /** Client and registered domain; the word says what was seen of it. */
  readonly pairs = new PairTable(PAIR_BITS);
  /** Registered domains; the word is 1 where some name at or below it exists. */
  readonly zones = new PairTable(ZONE_BITS);
  /** 64-bit sketch of the clients that asked for the domain. */
  readonly zoneClients = new Uint32Array(2 * 2 ** ZONE_BITS);
  readonly clients = new PairTable(CLIENT_BITS);
  /** A client's decayed numbers of domains that resolved, one a window, and when they were decayed. */
  readonly resolved = new Float64Array(CLIENT_ROW * 2 ** CLIENT_BITS);
  /** Client, name and outcome seen lately. */
  readonly recent = new RecentGate(RECENT_BITS);
  suspects = new Map<number, Suspect>();
  suspectsShed = 0;
  readonly #dirty = new Set<Suspect>();
  readonly #context: DetectorContext;
  readonly #parts = new NameParts();
  readonly #resolvedNow = new Array<number>(WINDOWS).fill(0);

  constructor(context: DetectorContext) {
    this.#context = context;
  }

  /** Clients and suspects given up. A pair or a domain given up is learned anew at its next name. */
  get shed(): number {
    return this.clients.shed + this.suspectsShed;
  }

  observe(batch: EventBatch): void {
    if (batch.kind !== 'dns') return;
    const { count, isResponse, rcode, clientHash, nameHash, nameBytes, serverPort } = batch;
    const recent = this.recent;
    recent.count = 0;
    for (let i = 0; i < count; i++) {
      const code = rcode[i]!;
      if (isResponse[i] === 0 || (code !== 0 && code !== NXDOMAIN) || nameBytes[i]! <= 1) continue;
      if (batch.opcode[i] !== 0 || serverPort[i] === 5353 || serverPort[i] === 5355) continue;
      recent.add(i, clientHash[i]!, nameHash[i]! + code);
    }
    recent.look();
    for (let k = 0; k < recent.count; k++) {
      if (recent.isNew[k] === 0) continue;
      const i = recent.rows[k]!;
      this.#row(batch, i, rcode[i] === NXDOMAIN);
    }
  }

  advance(): void {
    for (const s of this.#dirty) this.#claim(s);
    this.#dirty.clear();
  }

  #row(batch: DnsBatch, i: number, failed: boolean): void {
    const p = this.#parts;
    const end = batch.nameOffset[i]! + batch.nameBytes[i]!;
    if (!takeApart(batch.bytes, batch.nameOffset[i]!, end, p)) return;
    const flag = failed ? FAILED : RESOLVED;
    const pairs = this.pairs;
    let pair = pairs.find(batch.clientHash[i]!, p.zoneHash);
    if (pair >= 0 && (pairs.word(pair) & flag) !== 0) {
      pairs.setWeight(pair, batch.at[i]! / 1e6);
      return;
    }
    const zone = this.#zone(p.zoneHash, batch.clientHash[i]!, batch.at[i]!);
    if (!failed) this.zones.setWord(zone, 1);
    // A name missing below a domain that exists is a host; one below a domain nobody has heard of may be as well.
    else if (!p.isApex || this.zones.word(zone) === 1) return;
    if (pair < 0) pair = pairs.insert(batch.clientHash[i]!, p.zoneHash);
    pairs.setWeight(pair, batch.at[i]! / 1e6);
    pairs.setWord(pair, pairs.word(pair) | flag);
    const client = this.#client(batch.clientHash[i]!, batch.at[i]!);
    if (failed) this.#failed(batch, i, end, zone, client);
    else this.#found(batch, i, end, zone, client);
  }

  #found(batch: DnsBatch, i: number, end: number, zone: number, client: number): void {
    for (let w = 0; w < WINDOWS; w++) this.resolved[CLIENT_ROW * client + w]! += 1;
    const s = this.suspects.get(batch.clientHash[i]!);
    const p = this.#parts;
    if (s === undefined || !p.isApex || batch.answerCount[i] === 0) return;
    if (this.#clientsOf(zone) > RESOLVED_CLIENTS_MAX) return;
    s.addResolved({
      name: domainText(batch.bytes, p.zoneAt, end),
      tld: domainText(batch.bytes, p.tldAt, end),
      length: batch.bytes[p.zoneAt]!,
      formBits: formBits(batch.bytes, p.zoneAt),
      at: batch.at[i]!,
    });
    if (s.claimed > 0) this.#dirty.add(s);
  }

  #failed(batch: DnsBatch, i: number, end: number, zone: number, client: number): void {
    const p = this.#parts;
    const at = batch.at[i]!;
    const tld = domainText(batch.bytes, p.tldAt, end);
    const likeness = tldBits(tld);
    const form = formBits(batch.bytes, p.zoneAt);
    // Many clients that mistype alike, or whose software is told of a dead domain, are no infection. Many that ask for the
    // same jumble may be.
    const others = form > 2 ? 0 : Math.max(0, this.#clientsOf(zone) - t.popularFrom);
    const known = likeness !== undefined || tld.length === 2 ? 1 : t.unknownTldWeight;
    const here: Sighting = { origin: batch.origin, place: batch.place[i]! };
    const s = this.#suspect(batch, i, here);
    s.decay(at, here);
    const name = domainText(batch.bytes, p.zoneAt, end);
    s.addFailed(name, tld, batch.bytes[p.zoneAt]!, known / (1 + others), form, likeness ?? 0);
    s.see(here, at, this.#context.evidenceAll);
    this.#weigh(s, client, at);
  }

  #weigh(s: Suspect, client: number, at: number): void {
    for (let w = 0; w < WINDOWS; w++) this.#resolvedNow[w] = this.resolved[CLIENT_ROW * client + w]!;
    const j = judge(s, this.#resolvedNow);
    this.clients.setWeight(client, 1e10 + j.bits);
    if (j.bits > s.bits) {
      s.bits = j.bits;
      s.reasons = j.reasons;
    }
    const level = levelOf(s.bits);
    if (level === 0) return;
    if (level <= s.claimed) {
      this.#dirty.add(s);
      return;
    }
    if (s.claimed === 0) {
      s.alertAt = at;
      s.decisive = s.last;
    }
    s.claimed = level;
    this.#context.claim(findingOf(s, this.#context.city));
  }

  #claim(s: Suspect): void {
    this.#context.claim(findingOf(s, this.#context.city));
  }

  #suspect(batch: DnsBatch, i: number, here: Sighting): Suspect {
    const key = batch.clientHash[i]!;
    const known = this.suspects.get(key);
    if (known !== undefined) return known;
    if (this.suspects.size >= SUSPECTS_MAX) this.#forget();
    const s = new Suspect([...batch.addresses.subarray(8 * i, 8 * i + 4)], key, batch.at[i]!, here);
    this.suspects.set(key, s);
    return s;
  }

  /** Of the 32 oldest the one with the fewest failures goes; those looked at go to the end of the order. */
  #forget(): void {
    const looked: Suspect[] = [];
    for (const s of this.suspects.values()) if (looked.push(s) >= 32) break;
    let least = looked[0]!;
    for (const s of looked) {
      if (s.bits < least.bits || (s.bits === least.bits && s.names < least.names)) least = s;
      this.suspects.delete(s.clientHash);
    }
    for (const s of looked) if (s !== least) this.suspects.set(s.clientHash, s);
    if (this.#dirty.delete(least)) this.#claim(least);
    this.suspectsShed += 1;
  }

  #zone(hash: number, client: number, at: number): number {
    let zone = this.zones.find(hash, 0);
    if (zone < 0) {
      zone = this.zones.insert(hash, 0);
      this.zoneClients.fill(0, 2 * zone, 2 * zone + 2);
    }
    const bit = (client >>> 8) & 63;
    this.zoneClients[2 * zone + (bit >>> 5)]! |= 1 << (bit & 31);
    this.zones.setWeight(zone, at / 1e6);
    return zone;
  }

  #clientsOf(zone: number): number {
    return ones(this.zoneClients, 2 * zone, 2);
  }

  #client(hash: number, at: number): number {
    let client = this.clients.find(hash, 0);
    if (client < 0) {
      client = this.clients.insert(hash, 0);
      for (let w = 0; w < WINDOWS; w++) this.resolved[CLIENT_ROW * client + w] = 0;
      this.resolved[CLIENT_ROW * client + WINDOWS] = at;
      this.clients.setWeight(client, at / 1e6);
    }
    const elapsed = at - this.resolved[CLIENT_ROW * client + WINDOWS]!;
    // Finer steps change nothing that is weighed.
    if (elapsed > DECAY_MICROS) {
      for (let w = 0; w < WINDOWS; w++)
        this.resolved[CLIENT_ROW * client + w]! *= Math.exp(-elapsed / (t.windowSeconds[w]! * 1e6));
      this.resolved[CLIENT_ROW * client + WINDOWS] = at;
      // A suspect's weight lies above all times.
      if (this.clients.weight(client) < 1e10) this.clients.setWeight(client, at / 1e6);
    }
    return client;
  }

  snapshot(): unknown {
    return pack(this, this.#dirty);
  }

  restore(state: unknown): void {
    this.#dirty.clear();
    for (const s of unpack(this, state)) this.#dirty.add(s);
  }
}
