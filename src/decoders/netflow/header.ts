// The first octets of a sampled packet: Ethernet with VLAN tags and MPLS labels, IPv4, IPv6, ports. The innermost IP packet is
// the flow, as for flows from packets: IP in IP, segment routing over IPv6 (RFC 8986), GRE, MPLS in IP and VXLAN are opened, and
// where what they hold is no IP packet the one around it stands. Bounded, total: what is cut is told by `false`.
import { type FlowRecord, ipv4Words, ipv6Words, u16, u32 } from './record.ts';

/** Tags and labels in a row at the most, as in decoders/ip. */
const TAGS_MAX = 8;
/** IPv6 extension headers in a row at the most. */
const EXTENSIONS_MAX = 10;
/** IP headers in each other at the most, as in decoders/ip. */
const TUNNELS_MAX = 8;
const VXLAN_PORT = 4789;

const Protocol = {
  Icmp: 1,
  Ipip: 4,
  Tcp: 6,
  Udp: 17,
  Ipv6: 41,
  Gre: 47,
  Icmpv6: 58,
  Sctp: 132,
  Mpls: 137,
  Ethernet: 143,
} as const;

const EtherType = {
  Ipv4: 0x0800,
  Ipv6: 0x86dd,
  Vlan: 0x8100,
  Qinq: 0x88a8,
  OldQinq: 0x9100,
  Bridged: 0x6558,
  Mpls: 0x8847,
  MplsMulticast: 0x8848,
} as const;

export class PacketHeader {
  readonly addresses = new Uint32Array(8);
  protocol = 0;
  sourcePort = 0;
  destinationPort = 0;
  tcpFlags = 0;
  icmpType = -1;
  /** IP octets, header included, by the packet's own length field. */
  ipBytes = 0;
  /** Octets above the transport header; -1 where the sample ends before it tells. */
  payload = -1;
  /** Where what IP carries begins, -1 where that is a later fragment or cut off. */
  carriedAt = -1;

  into(r: FlowRecord): void {
    r.addresses.set(this.addresses);
    r.protocol = this.protocol;
    r.sourcePort = this.sourcePort;
    r.destinationPort = this.destinationPort;
    r.tcpFlags = this.tcpFlags;
    r.icmpType = this.icmpType;
    r.packets = 1;
    r.bytes = this.ipBytes;
    r.payload = this.payload;
  }
}

/** @returns false where it is no IP packet or is cut before its addresses */
export function readFrame(b: Uint8Array, start: number, end: number, h: PacketHeader, depth = 0): boolean {
  let at = start + 12;
  for (let tag = 0; tag < TAGS_MAX && at + 2 <= end; tag++) {
    const type = u16(b, at);
    at += 2;
    if (type === EtherType.Vlan || type === EtherType.Qinq || type === EtherType.OldQinq) at += 2;
    else return readTyped(b, at, end, type, h, depth);
  }
  return false;
}

function readTyped(b: Uint8Array, at: number, end: number, type: number, h: PacketHeader, depth: number): boolean {
  if (type === EtherType.Mpls || type === EtherType.MplsMulticast) return readMpls(b, at, end, h, depth);
  return (type === EtherType.Ipv4 || type === EtherType.Ipv6) && readIp(b, at, end, h, depth);
}

/** Labels to the bottom of the stack (RFC 3032); then IP, or Ethernet behind a control word of zero (RFC 4448) or none. */
export function readMpls(b: Uint8Array, start: number, end: number, h: PacketHeader, depth = 0): boolean {
  let at = start;
  for (let label = 0; label < TAGS_MAX && at + 4 <= end; label++) {
    at += 4;
    if ((b[at - 2]! & 1) === 0) continue;
    if (at >= end) return false;
    if (b[at]! >> 4 !== 0) return readIp(b, at, end, h, depth);
    return (
      (at + 4 <= end && u16(b, at) === 0 && readFrame(b, at + 4, end, h, depth)) || readFrame(b, at, end, h, depth)
    );
  }
  return false;
}

export function readIp(b: Uint8Array, at: number, end: number, h: PacketHeader, depth = 0): boolean {
  if (!readOuter(b, at, end, h)) return false;
  if (h.carriedAt < 0 || depth >= TUNNELS_MAX || !mayCarry(h)) return true;
  // What a failed look inside has left behind is read anew.
  return readInner(b, h.carriedAt, end, h, depth + 1) || readOuter(b, at, end, h);
}

function mayCarry(h: PacketHeader): boolean {
  const p = h.protocol;
  if (p === Protocol.Udp) return h.destinationPort === VXLAN_PORT;
  return (
    p === Protocol.Ipip || p === Protocol.Ipv6 || p === Protocol.Gre || p === Protocol.Mpls || p === Protocol.Ethernet
  );
}

function readInner(b: Uint8Array, at: number, end: number, h: PacketHeader, depth: number): boolean {
  switch (h.protocol) {
    case Protocol.Ipip:
    case Protocol.Ipv6:
      return readIp(b, at, end, h, depth);
    case Protocol.Mpls:
      return readMpls(b, at, end, h, depth);
    case Protocol.Ethernet:
      return readFrame(b, at, end, h, depth);
    case Protocol.Gre:
      return readGre(b, at, end, h, depth);
    default:
      // VXLAN (RFC 7348 5): the flag that says that there is a network identifier.
      return at + 16 <= end && b[at + 8] === 0x08 && readFrame(b, at + 16, end, h, depth);
  }
}

