// Who asks for names past the city's resolvers. DNS rows say who asks whom and what was answered; flow rows say who speaks to
// whom. The quiet path is a probe or two a row; a client gets a record of its own only when there is something to tell.
import {
  type DnsBatch,
  type EventBatch,
  type FlowBatch,
  FlowPhase,
  Foreign,
  formatAddress,
  formatName,
  Service,
} from '#events';
import { addressHash, isGroupAddress, parseAddress } from '#lib/address';
import type { Detector, DetectorContext, DetectorKind } from '../contract.ts';
import { isFieldRole } from '../roles.ts';
import { Asking } from './asking.ts';
import calibration from './calibration.json' with { type: 'json' };
import { card } from './card.ts';
import { findingOf, type Kind, levelOf, type Span } from './claim.ts';
import { Client, type Protocol, type Sighting, UNRESOLVED_MAX } from './client.ts';
import { Sums } from './coverage.ts';
import { type Judgement, judgeBlind, judgeForeign, judgeRaw, judgeUses } from './evidence.ts';
import { hintOf, operatorAt, operatorOf } from './resolvers.ts';
import { isCertificate, isPadded, quicPorts } from './signs.ts';
import { pack, unpack } from './state.ts';

export const dnsBypass: DetectorKind = { card, create: (context) => new DnsBypass(context) };

const t = calibration.terms;
const FLOWS = 1 << 16;
export const CLIENTS_MAX = 2048;
/** How long an address without an answer counts, microseconds. */
const BLIND_MICROS = 1800e6;
/** Answers may come later than the flow they lead to, where two inputs tell of them. */
const SETTLE_MICROS = 60e6;
const TXT = 16;
/** Value of a flow's `service` for DNS. */
const PADDED_MAX = 16;

export class DnsBypass implements Detector {
  readonly asking = new Asking();
  /** Flow numbers seen, and seen with a name. */
  readonly flowSeen = new Float64Array(FLOWS);
  readonly flowNamed = new Float64Array(FLOWS);
  clients = new Map<number, Client>();
  sums = new Sums();
  clientsShed = 0;
  sweptAt = 0;
  /** Whether flows are seen at all: without them nobody asks who was named. */
  hasFlows = false;
  readonly #context: DetectorContext;
  /** Hashes of the resolvers that city.yaml names. */
  readonly #resolvers = new Set<number>();
  /** Clients whose claims may have grown. */
  readonly #dirty = new Set<Client>();

  constructor(context: DetectorContext) {
    this.#context = context;
    const words = new Uint32Array(4);
    for (const ip of context.city.dns.resolvers)
      if (parseAddress(ip, words, 0)) this.#resolvers.add(addressHash(words, 0));
  }

  get shed(): number {
    return this.asking.clients.shed + this.clientsShed;
  }

  observe(batch: EventBatch): void {
    if (batch.kind === 'dns') this.#dns(batch);
    else if (batch.kind === 'flow') this.#flows(batch);
  }

