// What is kept of one client and one registered domain once a name between them looked like more than a look-up.
import type { Origin } from '#events';
import { NameCode } from './bound.ts';
import type { NameMeasure } from './names.ts';

/** Roads for data by query type. 0 is what everyone asks for. */
export const Carrier = { Ordinary: 0, Null: 1, Key: 2, Txt: 3, Cname: 4, Mx: 5, Srv: 6 } as const;
export const CARRIERS = 7;

const carriers = new Uint8Array(65536).fill(Carrier.Null);
// Types that resolvers and applications ask for as a matter of course (IANA DNS parameters); all others can only carry.
for (const t of [
  1, 2, 6, 12, 13, 17, 18, 28, 29, 35, 39, 41, 43, 44, 46, 47, 48, 50, 51, 52, 53, 59, 60, 61, 62, 63, 64, 65, 99,
])
  carriers[t] = Carrier.Ordinary;
for (const t of [108, 109, 250, 251, 252, 255, 256, 257]) carriers[t] = Carrier.Ordinary;
carriers[24] = Carrier.Key;
carriers[25] = Carrier.Key;
carriers[16] = Carrier.Txt;
carriers[5] = Carrier.Cname;
carriers[15] = Carrier.Mx;
carriers[33] = Carrier.Srv;
carriers[0] = Carrier.Ordinary;

export function carrierOf(qtype: number): number {
  return carriers[qtype]!;
}

/** Time constants of the decaying windows: 2 minutes, an hour, a day, a week; microseconds. */
export const WINDOWS = [120e6, 3600e6, 86400e6, 604800e6] as const;
const DECAY_MICROS = 1e6;
/** Distinct names remembered by hash; older ones may count twice. */
const SEEN = 256;
/** Names kept whole, to find the zone cut and to show: the first and the latest. */
export const FIRST_NAMES = 12;
export const NAMES_MAX = 24;
const SAMPLE_EACH = 8;

export interface Sighting {
  readonly origin: Origin;
  readonly place: number;
}

export class Suspect {
  readonly client: number[];
  readonly clientHash: number;
  readonly zoneHash: number;
  /** Registered domain in wire form, lower case, as latin1 text. */
  readonly registered: string;
  /** By city.yaml: the client's role where it is a field device, and whether the zone is allowed to carry data. */
  fieldRole = '';
  isAllowed = false;
  firstAt: number;
  lastAt: number;
  first: Sighting;
  decisive: Sighting;
  last: Sighting;
  /** Rows behind the suspicion, queries and answers. */
  rows = 0;
  /** Distinct names, those with a label that looks like data, and those that are addresses turned round. */
  names = 0;
  dataNames = 0;
  quadNames = 0;
  /** Data names with a service label (`_domainkey`, `_msdcs`, RFC 8552). */
  underscoreNames = 0;
  counterNames = 0;
  dataBits = 0;
  payloadBytesMax = 0;
  /** Shortest of the data names; 255 before the first. */
  payloadBytesMin = 255;
  /** Distinct data names with odd, raw or case-coded characters. */
  oddNames = 0;
  rawNames = 0;
  caseNames = 0;
  /** New names by carrier, and of them those that look like data. */
  readonly byCarrier: number[] = new Array(CARRIERS).fill(0);
  readonly dataByCarrier: number[] = new Array(CARRIERS).fill(0);
  /** New names by carrier that are neither data nor addresses turned round, and that say no service (`_dmarc`). */
  readonly plainByCarrier: number[] = new Array(CARRIERS).fill(0);
  /** Answers with addresses or NXDOMAIN; those of them that lead nowhere (NXDOMAIN, 127.0.0.0/8), as look-up services give; and refusals. */
  plainAnswers = 0;
  deniedAnswers = 0;
  refusals = 0;
  /** Estimated bytes in data labels, in word-like labels, and answer data down; by window, decayed to `decayedAt`. */
  readonly up: number[] = [0, 0, 0, 0];
  readonly upWords: number[] = [0, 0, 0, 0];
  readonly down: number[] = [0, 0, 0, 0];
  /** Names and data names of the longest window, decayed as `up` is. */
  weekNames = 0;
  weekDataNames = 0;
  /** Lossless code of the names so far: what they can't exceed. */
  code = new NameCode();
  decayedAt: number;
  leakedUp = 0;
  leakedDown = 0;
  tool = '';
  toolBits = 0;
  /** Conversation id that the latest name would have under dnscat2. */
  conversation = '';
  bits = 0;
  /** 0 nothing claimed, 1 medium, 2 high. */
  claimed = 0;
  id = '';
  alertAt = 0;
  leakedAtAlert = 0;
  dirty = false;
  /** When it was last told and how many rows then stood behind it. */
  toldAt = 0;
  toldRows = 0;
  seen: Uint32Array = new Uint32Array(SEEN);
  /** Wire names that look like data or came by a carrier, as latin1 text. */
  sampled: string[] = [];
  evidence: Sighting[] = [];

