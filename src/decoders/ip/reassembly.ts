// Fragments of IPv4 (RFC 791, 3.2; RFC 815) and IPv6 (RFC 8200, 4.5; RFC 5722) to whole datagrams. Where IPv4 fragments
// overlap, the bytes that came first win; an IPv6 datagram with an overlap is dropped with all that still comes of it, as
// hosts must do. Exact duplicates are dropped without a word. Bounded by datagrams, bytes and event time.
import type { Origin } from '#events';

/** Datagrams that wait at once. */
export const DATAGRAMS_MAX = 1024;
/** Octets held for all of them, with PIECE_OVERHEAD for each fragment. */
export const HELD_BYTES_MAX = 8 * 1024 * 1024;
/** RFC 791 wants 15 s at the least, RFC 8200 says 60 s, hosts wait 30 s. Microseconds. */
export const WAIT_MICROS_MAX = 30e6;
/** Fragments of a datagram: one of 65,535 octets in the 68 that every IPv4 link carries has 1,365, in the usual 1,500 it has 45. */
export const PIECES_MAX = 1024;
/** Longest IP datagram. */
export const DATAGRAM_BYTES_MAX = 65_535;
/** What the objects of one fragment cost about, so that a flood of tiny ones is bounded too. */
const PIECE_OVERHEAD = 128;

/** One fragment. Owned: the packet's bytes are a copy. */
export interface Piece {
  readonly version: 4 | 6;
  /** The IP packet as far as it was captured, header included. */
  readonly packet: Uint8Array;
  /** Where in `packet` the fragment's data begins. */
  readonly dataAt: number;
  /** Where in an IPv6 `packet` stands the next-header octet that names the fragment header; -1 for IPv4. */
  readonly nextAt: number;
  /** Octets of data by the length field, and where in the datagram they go. */
  readonly dataBytes: number;
  readonly offset: number;
  /** Whether more fragments follow it. */
  readonly more: boolean;
  /** Whole packet by its length field. */
  readonly ipBytes: number;
  readonly at: number;
  readonly place: number;
  readonly origin: Origin;
  readonly vlan: number;
  readonly tags: number;
  /** IP headers around it. */
  readonly depth: number;
  /** Whether only a port number says that there is a packet. */
  readonly guessed: boolean;
}

export interface Datagram {
  readonly key: string;
  readonly firstAt: number;
  /** In order of arrival. */
  readonly pieces: Piece[];
  /** Octets seen as disjoint [from, to) in rising order. */
  readonly spans: number[];
  /** Octets of data, known from the last fragment; -1 before it. */
  totalBytes: number;
  heldBytes: number;
  /** An IPv6 datagram that overlapped: nothing more of it is wanted. */
  dropped: boolean;
}

/** What became of a fragment: it waits, or was not needed; it can't be taken; or it completed its datagram. */
export type Taken = 'held' | 'refused' | Datagram;

export class Reassembly {
  /** Datagrams given up because of a bound other than time. */
  shed = 0;
  heldBytes = 0;
  /** Octets that the last fragment added had in common with earlier ones, an exact duplicate not counted. */
  overlapBytes = 0;
  /** In order of their first fragments. */
  readonly #waiting = new Map<string, Datagram>();

  get count(): number {
    return this.#waiting.size;
  }

  /** A datagram that must go before `piece` of `key` can be added, or undefined; call until there is none. */
  due(key: string, piece: Piece): Datagram | undefined {
    const own = this.#waiting.get(key);
    if (own !== undefined && piece.at - own.firstAt > WAIT_MICROS_MAX) return this.#remove(own);
    if (own !== undefined && own.pieces.length >= PIECES_MAX) return this.#shed(own);
    const full = this.heldBytes + cost(piece) > HELD_BYTES_MAX || (own === undefined && this.count >= DATAGRAMS_MAX);
    return full ? this.#shed(this.#oldest()) : undefined;
  }