  #dns(batch: DnsBatch): void {
    const { count, foreign, isResponse, serverPort, answerAddressCount, nameHash, qtype } = batch;
    const hasRule = this.#resolvers.size > 0;
    for (let i = 0; i < count; i++) {
      if (foreign[i] !== 0) {
        this.#foreign(batch, i);
        continue;
      }
      const port = serverPort[i]!;
      if ((port === 5353 || port === 5355) && isGroupAddress(batch.addresses, 8 * i + 4)) continue;
      if (isResponse[i] === 1) {
        if (this.hasFlows && answerAddressCount[i]! > 0) this.asking.answer(batch, i);
        continue;
      }
      if (this.hasFlows) this.asking.ask(batch.clientHash[i]!, batch.at[i]!);
      const hint = hintOf(nameHash[i]!);
      if (hint !== undefined) this.#hint(batch, i, hint);
      if (qtype[i] === TXT && isCertificate(batch, i)) this.#use(batch, i, 'DNSCrypt', this.#server(batch, i));
      else if (hasRule && port === 53) this.#plain(batch, i);
    }
  }

  #plain(batch: DnsBatch, i: number): void {
    const server = addressHash(batch.addresses, 8 * i + 4);
    // The resolvers themselves ask the whole world.
    if (this.#resolvers.has(server) || this.#resolvers.has(batch.clientHash[i]!)) return;
    const known = this.clients.get(batch.clientHash[i]!)?.find('plain', server);
    if (known === undefined) this.#use(batch, i, 'plain', formatAddress(batch.addresses, 8 * i + 4));
    else {
      known.count += 1;
      known.lastAt = Math.max(known.lastAt, batch.at[i]!);
      known.last = { origin: batch.origin, place: batch.place[i]! };
      this.sums.add('plain', known.to, false);
      this.#dirty.add(this.clients.get(batch.clientHash[i]!)!);
    }
  }

  #hint(batch: DnsBatch, i: number, hint: string): void {
    const name = formatName(batch.bytes, batch.nameOffset[i]!, batch.nameBytes[i]!).toLowerCase();
    this.#use(batch, i, 'hint', `${name} (${hint})`, batch.nameHash[i]!);
  }

  #server(batch: DnsBatch, i: number): string {
    return `${formatAddress(batch.addresses, 8 * i + 4)} (${formatName(batch.bytes, batch.nameOffset[i]!, batch.nameBytes[i]!).toLowerCase()})`;
  }

  #use(
    batch: DnsBatch,
    i: number,
    protocol: Protocol,
    to: string,
    key: number = addressHash(batch.addresses, 8 * i + 4),
  ): void {
    const here = { origin: batch.origin, place: batch.place[i]! };
    this.#note(batch.addresses, 8 * i, batch.clientHash[i]!, protocol, key, to, batch.at[i]!, here);
  }

  #note(
    words: Uint32Array,
    w: number,
    hash: number,
    protocol: Protocol,
    server: number,
    to: string,
    at: number,
    here: Sighting,
  ): void {
    const client = this.#client(words, w, hash);
    const known = client.find(protocol, server);
    this.sums.add(protocol, to, !client.uses.some((u) => u.protocol === protocol));
    if (known === undefined) {
      const allowed = this.#resolvers.has(server) || this.#resolvers.has(hash);
      client.add({
        protocol,
        serverHash: server,
        to,
        allowed,
        count: 1,
        firstAt: at,
        lastAt: at,
        first: here,
        last: here,
      });
    } else {
      known.count += 1;
      known.lastAt = Math.max(known.lastAt, at);
      known.last = here;
    }
    this.#dirty.add(client);
  }

  #foreign(batch: DnsBatch, i: number): void {
    const kind = batch.foreign[i] === Foreign.IodineRaw ? Foreign.IodineRaw : Foreign.NotDns;
    const client = this.#client(batch.addresses, 8 * i, batch.clientHash[i]!);
    const here = { origin: batch.origin, place: batch.place[i]! };
    const at = batch.at[i]!;
    let f = client.foreign[kind];
    if (!f) {
      const server = formatAddress(batch.addresses, 8 * i + 4);
      f = { messages: 0, bytesUp: 0, bytesDown: 0, server, firstAt: at, lastAt: at, first: here, last: here };
      client.foreign[kind] = f;
    }
    f.messages += 1;
    if (batch.isResponse[i] === 1) f.bytesDown += batch.messageBytes[i]!;
    else f.bytesUp += batch.messageBytes[i]!;
    f.lastAt = Math.max(f.lastAt, at);
    f.last = here;
    this.#dirty.add(client);
  }

  #flows(batch: FlowBatch): void {
    const { count, flow, protocol, nameBytes } = batch;
    this.hasFlows = true;
    for (let i = 0; i < count; i++) {
      if (protocol[i] !== 6 && protocol[i] !== 17) continue;
      const slot = flow[i]! % FLOWS;
      const isFirst = this.flowSeen[slot] !== flow[i];
      if (
        protocol[i] === 17 &&
        batch.phase[i] === FlowPhase.Close &&
        batch.service[i] !== Service.Dns &&
        isPadded(batch, i)
      )
        this.#padded(batch, i);
      const isNamed = nameBytes[i]! > 0 && this.flowNamed[slot] !== flow[i];
      if (!isFirst && !isNamed) continue;
      const w = 8 * i;
      this.flowSeen[slot] = flow[i]!;
      if (isNamed) this.flowNamed[slot] = flow[i]!;
      if (isGroupAddress(batch.addresses, w + 4) || !this.#context.city.isOurs(batch.addresses, w)) continue;
      this.#flow(batch, i, isFirst, isNamed);
    }
  }

  #flow(batch: FlowBatch, i: number, isFirst: boolean, isNamed: boolean): void {
    const w = 8 * i;
    const port = batch.responderPort[i]!;
    const server = addressHash(batch.addresses, w + 4);
    const operator = operatorAt(server);
    const here = { origin: batch.origin, place: batch.place[i]! };
    const note = (p: Protocol, to: string): void =>
      this.#note(batch.addresses, w, addressHash(batch.addresses, w), p, server, to, batch.firstAt[i]!, here);
    const isTcp = batch.protocol[i] === 6;
    const by = operator === undefined ? '' : ` (${operator})`;
    if (isFirst) {
      if (isTcp && port === 853) note('DoT', formatAddress(batch.addresses, w + 4) + by);
      else if (!isTcp && quicPorts.has(port)) note('DoQ', formatAddress(batch.addresses, w + 4) + by);
      else if (port === 443 && operator !== undefined) note('DoH', formatAddress(batch.addresses, w + 4) + by);
      if (port !== 53 && port !== 123) this.#unnamed(batch, i, server, here);
    }
    // A server known by its address has been told at the flow's first row; on 853 the name adds nothing.
    if (!isNamed || operator !== undefined || port === 853) return;
    const from = batch.nameOffset[i]!;
    const name = Buffer.from(batch.bytes.subarray(from, from + batch.nameBytes[i]!))
      .toString('latin1')
      .toLowerCase();
    if (operatorOf(name) !== undefined) note('DoH', `${formatAddress(batch.addresses, w + 4)} (${name})`);
  }

  /** A flow with the sizes of DNSCrypt: the second with the same server tells. */
  #padded(batch: FlowBatch, i: number): void {
    const w = 8 * i;
    if (!this.#context.city.isOurs(batch.addresses, w)) return;
    const hash = addressHash(batch.addresses, w);
    const server = addressHash(batch.addresses, w + 4);
    const client = this.#client(batch.addresses, w, hash);
    if (!client.padded.includes(server)) {
      if (client.padded.length < PADDED_MAX) client.padded.push(server);
      return;
    }
    const here = { origin: batch.origin, place: batch.place[i]! };
    const to = `${formatAddress(batch.addresses, w + 4)} (by its sizes)`;
    this.#note(batch.addresses, w, hash, 'DNSCrypt', server, to, batch.firstAt[i]!, here);
  }

  /** A flow to an address that no answer named so far, by a client whose questions are known. */
  #unnamed(batch: FlowBatch, i: number, server: number, here: Sighting): void {
    const w = 8 * i;
    const hash = addressHash(batch.addresses, w);
    if (!this.asking.isKnown(hash) || this.asking.isNamed(hash, server)) return;
    if (this.#context.city.isOurs(batch.addresses, w + 4)) return;
    const client = this.#client(batch.addresses, w, hash);
    const at = batch.firstAt[i]!;
    if (client.unresolved.some(([peer]) => peer === server)) return;
    if (client.unresolved.length >= UNRESOLVED_MAX) client.unresolved.shift();
    client.unresolved.push([server, at]);
    if (client.blind === null) client.blind = { first: here, firstAt: at, last: here, lastAt: at };
    client.blind.last = here;
    client.blind.lastAt = at;
  }

  #client(words: Uint32Array, w: number, hash: number): Client {
    const known = this.clients.get(hash);
    if (known !== undefined) return known;
    if (this.clients.size >= CLIENTS_MAX) this.#forget();
    const { city } = this.#context;
    const role = city.assetByAddress(words, w)?.role ?? '';
    const level = city.assets.length === 0 ? 5 : (city.zones.get(city.zoneOf(words, w))?.level ?? 5);
    const isField = city.assetByAddress(words, w) !== undefined && (isFieldRole(role) || level <= 2);
    const client = new Client([...words.subarray(w, w + 4)], hash, isField ? role || 'field device' : '');
    this.clients.set(hash, client);
    return client;
  }

  /** Of the 32 oldest the one worth least goes; the others move to the end of the order. */
  #forget(): void {
    const looked: Client[] = [];
    for (const c of this.clients.values()) if (looked.push(c) >= 32) break;
    let least = looked[0]!;
    for (const c of looked) {
      if (c.weight < least.weight) least = c;
      this.clients.delete(c.hash);
    }
    for (const c of looked) if (c !== least) this.clients.set(c.hash, c);
    if (this.#dirty.delete(least)) this.#weigh(least);
    this.clientsShed += 1;
  }

  advance(to: number): void {
    if (to - this.sweptAt >= SETTLE_MICROS) {
      this.sweptAt = to;
      this.#sweep(to);
    }
    for (const c of this.#dirty) this.#weigh(c);
    this.#dirty.clear();
    if (!this.sums.dirty) return;
    this.sums.dirty = false;
    for (const c of this.sums.list()) this.#context.cover(c);
  }

  /** Counts addresses that stayed unnamed, of clients that ask no more; once flows and answers have both caught up. */
  #sweep(to: number): void {
    let clients = 0;
    let peers = 0;
    for (const c of this.clients.values()) {
      if (c.unresolved.length === 0) continue;
      c.unresolved = c.unresolved.filter(([peer, at]) => to - at <= BLIND_MICROS && !this.asking.isNamed(c.hash, peer));
      if (c.unresolved.length === 0) {
        c.blind = null;
        continue;
      }
      const settled = c.unresolved.reduce((n, [, at]) => n + (to - at >= SETTLE_MICROS ? 1 : 0), 0);
      if (settled < t.blindPeersMin || this.asking.asks(c.hash, to)) continue;
      clients += 1;
      peers += settled;
      if (c.fieldRole !== '' && this.#resolvers.size > 0 && c.blind !== null) {
        const to = `${settled} addresses`;
        this.#claim(c, 'blind', judgeBlind(settled), { ...c.blind, count: settled, to });
      }
    }
    if (clients <= this.sums.blindClients && peers <= this.sums.blindPeers) return;
    this.sums.blindClients = Math.max(clients, this.sums.blindClients);
    this.sums.blindPeers = Math.max(peers, this.sums.blindPeers);
    this.sums.dirty = true;
  }

  #weigh(c: Client): void {
    const isField = c.fieldRole !== '';
    const own = c.uses.filter((u) => !u.allowed);
    if (isField && this.#resolvers.size > 0 && own.length > 0) {
      const lastAt = Math.max(...own.map((u) => u.lastAt));
      const left = this.asking.isKnown(c.hash) && !this.asking.asks(c.hash, lastAt);
      const first = own.reduce((a, b) => (b.firstAt < a.firstAt ? b : a));
      const last = own.reduce((a, b) => (b.lastAt > a.lastAt ? b : a));
      const count = own.reduce((n, u) => n + u.count, 0);
      const span = { first: first.first, firstAt: first.firstAt, last: last.last, lastAt, count, to: strongest(own) };
      this.#claim(c, 'bypass', judgeUses(c, left), span);
    }
    for (const kind of [Foreign.NotDns, Foreign.IodineRaw]) {
      const f = c.foreign[kind];
      if (!f) continue;
      const j = kind === Foreign.IodineRaw ? judgeRaw(f) : judgeForeign(f, isField);
      this.#claim(c, kind === Foreign.IodineRaw ? 'raw' : 'foreign', j, { ...f, count: f.messages, to: f.server });
    }
  }

  #claim(c: Client, kind: Kind, j: Judgement, span: Span): void {
    const level = levelOf(j.bits);
    let claimed = c.claimed[kind];
    if (claimed === undefined) {
      if (level === 0) return;
      claimed = { id: '', bits: 0, level: 0, at: span.lastAt, decisive: span.last };
      c.claimed[kind] = claimed;
    }
    claimed.bits = Math.max(claimed.bits, j.bits);
    claimed.level = Math.max(claimed.level, level);
    this.#context.claim(findingOf(c, kind, claimed, j, span, this.#context.city));
  }

  snapshot(): unknown {
    return pack(
      this,
      [...this.#dirty].map((c) => c.hash),
    );
  }

  restore(state: unknown): void {
    this.#dirty.clear();
    for (const hash of unpack(this, state)) {
      const client = this.clients.get(hash);
      if (client !== undefined) this.#dirty.add(client);
    }
  }
}

/** The server of the strongest use. */
function strongest(uses: Client['uses']): string {
  return uses.reduce((a, b) => (t.use[b.protocol] > t.use[a.protocol] ? b : a)).to;
}
