// Where a client asks a SOCKS proxy to go: SOCKS 4 and 4a (the protocol's memorandum), SOCKS 5 (RFC 1928 3, 4). A message
// must fill its segment to the octet, so that binary protocols that begin with 4 or 5 are not taken for it.
import { formatAddress } from '#lib/address';
import type { Target } from './http.ts';

export const Socks = { None: 0, Greeting: 1, Request: 2 } as const;
const Command = { Connect: 1, Bind: 2, Associate: 3 } as const;
const AddressType = { V4: 1, Name: 3, V6: 4 } as const;
const V4_MAPPED = 0xffff;

/** @param greeted whether this client has greeted in version 5: its request is taken only then */
export function readSocks(b: Uint8Array, from: number, to: number, greeted: boolean, out: Target): number {
  out.bytes = b;
  out.length = 0;
  out.port = 0;
  if (b[from] === 4) return version4(b, from, to, out);
  if (b[from] !== 5) return Socks.None;
  if (greeted && version5(b, from, to, out)) return Socks.Request;
  // Version, number of methods, methods; some send the request behind it at once.
  const next = from + 2 + b[from + 1]!;
  if (b[from + 1] === 0 || next > to) return Socks.None;
  if (next === to) return Socks.Greeting;
  return version5(b, next, to, out) ? Socks.Request : Socks.None;
}

function version4(b: Uint8Array, from: number, to: number, out: Target): number {
  const command = b[from + 1];
  if (to - from < 9 || (command !== Command.Connect && command !== Command.Bind)) return Socks.None;
  let at = text(b, from + 8, to);
  if (at < 0) return Socks.None;
  const isName = b[from + 4] === 0 && b[from + 5] === 0 && b[from + 6] === 0 && b[from + 7] !== 0;
  if (isName) {
    const name = at;
    at = text(b, name, to);
    if (at < 0) return Socks.None;
    out.offset = name;
    out.length = Math.min(255, at - 1 - name);
  }
  if (at !== to) {
    out.length = 0;
    return Socks.None;
  }
  if (!isName) literal(b, from + 4, 4, out);
  out.port = (b[from + 2]! << 8) | b[from + 3]!;
  return Socks.Request;
}

function version5(b: Uint8Array, from: number, to: number, out: Target): boolean {
  if (to - from < 8 || b[from] !== 5 || b[from + 2] !== 0) return false;
  const command = b[from + 1]!;
  if (command < Command.Connect || command > Command.Associate) return false;
  const type = b[from + 3];
  const bytes =
    type === AddressType.V4 ? 4 : type === AddressType.V6 ? 16 : type === AddressType.Name ? b[from + 4]! : 0;
  const at = from + (type === AddressType.Name ? 5 : 4);
  if (bytes === 0 || at + bytes + 2 !== to) return false;
  if (type === AddressType.Name) {
    out.offset = at;
    out.length = bytes;
  } else literal(b, at, bytes, out);
  out.port = (b[to - 2]! << 8) | b[to - 1]!;
  return true;
}

/** @returns the position behind a NUL-terminated printable text, -1 where there is none */
function text(b: Uint8Array, from: number, to: number): number {
  for (let at = from; at < to; at++) {
    if (b[at] === 0) return at + 1;
    if (b[at]! < 0x20 || b[at] === 0x7f) return -1;
  }
  return -1;
}

/** An address in text; the unspecified one names nobody. */
function literal(b: Uint8Array, at: number, bytes: number, out: Target): void {
  const words = new Uint32Array(4);
  let any = 0;
  for (let k = 0; k < bytes; k++) {
    any |= b[at + k]!;
    words[(bytes === 4 ? 3 : 0) + (k >> 2)]! |= b[at + k]! << (24 - 8 * (k & 3));
  }
  if (any === 0) return;
  if (bytes === 4) words[2] = V4_MAPPED;
  out.bytes = Buffer.from(formatAddress(words, 0), 'latin1');
  out.offset = 0;
  out.length = out.bytes.length;
}
