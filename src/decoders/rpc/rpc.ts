// Operations of Windows networks: what one host does on another by SMB, DCERPC, WinRM, and what tickets and logins carry it. Each
// protocol has a file; this one brings it the messages: SMB and Kerberos from TCP chunks, Kerberos over UDP, DCERPC (its ports
// are given out by the endpoint mapper) and WinRM from the packets that begin with them.
import {
  type Decoder,
  type EventBatch,
  OperationAct,
  OperationProtocol,
  OperationRole,
  PacketBatch,
  type Sink,
  StreamBatch,
} from '#events';
import { addressHash } from '#lib/address';
import type { DecoderKind } from '../contract.ts';
import { Frames, Rows } from '../ot/index.ts';
import { type Contexts, Pdu, pduBytes, readPdu } from './dcerpc.ts';
import { faults } from './faults.ts';
import { kerberosFraming, readKerberos } from './kerberos.ts';
import { readNtlm } from './ntlm.ts';
import { Smb, smbFraming } from './smb.ts';

/** TCP ports with a reader of chunks: Kerberos, SMB over NetBIOS and direct. */
export const rpcPorts: readonly number[] = [88, 139, 445];
const KERBEROS = 88;
const WINRM = 5985;
/** Connections whose interfaces are remembered. */
const CONNECTIONS_MAX = 4096;

interface Rpc {
  readonly contexts: Contexts;
  /** Sequence number of the last segment read: a segment sent twice is read once. */
  sequence: number;
}

export const rpc: DecoderKind = {
  card: {
    name: 'rpc',
    takes: ['packet', 'stream'],
    tcpPorts: [88, 139, 445],
    gives: ['operation'],
    recognisedBy: `TCP ports ${rpcPorts.join(', ')} and UDP port 88 by their framing; DCERPC version 5 at the start of a segment on any port; POST /wsman on port ${WINRM}`,
    limits: `4,096 directions with a message under way (8 MiB in all), 2,048 SMB and ${CONNECTIONS_MAX} DCERPC connections; the oldest goes`,
    faults,
  },
  create: () => new RpcDecoder(),
};

class RpcDecoder implements Decoder {
  readonly card = rpc.card;
  readonly #frames = new Frames();
  readonly #rows = new Rows();
  readonly #smb = new Smb();
  readonly #connections = new Map<number, Rpc>();
  #shed = 0;
  readonly #giveSmb = (b: Uint8Array, at: number, length: number): void => this.#smb.read(b, at, length, this.#rows);
  readonly #giveKerberos = (b: Uint8Array, at: number, length: number): void =>
    readKerberos(b, at + 4, at + length, this.#rows);

  get shed(): number {
    return this.#frames.shed + this.#smb.shed + this.#shed;
  }

  /** Things kept between messages, for tests of the bounds. */
  get held(): number {
    return this.#frames.size + this.#smb.size + this.#connections.size;
  }

  decode(batch: EventBatch, sink: Sink): void {
    this.#rows.open(sink);
    if (batch instanceof StreamBatch) this.#chunk(batch);
    else if (batch instanceof PacketBatch) this.#packets(batch);
    this.#rows.flush();
  }

  #chunk(chunk: StreamBatch): void {
    const known = isPort(chunk.serverPort);
    if (!known && !isPort(chunk.clientPort)) return;
    const rows = this.#rows;
    rows.origin = chunk.origin;
    rows.at = chunk.at;
    rows.place = chunk.place;
    rows.transport = 6;
    rows.connection = chunk.connection;
    rows.fromClient = chunk.fromClient === known;
    for (let k = 0; k < 8; k++) rows.addresses[k] = chunk.addresses[known ? k : (k + 4) & 7]!;
    rows.clientPort = known ? chunk.clientPort : chunk.serverPort;
    rows.serverPort = known ? chunk.serverPort : chunk.clientPort;
    const kerberos = rows.serverPort === KERBEROS;
    const lost = kerberos
      ? this.#frames.push(chunk, kerberosFraming, this.#giveKerberos, true)
      : this.#frames.push(chunk, smbFraming, this.#giveSmb, true);
    if (lost) rows.fault('RPC_LOST');
    if (chunk.ended && !chunk.fromClient) this.#smb.forget(chunk.connection);
  }

