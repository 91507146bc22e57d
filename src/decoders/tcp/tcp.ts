// In-order bytes of TCP connections (RFC 9293) for the protocols whose messages span segments. Only connections on the
// ports given are followed, since only they have a reader. Starts in mid-stream where no SYN was seen, orders segments,
// drops what was sent twice, and says what is missing instead of waiting for it. The first copy of overlapping bytes wins.
import { type Decoder, type EventBatch, PacketBatch, type Sink, StreamBatch } from '#events';
import { addressHash } from '#lib/address';
import type { DecoderKind } from '../contract.ts';

/** Ports with a reader, by IANA: DNS, Kerberos, ISO-TSAP (S7, MMS), SMB, Modbus, MQTT, IEC 104, M3UA, Diameter, OPC UA, DNP3, CIP. */
const ports: readonly number[] = [53, 88, 102, 139, 445, 502, 1883, 2404, 2905, 3868, 4840, 20_000, 44_818];
/** Bytes out of order kept for one direction before the hole is given up. */
const HELD_BYTES_MAX = 256 * 1024;
/** Connections followed at once; the one idle longest is dropped first. */
const CONNECTIONS_MAX = 16_384;
/** A connection silent this long is over (microseconds). */
const IDLE_MICROS_MAX = 3600e6;

const Flag = { Fin: 1, Syn: 2, Rst: 4, Ack: 16 } as const;

interface Held {
  readonly sequence: number;
  readonly bytes: Uint8Array;
}

interface Side {
  /** Sequence number of the next byte wanted; -1 before the first segment. */
  next: number;
  held: Held[];
  heldBytes: number;
  ended: boolean;
}

interface Connection {
  readonly number: number;
  readonly key: number;
  readonly addresses: Uint32Array;
  readonly clientPort: number;
  readonly serverPort: number;
  readonly client: Side;
  readonly server: Side;
  lastAt: number;
}

export const tcp: DecoderKind = {
  card: {
    name: 'tcp',
    takes: ['packet'],
    gives: ['stream'],
    recognisedBy: `IP protocol 6 on ports ${ports.join(', ')}`,
    limits: `${CONNECTIONS_MAX} connections, ${HELD_BYTES_MAX} octets out of order a direction; idle longest goes first`,
    faults: {
      TCP_GAP: {
        text: 'Bytes of a TCP connection are missing from the capture.',
        remedy: 'Look for dropped packets at the capture point.',
        lost: 'the message they belong to',
      },
    },
  },
  create: (options) => new TcpDecoder(options?.tcpPorts ?? ports),
};

class TcpDecoder implements Decoder {
  readonly card = tcp.card;
  shed = 0;
  readonly #connections = new Map<number, Connection>();
  readonly #out = new StreamBatch();
  readonly #wanted = new Uint8Array(65_536);
  #numbers = 0;

  constructor(followed: readonly number[]) {
    for (const port of followed) this.#wanted[port] = 1;
  }

  decode(batch: EventBatch, sink: Sink): void {
    if (!(batch instanceof PacketBatch)) return;
    const wanted = this.#wanted;
    for (let i = 0; i < batch.count; i++) {
      if (batch.protocol[i] !== 6 || batch.fragment[i] !== 0) continue;
      if (wanted[batch.sourcePort[i]!] === 0 && wanted[batch.destinationPort[i]!] === 0) continue;
      this.#segment(batch, i, sink);
    }
  }

