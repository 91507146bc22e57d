// Names that turn inward. The quiet path: queries, answers without addresses, and answers of a kind that this client had for
// the name lately are dropped by one probe. An outside answer is remembered by client and name; an inside one is judged against it.
import {
  ANSWER_ADDRESSES_MAX,
  BATCH_ROWS,
  type DnsBatch,
  type EventBatch,
  formatAddress,
  formatName,
  type Origin,
} from '#events';
import { addressHash, parseAddress } from '#lib/address';
import { linearCount } from '#lib/sketch';
import { PairTable } from '#lib/table';
import { hashLowerCased, textToWire } from '#lib/wirename';
import type { Detector, DetectorContext, DetectorKind } from '../contract.ts';
import { RecentGate } from '../gate.ts';
import type { ZoneSet } from '../zones.ts';
import { familyOf, Place, placeOf } from './address.ts';
import { OutsideAnswers } from './answers.ts';
import calibration from './calibration.json' with { type: 'json' };
import { card } from './card.ts';
import { findingOf, levelOf } from './claim.ts';
import { judge } from './evidence.ts';
import { outsideZone, siteZones, spells } from './outside.ts';
import { pack, unpack } from './state.ts';
import { type Sighting, Suspect, type Turn } from './suspect.ts';

export const rebinding: DetectorKind = { card, create: (context) => new Rebinding(context) };

const NAME_BITS = 16;
const CLIENT_BITS = 12;
const RECENT_BITS = 16;
export const SUSPECTS_MAX = 1024;
const ORIGINS_MAX = 255;
const WINDOW_MICROS = calibration.windowSeconds * 1e6;
/** An answer of the same kind is looked at again after this, so that what is remembered of it stays fresh. */
const FRESH_MICROS = 300e6;

export class Rebinding implements Detector {
  /** Client and name that had an outside answer: when, from whom, with what lifetime, and which address. */
  readonly names = new PairTable(NAME_BITS);
  readonly outside = new OutsideAnswers(2 ** NAME_BITS);
  /** Sketches of 64 bits a client: domains answered with an inside address, and with one that leads nowhere. */
  readonly clients = new PairTable(CLIENT_BITS);
  readonly inward = new Uint32Array(4 * 2 ** CLIENT_BITS);
  readonly inwardAt = new Float64Array(2 ** CLIENT_BITS);
  readonly recent = new RecentGate(RECENT_BITS);
  /** 1,024 bits of client and name: those that turned inward are looked at in every answer. */
  readonly watched = new Uint32Array(32);
  suspects = new Map<string, Suspect>();
  /** Files that outside answers came from; 0 in `outsideOrigin` is none of them. */
  origins: Origin[] = [];
  suspectsShed = 0;
  namesShed = 0;
  /** Of the batch's rows: offsets of an outside and an inside address among the answers, and where the latter points. */
  readonly #outsideOf = new Int32Array(BATCH_ROWS);
  readonly #insideOf = new Int32Array(BATCH_ROWS);
  readonly #placeOf = new Uint8Array(BATCH_ROWS);
  readonly #context: DetectorContext;
  /** Hashes of the public addresses at which city.yaml has assets. */
  readonly #devices = new Set<number>();
  readonly #site: ZoneSet;

  constructor(context: DetectorContext) {
    this.#context = context;
    this.#site = siteZones(context.city);
    const words = new Uint32Array(4);
    for (const asset of context.city.assets)
      if (parseAddress(asset.ip, words, 0) && placeOf(words, 0) === Place.Public && context.city.isOurs(words, 0))
        this.#devices.add(addressHash(words, 0));
  }

  /** Outside answers given up within the window in which they would count are not told apart from older ones. */
  get shed(): number {
    return this.namesShed + this.suspectsShed;
  }

