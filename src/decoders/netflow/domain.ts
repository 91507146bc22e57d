// What is remembered of an exporter's observation domain: templates, data that waits for them, sampling rates, sequence.
// The key is address, version and domain; not the port, for some send their options from another one (goflow2#206).
import type { Origin } from '#events';
import { addressHash } from '#lib/address';
import { Slot } from './elements.ts';
import type { Template } from './template.ts';

export const DOMAINS_MAX = 1024;
export const TEMPLATES_MAX = 512;
/** Templates of all domains, by weight: some 34 MB. */
export const TEMPLATES_WEIGHT_MAX = 2 ** 20;
/** Sets that wait for a template: of one domain, and octets of all. */
export const HELD_SETS_MAX = 64;
export const HELD_BYTES_MAX = 8 * 2 ** 20;
/** Exporters tell templates again each half hour at the least (Cisco's default). */
export const HELD_MICROS = 1800e6;
const RATES_MAX = 1024;

/** A set that came before its template: its own octets, and the datagram's times. */
export interface Held {
  readonly id: number;
  readonly bytes: Uint8Array;
  readonly at: number;
  readonly place: number;
  readonly exportAt: number;
  readonly uptimeMillis: number;
  /** Of the set in its datagram. */
  readonly offset: number;
  readonly origin: Origin;
}

export class Domain {
  readonly words = new Uint32Array(4);
  version = 0;
  id = 0;
  /** Number of the exporter in this run, for the key of its flows: line cards are domains of their own (v5: engines), and the two directions of a flow may come in by different ones. */
  exporter = 0;
  seenAt = 0;
  readonly #templates = new Map<number, Template>();
  /** Sum over its templates. */
  weight = 0;
  held: Held[] = [];
  bootAt = -1;
  /** Newest uptime and time of export, for restarts; -1 before the first. */
  uptimeMillis = -1;
  exportAt = 0;
  /** Sequence number that comes next, -1 where not known. */
  sequence = -1;
  /** v9: records of the datagram before, for exporters that count those; IPFIX: sequence number of the one before. */
  records = 0;
  /** Packets for each one counted: of the whole domain, by sampler or selector, by interface. 0: not known. */
  rate = 0;
  readonly samplerRates = new Map<number, number>();
  readonly interfaceRates = new Map<number, number>();
  toldClock = false;
  /** Its rate where it tells none, as the operator sets it; 0: not set. */
  samplingSet = 0;
  /** Whether it was said that its records tell no rate. */
  toldSampling = false;

  template(id: number): Template | undefined {
    return this.#templates.get(id);
  }

  get templateCount(): number {
    return this.#templates.size;
  }

  /** The newest goes behind all others. */
  putTemplate(t: Template): void {
    this.dropTemplate(t.id);
    this.#templates.set(t.id, t);
    this.weight += t.weight;
  }

  dropTemplate(id: number): void {
    this.weight -= this.#templates.get(id)?.weight ?? 0;
    this.#templates.delete(id);
  }

  dropOldestTemplate(): void {
    for (const id of this.#templates.keys()) {
      this.dropTemplate(id);
      return;
    }
  }

  dropTemplates(): void {
    this.#templates.clear();
    this.weight = 0;
  }

  /** The exporter began anew: numbers of templates and samplers may mean others now (RFC 3954 9). */
  restart(): void {
    this.dropTemplates();
    this.samplerRates.clear();
    this.interfaceRates.clear();
    this.rate = 0;
    this.sequence = -1;
    this.records = 0;
  }

  /** Learns a rate from a record of options (or of data that carry it). */
  learnRate(v: Float64Array, isOptions: boolean): void {
    if (v[Slot.BootAt]! > 0 && isOptions) this.bootAt = v[Slot.BootAt]!;
    const rate = rateOf(v);
    if (rate <= 0) return;
    const sampler = samplerOf(v);
    const port = v[Slot.IngressInterface]!;
    if (sampler >= 0) set(this.samplerRates, sampler, rate);
    else if (!isOptions) return;
    if (isOptions && port > 0) set(this.interfaceRates, port, rate);
    else if (isOptions && sampler < 0) this.rate = rate;
  }

  /** Rate of a data record: its own, else its sampler's, else its interface's, else the domain's. 0: not known. */
  rateOf(v: Float64Array): number {
    const own = rateOf(v);
    if (own > 0) return own;
    const sampler = samplerOf(v);
    if (sampler >= 0) {
      const known = this.samplerRates.get(sampler);
      if (known !== undefined) return known;
    }
    return this.interfaceRates.get(v[Slot.IngressInterface]!) ?? this.rate;
  }
}

