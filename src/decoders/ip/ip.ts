// Link-layer frames to IP packets: Ethernet II (IEEE 802.3), 802.1Q and 802.1ad tags, Linux cooked v1 and v2, BSD null and
// loop, raw IP; IPv4 (RFC 791), IPv6 with extension headers (RFC 8200), TCP (RFC 9293), UDP (RFC 768), SCTP's common
// header (RFC 9260), ICMP. Left out: fragments are not put together (the first carries the ports, the rest are marked),
// checksums are not verified (offload makes them wrong in captures of honest hosts), tunnels are not opened.
import { type Decoder, type EventBatch, FrameBatch, LinkType, PacketBatch, type Sink } from '#events';
import type { DecoderKind } from '../contract.ts';
import { faults } from './faults.ts';

const EtherType = { Ipv4: 0x0800, Ipv6: 0x86dd, Vlan: 0x8100, Qinq: 0x88a8, OldQinq: 0x9100 } as const;
const Protocol = {
  HopByHop: 0,
  Icmp: 1,
  Tcp: 6,
  Udp: 17,
  Routing: 43,
  Fragment: 44,
  Authentication: 51,
  Icmp6: 58,
  DestinationOptions: 60,
  Sctp: 132,
} as const;
/** Tags stacked deeper are an attack on the reader, not a network. */
const TAGS_MAX = 8;
const EXTENSIONS_MAX = 10;

export const ip: DecoderKind = {
  card: {
    name: 'ip',
    takes: ['frame'],
    gives: ['packet'],
    recognisedBy: 'link type of the capture and EtherType of the frame',
    limits: `${TAGS_MAX} VLAN tags, ${EXTENSIONS_MAX} IPv6 extension headers; no state`,
    faults,
  },
  create: () => new IpDecoder(),
};

class IpDecoder implements Decoder {
  readonly card = ip.card;
  readonly shed = 0;
  readonly #out = new PacketBatch();

  decode(frames: EventBatch, sink: Sink): void {
    if (!(frames instanceof FrameBatch)) return;
    const out = this.#out;
    out.origin = frames.origin;
    out.bytes = frames.bytes;
    let rows = 0;
    for (let i = 0; i < frames.count; i++) {
      if (this.#frame(frames, i, rows, sink)) rows += 1;
    }
    out.count = rows;
    if (rows > 0) sink.emit(out);
  }

  /** Fills row `row` of the batch from frame `i`; false where there is no IP packet. */
  #frame(frames: FrameBatch, i: number, row: number, sink: Sink): boolean {
    const b = frames.bytes;
    const start = frames.offset[i]!;
    const end = start + frames.length[i]!;
    let at = start;
    let type: number;
    let vlan = 0;
    switch (frames.linkType[i]) {
      case LinkType.Ethernet:
        at += 14;
        if (at > end) return this.#fault(sink, 'LINK_TRUNCATED', frames, i, 0);
        type = (b[at - 2]! << 8) | b[at - 1]!;
        break;
      case LinkType.LinuxSll:
        at += 16;
        if (at > end) return this.#fault(sink, 'LINK_TRUNCATED', frames, i, 0);
        type = (b[at - 2]! << 8) | b[at - 1]!;
        break;
      case LinkType.LinuxSll2:
        if (at + 20 > end) return this.#fault(sink, 'LINK_TRUNCATED', frames, i, 0);
        type = (b[at]! << 8) | b[at + 1]!;
        at += 20;
        break;
      case LinkType.Raw:
      case LinkType.Ipv4:
      case LinkType.Ipv6:
        if (at >= end) return this.#fault(sink, 'LINK_TRUNCATED', frames, i, 0);
        type = b[at]! >> 4 === 6 ? EtherType.Ipv6 : EtherType.Ipv4;
        break;
      case LinkType.Null:
      case LinkType.Loop: {
        // The address family in the byte order of whoever captured; IPv6 is 10, 24, 28 or 30 by system.
        if (at + 4 >= end) return this.#fault(sink, 'LINK_TRUNCATED', frames, i, 0);
        at += 4;
        type = b[at]! >> 4 === 6 ? EtherType.Ipv6 : EtherType.Ipv4;
        break;
      }
      default:
        // Signalling links (SCCP, MTP) are taken by their own decoders from the same frames.
        if (
          frames.linkType[i] !== LinkType.Sccp &&
          frames.linkType[i] !== LinkType.Mtp2 &&
          frames.linkType[i] !== LinkType.Mtp3
        )
          sink.fault('LINK_TYPE', frames.origin, frames.place[i]!, 0);
        return false;
    }
    for (let tags = 0; type === EtherType.Vlan || type === EtherType.Qinq || type === EtherType.OldQinq; tags++) {
      if (tags >= TAGS_MAX) return this.#fault(sink, 'LINK_TAGS', frames, i, at - start);
      if (at + 4 > end) return this.#fault(sink, 'LINK_TRUNCATED', frames, i, at - start);
      if (tags === 0) vlan = ((b[at]! << 8) | b[at + 1]!) & 0x0fff;
      type = (b[at + 2]! << 8) | b[at + 3]!;
      at += 4;
    }
    this.#out.vlan[row] = vlan;
    if (type === EtherType.Ipv4) return this.#ipv4(frames, i, row, at, end, sink);
    if (type === EtherType.Ipv6) return this.#ipv6(frames, i, row, at, end, sink);
    return false;
  }

