import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type ByteReader, openBytes, readBytes } from '#sources';

const hasXz = spawnSync('xz', ['--version']).error === undefined;
if (!hasXz) console.log('skipped: xz is not installed');
const xzSync = (bytes: Uint8Array, ...words: string[]): Buffer =>
  spawnSync('xz', ['-c', ...words], { input: bytes, maxBuffer: 1e9 }).stdout;
type Compress = readonly [string, (bytes: Uint8Array) => Buffer];
const kinds: readonly Compress[] = [
  ['gzip', gzipSync],
  ['zstd', zstdCompressSync],
  ...(hasXz ? [['xz', xzSync] as Compress] : []),
];

/** Octets that don't compress. */
function noise(length: number, seed: number): Buffer {
  const out = Buffer.alloc(length);
  let state = seed;
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    out[i] = state >>> 24;
  }
  return out;
}

const dir = mkdtempSync(join(tmpdir(), 'parapet-file-'));
let files = 0;
function file(bytes: Uint8Array): string {
  const path = join(dir, `f${files++}`);
  writeFileSync(path, bytes);
  return path;
}

async function drain(reader: ByteReader): Promise<{ bytes: Buffer; failure: boolean }> {
  const parts: Buffer[] = [];
  while ((await reader.fill(1)) > 0) {
    parts.push(Buffer.from(reader.buffer.subarray(reader.start, reader.end)));
    reader.start = reader.end;
  }
  const failure = reader.failure !== undefined;
  reader.close();
  return { bytes: Buffer.concat(parts), failure };
}
const readFile = async (bytes: Uint8Array): Promise<{ bytes: Buffer; failure: boolean }> =>
  drain(await openBytes(file(bytes)));

const a = noise(300_000, 1);
const b = Buffer.concat([noise(100_000, 2), Buffer.alloc(200_000, 3)]);

describe.each(kinds)('%s', (name, compress) => {
  it('is read, and members one after the other are read to the end', async () => {
    expect((await readFile(compress(a))).bytes.equals(a)).toBe(true);
    const parts = [a, b, Buffer.alloc(0), Buffer.from('last')];
    const joined = await readFile(Buffer.concat(parts.map((part) => compress(part))));
    expect(joined.failure).toBe(false);
    expect(joined.bytes.equals(Buffer.concat(parts))).toBe(true);
  });

  it('gives the same octets however the compressed ones come in', async () => {
    const text = noise(2000, 4);
    const packed = Buffer.concat([compress(text.subarray(0, 1500)), compress(text.subarray(1500))]);
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 900 }), { minLength: 1, maxLength: 9 }), async (sizes) => {
        const chunks: Buffer[] = [];
        for (let at = 0, i = 0; at < packed.length; i++) {
          chunks.push(packed.subarray(at, at + sizes[i % sizes.length]!));
          at += sizes[i % sizes.length]!;
        }
        const { bytes, failure } = await drain(await readBytes(Readable.from(chunks), 0));
        expect(failure).toBe(false);
        expect(bytes.equals(text)).toBe(true);
      }),
      { numRuns: 40, seed: 4 },
    );
  });

  it('what comes before damage, a cut or something foreign is given, and the failure told', async () => {
    // The decoder's last piece, 16 or 64 KiB, can go with the damage.
    const kept = a.length - (name === 'xz' ? 65_536 : 16_384);
    const packed = compress(a);
    for (const tail of [compress(b).subarray(0, 1000), Buffer.from('something else'), Buffer.from([1])]) {
      const { bytes, failure } = await readFile(Buffer.concat([packed, tail]));
      expect(failure).toBe(true);
      expect(bytes.length).toBeGreaterThanOrEqual(kept);
      expect(bytes.subarray(0, kept).equals(a.subarray(0, kept))).toBe(true);
    }
    const cut = await readFile(packed.subarray(0, packed.length - 1));
    expect(cut.failure).toBe(true);
  });

  it('in itself is opened once: what is inside stays as it is', async () => {
    const inner = compress(Buffer.from('inside'));
    const { bytes, failure } = await readFile(compress(inner));
    expect(failure).toBe(false);
    expect(bytes.equals(inner)).toBe(true);
  });

  it('may be read side by side in any number of files', async () => {
    const path = file(Buffer.concat([compress(a), compress(b)]));
    const readers = await Promise.all(Array.from({ length: 20 }, () => openBytes(path)));
    for (const reader of readers) expect(await reader.fill(1000)).toBeGreaterThanOrEqual(1000);
    readers.shift()!.close();
    for (const reader of readers) expect((await drain(reader)).bytes.equals(Buffer.concat([a, b]))).toBe(true);
  });

  it('comes through standard input', async () => {
    const script = `
      import { openBytes } from '#sources';
      const reader = await openBytes('-');
      let sum = 0;
      while ((await reader.fill(1)) > 0) { for (let i = reader.start; i < reader.end; i++) sum += reader.buffer[i]; reader.start = reader.end; }
      console.log(sum, reader.failure === undefined);`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      cwd: join(import.meta.dirname, '../../..'),
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    child.stdin.end(Buffer.concat([compress(a), compress(b)]));
    let said = '';
    for await (const chunk of child.stdout) said += String(chunk);
    const sum = [...a, ...b].reduce((total, octet) => total + octet, 0);
    expect(said.trim()).toBe(`${sum} true`);
  });

  it('a bomb streams through in bounded memory', async () => {
    const size = 64 * 1024 * 1024;
    const packed = compress(Buffer.alloc(size));
    expect(packed.length).toBeLessThan(100_000);
    const before = process.memoryUsage.rss();
    const reader = await openBytes(file(packed));
    let total = 0;
    let most = 0;
    for (let got = await reader.fill(1); got > 0; got = await reader.fill(1)) {
      total += got;
      reader.start = reader.end;
      most = Math.max(most, process.memoryUsage.rss() - before);
    }
    reader.close();
    expect(total).toBe(size);
    expect(most).toBeLessThan(size);
    expect(reader.buffer.length).toBeLessThanOrEqual(256 * 1024);
  });
});

