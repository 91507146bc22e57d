import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Sink } from '#events';
import { readBytes } from '#sources';
import { netflow } from '#sources/netflow';

const T0 = 1_700_000_000;

function u(...parts: readonly (readonly [number, number])[]): Buffer {
  return Buffer.concat(
    parts.map(([value, width]) => {
      const b = Buffer.alloc(width);
      if (width > 6) b.writeUIntBE(value, width - 6, 6);
      else b.writeUIntBE(value, 0, width);
      return b;
    }),
  );
}
const v5 = (n: number): Buffer =>
  Buffer.concat([u([5, 2], [n, 2], [1000, 4], [T0, 4], [0, 12]), Buffer.alloc(48 * n, 1)]);
const v9 = (body: number, zeros = 0): Buffer =>
  Buffer.concat([
    u([9, 2], [1, 2], [1000, 4], [T0 + 1, 4], [0, 4], [1, 4], [300, 2], [4 + body, 2]),
    Buffer.alloc(body, 7),
    Buffer.alloc(zeros),
  ]);
const ipfix = (body: number): Buffer =>
  Buffer.concat([
    u([10, 2], [20 + body, 2], [T0 + 2, 4], [0, 4], [1, 4], [300, 2], [4 + body, 2]),
    Buffer.alloc(body, 9),
  ]);
const sflow = (samples: number): Buffer =>
  Buffer.concat([
    u([5, 4], [1, 4], [0xc0000201, 4], [0, 4], [1, 4], [1000, 4], [samples, 4]),
    ...Array.from({ length: samples }, () => u([2, 4], [8, 4], [0, 8])),
  ]);

interface Read {
  lengths: number[];
  at: number[];
  place: number[];
  faults: string[];
}

async function read(chunks: readonly Uint8Array[]): Promise<Read> {
  const source = netflow.open(await readBytes(Readable.from(chunks, { objectMode: true }), 0), 'x.dat');
  const out: Read = { lengths: [], at: [], place: [], faults: [] };
  const sink: Sink = {
    emit: (b) => {
      if (b.kind !== 'packet') throw new Error(b.kind);
      for (let i = 0; i < b.count; i++) {
        out.lengths.push(b.payloadCaptured[i]!);
        out.at.push(b.at[i]! / 1e6 - T0);
        out.place.push(b.place[i]!);
        expect(b.parts[i]).toBe(0);
        expect(b.payloadOffset[i]! + b.payloadCaptured[i]!).toBeLessThanOrEqual(b.bytes.length);
      }
    },
    fault: (code) => void out.faults.push(code),
  };
  while (await source.pull(Number.POSITIVE_INFINITY, sink));
  expect(await source.peekAt()).toBe(Number.POSITIVE_INFINITY);
  source.close();
  return out;
}

describe('a file of export datagrams', () => {
  const all = [v5(2), v9(100), v9(60, 500), ipfix(40), v9(20, 3), v5(30), ipfix(3), v9(8), sflow(2), v9(40)];

  it('is told from its first datagram', () => {
    for (const d of all) expect(netflow.probe(d, 'x'), d.subarray(0, 4).toString('hex')).toBe(true);
    expect(netflow.probe(v5(30).subarray(0, 100), 'x')).toBe(false);
    for (const other of ['#separator \\x09', '{"a":1}', '\x0a\x0d\x0d\x0a', '\x1f\x8b\x08', ''])
      expect(netflow.probe(Buffer.from(other.padEnd(200), 'latin1'), 'x')).toBe(false);
    const old = v5(1);
    old.writeUInt32BE(1000, 8);
    expect(netflow.probe(old, 'x')).toBe(false);
  });

  it('is cut where one datagram ends and the next begins, zeros that fill one included', async () => {
    const got = await read([Buffer.concat(all)]);
    expect(got.faults).toEqual([]);
    expect(got.lengths).toEqual(all.map((d) => d.length));
    expect(got.at).toEqual([0, 1, 1, 2, 1, 0, 2, 1, 1, 1]);
    expect(got.place).toEqual(all.map((_, i) => all.slice(0, i).reduce((n, d) => n + d.length, 0)));
  });

  it('gives the same rows however the bytes come', async () => {
    const whole = Buffer.concat(all);
    const wanted = await read([whole]);
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(whole.length), { maxLength: 8 }), async (cuts) => {
        const at = [0, ...cuts.sort((a, b) => a - b), whole.length];
        expect(await read(at.slice(1).map((to, i) => whole.subarray(at[i]!, to)))).toEqual(wanted);
      }),
      { numRuns: 100, seed: 1 },
    );
    expect(await read([gzipSync(whole)])).toEqual(wanted);
  });

  it('longer than the reader’s buffer loses nothing', async () => {
    const many = Array.from({ length: 3000 }, (_, i) => (i % 2 === 0 ? v5(30) : v9(1200)));
    const got = await read([Buffer.concat(many)]);
    expect(got.faults).toEqual([]);
    expect(got.lengths).toEqual(many.map((d) => d.length));
  });

  it('cut in a datagram or damaged says so and gives what came before', async () => {
    const cut = await read([Buffer.concat([v5(2), v5(3)]).subarray(0, 200)]);
    expect([cut.lengths, cut.faults]).toEqual([[120, 80], ['NETFLOW_FILE_CUT']]);
    const broken = await read([Buffer.concat([ipfix(40), Buffer.from('what is this')])]);
    expect([broken.lengths, broken.faults]).toEqual([[60], ['NETFLOW_FILE_DATAGRAM']]);
    for (const code of [...cut.faults, ...broken.faults]) expect(netflow.card.faults).toHaveProperty(code);
  });

  it('of any octets ends, and its rows lie in the file', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.constantFrom(...all, Buffer.from([0]), Buffer.from([0, 9, 0]))),
        fc.nat(),
        fc.nat(255),
        async (parts, at, value) => {
          const bytes = Buffer.concat(parts);
          if (bytes.length > 0) bytes[at % bytes.length] = value;
          const got = await read([bytes]);
          expect(got.lengths.reduce((a, b) => a + b, 0)).toBeLessThanOrEqual(bytes.length);
        },
      ),
      { numRuns: 300, seed: 2 },
    );
  });

  const folder = join(process.env.PARAPET_CORPUS ?? '../shared/corpus', 'flow/netflow/logstash');
  it.skipIf(!existsSync(folder))('exporters’ datagrams are told, each whole', async () => {
    const missed: string[] = [];
    for (const file of readdirSync(folder)) {
      const bytes = readFileSync(join(folder, file));
      if (!netflow.probe(bytes.subarray(0, 4096), file)) missed.push(file);
      else if (!file.includes('invalid')) {
        const got = await read([bytes]);
        if (got.faults.length > 0 || got.lengths.reduce((a, b) => a + b, 0) !== bytes.length)
          missed.push(`${file} ${got.lengths} of ${bytes.length} ${got.faults}`);
      }
    }
    // Its clock says 1970.
    expect(missed).toEqual(['netflow9_test_nprobe_dpi.dat']);
  });
});
