import { existsSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { defaultCity } from '#city';
import { type EventBatch, evidenceOf, formatName, type Sink } from '#events';
import { analyze } from '#pipeline';
import { Drip, readText } from '../lines/testing.ts';
import { zeek } from './index.ts';

interface Seen {
  rows: {
    name: string;
    at: number;
    qtype: number;
    rcode: number;
    isResponse: number;
    data: number;
    client: number;
    port: number;
    line: unknown;
  }[];
  faults: { code: string; line: number }[];
}

async function read(text: string, step = 64): Promise<Seen> {
  const seen: Seen = { rows: [], faults: [] };
  const sink: Sink = {
    emit: (b: EventBatch) => {
      if (b.kind !== 'dns') return;
      for (let i = 0; i < b.count; i++)
        seen.rows.push({
          name: formatName(b.bytes, b.nameOffset[i]!, b.nameBytes[i]!),
          at: b.at[i]!,
          qtype: b.qtype[i]!,
          rcode: b.rcode[i]!,
          isResponse: b.isResponse[i]!,
          data: b.answerDataBytes[i]!,
          client: b.addresses[8 * i + 3]!,
          port: b.serverPort[i]!,
          line: evidenceOf(b.origin, b.place[i]!).line,
        });
      b.bytes.fill(0xa5);
    },
    fault: (code, _origin, line) => void seen.faults.push({ code, line }),
  };
  const source = zeek.open(new Drip(text, step), 'dns.log');
  while (await source.pull(Number.POSITIVE_INFINITY, sink));
  source.close();
  return seen;
}

const header = (fields: string, separator = '\t'): string =>
  `#separator \\x${separator.charCodeAt(0).toString(16).padStart(2, '0')}\n${['#set_separator', ','].join(separator)}\n${['#empty_field', '(empty)'].join(separator)}\n${['#unset_field', '-'].join(separator)}\n${['#path', 'dns'].join(separator)}\n${['#fields', ...fields.split(' ')].join(separator)}\n#types\tx\n`;
const fields = 'ts id.orig_h id.orig_p id.resp_h id.resp_p proto trans_id query qtype rcode answers';
const line = (query: string, more: Partial<Record<string, string>> = {}, separator = '\t'): string => {
  const cells: Record<string, string> = {
    ts: '1700000000.250001',
    'id.orig_h': '10.0.0.1',
    'id.orig_p': '4000',
    'id.resp_h': '10.0.0.53',
    'id.resp_p': '53',
    proto: 'udp',
    trans_id: '7',
    query,
    qtype: '16',
    rcode: '0',
    answers: 'TXT 5 hello,TXT 3 abc',
    ...(more as Record<string, string>),
  };
  return `${fields
    .split(' ')
    .map((f) => cells[f])
    .join(separator)}\n`;
};

describe('Zeek dns.log', () => {
  it('TSV by field names; microseconds kept; the row points to its line', async () => {
    const { rows, faults } = await read(header(fields) + line('a.tunnel.example'));
    expect(faults).toEqual([]);
    expect(rows).toEqual([
      {
        name: 'a.tunnel.example',
        at: 1700000000250001,
        qtype: 16,
        rcode: 0,
        isResponse: 1,
        data: 8,
        client: 0x0a000001,
        port: 53,
        line: 8,
      },
    ]);
  });

  it('another separator, fewer fields, more cells than fields', async () => {
    const own = header('ts id.orig_h id.resp_h query', '|');
    const { rows } = await read(`${own}1700000000|10.0.0.1|fe80::1|x.example|label\n`);
    expect(rows[0]).toMatchObject({ name: 'x.example', rcode: -1, isResponse: 0, qtype: 0 });
  });

  it('unset and empty fields, escapes, a second header in the same file', async () => {
    const { rows, faults } = await read(
      header(fields) + line('\\xbc\\x2cx.example', { rcode: '-', answers: '(empty)' }) + header(fields) + line('-'),
    );
    expect(faults).toEqual([]);
    expect(rows.map((r) => [r.name, r.isResponse])).toEqual([
      ['\\188,x.example', 0],
      ['.', 1],
    ]);
  });

  it('bad lines are faults with their numbers, the rest is read', async () => {
    const bad = [
      'short\n',
      line('a'.repeat(70)),
      line('b.example', { ts: 'x' }),
      line('c.example', { 'id.orig_h': 'nobody' }),
    ];
    const { rows, faults } = await read(header(fields) + bad.join('') + line('good.example'));
    expect(rows.map((r) => r.name)).toEqual(['good.example']);
    expect(faults).toEqual([
      { code: 'ZEEK_COLUMNS', line: 8 },
      { code: 'ZEEK_NAME', line: 9 },
      { code: 'ZEEK_TIME', line: 10 },
      { code: 'ZEEK_ADDRESS', line: 11 },
    ]);
  });

  it('JSON with numbers or ISO times is the same as TSV', async () => {
    const object = {
      ts: 1700000000.250001,
      'id.orig_h': '10.0.0.1',
      'id.orig_p': 4000,
      'id.resp_h': '10.0.0.53',
      'id.resp_p': 53,
      proto: 'udp',
      trans_id: 7,
      query: 'a.tunnel.example',
      qtype: 16,
      rcode: 0,
      answers: ['TXT 5 hello', 'TXT 3 abc'],
    };
    const iso = { ...object, ts: '2023-11-14T22:13:20.250001Z' };
    const tsv = await read(header(fields) + line('a.tunnel.example'));
    const json = await read(`${JSON.stringify(object)}\n${JSON.stringify(iso)}\n{"result":{}}\n{broken\n`);
    expect(json.rows.map((r) => ({ ...r, line: 8 }))).toEqual([tsv.rows[0], tsv.rows[0]]);
    expect(json.faults.map((f) => f.code)).toEqual(['ZEEK_LOG', 'ZEEK_JSON']);
  });

  it('header bits, TTLs and addresses, from TSV and JSON alike', async () => {
    const own = 'ts id.orig_h id.resp_h query qtype rcode AA TC RD RA Z answers TTLs';
    const cells = '1700000000 10.0.0.1 10.0.0.53 a.example 1 0 T F T T 2 b.example,192.0.2.7 60.0,30.5';
    const json = JSON.stringify({
      ...{
        ts: 1700000000,
        'id.orig_h': '10.0.0.1',
        'id.resp_h': '10.0.0.53',
        trans_id: 1,
        query: 'a.example',
        qtype: 1,
      },
      ...{
        rcode: 0,
        AA: true,
        TC: false,
        RD: true,
        RA: true,
        Z: 2,
        answers: ['b.example', '192.0.2.7'],
        TTLs: [60, 30.5],
      },
    });
    for (const text of [`${header(own)}${cells.replaceAll(' ', '\t')}\n`, `${json}\n`]) {
      const { rows, faults } = await readText(zeek, text);
      expect(faults).toEqual([]);
      expect(rows[0]).toMatchObject({ flags: 0x85a0, ttl: 30, addresses: ['192.0.2.7'], answers: 2, dataBytes: 0 });
    }
  });

  it('NetBIOS names, which Zeek logs among the others, are no rows', async () => {
    const { rows, faults } = await read(
      header(fields) + line('*\\x00\\x00', { 'id.resp_p': '137' }) + line('a.example'),
    );
    expect(rows.map((r) => r.name)).toEqual(['a.example']);
    expect(faults).toEqual([]);
  });

  it('public fault 4: an answer without records keeps its rcode', async () => {
    const { rows } = await read(header(fields) + line('a.example', { rcode: '0', answers: '-' }));
    expect(rows[0]).toMatchObject({ isResponse: 1, rcode: 0, data: 0 });
  });

  it('chunks of any size give the same rows; a last line without its end is read', async () => {
    const text = (header(fields) + line('a.example') + line('b.example')).trimEnd();
    const whole = await read(text, 10_000);
    for (const step of [1, 2, 7, 63]) expect(await read(text, step)).toEqual(whole);
    expect(whole.rows).toHaveLength(2);
  });

  it('any text: no throw, faults within bounds', async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ maxLength: 400, unit: 'binary-ascii' }), async (junk) => {
        await read(header(fields) + junk);
        await read(junk);
      }),
      { numRuns: 100, seed: 1 },
    );
  });

  it('is known by its first bytes', () => {
    const probe = (text: string): boolean => zeek.probe(Buffer.from(text), 'x');
    expect(probe(header(fields))).toBe(true);
    expect(probe('{"ts":1,"id.orig_h":"10.0.0.1","trans_id":1}\n')).toBe(true);
    expect(probe('{"kind":"reading"}\n')).toBe(false);
    expect(probe(header(fields).replace('dns', 'weird'))).toBe(false);
  });

  const corpus = join(process.env.PARAPET_CORPUS ?? '../shared/corpus', 'dns/logs');
  it.skipIf(!existsSync(corpus))(
    'the same tunnel as TSV and JSON gives the same finding (needs the corpus)',
    async () => {
      const [tsv, json] = await Promise.all(
        ['zeek-rita-open-dns.log', 'zeek-json-rita-dns.log'].map((f) =>
          analyze([join(corpus, f)], { city: defaultCity(), planes: new Set(['dns']) }),
        ),
      );
      expect(tsv!.findings).toHaveLength(1);
      expect(tsv!.faults).toEqual([]);
      const bare = (o: typeof tsv) => o!.findings.map((f) => ({ ...f, id: '', evidence: [] }));
      expect(bare(json)).toEqual(bare(tsv));
    },
  );
});
