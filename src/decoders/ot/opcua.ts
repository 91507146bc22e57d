// OPC UA binary (OPC 10000-6, 7.1 connection protocol, 5.2 encoding): message types and, where the channel isn't encrypted,
// the service by the numeric node id of its request or response in namespace 0.
import { OperationAct, OperationProtocol, OperationRole } from '#events';
import type { Framing } from './frames.ts';
import { type Rows, u16le, u32le } from './rows.ts';

const { Other, Read, Login, Write, Command } = OperationAct;
/** HEL, ACK, ERR, RHE, OPN, CLO, MSG as numbers of three letters. */
const letters = (text: string): number => (text.charCodeAt(0) << 16) | (text.charCodeAt(1) << 8) | text.charCodeAt(2);
const types = ['HEL', 'ACK', 'ERR', 'RHE', 'OPN', 'CLO', 'MSG'].map(letters);
const MSG = letters('MSG');
/** Codes of message types without a service lie above all service ids. */
export const OPCUA_MESSAGE = 0x10000;
const MESSAGE_BYTES_MAX = 1 << 24;
const SERVICE_FAULT = 397;
/** Chunks that go on, by connection and direction. */
const CHUNKED_MAX = 1024;

const acts: Readonly<Record<number, number>> = {
  // Create and activate session.
  461: Login,
  467: Login,
  527: Read,
  533: Read,
  554: Read,
  631: Read,
  664: Read,
  673: Write,
  700: Write,
  712: Command,
  // Add and delete nodes and references.
  488: Write,
  494: Write,
  500: Write,
  506: Write,
  826: Read,
};

const typeAt = (b: Uint8Array, at: number): number => (b[at]! << 16) | (b[at + 1]! << 8) | b[at + 2]!;

export const opcuaFraming: Framing = {
  headBytes: 256,
  measure(b, at, left) {
    if (left < 8) return left >= 3 && !types.includes(typeAt(b, at)) ? -1 : 0;
    if (!types.includes(typeAt(b, at))) return -1;
    const final = b[at + 3];
    if (final !== 0x46 && final !== 0x43 && final !== 0x41) return -1;
    const size = u32le(b, at + 4);
    return size < 8 || size > MESSAGE_BYTES_MAX ? -1 : size;
  },
};

export class OpcUa {
  shed = 0;
  /** Request ids whose message goes on in further chunks. */
  readonly #chunked = new Map<number, number>();

  get size(): number {
    return this.#chunked.size;
  }

  read(b: Uint8Array, at: number, length: number, rows: Rows): void {
    const type = typeAt(b, at);
    const role = rows.fromClient ? OperationRole.Request : OperationRole.Response;
    if (type !== MSG) {
      rows.add(OperationProtocol.OpcUa, Other, role, OPCUA_MESSAGE + types.indexOf(type));
      return;
    }
    if (length < 28) {
      rows.malformed(OperationProtocol.OpcUa, 'OT_SHORT');
      return;
    }
    const key = 2 * rows.connection + (rows.fromClient ? 0 : 1);
    const request = u32le(b, at + 20);
    const goesOn = this.#chunked.get(key) === request;
    if (b[at + 3] === 0x43) {
      if (this.#chunked.size >= CHUNKED_MAX && !this.#chunked.has(key)) {
        this.#chunked.delete(this.#chunked.keys().next().value!);
        this.shed += 1;
      }
      this.#chunked.set(key, request);
    } else this.#chunked.delete(key);
    // Only the first chunk of a message begins with its type.
    if (goesOn) return;
    const four = b[at + 24] === 1 && b[at + 25] === 0;
    const code = four ? u16le(b, at + 26) : -1;
    const base = rows.fromClient ? code : code - 3;
    const i = rows.add(OperationProtocol.OpcUa, code === SERVICE_FAULT ? Other : (acts[base] ?? Other), role, code);
    // Response header: time 8, request handle 4, service result 4.
    if (!rows.fromClient && four && length >= 44) rows.batch.status[i] = u32le(b, at + 40) | 0;
  }
}
