// How long an export datagram is. Files that hold them one behind the other have no framing of their own: each tells its end,
// or is walked to it. Only lengths and times are looked at here.

/** UDP payload at the most. */
export const DATAGRAM_BYTES_MAX = 65_535;

/** The front of a file; one reused value. */
export class Front {
  /** Octets of the datagram; 0 where what stands here is none. */
  bytes = 0;
  /** Time of export, microseconds; -1 where the version tells none (sFlow). */
  at = -1;
  /** Whether it ends where it says. */
  isWhole = false;
}

/** Looks at the datagram at `start`; [start, end) is what is there, up to 65,535 octets of it. */
export function readFront(b: Uint8Array, start: number, end: number, out: Front): void {
  out.bytes = 0;
  out.at = -1;
  out.isWhole = false;
  if (end - start < 4) return;
  const version = u16(b, start);
  if (version === 5) put(out, 24 + 48 * Math.min(u16(b, start + 2), 30), 24, b, start, end, 8);
  else if (version === 9) put(out, setsEnd(b, start + 20, end) - start, 20, b, start, end, 8);
  else if (version === 10) put(out, u16(b, start + 2), 16, b, start, end, 4);
  else if (version === 0 && u16(b, start + 2) === 5) put(out, samplesEnd(b, start, end) - start, 28, b, start, end, -1);
}

function put(
  out: Front,
  bytes: number,
  headerBytes: number,
  b: Uint8Array,
  start: number,
  end: number,
  timeAt: number,
): void {
  const have = end - start;
  if (bytes < headerBytes) return;
  out.bytes = Math.min(bytes, have);
  out.isWhole = bytes <= have;
  if (timeAt >= 0 && have >= headerBytes) out.at = u32(b, start + timeAt) * 1e6;
}

/**
 * End of the sets of a v9 datagram: where no set begins. A next datagram's version (5, 9, 10) is no set's id, nor are the zeros
 * that some fill up with.
 */
function setsEnd(b: Uint8Array, start: number, end: number): number {
  let at = start;
  while (at + 4 <= end) {
    const id = u16(b, at);
    const length = u16(b, at + 2);
    // What would be a set of templates of five octets is an sFlow datagram.
    if (isSflow(b, at, end)) break;
    if ((id > 1 && id < 256) || length < 4 || at + length - start > DATAGRAM_BYTES_MAX) break;
    // One that says it goes on beyond the end is cut.
    if (at + length > end) return end + 1;
    at += length;
  }
  const filled = at;
  while (at < end && b[at] === 0 && !isSflow(b, at, end)) at += 1;
  // The zero before a version is the version's own.
  if (at < end && at > filled && (b[at] === 5 || b[at] === 9 || b[at] === 10)) at -= 1;
  return at;
}

function isSflow(b: Uint8Array, at: number, end: number): boolean {
  return at + 8 <= end && u32(b, at) === 5 && (u32(b, at + 4) === 1 || u32(b, at + 4) === 2);
}

function samplesEnd(b: Uint8Array, start: number, end: number): number {
  const kind = start + 8 <= end ? u32(b, start + 4) : 0;
  let at = start + (kind === 1 ? 28 : kind === 2 ? 40 : 0);
  if (at === start || at > end) return start;
  for (let left = u32(b, at - 4); left > 0 && at < end; left--) {
    if (at + 8 > end) return end + 1;
    at += 8 + u32(b, at + 4);
    if (at - start > DATAGRAM_BYTES_MAX) return start;
  }
  return at;
}

function u16(b: Uint8Array, at: number): number {
  return (b[at]! << 8) | b[at + 1]!;
}

function u32(b: Uint8Array, at: number): number {
  return ((b[at]! << 24) | (b[at + 1]! << 16) | (b[at + 2]! << 8) | b[at + 3]!) >>> 0;
}
