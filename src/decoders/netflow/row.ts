// A data record by its template into a row of slots; from the row the flow. Reduced-size encoding (RFC 7011 6.2) makes any
// integer shorter, so lengths come from the template alone.
import { Form, NUMBER_SLOTS, SLOTS, Slot } from './elements.ts';
import { PacketHeader, readFrame, readIp } from './header.ts';
import { type Datagram, type FlowRecord, ipv6Words, Tcp, u16, u32, uint, uptimeAt } from './record.ts';
import { type Template, VARIABLE } from './template.ts';

/** Seconds from 1900, where NTP counts from, to 1970. */
const NTP_EPOCH_SECONDS = 2_208_988_800;

export class Row {
  /** Numbers by slot, -1 where the record has none. Bytes slots hold a position in the datagram. */
  readonly values = new Float64Array(SLOTS);
  /** Lengths of bytes slots. */
  readonly lengths = new Int32Array(SLOTS);

  clear(): void {
    this.values.fill(-1);
  }

  /** @returns the position behind the record, -1 where a field runs beyond `end` */
  read(b: Uint8Array, at: number, end: number, t: Template): number {
    if (t.isVariable) return this.#readVariable(b, at, end, t);
    const { slots, forms, lengths, offsets } = t;
    const values = this.values;
    for (let i = 0; i < slots.length; i++) {
      const from = at + offsets[i]!;
      // Most fields: numbers of one, two and four octets.
      if (forms[i] === Form.Uint && lengths[i] === 4) values[slots[i]!] = u32(b, from);
      else if (forms[i] === Form.Uint && lengths[i] === 2) values[slots[i]!] = u16(b, from);
      else if (forms[i] === Form.Uint && lengths[i] === 1) values[slots[i]!] = b[from]!;
      else this.#put(b, from, lengths[i]!, slots[i]!, forms[i]!);
    }
    return at + t.recordBytes;
  }

  #readVariable(b: Uint8Array, at: number, end: number, t: Template): number {
    let from = at;
    for (let i = 0; i < t.slots.length; i++) {
      let length = t.lengths[i]!;
      if (length === VARIABLE) {
        if (from >= end) return -1;
        length = b[from]!;
        from += 1;
        if (length === 255) {
          if (from + 2 > end) return -1;
          length = (b[from]! << 8) | b[from + 1]!;
          from += 2;
        }
      }
      if (from + length > end) return -1;
      if (t.slots[i]! !== Slot.None) this.#put(b, from, length, t.slots[i]!, t.forms[i]!);
      from += length;
    }
    return from;
  }

  #put(b: Uint8Array, at: number, length: number, slot: number, form: number): void {
    if (slot >= NUMBER_SLOTS) {
      this.values[slot] = at;
      this.lengths[slot] = length;
      return;
    }
    // Octets of a number that is not there.
    if (length === 0) this.values[slot] = -1;
    else if (form === Form.Uint) this.values[slot] = length === 4 ? u32(b, at) : uint(b, at, length);
    else this.values[slot] = wide(b, at, length, form);
  }
}

function wide(b: Uint8Array, at: number, length: number, form: number): number {
  if (form === Form.Ntp) {
    if (length !== 8) return -1;
    const seconds = u32(b, at) - NTP_EPOCH_SECONDS;
    // NTP's first era ends in 2036; times before 1970 are of the next one.
    return (seconds < 0 ? seconds + 2 ** 32 : seconds) * 1e6 + Math.floor((u32(b, at + 4) * 1e6) / 2 ** 32);
  }
  if (form === Form.Float) {
    if (length !== 4 && length !== 8) return -1;
    const view = new DataView(b.buffer, b.byteOffset + at, length);
    return length === 4 ? view.getFloat32(0) : view.getFloat64(0);
  }
  const value = uint(b, at, length);
  return form === Form.Seconds ? value * 1e6 : form === Form.Millis ? value * 1000 : value;
}

/** Stamps beyond this are no uptime: some NX-OS write milliseconds since the epoch in eight octets. */
const UPTIME_MILLIS_MAX = 1e11;

const header = new PacketHeader();

/** What `toFlow` could not find. */
export const Lack = { Nothing: 0, Addresses: 1, Times: 2, Header: 3 } as const;

/**
 * The row as a flow, all but its sampling rate.
 * @param bootAt when the exporter began, microseconds; -1 where it is not known
 */