  #fault(sink: Sink, code: string, frames: FrameBatch, i: number, offset: number): false {
    sink.fault(code, frames.origin, frames.place[i]!, offset);
    return false;
  }

  #ipv4(frames: FrameBatch, i: number, row: number, at: number, end: number, sink: Sink): boolean {
    const b = frames.bytes;
    const start = frames.offset[i]!;
    if (at + 20 > end) return this.#fault(sink, 'IP_TRUNCATED', frames, i, at - start);
    if (b[at]! >> 4 !== 4) return this.#fault(sink, 'IP_VERSION', frames, i, at - start);
    const headerBytes = (b[at]! & 15) * 4;
    let total = (b[at + 2]! << 8) | b[at + 3]!;
    // Segmentation offload leaves 0 in captures on the sending host: the frame's length then tells.
    if (total === 0) total = start + frames.wireLength[i]! - at;
    if (headerBytes < 20 || total < headerBytes) return this.#fault(sink, 'IP_LENGTH', frames, i, at - start);
    if (at + headerBytes > end) return this.#fault(sink, 'IP_TRUNCATED', frames, i, at - start);
    const out = this.#out;
    const w = 8 * row;
    out.addresses[w] = 0;
    out.addresses[w + 1] = 0;
    out.addresses[w + 2] = 0xffff;
    out.addresses[w + 3] = (b[at + 12]! << 24) | (b[at + 13]! << 16) | (b[at + 14]! << 8) | b[at + 15]!;
    out.addresses[w + 4] = 0;
    out.addresses[w + 5] = 0;
    out.addresses[w + 6] = 0xffff;
    out.addresses[w + 7] = (b[at + 16]! << 24) | (b[at + 17]! << 16) | (b[at + 18]! << 8) | b[at + 19]!;
    const fragment = ((b[at + 6]! << 8) | b[at + 7]!) & 0x1fff;
    out.ipBytes[row] = total;
    return this.#transport(frames, i, row, b[at + 9]!, at + headerBytes, at + total, end, fragment, sink);
  }

  #ipv6(frames: FrameBatch, i: number, row: number, at: number, end: number, sink: Sink): boolean {
    const b = frames.bytes;
    const start = frames.offset[i]!;
    if (at + 40 > end) return this.#fault(sink, 'IP_TRUNCATED', frames, i, at - start);
    if (b[at]! >> 4 !== 6) return this.#fault(sink, 'IP_VERSION', frames, i, at - start);
    const out = this.#out;
    for (let k = 0; k < 8; k++) {
      const o = at + 8 + 4 * k;
      out.addresses[8 * row + k] = (b[o]! << 24) | (b[o + 1]! << 16) | (b[o + 2]! << 8) | b[o + 3]!;
    }
    let payload = (b[at + 4]! << 8) | b[at + 5]!;
    if (payload === 0) payload = Math.max(0, start + frames.wireLength[i]! - at - 40);
    out.ipBytes[row] = 40 + payload;
    const dataEnd = at + 40 + payload;
    let next = b[at + 6]!;
    let fragment = 0;
    at += 40;
    for (let n = 0; ; n++) {
      if (
        next !== Protocol.HopByHop &&
        next !== Protocol.Routing &&
        next !== Protocol.DestinationOptions &&
        next !== Protocol.Fragment &&
        next !== Protocol.Authentication
      )
        break;
      if (n >= EXTENSIONS_MAX) return this.#fault(sink, 'IP_EXTENSIONS', frames, i, at - start);
      if (at + 8 > end) return this.#fault(sink, 'IP_TRUNCATED', frames, i, at - start);
      if (next === Protocol.Fragment) fragment = ((b[at + 2]! << 8) | b[at + 3]!) >> 3;
      const bytes =
        next === Protocol.Fragment ? 8 : next === Protocol.Authentication ? (b[at + 1]! + 2) * 4 : (b[at + 1]! + 1) * 8;
      next = b[at]!;
      at += bytes;
      if (at > dataEnd) return this.#fault(sink, 'IP_LENGTH', frames, i, at - start);
      if (fragment !== 0) break;
    }
    return this.#transport(frames, i, row, next, at, dataEnd, end, fragment, sink);
  }

  /** @param dataEnd where the IP datagram ends by its own length; @param end where the captured bytes end */
  #transport(
    frames: FrameBatch,
    i: number,
    row: number,
    protocol: number,
    at: number,
    dataEnd: number,
    end: number,
    fragment: number,
    sink: Sink,
  ): boolean {
    const b = frames.bytes;
    const out = this.#out;
    const start = frames.offset[i]!;
    out.at[row] = frames.at[i]!;
    out.place[row] = frames.place[i]!;
    out.protocol[row] = protocol;
    out.sourcePort[row] = 0;
    out.destinationPort[row] = 0;
    out.tcpFlags[row] = 0;
    out.icmp[row] = 0;
    out.fragment[row] = fragment === 0 ? 0 : 1;
    let head = 0;
    if (fragment === 0) {
      if (protocol === Protocol.Tcp) {
        if (at + 20 > end || at + 20 > dataEnd) return this.#fault(sink, 'IP_TRUNCATED', frames, i, at - start);
        head = (b[at + 12]! >> 4) * 4;
        if (head < 20 || at + head > dataEnd) return this.#fault(sink, 'IP_LENGTH', frames, i, at + 12 - start);
        out.sourcePort[row] = (b[at]! << 8) | b[at + 1]!;
        out.destinationPort[row] = (b[at + 2]! << 8) | b[at + 3]!;
        out.tcpSequence[row] = (b[at + 4]! << 24) | (b[at + 5]! << 16) | (b[at + 6]! << 8) | b[at + 7]!;
        out.tcpAcknowledgement[row] = (b[at + 8]! << 24) | (b[at + 9]! << 16) | (b[at + 10]! << 8) | b[at + 11]!;
        out.tcpFlags[row] = b[at + 13]!;
        out.tcpWindow[row] = (b[at + 14]! << 8) | b[at + 15]!;
      } else if (protocol === Protocol.Udp) {
        if (at + 8 > end || at + 8 > dataEnd) return this.#fault(sink, 'IP_TRUNCATED', frames, i, at - start);
        head = 8;
        out.sourcePort[row] = (b[at]! << 8) | b[at + 1]!;
        out.destinationPort[row] = (b[at + 2]! << 8) | b[at + 3]!;
        const udpBytes = (b[at + 4]! << 8) | b[at + 5]!;
        // 0 is a jumbogram or offload; shorter than the datagram is padding; longer is a fragment or a lie.
        if (udpBytes >= 8 && at + udpBytes < dataEnd) dataEnd = at + udpBytes;
      } else if (protocol === Protocol.Sctp) {
        if (at + 12 > end || at + 12 > dataEnd) return this.#fault(sink, 'IP_TRUNCATED', frames, i, at - start);
        head = 12;
        out.sourcePort[row] = (b[at]! << 8) | b[at + 1]!;
        out.destinationPort[row] = (b[at + 2]! << 8) | b[at + 3]!;
      } else if ((protocol === Protocol.Icmp || protocol === Protocol.Icmp6) && at + 2 <= end) {
        out.icmp[row] = (b[at]! << 8) | b[at + 1]!;
      }
    }
    const payload = Math.min(at + head, end);
    out.payloadOffset[row] = payload;
    out.payloadBytes[row] = Math.max(0, dataEnd - at - head);
    out.payloadCaptured[row] = Math.max(0, Math.min(dataEnd, end) - payload);
    return true;
  }

  advance(): void {}

  end(): void {}
}
