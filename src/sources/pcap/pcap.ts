// The classic capture file (draft-ietf-opsawg-pcap): 24-octet header, then records of a 16-octet header and the frame.
// Both byte orders, micro- and nanoseconds. Left out: the patched formats of old kernels (magic a1b2cd34).
import { BATCH_ROWS, type FaultTable, FrameBatch, LinkType, type Origin, type Sink } from '#events';
import type { ByteReader, Source, SourceKind } from '../contract.ts';

/** Largest frame that is believed: libpcap's own limit (MAXIMUM_SNAPLEN). More is a damaged record header. */
export const FRAME_BYTES_MAX = 262_144;

const faults: FaultTable = {
  PCAP_HEADER: {
    text: 'The 24-octet file header is cut.',
    remedy: 'Capture again; nothing in this file can be read.',
    lost: 'the whole file',
  },
  PCAP_TRUNCATED: {
    text: 'The file ends inside a record.',
    remedy: 'Usual for a capture that was stopped hard; the records before it are sound.',
    lost: 'the last frame',
  },
  PCAP_RECORD_LENGTH: {
    text: 'A record claims more octets than a frame can have.',
    remedy: 'The file is damaged from here on; try a repair tool, or capture again.',
    lost: 'the rest of the file',
  },
};

export const pcap: SourceKind = {
  card: { name: 'pcap', reads: 'captures (pcap, both byte orders, micro- and nanoseconds)', faults },
  probe: (head) => order(head) !== undefined,
  open: (reader, path) => new PcapSource(reader, path),
};

interface Order {
  readonly little: boolean;
  /** Microseconds per unit of the fraction field. */
  readonly unitMicros: number;
}

function order(head: Uint8Array): Order | undefined {
  if (head.length < 4) return undefined;
  const magic = ((head[0]! << 24) | (head[1]! << 16) | (head[2]! << 8) | head[3]!) >>> 0;
  if (magic === 0xa1b2c3d4) return { little: false, unitMicros: 1 };
  if (magic === 0xd4c3b2a1) return { little: true, unitMicros: 1 };
  if (magic === 0xa1b23c4d) return { little: false, unitMicros: 1e-3 };
  if (magic === 0x4d3cb2a1) return { little: true, unitMicros: 1e-3 };
  return undefined;
}

/** BSDs wrote their own DLT numbers for raw IP into files. */
export function linkTypeOf(dlt: number): number {
  return dlt === 12 || dlt === 14 ? LinkType.Raw : dlt;
}

class PcapSource implements Source {
  readonly #reader: ByteReader;
  readonly #origin: Origin;
  readonly #batch = new FrameBatch();
  #order: Order | undefined;
  #linkType = 0;
  #frame = 0;
  #ended = false;
  #begun = false;
  readonly #pending: { code: string; place: number; offset: number }[] = [];

  constructor(reader: ByteReader, path: string) {
    this.#reader = reader;
    this.#origin = { file: path, placed: 'frame' };
  }

  get progress(): { read: number; size: number } {
    return this.#reader.progress;
  }

  async #begin(): Promise<void> {
    this.#begun = true;
    const reader = this.#reader;
    if ((await reader.fill(24)) < 24) {
      this.#stop('PCAP_HEADER', 0, 0);
      return;
    }
    this.#order = order(reader.buffer.subarray(reader.start, reader.start + 4));
    this.#linkType = linkTypeOf(u32(reader.buffer, reader.start + 20, this.#order!.little) & 0xffff);
    reader.start += 24;
  }

  #stop(code: string, place: number, offset: number): void {
    this.#ended = true;
    this.#pending.push({ code, place, offset });
  }

  async peekAt(): Promise<number> {
    if (!this.#begun) await this.#begin();
    if (this.#ended) return Number.POSITIVE_INFINITY;
    const reader = this.#reader;
    const got = await reader.fill(16);
    if (got < 16) {
      if (got > 0) this.#stop('PCAP_TRUNCATED', this.#frame + 1, reader.position);
      this.#ended = true;
      return Number.POSITIVE_INFINITY;
    }
    return this.#timeAt(reader.start);
  }

  #timeAt(at: number): number {
    const { little, unitMicros } = this.#order!;
    const buffer = this.#reader.buffer;
    return u32(buffer, at, little) * 1e6 + Math.floor(u32(buffer, at + 4, little) * unitMicros);
  }

  async pull(until: number, sink: Sink): Promise<boolean> {
    await this.peekAt();
    const reader = this.#reader;
    const batch = this.#batch;
    batch.count = 0;
    if (!this.#ended) {
      const little = this.#order!.little;
      let rows = 0;
      while (rows < BATCH_ROWS) {
        if (reader.end - reader.start < 16) {
          if (rows > 0) break;
          if ((await this.peekAt()) === Number.POSITIVE_INFINITY) break;
        }
        const buffer = reader.buffer;
        const at = reader.start;
        const time = this.#timeAt(at);
        if (time >= until) break;
        const captured = u32(buffer, at + 8, little);
        if (captured > FRAME_BYTES_MAX) {
          this.#stop('PCAP_RECORD_LENGTH', this.#frame + 1, reader.position + 8);
          break;
        }
        if (reader.end - at < 16 + captured) {
          if (rows > 0) break;
          if ((await reader.fill(16 + captured)) < 16 + captured) {
            this.#stop('PCAP_TRUNCATED', this.#frame + 1, reader.position);
            break;
          }
          continue;
        }
        this.#frame += 1;
        batch.at[rows] = time;
        batch.place[rows] = this.#frame;
        batch.offset[rows] = at + 16;
        batch.length[rows] = captured;
        batch.wireLength[rows] = Math.max(captured, Math.min(u32(buffer, at + 12, little), 0x7fffffff));
        batch.linkType[rows] = this.#linkType;
        reader.start = at + 16 + captured;
        rows += 1;
      }
      batch.count = rows;
      batch.bytes = reader.buffer;
      batch.origin = this.#origin;
    }
    if (batch.count > 0) sink.emit(batch);
    for (const f of this.#pending.splice(0)) sink.fault(f.code, this.#origin, f.place, f.offset);
    if (this.#ended && reader.failure !== undefined)
      sink.fault('FILE_DECOMPRESS', this.#origin, this.#frame, reader.position);
    return !this.#ended;
  }

  close(): void {
    this.#ended = true;
    this.#reader.close();
  }
}

function u32(b: Uint8Array, at: number, little: boolean): number {
  return little
    ? (b[at]! | (b[at + 1]! << 8) | (b[at + 2]! << 16) | (b[at + 3]! << 24)) >>> 0
    : ((b[at]! << 24) | (b[at + 1]! << 16) | (b[at + 2]! << 8) | b[at + 3]!) >>> 0;
}
