// Datagrams of exporters to flow records, and what is told of each observation domain on the way: templates, clock, sequence.
// What becomes of the records is another's (conversations.ts).
import type { Origin, PacketBatch } from '#events';
import { type Domain, Domains, type Held } from './domain.ts';
import { isCollectorPort, isExport, Version, versionOf } from './recognise.ts';
import { Datagram, FlowRecord, secondsNear, u16, u32 } from './record.ts';
import { Sets, type SetsOut } from './sets.ts';
import { readSflow, readSflowHeader, SflowHeader } from './sflow.ts';
import { readV5, readV5Header, V5_RECORDS_MAX } from './v5.ts';

const CLOCK_MICROS = 300e6;
/** Uptime that went back by more began anew; by less, datagrams overtook each other. */
const RESTART_MILLIS = 60_000;
/** Sequence numbers further apart than this are no gap: the exporter began anew. */
const GAP_MAX = 2 ** 24;
const UDP = 17;

export interface RecordsOut {
  /**
   * @param record lent for the call
   * @param exporter its number in this run
   * @param d the datagram it came in
   */
  record(record: FlowRecord, exporter: number, d: Datagram): void;
  /** Records of this domain tell no sampling rate; called once. */
  samplingUntold(domain: Domain): void;
  /** @param offset in the datagram */
  fault(code: string, origin: Origin, place: number, offset: number): void;
}

export class Datagrams implements SetsOut {
  readonly #datagram = new Datagram();
  readonly #out: RecordsOut;
  readonly #domains = new Domains();
  readonly #sets: Sets;
  readonly #record = new FlowRecord();
  readonly #sflow = new SflowHeader();
  /** Domains given up for others. */
  shed = 0;
  // What the record under way belongs to.
  #current = this.#datagram;
  #domain: Domain | undefined;

  readonly #samplingOf: (words: Uint32Array, at: number) => number;

  /** @param samplingOf rate of the exporter at these address words, where the operator set one; else 0 */
  constructor(out: RecordsOut, samplingOf: (words: Uint32Array, at: number) => number = () => 0) {
    this.#out = out;
    this.#samplingOf = samplingOf;
    this.#sets = new Sets(this.#domains, this);
  }

  /** Reads the datagrams among a batch's packets: those to a collector's port, and those that can be nothing else. */
  read(batch: PacketBatch): void {
    const d = this.#datagram;
    d.origin = batch.origin;
    d.bytes = batch.bytes;
    for (let i = 0; i < batch.count; i++) {
      if (batch.protocol[i] !== UDP || batch.fragment[i] !== 0) continue;
      d.start = batch.payloadOffset[i]!;
      d.end = d.start + batch.payloadCaptured[i]!;
      const isTold = batch.parts[i] === 0 || isCollectorPort(batch.destinationPort[i]!);
      if (!isTold && !isExport(d.bytes, d.start, d.end, batch.payloadBytes[i]!)) continue;
      d.base = d.start;
      d.at = batch.at[i]!;
      d.place = batch.place[i]!;
      this.#read(d, batch.addresses, 8 * i);
    }
  }

