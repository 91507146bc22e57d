// From a link-layer header, or any header that may stand between link and IP, to the IP header: Ethernet II and 802.3 with
// LLC/SNAP (IEEE 802.3, RFC 1042), FDDI, 802.1Q, 802.1ad and 802.1ah tags, 802.1BR E-tags, VN-tags, PPPoE sessions (RFC 2516), PPP (RFC
// 1661, 1662), MPLS (RFC 3032, 4385), Linux cooked v1 and v2, BSD null and loop, raw IP. Left out: IEEE 802.11, multilink PPP.
import { LinkType } from '#events';

/** Tags and labels stacked deeper in one frame are an attack on the reader, not a network. */
export const TAGS_MAX = 8;

export const EtherType = {
  Ipv4: 0x0800,
  TransparentEthernet: 0x6558,
  Vlan: 0x8100,
  Ipv6: 0x86dd,
  Mpls: 0x8847,
  MplsUpstream: 0x8848,
  PppoeSession: 0x8864,
  ITag: 0x88e7,
  Ppp: 0x880b,
  Qinq: 0x88a8,
  VnTag: 0x8926,
  ETag: 0x893f,
  OldQinq: 0x9100,
} as const;

/** 802.3: a type field below this is a length, and LLC follows. */
const TYPE_MIN = 0x0600;
/** Stands for LLC where Linux cooked headers have an EtherType. */
const LLC = 4;

/** How far a frame has been opened. One object is reused for all frames. */
export class Walk {
  bytes: Uint8Array = new Uint8Array(0);
  /** First byte of the frame; faults are placed from here. */
  start = 0;
  /** The next header. */
  at = 0;
  /** End of the captured bytes. */
  end = 0;
  /** Where the bytes would end had all been captured, >= end. */
  wireEnd = 0;
  /** Id of the outermost VLAN tag; 0 where there is none. */
  vlan = 0;
  /** Tags and labels so far. */
  tags = 0;
  /** Why there is no IP header, '' where it is no fault (ARP, LLDP and the like). */
  fault = '';
}

/** IP version with `w.at` on the IP header, or 0 where there is none; then `w.fault` may say why. */
export type Opened = 0 | 4 | 6;

/** @param linkType of the capture; signalling links, which other decoders take, open to 0 without a fault */
export function openLink(w: Walk, linkType: number): Opened {
  switch (linkType) {
    case LinkType.Ethernet:
      return openEthernet(w);
    case LinkType.LinuxSll:
      if (w.at + 16 > w.end) return cut(w);
      w.at += 16;
      return openCooked(w, u16(w.bytes, w.at - 2));
    case LinkType.LinuxSll2:
      if (w.at + 20 > w.end) return cut(w);
      w.at += 20;
      return openCooked(w, u16(w.bytes, w.at - 20));
    case LinkType.Fddi:
      if (w.at + 13 > w.end) return cut(w);
      w.at += 13;
      return openEtherType(w, LLC);
    case LinkType.Raw:
    case LinkType.Ipv4:
    case LinkType.Ipv6:
      if (w.at >= w.end) return cut(w);
      return w.bytes[w.at]! >> 4 === 6 ? 6 : 4;
    case LinkType.Null:
    case LinkType.Loop:
      return openNull(w);
    case LinkType.Ppp:
    case LinkType.PppHdlc:
    case LinkType.CiscoHdlc:
      return openPpp(w);
    case LinkType.PppEther:
      return openPppoe(w);
    case LinkType.Sccp:
    case LinkType.Mtp2:
    case LinkType.Mtp3:
      return 0;
    default:
      w.fault = 'LINK_TYPE';
      return 0;
  }
}

export function openEthernet(w: Walk): Opened {
  const at = w.at + 14;
  if (at > w.end) return cut(w);
  w.at = at;
  const type = u16(w.bytes, at - 2);
  return type === EtherType.Ipv4 ? 4 : openEtherType(w, type);
}

/** @param type EtherType of what lies at `w.at` */
export function openEtherType(w: Walk, type: number): Opened {
  const b = w.bytes;
  for (;;) {
    switch (type) {
      case EtherType.Ipv4:
        return 4;
      case EtherType.Ipv6:
        return 6;
      case EtherType.Vlan:
      case EtherType.Qinq:
      case EtherType.OldQinq:
        if (!tag(w, 4)) return 0;
        if (w.vlan === 0) w.vlan = u16(b, w.at - 4) & 0x0fff;
        break;
      case EtherType.VnTag:
        if (!tag(w, 6)) return 0;
        break;
      case EtherType.ETag:
        if (!tag(w, 8)) return 0;
        break;
      case EtherType.ITag:
        // 802.1ah: a service id, then the customer's whole Ethernet header.
        if (!tag(w, 18)) return 0;
        break;
      case EtherType.Mpls:
      case EtherType.MplsUpstream:
        return openMpls(w);
      case EtherType.PppoeSession:
        return openPppoe(w);
      case EtherType.Ppp:
        return openPpp(w);
      case EtherType.TransparentEthernet:
        // Each Ethernet header inside another costs a tag, so that this can't go round for ever.
        if (!tag(w, 14)) return 0;
        break;
      default:
        if (type >= TYPE_MIN) return 0;
        // LLC with SNAP: aa aa 03, a zero organisation, an EtherType. Other LLC (spanning tree, IS-IS) holds no IP.
        if (w.at + 8 > w.end || u16(b, w.at) !== 0xaaaa || b[w.at + 2] !== 3) return 0;
        if (b[w.at + 3] !== 0 || b[w.at + 4] !== 0 || !tag(w, 8)) return 0;
        break;
    }
    type = u16(b, w.at - 2);
  }
}

