import { existsSync, mkdtempSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { EventBatch, Sink } from '#events';
import { openBytes } from '#sources';
import { pcap } from '#sources/pcap';
import { pcapng } from '#sources/pcapng';

interface Frame {
  at: number;
  place: number;
  bytes: string;
  wire: number;
  link: number;
}

async function read(path: string): Promise<{ frames: Frame[]; faults: string[] }> {
  const frames: Frame[] = [];
  const faults: string[] = [];
  const sink: Sink = {
    emit: (batch: EventBatch) => {
      if (batch.kind !== 'frame') throw new Error(batch.kind);
      for (let i = 0; i < batch.count; i++) {
        const o = batch.offset[i]!;
        frames.push({
          at: batch.at[i]!,
          place: batch.place[i]!,
          bytes: Buffer.from(batch.bytes.subarray(o, o + batch.length[i]!)).toString('hex'),
          wire: batch.wireLength[i]!,
          link: batch.linkType[i]!,
        });
      }
    },
    fault: (code) => void faults.push(code),
  };
  const reader = await openBytes(path);
  await reader.fill(4096);
  const head = reader.buffer.slice(reader.start, Math.min(reader.end, reader.start + 4096));
  const kind = [pcapng, pcap].find((k) => k.probe(head, path));
  if (kind === undefined) {
    reader.close();
    return { frames, faults: ['FILE_UNKNOWN'] };
  }
  const source = kind.open(reader, path);
  while (await source.pull(Number.POSITIVE_INFINITY, sink));
  source.close();
  return { frames, faults };
}

const dir = mkdtempSync(join(tmpdir(), 'parapet-pcap-'));
let files = 0;
function file(bytes: Uint8Array): string {
  const path = join(dir, `c${files++}`);
  writeFileSync(path, bytes);
  return path;
}

function capture(
  frames: readonly { seconds: number; fraction: number; bytes: Uint8Array; wire?: number }[],
  little: boolean,
  nano: boolean,
): Buffer {
  const u32 = (n: number): Buffer => {
    const b = Buffer.alloc(4);
    if (little) b.writeUInt32LE(n);
    else b.writeUInt32BE(n);
    return b;
  };
  const u16 = (n: number): Buffer => (little ? Buffer.from([n & 255, n >> 8]) : Buffer.from([n >> 8, n & 255]));
  const parts = [u32(nano ? 0xa1b23c4d : 0xa1b2c3d4), u16(2), u16(4), u32(0), u32(0), u32(65535), u32(1)];
  for (const f of frames)
    parts.push(
      u32(f.seconds),
      u32(f.fraction),
      u32(f.bytes.length),
      u32(f.wire ?? f.bytes.length),
      Buffer.from(f.bytes),
    );
  return Buffer.concat(parts);
}

function block(type: number, body: Buffer, little: boolean): Buffer {
  const pad = Buffer.alloc((4 - (body.length % 4)) % 4);
  const out = Buffer.alloc(12 + body.length + pad.length);
  const w = (n: number, at: number): void => void (little ? out.writeUInt32LE(n, at) : out.writeUInt32BE(n, at));
  w(type, 0);
  w(out.length, 4);
  body.copy(out, 8);
  w(out.length, out.length - 4);
  return out;
}

describe('pcap', () => {
  it.each([
    [true, false],
    [false, false],
    [true, true],
    [false, true],
  ])('reads frames, times and lengths (little endian %s, nanoseconds %s)', async (little, nano) => {
    const path = file(
      capture(
        [
          {
            seconds: 1_700_000_000,
            fraction: nano ? 123_456_789 : 123_456,
            bytes: Buffer.from('aabb', 'hex'),
            wire: 60,
          },
        ],
        little,
        nano,
      ),
    );
    const { frames, faults } = await read(path);
    expect(frames).toEqual([{ at: 1_700_000_000_123_456, place: 1, bytes: 'aabb', wire: 60, link: 1 }]);
    expect(faults).toEqual([]);
  });

  it('reads the same from gzip and zstd', async () => {
    const raw = capture(
      Array.from({ length: 5000 }, (_, i) => ({ seconds: i, fraction: 0, bytes: new Uint8Array(100).fill(i) })),
      true,
      false,
    );
    const plain = await read(file(raw));
    expect(plain.frames).toHaveLength(5000);
    expect(await read(file(gzipSync(raw)))).toEqual(plain);
    expect(await read(file(zstdCompressSync(raw)))).toEqual(plain);
  });

  it('a cut file gives its whole frames and one fault, wherever it is cut', async () => {
    const raw = capture(
      [1, 2, 3].map((n) => ({ seconds: n, fraction: 0, bytes: new Uint8Array(10 * n) })),
      true,
      false,
    );
    for (let cut = 25; cut < raw.length; cut++) {
      const { frames, faults } = await read(file(raw.subarray(0, cut)));
      const whole = [24 + 26, 24 + 26 + 36].filter((end) => end <= cut).length;
      expect(frames).toHaveLength(whole);
      expect(faults).toEqual([24 + 26, 24 + 26 + 36].includes(cut) ? [] : ['PCAP_TRUNCATED']);
    }
  });

  it('a damaged gzip gives what comes before the damage and says so', async () => {
    const raw = capture(
      Array.from({ length: 20_000 }, (_, i) => ({
        seconds: i,
        fraction: i,
        bytes: Buffer.from(`frame ${i} ${Math.sin(i)}`),
      })),
      true,
      false,
    );
    const zipped = gzipSync(raw);
    const { frames, faults } = await read(file(zipped.subarray(0, zipped.length >> 1)));
    expect(frames.length).toBeGreaterThan(1000);
    expect(faults).toContain('FILE_DECOMPRESS');
  });

  it('any bytes behind a good header end without a throw', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 400 }), async (junk) => {
        await read(file(Buffer.concat([capture([], true, false), junk])));
      }),
      { numRuns: 200, seed: 7 },
    );
  });
});