  observe(batch: EventBatch): void {
    if (batch.kind !== 'dns') return;
    const { count, isResponse, answerAddressCount, rcode, serverPort, clientHash, nameHash, at } = batch;
    const words = batch.answerAddresses;
    const recent = this.recent;
    recent.count = 0;
    for (let i = 0; i < count; i++) {
      const answers = Math.min(answerAddressCount[i]!, ANSWER_ADDRESSES_MAX);
      if (answers === 0 || isResponse[i] === 0 || rcode[i]! > 0 || batch.nameBytes[i]! <= 1) continue;
      if (serverPort[i] === 5353 || serverPort[i] === 5355) continue;
      const from = batch.answerAddressOffset[i]!;
      let outside = -1;
      let inside = -1;
      let place: number = Place.Public;
      for (let k = from; k < from + 4 * answers; k += 4) {
        const p = placeOf(words, k);
        if (p === Place.Public && !this.#isDevice(words, k)) outside = k;
        else {
          inside = k;
          place = p;
        }
      }
      this.#outsideOf[i] = outside;
      this.#insideOf[i] = inside;
      this.#placeOf[i] = place;
      // What else stands in an answer does not enter the key of an inside one: a stranger chooses it.
      const what = (inside < 0 ? 0 : addressHash(words, inside)) ^ (Math.floor(at[i]! / FRESH_MICROS) | 0);
      recent.add(i, clientHash[i]! ^ Math.imul(what, 0x7feb352d), nameHash[i]!);
    }
    recent.look();
    for (let k = 0; k < recent.count; k++) {
      const i = recent.rows[k]!;
      const bit = (clientHash[i]! ^ nameHash[i]!) & 1023;
      if (recent.isNew[k] === 0 && ((this.watched[bit >>> 5]! >>> (bit & 31)) & 1) === 0) continue;
      const inside = this.#insideOf[i]!;
      const outside = this.#outsideOf[i]!;
      if (inside >= 0) this.#inward(batch, i, inside, outside, this.#placeOf[i]!);
      // An answer of both kinds has been judged; only a plain outside answer is what a later one may turn away from.
      else this.#outward(batch, i, outside);
    }
  }

  advance(): void {}

  /** A public address of the city is inside where city.yaml has an asset there: its web site is meant to be found. */
  #isDevice(words: Uint32Array, at: number): boolean {
    return this.#devices.size > 0 && this.#devices.has(addressHash(words, at));
  }

  #outward(batch: DnsBatch, i: number, address: number): void {
    const key = nameKey(batch, i, address);
    let row = this.names.find(batch.clientHash[i]!, key);
    if (row < 0) {
      row = this.names.insert(batch.clientHash[i]!, key);
      if (this.names.evicted && this.names.evictedWeight > (batch.at[i]! - WINDOW_MICROS) / 1e6) this.namesShed += 1;
    }
    this.names.setWeight(row, batch.at[i]! / 1e6);
    this.outside.put(row, batch, i, address, this.#originIndex(batch.origin));
  }