function openCooked(w: Walk, type: number): Opened {
  return type < TYPE_MIN && type !== LLC ? 0 : openEtherType(w, type);
}

/** The address family in the byte order of whoever captured; IPv6 is 10, 24, 28 or 30 by system. */
function openNull(w: Walk): Opened {
  if (w.at + 5 > w.end) return cut(w);
  const b = w.bytes;
  const family = b[w.at]! | b[w.at + 1]! ? b[w.at]! | (b[w.at + 1]! << 8) : u16(b, w.at + 2);
  w.at += 4;
  if (family === 2) return 4;
  return family === 10 || family === 24 || family === 28 || family === 30 ? 6 : 0;
}

/** RFC 3032: labels to the bottom of the stack. What follows is not said, so it is guessed, as every router does. */
export function openMpls(w: Walk): Opened {
  const b = w.bytes;
  for (let bottom = false; !bottom; ) {
    if (!tag(w, 4)) return 0;
    bottom = (b[w.at - 2]! & 1) === 1;
  }
  if (w.at >= w.end) return cut(w);
  const nibble = b[w.at]! >> 4;
  // A pseudowire's Ethernet, whose addresses may begin with any nibble: with a control word (RFC 4385, nibble 0) or bare.
  if (nibble === 0 && holdsEthernet(w, w.at + 4)) {
    w.at += 4;
    return openEthernet(w);
  }
  if (nibble === 4 && (b[w.at]! & 15) >= 5) return 4;
  if (nibble === 6) return 6;
  return holdsEthernet(w, w.at) ? openEthernet(w) : 0;
}

function holdsEthernet(w: Walk, at: number): boolean {
  if (at + 14 > w.end) return false;
  const type = u16(w.bytes, at + 12);
  return type === EtherType.Ipv4 || type === EtherType.Ipv6 || type === EtherType.Vlan || type === EtherType.Qinq;
}

/** RFC 2516, section 4: version and type 1, code 0 in the session stage, session, length. */
function openPppoe(w: Walk): Opened {
  if (w.at + 6 > w.end) return cut(w);
  const b = w.bytes;
  if (b[w.at] !== 0x11 || b[w.at + 1] !== 0) return 0;
  const end = w.at + 6 + u16(b, w.at + 4);
  w.end = Math.min(w.end, end);
  w.wireEnd = Math.min(w.wireEnd, end);
  return tag(w, 6) ? openPpp(w) : 0;
}

/** With or without address and control (ff 03), with a protocol field of two octets or, compressed, of one. */
export function openPpp(w: Walk): Opened {
  const b = w.bytes;
  if (w.at + 2 <= w.end && u16(b, w.at) === 0xff03) w.at += 2;
  // Cisco's HDLC, which captures of serial lines carry under the same link type: an EtherType instead of a protocol.
  else if (w.at + 4 <= w.end && (b[w.at] === 0x0f || b[w.at] === 0x8f) && b[w.at + 1] === 0) {
    return tag(w, 4) ? openEtherType(w, u16(b, w.at - 2)) : 0;
  }
  if (w.at + 2 > w.end) return cut(w);
  let protocol = b[w.at]!;
  w.at += 1;
  if ((protocol & 1) === 0) {
    protocol = (protocol << 8) | b[w.at]!;
    w.at += 1;
  }
  if (protocol === 0x21) return 4;
  if (protocol === 0x57) return 6;
  return protocol === 0x281 || protocol === 0x283 ? openMpls(w) : 0;
}

/** Steps over a tag or label of `bytes`. */
function tag(w: Walk, bytes: number): boolean {
  if (w.tags >= TAGS_MAX) {
    w.fault = 'LINK_TAGS';
    return false;
  }
  if (w.at + bytes > w.end) {
    w.fault = 'LINK_TRUNCATED';
    return false;
  }
  w.tags += 1;
  w.at += bytes;
  return true;
}

function cut(w: Walk): 0 {
  w.fault = 'LINK_TRUNCATED';
  return 0;
}

export function u16(b: Uint8Array, at: number): number {
  return (b[at]! << 8) | b[at + 1]!;
}

/** As a signed number: for columns of 32 bits, which don't mind. */
export function u32(b: Uint8Array, at: number): number {
  return (b[at]! << 24) | (b[at + 1]! << 16) | (b[at + 2]! << 8) | b[at + 3]!;
}