describe('pcapng', () => {
  const section = (little: boolean): Buffer => {
    const body = Buffer.alloc(16, 0xff);
    if (little) body.writeUInt32LE(0x1a2b3c4d);
    else body.writeUInt32BE(0x1a2b3c4d);
    return block(0x0a0d0d0a, body, little);
  };
  const face = (little: boolean, resolution: number): Buffer => {
    const body = Buffer.alloc(8 + 8 + 4);
    if (little) {
      body.writeUInt16LE(1, 0);
      body.writeUInt16LE(9, 8);
      body.writeUInt16LE(1, 10);
    } else {
      body.writeUInt16BE(1, 0);
      body.writeUInt16BE(9, 8);
      body.writeUInt16BE(1, 10);
    }
    body[12] = resolution;
    return block(1, body, little);
  };
  const packet = (little: boolean, id: number, ticks: bigint, bytes: Buffer): Buffer => {
    const body = Buffer.alloc(20 + bytes.length);
    const w = (n: number, at: number): void => void (little ? body.writeUInt32LE(n, at) : body.writeUInt32BE(n, at));
    w(id, 0);
    w(Number(ticks >> 32n), 4);
    w(Number(ticks & 0xffffffffn), 8);
    w(bytes.length, 12);
    w(bytes.length, 16);
    bytes.copy(body, 20);
    return block(6, body, little);
  };

  it('kbandla/dpkt#681, libpcap#577: the time resolution is per interface and may be a power of two', async () => {
    const at = 1_700_000_000n;
    const raw = Buffer.concat([
      section(true),
      face(true, 6),
      face(true, 9),
      face(true, 0x80 | 10),
      packet(true, 0, at * 1_000_000n + 7n, Buffer.from('00', 'hex')),
      packet(true, 1, at * 1_000_000_000n + 7_000n, Buffer.from('01', 'hex')),
      packet(true, 2, at * 1024n + 512n, Buffer.from('02', 'hex')),
    ]);
    const { frames, faults } = await read(file(raw));
    expect(faults).toEqual([]);
    expect(frames.map((f) => f.at)).toEqual([1_700_000_000_000_007, 1_700_000_000_000_007, 1_700_000_000_500_000]);
  });

  it('sections of both byte orders in one file, unknown blocks between, are one capture', async () => {
    const raw = Buffer.concat([
      section(true),
      face(true, 6),
      packet(true, 0, 5n, Buffer.from('aa', 'hex')),
      block(0x0b0b, Buffer.alloc(700_000), true),
      section(false),
      face(false, 6),
      packet(false, 0, 6n, Buffer.from('bb', 'hex')),
    ]);
    const { frames, faults } = await read(file(raw));
    expect(frames.map((f) => [f.at, f.bytes, f.place])).toEqual([
      [5, 'aa', 1],
      [6, 'bb', 2],
    ]);
    expect(faults).toEqual([]);
  });

  it('a packet of an interface that was not described is a fault, the rest is read', async () => {
    const { frames, faults } = await read(
      file(
        Buffer.concat([
          section(true),
          face(true, 6),
          packet(true, 9, 1n, Buffer.from('aa', 'hex')),
          packet(true, 0, 2n, Buffer.from('bb', 'hex')),
        ]),
      ),
    );
    expect(frames.map((f) => f.bytes)).toEqual(['bb']);
    expect(faults).toEqual(['PCAPNG_INTERFACE']);
  });

  it('any mutation of a sound file ends without a throw', async () => {
    const sound = Buffer.concat([
      section(false),
      face(false, 0x8a),
      packet(false, 0, 9n, Buffer.alloc(33)),
      section(true),
      face(true, 9),
      packet(true, 0, 9n, Buffer.alloc(5)),
    ]);
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(sound.length - 1), fc.nat(255)), { minLength: 1, maxLength: 6 }),
        async (changes) => {
          const copy = Buffer.from(sound);
          for (const [at, value] of changes) copy[at] = value;
          await read(file(copy));
        },
      ),
      { numRuns: 500, seed: 11 },
    );
  });

  const corpus = join(
    process.env.PARAPET_CORPUS ?? join(import.meta.dirname, '../../../../shared/corpus'),
    'flow',
    'pcapng',
  );
  it.skipIf(!existsSync(corpus))('every structure test of the corpus is read: frames, or a coded fault', async () => {
    const paths = readdirSync(corpus, { recursive: true, encoding: 'utf8' })
      .map((n) => join(corpus, n))
      .filter((p) => statSync(p).isFile() && p.endsWith('.pcapng'));
    expect(paths.length).toBeGreaterThan(30);
    for (const path of paths) {
      const { frames, faults } = await read(path);
      const twin = path.replace('/be/', '/le/');
      if (existsSync(twin)) {
        const other = await read(twin);
        expect(
          frames.map((f) => [f.at, f.bytes]),
          path,
        ).toEqual(other.frames.map((f) => [f.at, f.bytes]));
      }
      // The structure tests are lawful files; those without packets have none to give.
      expect(
        faults.filter((f) => f !== 'PCAPNG_NO_TIME'),
        path,
      ).toEqual([]);
    }
  });
});
