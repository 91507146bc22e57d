// Frames between the senders and whoever pulls: two slabs of fixed size. One is written, the other read; they change places
// when the read one is used up. Frames in a slab stand as in a stream: 32-bit length, octets.

const HEAD_BYTES = 4;

export class FrameQueue {
  #write: Buffer;
  #read: Buffer;
  #written = 0;
  #readAt = 0;
  #readEnd = 0;

  constructor(slabBytes: number) {
    this.#write = Buffer.allocUnsafeSlow(slabBytes);
    this.#read = Buffer.allocUnsafeSlow(slabBytes);
  }

  /** Copies a frame in. @returns false where there is no room */
  push(bytes: Uint8Array, at: number, length: number): boolean {
    if (this.#written + HEAD_BYTES + length > this.#write.length) return false;
    this.#write.writeUInt32BE(length, this.#written);
    this.#write.set(bytes.subarray(at, at + length), this.#written + HEAD_BYTES);
    this.#written += HEAD_BYTES + length;
    return true;
  }

  get isEmpty(): boolean {
    return this.#readAt === this.#readEnd && this.#written === 0;
  }

  /** Whether the read slab is used up. What was borrowed from it dies with `swap`. */
  get isReadOut(): boolean {
    return this.#readAt === this.#readEnd;
  }

  /** The slabs change places: what was written can be read, and there is room again. */
  swap(): void {
    const read = this.#read;
    this.#read = this.#write;
    this.#readAt = 0;
    this.#readEnd = this.#written;
    this.#write = read;
    this.#written = 0;
  }

  /** The buffer, place and length of the first frame; only where not isReadOut. */
  get bytes(): Uint8Array {
    return this.#read;
  }
  get at(): number {
    return this.#readAt + HEAD_BYTES;
  }
  get length(): number {
    return this.#read.readUInt32BE(this.#readAt);
  }

  clear(): void {
    this.#readAt = this.#readEnd = this.#written = 0;
  }

  shift(): void {
    this.#readAt += HEAD_BYTES + this.length;
  }
}
