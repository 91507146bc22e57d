// Operations as columns: who asked whom what, of which protocol, and what it does to the one who is asked: reads, writes,
// commands, engineering, logins. Borrowed. From packets by decoders/ot and decoders/rpc, or from Zeek's logs; the same
// operation is the same row by either road.
import { BATCH_ROWS } from './frame.ts';
import type { Origin } from './origin.ts';

/** Protocols of operations. From 32 on those of hosts, below those of the plant. */
export const OperationProtocol = {
  Modbus: 1,
  Dnp3: 2,
  Iec104: 3,
  S7: 4,
  S7Plus: 5,
  Mms: 6,
  Goose: 7,
  Bacnet: 8,
  Cip: 9,
  OpcUa: 10,
  Mqtt: 11,
  Profinet: 12,
  Smb: 32,
  Dcerpc: 33,
  Winrm: 34,
  Kerberos: 35,
  Ntlm: 36,
} as const;

/** What an operation does, from the least to the most. */
export const OperationAct = {
  /** Session keeping, listing, confirming, and what could not be told. */
  Other: 0,
  Read: 1,
  /** A credential is shown or a ticket given. */
  Login: 2,
  Write: 3,
  /** Something moves: a breaker, a relay, a service, a program run from afar. */
  Command: 4,
  /** The device itself is changed: its program, its mode, its clock's trust; stop, start, restart, download. */
  Engineering: 5,
} as const;

export const OperationRole = { Request: 0, Response: 1, Unsolicited: 2 } as const;

/** `code` of a message that breaks its protocol's own rules (a checksum, a length, a function there is none of). */
export const MALFORMED = -2;

export const OPERATION_TEXT_MAX = 128;

export class OperationBatch {
  readonly kind = 'operation';
  origin: Origin = { file: '', placed: 'frame' };
  count = 0;
  readonly at = new Float64Array(BATCH_ROWS);
  readonly place = new Float64Array(BATCH_ROWS);
  /**
   * Eight words: the client (who asks), then the server, whichever of them sent this message. Layer 2: publisher and group,
   * as link-local addresses made from their MAC (RFC 4291, appendix A).
   */
  readonly addresses = new Uint32Array(8 * BATCH_ROWS);
  readonly clientPort = new Uint16Array(BATCH_ROWS);
  readonly serverPort = new Uint16Array(BATCH_ROWS);
  /** 6 TCP, 17 UDP, 0 layer 2. */
  readonly transport = new Uint8Array(BATCH_ROWS);
  /** One of OperationProtocol. */
  readonly protocol = new Uint8Array(BATCH_ROWS);
  /** One of OperationAct. */
  readonly act = new Uint8Array(BATCH_ROWS);
  /** One of OperationRole. */
  readonly role = new Uint8Array(BATCH_ROWS);
  /** Function, service, type or operation number as the protocol numbers it; -1 where the road tells none; MALFORMED. */
  readonly code = new Int32Array(BATCH_ROWS);
  /** The protocol's own status of an answer: 0 well, else its error; -1 not told (requests). */
  readonly status = new Int32Array(BATCH_ROWS);
  /** Which of several behind one address: Modbus unit, DNP3 outstation, IEC 104 common address; 0 where there is none. */
  readonly unit = new Uint32Array(BATCH_ROWS);
  /** First object by number (register, information object address); -1 where none is told. GOOSE: stNum. */
  readonly objectNumber = new Float64Array(BATCH_ROWS);
  /** How many objects; 0 where it is not told. GOOSE: sqNum. */
  readonly objectCount = new Float64Array(BATCH_ROWS);
  /** Names lie in `bytes`, UTF-8, at most OPERATION_TEXT_MAX octets each; length 0 where there is none. */
  bytes: Uint8Array = new Uint8Array(2 * OPERATION_TEXT_MAX * BATCH_ROWS);
  /** The object by name: topic, file with its share, interface, service principal, control block. */
  readonly objectOffset = new Int32Array(BATCH_ROWS);
  readonly objectBytes = new Int32Array(BATCH_ROWS);
  /** Who the client says it is: principal, user, client id. */
  readonly userOffset = new Int32Array(BATCH_ROWS);
  readonly userBytes = new Int32Array(BATCH_ROWS);

  /** Sets what most rows have; the caller fills the rest and then counts the row. There must be room for it. */
  begin(protocol: number, act: number, role: number, code: number): number {
    const i = this.count;
    this.protocol[i] = protocol;
    this.act[i] = act;
    this.role[i] = role;
    this.code[i] = code;
    this.status[i] = -1;
    this.unit[i] = 0;
    this.objectNumber[i] = -1;
    this.objectCount[i] = 0;
    this.objectOffset[i] = 2 * OPERATION_TEXT_MAX * i;
    this.objectBytes[i] = 0;
    this.userOffset[i] = 2 * OPERATION_TEXT_MAX * i + OPERATION_TEXT_MAX;
    this.userBytes[i] = 0;
    return i;
  }

  /** Copies the object's name from bytes, cut at the limit. */
  setObject(i: number, from: Uint8Array, at: number, length: number): void {
    this.objectBytes[i] = copy(from, at, length, this.bytes, this.objectOffset[i]!);
  }
  setUser(i: number, from: Uint8Array, at: number, length: number): void {
    this.userBytes[i] = copy(from, at, length, this.bytes, this.userOffset[i]!);
  }
  setObjectText(i: number, text: string): void {
    this.objectBytes[i] = encode(text, this.bytes, this.objectOffset[i]!);
  }
  setUserText(i: number, text: string): void {
    this.userBytes[i] = encode(text, this.bytes, this.userOffset[i]!);
  }
  /** The names as strings: for people, not for every row. */
  objectText(i: number): string {
    return decode(this.bytes, this.objectOffset[i]!, this.objectBytes[i]!);
  }
  userText(i: number): string {
    return decode(this.bytes, this.userOffset[i]!, this.userBytes[i]!);
  }
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

function copy(from: Uint8Array, at: number, length: number, into: Uint8Array, offset: number): number {
  const n = Math.max(0, Math.min(length, OPERATION_TEXT_MAX, from.length - at));
  for (let k = 0; k < n; k++) into[offset + k] = from[at + k]!;
  return n;
}

function encode(text: string, into: Uint8Array, offset: number): number {
  return encoder.encodeInto(text, into.subarray(offset, offset + OPERATION_TEXT_MAX)).written;
}

function decode(bytes: Uint8Array, offset: number, length: number): string {
  return decoder.decode(bytes.subarray(offset, offset + length));
}