export function toFlow(row: Row, d: Datagram, bootAt: number, r: FlowRecord): number {
  const v = row.values;
  r.clear();
  const isSection = v[Slot.FrameSection]! >= 0 || v[Slot.IpSection]! >= 0;
  if (!endpoints(row, d, r)) {
    if (!isSection) return Lack.Addresses;
    if (!section(row, d, r)) return Lack.Header;
  }
  counts(v, r);
  r.endReason = Math.max(v[Slot.EndReason]!, 0);
  r.direction = v[Slot.Direction]!;
  return times(v, d, v[Slot.BootAt]! > 0 ? v[Slot.BootAt]! : bootAt, r) ? Lack.Nothing : Lack.Times;
}

function endpoints(row: Row, d: Datagram, r: FlowRecord): boolean {
  const v = row.values;
  const has4 = v[Slot.SourceIpv4]! >= 0 && v[Slot.DestinationIpv4]! >= 0;
  const has6 = v[Slot.SourceIpv6]! >= 0 && v[Slot.DestinationIpv6]! >= 0;
  // Templates that hold both leave one at zero; where both stand the IPv4 packet is what travels inside (SRv6, RFC 8986).
  if (
    has4 &&
    v[Slot.IpVersion] !== 6 &&
    row.lengths[Slot.SourceIpv4] === 4 &&
    row.lengths[Slot.DestinationIpv4] === 4
  ) {
    const source = u32(d.bytes, v[Slot.SourceIpv4]!);
    const destination = u32(d.bytes, v[Slot.DestinationIpv4]!);
    if (!has6 || source !== 0 || destination !== 0) {
      r.addresses[2] = 0xffff;
      r.addresses[3] = source;
      r.addresses[6] = 0xffff;
      r.addresses[7] = destination;
      return told(v, r);
    }
  }
  if (!has6 || row.lengths[Slot.SourceIpv6] !== 16 || row.lengths[Slot.DestinationIpv6] !== 16) return false;
  ipv6Words(d.bytes, v[Slot.SourceIpv6]!, r.addresses, 0);
  ipv6Words(d.bytes, v[Slot.DestinationIpv6]!, r.addresses, 4);
  return told(v, r);
}

/** Protocol, ports and flags. @returns true */
function told(v: Float64Array, r: FlowRecord): boolean {
  r.protocol = Math.max(v[Slot.Protocol]!, 0) & 255;
  r.sourcePort = Math.max(v[Slot.SourcePort]!, 0) & 0xffff;
  r.destinationPort = Math.max(v[Slot.DestinationPort]!, 0) & 0xffff;
  r.tcpFlags = Math.max(v[Slot.TcpFlags]!, 0) & 255;
  if (r.protocol === 1 || r.protocol === 58) {
    const pair = v[Slot.IcmpTypeCode]!;
    r.icmpType = v[Slot.IcmpType]! >= 0 ? v[Slot.IcmpType]! : (pair >= 0 ? pair : r.destinationPort) >> 8;
    // ICMPv6 has no type 0: the exporter tells none.
    if (r.protocol === 58 && r.icmpType === 0) r.icmpType = -1;
  }
  return true;
}

/** A packet section (RFC 5477 8.5) instead of fields: one packet. */
function section(row: Row, d: Datagram, r: FlowRecord): boolean {
  const isFrame = row.values[Slot.FrameSection]! >= 0;
  const slot = isFrame ? Slot.FrameSection : Slot.IpSection;
  const at = row.values[slot]!;
  const end = at + row.lengths[slot]!;
  if (!(isFrame ? readFrame(d.bytes, at, end, header) : readIp(d.bytes, at, end, header))) return false;
  header.into(r);
  return true;
}