  #originIndex(origin: Origin): number {
    for (let k = this.origins.length - 1; k >= 0; k--) if (this.origins[k]!.file === origin.file) return k + 1;
    if (this.origins.length >= ORIGINS_MAX) return 0;
    return this.origins.push({ file: origin.file, placed: origin.placed });
  }

  #inward(batch: DnsBatch, i: number, inside: number, outside: number, place: number): void {
    const end = batch.nameOffset[i]! + batch.nameBytes[i]!;
    if (this.#site.holds(batch.bytes, batch.nameOffset[i]!, end)) return;
    const name = formatName(batch.bytes, batch.nameOffset[i]!, end - batch.nameOffset[i]!).toLowerCase();
    const zone = outsideZone(name);
    if (zone === '') return;
    const zones = this.#countZones(batch.clientHash[i]!, zone, place, batch.at[i]!);
    const row = this.names.find(batch.clientHash[i]!, nameKey(batch, i, inside));
    const isFresh = row >= 0 && batch.at[i]! - this.outside.at(row) <= WINDOW_MICROS;
    // A name that never pointed outside is a site's own, or one that spells an address for developers and media servers.
    if (outside < 0 && !isFresh) return;
    const ttls = [batch.answerTtlSeconds[i]!, isFresh ? this.outside.ttlSeconds(row) : -1].filter((x) => x >= 0);
    const address = formatAddress(batch.answerAddresses, inside);
    const turn: Turn = {
      name,
      inside: address,
      outside:
        outside >= 0
          ? formatAddress(batch.answerAddresses, outside)
          : formatAddress(this.outside.words, this.outside.addressAt(row)),
      place,
      ttlSeconds: ttls.length === 0 ? -1 : Math.min(...ttls),
      together: outside >= 0,
      sameServer: outside >= 0 || this.outside.server(row) === addressHash(batch.addresses, 8 * i + 4),
      named: spells(name, address),
      asset: this.#context.city.assetByAddress(batch.answerAddresses, inside)?.id ?? '',
    };
    const origin = isFresh ? this.origins[this.outside.origin(row) - 1] : undefined;
    const before = origin === undefined ? undefined : { origin, place: this.outside.place(row) };
    this.#turned(batch, i, zone, turn, zones, before, isFresh ? this.outside.at(row) : batch.at[i]!);
    if (outside >= 0) return;
    // The next turn needs an outside answer of its own.
    this.names.remove(row);
    const bit = (batch.clientHash[i]! ^ batch.nameHash[i]!) & 1023;
    this.watched[bit >>> 5]! |= 1 << (bit & 31);
  }

  #turned(
    batch: DnsBatch,
    i: number,
    zone: string,
    turn: Turn,
    zones: number,
    before: Sighting | undefined,
    firstAt: number,
  ): void {
    const at = batch.at[i]!;
    const here: Sighting = { origin: batch.origin, place: batch.place[i]! };
    const key = `${batch.clientHash[i]!} ${zone}`;
    let s = this.suspects.get(key);
    if (s === undefined) {
      if (this.suspects.size >= SUSPECTS_MAX) this.#forget();
      const client = [...batch.addresses.subarray(8 * i, 8 * i + 4)];
      s = new Suspect(client, zone, turn, firstAt, before ?? here);
      this.suspects.set(key, s);
    }
    s.add(turn, at, here, this.#context.evidenceAll);
    const j = judge(turn, s.turns, zones);
    const grew = j.bits > s.bits;
    if (grew) {
      s.bits = j.bits;
      s.turn = turn;
    }
    const level = levelOf(s.bits);
    if (level === 0 || !grew) return;
    if (s.claimed === 0) s.alertAt = at;
    if (level > s.claimed) s.decisive = here;
    s.claimed = level;
    this.#context.claim(findingOf(s, j.reasons, this.#context.city));
  }

  /** Of the 32 oldest the weakest goes. */
  #forget(): void {
    let least: [string, Suspect] | undefined;
    let looked = 0;
    for (const entry of this.suspects) {
      if (least === undefined || entry[1].bits < least[1].bits) least = entry;
      if (++looked >= 32) break;
    }
    if (least !== undefined) this.suspects.delete(least[0]);
    this.suspectsShed += 1;
  }

  /** Marks the domain in the client's sketch. @returns domains answered so within the window, by linear counting */
  #countZones(client: number, zone: string, place: number, at: number): number {
    let row = this.clients.find(client, 0);
    if (row < 0) {
      row = this.clients.insert(client, 0);
      this.inwardAt[row] = Number.NEGATIVE_INFINITY;
    }
    this.clients.setWeight(row, at / 1e6);
    if (at - this.inwardAt[row]! > WINDOW_MICROS) {
      this.inward.fill(0, 4 * row, 4 * row + 4);
      this.inwardAt[row] = at;
    }
    const leadsNowhere = place === Place.Loopback || place === Place.Zero || place === Place.List;
    const base = 4 * row + (leadsNowhere ? 2 : 0);
    const length = textToWire(zone, scratch, 0);
    const bit = (length > 0 ? hashLowerCased(scratch, 0, length) >>> 5 : 0) & 63;
    this.inward[base + (bit >>> 5)]! |= 1 << (bit & 31);
    return Math.round(linearCount(this.inward, base, 2, 256));
  }

  snapshot(): unknown {
    return pack(this);
  }

  restore(state: unknown): void {
    unpack(this, state);
  }
}

/** A name has an outside answer for each family of addresses. */
function nameKey(batch: DnsBatch, i: number, address: number): number {
  return (batch.nameHash[i]! ^ (familyOf(batch.answerAddresses, address) === 6 ? 0x6a09e667 : 0)) >>> 0;
}

const scratch = new Uint8Array(256);
