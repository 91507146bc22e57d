// From the payload of an IP packet to the IP header inside it, where the packet is a tunnel: IP in IP (RFC 2003, 4213), MPLS
// in IP (RFC 4023), GRE (RFC 2784, 2890; routing of RFC 1701; version 1 of RFC 2637) with Ethernet, PPP, MPLS and ERSPAN
// I to III (draft-foschiano-erspan), and over UDP VXLAN (RFC 7348) and its generic extension, Geneve (RFC 8926), Teredo (RFC 4380), GTP-U (3GPP TS
// 29.281), GRE (RFC 8086) and MPLS (RFC 7510). Left out: encrypted tunnels, L2TP, LISP, fragments of GRE-over-PPP multilink.
import { EtherType, type Opened, openEthernet, openEtherType, openMpls, openPpp, u16, type Walk } from './link.ts';
import { Protocol } from './transport.ts';

export const TunnelProtocol = { Ipip: 4, SixInFour: 41, Gre: 47, MplsInIp: 137 } as const;

const Port = {
  GtpUser: 2152,
  Teredo: 3544,
  GreInUdp: 4754,
  Vxlan: 4789,
  VxlanGeneric: 4790,
  Geneve: 6081,
  MplsInUdp: 6635,
  /** Linux's port for VXLAN before one was assigned. */
  OldVxlan: 8472,
} as const;

/** 1 for ports on which a tunnel may be: tested for each UDP packet. */
const tunnelPorts = new Uint8Array(65_536);
for (const port of Object.values(Port)) tunnelPorts[port] = 1;

/** Source routing entries and extension headers believed in one header. */
const ENTRIES_MAX = 16;

/** Whether a UDP packet may be a tunnel's. Only Teredo's servers also answer from the port. */
export function mayTunnel(sourcePort: number, destinationPort: number): boolean {
  return tunnelPorts[destinationPort] === 1 || sourcePort === Port.Teredo;
}

export function isTunnel(protocol: number): boolean {
  return (
    protocol === TunnelProtocol.Gre ||
    protocol === TunnelProtocol.SixInFour ||
    protocol === TunnelProtocol.Ipip ||
    protocol === TunnelProtocol.MplsInIp
  );
}

/** @param w stands on the payload of an IP packet, and ends where the packet does */
export function openProtocol(w: Walk, protocol: number): Opened {
  if (protocol === TunnelProtocol.Ipip) return w.at < w.end ? 4 : 0;
  if (protocol === TunnelProtocol.SixInFour) return w.at < w.end ? 6 : 0;
  return protocol === TunnelProtocol.Gre ? openGre(w) : openMpls(w);
}

/** @param w stands on the payload of a UDP packet, and ends where the packet does */
export function openPort(w: Walk, sourcePort: number, destinationPort: number): Opened {
  switch (destinationPort) {
    case Port.Vxlan:
    case Port.OldVxlan:
    case Port.VxlanGeneric:
      return openVxlan(w);
    case Port.Geneve:
      return openGeneve(w);
    case Port.GtpUser:
      return openGtp(w);
    case Port.GreInUdp:
      return openGre(w);
    case Port.MplsInUdp:
      return openMpls(w);
    default:
      return sourcePort === Port.Teredo || destinationPort === Port.Teredo ? openTeredo(w) : 0;
  }
}

/**
 * Whether two IP packets of one frame are the same tunnel: a routing loop sends one packet round through one tunnel, each
 * time with one header more (zeek/zeek#2500). What it holds was read from the frame of its first round.
 * @param payloadOffset of the inner one, from its IP header
 */
export function isSameTunnel(b: Uint8Array, outer: number, inner: number, payloadOffset: number): boolean {
  const six = b[inner]! >> 4 === 6;
  const protocol = inner + (six ? 6 : 9);
  if (b[outer]! >> 4 !== b[inner]! >> 4 || b[protocol - inner + outer] !== b[protocol]) return false;
  const from = six ? 8 : 12;
  const to = from + (six ? 32 : 8);
  for (let k = from; k < to; k++) if (b[outer + k] !== b[inner + k]) return false;
  // Over UDP two kinds of tunnel may have the same ends: the destination port tells them apart.
  const port = payloadOffset - 6;
  return b[protocol] !== Protocol.Udp || u16(b, outer + port) === u16(b, inner + port);
}

const Gre = { Checksum: 0x8000, Routing: 0x4000, Key: 0x2000, Sequence: 0x1000, Acknowledgement: 0x0080 } as const;
const GreType = { ErspanIandII: 0x88be, ErspanIII: 0x22eb } as const;

