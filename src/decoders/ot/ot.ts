// Operations of plant protocols: who asked which controller what. Each protocol has a file; this one brings it the messages,
// from TCP chunks, from UDP payloads, and GOOSE and PROFINET from Ethernet frames. A port is a hint; the first octets are the proof, so what
// else runs on the port gives faults and no rows.
import { type Decoder, type EventBatch, FrameBatch, PacketBatch, type Sink, StreamBatch } from '#events';
import { addressHash } from '#lib/address';
import type { DecoderKind } from '../contract.ts';
import { isBacnet, readBacnet } from './bacnet.ts';
import { enipFraming, readEnip } from './cip.ts';
import { Dnp3, dnp3Framing } from './dnp3.ts';
import { faults } from './faults.ts';
import { Frames, type Framing } from './frames.ts';
import { iec104Framing, readIec104 } from './iec104.ts';
import { readFrame } from './link.ts';
import { modbusFraming, readModbus } from './modbus.ts';
import { mqttFraming, readMqtt } from './mqtt.ts';
import { OpcUa, opcuaFraming } from './opcua.ts';
import { Rows } from './rows.ts';
import { Tpkt, tpktFraming } from './tpkt.ts';

/** TCP ports with a reader: Modbus, DNP3, IEC 104, ISO transport (S7, MMS), EtherNet/IP, OPC UA, MQTT. */
export const otPorts: readonly number[] = [102, 502, 1883, 2404, 4840, 20_000, 44_818];
const SYSTEM_PORTS = 1024;
const SPEAKERS_MASK = 0x3fff;
const BACNET = 47_808;
const UDP_DNP3 = 20_000;
const UDP_ENIP = 44_818;
const UDP_MODBUS = 502;

interface Reader {
  readonly framing: Framing;
  read(b: Uint8Array, at: number, length: number, rows: Rows): void;
}

export const ot: DecoderKind = {
  card: {
    name: 'ot',
    takes: ['frame', 'packet', 'stream'],
    tcpPorts: otPorts,
    gives: ['operation'],
    recognisedBy: `TCP ports ${otPorts.join(', ')}, UDP ports 502, 20000, 44818, 47808 and EtherTypes 88B8 and 8892, each proved by the first octets`,
    limits:
      '4,096 directions with a message under way (8 MiB in all), 1,024 DNP3 fragments of 4,096 octets, 512 ISO units of 64 KiB; the oldest goes',
    faults,
  },
  create: () => new OtDecoder(),
};

class OtDecoder implements Decoder {
  readonly card = ot.card;
  /** Pairs of hosts whose datagrams were of the protocol. */
  readonly #speakers = new Float64Array(SPEAKERS_MASK + 1);
  readonly #frames = new Frames();
  readonly #rows = new Rows();
  readonly #dnp3 = new Dnp3();
  readonly #tpkt = new Tpkt();
  readonly #opcua = new OpcUa();
  readonly #readers = new Map<number, Reader>();
  #reader: Reader | undefined;
  readonly #give = (b: Uint8Array, at: number, length: number): void => this.#reader!.read(b, at, length, this.#rows);

