import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Collector, readText } from '../lines/testing.ts';
import { zeek } from '../zeek/index.ts';
import { eve } from './index.ts';

const event = (dns: object | undefined, more: object = {}): string =>
  JSON.stringify({
    timestamp: '2024-07-05T02:00:00.250001+0200',
    flow_id: 7,
    event_type: 'dns',
    src_ip: '10.0.0.1',
    src_port: 4000,
    dest_ip: '10.0.0.53',
    dest_port: 53,
    proto: 'UDP',
    ...(dns === undefined ? {} : { dns }),
    ...more,
  });
const swapped = { src_ip: '10.0.0.53', src_port: 53, dest_ip: '10.0.0.1', dest_port: 4000 };
const read = (...lines: string[]): Promise<Collector> => readText(eve, `${lines.join('\n')}\n`);
const ends = { client: '10.0.0.1', clientPort: 4000, server: '10.0.0.53', serverPort: 53 };

describe('EVE dns events', () => {
  it('public fault 36: versions 1, 2 and 3 give the same rows', async () => {
    const cname = { rrname: 'a.example', rrtype: 'CNAME', ttl: 30, rdata: 'b.example' };
    const a = { rrname: 'b.example', rrtype: 'A', ttl: 20, rdata: '192.0.2.7' };
    const told = { id: 9, flags: '8180', rcode: 'NOERROR' };
    const one = await read(
      event({ type: 'query', id: 9, rrname: 'a.example', rrtype: 'A', tx_id: 0 }),
      event({ type: 'answer', ...told, ...cname }, swapped),
      event({ type: 'answer', ...told, ...a }, swapped),
    );
    const two = await read(
      event({ type: 'query', id: 9, rrname: 'a.example', rrtype: 'A', tx_id: 0 }),
      event({ version: 2, type: 'answer', ...told, rrname: 'a.example', rrtype: 'A', answers: [cname, a] }, swapped),
    );
    const queries = [{ rrname: 'a.example', rrtype: 'A' }];
    const three = await read(
      event({ version: 3, type: 'request', id: 9, flags: '0', rcode: 'NOERROR', queries }),
      event({ version: 3, type: 'response', ...told, queries, answers: [cname, a] }),
    );
    expect([one.faults, two.faults, three.faults]).toEqual([[], [], []]);
    expect(two.rows).toEqual(one.rows);
    expect(three.rows).toEqual(one.rows);
    expect(one.rows).toMatchObject([
      { ...ends, at: 1720137600250001, isResponse: 0, rcode: -1, id: 9, name: 'a.example', transport: 17 },
      { ...ends, isResponse: 1, rcode: 0, answers: 2, answerType: 1, ttl: 20, addresses: ['192.0.2.7'], flags: 0x8180 },
    ]);
    expect(one.rows[1]!.dataBytes).toBe(11);
  });

  it('version 2 with grouped answers only', async () => {
    const dns = { version: 2, type: 'answer', id: 1, rcode: 'NOERROR', rrname: 'x.example', rrtype: 'TXT' };
    const { rows } = await read(event({ ...dns, grouped: { TXT: ['abc', 'defg'] } }, swapped));
    expect(rows).toMatchObject([{ answers: 2, dataBytes: 7, answerType: 16, ttl: -1, rcode: 0 }]);
  });

  it('answers: the client is the side without the DNS port, whichever way the line is written', async () => {
    const dns = { version: 3, type: 'response', id: 1, queries: [{ rrname: 'x.example', rrtype: 'A' }] };
    for (const sides of [{}, swapped]) expect((await read(event(dns, sides))).rows[0]).toMatchObject(ends);
    const odd = { src_port: 5300, dest_port: 4000 };
    expect((await read(event({ ...dns, version: 2 }, { ...swapped, ...odd }))).rows[0]).toMatchObject({
      client: '10.0.0.1',
    });
    expect((await read(event(dns, { src_port: 4000, dest_port: 5300 }))).rows[0]).toMatchObject({ client: '10.0.0.1' });
  });

  it('public fault 2: each question counts, the data of the answer once', async () => {
    const queries = [
      { rrname: 'a.example', rrtype: 'TXT' },
      { rrname: 'b.example', rrtype: 'HTTPS' },
    ];
    const answers = [{ rrname: 'a.example', rrtype: 'TXT', ttl: 1, rdata: 'xyz' }];
    const { rows } = await read(event({ version: 3, type: 'response', id: 1, rcode: 'NOERROR', queries, answers }));
    expect(rows.map((r) => [r.name, r.qtype, r.dataBytes, r.answers])).toEqual([
      ['a.example', 16, 3, 1],
      ['b.example', 65, 0, 1],
    ]);
  });

  it('public faults 1, 3, 4, 5: the longest name, rcodes, an answer without records, types without a name', async () => {
    const long = Array(127).fill('a').join('.');
    const dns = { version: 2, type: 'answer', id: 1, rrname: long, rrtype: 'A', answers: [] };
    const { rows, faults } = await read(
      event({ ...dns, rcode: 'NOERROR' }, swapped),
      event({ ...dns, rcode: 'BADVERS' }, swapped),
      event({ ...dns, rrtype: '65399', flags: '8183' }, swapped),
      event({ version: 3, type: 'request', id: 1, queries: [{ rrname: 'x.example', rrtype: 'NEVER' }] }),
      event({ version: 3, type: 'request', id: 1, queries: [] }),
    );
    expect(rows.map((r) => [r.labels, r.qtype, r.rcode, r.answers])).toEqual([
      [127, 1, 0, 0],
      [127, 1, 16, 0],
      [127, 65399, 3, 0],
      [2, 0, -1, 0],
      [0, 0, -1, 0],
    ]);
    expect(faults).toEqual([{ code: 'EVE_RRTYPE', line: 4 }]);
  });

  it('octets of a name: as they stand in the line, from \\u escapes, and as \\xHH', async () => {
    const query = (rrname: string): string => event({ type: 'query', id: 1, rrname, rrtype: 'A' });
    const { rows } = await read(
      query('\xbc\xe9.example'),
      query('\u00e9.example').replace('\u00e9', '\\u00e9'),
      query('\\xbc.example'),
    );
    expect(rows.map((r) => r.name)).toEqual(['\\188\\233.example', '\\195\\169.example', '\\188.example']);
  });

  it('other events are passed over without a fault, and end an answer that is held', async () => {
    const answer = event(
      { type: 'answer', id: 9, rcode: 'NOERROR', rrname: 'a.example', rrtype: 'A', rdata: '192.0.2.7' },
      swapped,
    );
    const { rows, faults } = await read(answer, event(undefined, { event_type: 'stats', stats: {} }), answer);
    expect(rows.map((r) => r.line)).toEqual([1, 3]);
    expect(faults).toEqual([]);
  });

  it('bad lines are faults with their numbers, the rest is read', async () => {
    const query = { type: 'query', id: 1, rrname: 'a.example', rrtype: 'A' };
    const { rows, faults } = await read(
      '{broken',
      '[1]',
      '{"x":1}',
      event(undefined),
      event({ ...query, type: 'odd' }),
      event(query, { timestamp: 'now' }),
      event(query, { src_ip: 'nobody' }),
      event({ ...query, rrname: 'a'.repeat(64) }),
      event(query),
    );
    expect(faults.map((f) => `${f.line} ${f.code}`)).toEqual([
      '1 EVE_JSON',
      '2 EVE_JSON',
      '3 EVE_FIELD',
      '4 EVE_FIELD',
      '5 EVE_FIELD',
      '6 EVE_TIME',
      '7 EVE_ADDRESS',
      '8 EVE_NAME',
    ]);
    expect(rows).toHaveLength(1);
  });

  it('is known by its first lines, whatever event comes first', () => {
    const probe = (text: string): boolean => eve.probe(Buffer.from(text), 'x');
    expect(probe(`${event(undefined, { event_type: 'stats' })}\n${event({})}\n`)).toBe(true);
    expect(probe(event({}).slice(0, 100))).toBe(true);
    expect(probe('{"kind":"reading"}\n')).toBe(false);
    expect(probe('{"ts":1,"id.orig_h":"10.0.0.1","trans_id":1}\n')).toBe(false);
    expect(probe(`${event({})}\nplain text\n`)).toBe(false);
    expect(zeek.probe(Buffer.from(event({})), 'x')).toBe(false);
  });

  it('any values of any fields: no throw, rows within their bounds', async () => {
    const value = fc.jsonValue({ maxDepth: 2 });
    const names = ['type', 'version', 'id', 'flags', 'rcode', 'opcode', 'rrname', 'rrtype', 'rdata', 'ttl'];
    const dns = fc.record(Object.fromEntries([...names, 'queries', 'answers', 'grouped'].map((n) => [n, value])), {
      requiredKeys: [],
    });
    const type = fc.constantFrom('query', 'answer', 'request', 'response');
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(dns, type), { maxLength: 5 }), async (all) => {
        const { rows } = await read(...all.map(([d, t]) => event({ ...d, type: t })));
        for (const r of rows) expect(r.nameBytes >= 1 && r.nameBytes <= 255 && r.rcode <= 4095).toBe(true);
      }),
      { numRuns: 200, seed: 1 },
    );
  });

  const corpus = join(process.env.PARAPET_CORPUS ?? '../shared/corpus', 'dns/logs');
  it.skipIf(!existsSync(corpus))("Suricata 8's own example, as published (needs the corpus)", async () => {
    const { rows, faults } = await readText(eve, readFileSync(join(corpus, 'suricata-eve-dns-v3.json')));
    expect(faults).toEqual([]);
    expect(rows.map((r) => [r.client, r.name, r.qtype, r.isResponse, r.rcode, r.addresses])).toEqual([
      ['10.16.1.11', 'www.suricata.io', 1, 0, -1, []],
      ['10.16.1.11', 'www.suricata.io', 1, 1, 0, ['35.212.0.44']],
    ]);
  });
});