function samplerOf(v: Float64Array): number {
  return v[Slot.SelectorId]! >= 0 ? v[Slot.SelectorId]! : v[Slot.SamplerId]!;
}

/** Packets for each one counted, as 34, 50, 305 and 306 (RFC 5477 8.2), 309 and 310, or 311 tell; 0 where they don't. */
function rateOf(v: Float64Array): number {
  const interval = v[Slot.SamplingPacketInterval]!;
  if (interval > 0 && v[Slot.SamplingPacketSpace]! >= 0) return (interval + v[Slot.SamplingPacketSpace]!) / interval;
  if (v[Slot.SamplingSize]! > 0 && v[Slot.SamplingPopulation]! > 0)
    return Math.max(1, v[Slot.SamplingPopulation]! / v[Slot.SamplingSize]!);
  if (v[Slot.SamplingProbability]! > 0) return Math.max(1, 1 / v[Slot.SamplingProbability]!);
  if (v[Slot.SamplerInterval]! > 0) return v[Slot.SamplerInterval]!;
  if (v[Slot.SamplingInterval]! > 0) return v[Slot.SamplingInterval]!;
  // A packet interval alone: some tell 1 of N so.
  return Math.max(interval, 0);
}

function set(map: Map<number, number>, key: number, value: number): void {
  if (map.size >= RATES_MAX && !map.has(key)) map.delete(map.keys().next().value!);
  map.set(key, value);
}

export class Domains {
  readonly #byHash = new Map<number, Domain[]>();
  readonly #all: Domain[] = [];
  #last: Domain | undefined;
  #numbers = 0;
  heldBytes = 0;

  get all(): readonly Domain[] {
    return this.#all;
  }

  /** Of all templates. */
  get weight(): number {
    let sum = 0;
    for (const d of this.#all) sum += d.weight;
    return sum;
  }

  /** The domain, or undefined where it is new: then `add` it. */
  find(words: Uint32Array, from: number, version: number, id: number): Domain | undefined {
    const last = this.#last;
    if (last !== undefined && is(last, words, from, version, id)) return last;
    const found = this.#byHash.get(hashOf(words, from, version, id))?.find((d) => is(d, words, from, version, id));
    if (found !== undefined) this.#last = found;
    return found;
  }

  get isFull(): boolean {
    return this.#all.length >= DOMAINS_MAX;
  }

  add(words: Uint32Array, from: number, version: number, id: number): Domain {
    const d = new Domain();
    for (let k = 0; k < 4; k++) d.words[k] = words[from + k]!;
    d.version = version;
    d.id = id;
    const sibling = this.#all.find((x) => is(x, words, from, version, x.id));
    // Sixteen bits of the flow table's key; numbers come round after 65,536 exporters.
    d.exporter = sibling?.exporter ?? this.#numbers++ & 0xffff;
    this.#all.push(d);
    const hash = hashOf(words, from, version, id);
    const list = this.#byHash.get(hash);
    if (list === undefined) this.#byHash.set(hash, [d]);
    else list.push(d);
    this.#last = d;
    return d;
  }

  /** Takes the idlest out. */
  removeIdlest(): Domain {
    let at = 0;
    for (let i = 1; i < this.#all.length; i++) if (this.#all[i]!.seenAt < this.#all[at]!.seenAt) at = i;
    const d = this.#all[at]!;
    this.#all[at] = this.#all.at(-1)!;
    this.#all.pop();
    const hash = hashOf(d.words, 0, d.version, d.id);
    const list = this.#byHash.get(hash)!.filter((x) => x !== d);
    if (list.length === 0) this.#byHash.delete(hash);
    else this.#byHash.set(hash, list);
    if (this.#last === d) this.#last = undefined;
    return d;
  }
}

function is(d: Domain, words: Uint32Array, from: number, version: number, id: number): boolean {
  return (
    d.id === id &&
    d.version === version &&
    d.words[3] === words[from + 3] &&
    d.words[2] === words[from + 2] &&
    d.words[1] === words[from + 1] &&
    d.words[0] === words[from]
  );
}

function hashOf(words: Uint32Array, from: number, version: number, id: number): number {
  return Math.imul(addressHash(words, from) ^ id, 0x846ca68b) + version;
}
