import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type EventBatch, formatName, type Sink } from '#events';
import { hashLowerCased, textToWire } from '#lib/wirename';
import type { ByteReader } from '../contract.ts';
import {
  Answers,
  DnsRows,
  dnsClass,
  dnsRcode,
  dnsType,
  emptyEntry,
  LINE_BYTES_MAX,
  type LineFormat,
  LineReader,
  LineSource,
  type Ready,
} from './index.ts';
import { Collector, Drip, dnsRow } from './testing.ts';

async function linesOf(text: string, step = 7): Promise<{ lines: [number, string][]; long: number[] }> {
  const long: number[] = [];
  const reader = new LineReader(new Drip(text, step), (line) => long.push(line));
  const lines: [number, string][] = [];
  while (!reader.ended) {
    const line = reader.next();
    if (line === undefined) await reader.more();
    else lines.push([reader.number, line]);
  }
  return { lines, long };
}

describe('lines', () => {
  it('LF and CR LF, blank lines, a byte order mark, a last line without its end', async () => {
    const text = '\xef\xbb\xbfa\r\nb\n\n\r\nd\re';
    for (const step of [1, 2, 3, 100])
      expect((await linesOf(text, step)).lines, String(step)).toEqual([
        [1, 'a'],
        [2, 'b'],
        [3, ''],
        [4, ''],
        [5, 'd\re'],
      ]);
    expect((await linesOf('')).lines).toEqual([]);
    expect((await linesOf('a\n')).lines).toEqual([[1, 'a']]);
  });

  it('octets of any encoding come through unchanged, wherever a chunk ends', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), fc.integer({ min: 1, max: 9 }), async (bytes, step) => {
        const text = Buffer.from(bytes)
          .toString('latin1')
          .replace(/[\r\n]/g, ' ');
        const { lines } = await linesOf(`x${text}\ny${text}`, step);
        expect(lines.map((l) => l[1])).toEqual([`x${text}`, `y${text}`]);
      }),
      { numRuns: 100, seed: 1 },
    );
  });

  it('a line over the bound is told once by its number and left out; the memory for it does not grow', async () => {
    const huge = 'x'.repeat(LINE_BYTES_MAX + 1);
    for (const text of [`a\n${huge}\nb\n`, `a\n${huge}${huge}${huge}\nb\n`]) {
      const { lines, long } = await linesOf(text, 1 << 16);
      expect(lines).toEqual([
        [1, 'a'],
        [3, 'b'],
      ]);
      expect(long).toEqual([2]);
    }
    expect(await linesOf(`a\n${huge}`, 1 << 16)).toEqual({ lines: [[1, 'a']], long: [2] });
    expect((await linesOf(`${'x'.repeat(LINE_BYTES_MAX)}\nb`, 1 << 16)).long).toEqual([]);
  });
});