  #packets(batch: PacketBatch): void {
    const { bytes } = batch;
    for (let i = 0; i < batch.count; i++) {
      // An export datagram that a collector took: no packet of it was seen.
      if (batch.parts[i] === 0) continue;
      const length = batch.payloadCaptured[i]!;
      if (length < 16 || batch.fragment[i] !== 0) continue;
      const at = batch.payloadOffset[i]!;
      if (batch.protocol[i] === 17) {
        if (batch.destinationPort[i] === KERBEROS) this.#ends(batch, i, true);
        else if (batch.sourcePort[i] === KERBEROS) this.#ends(batch, i, false);
        else continue;
        readKerberos(bytes, at, at + length, this.#rows);
      } else if (batch.protocol[i] !== 6) continue;
      else if (bytes[at] === 5 && bytes[at + 1]! <= 1 && pduBytes(bytes, at, length) > 0)
        this.#dcerpc(batch, i, at, length);
      else if (batch.destinationPort[i] === WINRM && bytes[at] === 0x50) this.#winrm(batch, i, at, length);
    }
  }

  /** Sets who speaks to whom; the side that `fromClient` names is the sender of the packet. */
  #ends(batch: PacketBatch, i: number, fromClient: boolean): void {
    const rows = this.#rows;
    rows.origin = batch.origin;
    rows.at = batch.at[i]!;
    rows.place = batch.place[i]!;
    rows.transport = batch.protocol[i]!;
    rows.fromClient = fromClient;
    for (let k = 0; k < 8; k++) rows.addresses[k] = batch.addresses[8 * i + (fromClient ? k : (k + 4) & 7)]!;
    rows.clientPort = fromClient ? batch.sourcePort[i]! : batch.destinationPort[i]!;
    rows.serverPort = fromClient ? batch.destinationPort[i]! : batch.sourcePort[i]!;
  }

  #dcerpc(batch: PacketBatch, i: number, at: number, length: number): void {
    const type = batch.bytes[at + 2]!;
    if (type !== Pdu.Request && type !== Pdu.Bind && type !== Pdu.Alter && type !== Pdu.Auth3) return;
    // The key is of one direction: only the client's PDUs are read.
    const a = (addressHash(batch.addresses, 8 * i) + Math.imul(batch.sourcePort[i]!, 0x9e3779b1)) >>> 0;
    const b = (addressHash(batch.addresses, 8 * i + 4) + Math.imul(batch.destinationPort[i]!, 0x9e3779b1)) >>> 0;
    const key = a * 0x200000 + (b >>> 11);
    let c = this.#connections.get(key);
    if (c === undefined) {
      // Midstream requests without a bind are told without their interface; other traffic that begins so is rare.
      if (this.#connections.size >= CONNECTIONS_MAX) {
        this.#connections.delete(this.#connections.keys().next().value!);
        this.#shed += 1;
      }
      c = { contexts: new Map(), sequence: -1 };
      this.#connections.set(key, c);
    }
    if (c.sequence === batch.tcpSequence[i]!) return;
    c.sequence = batch.tcpSequence[i]!;
    if (type === Pdu.Bind) c.contexts.clear();
    this.#ends(batch, i, true);
    let from = at;
    const end = at + length;
    for (let n = 0; n < 16 && from < end; n++) {
      const bytes = pduBytes(batch.bytes, from, end - from);
      if (bytes < 0) break;
      const to = Math.min(end, from + bytes);
      if (batch.bytes[from + 2] === Pdu.Auth3) readNtlm(batch.bytes, from, to, this.#rows);
      else readPdu(batch.bytes, from, to, 0, c.contexts, this.#rows);
      from += bytes;
    }
  }

  /** A request of WS-Management (MS-WSMV 2.1): POST to /wsman or below it. */
  #winrm(batch: PacketBatch, i: number, at: number, length: number): void {
    if (!startsWith(batch.bytes, at, length, 'POST /wsman')) return;
    this.#ends(batch, i, true);
    const rows = this.#rows;
    const row = rows.add(OperationProtocol.Winrm, OperationAct.Command, OperationRole.Request, 0);
    let end = at + 5;
    while (end < at + length && batch.bytes[end] !== 0x20) end += 1;
    rows.batch.setObject(row, batch.bytes, at + 5, end - at - 5);
  }

  advance(): void {}

  end(): void {
    this.#frames.clear();
  }
}

function isPort(port: number): boolean {
  return port === 445 || port === 88 || port === 139;
}

function startsWith(b: Uint8Array, at: number, length: number, text: string): boolean {
  if (length < text.length) return false;
  for (let k = 0; k < text.length; k++) if (b[at + k] !== text.charCodeAt(k)) return false;
  return true;
}
