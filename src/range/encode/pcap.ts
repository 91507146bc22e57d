// Classic pcap (microseconds, little endian, Ethernet), written in time order through a bounded window.
// Frames may be added out of order inside the window; `flush` sorts and writes all that lie before a time.
import { closeSync, openSync, writeSync } from 'node:fs';

interface Pending {
  readonly at: number;
  readonly serial: number;
  readonly bytes: Uint8Array;
  readonly onFrame: ((frame: number) => void) | undefined;
}

export class PcapWriter {
  readonly #fd: number;
  readonly #buffer = Buffer.alloc(1 << 20);
  #used = 0;
  #pending: Pending[] = [];
  #serial = 0;
  #lastAt = 0;
  frames = 0;
  bytes = 24;

  constructor(path: string) {
    this.#fd = openSync(path, 'w');
    const header = Buffer.alloc(24);
    header.writeUInt32LE(0xa1b2c3d4, 0);
    header.writeUInt16LE(2, 4);
    header.writeUInt16LE(4, 6);
    header.writeUInt32LE(262144, 16);
    header.writeUInt32LE(1, 20);
    writeSync(this.#fd, header);
  }
  /** Takes ownership of `bytes`. `onFrame` learns the 1-based frame number once it is written. */
  add(at: number, bytes: Uint8Array, onFrame?: (frame: number) => void): void {
    this.#pending.push({ at, serial: this.#serial++, bytes, onFrame });
  }
  /** Writes everything earlier than `until`. */
  flush(until: number): void {
    const ready: Pending[] = [];
    const later: Pending[] = [];
    for (const p of this.#pending) (p.at < until ? ready : later).push(p);
    this.#pending = later;
    ready.sort((a, b) => a.at - b.at || a.serial - b.serial);
    for (const p of ready) this.#write(p);
  }
  close(): void {
    this.flush(Number.POSITIVE_INFINITY);
    this.#drain();
    closeSync(this.#fd);
  }
  #write(p: Pending): void {
    const length = p.bytes.length;
    if (this.#used + length + 16 > this.#buffer.length) this.#drain();
    // A frame added behind the flushed window is late by less than a scan; time never runs back in the file.
    const at = Math.max(p.at, this.#lastAt);
    this.#lastAt = at;
    const b = this.#buffer;
    let o = this.#used;
    b.writeUInt32LE(Math.floor(at / 1e6), o);
    b.writeUInt32LE(Math.floor(at % 1e6), o + 4);
    b.writeUInt32LE(length, o + 8);
    b.writeUInt32LE(length, o + 12);
    o += 16;
    b.set(p.bytes, o);
    this.#used = o + length;
    this.frames += 1;
    this.bytes += length + 16;
    p.onFrame?.(this.frames);
  }
  #drain(): void {
    let o = 0;
    while (o < this.#used) o += writeSync(this.#fd, this.#buffer, o, this.#used - o);
    this.#used = 0;
  }
}
