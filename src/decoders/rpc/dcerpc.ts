// DCERPC connection-oriented PDUs (C706, 12.6): bind and alter context name interfaces, a request its operation. On any port of
// TCP, since the endpoint mapper gives ports out, and inside the named pipes of SMB.
import { OperationAct, OperationProtocol, OperationRole, rpcAct, rpcInterfaceOf } from '#events';
import { type Rows, u16be, u16le, u32le } from '../ot/index.ts';

export const Pdu = { Request: 0, Response: 2, Fault: 3, Bind: 11, BindAck: 12, Alter: 14, Auth3: 16 } as const;
/** Interfaces remembered of one connection (or pipe). */
const CONTEXTS_MAX = 32;
/** Codes of PDUs without an operation lie above all opnums. */
export const RPC_BIND = 0x10000;

/** Interfaces by context id; of a pipe, the context id with the file id above it. */
export type Contexts = Map<number, string>;

/** @returns octets of the PDU at `at`, -1 where there is none (version 5.0, ASCII, known type, sane length) */
export function pduBytes(b: Uint8Array, at: number, left: number): number {
  if (left < 16 || b[at] !== 5 || b[at + 1]! > 1 || b[at + 2]! > 20 || (b[at + 4]! & 0x0f) !== 0) return -1;
  const bytes = (b[at + 4]! & 0x10) !== 0 ? u16le(b, at + 8) : u16be(b, at + 8);
  return bytes < 16 ? -1 : bytes;
}

/** One PDU that the client sent, and answers that say whether it was well. */
export function readPdu(b: Uint8Array, at: number, end: number, pipe: number, contexts: Contexts, rows: Rows): void {
  const little = (b[at + 4]! & 0x10) !== 0;
  const u16 = little ? u16le : u16be;
  const type = b[at + 2]!;
  if (type === Pdu.Bind || type === Pdu.Alter) {
    bind(b, at, end, pipe, contexts, little, rows);
    return;
  }
  // Only the first fragment of a request has its operation's arguments; the others repeat its number.
  if (type !== Pdu.Request || (b[at + 3]! & 1) === 0 || at + 24 > end) return;
  const name = contexts.get(pipe * 65_536 + u16(b, at + 20)) ?? '';
  const opnum = u16(b, at + 22);
  const i = rows.add(OperationProtocol.Dcerpc, rpcAct(name, opnum), OperationRole.Request, opnum);
  if (name !== '') rows.batch.setObjectText(i, name);
}

function bind(
  b: Uint8Array,
  at: number,
  end: number,
  pipe: number,
  contexts: Contexts,
  little: boolean,
  rows: Rows,
): void {
  if (at + 28 > end) {
    rows.fault('RPC_SHORT');
    return;
  }
  const items = b[at + 24]!;
  let item = at + 28;
  for (let n = 0; n < Math.min(items, CONTEXTS_MAX) && item + 24 <= end; n++) {
    const id = little ? u16le(b, item) : u16be(b, item);
    const transfers = b[item + 2]!;
    const uuid = little ? u32le(b, item + 4) : u16be(b, item + 4) * 65_536 + u16be(b, item + 6);
    const name = rpcInterfaceOf(uuid, b[item + 19]!);
    if (contexts.size < CONTEXTS_MAX || contexts.has(pipe * 65_536 + id)) contexts.set(pipe * 65_536 + id, name);
    // The same interface is offered once for each transfer syntax: one row is enough.
    if (n === 0) {
      const i = rows.add(OperationProtocol.Dcerpc, OperationAct.Other, OperationRole.Request, RPC_BIND);
      if (name !== '') rows.batch.setObjectText(i, name);
    }
    item += 24 + 20 * transfers;
  }
}
