// dnstap files: what fstrm_capture, named and others write. One stream from START to STOP, or several of them joined.
import type { Sink } from '#events';
import type { ByteReader, Source, SourceKind } from '../contract.ts';
import { dnstapFaults } from './faults.ts';
import { CONTROL_BYTES_MAX, Control, FrameView, isTooLong, readControl, readFrame } from './frames.ts';
import { Rows, StreamState } from './rows.ts';

export const dnstap: SourceKind = {
  card: {
    name: 'dnstap',
    reads: 'what DNS servers log themselves (dnstap, in Frame Streams files)',
    faults: dnstapFaults,
  },
  probe,
  open: (reader, path) => new DnstapFile(reader, path),
};

/** A START frame (or the READY of a recorded connection) with dnstap's content type. */
function probe(head: Uint8Array): boolean {
  const frame = new FrameView();
  if (!readFrame(head, 0, head.length, frame) || !frame.isControl || frame.bytes > CONTROL_BYTES_MAX) return false;
  const { type, isDnstap, hasContentType } = readControl(head, frame.headBytes, frame.bytes);
  return (type === Control.Start || type === Control.Ready) && isDnstap && hasContentType;
}

class DnstapFile implements Source {
  readonly #reader: ByteReader;
  readonly #rows: Rows;
  readonly #state = new StreamState();
  readonly #frame = new FrameView();
  /** Whether the frame at reader.start is decoded and waits to become a row. */
  #isReady = false;
  /** Octets of a frame too long that are still to be passed over. */
  #skip = 0;
  #ended = false;

  constructor(reader: ByteReader, path: string) {
    this.#reader = reader;
    this.#rows = new Rows({ file: path, placed: 'frame' });
  }

  get progress(): { readonly read: number; readonly size: number } {
    return this.#reader.progress;
  }

  async peekAt(): Promise<number> {
    while (!this.#scan()) {
      if (this.#ended) return Number.POSITIVE_INFINITY;
      await this.#more();
    }
    return this.#rows.at;
  }

  async pull(until: number, sink: Sink): Promise<boolean> {
    await this.peekAt();
    const reader = this.#reader;
    const rows = this.#rows;
    rows.batch.count = 0;
    // Rows lie in one buffer: once any are held it must not move, so only frames already there are taken.
    while (!rows.isFull && this.#scan() && rows.at < until) {
      rows.put(reader.buffer, reader.start + this.#frame.headBytes);
      reader.start += this.#frame.headBytes + this.#frame.bytes;
      this.#isReady = false;
    }
    if (rows.batch.count > 0) sink.emit(rows.batch);
    rows.tell(sink);
    return !this.#ended;
  }

  /** Goes over whole frames in the buffer to the next one that makes a row. @returns false where there is none in it */
  #scan(): boolean {
    const reader = this.#reader;
    const frame = this.#frame;
    while (!this.#isReady) {
      const step = Math.min(this.#skip, reader.end - reader.start);
      reader.start += step;
      this.#skip -= step;
      if (this.#skip > 0 || !readFrame(reader.buffer, reader.start, reader.end, frame)) return false;
      const at = reader.start + frame.headBytes;
      const offset = reader.position;
      if (isTooLong(frame)) {
        this.#rows.note('DNSTAP_FRAME_LENGTH', offset);
        this.#skip = frame.headBytes + frame.bytes;
      } else if (frame.isControl) {
        const { fault } = this.#state.control(reader.buffer, at, frame.bytes);
        if (fault !== '') this.#rows.note(fault, offset);
        reader.start = at + frame.bytes;
      } else if (!this.#state.isStarted) {
        this.#rows.frames += 1;
        this.#rows.note('DNSTAP_NOT_STARTED', offset);
        reader.start = at + frame.bytes;
      } else if (this.#rows.decode(reader.buffer, at, frame.bytes, offset)) this.#isReady = true;
      else reader.start = at + frame.bytes;
    }
    return true;
  }

  async #more(): Promise<void> {
    const reader = this.#reader;
    const want = this.#skip > 0 ? 1 : this.#frame.need;
    const had = await reader.fill(want);
    if (had >= want) return;
    this.#ended = true;
    if (had > 0 || this.#skip > 0) this.#rows.note('DNSTAP_TRUNCATED', reader.position);
    if (reader.failure !== undefined) this.#rows.note('FILE_DECOMPRESS', reader.position);
  }

  close(): void {
    this.#ended = true;
    this.#reader.close();
  }
}
