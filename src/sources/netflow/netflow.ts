// Files of export datagrams, one behind the other: UDP payloads as they were sent (NetFlow v5 and v9, IPFIX, sFlow v5).
// They tell no arrival, so the time of export stands for it, and no exporter, so all of a file are one.
import type { Origin, Sink } from '#events';
import type { ByteReader, Source, SourceKind } from '../contract.ts';
import { netflowFaults } from './faults.ts';
import { DATAGRAM_BYTES_MAX, Front, readFront } from './frames.ts';
import { Ends, Rows } from './rows.ts';

export const netflow: SourceKind = {
  card: {
    name: 'netflow',
    reads: 'what flow exporters send (NetFlow v5 and v9, IPFIX, sFlow v5: UDP payloads, one behind the other)',
    faults: netflowFaults,
  },
  probe,
  open: (reader, path) => new NetflowFile(reader, path),
};

/** Years 2000 to 2100: two octets of version alone would be too little. */
const SECONDS_MIN = 946_684_800;
const SECONDS_MAX = 4_102_444_800;

function probe(head: Uint8Array): boolean {
  const front = new Front();
  readFront(head, 0, head.length, front);
  if (front.bytes === 0) return false;
  // A datagram may be longer than the head.
  if (!front.isWhole && head.length < 4096) return false;
  return front.at < 0 || (front.at >= SECONDS_MIN * 1e6 && front.at < SECONDS_MAX * 1e6);
}

const nobody = new Ends('', 0, '', 0);

class NetflowFile implements Source {
  readonly #reader: ByteReader;
  readonly #origin: Origin;
  readonly #rows: Rows;
  readonly #front = new Front();
  readonly #pending: { code: string; offset: number }[] = [];
  #isReady = false;
  #at = 0;
  #ended = false;

  constructor(reader: ByteReader, path: string) {
    this.#reader = reader;
    this.#origin = { file: path, placed: 'offset' };
    this.#rows = new Rows(this.#origin);
  }

  get progress(): { readonly read: number; readonly size: number } {
    return this.#reader.progress;
  }

  async peekAt(): Promise<number> {
    const reader = this.#reader;
    if (!this.#isReady && !this.#ended) {
      await reader.fill(DATAGRAM_BYTES_MAX);
      this.#scan();
    }
    return this.#ended ? Number.POSITIVE_INFINITY : this.#at;
  }

  async pull(until: number, sink: Sink): Promise<boolean> {
    const rows = this.#rows;
    const reader = this.#reader;
    rows.clear();
    await this.peekAt();
    rows.batch.bytes = reader.buffer;
    while (this.#isReady && !rows.isFull && this.#at < until) {
      rows.put(this.#at, reader.position, reader.start, this.#front.bytes, nobody);
      reader.start += this.#front.bytes;
      this.#isReady = false;
      // Rows lie in one buffer: while any are held it must not move.
      if (reader.end - reader.start >= DATAGRAM_BYTES_MAX) this.#scan();
      else if (reader.end > reader.start) this.#scanSafely();
    }
    if (rows.batch.count > 0) sink.emit(rows.batch);
    for (const { code, offset } of this.#pending.splice(0)) sink.fault(code, this.#origin, offset, offset);
    return !this.#ended;
  }

  /** The next datagram, where as many octets are there as one can have, or all that there are. */
  #scan(): void {
    const reader = this.#reader;
    const end = Math.min(reader.end, reader.start + DATAGRAM_BYTES_MAX);
    if (reader.end === reader.start) {
      this.#ended = true;
      if (reader.failure !== undefined) this.#note('FILE_DECOMPRESS');
      return;
    }
    readFront(reader.buffer, reader.start, end, this.#front);
    if (this.#front.bytes === 0) {
      this.#note('NETFLOW_FILE_DATAGRAM');
      this.#ended = true;
      return;
    }
    if (!this.#front.isWhole) this.#note('NETFLOW_FILE_CUT');
    if (this.#front.at >= 0) this.#at = this.#front.at;
    this.#isReady = true;
  }

  /** The next datagram, where it surely ends in the buffer: one that stops before the buffer does. */
  #scanSafely(): void {
    const reader = this.#reader;
    readFront(reader.buffer, reader.start, reader.end, this.#front);
    if (this.#front.bytes === 0 || !this.#front.isWhole || reader.start + this.#front.bytes >= reader.end) return;
    if (this.#front.at >= 0) this.#at = this.#front.at;
    this.#isReady = true;
  }

  #note(code: string): void {
    this.#pending.push({ code, offset: this.#reader.position });
  }

  close(): void {
    this.#ended = true;
    this.#reader.close();
  }
}
