// Frames to IP packets: IPv4 (RFC 791), IPv6 with extension headers (RFC 8200), TCP (RFC 9293), UDP (RFC 768), SCTP's common
// header (RFC 9260), ICMP. link.ts opens what lies below IP, tunnel.ts what IP carries of IP again, reassembly.ts joins
// fragments. A frame gives one row at the most: its innermost IP packet. A tunnel whose payload is not a sound IP packet is
// a row itself. Left out: checksums are not verified (offload makes them wrong in captures of honest hosts).
import { type Decoder, type EventBatch, FrameBatch, LinkType, type Origin, PacketBatch, type Sink } from '#events';
import type { DecoderKind } from '../contract.ts';
import { faults } from './faults.ts';
import { type Opened, openEthernet, openLink, TAGS_MAX, u16, u32, Walk } from './link.ts';
import {
  assemble,
  DATAGRAM_BYTES_MAX,
  DATAGRAMS_MAX,
  type Datagram,
  HELD_BYTES_MAX,
  PIECES_MAX,
  type Piece,
  Reassembly,
  WAIT_MICROS_MAX,
} from './reassembly.ts';
import { fillTransport, Protocol } from './transport.ts';
import { isSameTunnel, isTunnel, mayTunnel, openPort, openProtocol } from './tunnel.ts';

const EXTENSIONS_MAX = 10;
/** IP headers inside each other in one frame; real networks nest three or four. */
const NESTING_MAX = 8;

/** What became of an IP packet: it is not sound; it is in the row in hand; it went elsewhere, and there is no row to add. */
type Got = 'none' | 'row' | 'held';

export const ip: DecoderKind = {
  card: {
    name: 'ip',
    takes: ['frame'],
    gives: ['packet'],
    recognisedBy:
      'link type of the capture and EtherType of the frame; tunnels by IP protocol or UDP port and by content',
    limits: `${TAGS_MAX} tags and labels and ${NESTING_MAX} IP headers in a frame, ${EXTENSIONS_MAX} IPv6 extension headers; ${DATAGRAMS_MAX} datagrams of ${PIECES_MAX} fragments and ${HELD_BYTES_MAX >> 20} MiB in all wait ${WAIT_MICROS_MAX / 1e6} s for their fragments, the oldest goes first`,
    faults,
  },
  create: () => new IpDecoder(),
};

class IpDecoder implements Decoder {
  readonly card = ip.card;
  readonly #out = new PacketBatch();
  readonly #walk = new Walk();
  readonly #reassembly = new Reassembly();
  readonly #keyWords = new Uint32Array(10);
  readonly #keyBytes = Buffer.from(this.#keyWords.buffer);
  /** Rows filled; row `#rows` is in hand. */
  #rows = 0;
  #at = 0;
  #place = 0;
  #origin: Origin = this.#out.origin;
  /** Where the IP headers around the one in hand begin, by depth; those of #base and deeper lie in the walk's bytes. */
  readonly #heads = new Int32Array(NESTING_MAX);
  #base = 0;
  /** How deep lies the packet of the row in hand. */
  #rowDepth = 0;
  /** Whether only a port number says that there is a packet: then it must be sound in all, and isn't a fault if not. */
  #guessed = false;
  /** Whether fragments are to be joined; not while those that never completed are given out. */
  #joining = true;

  get shed(): number {
    return this.#reassembly.shed;
  }

  decode(frames: EventBatch, sink: Sink): void {
    if (!(frames instanceof FrameBatch)) return;
    const out = this.#out;
    const w = this.#walk;
    this.#origin = frames.origin;
    out.bytes = frames.bytes;
    w.bytes = frames.bytes;
    for (let i = 0; i < frames.count; i++) {
      const start = frames.offset[i]!;
      w.start = start;
      w.at = start;
      w.end = start + frames.length[i]!;
      w.wireEnd = start + frames.wireLength[i]!;
      w.vlan = 0;
      w.tags = 0;
      this.#guessed = false;
      this.#at = frames.at[i]!;
      this.#place = frames.place[i]!;
      const link = frames.linkType[i]!;
      const version = link === LinkType.Ethernet ? openEthernet(w) : openLink(w, link);
      if (version === 0) this.#linkFault(sink);
      else if (this.#packet(version, 0, true, sink) === 'row') this.#rows += 1;
    }
    this.#flush(sink);
  }

  #flush(sink: Sink): void {
    const out = this.#out;
    out.count = this.#rows;
    out.origin = this.#origin;
    this.#rows = 0;
    if (out.count > 0) sink.emit(out);
  }

