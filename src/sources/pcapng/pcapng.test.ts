// Hostile and odd files, and the same frames, times and lengths as tshark gives.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ByteReader, Source } from '#sources';
import { openBytes } from '#sources';
import { pcap } from '#sources/pcap';
import { pcapng } from '#sources/pcapng';
import { Clock } from './clock.ts';

interface Heard {
  /** Place, microseconds, octets on the wire, octets captured. */
  rows: [number, number, number, number][];
  faults: string[];
}

async function readAll(reader: ByteReader, open: (reader: ByteReader, path: string) => Source): Promise<Heard> {
  const heard: Heard = { rows: [], faults: [] };
  const source = open(reader, 'x');
  const sink: Parameters<Source['pull']>[1] = {
    emit: (batch) => {
      if (batch.kind !== 'frame') throw new Error(batch.kind);
      for (let i = 0; i < batch.count; i++)
        heard.rows.push([batch.place[i]!, batch.at[i]!, batch.wireLength[i]!, batch.length[i]!]);
    },
    fault: (code) => void heard.faults.push(code),
  };
  while (await source.pull(Number.POSITIVE_INFINITY, sink));
  source.close();
  return heard;
}
const read = async (...parts: Buffer[]): Promise<Heard> => readAll(inMemory(Buffer.concat(parts)), pcapng.open);

function inMemory(buffer: Uint8Array): ByteReader {
  const reader = {
    buffer,
    start: 0,
    end: buffer.length,
    get position(): number {
      return reader.start;
    },
    fill: async () => reader.end - reader.start,
    progress: { read: 0, size: 0 },
    close: () => {},
  };
  return reader;
}

function block(type: number, ...body: Buffer[]): Buffer {
  const content = Buffer.concat(body);
  const out = Buffer.alloc(12 + ((content.length + 3) & ~3));
  out.writeUInt32LE(type, 0);
  out.writeUInt32LE(out.length, 4);
  content.copy(out, 8);
  out.writeUInt32LE(out.length, out.length - 4);
  return out;
}
const u32 = (...values: number[]): Buffer => Buffer.from(new Uint32Array(values).buffer);
const section = block(0x0a0d0d0a, u32(0x1a2b3c4d, 1, 0xffffffff, 0xffffffff));
function option(code: number, value: Buffer): Buffer {
  const head = Buffer.alloc(4);
  head.writeUInt16LE(code);
  head.writeUInt16LE(value.length, 2);
  return Buffer.concat([head, value, Buffer.alloc((4 - (value.length % 4)) % 4)]);
}
const face = (snap: number, ...options: Buffer[]): Buffer => block(1, u32(1, snap), ...options);
const resolution = (value: number): Buffer => option(9, Buffer.from([value]));
function offset(seconds: bigint): Buffer {
  const value = Buffer.alloc(8);
  value.writeBigInt64LE(seconds);
  return option(14, value);
}
const packet = (ticks: bigint, captured = 60, wire = captured): Buffer =>
  block(6, u32(0, Number(ticks >> 32n), Number(ticks & 0xffffffffn), captured, wire), Buffer.alloc(captured));
const SECONDS = 1_700_000_000n;

