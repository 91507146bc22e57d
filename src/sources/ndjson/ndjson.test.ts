import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import type { EventBatch, Sink } from '#events';
import { openBytes, readBytes } from '#sources';
import { LINE_BYTES_MAX, ndjson, ndjsonFaults, parseRecordLine, type SlowRecord } from '#sources/ndjson';

const dir = mkdtempSync(join(tmpdir(), 'ndjson-'));
afterAll(() => rmSync(dir, { recursive: true }));

interface Heard {
  batches: { kind: string; records: SlowRecord[] }[];
  faults: string[];
  sink: Sink;
}

function hear(): Heard {
  const heard: Heard = {
    batches: [],
    faults: [],
    sink: {
      emit: (batch: EventBatch) => void heard.batches.push(batch as never),
      fault: (code, _origin, place) => void heard.faults.push(`${code} ${place}`),
    },
  };
  return heard;
}

async function read(content: string | Uint8Array, until = Number.POSITIVE_INFINITY): Promise<Heard> {
  const path = join(dir, 'in.ndjson');
  writeFileSync(path, content);
  const source = ndjson.open(await openBytes(path), path);
  const heard = hear();
  while (await source.pull(until, heard.sink));
  source.close();
  return heard;
}

const reading = {
  kind: 'reading',
  at: '2026-01-02T03:04:05.000006Z',
  asset: 'm1',
  quantity: 'power/bus/1/v',
  value: 1,
};
const command = { kind: 'command', id: 'c1', at: 5, requester: 'op', target: 'power/branch/9', action: 'open' };
const position = { kind: 'position', at: 6, asset: 'bus-7', lat: 48.1, lon: 11.5 };
const lines = (...records: unknown[]): string => records.map((r) => `${JSON.stringify(r)}\n`).join('');
const parse = (line: string | Uint8Array, assume = ''): { out: SlowRecord[]; codes: string[] } => {
  const bytes = Buffer.from(line as string);
  const out: SlowRecord[] = [];
  const codes: string[] = [];
  parseRecordLine(bytes, 0, bytes.length, { file: 'f', placed: 'line' }, 1, out, (c) => codes.push(c), assume);
  return { out, codes };
};

describe('NDJSON records', () => {
  it('become whole records, every field set', async () => {
    const { batches, faults } = await read(lines(reading, command, position));
    expect(faults).toEqual([]);
    expect(batches.map((b) => b.kind)).toEqual(['reading', 'command', 'position']);
    const origin = { file: join(dir, 'in.ndjson'), placed: 'line' };
    expect(batches[0]!.records[0]).toEqual({
      ...reading,
      at: 1767323045000006,
      sigma: 0,
      via: '',
      seq: -1,
      origin,
      place: 1,
    });
    expect(batches[1]!.records[0]).toStrictEqual({
      ...command,
      value: undefined,
      deadline: 0,
      reason: '',
      nonce: '',
      origin,
      place: 2,
    });
    expect(batches[2]!.records[0]).toEqual({ ...position, accuracyMeters: 0, source: '', origin, place: 3 });
  });

  it('keep their order, in batches of one kind and at most 1,024 rows', async () => {
    const many = Array.from({ length: 1500 }, (_, i) => ({ ...reading, at: i, seq: i }));
    const { batches } = await read(lines(...many, command, ...many.slice(0, 3)));
    expect(batches.map((b) => `${b.kind} ${b.records.length}`)).toEqual([
      'reading 1024',
      'reading 476',
      'command 1',
      'reading 3',
    ]);
    expect(batches.flatMap((b) => b.records.map((r) => r.place))).toEqual(
      Array.from({ length: 1504 }, (_, i) => i + 1),
    );
  });

  it('wait for their time', async () => {
    const path = join(dir, 'timed.ndjson');
    writeFileSync(path, lines({ ...reading, at: 10 }, { ...reading, at: 20 }));
    const source = ndjson.open(await openBytes(path), path);
    const heard = hear();
    expect(await source.peekAt()).toBe(10);
    expect(await source.pull(20, heard.sink)).toBe(true);
    expect(heard.batches[0]!.records.map((r) => r.at)).toEqual([10]);
    expect(await source.peekAt()).toBe(20);
    expect(await source.pull(21, heard.sink)).toBe(true);
    expect(await source.peekAt()).toBe(Number.POSITIVE_INFINITY);
    expect(await source.pull(21, heard.sink)).toBe(false);
    expect(heard.batches).toHaveLength(2);
    source.close();
  });

  it('come as arrays too, and a bad one costs only itself', async () => {
    const { batches, faults } = await read(lines([reading, 7, { ...reading, value: 'x' }, command], reading));
    expect(batches.map((b) => `${b.kind} ${b.records.length}`)).toEqual(['reading 1', 'command 1', 'reading 1']);
    expect(faults).toEqual(['NDJSON_SHAPE 1', 'NDJSON_FIELD_TYPE 1']);
  });

  it('are read past byte order mark, CR LF, blank lines and a missing last line end', async () => {
    const { batches, faults } = await read(
      `\ufeff${lines(reading).replace('\n', '\r\n')}\n  \n${JSON.stringify(command)}`,
    );
    expect(faults).toEqual([]);
    expect(batches.flatMap((b) => b.records.map((r) => r.place))).toEqual([1, 4]);
  });

  it('take the kind that their topic says where they name none', () => {
    const { kind: _, ...bare } = reading;
    expect(parse(JSON.stringify([bare]), 'reading').out).toHaveLength(1);
    expect(parse(JSON.stringify(bare)).codes).toEqual(['NDJSON_KIND']);
  });

  it('leave truth and our own claims aside in silence', async () => {
    const { batches, faults } = await read(lines({ kind: 'truth', at: 1 }, { kind: 'finding', id: 'x' }, reading));
    expect(faults).toEqual([]);
    expect(batches).toHaveLength(1);
  });

  it('trickle through from a live stream without waiting for a full batch', async () => {
    const pipe = new PassThrough();
    pipe.write(`${lines(reading)}{"kind":`);
    const source = ndjson.open(await readBytes(pipe, 0), '-');
    const heard = hear();
    expect(await source.pull(Number.POSITIVE_INFINITY, heard.sink)).toBe(true);
    expect(heard.batches).toHaveLength(1);
    pipe.end(`"position","at":6,"asset":"b","lat":1,"lon":2}\n`);
    while (await source.pull(Number.POSITIVE_INFINITY, heard.sink));
    expect(heard.batches.map((b) => b.kind)).toEqual(['reading', 'position']);
  });
});

