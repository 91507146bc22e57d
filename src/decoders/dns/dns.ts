// DNS over UDP datagrams and TCP connections to 'dns' batches. Ports are a hint; off the known ports only content decides.
import {
  type Decoder,
  type DecoderCard,
  type DnsMessageBatch,
  type EventBatch,
  Foreign,
  type PacketBatch,
  type Sink,
  type StreamBatch,
} from '#events';
import { addressHash } from '#lib/address';
import type { DecoderKind } from '../contract.ts';
import { faults } from './faults.ts';
import { faultCodes, looksLikeDns, MessageReader } from './message.ts';
import { Streams } from './streams.ts';

const card: DecoderCard = {
  name: 'dns',
  takes: ['packet', 'stream', 'dns-message'],
  gives: ['dns'],
  tcpPorts: [53],
  recognisedBy:
    'ports 53, 5353 (mDNS) and 5355 (LLMNR) as a hint, a probe of header and question on any other port; TCP with its two-octet length; messages that dnstap hands over; NBNS (137, 138) is left alone',
  limits: 'names of 255 octets, 64 questions a message, 1,024 unfinished TCP messages of together 8 MiB',
  faults,
};

export const dns: DecoderKind = { card, create: () => new DnsDecoder() };

class DnsDecoder implements Decoder {
  readonly card = card;
  readonly #reader = new MessageReader();
  readonly #streams = new Streams();

  get shed(): number {
    return this.#streams.shed;
  }

  decode(batch: EventBatch, sink: Sink): void {
    if (batch.kind === 'packet') this.#packets(batch, sink);
    else if (batch.kind === 'stream') this.#stream(batch, sink);
    else if (batch.kind === 'dns-message') this.#messages(batch, sink);
  }

  advance(): void {}

  end(): void {
    this.#streams.clear();
  }

