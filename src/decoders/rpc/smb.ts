// SMB 2 and 3 (MS-SMB2) and the few commands of SMB 1 (MS-CIFS) that say the same: trees connected, files and pipes opened,
// DCERPC inside pipes, NTLM logins. Encrypted messages (MS-SMB2 2.2.41) give one row a connection, so that silence is seen.
import { OperationAct, OperationProtocol, OperationRole } from '#events';
import { type Framing, type Rows, u16be, u16le, u32le } from '../ot/index.ts';
import { type Contexts, pduBytes, readPdu } from './dcerpc.ts';
import { readNtlm, textOf } from './ntlm.ts';

const { Other, Read, Write } = OperationAct;
const Command = { SessionSetup: 1, TreeConnect: 3, Create: 5, Write: 9, Ioctl: 11 } as const;
const Command1 = { SessionSetup: 0x73, TreeConnect: 0x75, NtCreate: 0xa2 } as const;
const ENCRYPTED = 0xfd;
/** FILE_WRITE_DATA, FILE_APPEND_DATA, GENERIC_ALL, GENERIC_WRITE (MS-SMB2 2.2.13.1.1). */
const WRITES = 0x50000006;
const FSCTL_PIPE_TRANSCEIVE = 0x0011c017;
const CONNECTIONS_MAX = 2048;
const TREES_MAX = 64;

/** NetBIOS session service (RFC 1002, 4.3; MS-SMB2 2.1): type 0 and three octets of length. */
export const smbFraming: Framing = {
  headBytes: 2048,
  measure(b, at, left) {
    if (left < 8) return b[at] === 0 || b[at] === 0x81 || b[at] === 0x82 || b[at] === 0x85 ? 0 : -1;
    const type = b[at]!;
    const length = b[at + 1]! * 65_536 + u16be(b, at + 2);
    // Session request, answer and keep-alive of NetBIOS.
    if (type !== 0) return type >= 0x81 && type <= 0x85 && length < 256 ? 4 + length : -1;
    const first = b[at + 4]!;
    if (first < 0xfc || b[at + 5] !== 0x53 || b[at + 6] !== 0x4d || b[at + 7] !== 0x42) return -1;
    return 4 + length;
  },
};

interface Session {
  /** Share by tree id, and by the number of the request that will get one. */
  readonly trees: Map<number, string>;
  readonly asked: Map<number, string>;
  readonly contexts: Contexts;
  encrypted: boolean;
}

export class Smb {
  shed = 0;
  readonly #sessions = new Map<number, Session>();

  get size(): number {
    return this.#sessions.size;
  }

  forget(connection: number): void {
    this.#sessions.delete(connection);
  }

  read(b: Uint8Array, at: number, length: number, rows: Rows): void {
    const end = at + length;
    if (length < 36 || b[at] !== 0) return;
    const kind = b[at + 4]!;
    const s = this.#session(rows.connection);
    if (kind === ENCRYPTED) {
      if (!s.encrypted) rows.add(OperationProtocol.Smb, Other, OperationRole.Request, ENCRYPTED, true);
      s.encrypted = true;
    } else if (kind === 0xff) smb1(b, at + 4, end, s, rows);
    else if (kind === 0xfe) {
      let from = at + 4;
      // Several commands in one message (3.2.4.1.4).
      for (let n = 0; n < 16 && from + 64 <= end; n++) {
        const next = u32le(b, from + 20);
        smb2(b, from, next === 0 ? end : Math.min(end, from + next), s, rows);
        if (next < 64) break;
        from += next;
      }
    }
  }

  #session(connection: number): Session {
    let s = this.#sessions.get(connection);
    if (s !== undefined) return s;
    if (this.#sessions.size >= CONNECTIONS_MAX) {
      this.#sessions.delete(this.#sessions.keys().next().value!);
      this.shed += 1;
    }
    s = { trees: new Map(), asked: new Map(), contexts: new Map(), encrypted: false };
    this.#sessions.set(connection, s);
    return s;
  }
}

function keep(map: Map<number, string>, key: number, value: string): void {
  if (map.size >= TREES_MAX && !map.has(key)) map.delete(map.keys().next().value!);
  map.set(key, value);
}