describe('NDJSON faults', () => {
  const cases: [string, string | Uint8Array][] = [
    ['NDJSON_SYNTAX', '{"kind":"reading",}'],
    ['NDJSON_SYNTAX', 'hello'],
    ['NDJSON_SYNTAX', '{"kind":"reading","at":NaN}'],
    ['NDJSON_SYNTAX', '{"a":"\\'],
    ['NDJSON_UTF8', Buffer.from('{"kind":"\xff"}', 'latin1')],
    ['NDJSON_DEPTH', '['.repeat(100_000)],
    ['NDJSON_DEPTH', '{"a":'.repeat(100_000)],
    ['NDJSON_LINE_LENGTH', `{"a":"${'x'.repeat(LINE_BYTES_MAX)}"}`],
    ['NDJSON_DUPLICATE_KEY', '{"kind":"reading","at":1,"asset":"a","quantity":"q","value":1,"value":2}'],
    ['NDJSON_DUPLICATE_KEY', '{"kind":"reading","at":1,"asset":"a","quantity":"q","value":1,"v\\u0061lue":2}'],
    ['NDJSON_DUPLICATE_KEY', '[{"kind":"reading","at":1,"asset":"a","quantity":"q","value":1,"asset":"b"}]'],
    ['NDJSON_SHAPE', '"kind"'],
    ['NDJSON_SHAPE', 'null'],
    ['NDJSON_KIND', '{"kind":"weather"}'],
    ['NDJSON_KIND', '{"kind":{}}'],
    ['NDJSON_TIME', JSON.stringify({ ...reading, at: 'yesterday' })],
    ['NDJSON_TIME', JSON.stringify({ ...reading, at: 1.5 })],
    ['NDJSON_TIME', JSON.stringify({ ...reading, at: -1 })],
    ['NDJSON_TIME', JSON.stringify({ ...command, deadline: 'soon' })],
    ['NDJSON_FIELD_MISSING', JSON.stringify({ ...reading, at: undefined })],
    ['NDJSON_FIELD_MISSING', JSON.stringify({ ...reading, value: null })],
    ['NDJSON_FIELD_MISSING', JSON.stringify({ ...reading, asset: '' })],
    ['NDJSON_FIELD_MISSING', JSON.stringify({ ...command, target: undefined })],
    ['NDJSON_FIELD_TYPE', JSON.stringify({ ...reading, value: '1' })],
    ['NDJSON_FIELD_TYPE', JSON.stringify({ ...reading, asset: ['m1'] })],
    ['NDJSON_FIELD_TYPE', JSON.stringify({ ...command, value: {} })],
    ['NDJSON_FIELD_RANGE', JSON.stringify(reading).replace(/1}$/, '1e999}')],
    ['NDJSON_FIELD_RANGE', JSON.stringify({ ...reading, sigma: -1 })],
    ['NDJSON_FIELD_RANGE', JSON.stringify({ ...reading, seq: 2 ** 60 })],
    ['NDJSON_FIELD_RANGE', JSON.stringify({ ...reading, asset: 'x'.repeat(257) })],
    ['NDJSON_FIELD_RANGE', JSON.stringify({ ...position, lat: 91 })],
  ];
  it.each(cases)('%s stands for %.60s', (code, line) => {
    expect(parse(line)).toEqual({ out: [], codes: [code] });
    expect(ndjsonFaults[code]).toBeDefined();
  });

  it('cost one line, and name it', async () => {
    const long = `{"a":"${'x'.repeat(3 * LINE_BYTES_MAX)}"}\n`;
    const { batches, faults } = await read(`{\n${lines(reading)}${long}${lines(reading)}{"kind":"rea`);
    expect(faults).toEqual(['NDJSON_SYNTAX 1', 'NDJSON_LINE_LENGTH 3', 'NDJSON_TRUNCATED 5']);
    expect(batches.flatMap((b) => b.records.map((r) => r.place))).toEqual([2, 4]);
  });

  it('are counted in a flood that holds nothing else', async () => {
    const { batches, faults } = await read('x\n'.repeat(5000));
    expect(batches).toEqual([]);
    expect(faults).toHaveLength(5000);
  });

  it('nested objects may repeat the names of the record', () => {
    expect(parse(JSON.stringify({ ...reading, observables: { at: 1, value: [{ value: 2 }] } })).codes).toEqual([]);
  });

  it('are all that 100,000 mutations of good lines can cause', { timeout: 15_000 }, () => {
    const seeds = [reading, command, position, [reading, position], { ...reading, x: { y: ['\u20ac'] } }].map((r) =>
      Buffer.from(JSON.stringify(r)),
    );
    let state = 20260102;
    const random = (below: number): number => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return Math.floor((state / 2 ** 32) * below);
    };
    const interesting = Buffer.from('{}[]":,\\\u0000\n-e9.ntf\xff', 'latin1');
    const seen = new Set<string>();
    let good = 0;
    for (let n = 0; n < 100_000; n++) {
      const seed = seeds[random(seeds.length)]!;
      let bytes: Buffer = Buffer.from(seed);
      for (let edits = 1 + random(4); edits > 0; edits--) {
        const at = random(bytes.length);
        const how = random(5);
        if (how === 0) bytes[at] = random(256);
        else if (how === 1) bytes[at] = interesting[random(interesting.length)]!;
        else if (how === 2) bytes = bytes.subarray(0, at + 1);
        else if (how === 3) bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(random(at + 1))]);
        else bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(Math.min(bytes.length - 1, at + random(9)))]);
      }
      const { out, codes } = parse(bytes);
      for (const code of codes) seen.add(code);
      for (const r of out) {
        good += 1;
        if (!Number.isSafeInteger(r.at) || r.at < 0) throw new Error(bytes.toString());
        if (r.kind === 'reading' && !Number.isFinite(r.value)) throw new Error(bytes.toString());
      }
    }
    expect(good).toBeGreaterThan(1000);
    for (const code of seen) expect(ndjsonFaults[code], code).toBeDefined();
  });

  it('are agreed with JSON.parse on what is JSON and on which keys repeat', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 3 }), (value) => {
        const codes = parse(JSON.stringify(value)).codes;
        expect(codes).not.toContain('NDJSON_SYNTAX');
        expect(codes).not.toContain('NDJSON_DUPLICATE_KEY');
      }),
      { numRuns: 2000 },
    );
  });
});

describe('the NDJSON probe', () => {
  it('knows records by their kind, and leaves other JSON to others', () => {
    const yes = [lines(reading), `\n ${lines(command)}`, lines([reading]), `\ufeff${lines({ kind: 'truth' })}`];
    const no = ['', '{"ts":1,"id.orig_h":"10.0.0.1"}\n', 'kind', '\x0a\x0d\x0d\x0a', '{"event_type":"dns"}\n'];
    for (const text of yes) expect(ndjson.probe(Buffer.from(text), 'x'), text).toBe(true);
    for (const text of no) expect(ndjson.probe(Buffer.from(text), 'x'), text).toBe(false);
  });
});
