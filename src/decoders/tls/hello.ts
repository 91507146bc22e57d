// The server name of a TLS client hello (RFC 8446 4.1.2, RFC 6066 3), as far as the first segment holds it.

/** Where the name lies: written by the call, so that nothing is allocated. */
export interface NameRange {
  offset: number;
  length: number;
}

/**
 * @returns true where the bytes are a client hello; `out.length` is 0 where it carries no name, or the name lies beyond
 */
export function clientHelloName(b: Uint8Array, start: number, length: number, out: NameRange): boolean {
  out.offset = 0;
  out.length = 0;
  const end = start + length;
  // Record: type 22, version 3.x, length; handshake: type 1, length, version 3.x.
  if (length < 11 || b[start] !== 0x16 || b[start + 1] !== 3 || b[start + 5] !== 1 || b[start + 9] !== 3) return false;
  let at = start + 43;
  if (at >= end) return true;
  at += 1 + b[at]!;
  if (at + 2 > end) return true;
  at += 2 + ((b[at]! << 8) | b[at + 1]!);
  if (at >= end) return true;
  at += 1 + b[at]!;
  if (at + 2 > end) return true;
  const extensionsEnd = Math.min(end, at + 2 + ((b[at]! << 8) | b[at + 1]!));
  at += 2;
  while (at + 4 <= extensionsEnd) {
    const type = (b[at]! << 8) | b[at + 1]!;
    const bytes = (b[at + 2]! << 8) | b[at + 3]!;
    at += 4;
    if (type === 0) {
      // server_name_list: length, then name_type 0 and the name.
      if (at + 5 > extensionsEnd || b[at + 2] !== 0) return true;
      const nameBytes = (b[at + 3]! << 8) | b[at + 4]!;
      if (at + 5 + nameBytes > extensionsEnd || nameBytes > 255) return true;
      out.offset = at + 5;
      out.length = nameBytes;
      return true;
    }
    at += bytes;
  }
  return true;
}