function smb2(b: Uint8Array, at: number, end: number, s: Session, rows: Rows): void {
  const command = u16le(b, at + 12);
  const message = u32le(b, at + 24);
  const tree = u32le(b, at + 36);
  const body = at + 64;
  if ((b[at + 16]! & 1) !== 0) {
    if (command !== Command.TreeConnect) return;
    const share = s.asked.get(message);
    s.asked.delete(message);
    if (share !== undefined && u32le(b, at + 8) === 0) keep(s.trees, tree, share);
    return;
  }
  if (command === Command.SessionSetup) readNtlm(b, body, end, rows);
  else if (command === Command.TreeConnect && body + 8 <= end) {
    const share = shareOf(textOf(b, at + u16le(b, body + 4), Math.min(u16le(b, body + 6), 1024), end, true));
    keep(s.asked, message, share);
    treeRow(share, command, rows);
  } else if (command === Command.Create && body + 48 <= end) {
    const name = textOf(b, at + u16le(b, body + 44), Math.min(u16le(b, body + 46), 1024), end, true);
    openRow(s.trees.get(tree) ?? '', name, u32le(b, body + 24), command, rows);
  } else if (command === Command.Write && body + 32 <= end) {
    const data = at + u16le(b, body + 2);
    pipe(b, data, Math.min(end, data + u32le(b, body + 4)), u32le(b, body + 24), s, rows);
  } else if (command === Command.Ioctl && body + 32 <= end && u32le(b, body + 4) === FSCTL_PIPE_TRANSCEIVE) {
    const data = at + u32le(b, body + 24);
    pipe(b, data, Math.min(end, data + u32le(b, body + 28)), u32le(b, body + 16), s, rows);
  }
}

function pipe(b: Uint8Array, at: number, end: number, file: number, s: Session, rows: Rows): void {
  if (at < 0 || at + 16 > end || pduBytes(b, at, end - at) < 0) return;
  readPdu(b, at, end, file, s.contexts, rows);
}

function treeRow(share: string, code: number, rows: Rows): void {
  const i = rows.add(OperationProtocol.Smb, Other, OperationRole.Request, code);
  rows.batch.setObjectText(i, share);
}

function openRow(share: string, name: string, access: number, code: number, rows: Rows): void {
  const onPipes = share.toUpperCase() === 'IPC$';
  const act = onPipes ? Other : (access & WRITES) !== 0 ? Write : Read;
  const i = rows.add(OperationProtocol.Smb, act, OperationRole.Request, code);
  rows.batch.setObjectText(i, share === '' ? name : `${share}\\${name}`);
}

/** Last part of \\host\share. */
export function shareOf(path: string): string {
  return path.slice(path.lastIndexOf('\\') + 1);
}

function smb1(b: Uint8Array, at: number, end: number, s: Session, rows: Rows): void {
  const command = b[at + 4]!;
  const unicode = (u16le(b, at + 10) & 0x8000) !== 0;
  const tree = u16le(b, at + 24);
  const message = u16le(b, at + 30);
  const words = at + 33;
  if ((b[at + 9]! & 0x80) !== 0) {
    if (command !== Command1.TreeConnect) return;
    const share = s.asked.get(message);
    s.asked.delete(message);
    if (share !== undefined && u32le(b, at + 5) === 0) keep(s.trees, tree, share);
    return;
  }
  const data = words + 2 * b[at + 32]! + 2;
  if (data > end) return;
  if (command === Command1.SessionSetup) readNtlm(b, data, end, rows);
  else if (command === Command1.TreeConnect && words + 8 <= end) {
    let from = data + u16le(b, words + 6);
    if (unicode && ((from - at) & 1) === 1) from += 1;
    const share = shareOf(textOf(b, from, Math.max(0, Math.min(end - from, 512)), end, unicode));
    keep(s.asked, message, share);
    treeRow(share, command, rows);
  } else if (command === Command1.NtCreate && words + 19 <= end) {
    const from = data + (unicode && ((data - at) & 1) === 1 ? 1 : 0);
    const name = textOf(b, from, Math.max(0, Math.min(u16le(b, words + 5), end - from)), end, unicode);
    openRow(s.trees.get(tree) ?? '', name, u32le(b, words + 15), command, rows);
  }
}
