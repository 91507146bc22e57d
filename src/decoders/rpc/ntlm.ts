// NTLM AUTHENTICATE_MESSAGE (MS-NLMP 2.2.1.3) wherever it lies in a message: domain, user and workstation in the clear.
import { OperationAct, OperationProtocol, OperationRole } from '#events';
import { type Rows, u16le, u32le } from '../ot/index.ts';

const SIGNATURE = [0x4e, 0x54, 0x4c, 0x4d, 0x53, 0x53, 0x50, 0];

/** Looks for the message in [at, end) and tells who logs in. */
export function readNtlm(b: Uint8Array, at: number, end: number, rows: Rows): void {
  const from = find(b, at, end);
  if (from < 0 || from + 64 > end || u32le(b, from + 8) !== 3) return;
  const unicode = (u32le(b, from + 60) & 1) !== 0;
  const domain = field(b, from, from + 28, end, unicode);
  const user = field(b, from, from + 36, end, unicode);
  const workstation = field(b, from, from + 44, end, unicode);
  const i = rows.add(OperationProtocol.Ntlm, OperationAct.Login, OperationRole.Request, 3);
  rows.batch.setUserText(i, domain === '' ? user : `${user}/${domain}`);
  if (workstation !== '') rows.batch.setObjectText(i, workstation);
}

function find(b: Uint8Array, at: number, end: number): number {
  outer: for (let i = at; i + 12 <= end; i++) {
    if (b[i] !== 0x4e) continue;
    for (let k = 1; k < 8; k++) if (b[i + k] !== SIGNATURE[k]) continue outer;
    return i;
  }
  return -1;
}

function field(b: Uint8Array, base: number, at: number, end: number, unicode: boolean): string {
  const from = base + u32le(b, at + 4);
  return textOf(b, from, Math.min(u16le(b, at), 256), end, unicode);
}

/** UTF-16LE or one octet a letter; '' where it lies outside. */
export function textOf(b: Uint8Array, from: number, length: number, end: number, unicode: boolean): string {
  if (from < 0 || from + length > end) return '';
  let text = '';
  const step = unicode ? 2 : 1;
  for (let i = from; i + step <= from + length; i += step) {
    const c = unicode ? u16le(b, i) : b[i]!;
    if (c === 0) break;
    text += String.fromCharCode(c);
  }
  return text;
}