  #read(d: Datagram, words: Uint32Array, from: number): void {
    const version = versionOf(d.bytes, d.start, d.end);
    if (version === Version.V5) this.#v5(d, words, from);
    else if (version === Version.V9) this.#v9(d, words, from);
    else if (version === Version.Ipfix) this.#ipfix(d, words, from);
    else if (version === Version.Sflow) this.#sflow5(d, words, from);
    else this.fault('NETFLOW_VERSION', d.start);
  }

  #v5(d: Datagram, words: Uint32Array, from: number): void {
    const count = readV5Header(d);
    if (count < 0) {
      this.fault('NETFLOW_TRUNCATED', d.start);
      return;
    }
    if (count === 0 || count > V5_RECORDS_MAX) {
      this.fault('NETFLOW_COUNT', d.start + 2);
      return;
    }
    const domain = this.#domainOf(d, words, from, Version.V5, u16(d.bytes, d.start + 20));
    const sequence = u32(d.bytes, d.start + 16);
    this.#clock(d, domain, sequence);
    this.#sequence(domain, sequence, count);
    readV5(d, count, this.#record, this);
  }

  #v9(d: Datagram, words: Uint32Array, from: number): void {
    const b = d.bytes;
    if (d.end - d.start < 20) {
      this.fault('NETFLOW_TRUNCATED', d.start);
      return;
    }
    d.uptimeMillis = u32(b, d.start + 4);
    d.exportAt = secondsNear(u32(b, d.start + 8), d.at) * 1e6;
    const domain = this.#domainOf(d, words, from, Version.V9, u32(b, d.start + 16));
    const sequence = u32(b, d.start + 12);
    this.#clock(d, domain, sequence);
    // It counts datagrams; some count records.
    const isRecords = domain.records > 1 && ((sequence - domain.sequence) | 0) === domain.records - 1;
    if (isRecords) domain.sequence = sequence;
    this.#sequence(domain, sequence, 1);
    domain.records = u16(b, d.start + 2);
    this.#sets.read(d, d.start + 20, domain, false, domain.records);
  }

  /** One datagram may hold several messages. */
  #ipfix(d: Datagram, words: Uint32Array, from: number): void {
    const b = d.bytes;
    const end = d.end;
    while (d.start < end) {
      const at = d.start;
      if (end - at < 16) {
        this.fault('NETFLOW_TRUNCATED', at);
        return;
      }
      const length = u16(b, at + 2);
      if (u16(b, at) !== Version.Ipfix || length < 16) {
        this.fault('NETFLOW_SET_LENGTH', at);
        return;
      }
      if (at + length > end) this.fault('NETFLOW_TRUNCATED', at);
      d.end = Math.min(at + length, end);
      d.uptimeMillis = -1;
      d.exportAt = secondsNear(u32(b, at + 4), d.at) * 1e6;
      const domain = this.#domainOf(d, words, from, Version.Ipfix, u32(b, at + 12));
      const sequence = u32(b, at + 8);
      this.#clock(d, domain, sequence);
      const expected = domain.sequence;
      const before = domain.records;
      const records = this.#sets.read(d, at + 16, domain, true);
      // It counts the data records before it (RFC 7011 3.1); softflowd counts its own as well, and no options.
      const isOwn = expected >= 0 && ((sequence - before) | 0) === this.#sets.flows;
      if (!isOwn) this.#sequence(domain, sequence, 0);
      domain.records = sequence;
      domain.sequence = records < 0 || at + length > end ? -1 : (sequence + records) >>> 0;
      d.start = d.end;
      d.end = end;
    }
  }

  #sflow5(d: Datagram, words: Uint32Array, from: number): void {
    const header = this.#sflow;
    readSflowHeader(d.bytes, d.start, d.end, header);
    if (header.next < 0) {
      this.fault('NETFLOW_TRUNCATED', d.start);
      return;
    }
    d.uptimeMillis = header.uptimeMillis;
    d.exportAt = d.at;
    const domain = this.#domainOf(d, words, from, Version.Sflow, (header.agentHash ^ header.subAgent) >>> 0);
    this.#clock(d, domain, header.sequence);
    this.#sequence(domain, header.sequence, 1);
    readSflow(d, header, this.#record, this);
  }

  #domainOf(d: Datagram, words: Uint32Array, from: number, version: number, id: number): Domain {
    let domain = this.#domains.find(words, from, version, id);
    if (domain === undefined) {
      if (this.#domains.isFull) {
        const gone = this.#domains.removeIdlest();
        this.#sets.expire(gone, Number.POSITIVE_INFINITY);
        this.shed += 1;
        this.fault('NETFLOW_EXPORTERS', d.start);
      }
      domain = this.#domains.add(words, from, version, id);
      domain.samplingSet = this.#samplingOf(words, from);
    }
    domain.seenAt = d.at;
    this.#domain = domain;
    return domain;
  }

  /** Restarts, and clocks that are wrong. */
  #clock(d: Datagram, domain: Domain, sequence: number): void {
    if (!domain.toldClock && Math.abs(d.exportAt - d.at) > CLOCK_MICROS) {
      domain.toldClock = true;
      this.fault('NETFLOW_CLOCK', d.start);
    }
    if (d.uptimeMillis < 0) return;
    if (domain.uptimeMillis > d.uptimeMillis) {
      // After a wrap of the 32 bits, uptime and clock have gone on by the same.
      const gone = (d.uptimeMillis - domain.uptimeMillis) >>> 0;
      const drift = Math.abs(signed(gone - (d.exportAt - domain.exportAt) / 1000));
      const gap = domain.sequence < 0 ? -1 : (sequence - domain.sequence) | 0;
      // Line cards of one device may each have an uptime of their own: their sequence goes on.
      const goesOn = gap >= 0 && gap < GAP_MAX;
      if (drift > RESTART_MILLIS && !goesOn) {
        this.fault('NETFLOW_RESTART', d.start);
        this.#sets.expire(domain, Number.POSITIVE_INFINITY);
        domain.restart();
      } else if (signed(gone) < 0) return;
    }
    domain.uptimeMillis = d.uptimeMillis;
    domain.exportAt = d.exportAt;
  }

  #sequence(domain: Domain, sequence: number, counted: number): void {
    const gap = domain.sequence < 0 ? 0 : (sequence - domain.sequence) | 0;
    if (gap > 0 && gap < GAP_MAX) this.fault('NETFLOW_LOST', this.#current.start);
    // What was overtaken on the way moves nothing back.
    if (gap < 0 && gap > -1000) return;
    domain.sequence = (sequence + counted) >>> 0;
  }

  flow(record: FlowRecord): void {
    const d = this.#current;
    const domain = this.#domain!;
    if (record.rate <= 0) {
      record.rate = domain.samplingSet;
      // Rows that a collector printed have no exporter who could say so: their source tells it of all of them.
      if (!domain.toldSampling && d.origin.placed !== 'line') {
        domain.toldSampling = true;
        this.#out.samplingUntold(domain);
      }
    }
    this.#out.record(record, domain.exporter, d);
  }

  fault(code: string, position: number): void {
    const { origin, place, base } = this.#current;
    this.#out.fault(code, origin, place, position - base);
  }

  lost(code: string, held: Held): void {
    this.#out.fault(code, held.origin, held.place, held.offset);
  }

  begin(held: Datagram | undefined): void {
    this.#current = held ?? this.#datagram;
  }

  get origin(): Origin {
    return this.#datagram.origin;
  }

  /** Gives up what has waited too long for its template; all of it where `to` is Infinity. */
  expire(to: number): void {
    for (const domain of this.#domains.all) this.#sets.expire(domain, to);
  }
}

/** A difference of 32-bit milliseconds, nearest to zero. */
function signed(millis: number): number {
  return millis - Math.round(millis / 2 ** 32) * 2 ** 32;
}