describe('time stamps', () => {
  it('are exact for every resolution, as whole microseconds cut off', () => {
    fc.assert(
      fc.property(fc.nat(255), fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }), (value, ticks) => {
        const power = BigInt(value & 0x7f);
        const unit = value < 128 ? 10n ** power : 1n << power;
        const want = Number((ticks * 1_000_000n) / unit);
        const have = new Clock(value, 0).microsOf(Number(ticks >> 32n), Number(ticks & 0xffffffffn));
        if (want < 253_402_300_799e6) expect(have).toBe(want);
        else expect(have).toBeGreaterThanOrEqual(253_402_300_799e6);
      }),
      { numRuns: 10_000, seed: 1 },
    );
    // Nanoseconds, as dumpcap writes them.
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 4_000_000_000_000_000_000n }), (ticks) => {
        const have = new Clock(9, 0).microsOf(Number(ticks >> 32n), Number(ticks & 0xffffffffn));
        expect(have).toBe(Number(ticks / 1000n));
      }),
      { numRuns: 10_000, seed: 1 },
    );
  });

  it('libpcap#577: any if_tsresol is read, from whole seconds to units too small to count', async () => {
    for (const value of [0, 1, 3, 6, 9, 12, 0x80, 0x80 | 1, 0x80 | 10, 0x80 | 20, 0x80 | 32]) {
      const unit = value < 128 ? 10n ** BigInt(value) : 1n << BigInt(value & 0x7f);
      const ticks = SECONDS * unit;
      if (ticks >= 1n << 64n) continue;
      const { rows, faults } = await read(section, face(0, resolution(value)), packet(ticks));
      expect([rows[0]![1], faults], String(value)).toEqual([1_700_000_000e6, []]);
    }
    for (const value of [40, 64, 127, 0x80 | 64, 0x80 | 127]) {
      const { rows, faults } = await read(section, face(0, resolution(value)), packet(5n));
      expect([rows[0]![1], faults], String(value)).toEqual([0, []]);
    }
  });

  it('take if_tsoffset; what it makes impossible is a fault and gets the time before', async () => {
    const near = await read(section, face(0, offset(-3600n)), packet(SECONDS * 1_000_000n));
    expect(near).toEqual({ rows: [[1, (1_700_000_000 - 3600) * 1e6, 60, 60]], faults: [] });
    for (const seconds of [-1_700_000_001n, 1n << 40n, (1n << 63n) - 1n, -(1n << 63n)]) {
      const { rows, faults } = await read(
        section,
        face(0),
        packet(7n),
        section,
        face(0, offset(seconds)),
        packet(SECONDS * 1_000_000n),
      );
      expect(rows.map((r) => r[1])).toEqual([7, 7]);
      expect(faults).toEqual(['PCAPNG_TIME']);
    }
  });
});

describe('odd files', () => {
  it('blocks that Wireshark numbers as frames keep the numbers of the frames after them', async () => {
    const { rows, faults } = await read(
      section,
      face(0),
      packet(1n),
      block(0x0bad, Buffer.alloc(40)),
      block(0x40000bad, Buffer.alloc(8)),
      block(5, Buffer.alloc(12)),
      block(4, Buffer.alloc(4)),
      block(10, Buffer.alloc(8)),
      packet(2n),
    );
    expect(rows.map((r) => r[0])).toEqual([1, 4]);
    expect(faults).toEqual([]);
  });

  it('captured lengths beyond the block lose that frame only; a snap length below the wire length is usual', async () => {
    const lie = packet(2n);
    lie.writeUInt32LE(64, 20);
    const { rows, faults } = await read(section, face(40), packet(1n, 40, 1500), lie, packet(3n, 40, 10));
    expect(rows).toEqual([
      [1, 1, 1500, 40],
      [3, 3, 40, 40],
    ]);
    expect(faults).toEqual(['PCAPNG_CAPTURED_LENGTH']);
  });

  it('two lengths that differ: the first is believed, and the difference told', async () => {
    const odd = packet(2n);
    odd.writeUInt32LE(1000, odd.length - 4);
    const { rows, faults } = await read(section, face(0), packet(1n), odd, packet(3n));
    expect(rows.map((r) => r[1])).toEqual([1, 2, 3]);
    expect(faults).toEqual(['PCAPNG_LENGTHS_DIFFER']);
  });

  it('lengths that lead nowhere end the file with a fault', async () => {
    for (const length of [0, 8, 93, 0xfffffffc]) {
      const lie = packet(2n);
      lie.writeUInt32LE(length, 4);
      const { rows, faults } = await read(section, face(0), packet(1n), lie, packet(3n));
      expect(rows).toHaveLength(1);
      expect(faults).toEqual(['PCAPNG_BLOCK_LENGTH']);
    }
  });

  it('10,000 mutations end without a throw, and every frame lies in the file', async () => {
    const sound = Buffer.concat([
      section,
      face(96, resolution(9), offset(5n), option(0, Buffer.alloc(0))),
      packet(SECONDS * 10n ** 9n),
      block(3, u32(70), Buffer.alloc(70)),
      block(2, u32(0, 0, 9, 8, 80), Buffer.alloc(8)),
      block(0x0bad, u32(1)),
      packet(5n, 33),
    ]);
    let state = 9;
    const next = (below: number): number => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return Math.floor((state / 2 ** 32) * below);
    };
    let rows = 0;
    const codes = new Set<string>();
    for (let run = 0; run < 10_000; run++) {
      let copy = Buffer.from(sound);
      for (let k = 1 + next(4); k > 0; k--) copy[next(copy.length)] = next(3) === 0 ? 0xff : next(256);
      if (next(5) === 0) copy = copy.subarray(0, next(copy.length));
      const heard = await read(copy);
      for (const [, at, wire, captured] of heard.rows)
        expect(at >= 0 && at < 253_402_300_799e6 && wire >= captured && captured <= copy.length).toBe(true);
      rows += heard.rows.length;
      for (const code of heard.faults) codes.add(code);
    }
    expect(rows).toBeGreaterThan(10_000);
    expect([...codes].filter((c) => !(c in pcapng.card.faults))).toEqual([]);
    expect(codes.size).toBeGreaterThan(6);
  });
});

