// Rows as IPFIX messages (RFC 7011; both directions in one record: RFC 5103) in 'packet' rows, one message a row: what an exporter
// would have sent for it. decoders/netflow reads them and makes flows of them, in one table with all that exporters of this run
// send, so that two directions meet though they stand in two files. `parts` is 0: no packet was seen.
import { BATCH_ROWS } from '#events';
import type { Rows } from '../lines/index.ts';
import { Ends, Rows as PacketRows } from '../netflow/rows.ts';
import type { FlowRow } from './row.ts';

/** Of no exporter's own: messages made here never take the place of templates that came over the wire. */
const DOMAIN = 0x6e66_6475;
const ONE_WAY = 256;
const BOTH_WAYS = 257;
/** Reverse elements (RFC 5103 6.1). */
const REVERSE_PEN = 29_305;
const HEADER_BYTES = 16;
const SET_BYTES = 4;

/** Elements of a record in their order, and their octets (IANA "IPFIX Information Elements"). */
const fields: readonly (readonly [element: number, octets: number])[] = [
  [27, 16], // sourceIPv6Address: IPv4 is mapped, as everywhere here
  [28, 16], // destinationIPv6Address
  [7, 2], // sourceTransportPort
  [11, 2], // destinationTransportPort
  [4, 1], // protocolIdentifier
  [6, 1], // tcpControlBits
  [61, 1], // flowDirection
  [136, 1], // flowEndReason
  [2, 8], // packetDeltaCount
  [1, 8], // octetDeltaCount
  [152, 8], // flowStartMilliseconds
  [153, 8], // flowEndMilliseconds
];
const reverseFields: readonly (readonly [element: number, octets: number])[] = [
  [2, 8],
  [1, 8],
  [6, 1],
];
const RECORD_BYTES = octetsOf(fields);
const BOTH_BYTES = RECORD_BYTES + octetsOf(reverseFields);
const templates = templateSet();
const MESSAGE_BYTES_MAX = HEADER_BYTES + templates.length + SET_BYTES + BOTH_BYTES;
/** Exporters whose templates stand in the batch; past them templates are told again. */
const TOLD_MAX = 64;

export class Messages implements Rows<FlowRow> {
  readonly #rows = new PacketRows({ file: '', placed: 'line' });
  readonly #ends = new Ends('', 0, '', 0);
  readonly #bytes = new Uint8Array(BATCH_ROWS * MESSAGE_BYTES_MAX);
  readonly #view = new DataView(this.#bytes.buffer);
  #used = 0;
  readonly #told = new Uint32Array(4 * TOLD_MAX);
  #toldCount = 0;
  readonly batch = this.#rows.batch;

  clear(): void {
    this.#rows.clear();
    this.batch.bytes = this.#bytes;
    this.#used = 0;
    this.#toldCount = 0;
  }

  add(row: FlowRow, at: number, line: number): string {
    const b = this.#bytes;
    const v = this.#view;
    const start = this.#used;
    let to = start + HEADER_BYTES;
    // UDP loses templates and exporters tell them again; here each batch begins with them.
    if (!this.#isTold(row.exporter)) {
      b.set(templates, to);
      to += templates.length;
    }
    const isBoth = row.isBidirectional;
    v.setUint16(to, isBoth ? BOTH_WAYS : ONE_WAY);
    v.setUint16(to + 2, SET_BYTES + (isBoth ? BOTH_BYTES : RECORD_BYTES));
    to += SET_BYTES;
    for (let k = 0; k < 8; k++) v.setUint32(to + 4 * k, row.addresses[k]!);
    v.setUint16(to + 32, row.sourcePort);
    v.setUint16(to + 34, row.destinationPort);
    b[to + 36] = row.protocol;
    b[to + 37] = row.flags;
    b[to + 38] = row.direction;
    b[to + 39] = row.endReason;
    long(v, to + 40, row.packets);
    long(v, to + 48, row.bytes);
    long(v, to + 56, Math.floor(row.firstAt / 1000));
    long(v, to + 64, Math.floor(row.lastAt / 1000));
    to += RECORD_BYTES;
    if (isBoth) {
      long(v, to, row.reversePackets);
      long(v, to + 8, row.reverseBytes);
      b[to + 16] = row.reverseFlags;
      to += BOTH_BYTES - RECORD_BYTES;
    }
    v.setUint16(start, 10);
    v.setUint16(start + 2, to - start);
    v.setUint32(start + 4, Math.floor(at / 1e6) % 2 ** 32);
    // Of a file nothing is lost on the way, and rows of several files come in turns: there is no sequence to follow.
    v.setUint32(start + 8, 0);
    v.setUint32(start + 12, DOMAIN);
    for (let k = 0; k < 4; k++) this.#ends.words[k] = row.exporter[k]!;
    this.#rows.put(at, line, start, to - start, this.#ends);
    this.#used = to;
    return '';
  }

  #isTold(words: Uint32Array): boolean {
    const told = this.#told;
    for (let i = 0; i < this.#toldCount; i++) {
      const k = 4 * i;
      if (told[k + 3] === words[3] && told[k + 2] === words[2] && told[k + 1] === words[1] && told[k] === words[0])
        return true;
    }
    if (this.#toldCount < TOLD_MAX) told.set(words, 4 * this.#toldCount++);
    return false;
  }
}

/** An unsigned number of 64 bits. */
function long(v: DataView, to: number, value: number): void {
  v.setUint32(to, value / 2 ** 32);
  v.setUint32(to + 4, value % 2 ** 32);
}

function octetsOf(list: readonly (readonly [number, number])[]): number {
  return list.reduce((sum, [, octets]) => sum + octets, 0);
}

/** One set (RFC 7011 3.4.1) with both templates. */
function templateSet(): Uint8Array {
  const words: number[] = [ONE_WAY, fields.length, ...fields.flat()];
  words.push(BOTH_WAYS, fields.length + reverseFields.length, ...fields.flat());
  for (const [element, octets] of reverseFields) words.push(0x8000 | element, octets, 0, REVERSE_PEN);
  const set = new Uint8Array(SET_BYTES + 2 * words.length);
  const view = new DataView(set.buffer);
  view.setUint16(0, 2);
  view.setUint16(2, set.length);
  for (const [i, word] of words.entries()) view.setUint16(SET_BYTES + 2 * i, word);
  return set;
}