/** `<seconds> <name>` a line; anything else is a fault. */
class Words implements LineFormat {
  readonly #rows = new DnsRows({ address: 'ADDRESS', name: 'NAME' });
  read(text: string, line: number, out: Ready[]): string {
    const found = /^(\d+) (\S*)$/.exec(text);
    if (found === null) return 'WORDS';
    const value = { ...emptyEntry(), client: '10.0.0.1', name: found[2]! };
    out.push({ at: Number(found[1]) * 1e6, line, rows: this.#rows, value } as Ready);
    return '';
  }
  end(): void {}
}

describe('a source of lines', () => {
  it('cuts at `until`, fills batches to their room, counts every fault of a flood', async () => {
    const text = `${Array.from({ length: 2500 }, (_, i) => `${i} n${i}.example`).join('\n')}\n${'bad\n'.repeat(3000)}`;
    const source = new LineSource(new Words(), new Drip(text, 999), 'f', 'LONG');
    const sizes: number[] = [];
    const faults = new Map<string, number>();
    const sink: Sink = {
      emit: (b: EventBatch) => void sizes.push((b as unknown as { count: number }).count),
      fault: (code) => void faults.set(code, (faults.get(code) ?? 0) + 1),
    };
    expect(await source.peekAt()).toBe(0);
    expect(await source.pull(10e6, sink)).toBe(true);
    while ((await source.peekAt()) < 10e6) await source.pull(10e6, sink);
    expect(sizes.reduce((a, b) => a + b)).toBe(10);
    expect(await source.peekAt()).toBe(10e6);
    while (await source.pull(Number.POSITIVE_INFINITY, sink));
    expect(sizes.reduce((a, b) => a + b)).toBe(2500);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(1024);
    expect(await source.peekAt()).toBe(Number.POSITIVE_INFINITY);
    expect([...faults]).toEqual([['WORDS', 3000]]);
  });

  it('hands out what a live pipe has brought before it waits for more', async () => {
    const parts = ['1 a.example\nbad\n2 b.exa', 'mple\n'];
    let asked = 0;
    const live: ByteReader = {
      buffer: new Uint8Array(1000),
      start: 0,
      end: 0,
      position: 0,
      progress: { read: 0, size: 0 },
      async fill() {
        const part = Buffer.from(parts[asked++] ?? '');
        this.buffer.set(part, this.end);
        (this as { end: number }).end += part.length;
        return this.end - this.start;
      },
      close() {},
    };
    const source = new LineSource(new Words(), live, '-', 'LONG');
    const sink = new Collector();
    await source.pull(Number.POSITIVE_INFINITY, sink);
    expect([asked, sink.rows.length, sink.faults]).toEqual([1, 1, [{ code: 'WORDS', line: 2 }]]);
    await source.pull(Number.POSITIVE_INFINITY, sink);
    expect(sink.rows.map((r) => r.name)).toEqual(['a.example', 'b.example']);
  });

  it('tells once that the bytes broke off, and keeps what came before', async () => {
    const drip = Object.assign(new Drip('1 a.example\n2 b.exam', 5), { failure: new Error('cut') });
    const source = new LineSource(new Words(), drip, 'f', 'LONG');
    const sink = new Collector();
    while (await source.pull(Number.POSITIVE_INFINITY, sink));
    await source.pull(Number.POSITIVE_INFINITY, sink);
    expect(sink.rows).toHaveLength(2);
    expect(sink.faults.map((f) => f.code)).toEqual(['FILE_DECOMPRESS']);
  });
});

describe('DNS words', () => {
  it('types in every spelling', () => {
    const cases: [string, number][] = [
      ['A', 1],
      ['aaaa', 28],
      ['NSAP-PTR', 23],
      ['HTTPS', 65],
      ['SMIMEA', 53],
      ['HIP', 55],
      ['CAA', 257],
      ['ANY', 255],
      ['*', 255],
      ['TYPE65399', 65399],
      ['type=65', 65],
      ['65', 65],
      ['1 (A)', 1],
      ['65 (HTTPS)', 65],
      ['TYPE65536', -1],
      ['NOPE', -1],
      ['', -1],
      ['constructor', -1],
    ];
    for (const [text, number] of cases) expect(dnsType(text), text).toBe(number);
  });

  it('classes and rcodes, with the extended ones', () => {
    expect(['IN', 'CH', 'CHAOS', 'CLASS4', '255', 'x'].map(dnsClass)).toEqual([1, 3, 3, 4, 255, -1]);
    expect(['NOERROR', 'NXDOMAIN', 'NOTIMP', 'RCODE11', '3', 'BADVERS', 'BADCOOKIE', '4096'].map(dnsRcode)).toEqual([
      0, 3, 4, 11, 3, 16, 23, -1,
    ]);
  });
});

describe('DNS rows', () => {
  const rows = new DnsRows({ address: 'ADDRESS', name: 'NAME' });
  const add = (entry: Partial<ReturnType<typeof emptyEntry>>): string =>
    rows.add({ ...emptyEntry(), client: '10.0.0.1', ...entry }, 5, 9);

  it('names: any octets come back from their presentation form, with hash and labels of the wire', () => {
    const label = fc.uint8Array({ minLength: 1, maxLength: 63 });
    fc.assert(
      fc.property(fc.array(label, { maxLength: 6 }), fc.boolean(), (labels, dot) => {
        const wire = Uint8Array.from([...labels.flatMap((l) => [l.length, ...l]), 0]);
        fc.pre(wire.length <= 255);
        rows.clear();
        const text = formatName(wire, 0, wire.length);
        expect(add({ name: dot && text !== '.' ? `${text}.` : text })).toBe('');
        const b = rows.batch;
        expect(b.bytes.slice(b.nameOffset[0]!, b.nameOffset[0]! + b.nameBytes[0]!)).toEqual(wire);
        expect(b.nameHash[0]).toBe(hashLowerCased(wire, 0, wire.length));
        expect(b.labelCount[0]).toBe(labels.length);
      }),
      { numRuns: 2000, seed: 1 },
    );
  });

  it('public fault 1: a name of 127 labels and 253 characters is kept', () => {
    rows.clear();
    const name = Array(127).fill('a').join('.');
    expect(add({ name })).toBe('');
    expect(dnsRow(rows.batch, 0)).toMatchObject({ name, labels: 127, nameBytes: 255 });
    expect(add({ name: `${name}.a` })).toBe('NAME');
    expect(rows.batch.count).toBe(1);
  });

  it('fills every column of every row anew, and leaves out what has no client', () => {
    const fill = (): unknown => {
      rows.clear();
      const answers = new Answers();
      for (let i = 0; i < 10; i++) answers.add(1, `10.0.0.${i}`, 60 - i, 1);
      expect(add({ name: 'a.example', answers })).toBe('');
      expect(add({ name: 'b.example', client: 'nobody' })).toBe('ADDRESS');
      expect(add({ name: 'c.example', server: '::1' })).toBe('');
      return [dnsRow(rows.batch, 0), dnsRow(rows.batch, 1)];
    };
    const clean = fill();
    for (const value of [0, 0xa5, 0xff]) {
      for (const column of Object.values(rows.batch))
        if (ArrayBuffer.isView(column)) (column as Uint8Array).fill(value);
      expect(fill()).toEqual(clean);
    }
    expect(clean).toMatchObject([
      { at: 5, line: 9, answers: 10, ttl: 51, addresses: Array.from({ length: 8 }, (_, i) => `10.0.0.${i}`) },
      { name: 'c.example', server: '::1', answers: 0, ttl: -1, addresses: [], rcode: -1, wireBytes: 0 },
    ]);
  });

  it('the data of answers: text without its quotes, names as on the wire, nothing for addresses', () => {
    const of = (type: number, rdata: string, qtype = type): [number, number] => {
      const answers = new Answers();
      answers.add(type, rdata, -1, qtype);
      return [answers.dataBytes, answers.type];
    };
    expect(of(16, '"k=rsa; p=abc" "def"')).toEqual([15, 16]);
    expect(of(16, '"\\000\\"x"')).toEqual([3, 16]);
    expect(of(16, 'bare')).toEqual([4, 16]);
    expect(of(10, '\\# 4 00010203')).toEqual([4, 10]);
    expect(of(15, '10 mail.example.')).toEqual([textToWire('mail.example', new Uint8Array(99), 0), 15]);
    expect(of(5, 'a.example', 1)).toEqual([11, 0]);
    expect(of(5, 'a.example', 5)).toEqual([11, 5]);
    expect(of(65, '1 . alpn=h2')).toEqual([0, 65]);
    expect(of(28, '::1')).toEqual([0, 28]);
  });
});
