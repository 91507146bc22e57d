// The sets of a NetFlow v9 packet (RFC 3954 5) or an IPFIX message (RFC 7011 3.3): templates are taken at once and in order,
// data by them; data whose template is not known waits for it, bounded in number, octets and time.
import type { Origin } from '#events';
import {
  type Domain,
  type Domains,
  HELD_BYTES_MAX,
  HELD_MICROS,
  HELD_SETS_MAX,
  type Held,
  TEMPLATES_MAX,
  TEMPLATES_WEIGHT_MAX,
} from './domain.ts';
import { Slot } from './elements.ts';
import { readPlain } from './plain.ts';
import { Datagram, FlowRecord, type Out, u16 } from './record.ts';
import { Lack, Row, toFlow } from './row.ts';
import { readTemplate, type Template, TemplateView } from './template.ts';

const SET_HEADER_BYTES = 4;

/** Faults of sets that waited: they speak of a datagram that is gone. */
export interface SetsOut extends Out {
  lost(code: string, held: Held): void;
  /** A held set is read now, and flows belong to its datagram; undefined: to the one that came now. */
  begin(held: Datagram | undefined): void;
  /** File of the datagram that came now. */
  readonly origin: Origin;
}

export class Sets {
  readonly #domains: Domains;
  readonly #out: SetsOut;
  readonly #row = new Row();
  readonly #record = new FlowRecord();
  readonly #view = new TemplateView();
  readonly #late = new Datagram();
  /** Of the records that `read` read last, those by templates that are not for options. */
  flows = 0;

  constructor(domains: Domains, out: SetsOut) {
    this.#domains = domains;
    this.#out = out;
  }

  /**
   * Reads sets in [start, d.end).
   * @param setsMax v9's count: records, or sets as some write it. Each set has a record, so more sets than that are none of its own
   * @returns data records read, -1 where some wait and can't be counted
   */
  read(d: Datagram, start: number, domain: Domain, isIpfix: boolean, setsMax = 65_535): number {
    const b = d.bytes;
    let at = start;
    let records = 0;
    this.flows = 0;
    let sets = 0;
    while (at + SET_HEADER_BYTES <= d.end) {
      const id = u16(b, at);
      const length = u16(b, at + 2);
      // Some fill the datagram with zeros (Palo Alto).
      if (id === 0 && length === 0) break;
      if (++sets > setsMax) {
        this.#out.fault('NETFLOW_COUNT', at);
        break;
      }
      const end = at + length;
      if (length < SET_HEADER_BYTES || end > d.end) {
        this.#out.fault('NETFLOW_SET_LENGTH', at);
        break;
      }
      if (id === (isIpfix ? 2 : 0)) this.#templates(d, at + SET_HEADER_BYTES, end, domain, isIpfix, false);
      else if (id === (isIpfix ? 3 : 1)) this.#templates(d, at + SET_HEADER_BYTES, end, domain, isIpfix, true);
      else if (id >= 256) {
        const template = domain.template(id);
        if (template === undefined) {
          this.#hold(d, id, at, end, domain);
          records = -1;
        } else {
          const read = this.#data(d, at + SET_HEADER_BYTES, end, domain, template);
          if (records >= 0) records += read;
          if (!template.isOptions) this.flows += read;
        }
      }
      at = end;
    }
    return records;
  }

