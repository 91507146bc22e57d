// Kerberos 5 (RFC 4120, 5.4 and 5.9): who asks for a ticket to what, and whether it was given. Over TCP with four octets of
// length (7.2.2), over UDP bare. The client of a TGS request is inside its ticket; the answer names it.
import { OperationAct, OperationProtocol, OperationRole } from '#events';
import { BerHeader, findTag, readHeader } from '#lib/ber';
import { type Framing, type Rows, u32be } from '../ot/index.ts';

export const Kdc = { AsRequest: 10, AsReply: 11, TgsRequest: 12, TgsReply: 13, Error: 30 } as const;
const CONTEXT = 2;
const NAME_PARTS_MAX = 8;

export const kerberosFraming: Framing = {
  headBytes: 16_384,
  measure(b, at, left) {
    if (left < 5) return left >= 1 && b[at] !== 0 ? -1 : 0;
    const length = u32be(b, at);
    const tag = b[at + 4]!;
    // [APPLICATION 10] to 15 and 30, constructed.
    if (length < 8 || length > 1 << 20 || ((tag & 0xe0) !== 0x60 && tag !== 0x7e)) return -1;
    return 4 + length;
  },
};

const message = new BerHeader();
const field = new BerHeader();
const part = new BerHeader();

export function readKerberos(b: Uint8Array, at: number, end: number, rows: Rows): void {
  if (!readHeader(b, at, end, message) || message.tagClass !== 1) {
    rows.fault('RPC_SHORT');
    return;
  }
  const code = message.tagNumber;
  if (!readHeader(b, message.content, message.contentEnd, message) || !message.is(0, 16)) {
    rows.fault('RPC_SHORT');
    return;
  }
  const { content: from, contentEnd: to } = message;
  if (code === Kdc.AsRequest || code === Kdc.TgsRequest) {
    // req-body [4]: options [0], cname [1], realm [2], sname [3].
    if (!findTag(b, from, to, CONTEXT, 4, field) || !readHeader(b, field.content, field.contentEnd, field)) return;
    const { content, contentEnd } = field;
    const user = principal(b, content, contentEnd, 1);
    const realm = stringAt(b, content, contentEnd, 2);
    const i = rows.add(OperationProtocol.Kerberos, OperationAct.Other, OperationRole.Request, code);
    rows.batch.objectCount[i] = proofs(b, from, to);
    if (user !== '') rows.batch.setUserText(i, `${user}/${realm}`);
    rows.batch.setObjectText(i, principal(b, content, contentEnd, 3));
  } else if (code === Kdc.AsReply || code === Kdc.TgsReply) {
    // crealm [3], cname [4], ticket [5]: [APPLICATION 1] { realm [1], sname [2], enc-part [3] { etype [0] } }.
    const realm = stringAt(b, from, to, 3);
    const user = principal(b, from, to, 4);
    const i = rows.add(OperationProtocol.Kerberos, OperationAct.Login, OperationRole.Response, code);
    rows.batch.status[i] = 0;
    rows.batch.setUserText(i, `${user}/${realm}`);
    if (!findTag(b, from, to, CONTEXT, 5, field) || !readHeader(b, field.content, field.contentEnd, field)) return;
    if (!readHeader(b, field.content, field.contentEnd, field)) return;
    const { content, contentEnd } = field;
    rows.batch.setObjectText(i, principal(b, content, contentEnd, 2));
    if (
      findTag(b, content, contentEnd, CONTEXT, 3, field) &&
      readHeader(b, field.content, field.contentEnd, field) &&
      findTag(b, field.content, field.contentEnd, CONTEXT, 0, part)
    )
      rows.batch.objectNumber[i] = integer(b, part.content, part.contentEnd);
  } else if (code === Kdc.Error) {
    // error-code [6], cname [8], realm [9], sname [10].
    const i = rows.add(OperationProtocol.Kerberos, OperationAct.Other, OperationRole.Response, code);
    if (findTag(b, from, to, CONTEXT, 6, field)) rows.batch.status[i] = integer(b, field.content, field.contentEnd);
    const user = principal(b, from, to, 8);
    if (user !== '') rows.batch.setUserText(i, `${user}/${stringAt(b, from, to, 9)}`);
    rows.batch.setObjectText(i, principal(b, from, to, 10));
  }
}

/** Pre-authentication data that prove who asks: encrypted time stamp, signed keys, encrypted challenge, armour (RFC 4120, 7.5.2; RFC 6113). */
const proving = new Set([2, 16, 17, 136, 138]);
const PROOFS_MAX = 16;

/** padata [3] SEQUENCE OF { type [1], value [2] }. @returns how many of them prove who asks */
function proofs(b: Uint8Array, at: number, end: number): number {
  if (!findTag(b, at, end, CONTEXT, 3, part) || !readHeader(b, part.content, part.contentEnd, part)) return 0;
  let next = part.content;
  const to = part.contentEnd;
  let count = 0;
  for (let n = 0; n < PROOFS_MAX && next < to && readHeader(b, next, to, part); n++) {
    next = part.next;
    if (
      findTag(b, part.content, part.contentEnd, CONTEXT, 1, part) &&
      proving.has(integer(b, part.content, part.contentEnd))
    )
      count += 1;
  }
  return count;
}

/** INTEGER inside an explicit tag; small and positive ones only. */
function integer(b: Uint8Array, at: number, end: number): number {
  if (!readHeader(b, at, end, part) || part.identifier !== 2) return -1;
  let value = 0;
  for (let i = part.content; i < Math.min(part.contentEnd, part.content + 4); i++) value = value * 256 + b[i]!;
  return value;
}

function stringAt(b: Uint8Array, at: number, end: number, tag: number): string {
  if (!findTag(b, at, end, CONTEXT, tag, part) || !readHeader(b, part.content, part.contentEnd, part)) return '';
  return text(b, part.content, part.contentEnd);
}

/** PrincipalName { name-type [0], name-string [1] SEQUENCE OF } in tag `tag`, parts joined by '/' (RFC 1964, 2.1.1). */
function principal(b: Uint8Array, at: number, end: number, tag: number): string {
  if (!findTag(b, at, end, CONTEXT, tag, part) || !readHeader(b, part.content, part.contentEnd, part)) return '';
  if (!findTag(b, part.content, part.contentEnd, CONTEXT, 1, part)) return '';
  if (!readHeader(b, part.content, part.contentEnd, part)) return '';
  let from = part.content;
  const to = part.contentEnd;
  let name = '';
  for (let n = 0; n < NAME_PARTS_MAX && from < to && readHeader(b, from, to, part); n++) {
    name += (n === 0 ? '' : '/') + text(b, part.content, part.contentEnd);
    from = part.next;
  }
  return name;
}

function text(b: Uint8Array, at: number, end: number): string {
  let out = '';
  for (let i = at; i < Math.min(end, at + 128); i++) out += String.fromCharCode(b[i]!);
  return out;
}
