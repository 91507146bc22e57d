// Decompression by content: gzip (RFC 1952), zstd (RFC 8878), xz (the .xz file format 1.1.0). Members, frames and streams may be
// chained; what is inside is not looked at again, so a compressed file in a compressed file stays one. Ratios have no limit,
// memory has: the output streams, and windows beyond 128 MiB (zstd) and 64 MiB (xz) are refused by the decoders.
import { Readable } from 'node:stream';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import xz from 'xz-decompress';
import type { ByteReader } from '../contract.ts';

/**
 * xz-decompress lets one stream at a time exist and keeps all others waiting until it ends: two files that are read side by
 * side would wait for each other for ever. Its decoders share no state, so its lock is taken out.
 */
const unlocked = { acquire: async (): Promise<void> => {}, release: (): void => {} };
Object.assign(xz.XzReadableStream, { _contextMutex: unlocked });

const Magic = {
  gzip: [0x1f, 0x8b, 8],
  zstd: [0x28, 0xb5, 0x2f, 0xfd],
  xz: [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0],
} as const;
const MAGIC_BYTES_MAX = 6;

/** The decompressed octets of what `under` gives, or undefined where it is not compressed. Failures are thrown by the iterator. */
export async function inflate(under: ByteReader): Promise<AsyncIterator<Uint8Array> | undefined> {
  await under.fill(MAGIC_BYTES_MAX);
  if (begins(under, Magic.gzip)) return through(under, createGunzip());
  if (begins(under, Magic.zstd) || isSkippable(under)) return through(under, createZstdDecompress());
  if (begins(under, Magic.xz)) return new xz.XzReadableStream(webStream(under))[Symbol.asyncIterator]();
  return undefined;
}

function begins(reader: ByteReader, magic: readonly number[]): boolean {
  return (
    reader.end - reader.start >= magic.length && magic.every((octet, i) => reader.buffer[reader.start + i] === octet)
  );
}

/** A zstd file may begin with frames of user data (RFC 8878 3.1.2: 0x184D2A50 to 0x184D2A5F). */
function isSkippable({ buffer, start, end }: ByteReader): boolean {
  return (
    end - start >= 4 &&
    (buffer[start]! & 0xf0) === 0x50 &&
    buffer[start + 1] === 0x2a &&
    buffer[start + 2] === 0x4d &&
    buffer[start + 3] === 0x18
  );
}

async function* chunks(reader: ByteReader): AsyncGenerator<Uint8Array> {
  while ((await reader.fill(1)) > 0) {
    // A copy: the stream keeps the chunk while the reader's buffer is filled anew.
    const chunk = reader.buffer.slice(reader.start, reader.end);
    reader.start = reader.end;
    yield chunk;
  }
  if (reader.failure !== undefined) throw reader.failure;
}

type Inflater = ReturnType<typeof createGunzip> | ReturnType<typeof createZstdDecompress>;

async function* through(under: ByteReader, inflater: Inflater): AsyncGenerator<Uint8Array> {
  const before = under.position;
  const raw = Readable.from(chunks(under), { objectMode: false });
  raw.on('error', (error) => inflater.destroy(error));
  try {
    for await (const chunk of raw.pipe(inflater)) yield chunk;
  } catch (error) {
    // What was decompressed before the damage still lies in the stream.
    for (let rest = inflater.read(); rest !== null; rest = inflater.read()) yield rest;
    throw error;
  }
  // zlib ends in silence where something else follows the last zstd frame.
  if (inflater.bytesWritten < under.position - before || (await under.fill(1)) > 0)
    throw new Error('something that is not compressed follows the compressed data');
}

function webStream(under: ByteReader): ReadableStream<Uint8Array> {
  const iterator = chunks(under);
  return new ReadableStream({
    async pull(controller) {
      const { done, value } = await iterator.next();
      if (done === true) controller.close();
      else controller.enqueue(value);
    },
  });
}
