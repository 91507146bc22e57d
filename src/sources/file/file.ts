// Bytes of a file, standard input or a child's output, decompressed by content (./inflate.ts), in one reused buffer.
// Plain files are read with readSync into 256 KiB that stay in the processor's cache; the rest streams.
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import type { FaultTable } from '#events';
import type { ByteReader } from '../contract.ts';
import { inflate } from './inflate.ts';

const CHUNK_BYTES = 256 * 1024;

export const fileFaults: FaultTable = {
  FILE_UNREADABLE: {
    text: 'The file could not be opened or read.',
    remedy: 'Check that it exists and that this user may read it.',
    lost: 'the whole file',
  },
  FILE_EMPTY: { text: 'The file has no bytes.', remedy: 'Check how it was written or copied.', lost: 'nothing' },
  FILE_UNKNOWN: {
    text: 'The content is of no kind that is understood.',
    remedy:
      'Give a capture (pcap, pcapng), dnstap, NetFlow datagrams, CSV of nfdump, a log of Zeek, Suricata (EVE) or a resolver, or NDJSON records; compressed once with gzip, zstd or xz if you like.',
    lost: 'the whole file',
  },
  FILE_DECOMPRESS: {
    text: 'The compressed data break off, are damaged, or need more memory than is given.',
    remedy: 'Decompress it by hand to see how far it is sound, or copy it again.',
    lost: 'what follows the damage',
  },
};

/** Opens `path` ('-' is standard input). @throws the system's error where it cannot be opened */
export async function openBytes(path: string): Promise<ByteReader> {
  if (path === '-') return readBytes(process.stdin, 0, () => process.stdin.destroy());
  const fd = openSync(path, 'r');
  const stat = fstatSync(fd);
  if (stat.isDirectory()) {
    closeSync(fd);
    throw Object.assign(new Error('is a folder'), { code: 'EISDIR' });
  }
  const plain = new PlainReader(fd, stat.size);
  const inflated = await inflate(plain);
  if (inflated === undefined) return plain;
  return new StreamReader(inflated, plain.progress, () => plain.close());
}

/** Bytes of a stream (a child's output, a socket), decompressed where its first bytes say so; `close` frees what is under it. */
export async function readBytes(
  stream: AsyncIterable<Uint8Array>,
  size: number,
  close: () => void = () => {},
): Promise<ByteReader> {
  const reader = new StreamReader(stream[Symbol.asyncIterator](), { read: 0, size }, close);
  const inflated = await inflate(reader);
  if (inflated === undefined) return reader;
  return new StreamReader(inflated, reader.progress, () => reader.close());
}

abstract class Window implements ByteReader {
  buffer = new Uint8Array(CHUNK_BYTES);
  start = 0;
  end = 0;
  #moved = 0;
  abstract readonly progress: { read: number; size: number };

  get position(): number {
    return this.#moved + this.start;
  }

  /** Makes room for `atLeast` bytes from start; the buffer doubles, callers bound what they ask for. */
  protected room(atLeast: number): void {
    if (this.start > 0) {
      this.buffer.copyWithin(0, this.start, this.end);
      this.#moved += this.start;
      this.end -= this.start;
      this.start = 0;
    }
    if (atLeast > this.buffer.length) {
      let size = this.buffer.length;
      while (size < atLeast) size *= 2;
      const grown = new Uint8Array(size);
      grown.set(this.buffer.subarray(0, this.end));
      this.buffer = grown;
    }
  }

  abstract fill(atLeast: number): Promise<number>;
  abstract close(): void;
}

class PlainReader extends Window {
  readonly progress: { read: number; size: number };
  #fd: number;
  #ended = false;

  constructor(fd: number, size: number) {
    super();
    this.#fd = fd;
    this.progress = { read: 0, size };
  }

  override async fill(atLeast: number): Promise<number> {
    if (this.end - this.start >= atLeast || this.#ended) return this.end - this.start;
    this.room(atLeast);
    while (this.end < this.buffer.length) {
      const got = readSync(this.#fd, this.buffer, this.end, this.buffer.length - this.end, null);
      if (got === 0) {
        this.#ended = true;
        break;
      }
      this.end += got;
      this.progress.read += got;
      if (this.end - this.start >= atLeast) break;
    }
    return this.end - this.start;
  }

  override close(): void {
    if (this.#fd >= 0) closeSync(this.#fd);
    this.#fd = -1;
    this.#ended = true;
  }
}

class StreamReader extends Window {
  readonly progress: { read: number; size: number };
  readonly #iterator: AsyncIterator<Uint8Array>;
  readonly #closeUnder: () => void;
  #rest: Uint8Array = new Uint8Array(0);
  #ended = false;
  /** Set where the stream failed (damaged gzip, broken pipe): what came before is still read. */
  failure: Error | undefined;

  constructor(iterator: AsyncIterator<Uint8Array>, progress: { read: number; size: number }, closeUnder: () => void) {
    super();
    this.#iterator = iterator;
    this.progress = progress;
    this.#closeUnder = closeUnder;
  }

  override async fill(atLeast: number): Promise<number> {
    if (this.end - this.start >= atLeast) return this.end - this.start;
    this.room(atLeast);
    while (this.end - this.start < atLeast && !this.#ended) {
      if (this.#rest.length === 0) {
        try {
          const next = await this.#iterator.next();
          if (next.done === true) this.#ended = true;
          else this.#rest = next.value;
        } catch (error) {
          this.failure = error as Error;
          this.#ended = true;
        }
        if (this.progress.size === 0) this.progress.read += this.#rest.length;
      }
      const take = Math.min(this.#rest.length, this.buffer.length - this.end);
      this.buffer.set(this.#rest.subarray(0, take), this.end);
      this.end += take;
      this.#rest = this.#rest.subarray(take);
    }
    return this.end - this.start;
  }

  override close(): void {
    this.#ended = true;
    // Frees a decoder that has not come to its end.
    void this.#iterator.return?.().catch(() => {});
    this.#closeUnder();
  }
}
