import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { dns } from '#decoders/dns';
import { formatAddress, formatName, type Sink } from '#events';
import { openBytes, readBytes } from '#sources';
import { dnstap } from '#sources/dnstap';
import { control, DNSTAP, data, field, hear, inner, message, query, type Row, start, stop, u32 } from './testing.ts';

const client = Buffer.from([192, 0, 2, 7]);
const server = Buffer.from([192, 0, 2, 53]);
const asks = (n: number, type = 5): Buffer =>
  message({
    type,
    client,
    server,
    clientPort: 1000 + n,
    serverPort: 53,
    querySeconds: 1_700_000_000 + n,
    queryNanos: 123_456_789,
    query: query(n),
  });

async function read(chunks: readonly Uint8Array[]): Promise<{ rows: Row[]; faults: string[] }> {
  const reader = await readBytes(Readable.from(chunks, { objectMode: true }), 0);
  const heard = hear();
  const source = dnstap.open(reader, 'x.tap');
  while (await source.pull(Number.POSITIVE_INFINITY, heard.sink));
  expect(await source.peekAt()).toBe(Number.POSITIVE_INFINITY);
  source.close();
  return heard;
}
const numbers = (rows: readonly Row[]): number[] => rows.map((r) => r.clientPort - 1000);

describe('a dnstap file', () => {
  it('gives who asked whom, when, over what, and the message', async () => {
    const told = {
      client,
      server,
      clientPort: 4000,
      serverPort: 53,
      querySeconds: 1_700_000_000,
      queryNanos: 999_999_999,
    };
    const six = Buffer.alloc(16);
    six[0] = 0x20;
    six[1] = 1;
    six[15] = 9;
    const { rows, faults } = await read([
      start,
      data(message({ ...told, type: 5, query: query(1) })),
      // A response frame that repeats its query is a response, with the time of the response.
      data(
        message({
          ...told,
          type: 6,
          protocol: 4,
          query: query(1),
          response: query(1, true),
          responseSeconds: 1_700_000_001,
          responseNanos: 1999,
        }),
      ),
      data(message({ type: 3, protocol: 2, client: six, server: six, querySeconds: 5, query: query(2) })),
      data(message({ type: 1, protocol: 9, querySeconds: 6, query: query(3) })),
      stop,
    ]);
    expect(faults).toEqual([]);
    expect(rows).toEqual([
      {
        at: 1_700_000_000_999_999,
        place: 1,
        client: '192.0.2.7',
        clientPort: 4000,
        server: '192.0.2.53',
        serverPort: 53,
        transport: 17,
        message: query(1).toString('hex'),
      },
      {
        at: 1_700_000_001_000_001,
        place: 2,
        client: '192.0.2.7',
        clientPort: 4000,
        server: '192.0.2.53',
        serverPort: 53,
        transport: 6,
        message: query(1, true).toString('hex'),
      },
      {
        at: 5e6,
        place: 3,
        client: '2001::9',
        clientPort: 0,
        server: '2001::9',
        serverPort: 0,
        transport: 6,
        message: query(2).toString('hex'),
      },
      {
        at: 6e6,
        place: 4,
        client: '::',
        clientPort: 0,
        server: '::',
        serverPort: 0,
        transport: 0,
        message: query(3).toString('hex'),
      },
    ]);
  });

  it('takes all fourteen types: the odd ones are queries, the even ones responses', async () => {
    const both = { querySeconds: 1, responseSeconds: 2, query: query(1), response: query(1, true) };
    const types = Array.from({ length: 14 }, (_, i) => i + 1);
    const { rows, faults } = await read([start, ...types.map((type) => data(message({ ...both, type }))), stop]);
    expect(faults).toEqual([]);
    expect(rows.map((r) => [r.at / 1e6, r.message])).toEqual(
      types.map((type) => (type % 2 === 1 ? [1, query(1).toString('hex')] : [2, query(1, true).toString('hex')])),
    );
  });

  it('a client query and the resolver query it causes are two rows, each with its own asker', async () => {
    const resolver = Buffer.from([192, 0, 2, 99]);
    const { rows } = await read([
      start,
      data(asks(1)),
      data(message({ type: 3, client: server, server: resolver, querySeconds: 1_700_000_001, query: query(1) })),
    ]);
    expect(rows.map((r) => [r.client, r.server])).toEqual([
      ['192.0.2.7', '192.0.2.53'],
      ['192.0.2.53', '192.0.2.99'],
    ]);
  });

  it('gives the same rows however the stream is cut into chunks', async () => {
    const stream = Buffer.concat([
      start,
      ...Array.from({ length: 40 }, (_, i) => data(asks(i))),
      control(9),
      data(Buffer.from([0x70])),
      data(asks(41)),
      stop,
    ]);
    const whole = await read([stream]);
    expect(whole.rows).toHaveLength(41);
    expect(whole.faults).toEqual(['DNSTAP_CONTROL', 'DNSTAP_PROTOBUF']);
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1, maxLength: 50 }), async (sizes) => {
        const chunks: Buffer[] = [];
        for (let at = 0, i = 0; at < stream.length; i++) {
          const next = at + sizes[i % sizes.length]!;
          chunks.push(stream.subarray(at, next));
          at = next;
        }
        expect(await read(chunks)).toEqual({ ...whole, sink: expect.anything() });
      }),
      { numRuns: 100, seed: 3 },
    );
  });

  it('emits more rows than a batch holds, in slices of event time', async () => {
    const stream = Buffer.concat([start, ...Array.from({ length: 3000 }, (_, i) => data(asks(i)))]);
    const reader = await readBytes(Readable.from([stream], { objectMode: true }), 0);
    const source = dnstap.open(reader, 'x.tap');
    const heard = hear();
    expect(await source.peekAt()).toBe(1_700_000_000_123_456);
    expect(await source.pull(1_700_000_010e6, heard.sink)).toBe(true);
    expect(heard.rows).toHaveLength(10);
    expect(await source.pull(1_700_000_010e6, heard.sink)).toBe(true);
    expect(heard.rows).toHaveLength(10);
    while (await source.pull(Number.POSITIVE_INFINITY, heard.sink));
    expect(numbers(heard.rows)).toEqual(Array.from({ length: 3000 }, (_, i) => i));
  });

  it('is told from its START frame, compressed or not', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'parapet-dnstap-'));
    const stream = Buffer.concat([start, data(asks(1)), stop]);
    for (const [name, bytes] of [
      ['a', stream],
      ['b', gzipSync(stream)],
      ['c', zstdCompressSync(stream)],
    ] as const) {
      writeFileSync(join(dir, name), bytes);
      const reader = await openBytes(join(dir, name));
      await reader.fill(4096);
      expect(dnstap.probe(reader.buffer.slice(reader.start, reader.end), name)).toBe(true);
      reader.close();
    }
    for (const head of [
      control(2, 'protobuf:other'),
      control(2),
      control(3, DNSTAP),
      data(asks(1)),
      u32(0, 5000, 2),
      u32(0),
      Buffer.alloc(0),
    ])
      expect(dnstap.probe(head, 'x')).toBe(false);
    expect(dnstap.probe(control(4, DNSTAP), 'x')).toBe(true);
  });
});

