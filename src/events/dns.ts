// DNS messages as columns, whatever road they came by (capture, dnstap, Zeek log). Borrowed.
// A row is one question of one message (QDCOUNT > 1 gives several rows; QDCOUNT 0 gives one with an empty name). What came over
// a DNS port and is no DNS is a row too, marked `foreign`.
import { BATCH_ROWS } from './frame.ts';
import type { Origin } from './origin.ts';

/** Values of `foreign`. */
export const Foreign = { Dns: 0, NotDns: 1, IodineRaw: 2 } as const;

/** Addresses kept of one message's answers. */
export const ANSWER_ADDRESSES_MAX = 8;

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
  /** Second word of the header (RFC 1035 4.1.1; AD and CD: RFC 4035 3.1.6); bits that the road does not tell are 0. */
  readonly flags = new Uint16Array(BATCH_ROWS);
  /** 1 where an OPT record has the DO bit (RFC 3225). */
  readonly dnssecOk = new Uint8Array(BATCH_ROWS);
  /** One of `Foreign`: 0 is a DNS message; else the row has no question, and its columns say only who, when and how many octets. */
  readonly foreign = new Uint8Array(BATCH_ROWS);
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
  /** Lowest TTL of the answer records, seconds; -1 where there is none or the road does not tell. */
  readonly answerTtlSeconds = new Int32Array(BATCH_ROWS);
  /** Addresses of A and AAAA answers, four words each: row i has `answerAddressCount` of them from word `answerAddressOffset` on. */
  readonly answerAddresses = new Uint32Array(4 * ANSWER_ADDRESSES_MAX * BATCH_ROWS);
  readonly answerAddressOffset = new Int32Array(BATCH_ROWS);
  readonly answerAddressCount = new Uint8Array(BATCH_ROWS);
  /** The message itself, where the road brings it: row i is [wireOffset, wireOffset + wireBytes) of `wire`; 0 octets where not. */
  wire: Uint8Array = new Uint8Array(0);
  readonly wireOffset = new Int32Array(BATCH_ROWS);
  readonly wireBytes = new Int32Array(BATCH_ROWS);
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
