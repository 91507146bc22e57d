import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { City, defaultCity } from '#city';
import { type EventBatch, FlowBatch, FlowPhase, FlowState, formatAddress, type Sink } from '#events';
import { analyze } from '#pipeline';
import type { ByteReader } from '../contract.ts';
import { zeek } from './index.ts';

/** All of a text at once. */
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
      if (!(b instanceof FlowBatch)) return;
      for (let i = 0; i < b.count; i++)
        rows.push({
          ends: `${formatAddress(b.addresses, 8 * i)}:${b.originatorPort[i]} > ${formatAddress(b.addresses, 8 * i + 4)}:${b.responderPort[i]}`,
          at: b.at[i],
          firstAt: b.firstAt[i],
          seconds: (b.lastAt[i]! - b.firstAt[i]!) / 1e6,
          phase: b.phase[i],
          protocol: b.protocol[i],
          state: Object.keys(FlowState)[b.state[i]!],
          service: b.service[i],
          packets: [b.originatorPackets[i], b.responderPackets[i]],
          ipBytes: [b.originatorIpBytes[i], b.responderIpBytes[i]],
          payload: [b.originatorPayloadBytes[i], b.responderPayloadBytes[i]],
          delta: [b.originatorPayloadDelta[i], b.responderPayloadDelta[i]],
          name: Buffer.from(b.bytes.subarray(b.nameOffset[i]!, b.nameOffset[i]! + b.nameBytes[i]!)).toString('latin1'),
          ja4: Buffer.from(b.bytes.subarray(b.ja4Offset[i]!, b.ja4Offset[i]! + b.ja4Bytes[i]!)).toString('latin1'),
          certificate: Buffer.from(
            b.bytes.subarray(b.certificateOffset[i]!, b.certificateOffset[i]! + b.certificateBytes[i]!),
          ).toString('hex'),
          target: b.targetPort[i],
          history: Buffer.from(
            b.bytes.subarray(b.historyOffset[i]!, b.historyOffset[i]! + b.historyBytes[i]!),
          ).toString('latin1'),
          flow: b.flow[i],
          place: b.place[i],
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

type Cells = Readonly<Record<string, string>>;
const conn: Cells = {
  ts: '1700000000.500000',
  uid: 'CabcDEF123',
  'id.orig_h': '10.0.0.1',
  'id.orig_p': '40000',
  'id.resp_h': '192.0.2.1',
  'id.resp_p': '443',
  proto: 'tcp',
  service: 'ssl',
  duration: '2.250000',
  orig_bytes: '100',
  resp_bytes: '2000',
  conn_state: 'SF',
  orig_pkts: '6',
  orig_ip_bytes: '340',
  resp_pkts: '5',
  resp_ip_bytes: '2200',
};
const ends: Cells = Object.fromEntries(Object.entries(conn).slice(0, 6));
const tsv = (path: string, ...lines: Cells[]): string =>
  `#separator \\x09\n#unset_field\t-\n#path\t${path}\n#fields\t${Object.keys(lines[0]!).join('\t')}\n${lines.map((l) => Object.values(l).join('\t')).join('\n')}\n`;

describe('conn.log', () => {
  it('a line is a closed flow with Zeek’s counts and state; it is known when the flow is over', async () => {
    const { rows, faults } = await read(tsv('conn', conn));
    expect(faults).toEqual([]);
    expect(rows).toMatchObject([
      {
        ends: '10.0.0.1:40000 > 192.0.2.1:443',
        at: 1700000002750000,
        firstAt: 1700000000500000,
        seconds: 2.25,
        phase: FlowPhase.Close,
        protocol: 6,
        state: 'SF',
        service: 1,
        packets: [6, 5],
        ipBytes: [340, 2200],
        payload: [100, 2000],
        delta: [100, 2000],
        place: 5,
      },
    ]);
  });

  it('what is unset or no number is 0, an unknown state OTH, an unknown protocol 0', async () => {
    const odd = { duration: '-', orig_bytes: '-', resp_bytes: '-5', orig_pkts: 'x', conn_state: 'NEW', proto: 'other' };
    const { rows } = await read(tsv('conn', { ...conn, ...odd }));
    expect(rows[0]).toMatchObject({ seconds: 0, payload: [0, 0], packets: [0, 5], state: 'OTH', protocol: 0 });
  });

  it('every state word is its number', async () => {
    const words = Object.keys(FlowState);
    const { rows } = await read(tsv('conn', ...words.map((w) => ({ ...conn, conn_state: w }))));
    expect(rows.map((r) => r.state)).toEqual(words);
  });

  it('the service is Zeek’s word, the strongest of several, else the port’s; WinRM by its port', async () => {
    const of = async (service: string, port = '9999'): Promise<unknown> =>
      (await read(tsv('conn', { ...conn, service, 'id.resp_p': port }))).rows[0]!.service;
    expect(await of('gssapi,smb,dce_rpc,krb')).toBe(3);
    expect(await of('dce_rpc,ntlm')).toBe(4);
    expect(await of('-', '502')).toBe(8);
    expect(await of('-', '445')).toBe(3);
    expect(await of('http', '5985')).toBe(11);
    expect(await of('-')).toBe(0);
  });

  it('JSON, dotted or with underscores, is the same', async () => {
    const numbers = Object.fromEntries(
      Object.entries(conn).map(([k, v]) => [k, v !== '' && Number.isFinite(Number(v)) ? Number(v) : v]),
    );
    const under = Object.fromEntries(Object.entries(numbers).map(([k, v]) => [k.replace('id.', 'id_'), v]));
    const { rows: want } = await read(tsv('conn', conn));
    const { rows, faults } = await read(`${JSON.stringify(numbers)}\n${JSON.stringify(under)}\n`);
    expect(faults).toEqual([]);
    expect(rows.map((r) => ({ ...r, place: 5 }))).toEqual([want[0], want[0]]);
  });

  it('a line without addresses is a fault and the rest is read', async () => {
    const { rows, faults } = await read(tsv('conn', { ...conn, 'id.orig_h': '-' }, conn));
    expect(faults).toEqual(['ZEEK_ADDRESS']);
    expect(rows).toHaveLength(1);
  });
});

describe('history', () => {
  it('is Zeek’s, at most fifteen letters', async () => {
    const { rows } = await read(
      tsv('conn', { ...conn, history: 'ShADadFf' }, { ...conn, history: 'D'.repeat(40) }, { ...conn, history: '-' }),
    );
    expect(rows.map((r) => r.history)).toEqual(['ShADadFf', 'D'.repeat(15), '']);
  });
});

describe('http.log and ssl.log', () => {
  it('a line is an opening of the same flow that carries the name, lower-cased, and counts nothing', async () => {
    const { rows: conns } = await read(tsv('conn', conn));
    const { rows: http } = await read(tsv('http', { ...ends, trans_depth: '1', host: 'Shop.Example:8080' }));
    const { rows: ssl } = await read(tsv('ssl', { ...ends, server_name: 'Shop.Example', cipher: 'x' }));
    for (const [row, service] of [
      [http[0], 2],
      [ssl[0], 1],
    ] as const)
      expect(row).toMatchObject({
        name: 'shop.example',
        phase: FlowPhase.Open,
        service,
        flow: conns[0]!.flow,
        payload: [0, 0],
        packets: [0, 0],
      });
  });

  const ja4 = 't13d1516h2_8daaf6152771_02713d6af862';
  const sha256 = 'a1'.repeat(32);

  it('JA4 and the certificate’s SHA-256, where the log has them', async () => {
    const told = {
      ...ends,
      server_name: 'a.example',
      cipher: 'x',
      ja4,
      cert_chain_fps: `${sha256},${'b2'.repeat(32)}`,
    };
    const { rows } = await read(tsv('ssl', told, { ...told, ja4: '-', cert_chain_fps: 'c3'.repeat(20) }));
    expect(rows).toMatchObject([
      { name: 'a.example', ja4, certificate: sha256 },
      { name: 'a.example', ja4: '', certificate: '' },
    ]);
  });

  it('what a proxy was asked for: the host and port of a CONNECT and of an absolute form, whatever Host says', async () => {
    const request = { ...ends, trans_depth: '1', host: 'proxy.example' };
    const { rows } = await read(
      tsv(
        'http',
        { ...request, method: 'CONNECT', uri: 'Shop.Example:8443' },
        { ...request, method: 'CONNECT', uri: '[2001:db8::1]:443' },
        { ...request, method: 'GET', uri: 'http://b.example/x:9' },
        { ...request, method: 'GET', uri: '/http://c.example:1/' },
      ),
    );
    expect(rows).toMatchObject([
      { name: 'shop.example', target: 8443 },
      { name: '2001:db8::1', target: 443 },
      { name: 'b.example', target: 80 },
      { name: 'proxy.example', target: 0 },
    ]);
  });

  it('a line without a name has none; each request of a connection is a row', async () => {
    const request = { ...ends, trans_depth: '1', host: '-' };
    const { rows } = await read(tsv('http', request, { ...request, host: 'a.example' }));
    expect(rows.map((r) => r.name)).toEqual(['', 'a.example']);
  });

  it('names of a full batch keep apart, and a name is cut at 255', async () => {
    const lines = Array.from({ length: 1500 }, (_, i) => ({
      ...ends,
      server_name: `${'n'.repeat(i % 240)}${i}.example`,
      cipher: 'x',
    }));
    const { rows } = await read(tsv('ssl', ...lines, { ...lines[0]!, server_name: 'x'.repeat(300) }));
    expect(rows.slice(0, 1500).map((r) => r.name)).toEqual(lines.map((l) => l.server_name));
    expect(rows[1500]!.name).toBe('x'.repeat(255));
  });

  it('uids do not collide by the ten thousand', async () => {
    const lines = Array.from({ length: 20_000 }, (_, i) => ({ ...conn, uid: `C${(i * 7919).toString(36)}x${i}` }));
    const { rows } = await read(tsv('conn', ...lines));
    expect(new Set(rows.map((r) => r.flow)).size).toBe(20_000);
  });
});

const corpus = join(process.env.PARAPET_CORPUS ?? '../shared/corpus', 'flow/rita');
describe.skipIf(!existsSync(corpus))(
  'corpus flow/rita (skipped where the corpus is not there: set PARAPET_CORPUS)',
  () => {
    const rows = async (folder: string, pattern: RegExp) => {
      const paths = readdirSync(join(corpus, folder)).filter((f) => pattern.test(f));
      return analyze(
        paths.map((f) => join(corpus, folder, f)),
        { city: new City({}, '.'), planes: new Set(['flow']) },
      );
    };

    it('logs cut short and with unknown fields are read as far as they go, with a fault each', async () => {
      const truncated = await rows('truncated', /conn/);
      expect(truncated.rows.flow).toBeGreaterThan(20);
      expect(truncated.faults.length).toBeGreaterThan(0);
      expect((await rows('has_unknown_field', /http/)).rows.flow).toBeGreaterThan(0);
    });

    it('a text that is no log says so', async () => {
      const outcome = await analyze([join(corpus, 'text_file/conn.log')], { city: defaultCity() });
      expect(outcome.faults.length).toBeGreaterThan(0);
    });
  },
);
