// Link-layer frames as a source reads them: byte ranges into the source's buffer. Borrowed.
import type { Origin } from './origin.ts';

/** Rows in a batch at the most. */
export const BATCH_ROWS = 1024;

/** Link-layer header types that are decoded (tcpdump.org linktypes; the DLT_RAW aliases of BSDs are folded in). */
export const LinkType = {
  Null: 0,
  Ethernet: 1,
  Ppp: 9,
  Fddi: 10,
  PppHdlc: 50,
  PppEther: 51,
  Raw: 101,
  CiscoHdlc: 104,
  Loop: 108,
  LinuxSll: 113,
  Sccp: 142,
  Mtp2: 140,
  Mtp3: 141,
  Ipv4: 228,
  Ipv6: 229,
  LinuxSll2: 276,
} as const;

export class FrameBatch {
  readonly kind = 'frame';
  origin: Origin = { file: '', placed: 'frame' };
  count = 0;
  /** The source's buffer; ranges below lie in it. */
  bytes: Uint8Array = new Uint8Array(0);
  /** Event time, microseconds since the epoch. */
  readonly at = new Float64Array(BATCH_ROWS);
  /** Frame number in the file, from 1. */
  readonly place = new Float64Array(BATCH_ROWS);
  readonly offset = new Int32Array(BATCH_ROWS);
  /** Captured bytes. */
  readonly length = new Int32Array(BATCH_ROWS);
  /** Bytes on the wire, >= length. */
  readonly wireLength = new Int32Array(BATCH_ROWS);
  readonly linkType = new Int32Array(BATCH_ROWS);
}
