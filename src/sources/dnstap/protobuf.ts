// Fields of one protobuf message, one after the other (protobuf.dev/programming-guides/encoding), without building anything.

export const Wire = { Varint: 0, Fixed64: 1, Bytes: 2, Fixed32: 5 } as const;

/** Walks [at, end). Each step takes at least two octets, so a message of n octets ends within n / 2 steps. */
export class FieldReader {
  #bytes: Uint8Array = new Uint8Array(0);
  #at = 0;
  #end = 0;
  number = 0;
  wire = 0;
  /** Of a varint or 32-bit field (exact below 2^53); of a Bytes field its length. */
  value = 0;
  /** Where the octets of a Bytes field begin. */
  start = 0;
  /** The message breaks off inside a field, or has one of no lawful kind (groups are none here). */
  isBroken = false;

  reset(bytes: Uint8Array, start: number, end: number): void {
    this.#bytes = bytes;
    this.#at = start;
    this.#end = end;
    this.isBroken = false;
  }

  /** @returns false at the end, and where the message is broken */
  next(): boolean {
    if (this.#at >= this.#end) return false;
    const tag = this.#varint();
    this.number = Math.floor(tag / 8);
    this.wire = tag % 8;
    if (this.number === 0) this.isBroken = true;
    if (this.isBroken) return false;
    if (this.wire === Wire.Varint) this.value = this.#varint();
    else if (this.wire === Wire.Bytes) {
      this.value = this.#varint();
      this.start = this.#at;
      this.#skip(this.value);
    } else if (this.wire === Wire.Fixed32) {
      const at = this.#at;
      this.#skip(4);
      const b = this.#bytes;
      if (!this.isBroken) this.value = (b[at]! | (b[at + 1]! << 8) | (b[at + 2]! << 16) | (b[at + 3]! << 24)) >>> 0;
    } else if (this.wire === Wire.Fixed64) this.#skip(8);
    else this.isBroken = true;
    return !this.isBroken;
  }

  #skip(count: number): void {
    if (this.isBroken || count > this.#end - this.#at) this.isBroken = true;
    else this.#at += count;
  }

  #varint(): number {
    let value = 0;
    let scale = 1;
    // Ten octets carry 64 bits; more are not lawful.
    for (let i = 0; i < 10 && this.#at < this.#end; i++) {
      const octet = this.#bytes[this.#at++]!;
      value += (octet & 0x7f) * scale;
      if (octet < 0x80) return value;
      scale *= 128;
    }
    this.isBroken = true;
    return 0;
  }
}