  #segment(batch: PacketBatch, i: number, sink: Sink): void {
    const flags = batch.tcpFlags[i]!;
    const source = batch.sourcePort[i]!;
    const destination = batch.destinationPort[i]!;
    const a = (addressHash(batch.addresses, 8 * i) + Math.imul(source, 0x9e3779b1)) >>> 0;
    const b = (addressHash(batch.addresses, 8 * i + 4) + Math.imul(destination, 0x9e3779b1)) >>> 0;
    // Both directions meet in one 53-bit key; two connections under one key would need 2^26 live ones to be likely.
    const key = Math.max(a, b) * 0x200000 + (Math.min(a, b) >>> 11);
    let connection = this.#connections.get(key);
    const opens = (flags & (Flag.Syn | Flag.Ack)) === Flag.Syn;
    if (
      connection !== undefined &&
      opens &&
      connection.client.next >= 0 &&
      connection.client.next !== (batch.tcpSequence[i]! + 1) >>> 0
    ) {
      this.#close(connection, batch, i, sink);
      connection = undefined;
    }
    if (connection === undefined) {
      // The side that sent the SYN is the client; without one, the side whose port has no reader.
      const fromClient = opens || (!((flags & Flag.Syn) !== 0) && this.#wanted[destination] === 1);
      connection = this.#open(key, batch, i, fromClient);
    }
    connection.lastAt = batch.at[i]!;
    const fromClient = source === connection.clientPort && same(batch.addresses, 8 * i, connection.addresses, 0);
    const side = fromClient ? connection.client : connection.server;
    let sequence = batch.tcpSequence[i]!;
    if ((flags & Flag.Syn) !== 0) {
      sequence = (sequence + 1) >>> 0;
      side.next = sequence;
    }
    // What the other side has sent is acknowledged past a hole: the capture missed it and it will not come again.
    const other = fromClient ? connection.server : connection.client;
    if (other.held.length > 0 && (flags & Flag.Ack) !== 0 && ((batch.tcpAcknowledgement[i]! - other.next) | 0) > 0)
      this.#give(connection, other, !fromClient, batch, i, sink);
    const length = batch.payloadCaptured[i]!;
    if (length > 0 && !side.ended) this.#data(connection, side, fromClient, batch, i, sequence, length, sink);
    if ((flags & (Flag.Fin | Flag.Rst)) !== 0 && !side.ended) {
      this.#give(connection, side, fromClient, batch, i, sink);
      side.ended = true;
      this.#emit(connection, fromClient, batch, i, batch.bytes, 0, 0, 0, true, sink);
      if ((flags & Flag.Rst) !== 0 || (connection.client.ended && connection.server.ended))
        this.#connections.delete(key);
    }
  }

