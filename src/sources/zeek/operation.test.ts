import { describe, expect, it } from 'vitest';
import { type EventBatch, OperationAct, OperationBatch, OperationProtocol, OperationRole, type Sink } from '#events';
import type { ByteReader } from '../contract.ts';
import { zeek } from './index.ts';

class Whole implements ByteReader {
  readonly buffer: Uint8Array;
  start = 0;
  readonly end: number;
  readonly position = 0;
  readonly progress = { read: 0, size: 0 };
  constructor(text: string) {
    this.buffer = Buffer.from(text, 'latin1');
    this.end = this.buffer.length;
  }
  async fill(): Promise<number> {
    return this.end - this.start;
  }
  close(): void {}
}

async function read(text: string) {
  const rows: Record<string, unknown>[] = [];
  const faults: string[] = [];
  const sink: Sink = {
    emit: (b: EventBatch) => {
      if (!(b instanceof OperationBatch)) return;
      for (let i = 0; i < b.count; i++)
        rows.push({
          protocol: b.protocol[i],
          act: b.act[i],
          role: b.role[i],
          code: b.code[i],
          status: b.status[i],
          object: b.objectText(i),
          user: b.userText(i),
          number: b.objectNumber[i],
          serverPort: b.serverPort[i],
        });
      b.bytes.fill(0xa5);
    },
    fault: (code) => void faults.push(code),
  };
  const source = zeek.open(new Whole(text), 'x.log');
  while (await source.pull(Number.POSITIVE_INFINITY, sink));
  source.close();
  return { rows, faults };
}

const ends = {
  ts: 1_700_000_000.5,
  uid: 'Cabc',
  'id.orig_h': '10.0.0.1',
  'id.orig_p': 40_000,
  'id.resp_h': '10.0.0.4',
  'id.resp_p': 445,
};
const json = (more: object): string => `${JSON.stringify({ ...ends, ...more })}\n`;
const tsv = (path: string, more: Record<string, string>): string => {
  const all = { ...ends, ...more };
  return `#separator \\x09\n#unset_field\t-\n#path\t${path}\n#fields\t${Object.keys(all).join('\t')}\n${Object.values(all).join('\t')}\n`;
};

describe('operations from logs', () => {
  const { Response } = OperationRole;
  it.each([
    [
      'kerberos',
      { request_type: 'TGS', client: 'eve/corp', service: 'HTTP/SRV', success: 'T', cipher: 'rc4-hmac' },
      {
        protocol: OperationProtocol.Kerberos,
        act: OperationAct.Login,
        role: Response,
        code: 13,
        status: 0,
        user: 'eve/corp',
        object: 'HTTP/SRV',
        number: 23,
      },
    ],
    [
      'kerberos',
      {
        request_type: 'AS',
        client: 'eve/corp',
        service: 'krbtgt/corp',
        success: 'F',
        error_msg: 'KDC_ERR_PREAUTH_REQUIRED',
      },
      { code: 30, status: 25 },
    ],
    [
      'dce_rpc',
      { named_pipe: '\\pipe\\svcctl', endpoint: 'svcctl', operation: 'CreateServiceW' },
      { protocol: OperationProtocol.Dcerpc, act: OperationAct.Command, code: 12, object: 'svcctl', serverPort: 445 },
    ],
    ['dce_rpc', { endpoint: 'other', operation: 'What' }, { code: -1, object: 'other', act: OperationAct.Other }],
    [
      'ntlm',
      { username: 'bob', hostname: 'WS1', domainname: 'DOM', success: 'T' },
      { protocol: OperationProtocol.Ntlm, user: 'bob/DOM', object: 'WS1', status: 0 },
    ],
    [
      'smb_files',
      { action: 'SMB::FILE_WRITE', path: '\\\\H\\ADMIN$', name: 'a.exe' },
      { protocol: OperationProtocol.Smb, act: OperationAct.Write, code: 9, object: 'ADMIN$\\a.exe' },
    ],
    ['smb_mapping', { path: '\\\\H\\IPC$', share_type: 'PIPE' }, { code: 3, object: 'IPC$' }],
  ] as const)('%s.log: TSV and JSON give the same row', async (path, fields, want) => {
    const a = await read(tsv(path, fields));
    const b = await read(json(fields));
    expect(a.faults).toEqual([]);
    expect(a.rows).toMatchObject([want]);
    expect(b.rows).toEqual(a.rows);
  });

  it('a log whose first lines are of a lesser kind is known all the same', () => {
    const text = `${json({})}${json({})}${json({ request_type: 'AS', client: 'a/B', service: 'krbtgt/B' })}`;
    expect(zeek.probe(Buffer.from(text), 'kerberos.log')).toBe(true);
  });
});
