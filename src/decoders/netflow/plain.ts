// Records of the shape that most exporters send, straight from their octets into the flow: one version of IP, counts, and two
// stamps of time, all of fixed length. What a template or a record has beyond that is left to row.ts, which reads every shape
// and says the same of these (plain.test.ts).
import { Form, Slot } from './elements.ts';
import { type Datagram, type FlowRecord, ipv4Words, ipv6Words, u16, u32, uint, uptimeAt } from './record.ts';

/** Where the fields of a record stand, from its start; -1 where it has none. */
export interface Plain {
  readonly isIpv6: boolean;
  readonly source: number;
  readonly destination: number;
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly protocol: number;
  readonly ipVersion: number;
  /** The octet with the flags: the last one where there are two. */
  readonly tcpFlags: number;
  readonly packets: number;
  readonly packetsBytes: number;
  readonly octets: number;
  readonly octetsBytes: number;
  /** Milliseconds of uptime (four octets), or since 1970 (eight). */
  readonly isUptime: boolean;
  readonly first: number;
  readonly last: number;
  readonly endReason: number;
  readonly direction: number;
}

interface Field {
  readonly slot: number;
  readonly form: number;
  readonly length: number;
  readonly offset: number;
}

/** Lengths that are read here, by slot. The interface is there for rates only. */
const lengthsOf: ReadonlyMap<number, readonly number[]> = new Map([
  [Slot.SourceIpv4, [4]],
  [Slot.DestinationIpv4, [4]],
  [Slot.SourceIpv6, [16]],
  [Slot.DestinationIpv6, [16]],
  [Slot.SourcePort, [2]],
  [Slot.DestinationPort, [2]],
  [Slot.Protocol, [1]],
  [Slot.IpVersion, [1]],
  [Slot.TcpFlags, [1, 2]],
  [Slot.Packets, [4, 8]],
  [Slot.Octets, [4, 8]],
  [Slot.FirstUptime, [4]],
  [Slot.LastUptime, [4]],
  [Slot.StartAt, [8]],
  [Slot.EndAt, [8]],
  [Slot.EndReason, [1]],
  [Slot.Direction, [1]],
  [Slot.IcmpTypeCode, [2]],
  [Slot.IngressInterface, [1, 2, 3, 4]],
]);

/** @param fields the needed ones of a template of fixed length. @returns undefined where their shape is another */
export function plainOf(fields: readonly Field[]): Plain | undefined {
  const bySlot = new Map(fields.map((f) => [f.slot, f]));
  if (bySlot.size < fields.length || !fields.every((f) => lengthsOf.get(f.slot)?.includes(f.length))) return undefined;
  const at = (slot: number): number => bySlot.get(slot)?.offset ?? -1;
  const bytes = (slot: number): number => bySlot.get(slot)?.length ?? 0;
  const has = (...slots: readonly number[]): boolean => slots.every((s) => bySlot.has(s));
  const hasAny = (...slots: readonly number[]): boolean => slots.some((s) => bySlot.has(s));
  const isIpv6 = has(Slot.SourceIpv6, Slot.DestinationIpv6) && !hasAny(Slot.SourceIpv4, Slot.DestinationIpv4);
  const isIpv4 = has(Slot.SourceIpv4, Slot.DestinationIpv4) && !hasAny(Slot.SourceIpv6, Slot.DestinationIpv6);
  const isUptime = has(Slot.FirstUptime, Slot.LastUptime) && !hasAny(Slot.StartAt, Slot.EndAt);
  const isMillis =
    bySlot.get(Slot.StartAt)?.form === Form.Millis &&
    bySlot.get(Slot.EndAt)?.form === Form.Millis &&
    !hasAny(Slot.FirstUptime, Slot.LastUptime);
  const isWhole = has(Slot.SourcePort, Slot.DestinationPort, Slot.Protocol, Slot.Packets, Slot.Octets);
  if (!isWhole || !(isIpv4 || isIpv6) || !(isUptime || isMillis)) return undefined;
  return {
    isIpv6,
    source: at(isIpv6 ? Slot.SourceIpv6 : Slot.SourceIpv4),
    destination: at(isIpv6 ? Slot.DestinationIpv6 : Slot.DestinationIpv4),
    sourcePort: at(Slot.SourcePort),
    destinationPort: at(Slot.DestinationPort),
    protocol: at(Slot.Protocol),
    ipVersion: isIpv6 ? -1 : at(Slot.IpVersion),
    tcpFlags: has(Slot.TcpFlags) ? at(Slot.TcpFlags) + bytes(Slot.TcpFlags) - 1 : -1,
    packets: at(Slot.Packets),
    packetsBytes: bytes(Slot.Packets),
    octets: at(Slot.Octets),
    octetsBytes: bytes(Slot.Octets),
    isUptime,
    first: at(isUptime ? Slot.FirstUptime : Slot.StartAt),
    last: at(isUptime ? Slot.LastUptime : Slot.EndAt),
    endReason: at(Slot.EndReason),
    direction: at(Slot.Direction),
  };
}

/**
 * The record at `at` as a flow, all but its sampling rate.
 * @returns false where it says what a plain one does not: ICMP, another version of IP, times that can't be placed
 */
export function readPlain(p: Plain, at: number, d: Datagram, r: FlowRecord): boolean {
  const b = d.bytes;
  const protocol = b[at + p.protocol]!;
  if (protocol === 1 || protocol === 58 || (p.ipVersion >= 0 && b[at + p.ipVersion] === 6)) return false;
  let first: number;
  let last: number;
  if (p.isUptime) {
    if (d.uptimeMillis < 0) return false;
    first = uptimeAt(u32(b, at + p.first), d.uptimeMillis, d.exportAt);
    last = uptimeAt(u32(b, at + p.last), d.uptimeMillis, d.exportAt);
  } else {
    first = uint(b, at + p.first, 8) * 1000;
    last = uint(b, at + p.last, 8) * 1000;
  }
  if (first <= 0 || last <= 0) return false;
  r.clear();
  if (p.isIpv6) {
    ipv6Words(b, at + p.source, r.addresses, 0);
    ipv6Words(b, at + p.destination, r.addresses, 4);
  } else {
    ipv4Words(b, at + p.source, r.addresses, 0);
    ipv4Words(b, at + p.destination, r.addresses, 4);
  }
  r.sourcePort = u16(b, at + p.sourcePort);
  r.destinationPort = u16(b, at + p.destinationPort);
  r.protocol = protocol;
  if (p.tcpFlags >= 0) r.tcpFlags = b[at + p.tcpFlags]!;
  r.packets = p.packetsBytes === 4 ? u32(b, at + p.packets) : uint(b, at + p.packets, 8);
  r.bytes = p.octetsBytes === 4 ? u32(b, at + p.octets) : uint(b, at + p.octets, 8);
  r.firstAt = first;
  r.lastAt = Math.max(first, last);
  if (p.endReason >= 0) r.endReason = b[at + p.endReason]!;
  if (p.direction >= 0) r.direction = b[at + p.direction]!;
  return true;
}