describe('faults of the stream', () => {
  it('DNS-collector#1217: control frames with fields, types and lengths of a vendor are taken', async () => {
    const vendor = Buffer.concat([u32(77, 3), Buffer.from('abc'), u32(1, 5), Buffer.from('other')]);
    const { rows, faults } = await read([
      control(4, DNSTAP, vendor),
      control(2, DNSTAP, vendor),
      data(asks(1)),
      control(1),
      data(asks(2)),
      stop,
      control(5),
    ]);
    expect(faults).toEqual([]);
    expect(numbers(rows)).toEqual([1, 2]);
  });

  it('DNS-collector#1271: a frame of two DNS messages of 65,535 octets is read', async () => {
    const large = Buffer.alloc(65_535, 1);
    const frame = message({ type: 6, querySeconds: 1, query: large, response: large, responseSeconds: 2 });
    expect(frame.length).toBeGreaterThan(131_072);
    const { rows, faults } = await read([start, data(frame), data(asks(1))]);
    expect(faults).toEqual([]);
    expect(rows.map((r) => r.message.length / 2)).toEqual([65_535, query(1).length]);
  });

  it('a frame beyond the bound is passed over without being held, and the rest is read', async () => {
    const long = Buffer.alloc(3_000_000);
    const { rows, faults } = await read([
      start,
      data(asks(1)),
      data(long),
      u32(0, long.length),
      long,
      data(asks(2)),
      stop,
    ]);
    expect(numbers(rows)).toEqual([1, 2]);
    expect(faults).toEqual(['DNSTAP_FRAME_LENGTH', 'DNSTAP_FRAME_LENGTH']);
    const lie = await read([start, data(asks(1)), u32(0xffffffff), data(asks(2))]);
    expect(numbers(lie.rows)).toEqual([1]);
    expect(lie.faults).toEqual(['DNSTAP_FRAME_LENGTH', 'DNSTAP_TRUNCATED']);
  });

  it('dnstap-ldns#5: a frame without a message is a fault, and the rest is read', async () => {
    const empty = message({ type: 5, client, querySeconds: 1 });
    const { rows, faults } = await read([
      start,
      data(field(15, 1)),
      data(empty),
      data(message({ type: 5, querySeconds: 1, query: Buffer.alloc(0) })),
      data(asks(1)),
    ]);
    expect(numbers(rows)).toEqual([1]);
    expect(rows[0]!.place).toBe(4);
    expect(faults).toEqual(['DNSTAP_NO_MESSAGE', 'DNSTAP_NO_MESSAGE', 'DNSTAP_NO_MESSAGE']);
  });

  it('data outside START and STOP, and other content, are faults', async () => {
    const { rows, faults } = await read([
      start,
      data(asks(1)),
      stop,
      data(asks(2)),
      control(2, 'protobuf:other'),
      data(asks(3)),
      start,
      data(asks(4)),
      stop,
    ]);
    expect(numbers(rows)).toEqual([1, 4]);
    expect(faults).toEqual(['DNSTAP_NOT_STARTED', 'DNSTAP_CONTENT_TYPE', 'DNSTAP_NOT_STARTED']);
  });

  it('fields that lie about their length, and control frames that do, are faults', async () => {
    const good = asks(1);
    const { rows, faults } = await read([
      start,
      data(good.subarray(0, good.length - 3)),
      data(Buffer.from([0x72, 0xff, 0xff, 0xff, 0xff, 0x0f])),
      data(Buffer.from([0x78, ...Array(10).fill(0x80), 1])),
      data(Buffer.from([0x02, 0x00])),
      data(Buffer.from([0x0b])),
      data(field(15, 2)),
      data(
        Buffer.concat([
          field(14, Buffer.concat([inner({ type: 5, query: query(1) }), Buffer.from([0x52, 99])])),
          field(15, 1),
        ]),
      ),
      u32(0, 2),
      Buffer.from([0, 0]),
      control(2, DNSTAP, u32(1, 100)),
      data(asks(2)),
      data(message({ type: 5, querySeconds: 1, query: Buffer.alloc(65_536) })),
    ]);
    expect(numbers(rows)).toEqual([2]);
    expect(faults).toEqual([
      ...Array(5).fill('DNSTAP_PROTOBUF'),
      'DNSTAP_TYPE',
      'DNSTAP_PROTOBUF',
      'DNSTAP_CONTROL',
      'DNSTAP_CONTROL',
      'DNSTAP_MESSAGE_LENGTH',
    ]);
  });

  it('a time that is missing or impossible becomes that of the message before', async () => {
    const late = (querySeconds: number, queryNanos = 0): Buffer =>
      data(message({ type: 5, query: query(1), querySeconds, queryNanos }));
    const { rows, faults } = await read([
      start,
      late(7),
      late(2 ** 53),
      late(8, 1e9),
      data(message({ type: 5, query: query(1) })),
      late(9),
    ]);
    expect(rows.map((r) => r.at / 1e6)).toEqual([7, 7, 7, 7, 9]);
    expect(faults).toEqual(['DNSTAP_NO_TIME', 'DNSTAP_NO_TIME', 'DNSTAP_NO_TIME']);
  });

  it('a cut stream gives its whole frames and one fault, wherever it is cut', async () => {
    const stream = Buffer.concat([start, data(asks(1)), data(asks(2))]);
    const ends = [start.length, start.length + data(asks(1)).length, stream.length];
    for (let cut = start.length; cut <= stream.length; cut++) {
      const { rows, faults } = await read([stream.subarray(0, cut)]);
      expect(rows).toHaveLength(ends.filter((e) => e <= cut).length - 1);
      expect(faults).toEqual(ends.includes(cut) ? [] : ['DNSTAP_TRUNCATED']);
    }
  });

  it('10,000 mutations of a stream end without a throw, and every row lies in the stream', async () => {
    const sound = Buffer.concat([
      start,
      data(asks(1)),
      data(asks(2, 6)),
      control(2, DNSTAP, u32(7, 0)),
      data(asks(3)),
      stop,
    ]);
    let state = 1;
    const next = (below: number): number => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return Math.floor((state / 2 ** 32) * below);
    };
    const codes = new Set<string>();
    let rows = 0;
    for (let run = 0; run < 10_000; run++) {
      let copy = Buffer.from(sound);
      for (let k = 1 + next(4); k > 0; k--) copy[next(copy.length)] = next(4) === 0 ? 0xff : next(256);
      if (next(5) === 0) copy = copy.subarray(0, next(copy.length));
      const heard = await read([copy]);
      for (const r of heard.rows) expect(r.message.length / 2).toBeLessThanOrEqual(copy.length);
      for (const f of heard.faults) codes.add(f);
      rows += heard.rows.length;
    }
    expect(rows).toBeGreaterThan(10_000);
    for (const code of [
      'DNSTAP_PROTOBUF',
      'DNSTAP_TRUNCATED',
      'DNSTAP_FRAME_LENGTH',
      'DNSTAP_NOT_STARTED',
      'DNSTAP_NO_MESSAGE',
      'DNSTAP_CONTROL',
    ])
      expect(codes).toContain(code);
    for (const code of codes) expect(dnstap.card.faults).toHaveProperty(code);
  });

  it('any octets behind START end without a throw', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), async (junk) => {
        await read([start, data(junk), junk]);
      }),
      { numRuns: 1000, seed: 5 },
    );
  });
});

