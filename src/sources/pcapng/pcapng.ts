// The block-structured capture file (draft-ietf-opsawg-pcapng). Section, Interface, Enhanced, Simple and obsolete Packet
// blocks are read; all others are stepped over by their length. Each section has its own byte order and interfaces, each
// interface its own link type, snap length and time resolution (power of ten or two).
import { BATCH_ROWS, type FaultTable, FrameBatch, type Origin, type Sink } from '#events';
import type { ByteReader, Source, SourceKind } from '../contract.ts';
import { FRAME_BYTES_MAX, linkTypeOf } from '../pcap/pcap.ts';
import { Clock, isPossible } from './clock.ts';

const Block = { Section: 0x0a0d0d0a, Interface: 1, Packet: 2, SimplePacket: 3, EnhancedPacket: 6 } as const;
/** Blocks that Wireshark numbers as frames though they hold none: custom (two), systemd journal, Sysdig events. */
const NUMBERED: readonly number[] = [0x0bad, 0x40000bad, 9, 0x204, 0x216, 0x221];
const Option = { End: 0, TsResol: 9, TsOffset: 14 } as const;
/** A block that must be in memory whole can't be larger; larger blocks of other kinds are stepped over. */
const BLOCK_BYTES_MAX = 16 * 1024 * 1024;
/** More interfaces in one section are not believed. */
const INTERFACES_MAX = 4096;

const faults: FaultTable = {
  PCAPNG_TRUNCATED: {
    text: 'The file ends inside a block.',
    remedy: 'Usual for a capture that was stopped hard; the blocks before it are sound.',
    lost: 'the last block',
  },
  PCAPNG_BLOCK_LENGTH: {
    text: 'A block length is below 12, not a multiple of 4 or beyond what can be held.',
    remedy: 'The file is damaged from here on; capture again or repair it.',
    lost: 'the rest of the file',
  },
  PCAPNG_LENGTHS_DIFFER: {
    text: 'The two lengths of a block disagree.',
    remedy: 'The writer is at fault; the first length was believed.',
    lost: 'nothing',
  },
  PCAPNG_BYTE_ORDER: {
    text: 'A section header has no byte-order magic.',
    remedy: 'The file is damaged; capture again.',
    lost: 'the rest of the file',
  },
  PCAPNG_INTERFACE: {
    text: 'A packet names an interface that was not described.',
    remedy: 'The file was cut at the front or joined wrongly; join with a capture tool.',
    lost: 'that frame',
  },
  PCAPNG_CAPTURED_LENGTH: {
    text: 'A packet claims more octets than its block has.',
    remedy: 'The writer is at fault; the rest is read.',
    lost: 'that frame',
  },
  PCAPNG_OPTION: {
    text: 'An interface option runs beyond its block.',
    remedy: 'The writer is at fault; defaults are used for what was not read.',
    lost: 'the remaining options',
  },
  PCAPNG_TIME: {
    text: 'A packet is from before 1970 or after 9999; it takes the time of the frame before.',
    remedy: 'See if_tsresol and if_tsoffset of its interface; the writer is at fault.',
    lost: 'the time of that frame',
  },
  PCAPNG_NO_TIME: {
    text: 'Simple Packet blocks carry no time; they take the time of the frame before.',
    remedy: 'Capture with Enhanced Packet blocks if times matter.',
    lost: 'the time of those frames',
  },
};

export const pcapng: SourceKind = {
  card: { name: 'pcapng', reads: 'captures (pcapng, several sections and interfaces)', faults },
  probe: (head) => head.length >= 4 && head[0] === 0x0a && head[1] === 0x0d && head[2] === 0x0d && head[3] === 0x0a,
  open: (reader, path) => new PcapngSource(reader, path),
};

interface Interface {
  readonly linkType: number;
  readonly snapLength: number;
  readonly clock: Clock;
}

class PcapngSource implements Source {
  readonly #reader: ByteReader;
  readonly #origin: Origin;
  readonly #batch = new FrameBatch();
  #little = true;
  #interfaces: Interface[] = [];
  #frame = 0;
  #lastAt = 0;
  /** Whether the time that was looked at last is impossible. */
  #isTimeless = false;
  #ended = false;
  readonly #pending: { code: string; place: number; offset: number }[] = [];

  constructor(reader: ByteReader, path: string) {
    this.#reader = reader;
    this.#origin = { file: path, placed: 'frame' };
  }

  get progress(): { read: number; size: number } {
    return this.#reader.progress;
  }