describe('compressed data', () => {
  it('that want more memory than is given are refused with a failure', async () => {
    if (hasXz) {
      const large = xzSync(Buffer.from('x'), '--lzma2=preset=6,dict=128MiB');
      expect(await readFile(large)).toMatchObject({ failure: true });
    }
    // A zstd frame header that asks for a window of 2 GiB (RFC 8878 3.1.1.1.2).
    const window = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0, (31 - 10) << 3, 1, 0, 0]);
    expect(await readFile(window)).toMatchObject({ failure: true });
  });

  it('of zstd may begin with a frame of user data', async () => {
    const user = Buffer.from([0x5e, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3]);
    const { bytes, failure } = await readFile(Buffer.concat([user, zstdCompressSync(a)]));
    expect(failure).toBe(false);
    expect(bytes.equals(a)).toBe(true);
  });

  it.skipIf(!hasXz)('of xz may be padded with zeros between and behind streams', async () => {
    const { bytes, failure } = await readFile(Buffer.concat([xzSync(a), Buffer.alloc(8), xzSync(b), Buffer.alloc(4)]));
    expect(failure).toBe(false);
    expect(bytes.equals(Buffer.concat([a, b]))).toBe(true);
  });

  it('2,000 mutations end: octets, a failure, or both', async () => {
    const packed = kinds.map(([, compress]) => compress(Buffer.from('some text that is some text, again and again')));
    let state = 5;
    const next = (below: number): number => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return Math.floor((state / 2 ** 32) * below);
    };
    let failures = 0;
    for (let run = 0; run < 2000; run++) {
      const copy = Buffer.from(packed[next(packed.length)]!);
      for (let k = 1 + next(3); k > 0; k--) copy[6 + next(copy.length - 6)] = next(256);
      const { failure } = await drain(await readBytes(Readable.from([copy], { objectMode: true }), 0));
      if (failure) failures += 1;
    }
    expect(failures).toBeGreaterThan(500);
  });
});
