// A cursor over one packet that never throws and never reads past the end: the first failure sticks, and every later
// read gives an empty value. The caller asks once, at the end, whether all went well.
import { Reason } from './packets.ts';

export class Cursor {
  readonly bytes: Uint8Array;
  at: number;
  end: number;
  /** v5 reason of the first failure, 0 while there is none. */
  failed = 0;
  text = '';

  constructor(bytes: Uint8Array, start: number, end: number) {
    this.bytes = bytes;
    this.at = start;
    this.end = end;
  }

  fail(text: string, reason: number = Reason.Malformed): void {
    if (this.failed !== 0) return;
    this.failed = reason;
    this.text = text;
    this.at = this.end;
  }

  get left(): number {
    return this.end - this.at;
  }

  u8(): number {
    if (this.left < 1) return this.#short();
    return this.bytes[this.at++]!;
  }
  u16(): number {
    if (this.left < 2) return this.#short();
    const value = this.bytes[this.at]! * 256 + this.bytes[this.at + 1]!;
    this.at += 2;
    return value;
  }
  u32(): number {
    const high = this.u16();
    return high * 65536 + this.u16();
  }

  /** Variable byte integer, section 1.5.5: at most four octets, and the fewest that hold the value. */
  varint(): number {
    let value = 0;
    for (let i = 0; i < 4; i++) {
      if (this.left < 1) return this.#short();
      const octet = this.bytes[this.at++]!;
      value += (octet & 0x7f) * 128 ** i;
      if (octet < 0x80) {
        if (octet === 0 && i > 0) this.fail('a length is padded with empty octets');
        return value;
      }
    }
    this.fail('a length is longer than four octets');
    return 0;
  }

  /** Borrowed from the packet: the packet's buffer is never written again (stream.ts). */
  binary(): Uint8Array {
    const length = this.u16();
    if (this.left < length) {
      this.#short();
      return this.bytes.subarray(0, 0);
    }
    this.at += length;
    return this.bytes.subarray(this.at - length, this.at);
  }

  /** UTF-8 encoded string, section 1.5.4. */
  string(): string {
    const value = this.binary();
    if (this.failed !== 0) return '';
    const fault = utf8Fault(value);
    if (fault !== '') {
      this.fail(fault);
      return '';
    }
    return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('utf8');
  }

  rest(): Uint8Array {
    const value = this.bytes.subarray(this.at, this.end);
    this.at = this.end;
    return value;
  }

  #short(): 0 {
    this.fail('the packet ends inside a field');
    return 0;
  }
}

/**
 * Why bytes are no MQTT string, or ''. RFC 3629 without overlong forms and surrogates; U+0000 is forbidden, and control
 * characters and non-characters, which a receiver may refuse (section 1.5.4), are refused: no name of ours needs them.
 */
export function utf8Fault(bytes: Uint8Array): string {
  const n = bytes.length;
  for (let i = 0; i < n; ) {
    const a = bytes[i]!;
    if (a < 0x80) {
      if (a === 0) return 'a string holds U+0000';
      if (a < 0x20 || a === 0x7f) return 'a string holds a control character';
      i++;
      continue;
    }
    const length = a >= 0xc2 && a < 0xe0 ? 2 : a >= 0xe0 && a < 0xf0 ? 3 : a >= 0xf0 && a < 0xf5 ? 4 : 0;
    if (length === 0 || i + length > n) return 'a string is not UTF-8';
    let code = a & (0x7f >> length);
    for (let k = 1; k < length; k++) {
      const b = bytes[i + k]!;
      if ((b & 0xc0) !== 0x80) return 'a string is not UTF-8';
      code = (code << 6) | (b & 0x3f);
    }
    if (length === 3 && code < 0x800) return 'a string is not UTF-8';
    if (length === 4 && (code < 0x10000 || code > 0x10ffff)) return 'a string is not UTF-8';
    if (code >= 0xd800 && code < 0xe000) return 'a string holds a surrogate';
    if (code < 0xa0) return 'a string holds a control character';
    if ((code & 0xfffe) === 0xfffe || (code >= 0xfdd0 && code <= 0xfdef)) return 'a string holds a non-character';
    i += length;
  }
  return '';
}
