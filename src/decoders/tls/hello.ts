// A TLS or DTLS client hello (RFC 8446 4.1.2, RFC 6347 4.2.1) as numbers and ranges: what a fingerprint and a name need.
// The caller gives the handshake message's body, which may be cut; nothing is allocated.

/** Entries of one list that are kept; a hello of HELLO_BYTES_MAX can't hold more. */
export const LIST_MAX = 8192;
/** A hello longer than this is not put together: browsers with post-quantum key shares send some 2 KiB. */
export const HELLO_BYTES_MAX = 16_380;
/** Octets of a host name (RFC 1035 3.1). */
const NAME_BYTES_MAX = 255;

const Extension = { ServerName: 0, SignatureAlgorithms: 13, Alpn: 16, SupportedVersions: 43 } as const;

export class ClientHello {
  /** Read to its end, every length inside its bounds: a fingerprint can be made. */
  isWhole = false;
  isDatagram = false;
  /** Highest of supported_versions, GREASE aside, else the legacy field; in DTLS, whose numbers fall, the lowest. */
  version = 0;
  readonly ciphers = new Uint16Array(LIST_MAX);
  cipherCount = 0;
  readonly extensions = new Uint16Array(LIST_MAX);
  extensionCount = 0;
  readonly signatures = new Uint16Array(LIST_MAX);
  signatureCount = 0;
  /** Whether the extension is there, with a name in it or not. */
  hasServerName = false;
  nameOffset = 0;
  nameBytes = 0;
  /** First protocol offered. */
  alpnOffset = 0;
  alpnBytes = 0;

  clear(isDatagram: boolean): void {
    this.isWhole = false;
    this.isDatagram = isDatagram;
    this.version = 0;
    this.cipherCount = 0;
    this.extensionCount = 0;
    this.signatureCount = 0;
    this.hasServerName = false;
    this.nameBytes = 0;
    this.alpnBytes = 0;
  }
}

/** RFC 8701: both octets equal, low half ten. Nothing wider: 0x0101 is an honest number (nDPI#1416). */
export function isGrease(value: number): boolean {
  return (value & 0x0f0f) === 0x0a0a && value >> 8 === (value & 255);
}

/**
 * @param start of legacy_version
 * @param end of the bytes that are there
 * @param bodyEnd where the message ends by its length
 */
export function readClientHello(
  b: Uint8Array,
  start: number,
  end: number,
  bodyEnd: number,
  isDatagram: boolean,
  out: ClientHello,
): void {
  out.clear(isDatagram);
  const stop = Math.min(end, bodyEnd);
  if (start + 35 > stop) return;
  out.version = u16(b, start);
  let at = start + 34;
  at += 1 + b[at]!;
  if (isDatagram) {
    if (at >= stop) return;
    at += 1 + b[at]!;
  }
  if (at + 2 > stop) return;
  const cipherEnd = at + 2 + u16(b, at);
  for (at += 2; at + 2 <= cipherEnd && at + 2 <= stop; at += 2)
    if (out.cipherCount < LIST_MAX) out.ciphers[out.cipherCount++] = u16(b, at);
  at = cipherEnd;
  if (at >= stop) return;
  at += 1 + b[at]!;
  // Extensions may be missing altogether (TLS 1.0).
  if (at === bodyEnd && bodyEnd <= end) out.isWhole = true;
  if (at + 2 > stop) return;
  const extensionsEnd = at + 2 + u16(b, at);
  if (extensionsEnd > bodyEnd) return;
  const to = Math.min(stop, extensionsEnd);
  at += 2;
  while (at + 4 <= to) {
    const type = u16(b, at);
    const bytes = u16(b, at + 2);
    at += 4;
    if (at + bytes > extensionsEnd) return;
    if (out.extensionCount < LIST_MAX) out.extensions[out.extensionCount++] = type;
    if (at + bytes > to) {
      if (type === Extension.ServerName) out.hasServerName = true;
      return;
    }
    if (type === Extension.ServerName) serverName(b, at, bytes, out);
    else if (type === Extension.Alpn) alpn(b, at, bytes, out);
    else if (type === Extension.SupportedVersions) versions(b, at, bytes, out);
    else if (type === Extension.SignatureAlgorithms) signatures(b, at, bytes, out);
    at += bytes;
  }
  out.isWhole = at === extensionsEnd && bodyEnd <= end;
}

/** RFC 6066 3: list length, then entries; the first, of type host_name. */
function serverName(b: Uint8Array, at: number, bytes: number, out: ClientHello): void {
  out.hasServerName = true;
  if (out.nameBytes > 0 || bytes < 5 || b[at + 2] !== 0) return;
  const nameBytes = u16(b, at + 3);
  if (5 + nameBytes > bytes || nameBytes > NAME_BYTES_MAX) return;
  out.nameOffset = at + 5;
  out.nameBytes = nameBytes;
}

/** RFC 7301 3.1. */
function alpn(b: Uint8Array, at: number, bytes: number, out: ClientHello): void {
  if (bytes < 3 || 3 + b[at + 2]! > bytes) return;
  out.alpnOffset = at + 3;
  out.alpnBytes = b[at + 2]!;
}

function versions(b: Uint8Array, at: number, bytes: number, out: ClientHello): void {
  let best = 0;
  const end = at + Math.min(bytes, 1 + (bytes > 0 ? b[at]! : 0));
  for (let k = at + 1; k + 2 <= end; k += 2) {
    const version = u16(b, k);
    if (isGrease(version)) continue;
    if (best === 0 || (out.isDatagram ? version < best : version > best)) best = version;
  }
  if (best !== 0) out.version = best;
}

function signatures(b: Uint8Array, at: number, bytes: number, out: ClientHello): void {
  if (bytes < 2) return;
  const end = at + Math.min(bytes, 2 + u16(b, at));
  out.signatureCount = 0;
  for (let k = at + 2; k + 2 <= end && out.signatureCount < LIST_MAX; k += 2)
    out.signatures[out.signatureCount++] = u16(b, k);
}

function u16(b: Uint8Array, at: number): number {
  return (b[at]! << 8) | b[at + 1]!;
}