  #open(key: number, batch: PacketBatch, i: number, fromClient: boolean): Connection {
    if (this.#connections.size >= CONNECTIONS_MAX) {
      let idlest: Connection | undefined;
      let looked = 0;
      // Insertion order is close to age: the first few hundred hold a good candidate without walking all.
      for (const c of this.#connections.values()) {
        if (idlest === undefined || c.lastAt < idlest.lastAt) idlest = c;
        if (++looked >= 256) break;
      }
      if (idlest !== undefined) this.#connections.delete(idlest.key);
      this.shed += 1;
    }
    const addresses = new Uint32Array(8);
    const w = 8 * i;
    for (let k = 0; k < 4; k++) {
      addresses[k] = batch.addresses[w + (fromClient ? k : k + 4)]!;
      addresses[k + 4] = batch.addresses[w + (fromClient ? k + 4 : k)]!;
    }
    const connection: Connection = {
      number: ++this.#numbers,
      key,
      addresses,
      clientPort: fromClient ? batch.sourcePort[i]! : batch.destinationPort[i]!,
      serverPort: fromClient ? batch.destinationPort[i]! : batch.sourcePort[i]!,
      client: { next: -1, held: [], heldBytes: 0, ended: false },
      server: { next: -1, held: [], heldBytes: 0, ended: false },
      lastAt: batch.at[i]!,
    };
    this.#connections.set(key, connection);
    return connection;
  }

  #data(
    c: Connection,
    side: Side,
    fromClient: boolean,
    batch: PacketBatch,
    i: number,
    sequence: number,
    length: number,
    sink: Sink,
  ): void {
    if (side.next < 0) side.next = sequence;
    // Serial-number arithmetic: the difference as a signed 32-bit value survives the wrap.
    const ahead = (sequence - side.next) | 0;
    if (ahead > 0) {
      if (side.held.length < 1024 && side.heldBytes + length <= HELD_BYTES_MAX && ahead < 64 * 1024 * 1024) {
        const at = batch.payloadOffset[i]!;
        side.held.push({ sequence, bytes: batch.bytes.slice(at, at + length) });
        side.heldBytes += length;
        return;
      }
      this.#give(c, side, fromClient, batch, i, sink);
    }
    const behind = (side.next - sequence) | 0;
    if (behind >= length) return;
    const gap = behind < 0 ? -behind : 0;
    const skip = Math.max(0, behind);
    if (gap > 0) sink.fault('TCP_GAP', batch.origin, batch.place[i]!, -1);
    side.next = (sequence + length) >>> 0;
    this.#emit(c, fromClient, batch, i, batch.bytes, batch.payloadOffset[i]! + skip, length - skip, gap, false, sink);
    // What was cut by the snap length can't come again.
    const uncaptured = batch.payloadBytes[i]! - length;
    if (uncaptured > 0) {
      side.next = (side.next + uncaptured) >>> 0;
      this.#emit(c, fromClient, batch, i, batch.bytes, 0, 0, uncaptured, false, sink);
    }
    if (side.held.length > 0) this.#drain(c, side, fromClient, batch, i, sink);
  }

  /** Emits held segments that have become contiguous. */
  #drain(c: Connection, side: Side, fromClient: boolean, batch: PacketBatch, i: number, sink: Sink): void {
    side.held.sort((x, y) => (x.sequence - y.sequence) | 0 || y.bytes.length - x.bytes.length);
    while (side.held.length > 0) {
      const first = side.held[0]!;
      const behind = (side.next - first.sequence) | 0;
      if (behind < 0) return;
      side.held.shift();
      side.heldBytes -= first.bytes.length;
      if (behind >= first.bytes.length) continue;
      side.next = (first.sequence + first.bytes.length) >>> 0;
      this.#emit(c, fromClient, batch, i, first.bytes, behind, first.bytes.length - behind, 0, false, sink);
    }
  }

  /** Gives up holes: emits everything held, each hole as a gap. */
  #give(c: Connection, side: Side, fromClient: boolean, batch: PacketBatch, i: number, sink: Sink): void {
    while (side.held.length > 0) {
      side.held.sort((x, y) => (x.sequence - y.sequence) | 0);
      const first = side.held[0]!;
      const gap = (first.sequence - side.next) | 0;
      if (gap > 0) {
        sink.fault('TCP_GAP', batch.origin, batch.place[i]!, -1);
        side.next = first.sequence;
        this.#emit(c, fromClient, batch, i, first.bytes, 0, 0, gap, false, sink);
      }
      this.#drain(c, side, fromClient, batch, i, sink);
    }
  }

  #close(c: Connection, batch: PacketBatch, i: number, sink: Sink): void {
    for (const fromClient of [true, false]) {
      const side = fromClient ? c.client : c.server;
      if (side.ended) continue;
      this.#give(c, side, fromClient, batch, i, sink);
      this.#emit(c, fromClient, batch, i, batch.bytes, 0, 0, 0, true, sink);
    }
    this.#connections.delete(c.key);
  }

  #emit(
    c: Connection,
    fromClient: boolean,
    batch: PacketBatch,
    i: number,
    bytes: Uint8Array,
    offset: number,
    length: number,
    gap: number,
    ended: boolean,
    sink: Sink,
  ): void {
    const out = this.#out;
    out.origin = batch.origin;
    out.at = batch.at[i]!;
    out.place = batch.place[i]!;
    out.connection = c.number;
    out.fromClient = fromClient;
    out.addresses.set(c.addresses);
    out.clientPort = c.clientPort;
    out.serverPort = c.serverPort;
    out.bytes = bytes;
    out.offset = offset;
    out.length = length;
    out.gapBytes = gap;
    out.ended = ended;
    sink.emit(out);
  }

  advance(to: number): void {
    for (const c of this.#connections.values()) {
      // Oldest first by insertion; a live old connection only delays the sweep of younger ones.
      if (to - c.lastAt < IDLE_MICROS_MAX) break;
      this.#connections.delete(c.key);
    }
  }

  end(): void {
    this.#connections.clear();
  }
}

function same(a: Uint32Array, i: number, b: Uint32Array, j: number): boolean {
  return a[i] === b[j] && a[i + 1] === b[j + 1] && a[i + 2] === b[j + 2] && a[i + 3] === b[j + 3];
}
