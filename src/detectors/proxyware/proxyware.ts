// Devices that meet the names of services which pay for bandwidth, in DNS questions or in the names of their flows.
// A quiet row costs one hash over its name and a probe at each dot; a string is made for a match.

import type { City } from '#city';
import { DnsBatch, type EventBatch, evidenceOf, FlowBatch, formatAddress, type Origin } from '#events';
import type { Finding } from '#findings';
import { addressHash, parseAddress } from '#lib/address';
import { assetOf, findingOf } from '../claim.ts';
import type { Detector, DetectorContext, DetectorKind } from '../contract.ts';
import calibration from './calibration.json' with { type: 'json' };
import { card, DEVICES_MAX, HITS_MAX } from './card.ts';
import { type Hit, judge } from './judge.ts';
import { builtInList, type NameList, readSignedList } from './list.ts';
import { hasDashedAddress, NameIndex } from './names.ts';

const c = calibration;
const FLOWS = 1 << 16;

export const proxyware: DetectorKind = { card, create: (context) => new Proxyware(context) };

interface Device {
  words: number[];
  hits: Hit[];
  dashed: number;
  origin: Origin;
  firstPlace: number;
  decisivePlace: number;
  lastPlace: number;
  firstAt: number;
  alertAt: number;
  lastAt: number;
  count: number;
  bits: number;
  toldBits: number;
  evidence: number[];
}

class Proxyware implements Detector {
  shed = 0;
  readonly list: NameList;
  readonly #context: DetectorContext;
  readonly #names: NameIndex;
  readonly #flows = new Float64Array(FLOWS);
  readonly #resolvers = new Set<number>();
  #devices = new Map<number, Device>();

  constructor(context: DetectorContext) {
    this.#context = context;
    this.list = this.#listOf(context.city.proxyware);
    this.#names = new NameIndex(this.list.entries);
    const words = new Uint32Array(4);
    for (const ip of context.city.dns.resolvers)
      if (parseAddress(ip, words, 0)) this.#resolvers.add(addressHash(words, 0) | 0);
  }