  #packets(packets: PacketBatch, sink: Sink): void {
    const reader = this.#reader;
    const out = reader.batch;
    reader.clear();
    out.origin = packets.origin;
    const { bytes, protocol, sourcePort, destinationPort, payloadOffset, payloadCaptured, payloadBytes } = packets;
    for (let i = 0; i < packets.count; i++) {
      // An export datagram that a collector took (parts 0) was seen as no packet.
      if (protocol[i] !== 17 || packets.fragment[i] !== 0 || packets.parts[i] === 0) continue;
      const from = sourcePort[i]!;
      const to = destinationPort[i]!;
      const offset = payloadOffset[i]!;
      const captured = payloadCaptured[i]!;
      const hinted = to === 53 || from === 53 || to === 5353 || from === 5353 || to === 5355 || from === 5355;
      if (hinted) {
        if (captured === 0) continue;
        if (!plausible(bytes, offset, captured)) {
          if (to === 53 || from === 53) {
            const code = notDns(bytes, offset, captured);
            sink.fault(code, packets.origin, packets.place[i]!, -1);
            // What the capture cut off may well be DNS.
            if (captured < payloadBytes[i]! && captured < 12) continue;
            if (!reader.hasRoom) this.#flush(sink);
            reader.foreign(code === 'DNS_IODINE_RAW' ? Foreign.IodineRaw : Foreign.NotDns, payloadBytes[i]!);
            this.#place(packets, i, out.count - 1, from === 53);
            out.isResponse[out.count - 1] = from === 53 ? 1 : 0;
          }
          continue;
        }
      } else {
        // NBNS has the DNS header with names of another coding (RFC 1002 4.2); it is not DNS.
        if (to === 137 || from === 137 || !looksLikeDns(bytes, offset, captured)) continue;
      }
      if (!reader.hasRoom) this.#flush(sink);
      const first = out.count;
      const fault = reader.read(bytes, offset, captured);
      if (fault !== 0) {
        const cut = captured < payloadBytes[i]!;
        sink.fault(cut ? 'DNS_CUT' : faultCodes[fault]!, packets.origin, packets.place[i]!, reader.faultOffset);
      }
      const isResponse = captured > 2 && bytes[offset + 2]! >>> 7 === 1;
      for (let row = first; row < out.count; row++) this.#place(packets, i, row, isResponse);
    }
    this.#flush(sink);
  }

  /** Fills row `row` with what packet `i` says of who and when. */
  #place(packets: PacketBatch, i: number, row: number, isResponse: boolean): void {
    const out = this.#reader.batch;
    const client = isResponse ? 8 * i + 4 : 8 * i;
    const server = isResponse ? 8 * i : 8 * i + 4;
    const a = 8 * row;
    out.at[row] = packets.at[i]!;
    out.place[row] = packets.place[i]!;
    for (let k = 0; k < 4; k++) {
      out.addresses[a + k] = packets.addresses[client + k]!;
      out.addresses[a + 4 + k] = packets.addresses[server + k]!;
    }
    out.clientHash[row] = addressHash(packets.addresses, client);
    out.clientPort[row] = isResponse ? packets.destinationPort[i]! : packets.sourcePort[i]!;
    out.serverPort[row] = isResponse ? packets.sourcePort[i]! : packets.destinationPort[i]!;
    out.transport[row] = 17;
    out.messageBytes[row] = packets.payloadBytes[i]!;
  }

  #messages(batch: DnsMessageBatch, sink: Sink): void {
    const reader = this.#reader;
    const out = reader.batch;
    reader.clear();
    out.origin = batch.origin;
    for (let i = 0; i < batch.count; i++) {
      if (!reader.hasRoom) this.#flush(sink);
      const first = out.count;
      const fault = reader.read(batch.bytes, batch.offset[i]!, batch.length[i]!);
      if (fault !== 0) sink.fault(faultCodes[fault]!, batch.origin, batch.place[i]!, reader.faultOffset);
      for (let row = first; row < out.count; row++) {
        out.at[row] = batch.at[i]!;
        out.place[row] = batch.place[i]!;
        for (let k = 0; k < 8; k++) out.addresses[8 * row + k] = batch.addresses[8 * i + k]!;
        out.clientHash[row] = addressHash(batch.addresses, 8 * i);
        out.clientPort[row] = batch.clientPort[i]!;
        out.serverPort[row] = batch.serverPort[i]!;
        out.transport[row] = batch.transport[i]!;
      }
    }
    this.#flush(sink);
  }

  #stream(chunk: StreamBatch, sink: Sink): void {
    const reader = this.#reader;
    const out = reader.batch;
    reader.clear();
    out.origin = chunk.origin;
    const streams = this.#streams;
    const lost = streams.push(chunk);
    if (lost) sink.fault('DNS_STREAM_LOST', chunk.origin, chunk.place, -1);
    while (streams.next()) {
      if (!reader.hasRoom) this.#flush(sink);
      const first = out.count;
      const fault = reader.read(streams.bytes, streams.messageAt, streams.messageBytes);
      if (fault !== 0) sink.fault(faultCodes[fault]!, chunk.origin, chunk.place, reader.faultOffset);
      for (let row = first; row < out.count; row++) {
        out.at[row] = chunk.at;
        out.place[row] = chunk.place;
        for (let k = 0; k < 8; k++) out.addresses[8 * row + k] = chunk.addresses[k]!;
        out.clientHash[row] = addressHash(chunk.addresses, 0);
        out.clientPort[row] = chunk.clientPort;
        out.serverPort[row] = chunk.serverPort;
        out.transport[row] = 6;
      }
    }
    this.#flush(sink);
    streams.keep();
  }

  #flush(sink: Sink): void {
    if (this.#reader.batch.count > 0) sink.emit(this.#reader.batch);
    this.#reader.clear();
  }
}

/** On a DNS port, what can't be DNS: an opcode never assigned, or neither questions nor records. */
function plausible(bytes: Uint8Array, offset: number, length: number): boolean {
  if (length < 12) return false;
  const opcode = (bytes[offset + 2]! >>> 3) & 15;
  if (opcode > 6 || opcode === 3) return false;
  const questions = (bytes[offset + 4]! << 8) | bytes[offset + 5]!;
  let records = 0;
  for (let i = 6; i < 12; i += 2) records += (bytes[offset + i]! << 8) | bytes[offset + i + 1]!;
  if (questions + records === 0) return bytes[offset + 2]! >>> 7 === 1;
  // A question has 5 octets or more, a record 11; a tenth of the claim must be there, or the counts are noise.
  return 12 + (5 * questions + 11 * records) / 10 <= Math.max(length, 512);
}

function notDns(bytes: Uint8Array, offset: number, length: number): string {
  if (length >= 3 && bytes[offset] === 0x10 && bytes[offset + 1] === 0xd1 && bytes[offset + 2] === 0x9e)
    return 'DNS_IODINE_RAW';
  return length < 12 ? 'DNS_SHORT' : 'DNS_NOT_DNS';
}
