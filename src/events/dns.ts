// DNS messages as columns, whatever road they came by (capture, dnstap, Zeek log). Borrowed.
// A row is one question of one message (QDCOUNT > 1 gives several rows; QDCOUNT 0 gives one with an empty name).
import { BATCH_ROWS } from './frame.ts';
import type { Origin } from './origin.ts';

export class DnsBatch {
  readonly kind = 'dns';
  origin: Origin = { file: '', placed: 'frame' };
  count = 0;
  readonly at = new Float64Array(BATCH_ROWS);
  readonly place = new Float64Array(BATCH_ROWS);
  /** Eight words a row: the client (who asks), then the server. */
  readonly addresses = new Uint32Array(8 * BATCH_ROWS);
  /** addressHash of the client. */
  readonly clientHash = new Uint32Array(BATCH_ROWS);
  readonly clientPort = new Uint16Array(BATCH_ROWS);
  readonly serverPort = new Uint16Array(BATCH_ROWS);
  readonly id = new Uint16Array(BATCH_ROWS);
  /** 0 query, 1 response. */
  readonly isResponse = new Uint8Array(BATCH_ROWS);
  readonly opcode = new Uint8Array(BATCH_ROWS);
  /** Full rcode, (extended << 4) | header; -1 in queries and where the road does not tell. */
  readonly rcode = new Int16Array(BATCH_ROWS);
  readonly qtype = new Uint16Array(BATCH_ROWS);
  readonly qclass = new Uint16Array(BATCH_ROWS);
  /** 17 UDP, 6 TCP, 0 unknown. */
  readonly transport = new Uint8Array(BATCH_ROWS);
  /** Names in uncompressed wire form (length octets, root included), case kept: row i is [nameOffset, nameOffset + nameBytes). */
  bytes: Uint8Array = new Uint8Array(BATCH_ROWS * 256);
  readonly nameOffset = new Int32Array(BATCH_ROWS);
  readonly nameBytes = new Int32Array(BATCH_ROWS);
  /** FNV-1a (then mixed) of the lower-cased wire name; never 0. */
  readonly nameHash = new Uint32Array(BATCH_ROWS);
  readonly labelCount = new Uint8Array(BATCH_ROWS);
  /** Octets of the whole message; 0 where the road does not tell. */
  readonly messageBytes = new Int32Array(BATCH_ROWS);
  readonly answerCount = new Uint16Array(BATCH_ROWS);
  /** Octets of rdata that can carry data down (TXT, NULL, KEY, CNAME, MX, SRV, PRIVATE, unknown types) in the answer section. */
  readonly answerDataBytes = new Int32Array(BATCH_ROWS);
  /** Type of the first answer record that is not the followed CNAME; 0 where there is none. */
  readonly answerType = new Uint16Array(BATCH_ROWS);
}

/** Presentation form of a wire name (RFC 4343 escapes), without the final dot; '.' for the root. */
export function formatName(bytes: Uint8Array, offset: number, length: number): string {
  let text = '';
  let at = offset;
  const end = offset + length;
  while (at < end) {
    const labelLength = bytes[at]!;
    if (labelLength === 0 || at + 1 + labelLength > end) break;
    if (text !== '') text += '.';
    for (let i = at + 1; i <= at + labelLength; i++) {
      const c = bytes[i]!;
      if (c === 0x2e || c === 0x5c) text += `\\${String.fromCharCode(c)}`;
      else if (c > 0x20 && c < 0x7f) text += String.fromCharCode(c);
      else text += `\\${String(c).padStart(3, '0')}`;
    }
    at += labelLength + 1;
  }
  return text === '' ? '.' : text;
}