  #note(code: string, offset: number): void {
    // A hostile file may repeat one fault in each block: the sink counts, this list stays short.
    if (this.#pending.length < 1024) this.#pending.push({ code, place: this.#frame, offset });
  }

  #stop(code: string): void {
    this.#ended = true;
    this.#note(code, this.#reader.position);
  }

  #u16(at: number): number {
    const b = this.#reader.buffer;
    return this.#little ? b[at]! | (b[at + 1]! << 8) : (b[at]! << 8) | b[at + 1]!;
  }

  #u32(at: number): number {
    const b = this.#reader.buffer;
    return this.#little
      ? (b[at]! | (b[at + 1]! << 8) | (b[at + 2]! << 16) | (b[at + 3]! << 24)) >>> 0
      : ((b[at]! << 24) | (b[at + 1]! << 16) | (b[at + 2]! << 8) | b[at + 3]!) >>> 0;
  }

  /** Length of the packet block at reader.start, having read all blocks before it; 0 at the end. */
  async #toPacket(): Promise<number> {
    const reader = this.#reader;
    while (!this.#ended) {
      const got = await reader.fill(12);
      if (got < 12) {
        if (got > 0) this.#stop('PCAPNG_TRUNCATED');
        this.#ended = true;
        return 0;
      }
      const at = reader.start;
      const b = reader.buffer;
      if (b[at] === 0x0a && b[at + 1] === 0x0d && b[at + 2] === 0x0d && b[at + 3] === 0x0a) {
        const magic = ((b[at + 8]! << 24) | (b[at + 9]! << 16) | (b[at + 10]! << 8) | b[at + 11]!) >>> 0;
        if (magic === 0x1a2b3c4d) this.#little = false;
        else if (magic === 0x4d3c2b1a) this.#little = true;
        else {
          this.#stop('PCAPNG_BYTE_ORDER');
          return 0;
        }
        this.#interfaces = [];
      }
      const type = this.#u32(at);
      const length = this.#u32(at + 4);
      if (length < 12 || length % 4 !== 0) {
        this.#stop('PCAPNG_BLOCK_LENGTH');
        return 0;
      }
      const isPacket = type === Block.EnhancedPacket || type === Block.SimplePacket || type === Block.Packet;
      if (!isPacket && type !== Block.Interface) {
        if (!(await this.#skip(length))) return 0;
        if (NUMBERED.includes(type)) this.#frame += 1;
        continue;
      }
      if (length > BLOCK_BYTES_MAX) {
        this.#stop('PCAPNG_BLOCK_LENGTH');
        return 0;
      }
      if ((await reader.fill(length)) < length) {
        this.#stop('PCAPNG_TRUNCATED');
        return 0;
      }
      if (this.#u32(reader.start + length - 4) !== length)
        this.#note('PCAPNG_LENGTHS_DIFFER', reader.position + length - 4);
      if (isPacket) return length;
      this.#describe(reader.start, length);
      reader.start += length;
    }
    return 0;
  }

  async #skip(length: number): Promise<boolean> {
    const reader = this.#reader;
    let left = length;
    while (left > 0) {
      const got = await reader.fill(1);
      if (got === 0) {
        this.#stop('PCAPNG_TRUNCATED');
        return false;
      }
      const step = Math.min(got, left);
      reader.start += step;
      left -= step;
    }
    return true;
  }

  #describe(at: number, length: number): void {
    if (this.#interfaces.length >= INTERFACES_MAX) return;
    const end = at + length - 4;
    let resolution = 6;
    let offsetSeconds = 0;
    let linkType = -1;
    let snapLength = 0;
    if (end - at >= 16) {
      linkType = linkTypeOf(this.#u16(at + 8));
      snapLength = this.#u32(at + 12);
      let option = at + 16;
      while (option + 4 <= end) {
        const code = this.#u16(option);
        const bytes = this.#u16(option + 2);
        if (code === Option.End) break;
        if (option + 4 + bytes > end) {
          this.#note('PCAPNG_OPTION', this.#reader.position + (option - at));
          break;
        }
        if (code === Option.TsResol && bytes >= 1) {
          resolution = this.#reader.buffer[option + 4]!;
        } else if (code === Option.TsOffset && bytes >= 8) {
          const low = this.#u32(option + (this.#little ? 4 : 8));
          const high = this.#u32(option + (this.#little ? 8 : 4)) | 0;
          offsetSeconds = high * 4294967296 + low;
        }
        option += 4 + ((bytes + 3) & ~3);
      }
    }
    this.#interfaces.push({ linkType, snapLength, clock: new Clock(resolution, offsetSeconds) });
  }

  #timeAt(at: number): number {
    const type = this.#u32(at);
    this.#isTimeless = false;
    if (type === Block.SimplePacket) return this.#lastAt;
    const id = type === Block.EnhancedPacket ? this.#u32(at + 8) : this.#u16(at + 8);
    const face = this.#interfaces[id];
    if (face === undefined) return this.#lastAt;
    const time = face.clock.microsOf(this.#u32(at + 12), this.#u32(at + 16));
    this.#isTimeless = !isPossible(time);
    return this.#isTimeless ? this.#lastAt : time;
  }

  async peekAt(): Promise<number> {
    const length = await this.#toPacket();
    return length === 0 ? Number.POSITIVE_INFINITY : this.#timeAt(this.#reader.start);
  }

  async pull(until: number, sink: Sink): Promise<boolean> {
    const reader = this.#reader;
    const batch = this.#batch;
    let rows = 0;
    let length = await this.#toPacket();
    // Rows lie in one buffer: once any are held, the buffer must not move, so only whole blocks already there are taken.
    while (length > 0 && rows < BATCH_ROWS) {
      const at = reader.start;
      const time = this.#timeAt(at);
      if (time >= until) break;
      if (this.#row(at, length, rows, time)) rows += 1;
      reader.start += length;
      length = this.#nextBuffered();
      if (length === 0 && rows === 0) length = await this.#toPacket();
    }
    batch.count = rows;
    batch.bytes = reader.buffer;
    batch.origin = this.#origin;
    if (rows > 0) sink.emit(batch);
    for (const f of this.#pending.splice(0)) sink.fault(f.code, this.#origin, f.place, f.offset);
    if (this.#ended && reader.failure !== undefined)
      sink.fault('FILE_DECOMPRESS', this.#origin, this.#frame, reader.position);
    return !this.#ended;
  }

  /** Length of a packet block that lies whole in the buffer at reader.start, else 0. */
  #nextBuffered(): number {
    const reader = this.#reader;
    if (reader.end - reader.start < 12) return 0;
    const type = this.#u32(reader.start);
    if (type !== Block.EnhancedPacket && type !== Block.SimplePacket) return 0;
    const length = this.#u32(reader.start + 4);
    if (length < 12 || length % 4 !== 0 || reader.end - reader.start < length) return 0;
    return this.#u32(reader.start + length - 4) === length ? length : 0;
  }

  #row(at: number, length: number, row: number, time: number): boolean {
    const type = this.#u32(at);
    const batch = this.#batch;
    this.#frame += 1;
    let id = 0;
    let head = 28;
    let captured: number;
    let wire: number;
    if (type === Block.SimplePacket) {
      head = 12;
      if (length < 16) {
        this.#note('PCAPNG_CAPTURED_LENGTH', this.#reader.position);
        return false;
      }
      wire = this.#u32(at + 8);
      const snap = this.#interfaces[0]?.snapLength ?? 0;
      captured = Math.min(wire, length - 16, snap === 0 ? FRAME_BYTES_MAX : snap);
      this.#note('PCAPNG_NO_TIME', this.#reader.position);
    } else {
      if (length < 32) {
        this.#note('PCAPNG_CAPTURED_LENGTH', this.#reader.position);
        return false;
      }
      id = type === Block.EnhancedPacket ? this.#u32(at + 8) : this.#u16(at + 8);
      captured = this.#u32(at + 20);
      wire = this.#u32(at + 24);
    }
    const face = this.#interfaces[id];
    if (face === undefined) {
      this.#note('PCAPNG_INTERFACE', this.#reader.position + 8);
      return false;
    }
    if (this.#isTimeless) this.#note('PCAPNG_TIME', this.#reader.position + 12);
    if (captured > length - head - 4 || captured > FRAME_BYTES_MAX) {
      this.#note('PCAPNG_CAPTURED_LENGTH', this.#reader.position + 20);
      return false;
    }
    this.#lastAt = time;
    batch.at[row] = time;
    batch.place[row] = this.#frame;
    batch.offset[row] = at + head;
    batch.length[row] = captured;
    batch.wireLength[row] = Math.max(captured, Math.min(wire, 0x7fffffff));
    batch.linkType[row] = face.linkType;
    return true;
  }

  close(): void {
    this.#ended = true;
    this.#reader.close();
  }
}