const corpus = join(
  process.env.PARAPET_CORPUS ?? join(import.meta.dirname, '../../../../shared/corpus'),
  'dns',
  'dnstap',
);
const hasPeer = spawnSync('dnstap-read', ['-v']).error === undefined;
if (!existsSync(corpus)) console.log('skipped: no corpus');
if (!hasPeer) console.log('skipped: dnstap-read is not installed');

describe.skipIf(!existsSync(corpus))('the corpus', () => {
  // What `dnstap-read` (BIND 9.18) prints of the same file: time, type, addresses, transport, octets.
  it.skipIf(!hasPeer).each(['bind-client-same-queries.tap', 'bind-large-answer.fstrm', 'dnscollector-dnstap.fstrm'])(
    '%s is what dnstap-read says it is',
    async (name) => {
      const { rows, faults } = await read([readFileSync(join(corpus, name))]);
      expect(faults).toEqual([]);
      const peer = spawnSync('dnstap-read', [join(corpus, name)], {
        env: { ...process.env, TZ: 'UTC' },
        encoding: 'utf8',
      });
      const said = peer.stdout
        .trim()
        .split('\n')
        .map((line) => {
          const m = /^(\S+ \S+) \w+ (\S+):(\d+) ..? ?(\S+):(\d+) (\w+) (\d+)b/.exec(line.replace('<-', '->'))!;
          return [
            Date.parse(`${m[1]!.replaceAll('-', ' ')} UTC`),
            m[2],
            Number(m[3]),
            m[4],
            Number(m[5]),
            m[6],
            Number(m[7]),
          ];
        });
      expect(
        rows.map((r) => [
          Math.floor(r.at / 1000),
          r.client,
          r.clientPort,
          r.server,
          r.serverPort,
          r.transport === 17 ? 'UDP' : 'TCP',
          r.message.length / 2,
        ]),
      ).toEqual(said);
    },
  );

  // logs/same-queries/queries.tsv is what was asked of the server that wrote the file.
  it('the names that were asked are the names that the dns decoder reads', async () => {
    const asked = readFileSync(join(corpus, '../logs/same-queries/queries.tsv'), 'utf8')
      .trim()
      .split('\n')
      .slice(1)
      .map((line) => line.split('\t').slice(0, 2).join(' ').toLowerCase());
    const decoder = dns.create();
    const read: string[] = [];
    const sink: Sink = {
      emit: (batch) => {
        if (batch.kind === 'dns-message') decoder.decode(batch, sink);
        else if (batch.kind === 'dns')
          for (let i = 0; i < batch.count; i++)
            if (batch.isResponse[i] === 0)
              read.push(
                `${formatAddress(batch.addresses, 8 * i)} ${formatName(batch.bytes, batch.nameOffset[i]!, batch.nameBytes[i]!)}`.toLowerCase(),
              );
      },
      fault: (code) => void read.push(code),
    };
    const source = dnstap.open(await openBytes(join(corpus, 'bind-client-same-queries.tap')), 'x');
    while (await source.pull(Number.POSITIVE_INFINITY, sink));
    expect(read.length).toBeGreaterThan(50);
    expect(new Set(read)).toEqual(new Set(asked));
  });
});