  constructor(client: number[], clientHash: number, zoneHash: number, registered: string, at: number, first: Sighting) {
    this.client = client;
    this.clientHash = clientHash;
    this.zoneHash = zoneHash;
    this.registered = registered;
    this.firstAt = at;
    this.lastAt = at;
    this.first = first;
    this.decisive = first;
    this.last = first;
    this.decayedAt = at;
  }

  /** Whether the name is new here; remembers it. */
  isNew(nameHash: number): boolean {
    const slot = (nameHash ^ (nameHash >>> 8)) & (SEEN - 1);
    if (this.seen[slot] === nameHash) return false;
    this.seen[slot] = nameHash;
    return true;
  }

  decay(at: number): void {
    const elapsed = at - this.decayedAt;
    // Finer steps change nothing that is weighed.
    if (elapsed < DECAY_MICROS) return;
    for (let w = 0; w < WINDOWS.length; w++) {
      const keep = Math.exp(-elapsed / WINDOWS[w]!);
      this.up[w]! *= keep;
      this.upWords[w]! *= keep;
      this.down[w]! *= keep;
      if (w === WINDOWS.length - 1) {
        this.weekNames *= keep;
        this.weekDataNames *= keep;
      }
    }
    this.decayedAt = at;
  }

  /** @param codeBits what the name adds to `code` @param wire the name, asked for only where it is kept */
  addName(m: NameMeasure, codeBits: number, carrier: number, wire: () => string, caseIsRandom: boolean): void {
    this.names += 1;
    if (!m.quads) this.weekNames += 1;
    const data = m.lastDataLabel >= 0 || m.oddBytes > 0;
    this.byCarrier[carrier]! += 1;
    if (m.quads) this.quadNames += 1;
    else if (!data && !m.underscore) this.plainByCarrier[carrier]! += 1;
    if (m.counter) this.counterNames += 1;
    const bytes = Math.min(m.carriedBytes, codeBits / 8);
    for (let w = 0; w < WINDOWS.length; w++) {
      if (data) this.up[w]! += bytes;
      else if (!m.quads) this.upWords[w]! += bytes;
    }
    this.leakedUp += bytes;
    if (data) {
      this.dataNames += 1;
      this.weekDataNames += 1;
      if (m.underscore) this.underscoreNames += 1;
      this.dataBits += m.dataBits;
      this.dataByCarrier[carrier]! += 1;
      if (m.payloadBytes < this.payloadBytesMin) this.payloadBytesMin = m.payloadBytes;
      if (m.payloadBytes > this.payloadBytesMax) this.payloadBytesMax = m.payloadBytes;
      if (m.oddBytes > 0) this.oddNames += 1;
      if (m.rawBytes >= 2) this.rawNames += 1;
      if (m.caseChanges >= 4 && !caseIsRandom) this.caseNames += 1;
    }
    if (data || carrier !== 0) {
      // The first ones, and later ones now and then.
      if (this.sampled.length < NAMES_MAX) this.sampled.push(wire());
      else if (this.names % SAMPLE_EACH === 0)
        this.sampled[FIRST_NAMES + ((this.names / SAMPLE_EACH) % (NAMES_MAX - FIRST_NAMES))] = wire();
    }
  }

  addDown(bytes: number): void {
    for (let w = 0; w < WINDOWS.length; w++) this.down[w]! += bytes;
    this.leakedDown += bytes;
  }
}