/** GRE version 0 (RFC 2784, 2890): checksum, key and sequence where their flags stand. */
function readGre(b: Uint8Array, at: number, end: number, h: PacketHeader, depth: number): boolean {
  if (at + 4 > end) return false;
  const flags = u16(b, at);
  const type = u16(b, at + 2);
  if ((flags & 0x4007) !== 0) return false;
  const from =
    at + 4 + ((flags & 0x8000) !== 0 ? 4 : 0) + ((flags & 0x2000) !== 0 ? 4 : 0) + ((flags & 0x1000) !== 0 ? 4 : 0);
  return type === EtherType.Bridged ? readFrame(b, from, end, h, depth) : readTyped(b, from, end, type, h, depth);
}

function readOuter(b: Uint8Array, at: number, end: number, h: PacketHeader): boolean {
  h.sourcePort = 0;
  h.destinationPort = 0;
  h.tcpFlags = 0;
  h.icmpType = -1;
  h.payload = -1;
  h.carriedAt = -1;
  if (at >= end) return false;
  const version = b[at]! >> 4;
  return version === 4 ? readIpv4(b, at, end, h) : version === 6 && readIpv6(b, at, end, h);
}

function readIpv4(b: Uint8Array, at: number, end: number, h: PacketHeader): boolean {
  const headerBytes = (b[at]! & 15) * 4;
  if (at + 20 > end || headerBytes < 20) return false;
  h.ipBytes = Math.max(u16(b, at + 2), headerBytes);
  h.protocol = b[at + 9]!;
  ipv4Words(b, at + 12, h.addresses, 0);
  ipv4Words(b, at + 16, h.addresses, 4);
  // Only the first fragment has ports.
  if ((u16(b, at + 6) & 0x1fff) === 0) transport(b, at + headerBytes, end, h.ipBytes - headerBytes, h);
  return true;
}

function readIpv6(b: Uint8Array, at: number, end: number, h: PacketHeader): boolean {
  if (at + 40 > end) return false;
  let left = u16(b, at + 4);
  h.ipBytes = 40 + left;
  let next = b[at + 6]!;
  ipv6Words(b, at + 8, h.addresses, 0);
  ipv6Words(b, at + 24, h.addresses, 4);
  let from = at + 40;
  h.protocol = next;
  for (let i = 0; i < EXTENSIONS_MAX; i++) {
    const isFragment = next === 44;
    if (!isFragment && next !== 0 && next !== 43 && next !== 60 && next !== 51) break;
    if (from + 8 > end) return true;
    const bytes = isFragment ? 8 : next === 51 ? (b[from + 1]! + 2) * 4 : (b[from + 1]! + 1) * 8;
    const isLater = isFragment && (u16(b, from + 2) & 0xfff8) !== 0;
    next = b[from]!;
    h.protocol = next;
    if (isLater) return true;
    from += bytes;
    left -= bytes;
  }
  transport(b, from, end, left, h);
  return true;
}

function transport(b: Uint8Array, at: number, end: number, left: number, h: PacketHeader): void {
  const protocol = h.protocol;
  h.carriedAt = at;
  if (protocol === Protocol.Icmp || protocol === Protocol.Icmpv6) {
    if (at < end) h.icmpType = b[at]!;
    h.payload = Math.max(left, 0);
    return;
  }
  if (protocol !== Protocol.Tcp && protocol !== Protocol.Udp && protocol !== Protocol.Sctp) {
    h.payload = Math.max(left, 0);
    return;
  }
  if (at + 4 > end) return;
  h.sourcePort = u16(b, at);
  h.destinationPort = u16(b, at + 2);
  if (protocol !== Protocol.Tcp) h.payload = Math.max(left - (protocol === Protocol.Udp ? 8 : 12), 0);
  else if (at + 14 <= end) {
    h.tcpFlags = b[at + 13]!;
    h.payload = Math.max(left - (b[at + 12]! >> 4) * 4, 0);
  }
}

/** sFlow's sampled_ipv4 (enterprise 0, format 3) and sampled_ipv6 (4): fields instead of octets of the packet. */
export function readSampledIp(b: Uint8Array, at: number, isIpv6: boolean, h: PacketHeader): void {
  h.ipBytes = u32(b, at);
  h.protocol = u32(b, at + 4) & 255;
  const bytes = isIpv6 ? 16 : 4;
  const words = isIpv6 ? ipv6Words : ipv4Words;
  words(b, at + 8, h.addresses, 0);
  words(b, at + 8 + bytes, h.addresses, 4);
  const from = at + 8 + 2 * bytes;
  h.sourcePort = u32(b, from) & 0xffff;
  h.destinationPort = u32(b, from + 4) & 0xffff;
  h.tcpFlags = u32(b, from + 8) & 255;
  const isIcmp = h.protocol === Protocol.Icmp || h.protocol === Protocol.Icmpv6;
  h.icmpType = isIcmp ? h.sourcePort & 255 : -1;
  h.payload = -1;
}
