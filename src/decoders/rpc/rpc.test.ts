import { existsSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { OperationAct, OperationProtocol, OperationRole } from '#events';
import { Collector, chunk, hex, packet } from '../ot/testing.ts';
import { rpc } from './index.ts';

function run(...batches: Parameters<ReturnType<typeof rpc.create>['decode']>[0][]) {
  const out = new Collector();
  const decoder = rpc.create();
  for (const b of batches) decoder.decode(b, out);
  decoder.end(out);
  return out;
}
const le16 = (n: number): number[] => [n & 255, n >> 8];
const le32 = (n: number): number[] => [...le16(n & 0xffff), ...le16(n >>> 16)];
const utf16 = (text: string): number[] => [...Buffer.from(text, 'utf16le')];
const zeros = (n: number): number[] => new Array<number>(n).fill(0);

const svcctl = hex('81bb7a36 4498f135 ad3298f0 38001003 02000000');
const pdu = (type: number, body: number[]): number[] => [
  5,
  0,
  type,
  3,
  0x10,
  0,
  0,
  0,
  ...le16(16 + body.length),
  0,
  0,
  1,
  0,
  0,
  0,
  ...body,
];
const bind = pdu(11, [...zeros(8), 1, 0, 0, 0, 0, 0, 1, 0, ...svcctl, ...zeros(20)]);
const request = (opnum: number): number[] => pdu(0, [...le32(4), ...le16(0), ...le16(opnum), 1, 2, 3, 4]);

function smb2(
  command: number,
  body: number[],
  o: { response?: boolean; message?: number; tree?: number } = {},
): number[] {
  const head = [
    0xfe,
    0x53,
    0x4d,
    0x42,
    64,
    0,
    0,
    0,
    ...le32(0),
    ...le16(command),
    0,
    0,
    ...le32(o.response ? 1 : 0),
    ...le32(0),
  ];
  const whole = [...head, ...le32(o.message ?? 1), ...zeros(8), ...le32(o.tree ?? 0), ...zeros(24), ...body];
  return [0, 0, whole.length >> 8, whole.length & 255, ...whole];
}
const tree = (path: string): number[] => [9, 0, 0, 0, ...le16(72), ...le16(2 * path.length), ...utf16(path)];
const create = (name: string, access: number): number[] => [
  ...zeros(24),
  ...le32(access),
  ...zeros(16),
  ...le16(64 + 56),
  ...le16(2 * name.length),
  ...zeros(8),
  ...utf16(name),
];
const up = (bytes: number[], port = 445, more = {}) => chunk(bytes, port, more);
const down = (bytes: number[], port = 445, more = {}) => chunk(bytes, port, { fromClient: false, ...more });

describe('SMB', () => {
  const connected = [
    up(smb2(3, tree('\\\\HOST\\ADMIN$'), { message: 5 })),
    down(smb2(3, zeros(16), { response: true, message: 5, tree: 9 })),
  ];
  it('PsExec: a program written to ADMIN$, then a service made through the pipe', () => {
    const write = smb2(9, [
      49,
      0,
      ...le16(64 + 48),
      ...le32(bind.length),
      ...zeros(8),
      ...zeros(8),
      ...le32(77),
      ...zeros(20),
      ...bind,
    ]);
    const call = request(12);
    const ioctl = smb2(11, [
      57,
      0,
      0,
      0,
      ...le32(0x11c017),
      ...zeros(8),
      ...le32(77),
      ...zeros(4),
      ...le32(64 + 56),
      ...le32(call.length),
      ...zeros(24),
      ...call,
    ]);
    const { rows, faults } = run(
      ...connected,
      up(smb2(5, create('PSEXESVC.exe', 0x40000000), { tree: 9 })),
      up(write),
      up(ioctl),
    );
    expect(faults).toEqual([]);
    expect(rows).toMatchObject([
      { protocol: OperationProtocol.Smb, code: 3, object: 'ADMIN$' },
      { protocol: OperationProtocol.Smb, code: 5, act: OperationAct.Write, object: 'ADMIN$\\PSEXESVC.exe' },
      { protocol: OperationProtocol.Dcerpc, object: 'svcctl' },
      { protocol: OperationProtocol.Dcerpc, object: 'svcctl', code: 12, act: OperationAct.Command },
    ]);
  });
  it('reading is no writing; a chunk cut anywhere gives the same rows', () => {
    const bytes = [...smb2(3, tree('\\\\H\\C$')), ...smb2(5, create('a.txt', 1))];
    for (let cut = 0; cut <= bytes.length; cut += 3) {
      const { rows } = run(up(bytes.slice(0, cut)), up(bytes.slice(cut)));
      expect(rows.map((r) => [r.code, r.act])).toEqual([
        [3, OperationAct.Other],
        [5, OperationAct.Read],
      ]);
    }
  });
  it('the body of a long write may be missing: the next message is read', () => {
    const long = smb2(9, zeros(48 + 3000));
    const { rows, faults } = run(
      up(long.slice(0, 200)),
      up([], 445, { gapBytes: long.length - 200 }),
      up(smb2(3, tree('\\\\H\\IPC$'))),
    );
    expect(faults).toEqual(['RPC_LOST']);
    expect(rows).toMatchObject([{ object: 'IPC$' }]);
    const kept = run(
      up(long.slice(0, 2500)),
      up([], 445, { gapBytes: long.length - 2500 }),
      up(smb2(3, tree('\\\\H\\IPC$'))),
    );
    expect(kept.faults).toEqual([]);
    const whole = run(up(long.slice(0, 2500)), up(long.slice(2500)), up(smb2(3, tree('\\\\H\\IPC$'))));
    expect(whole.faults).toEqual([]);
    expect(whole.rows).toMatchObject([{ object: 'IPC$' }]);
  });
  it('NTLM: user, domain and workstation of a login', () => {
    const fields = [
      ['DOM', 28],
      ['bob', 36],
      ['WS1', 44],
    ] as const;
    const ntlm = [...Buffer.from('NTLMSSP\0'), ...le32(3), ...zeros(52)];
    let at = 64;
    const texts: number[] = [];
    for (const [text, field] of fields) {
      ntlm.splice(field, 8, ...le16(6), ...le16(6), ...le32(at));
      texts.push(...utf16(text));
      at += 6;
    }
    ntlm.splice(60, 4, 1, 0, 0, 0);
    expect(run(up(smb2(1, [...zeros(24), ...ntlm.slice(0, 64), ...texts]))).rows).toMatchObject([
      { protocol: OperationProtocol.Ntlm, act: OperationAct.Login, user: 'bob/DOM', object: 'WS1' },
    ]);
  });
});

describe('DCERPC on a port of its own', () => {
  it('bind then request in two packets; a segment sent twice counts once', () => {
    const first = packet(bind, 6, 50_000, 49_667);
    const second = packet(request(19), 6, 50_000, 49_667);
    second.tcpSequence[0] = 100;
    const { rows } = run(first, second, second);
    expect(rows).toMatchObject([
      { object: 'svcctl' },
      { object: 'svcctl', code: 19, act: OperationAct.Command, serverPort: 49_667 },
    ]);
  });
  it('midstream: an operation without its interface has no name and no purpose', () => {
    expect(run(packet(request(12), 6, 50_000, 49_667)).rows).toMatchObject([
      { object: '', act: OperationAct.Other, code: 12 },
    ]);
  });
});

describe('Kerberos and WinRM', () => {
  const tlv = (tag: number, ...inside: number[][]): number[] => {
    const flat = inside.flat();
    return [tag, ...(flat.length < 128 ? [flat.length] : [0x81, flat.length]), ...flat];
  };
  const text = (s: string): number[] => tlv(0x1b, [...Buffer.from(s)]);
  const name = (...parts: string[]): number[] =>
    tlv(0x30, tlv(0xa0, [2, 1, 2]), tlv(0xa1, tlv(0x30, ...parts.map(text))));
  const reply = tlv(
    0x6d,
    tlv(
      0x30,
      tlv(0xa0, [2, 1, 5]),
      tlv(0xa1, [2, 1, 13]),
      tlv(0xa3, text('corp.example')),
      tlv(0xa4, name('eve')),
      tlv(
        0xa5,
        tlv(
          0x61,
          tlv(
            0x30,
            tlv(0xa0, [2, 1, 5]),
            tlv(0xa1, text('CORP')),
            tlv(0xa2, name('HTTP', 'SRV')),
            tlv(0xa3, tlv(0x30, tlv(0xa0, [2, 1, 23]))),
          ),
        ),
      ),
    ),
  );
  it('a ticket given: user with the realm as it is spelled, service, cipher, over UDP and TCP', () => {
    const want = [
      {
        protocol: OperationProtocol.Kerberos,
        code: 13,
        role: OperationRole.Response,
        status: 0,
        user: 'eve/corp.example',
        object: 'HTTP/SRV',
        number: 23,
        client: '10.0.0.2',
      },
    ];
    expect(run(packet(reply, 17, 88, 40_000)).rows).toMatchObject(want);
    expect(run(down([0, 0, 0, reply.length, ...reply], 88)).rows).toMatchObject([{ ...want[0]!, client: '10.0.0.1' }]);
  });
  it('an error with its code', () => {
    const error = tlv(
      0x7e,
      tlv(
        0x30,
        tlv(0xa0, [2, 1, 5]),
        tlv(0xa1, [2, 1, 30]),
        tlv(0xa6, [2, 1, 25]),
        tlv(0xa9, text('CORP')),
        tlv(0xaa, name('krbtgt', 'CORP')),
      ),
    );
    expect(run(packet(error, 17, 88, 40_000)).rows).toMatchObject([{ code: 30, status: 25, object: 'krbtgt/CORP' }]);
  });
  it('POST to /wsman on 5985, and nothing else', () => {
    const post = (path: string) => packet([...Buffer.from(`POST ${path} HTTP/1.1\r\n`)], 6, 40_000, 5985);
    expect(run(post('/wsman?PSVersion=5'), post('/other')).rows).toMatchObject([
      { protocol: OperationProtocol.Winrm, object: '/wsman?PSVersion=5' },
    ]);
  });
});

describe('bounds', () => {
  it('ten thousand mutations: no throw, rows stay finite', () => {
    const seeds: [number, number[]][] = [
      [445, smb2(3, tree('\\\\HOST\\ADMIN$'))],
      [445, smb2(5, create('a.exe', 0x40000000))],
      [445, smb2(9, [49, 0, ...le16(112), ...le32(bind.length), ...zeros(40), ...bind])],
      [
        445,
        [
          0,
          0,
          0,
          90,
          0xff,
          0x53,
          0x4d,
          0x42,
          0x75,
          ...zeros(27),
          4,
          ...zeros(4),
          0,
          0,
          0,
          0,
          20,
          0,
          ...Buffer.from('\\\\h\\IPC$'),
          ...zeros(30),
        ],
      ],
      [135, bind],
      [135, request(1)],
      [
        88,
        hex(
          '0000002e 6a2c 302a a103 020105 a203 02010a a41e 301c a007 0305 0000000000 a111 300f a003 020101 a108 3006 1b04 61616161',
        ),
      ],
    ];
    const decoder = rpc.create();
    const out = new Collector();
    let n = 0;
    fc.assert(
      fc.property(
        fc.constantFrom(...seeds),
        fc.array(fc.tuple(fc.nat(200), fc.nat(255)), { maxLength: 6 }),
        fc.nat(200),
        fc.boolean(),
        ([port, seed], changes, cut, fromClient) => {
          const bytes = [...seed];
          for (const [at, value] of changes) bytes[at % bytes.length] = value;
          const at = cut % (bytes.length + 1);
          const connection = ++n;
          decoder.decode(chunk(bytes.slice(0, at), port, { connection, fromClient }), out);
          decoder.decode(chunk(bytes.slice(at), port, { connection, fromClient, gapBytes: n % 5 }), out);
          decoder.decode(packet(bytes, n % 2 === 0 ? 6 : 17, 40_000 + (n % 100), port), out);
        },
      ),
      { numRuns: 10_000, seed: 1 },
    );
    expect(out.rows.length).toBeGreaterThan(500);
  });
  it('connections are bounded, and what goes is counted', () => {
    const decoder = rpc.create() as ReturnType<typeof rpc.create> & { held: number };
    const out = new Collector();
    for (let n = 1; n <= 5000; n++) decoder.decode(packet(bind, 6, 10_000 + n, 49_667), out);
    for (let n = 1; n <= 3000; n++) decoder.decode(up(smb2(3, tree('\\\\H\\X')), 445, { connection: n }), out);
    expect(decoder.held).toBeLessThanOrEqual(4096 + 2048);
    expect(decoder.shed).toBe(5000 - 4096 + 3000 - 2048);
  });
});

const corpus = join(process.env.PARAPET_CORPUS ?? '../shared/corpus', 'flow/suricata');
describe.skipIf(!existsSync(corpus))('corpus flow/suricata (skipped where it is not there: set PARAPET_CORPUS)', () => {
  it.each([
    ['smb2-04.pcap', 'atsvc', 0],
    ['smb2-07.pcap', 'svcctl', 45],
    ['smb2-07.pcap', 'svcctl', 19],
  ])('%s: %s operation %i is seen from packets', async (file, object, code) => {
    const { decoders, Engine, Feed } = await import('#pipeline');
    const { City } = await import('#city');
    const out = new Collector();
    const chain = decoders.filter((d) => ['ip', 'tcp', 'rpc'].includes(d.card.name)).map((d) => d.create());
    const sink = {
      emit(b: Parameters<Collector['emit']>[0]): void {
        for (const d of chain) if (d.card.takes.includes(b.kind)) d.decode(b, sink);
        out.emit(b);
      },
      fault: (): void => {},
    };
    const engine = new Engine({ city: new City({}, '.'), planes: new Set(), evidenceAll: false, claim: () => {} });
    const feed = new Feed([join(corpus, file)], engine.faults, false);
    while ((await feed.next(sink)) !== undefined);
    feed.close();
    expect(out.rows.some((r) => r.object === object && r.code === code && r.act === OperationAct.Command)).toBe(true);
  });
});