function openGre(w: Walk): Opened {
  const b = w.bytes;
  if (w.at + 4 > w.end) return cut(w);
  const flags = u16(b, w.at);
  const type = u16(b, w.at + 2);
  const version = flags & 7;
  if (version > 1) return 0;
  w.at += 4;
  if ((flags & (Gre.Checksum | Gre.Routing)) !== 0) w.at += 4;
  if ((flags & Gre.Key) !== 0) w.at += 4;
  if ((flags & Gre.Sequence) !== 0) w.at += 4;
  if (version === 1) {
    // RFC 2637, 4.1: a packet without a sequence number only acknowledges.
    if ((flags & Gre.Acknowledgement) !== 0) w.at += 4;
    return type === EtherType.Ppp && (flags & Gre.Sequence) !== 0 ? openPpp(w) : 0;
  }
  if ((flags & Gre.Routing) !== 0 && !skipRoutes(w)) return cut(w);
  if (w.at > w.end) return cut(w);
  if (type === GreType.ErspanIandII) {
    // Type II numbers its packets and has a header of its own; type I has neither.
    if ((flags & Gre.Sequence) !== 0) w.at += 8;
    return openEthernet(w);
  }
  return type === GreType.ErspanIII ? openErspan3(w) : openEtherType(w, type);
}

/** RFC 1701: address family, offset and length of each source route entry; family 0 of length 0 ends the list. */
function skipRoutes(w: Walk): boolean {
  const b = w.bytes;
  for (let n = 0; n < ENTRIES_MAX && w.at + 4 <= w.end; n++) {
    const last = u16(b, w.at) === 0 && b[w.at + 3] === 0;
    w.at += 4 + b[w.at + 3]!;
    if (last) return true;
  }
  return false;
}

/** Twelve octets, eight more where the O bit says so; the frame type tells Ethernet (0) from IP (2). */
function openErspan3(w: Walk): Opened {
  const b = w.bytes;
  if (w.at + 12 > w.end) return cut(w);
  const last = u16(b, w.at + 10);
  w.at += 12 + ((last & 1) === 1 ? 8 : 0);
  const frameType = (last >> 10) & 31;
  if (frameType === 0) return openEthernet(w);
  return frameType === 2 ? versionAt(w) : 0;
}

/** Flags I (there is a network id) and, of the generic extension (draft-ietf-nvo3-vxlan-gpe), P: the fourth octet names what follows. */
function openVxlan(w: Walk): Opened {
  const b = w.bytes;
  if (w.at + 8 > w.end || (b[w.at]! & 0x08) === 0) return 0;
  const next = (b[w.at]! & 0x04) === 0 ? 3 : b[w.at + 3]!;
  w.at += 8;
  if (next === 1 || next === 2) return versionAt(w);
  return next === 3 ? openEthernet(w) : 0;
}

function openGeneve(w: Walk): Opened {
  const b = w.bytes;
  if (w.at + 8 > w.end || b[w.at]! >> 6 !== 0) return 0;
  const type = u16(b, w.at + 2);
  w.at += 8 + 4 * (b[w.at]! & 63);
  return w.at > w.end ? 0 : openEtherType(w, type);
}

/** RFC 4380, 5.1.1: an authentication header (00 01), then an origin indication (00 00), both optional. */
function openTeredo(w: Walk): Opened {
  const b = w.bytes;
  if (w.at + 4 <= w.end && u16(b, w.at) === 1) w.at += 13 + b[w.at + 2]! + b[w.at + 3]!;
  if (w.at + 8 <= w.end && u16(b, w.at) === 0) w.at += 8;
  return versionAt(w) === 6 ? 6 : 0;
}

/** Version 1 (TS 29.281, 5.1), message 255: a user's packet. */
function openGtp(w: Walk): Opened {
  const b = w.bytes;
  if (w.at + 8 > w.end || b[w.at]! >> 4 !== 3 || b[w.at + 1] !== 255) return 0;
  const optional = (b[w.at]! & 7) !== 0;
  let next = 0;
  if (optional && w.at + 12 <= w.end && (b[w.at]! & 4) !== 0) next = b[w.at + 11]!;
  w.at += optional ? 12 : 8;
  // 5.2: extension headers say their length in units of four octets and end with the type of the next.
  for (let n = 0; next !== 0; n++) {
    if (n >= ENTRIES_MAX || w.at >= w.end || b[w.at] === 0) return 0;
    w.at += 4 * b[w.at]!;
    if (w.at > w.end) return 0;
    next = b[w.at - 1]!;
  }
  return versionAt(w);
}

function versionAt(w: Walk): Opened {
  if (w.at >= w.end) return 0;
  const version = w.bytes[w.at]! >> 4;
  return version === 4 || version === 6 ? version : 0;
}

function cut(w: Walk): 0 {
  w.fault = 'LINK_TRUNCATED';
  return 0;
}