  constructor() {
    const add = (port: number, framing: Framing, read: Reader['read']): void =>
      void this.#readers.set(port, { framing, read });
    add(502, modbusFraming, readModbus);
    add(20_000, dnp3Framing, (b, at, length, rows) => this.#dnp3.read(b, at, length, rows));
    add(2404, iec104Framing, readIec104);
    add(102, tpktFraming, (b, at, length, rows) => this.#tpkt.read(b, at, length, rows));
    add(44_818, enipFraming, readEnip);
    add(4840, opcuaFraming, (b, at, length, rows) => this.#opcua.read(b, at, length, rows));
    add(1883, mqttFraming, readMqtt);
  }

  get shed(): number {
    return this.#frames.shed + this.#dnp3.shed + this.#tpkt.shed + this.#opcua.shed;
  }

  /** Things kept between messages, for tests of the bounds. */
  get held(): number {
    return this.#frames.size + this.#dnp3.size + this.#tpkt.size + this.#opcua.size;
  }

  decode(batch: EventBatch, sink: Sink): void {
    const rows = this.#rows;
    rows.open(sink);
    if (batch instanceof StreamBatch) this.#chunk(batch);
    else if (batch instanceof PacketBatch) this.#packets(batch);
    else if (batch instanceof FrameBatch) for (let i = 0; i < batch.count; i++) readFrame(batch, i, rows);
    rows.flush();
  }

  #chunk(chunk: StreamBatch): void {
    this.#reader = this.#readers.get(chunk.serverPort) ?? this.#readers.get(chunk.clientPort);
    if (this.#reader === undefined) return;
    const rows = this.#rows;
    rows.origin = chunk.origin;
    rows.at = chunk.at;
    rows.place = chunk.place;
    rows.transport = 6;
    rows.connection = chunk.connection;
    // Without a SYN the side that a reader's port names is the server, even where its packet came first.
    const turned = !this.#readers.has(chunk.serverPort);
    rows.fromClient = chunk.fromClient !== turned;
    for (let k = 0; k < 8; k++) rows.addresses[k] = chunk.addresses[turned ? (k + 4) & 7 : k]!;
    rows.clientPort = turned ? chunk.serverPort : chunk.clientPort;
    rows.serverPort = turned ? chunk.clientPort : chunk.serverPort;
    if (this.#frames.push(chunk, this.#reader.framing, this.#give, turned)) rows.fault('OT_LOST');
  }

  #packets(batch: PacketBatch): void {
    for (let i = 0; i < batch.count; i++) {
      // An export datagram that a collector took: no packet of it was seen.
      if (batch.parts[i] === 0) continue;
      if (batch.protocol[i] !== 17 || batch.fragment[i] !== 0) continue;
      const to = batch.destinationPort[i]!;
      const from = batch.sourcePort[i]!;
      // A client's chance port may be a plant's: what a system port answers is its own.
      const other = isUdpPort(to) ? from : to;
      if (other < SYSTEM_PORTS && !isUdpPort(other)) continue;
      if (isUdpPort(to)) this.#datagram(batch, i, to, true);
      else if (isUdpPort(from)) this.#datagram(batch, i, from, false);
    }
  }

  /** A datagram is lost only between hosts that were seen to speak the protocol: its port is anybody's. */
  #lost(rows: Rows): void {
    if (this.#speakers[rows.connection & SPEAKERS_MASK] === rows.connection) rows.fault('OT_LOST');
  }

  #datagram(batch: PacketBatch, i: number, port: number, fromClient: boolean): void {
    const length = batch.payloadCaptured[i]!;
    if (length === 0) return;
    const rows = this.#rows;
    const w = 8 * i;
    rows.origin = batch.origin;
    rows.at = batch.at[i]!;
    rows.place = batch.place[i]!;
    rows.transport = 17;
    rows.fromClient = fromClient;
    for (let k = 0; k < 8; k++) rows.addresses[k] = batch.addresses[w + (fromClient ? k : (k + 4) & 7)]!;
    rows.clientPort = fromClient ? batch.sourcePort[i]! : batch.destinationPort[i]!;
    rows.serverPort = port;
    // A number for the two hosts, apart from those of connections.
    rows.connection = -(addressHash(batch.addresses, w) ^ addressHash(batch.addresses, w + 4)) - 1;
    const at = batch.payloadOffset[i]!;
    if (port === BACNET) {
      if (isBacnet(batch.bytes, at, length)) {
        this.#speakers[rows.connection & SPEAKERS_MASK] = rows.connection;
        readBacnet(batch.bytes, at, length, rows);
      } else this.#lost(rows);
      return;
    }
    const reader = this.#readers.get(port)!;
    // A datagram may hold several messages; one that is cut is lost.
    let from = at;
    const end = at + length;
    while (from < end) {
      const total = reader.framing.measure(batch.bytes, from, end - from);
      if (total <= 0 || from + total > end) {
        this.#lost(rows);
        return;
      }
      this.#speakers[rows.connection & SPEAKERS_MASK] = rows.connection;
      reader.read(batch.bytes, from, total, rows);
      from += total;
    }
  }

  advance(): void {}

  end(): void {
    this.#frames.clear();
  }
}

function isUdpPort(port: number): boolean {
  return port === BACNET || port === UDP_DNP3 || port === UDP_ENIP || port === UDP_MODBUS;
}
