// MMS (ISO 9506-2) as IEC 61850-8-1 uses it: behind the session (X.225: give tokens and data transfer) and the presentation
// (X.226, fully encoded data) the confirmed service, its object and its outcome. Control is a write to an Oper, SBOw or Cancel
// structure of functional constraint CO (IEC 61850-8-1, 20).
import { OperationAct, OperationProtocol, OperationRole } from '#events';
import { BerHeader, readHeader } from '#lib/ber';
import type { Rows } from './rows.ts';

const { Other, Read, Write, Command, Engineering } = OperationAct;
const READ = 4;
const WRITE = 5;
/** Codes of services without confirmation and of initiate lie above those of confirmed ones. */
export const MMS_UNCONFIRMED = 256;
export const MMS_INITIATE = 512;
const DEPTH_MAX = 8;

function actOf(service: number): number {
  if (service === WRITE || service === 11 || service === 13) return Write;
  // Domain download and upload (26 to 37), program invocations (38 to 46).
  if ((service >= 26 && service <= 28) || (service >= 36 && service <= 44)) return Engineering;
  if (service === 75 || service === 76 || service === 46) return Write;
  return service <= 12 || (service >= 72 && service <= 77) || service === 65 ? Read : Other;
}

const outer = new BerHeader();
const inner = new BerHeader();
const walk = new BerHeader();

export function readMms(b: Uint8Array, at: number, end: number, rows: Rows): void {
  // Session: give tokens (01 00), data transfer (01 00); a connection's own units are longer and hold the MMS initiate.
  let from = at;
  if (b[at] === 1 && b[at + 1] === 0 && b[at + 2] === 1 && b[at + 3] === 0) from = at + 4;
  else if (b[at] === 0x0d || b[at] === 0x0e) {
    const initiate = b[at] === 0x0d;
    rows.add(
      OperationProtocol.Mms,
      OperationAct.Login,
      initiate ? OperationRole.Request : OperationRole.Response,
      MMS_INITIATE,
    );
    return;
  } else return;
  // Presentation: [APPLICATION 1] { SEQUENCE { context id, [0] user data } }.
  if (!readHeader(b, from, end, outer) || !outer.is(1, 1)) {
    rows.fault('OT_UNKNOWN');
    return;
  }
  if (!readHeader(b, outer.content, outer.contentEnd, outer) || !outer.is(0, 16)) {
    rows.fault('OT_UNKNOWN');
    return;
  }
  let pdu = outer.content;
  let found = false;
  for (let n = 0; n < 4 && pdu < outer.contentEnd; n++) {
    if (!readHeader(b, pdu, outer.contentEnd, inner)) break;
    pdu = inner.next;
    if (inner.identifier === 0xa0) {
      found = true;
      break;
    }
  }
  if (!found || !readHeader(b, inner.content, inner.contentEnd, outer)) {
    rows.fault('OT_UNKNOWN');
    return;
  }
  if (outer.tagClass !== 2) return;
  const { tagNumber: kind, content, contentEnd } = outer;
  if (kind === 0 || kind === 1) {
    confirmed(b, content, contentEnd, kind === 1, rows);
    return;
  }
  if (kind === 2) {
    const i = rows.add(OperationProtocol.Mms, Other, OperationRole.Response, -1);
    rows.batch.status[i] = 1;
  } else if (kind === 3) rows.add(OperationProtocol.Mms, Read, OperationRole.Unsolicited, MMS_UNCONFIRMED);
}

function confirmed(b: Uint8Array, at: number, end: number, response: boolean, rows: Rows): void {
  // invokeID, then (modifiers and) the service.
  let from = at;
  for (let n = 0; n < 3; n++) {
    if (!readHeader(b, from, end, inner)) {
      rows.malformed(OperationProtocol.Mms, 'OT_SHORT');
      return;
    }
    if (inner.tagClass === 2) break;
    from = inner.next;
  }
  if (inner.tagClass !== 2) return;
  const code = inner.tagNumber;
  const { content, contentEnd } = inner;
  const role = response ? OperationRole.Response : OperationRole.Request;
  const i = rows.add(OperationProtocol.Mms, actOf(code), role, code);
  if (response) {
    // Write answers each variable with failure [0] or success [1].
    rows.batch.status[i] = code === WRITE && b[content] === 0x80 && content + 2 < contentEnd ? 1 + b[content + 2]! : 0;
    return;
  }
  if (code !== READ && code !== WRITE && code !== 12) return;
  object(b, content, contentEnd, i, rows);
  const name = rows.batch.objectText(i);
  if (code === WRITE && /\$CO\$.*(\$Oper|\$SBOw|\$Cancel)/.test(name)) rows.batch.act[i] = Command;
}

/** The first names down the first branch: domain and item (VisibleString, or vmd-specific [0]). */
function object(b: Uint8Array, at: number, end: number, row: number, rows: Rows): void {
  let from = at;
  let to = end;
  let text = '';
  for (let depth = 0; depth < DEPTH_MAX; depth++) {
    if (!readHeader(b, from, to, walk)) break;
    if (walk.constructed) {
      from = walk.content;
      to = walk.contentEnd;
      continue;
    }
    if (walk.identifier !== 0x1a) {
      // Not a name (specification with result, a flag): the branch is beside it.
      from = walk.next;
      continue;
    }
    text += (text === '' ? '' : '/') + latin(b, walk.content, walk.contentEnd);
    if (walk.next >= to || text.includes('/')) break;
    from = walk.next;
  }
  if (text !== '') rows.batch.setObjectText(row, text);
}

function latin(b: Uint8Array, at: number, end: number): string {
  let text = '';
  for (let i = at; i < Math.min(end, at + 64); i++) text += String.fromCharCode(b[i]!);
  return text;
}
