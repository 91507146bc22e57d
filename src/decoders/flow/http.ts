// The head of an HTTP/1 request (RFC 9112 3): whom it is for, and whether a proxy is asked to go there.

/** A head without a host that is longer than this is not read on. */
const HEAD_BYTES_MAX = 8192;
const NAME_BYTES_MAX = 255;

export const Head = { None: 0, Whole: 1, More: 2 } as const;

export interface Target {
  /** In which the name lies. */
  bytes: Uint8Array;
  offset: number;
  /** 0 where there is no name. */
  length: number;
  /** Port that a proxy is asked to go to; 0 where no proxy is asked. */
  port: number;
}

/** Whether a method begins with this octet. */
export function mayBeRequest(c: number): boolean {
  return c === 0x47 || c === 0x50 || c === 0x48 || c === 0x43 || c === 0x4f || c === 0x44;
}

/** GET, POST, PUT, HEAD, CONNECT, OPTIONS, PATCH, DELETE. */
export function isHttpRequest(b: Uint8Array, at: number): boolean {
  const c = b[at]!;
  const d = b[at + 1]!;
  const e = b[at + 2]!;
  const f = b[at + 3]!;
  return (
    (c === 0x47 && d === 0x45 && e === 0x54 && f === 0x20) ||
    (c === 0x50 && ((d === 0x4f && e === 0x53) || (d === 0x55 && e === 0x54) || (d === 0x41 && e === 0x54))) ||
    (c === 0x48 && d === 0x45 && e === 0x41) ||
    (c === 0x43 && d === 0x4f && e === 0x4e && f === 0x4e) ||
    (c === 0x4f && d === 0x50 && e === 0x54) ||
    (c === 0x44 && d === 0x45 && e === 0x4c)
  );
}

/** @param from start of a request; @returns whether its host is known, will not come, or may come with more bytes */
export function readHttp(b: Uint8Array, from: number, to: number, out: Target): number {
  out.bytes = b;
  out.length = 0;
  out.port = 0;
  const end = Math.min(to, from + HEAD_BYTES_MAX);
  const cut = to - from < HEAD_BYTES_MAX ? Head.More : Head.Whole;
  let at = from;
  while (at < end && b[at]! > 0x20) at += 1;
  if (at >= end) return at - from > 8 ? Head.Whole : Head.More;
  const isConnect = b[from] === 0x43;
  at += 1;
  // An absolute form (3.2.2) tells a proxy where to go, whatever Host says.
  const isAbsolute =
    at + 7 < end && (b[at]! | 32) === 0x68 && b[at + 4] === 0x3a && b[at + 5] === 0x2f && b[at + 6] === 0x2f;
  if (isConnect || isAbsolute) {
    const stop = authority(b, isConnect ? at : at + 7, end, out);
    if (stop >= end) return cut;
    if (out.port === 0 && out.length > 0) out.port = isConnect ? 443 : 80;
    return Head.Whole;
  }
  for (; at < end; at++) {
    if (b[at] !== 0x0a) continue;
    const next = b[at + 1];
    // An empty line ends the head: what follows is the body.
    if (at + 1 < end && (next === 0x0a || (next === 0x0d && b[at + 2] === 0x0a))) return Head.Whole;
    if (
      at + 6 >= end ||
      (next! | 32) !== 0x68 ||
      (b[at + 2]! | 32) !== 0x6f ||
      (b[at + 3]! | 32) !== 0x73 ||
      (b[at + 4]! | 32) !== 0x74 ||
      b[at + 5] !== 0x3a
    )
      continue;
    at += 6;
    while (at < end && (b[at] === 0x20 || b[at] === 0x09)) at += 1;
    if (authority(b, at, end, out) >= end) return cut;
    out.port = 0;
    return Head.Whole;
  }
  return cut;
}

/** host, host:port, [v6]:port (RFC 3986 3.2), up to a blank or slash. @returns where it ends; `end`, with no name, where it is cut */
function authority(b: Uint8Array, from: number, end: number, out: Target): number {
  let at = from;
  let name = from;
  let stop: number;
  if (b[at] === 0x5b) {
    name = ++at;
    while (at < end && b[at]! > 0x20 && b[at] !== 0x5d) at += 1;
    stop = at;
    if (b[at] === 0x5d) at += 1;
  } else {
    while (at < end && b[at]! > 0x20 && b[at] !== 0x3a && b[at] !== 0x2f) at += 1;
    stop = at;
  }
  let port = 0;
  if (at < end && b[at] === 0x3a)
    for (at += 1; at < end && b[at]! >= 0x30 && b[at]! <= 0x39; at++)
      port = Math.min(65_536, 10 * port + b[at]! - 0x30);
  // A name that the end cuts is none: a part of it would be another's name.
  if (at >= end) return end;
  out.offset = name;
  out.length = stop - name <= NAME_BYTES_MAX ? stop - name : 0;
  out.port = port <= 65_535 ? port : 0;
  return at;
}
