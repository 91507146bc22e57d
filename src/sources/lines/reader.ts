// Lines of a text input, one at a time, each within a bound. A line comes out as one character an octet (latin1): whatever
// encoding it is in, no octet is lost or changed, and a chunk that ends inside a UTF-8 sequence cannot break one.
import type { ByteReader } from '../contract.ts';

/** Octets of one line; a log line is some hundred, the answers of a zone transfer may make it long. */
export const LINE_BYTES_MAX = 1 << 20;

// Buffer's method works on any Uint8Array, so no view per line is made.
const latin1Slice = (Buffer.prototype as unknown as { latin1Slice(start: number, end: number): string }).latin1Slice;

export class LineReader {
  readonly #reader: ByteReader;
  readonly #onLong: (line: number) => void;
  /** Octets of the unfinished line that hold no line end. */
  #scanned = 0;
  /** Inside a line that is too long: its octets are passed over up to the next line end. */
  #skipping = false;
  #number = 0;
  #ended = false;

  /** @param onLong told the number of a line that is over the bound, once; the line is left out */
  constructor(reader: ByteReader, onLong: (line: number) => void) {
    this.#reader = reader;
    this.#onLong = onLong;
  }

  /** Number of the line that `next` gave last, from 1. */
  get number(): number {
    return this.#number;
  }

  /** No line will come any more. */
  get ended(): boolean {
    return this.#ended && this.#reader.start >= this.#reader.end;
  }

  /** The next line without its end (LF or CR LF); undefined where no whole one is in the buffer: then `more` is due. */
  next(): string | undefined {
    const reader = this.#reader;
    while (reader.start < reader.end) {
      const { buffer, start, end } = reader;
      let stop = buffer.indexOf(10, start + this.#scanned);
      let after = stop + 1;
      if (stop < 0 || stop >= end) {
        // What has no line end is whole only at the end of the input.
        if (!this.#ended) {
          this.#scanned = end - start;
          return undefined;
        }
        stop = end;
        after = end;
      }
      reader.start = after;
      this.#scanned = 0;
      this.#number += 1;
      if (this.#skipping) {
        this.#skipping = false;
        continue;
      }
      if (stop - start > LINE_BYTES_MAX) {
        this.#onLong(this.#number);
        continue;
      }
      if (stop > start && buffer[stop - 1] === 13) stop -= 1;
      return latin1Slice.call(buffer, this.#number === 1 ? start + markBytes(buffer, start, stop) : start, stop);
    }
    return undefined;
  }

  /** Waits for more octets, or for the end of the input. */
  async more(): Promise<void> {
    const reader = this.#reader;
    if (reader.end - reader.start > LINE_BYTES_MAX && !this.#skipping) {
      this.#skipping = true;
      this.#onLong(this.#number + 1);
    }
    if (this.#skipping) {
      reader.start = reader.end;
      this.#scanned = 0;
    }
    const want = reader.end - reader.start + 1;
    if ((await reader.fill(want)) < want) this.#ended = true;
  }

  close(): void {
    this.#ended = true;
    this.#reader.start = this.#reader.end;
    this.#reader.close();
  }
}

/** Length of a UTF-8 byte order mark. */
function markBytes(bytes: Uint8Array, start: number, end: number): number {
  return end - start >= 3 && bytes[start] === 0xef && bytes[start + 1] === 0xbb && bytes[start + 2] === 0xbf ? 3 : 0;
}