  #listOf(given: City['proxyware']): NameList {
    if (given === undefined) return builtInList;
    const read = readSignedList(given.list, given.key);
    if ('list' in read) return read.list;
    this.#context.cover({
      kind: 'coverage',
      plane: 'flow',
      what: 'proxyware-list',
      count: 1,
      text: `the list of proxyware names in city.yaml is not used: ${read.refused}; the built-in list of ${builtInList.date} is`,
    });
    return builtInList;
  }

  observe(batch: EventBatch): void {
    if (batch instanceof FlowBatch) this.#flowRows(batch);
    else if (batch instanceof DnsBatch) this.#dnsRows(batch);
  }

  #flowRows(b: FlowBatch): void {
    for (let i = 0; i < b.count; i++) {
      const length = b.nameBytes[i]!;
      if (length === 0) continue;
      // Each row of a flow repeats its name.
      const slot = b.flow[i]! & (FLOWS - 1);
      if (this.#flows[slot] === b.flow[i]!) continue;
      this.#flows[slot] = b.flow[i]!;
      const port = b.targetPort[i]! > 0 ? b.targetPort[i]! : b.responderPort[i]!;
      const found = this.#names.find(b.bytes, b.nameOffset[i]!, length, port);
      if (found >= 0) this.#meet(found, 2, b.addresses, 8 * i, b.at[i]!, b.origin, b.place[i]!);
      else if (this.#devices.size > 0 && hasDashedAddress(b.bytes, b.nameOffset[i]!, length)) {
        const d = this.#devices.get(addressHash(b.addresses, 8 * i) | 0);
        if (d !== undefined) {
          d.dashed += 1;
          if (d.dashed === 2) this.#weigh(d, b.at[i]!);
        }
      }
    }
  }

  #dnsRows(b: DnsBatch): void {
    for (let i = 0; i < b.count; i++) {
      if (b.isResponse[i] !== 0 || b.foreign[i] !== 0) continue;
      const found = this.#names.findWire(b.bytes, b.nameOffset[i]!, b.nameBytes[i]!, 0);
      if (found < 0 || this.#resolvers.has(b.clientHash[i]! | 0)) continue;
      this.#meet(found, 1, b.addresses, 8 * i, b.at[i]!, b.origin, b.place[i]!);
    }
  }

  #meet(
    index: number,
    road: number,
    addresses: Uint32Array,
    w: number,
    at: number,
    origin: Origin,
    place: number,
  ): void {
    const entry = this.list.entries[index]!;
    // Buying is no selling.
    if (c.roleBits[entry.role] <= 0 || !this.#context.city.isOurs(addresses, w)) return;
    const key = addressHash(addresses, w) | 0;
    let d = this.#devices.get(key);
    if (d === undefined) {
      if (this.#devices.size >= DEVICES_MAX) this.#evict();
      d = {
        words: [...addresses.subarray(w, w + 4)],
        hits: [],
        dashed: 0,
        origin,
        firstPlace: place,
        decisivePlace: place,
        lastPlace: place,
        firstAt: at,
        alertAt: 0,
        lastAt: at,
        count: 0,
        bits: 0,
        toldBits: 0,
        evidence: [],
      };
      this.#devices.set(key, d);
    }
    d.count += 1;
    if (at < d.firstAt) d.firstAt = at;
    if (at > d.lastAt) d.lastAt = at;
    if (d.origin.file === origin.file) {
      d.lastPlace = place;
      if (this.#context.evidenceAll && d.evidence.length < 5000) d.evidence.push(place);
    }
    const hit = d.hits.find((h) => h.entry === entry);
    if (hit !== undefined) {
      hit.roads |= road;
      hit.count += 1;
    } else if (d.hits.length < HITS_MAX) d.hits.push({ entry, roads: road, count: 1 });
    else this.shed += 1;
    this.#weigh(d, at);
  }

  #weigh(d: Device, at: number): void {
    const { bits } = judge(d.hits, d.dashed);
    if (bits < c.mediumBits) return;
    if (d.bits === 0) {
      d.alertAt = at;
      d.decisivePlace = d.lastPlace;
    }
    d.bits = Math.max(d.bits, bits);
    // Told again when it grew by a whole bit: people read it.
    if (d.toldBits > 0 && d.bits < d.toldBits + 1) return;
    d.toldBits = d.bits;
    this.#context.claim(this.#finding(d));
  }

  #evict(): void {
    let least: [number, Device] | undefined;
    let looked = 0;
    for (const entry of this.#devices) {
      if (least === undefined || entry[1].bits < least[1].bits) least = entry;
      if (++looked >= 64) break;
    }
    if (least !== undefined) this.#devices.delete(least[0]);
    this.shed += 1;
  }

  advance(): void {}

  end(): void {
    for (const d of this.#devices.values()) if (d.bits > 0) this.#context.claim(this.#finding(d));
  }

  #finding(d: Device): Finding {
    const ip = formatAddress(Uint32Array.from(d.words), 0);
    const known = this.#context.city.assetByIp(ip);
    const asset = assetOf(this.#context.city, ip);
    const subject = { type: 'asset', value: known?.id ?? ip } as const;
    const { reasons } = judge(d.hits, d.dashed);
    const strongest = [...d.hits]
      .filter((h) => h.entry.role !== 'site')
      .sort((a, b) => c.roleBits[b.entry.role] - c.roleBits[a.entry.role])[0]!.entry;
    const places = [d.firstPlace, ...(this.#context.evidenceAll ? d.evidence : [d.decisivePlace, d.lastPlace])];
    return findingOf(card, c, {
      title: `${known?.id ?? ip} is enrolled with ${strongest.service}, which sells its connection to strangers`,
      bits: d.bits,
      asset,
      subject,
      firstAt: d.firstAt,
      at: d.alertAt,
      lastAt: d.lastAt,
      tool: strongest.service,
      techniques: card.techniques,
      reasons,
      evidence: [...new Set(places)].map((p) => evidenceOf(d.origin, p)),
      count: d.count,
      links: [...new Set(d.hits.filter((h) => h.entry.role !== 'site').map((h) => `domain:${h.entry.name}`))],
      response: [
        { type: 'rpz', record: `${strongest.name} CNAME .` },
        { type: 'rpz', record: `*.${strongest.name} CNAME .` },
        { type: 'trust', record: `${known?.id ?? ip} until the client is removed` },
      ],
    });
  }

  snapshot(): unknown {
    return {
      version: 1,
      listDate: this.list.date,
      shed: this.shed,
      flows: [...this.#flows.entries()].filter(([, flow]) => flow !== 0),
      devices: [...this.#devices].map(([key, d]) => [
        key,
        { ...d, hits: d.hits.map((h) => [this.list.entries.indexOf(h.entry), h.roads, h.count]) },
      ]),
    };
  }

  restore(state: unknown): void {
    const saved = state as {
      version: number;
      listDate: string;
      shed: number;
      flows: [number, number][];
      devices: [number, Omit<Device, 'hits'> & { hits: [number, number, number][] }][];
    };
    if (saved.version !== 1) throw new Error(`proxyware: state of version ${saved.version} is not known`);
    this.#devices = new Map();
    this.#flows.fill(0);
    for (const [slot, flow] of saved.flows) this.#flows[slot] = flow;
    this.shed = saved.shed;
    // Hits are indices into a list; with another list they would name other services.
    if (saved.listDate !== this.list.date) return;
    for (const [key, d] of saved.devices)
      this.#devices.set(key, {
        ...d,
        hits: d.hits
          .filter(([i]) => this.list.entries[i] !== undefined)
          .map(([i, roads, count]) => ({ entry: this.list.entries[i]!, roads, count })),
      });
  }
}