  #templates(d: Datagram, start: number, end: number, domain: Domain, isIpfix: boolean, isOptions: boolean): void {
    const view = this.#view;
    let at = start;
    while (at + 4 <= end) {
      // Padding.
      if (u16(d.bytes, at) === 0) return;
      readTemplate(d.bytes, at, end, isIpfix, isOptions, view);
      if (view.isWithdrawal) {
        if (view.id < 256) domain.dropTemplates();
        else domain.dropTemplate(view.id);
      } else if (view.template !== undefined) this.#learn(view.template, domain, at);
      else this.#out.fault('NETFLOW_TEMPLATE', at);
      if (view.next < 0) return;
      at = view.next;
    }
  }

  #learn(template: Template, domain: Domain, position: number): void {
    const known = domain.template(template.id);
    if (known !== undefined) {
      // Told again: its faults have been told too.
      template.toldNoFlow = known.toldNoFlow;
      template.toldNoTime = known.toldNoTime;
      template.toldNoCounts = known.toldNoCounts;
      domain.dropTemplate(template.id);
    }
    const room = TEMPLATES_WEIGHT_MAX - template.weight;
    if (domain.templateCount >= TEMPLATES_MAX || this.#domains.weight > room) {
      this.#out.fault('NETFLOW_TEMPLATES_FULL', position);
      domain.dropOldestTemplate();
      // What others hold is theirs: where that fills the room, this one is not kept.
      while (domain.templateCount > 0 && this.#domains.weight > room) domain.dropOldestTemplate();
      if (this.#domains.weight > room) return;
    }
    domain.putTemplate(template);
    if (!domain.held.some((h) => h.id === template.id)) return;
    const waited = domain.held.filter((h) => h.id === template.id);
    domain.held = domain.held.filter((h) => h.id !== template.id);
    for (const h of waited) this.#release(h, domain, template);
  }

  #release(h: Held, domain: Domain, template: Template): void {
    this.#domains.heldBytes -= h.bytes.length;
    const d = this.#late;
    d.bytes = h.bytes;
    d.start = 0;
    d.end = h.bytes.length;
    d.base = -h.offset;
    d.at = h.at;
    d.origin = h.origin;
    d.place = h.place;
    d.exportAt = h.exportAt;
    d.uptimeMillis = h.uptimeMillis;
    this.#out.begin(d);
    this.#data(d, SET_HEADER_BYTES, d.end, domain, template);
    this.#out.begin(undefined);
  }

  #hold(d: Datagram, id: number, at: number, end: number, domain: Domain): void {
    // Not slice(): that of a Buffer shares its bytes.
    const bytes = Uint8Array.from(d.bytes.subarray(at, end));
    while (domain.held.length >= HELD_SETS_MAX) this.#drop(domain);
    // What others hold is theirs: where that fills the room, this set can't wait.
    while (this.#domains.heldBytes + bytes.length > HELD_BYTES_MAX && domain.held.length > 0) this.#drop(domain);
    const { at: arrival, place, exportAt, uptimeMillis } = d;
    const held = {
      id,
      bytes,
      at: arrival,
      place,
      exportAt,
      uptimeMillis,
      offset: at - d.base,
      origin: this.#out.origin,
    };
    if (this.#domains.heldBytes + bytes.length > HELD_BYTES_MAX) {
      this.#out.lost('NETFLOW_TEMPLATE_MISSING', held);
      return;
    }
    this.#domains.heldBytes += bytes.length;
    domain.held.push(held);
  }

  #drop(domain: Domain): void {
    const h = domain.held.shift()!;
    this.#domains.heldBytes -= h.bytes.length;
    this.#out.lost('NETFLOW_TEMPLATE_MISSING', h);
  }

  /** Gives up what has waited too long; all of it where `to` is Infinity. */
  expire(domain: Domain, to: number): void {
    while (domain.held.length > 0 && to - domain.held[0]!.at >= HELD_MICROS) this.#drop(domain);
  }

  /** @returns records read */
  #data(d: Datagram, start: number, end: number, domain: Domain, template: Template): number {
    const r = this.#record;
    let at = start;
    let records = 0;
    this.#row.clear();
    if (!template.hasCounts && !template.isOptions && !template.toldNoCounts && end - at >= template.recordBytes) {
      template.toldNoCounts = true;
      this.#out.fault('NETFLOW_NO_COUNTS', at);
    }
    const isRateOwn = template.tellsRate || domain.interfaceRates.size > 0;
    const plain = isRateOwn ? undefined : template.plain;
    // A tail shorter than the shortest record is padding.
    while (end - at >= template.recordBytes) {
      if (plain !== undefined && readPlain(plain, at, d, r)) {
        r.rate = domain.rate;
        this.#out.flow(r);
        at += template.recordBytes;
      } else {
        at = this.#any(d, at, end, domain, template, isRateOwn);
        if (at < 0) return records;
      }
      records += 1;
    }
    return records;
  }

  /** Reads a record of whatever shape. @returns the position behind it, -1 where it is broken */
  #any(d: Datagram, at: number, end: number, domain: Domain, template: Template, isRateOwn: boolean): number {
    const row = this.#row;
    const r = this.#record;
    const next = row.read(d.bytes, at, end, template);
    if (next < 0) {
      this.#out.fault('NETFLOW_FIELD', at);
      return -1;
    }
    if (template.tellsRate || template.isOptions) domain.learnRate(row.values, template.isOptions);
    if (template.isOptions) return next;
    const lack = toFlow(row, d, domain.bootAt, r);
    if (lack === Lack.Nothing || lack === Lack.Times) {
      r.rate = isRateOwn ? domain.rateOf(row.values) : domain.rate;
      this.#out.flow(r);
    }
    if (lack === Lack.Header) this.#out.fault('SFLOW_HEADER', at);
    else if (lack === Lack.Addresses && !template.toldNoFlow) {
      template.toldNoFlow = true;
      this.#out.fault('NETFLOW_NO_FLOW', at);
    } else if (lack === Lack.Times && !template.toldNoTime && row.values[Slot.FrameSection]! < 0) {
      template.toldNoTime = true;
      this.#out.fault('NETFLOW_NO_TIME', at);
    }
    return next;
  }
}
