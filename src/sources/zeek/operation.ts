// dce_rpc.log, kerberos.log, ntlm.log, smb_files.log and smb_mapping.log to 'operation' rows: the rows that decoders/rpc makes of
// packets, as far as Zeek tells them (one line for a request and its answer).
import {
  BATCH_ROWS,
  OperationAct,
  OperationBatch,
  OperationProtocol,
  OperationRole,
  rpcAct,
  rpcInterfaceNamed,
  rpcOpnum,
} from '#events';
import { parseAddress } from '#lib/address';
import type { ZeekLog, ZeekRows } from './log.ts';
import type { ZeekRow } from './row.ts';

/** Fills what a log says of one operation. @returns false where the line tells none */
type Fill = (row: ZeekRow, b: OperationBatch) => number;

const both = (path: string, fields: readonly string[], fill: Fill): readonly ZeekLog[] =>
  ['id.orig_h', 'id_orig_h'].map((id) => ({
    path,
    jsonFields: [id, ...fields],
    create: () => new OperationRows(fill),
  }));

const { Other, Read, Login, Write } = OperationAct;
const Kdc = { AsReply: 11, TgsReply: 13, Error: 30 } as const;
/** RFC 4120, 7.5.9, as Zeek spells it; the rest is KRB_ERR_GENERIC. */
const errors: Readonly<Record<string, number>> = {
  KDC_ERR_C_PRINCIPAL_UNKNOWN: 6,
  KDC_ERR_S_PRINCIPAL_UNKNOWN: 7,
  KDC_ERR_ETYPE_NOSUPP: 14,
  KDC_ERR_CLIENT_REVOKED: 18,
  KDC_ERR_PREAUTH_FAILED: 24,
  KDC_ERR_PREAUTH_REQUIRED: 25,
  KRB_AP_ERR_MODIFIED: 41,
  KRB_AP_ERR_SKEW: 37,
};
/** RFC 3961, 8. */
const ciphers: Readonly<Record<string, number>> = {
  'des-cbc-md5': 3,
  'aes128-cts-hmac-sha1-96': 17,
  'aes256-cts-hmac-sha1-96': 18,
  'rc4-hmac': 23,
  'rc4-hmac-exp': 24,
};

function kerberos(row: ZeekRow, b: OperationBatch): number {
  const type = row.text('request_type');
  if (type !== 'AS' && type !== 'TGS') return -1;
  const well = /^(true|T)$/.test(row.text('success'));
  const code = !well ? Kdc.Error : type === 'AS' ? Kdc.AsReply : Kdc.TgsReply;
  const i = b.begin(OperationProtocol.Kerberos, well ? Login : Other, OperationRole.Response, code);
  b.status[i] = well ? 0 : (errors[row.text('error_msg')] ?? 60);
  b.objectNumber[i] = ciphers[row.text('cipher')] ?? -1;
  b.setObjectText(i, row.text('service'));
  b.setUserText(i, row.text('client'));
  return i;
}

function dceRpc(row: ZeekRow, b: OperationBatch): number {
  const name = rpcInterfaceNamed(row.text('endpoint'));
  const opnum = rpcOpnum(name, row.text('operation'));
  const i = b.begin(OperationProtocol.Dcerpc, rpcAct(name, opnum), OperationRole.Request, opnum);
  b.setObjectText(i, name);
  return i;
}

function ntlm(row: ZeekRow, b: OperationBatch): number {
  if (row.text('username') === '') return -1;
  const i = b.begin(OperationProtocol.Ntlm, Login, OperationRole.Request, 3);
  const success = row.text('success');
  if (success !== '') b.status[i] = /^(true|T)$/.test(success) ? 0 : 1;
  const domain = row.text('domainname');
  b.setUserText(i, domain === '' ? row.text('username') : `${row.text('username')}/${domain}`);
  b.setObjectText(i, row.text('hostname'));
  return i;
}

const lastPart = (path: string): string => path.slice(path.lastIndexOf('\\') + 1);

function smbFiles(row: ZeekRow, b: OperationBatch): number {
  const action = row.text('action');
  const writes = /WRITE|RENAME|DELETE/.test(action);
  const code = action.endsWith('WRITE') ? 9 : action.endsWith('READ') ? 8 : 5;
  const share = lastPart(row.text('path'));
  const act = share.toUpperCase() === 'IPC$' ? Other : writes ? Write : Read;
  const i = b.begin(OperationProtocol.Smb, act, OperationRole.Request, code);
  b.setObjectText(i, share === '' ? row.text('name') : `${share}\\${row.text('name')}`);
  return i;
}

function smbMapping(row: ZeekRow, b: OperationBatch): number {
  const i = b.begin(OperationProtocol.Smb, Other, OperationRole.Request, 3);
  b.setObjectText(i, lastPart(row.text('path')));
  return i;
}

export const operationLogs: readonly ZeekLog[] = [
  ...both('kerberos', ['request_type', 'client'], kerberos),
  // A ticket shown inside SMB is a line without a request; it must not be taken for a log that isn't read.
  ...both('dce_rpc', ['endpoint', 'operation'], dceRpc),
  ...both('ntlm', ['username'], ntlm),
  ...both('smb_files', ['action', 'name'], smbFiles),
  ...both('smb_mapping', ['path', 'share_type'], smbMapping),
];

class OperationRows implements ZeekRows {
  readonly batch = new OperationBatch();
  readonly #fill: Fill;

  constructor(fill: Fill) {
    this.#fill = fill;
  }

  clear(): void {
    this.batch.count = 0;
  }

  add(row: ZeekRow, at: number, line: number): string {
    const b = this.batch;
    if (b.count >= BATCH_ROWS) return 'ZEEK_FIELD';
    const w = 8 * b.count;
    const either = (field: string): string => row.text(`id.${field}`) || row.text(`id_${field}`);
    if (!parseAddress(either('orig_h'), b.addresses, w)) return 'ZEEK_ADDRESS';
    if (!parseAddress(either('resp_h'), b.addresses, w + 4)) return 'ZEEK_ADDRESS';
    const i = this.#fill(row, b);
    if (i < 0) return '';
    b.at[i] = at;
    b.place[i] = line;
    b.transport[i] = 6;
    b.clientPort[i] = port(either('orig_p'));
    b.serverPort[i] = port(either('resp_p'));
    b.count = i + 1;
    return '';
  }
}

function port(text: string): number {
  const value = Number(text);
  return value > 0 && value < 65_536 ? value : 0;
}