function counts(v: Float64Array, r: FlowRecord): void {
  if (v[Slot.InitiatorOctets]! >= 0 || v[Slot.InitiatorPackets]! >= 0) {
    r.bytes = Math.max(v[Slot.InitiatorOctets]!, 0);
    r.packets = Math.max(v[Slot.InitiatorPackets]!, 0);
    r.reverseBytes = Math.max(v[Slot.ResponderOctets]!, 0);
    r.reversePackets = Math.max(v[Slot.ResponderPackets]!, 0);
    r.isBiflow = true;
  } else if (v[Slot.Octets]! >= 0 || v[Slot.Packets]! >= 0) {
    r.bytes = Math.max(v[Slot.Octets]!, 0);
    r.packets = Math.max(v[Slot.Packets]!, 0);
  } else if (v[Slot.OctetsTotal]! >= 0 || v[Slot.PacketsTotal]! >= 0) {
    r.bytes = Math.max(v[Slot.OctetsTotal]!, 0);
    r.packets = Math.max(v[Slot.PacketsTotal]!, 0);
    r.isTotal = true;
  } else if (v[Slot.OutOctets]! >= 0 || v[Slot.OutPackets]! >= 0) {
    r.bytes = Math.max(v[Slot.OutOctets]!, 0);
    r.packets = Math.max(v[Slot.OutPackets]!, 0);
  } else if (v[Slot.Layer2Octets]! >= 0) r.bytes = Math.max(r.bytes, v[Slot.Layer2Octets]!);
  const back = r.isTotal ? Slot.ReverseOctetsTotal : Slot.ReverseOctets;
  const backPackets = r.isTotal ? Slot.ReversePacketsTotal : Slot.ReversePackets;
  if (v[back]! >= 0 || v[backPackets]! >= 0) {
    r.reverseBytes = Math.max(v[back]!, 0);
    r.reversePackets = Math.max(v[backPackets]!, 0);
    r.reverseFlags = Math.max(v[Slot.ReverseTcpFlags]!, 0) & 255;
    r.isBiflow = true;
  }
  // Firewall events (233): 1 created, 2 deleted, 3 denied, 5 updated. What a deletion counts, updates have counted before.
  const event = v[Slot.FirewallEvent]!;
  if (event >= 0) {
    r.isTotal = true;
    r.isBiflow ||= event !== 3;
    if (event === 2 || event === 3) r.endReason = 3;
    // What was denied is an attempt that had no answer; these records tell no flags.
    if (event === 3 && r.protocol === 6 && r.tcpFlags === 0) r.tcpFlags = Tcp.Syn;
  }
  // biflowDirection (RFC 5103 6.3): 2 says that the source is not the initiator.
  if (r.isBiflow && v[Slot.BiflowDirection] === 2) turn(r);
}

function turn(r: FlowRecord): void {
  for (let k = 0; k < 4; k++) {
    const word = r.addresses[k]!;
    r.addresses[k] = r.addresses[4 + k]!;
    r.addresses[4 + k] = word;
  }
  [r.sourcePort, r.destinationPort] = [r.destinationPort, r.sourcePort];
  [r.packets, r.reversePackets] = [r.reversePackets, r.packets];
  [r.bytes, r.reverseBytes] = [r.reverseBytes, r.bytes];
  [r.tcpFlags, r.reverseFlags] = [r.reverseFlags, r.tcpFlags];
}

/** Fills firstAt and lastAt. @returns false where the time of export stands in for both */
function times(v: Float64Array, d: Datagram, bootAt: number, r: FlowRecord): boolean {
  let first = v[Slot.StartAt]!;
  let last = v[Slot.EndAt]!;
  if (first <= 0 && v[Slot.StartBeforeExport]! >= 0) first = d.exportAt - v[Slot.StartBeforeExport]!;
  if (last <= 0 && v[Slot.EndBeforeExport]! >= 0) last = d.exportAt - v[Slot.EndBeforeExport]!;
  if (first <= 0) first = stampAt(v[Slot.FirstUptime]!, d, bootAt);
  if (last <= 0) last = stampAt(v[Slot.LastUptime]!, d, bootAt);
  if (last <= 0) last = v[Slot.ObservedAt]!;
  if (last <= 0 && first > 0) last = v[Slot.Duration]! >= 0 ? first + v[Slot.Duration]! : Math.max(first, d.exportAt);
  if (first <= 0 && last > 0) first = v[Slot.Duration]! >= 0 ? last - v[Slot.Duration]! : last;
  const isTold = first > 0;
  // Stamps of an uptime that is not told still say how long it was.
  const lasted = isTold ? 0 : Math.max((v[Slot.LastUptime]! - v[Slot.FirstUptime]!) | 0, 0) * 1000;
  r.firstAt = isTold ? first : d.exportAt - lasted;
  r.lastAt = isTold ? Math.max(first, last) : d.exportAt;
  return isTold;
}

/** A stamp in milliseconds of uptime, -1 where it can't be placed. */
function stampAt(stamp: number, d: Datagram, bootAt: number): number {
  if (stamp < 0) return -1;
  if (stamp > UPTIME_MILLIS_MAX) return stamp * 1000;
  if (d.uptimeMillis >= 0) return uptimeAt(stamp, d.uptimeMillis, d.exportAt);
  return bootAt > 0 ? bootAt + stamp * 1000 : -1;
}