  #fault(sink: Sink, code: string, at: number): 'none' {
    if (!this.#guessed || code === 'LINK_NESTING') sink.fault(code, this.#origin, this.#place, this.#offset(at));
    return 'none';
  }

  /** From the start of the frame; what is given out of the reassembly lies in no frame. */
  #offset(at: number): number {
    return this.#walk.start < 0 ? -1 : at - this.#walk.start;
  }

  #linkFault(sink: Sink): void {
    const w = this.#walk;
    if (w.fault === '') return;
    this.#fault(sink, w.fault, w.at);
    w.fault = '';
  }

  /** @param open whether a tunnel is to be opened */
  #packet(version: Opened, depth: number, open: boolean, sink: Sink): Got {
    return version === 4 ? this.#ipv4(depth, open, sink) : this.#ipv6(depth, open, sink);
  }

  #ipv4(depth: number, open: boolean, sink: Sink): Got {
    const w = this.#walk;
    const b = w.bytes;
    const at = w.at;
    if (at + 20 > w.end) return this.#fault(sink, 'IP_TRUNCATED', at);
    if (b[at]! >> 4 !== 4) return this.#fault(sink, 'IP_VERSION', at);
    const headerBytes = (b[at]! & 15) * 4;
    let total = u16(b, at + 2);
    // Segmentation offload leaves 0 in captures on the sending host: the frame's length then tells.
    if (total === 0) total = w.wireEnd - at;
    if (headerBytes < 20 || total < headerBytes) return this.#fault(sink, 'IP_LENGTH', at);
    if (at + headerBytes > w.end) return this.#fault(sink, 'IP_TRUNCATED', at);
    if (this.#guessed && at + total > w.wireEnd) return 'none';
    const { addresses } = this.#out;
    const word = 8 * this.#rows;
    addresses[word] = 0;
    addresses[word + 1] = 0;
    addresses[word + 2] = 0xffff;
    addresses[word + 3] = u32(b, at + 12);
    addresses[word + 4] = 0;
    addresses[word + 5] = 0;
    addresses[word + 6] = 0xffff;
    addresses[word + 7] = u32(b, at + 16);
    this.#out.ipBytes[this.#rows] = total;
    // RFC 791, 3.1: offset in units of eight octets below the flag for more fragments.
    const field = u16(b, at + 6) & 0x3fff;
    if (field !== 0 && this.#joining) {
      const key = this.#key(u16(b, at + 4), (4 << 8) | b[at + 9]!);
      const data = at + headerBytes;
      const got = this.#fragment(4, key, data, at + total, field << 3, field >= 0x2000, -1, depth, sink);
      return got === 'none' ? this.#alone(4, depth, open, sink) : got;
    }
    const dataEnd = at + total;
    return this.#transport(
      b[at + 9]!,
      at,
      at + headerBytes,
      dataEnd,
      (field & 0x1fff) === 0 ? 0 : 1,
      depth,
      open,
      sink,
    );
  }

  #ipv6(depth: number, open: boolean, sink: Sink): Got {
    const w = this.#walk;
    const b = w.bytes;
    const head = w.at;
    if (head + 40 > w.end) return this.#fault(sink, 'IP_TRUNCATED', head);
    if (b[head]! >> 4 !== 6) return this.#fault(sink, 'IP_VERSION', head);
    const { addresses } = this.#out;
    const word = 8 * this.#rows;
    for (let k = 0; k < 8; k++) addresses[word + k] = u32(b, head + 8 + 4 * k);
    let payload = u16(b, head + 4);
    if (payload === 0) payload = Math.max(0, w.wireEnd - head - 40);
    this.#out.ipBytes[this.#rows] = 40 + payload;
    const dataEnd = head + 40 + payload;
    if (this.#guessed && dataEnd > w.wireEnd) return 'none';
    let nextAt = head + 6;
    let at = head + 40;
    let later = 0;
    for (let n = 0; later === 0; n++) {
      const next = b[nextAt]!;
      if (!isExtension(next)) break;
      if (n >= EXTENSIONS_MAX) return this.#fault(sink, 'IP_EXTENSIONS', at);
      if (at + 8 > w.end) return this.#fault(sink, 'IP_TRUNCATED', at);
      let bytes = 8;
      if (next === Protocol.Fragment) {
        // RFC 8200, 4.5: offset, two reserved bits, more. RFC 6946: neither offset nor more is a whole datagram.
        const field = u16(b, at + 2);
        if ((field & 0xfff9) !== 0 && at + 8 <= dataEnd && this.#joining) {
          const key = this.#key(u32(b, at + 4), 6 << 8);
          const more = (field & 1) === 1;
          const got = this.#fragment(6, key, at + 8, dataEnd, field & 0xfff8, more, nextAt - head, depth, sink);
          return got === 'none' ? this.#alone(6, depth, open, sink) : got;
        }
        later = field >= 8 ? 1 : 0;
      } else bytes = next === Protocol.Authentication ? (b[at + 1]! + 2) * 4 : (b[at + 1]! + 1) * 8;
      nextAt = at;
      at += bytes;
      if (at > dataEnd) return this.#fault(sink, 'IP_LENGTH', nextAt);
    }
    return this.#transport(b[nextAt]!, head, at, dataEnd, later, depth, open, sink);
  }

  /**
   * Writes what is left of the row in hand, then looks into tunnels.
   * @param head where the IP header begins; `at` where its payload does
   * @param dataEnd where the IP packet ends by its own length
   * @param later 1 for a fragment other than the first
   */
  #transport(
    protocol: number,
    head: number,
    at: number,
    dataEnd: number,
    later: number,
    depth: number,
    open: boolean,
    sink: Sink,
  ): Got {
    const w = this.#walk;
    const out = this.#out;
    const row = this.#rows;
    const fault = fillTransport(out, row, w.bytes, protocol, at, dataEnd, w.end, later);
    if (fault !== '') return this.#fault(sink, fault, at);
    out.at[row] = this.#at;
    out.place[row] = this.#place;
    out.vlan[row] = w.vlan;
    out.parts[row] = 1;
    this.#rowDepth = depth;
    if (!open || protocol === Protocol.Tcp || later !== 0) return 'row';
    const tunnel =
      protocol === Protocol.Udp ? mayTunnel(out.sourcePort[row]!, out.destinationPort[row]!) : isTunnel(protocol);
    return tunnel ? this.#inside(protocol, head, depth, sink) : 'row';
  }

  /** The packet inside the one in hand, or else the one in hand again. */
  #inside(protocol: number, head: number, depth: number, sink: Sink): Got {
    const w = this.#walk;
    const out = this.#out;
    const row = this.#rows;
    const { end, wireEnd, vlan, tags } = w;
    const guessed = this.#guessed;
    const payload = out.payloadOffset[row]!;
    this.#heads[depth] = head;
    for (let d = this.#base; d < depth; d++) {
      if (!isSameTunnel(w.bytes, this.#heads[d]!, head, payload - head)) continue;
      this.#fault(sink, 'LINK_NESTING', head);
      return 'row';
    }
    w.at = payload;
    w.wireEnd = payload + out.payloadBytes[row]!;
    w.end = Math.min(end, w.wireEnd);
    const byPort = protocol === Protocol.Udp;
    if (byPort) this.#guessed = true;
    const version = byPort ? openPort(w, out.sourcePort[row]!, out.destinationPort[row]!) : openProtocol(w, protocol);
    let got: Got = 'none';
    if (version === 0) this.#linkFault(sink);
    else if (depth + 1 >= NESTING_MAX) this.#fault(sink, 'LINK_NESTING', w.at);
    else got = this.#packet(version, depth + 1, true, sink);
    w.end = end;
    w.wireEnd = wireEnd;
    if (got !== 'none') return got;
    w.at = head;
    w.vlan = vlan;
    w.tags = tags;
    this.#guessed = guessed;
    return this.#packet(w.bytes[head]! >> 4 === 6 ? 6 : 4, depth, false, sink);
  }

  /** The fragment in hand as a row of its own; read again, since making room for it may have emitted the rows before it. */
  #alone(version: Opened, depth: number, open: boolean, sink: Sink): Got {
    this.#joining = false;
    const got = this.#packet(version, depth, open, sink);
    this.#joining = true;
    return got;
  }

  /** Key of the datagram of which the row in hand is a fragment. Networks told apart by VLAN may use the same addresses. */
  #key(identification: number, family: number): string {
    const words = this.#keyWords;
    const word = 8 * this.#rows;
    for (let k = 0; k < 8; k++) words[k] = this.#out.addresses[word + k]!;
    words[8] = identification;
    words[9] = (this.#walk.vlan << 16) | family;
    return this.#keyBytes.toString('latin1');
  }

  /**
   * Takes a fragment for joining.
   * @param from where its data begins; @param to where it ends by the length field
   * @returns 'none' where it can't be joined and is to be a row by itself
   */
  #fragment(
    version: 4 | 6,
    key: string,
    from: number,
    to: number,
    field: number,
    more: boolean,
    nextAt: number,
    depth: number,
    sink: Sink,
  ): Got {
    const w = this.#walk;
    const head = w.at;
    const offset = field & 0xfff8;
    const dataBytes = to - from;
    // Data of nothing, a middle that is no multiple of eight octets, or an end behind the longest datagram (ping of death).
    if (dataBytes <= 0 || (more && dataBytes % 8 !== 0) || offset + dataBytes > DATAGRAM_BYTES_MAX)
      return this.#fault(sink, 'IP_FRAGMENT_LENGTH', head);
    // Cut inside the headers that the whole would need.
    if (from > w.end) return 'none';
    const piece: Piece = {
      version,
      // A copy in any case: slice() of a Buffer would share its bytes.
      packet: new Uint8Array(w.bytes.subarray(head, Math.min(to, w.end))),
      dataAt: from - head,
      nextAt,
      dataBytes,
      offset,
      more,
      ipBytes: to - head,
      at: this.#at,
      place: this.#place,
      origin: this.#origin,
      vlan: w.vlan,
      tags: w.tags,
      depth,
      guessed: this.#guessed,
    };
    for (let d = this.#reassembly.due(key, piece); d !== undefined; d = this.#reassembly.due(key, piece))
      this.#giveUp(d, sink);
    const taken = this.#reassembly.add(key, piece);
    if (taken === 'refused') return this.#fault(sink, 'IP_FRAGMENT_LENGTH', head);
    if (this.#reassembly.overlapBytes > 0) this.#fault(sink, 'IP_FRAGMENT_OVERLAP', head);
    if (taken === 'held') return 'held';
    const whole = assemble(taken);
    if (whole === undefined) {
      this.#fault(sink, 'IP_FRAGMENT_LENGTH', head);
      this.#giveUp(taken, sink);
    } else this.#give(whole.bytes, whole.captured, piece, taken.pieces, sink);
    return 'held';
  }

  /** A datagram that never became whole: its fragments as they came, the first with its ports and what it holds. */
  #giveUp(d: Datagram, sink: Sink): void {
    this.#joining = false;
    for (const p of d.pieces) this.#give(p.packet, p.packet.length, p, [p], sink);
    this.#joining = true;
  }

  /**
   * Emits one packet as a batch over bytes of its own, after the rows before it. What the decoder has in hand stays there,
   * but for the columns of the row.
   * @param piece gives time, place and surroundings; @param pieces what it came in
   */
  #give(bytes: Uint8Array, captured: number, piece: Piece, pieces: readonly Piece[], sink: Sink): void {
    this.#flush(sink);
    const out = this.#out;
    const w = this.#walk;
    const kept = { ...w };
    const [at, place, origin, base, guessed] = [this.#at, this.#place, this.#origin, this.#base, this.#guessed];
    out.bytes = bytes;
    Object.assign(w, { bytes, start: -1, at: 0, end: captured, vlan: piece.vlan, tags: piece.tags, fault: '' });
    w.wireEnd = pieces.length > 1 ? bytes.length : piece.ipBytes;
    this.#at = piece.at;
    this.#place = piece.place;
    this.#origin = piece.origin;
    this.#base = piece.depth;
    this.#guessed = piece.guessed;
    if (this.#packet(piece.version, piece.depth, true, sink) === 'row') {
      out.parts[0] = Math.min(255, pieces.length);
      if (this.#rowDepth === piece.depth) out.ipBytes[0] = pieces.reduce((sum, p) => sum + p.ipBytes, 0);
      this.#rows = 1;
      this.#flush(sink);
    }
    Object.assign(w, kept);
    [this.#at, this.#place, this.#origin, this.#base, this.#guessed] = [at, place, origin, base, guessed];
    out.bytes = w.bytes;
  }

  advance(to: number, sink: Sink): void {
    for (let d = this.#reassembly.expire(to); d !== undefined; d = this.#reassembly.expire(to)) this.#giveUp(d, sink);
  }

  end(sink: Sink): void {
    this.advance(Number.POSITIVE_INFINITY, sink);
  }
}

function isExtension(next: number): boolean {
  return (
    next === Protocol.HopByHop ||
    next === Protocol.Routing ||
    next === Protocol.DestinationOptions ||
    next === Protocol.Fragment ||
    next === Protocol.Authentication
  );
}