const corpus = process.env.PARAPET_CORPUS ?? join(import.meta.dirname, '../../../../shared/corpus');
const hasTshark = spawnSync('tshark', ['-v']).error === undefined;
if (!hasTshark) console.log('skipped: tshark is not installed');
if (!existsSync(corpus)) console.log('skipped: no corpus');

/** What tshark says, without the blocks that it numbers though they are no packets. */
function tshark(path: string): [number, number, number, number][] {
  const fields = ['frame.number', 'frame.time_epoch', 'frame.len', 'frame.cap_len', 'frame.protocols'];
  const words = ['-r', path, '-T', 'fields', ...fields.flatMap((f) => ['-e', f])];
  const { stdout } = spawnSync('tshark', words, { encoding: 'utf8' });
  return stdout
    .split('\n')
    .map((line) => line.split('\t'))
    .filter((cells) => cells.length >= 5 && cells[4] !== 'data')
    .map(([number, time, wire, captured]) => {
      const [seconds = '', fraction = ''] = time!.split('.');
      const at = time === '' ? -1 : Number(seconds) * 1e6 + Number(fraction.padEnd(6, '0').slice(0, 6));
      return [Number(number), at, Number(wire), Number(captured)];
    });
}

async function readPath(path: string): Promise<Heard> {
  const reader = await openBytes(path);
  await reader.fill(4);
  const kind = [pcapng, pcap].find((k) => k.probe(reader.buffer.subarray(reader.start, reader.end), path))!;
  return readAll(reader, kind.open);
}

it('dnsmonster#32: a capture of one frame, or of none, comes to its end', async () => {
  const header = Buffer.concat([u32(0xa1b2c3d4, 0x00040002, 0, 0, 65_535, 1)]);
  const one = await readAll(inMemory(Buffer.concat([header, u32(1, 2, 4, 4), u32(7)])), pcap.open);
  expect(one).toEqual({ rows: [[1, 1_000_002, 4, 4]], faults: [] });
  expect(await readAll(inMemory(header), pcap.open)).toEqual({ rows: [], faults: [] });
  expect(await read(section, face(0), packet(5n))).toEqual({ rows: [[1, 5, 60, 60]], faults: [] });
  expect(await read(section)).toEqual({ rows: [], faults: [] });
});

describe.skipIf(!hasTshark || !existsSync(corpus))('against tshark', () => {
  it('PcapPlusPlus#508: the captures of compression bombs are read whole', async () => {
    for (const name of ['dns-zlip-1.pcap', 'dns-zlip-2.pcap', 'dns-zlip-3.pcap']) {
      const { rows, faults } = await readPath(join(corpus, 'dns/edge/tcpdump', name));
      expect(rows.length).toBeGreaterThan(0);
      expect(rows).toEqual(tshark(join(corpus, 'dns/edge/tcpdump', name)));
      expect(faults).toEqual([]);
    }
  });

  it('every structure test of the corpus gives the same numbers, times and lengths', async () => {
    const paths = readdirSync(join(corpus, 'flow/pcapng'), { recursive: true, encoding: 'utf8' })
      .map((name) => join(corpus, 'flow/pcapng', name))
      // tshark refuses version 2.0 of the format, of which there is none: test901 is read here.
      .filter(
        (p) => /\.pcap(ng)?$/.test(p) && !p.endsWith('test901.pcapng') && !p.includes('/le/') && statSync(p).size > 0,
      );
    expect(paths.length).toBeGreaterThan(20);
    let frames = 0;
    for (const path of paths) {
      const { rows } = await readPath(path);
      const theirs = tshark(path);
      // Simple Packet blocks have no time; here they take that of the frame before.
      for (const [i, row] of theirs.entries()) if (row[1] === -1 && rows[i] !== undefined) row[1] = rows[i][1];
      expect(rows, path).toEqual(theirs);
      frames += rows.length;
    }
    expect(frames).toBeGreaterThan(60);
  });
});