  /** @param key what tells datagrams apart: addresses, identification, for IPv4 the protocol */
  add(key: string, piece: Piece): Taken {
    const to = piece.offset + piece.dataBytes;
    const d = this.#waiting.get(key) ?? this.#open(key, piece.at);
    this.overlapBytes = 0;
    if (d.dropped || isDuplicate(d, piece)) return 'held';
    const { spans } = d;
    const seenTo = spans.length === 0 ? 0 : spans[spans.length - 1]!;
    // A last fragment that ends before bytes already seen (teardrop), a second end, or bytes behind the end.
    if (
      piece.more ? d.totalBytes >= 0 && to > d.totalBytes : to < seenTo || (d.totalBytes >= 0 && to !== d.totalBytes)
    ) {
      if (d.pieces.length === 0) this.#remove(d);
      return 'refused';
    }
    this.overlapBytes = cover(spans, piece.offset, to);
    if (this.overlapBytes > 0 && piece.version === 6) {
      this.heldBytes -= d.heldBytes;
      d.heldBytes = 0;
      d.pieces.length = 0;
      d.dropped = true;
      return 'held';
    }
    if (!piece.more) d.totalBytes = to;
    d.pieces.push(piece);
    d.heldBytes += cost(piece);
    this.heldBytes += cost(piece);
    if (spans.length === 2 && spans[0] === 0 && spans[1] === d.totalBytes) return this.#remove(d);
    return 'held';
  }

  /** The oldest datagram if it has waited too long at `to`; Infinity takes them one by one to the last. */
  expire(to: number): Datagram | undefined {
    if (this.count === 0) return undefined;
    const oldest = this.#oldest();
    return to - oldest.firstAt > WAIT_MICROS_MAX ? this.#remove(oldest) : undefined;
  }

  #open(key: string, at: number): Datagram {
    const d: Datagram = {
      key,
      firstAt: at,
      pieces: [],
      spans: [],
      totalBytes: -1,
      heldBytes: 0,
      dropped: false,
    };
    this.#waiting.set(key, d);
    return d;
  }

  #oldest(): Datagram {
    return this.#waiting.values().next().value!;
  }

  #shed(d: Datagram): Datagram {
    this.shed += 1;
    return this.#remove(d);
  }

  #remove(d: Datagram): Datagram {
    this.#waiting.delete(d.key);
    this.heldBytes -= d.heldBytes;
    return d;
  }
}

function cost(piece: Piece): number {
  return piece.packet.length + PIECE_OVERHEAD;
}

function isDuplicate(d: Datagram, piece: Piece): boolean {
  return d.pieces.some(
    (p) =>
      p.offset === piece.offset &&
      p.dataBytes === piece.dataBytes &&
      p.more === piece.more &&
      Buffer.compare(p.packet.subarray(p.dataAt), piece.packet.subarray(piece.dataAt)) === 0,
  );
}

/** Joins [from, to) into the spans. @returns how many of its octets were there before */
function cover(spans: number[], from: number, to: number): number {
  let first = 0;
  while (first < spans.length && spans[first + 1]! < from) first += 2;
  let overlap = 0;
  let low = from;
  let high = to;
  let next = first;
  for (; next < spans.length && spans[next]! <= to; next += 2) {
    overlap += Math.max(0, Math.min(to, spans[next + 1]!) - Math.max(from, spans[next]!));
    low = Math.min(low, spans[next]!);
    high = Math.max(high, spans[next + 1]!);
  }
  spans.splice(first, next - first, low, high);
  return overlap;
}

/**
 * The datagram as if it had not been fragmented: the first fragment's header, its length and fragment fields set right.
 * @returns captured bytes only, which may end early (snap length); undefined where it would exceed DATAGRAM_BYTES_MAX
 */
export function assemble(d: Datagram): { bytes: Uint8Array; captured: number; first: Piece } | undefined {
  const first = d.pieces.find((p) => p.offset === 0)!;
  const headerBytes = first.version === 4 ? first.dataAt : first.dataAt - 8;
  const total = headerBytes + d.totalBytes;
  const bytes = new Uint8Array(total);
  bytes.set(first.packet.subarray(0, headerBytes));
  if (first.version === 4) {
    if (total > DATAGRAM_BYTES_MAX) return undefined;
    bytes[2] = total >> 8;
    bytes[3] = total & 255;
    bytes[6] = 0;
    bytes[7] = 0;
  } else {
    if (total - 40 > DATAGRAM_BYTES_MAX) return undefined;
    bytes[4] = (total - 40) >> 8;
    bytes[5] = (total - 40) & 255;
    bytes[first.nextAt] = first.packet[headerBytes]!;
  }
  // Backwards, so that what came first is written last and wins.
  const captured: number[] = [];
  for (let n = d.pieces.length - 1; n >= 0; n--) {
    const p = d.pieces[n]!;
    const data = p.packet.subarray(p.dataAt);
    bytes.set(data, headerBytes + p.offset);
    if (data.length > 0) cover(captured, p.offset, p.offset + data.length);
  }
  return { bytes, captured: headerBytes + (captured[0] === 0 ? captured[1]! : 0), first };
}
