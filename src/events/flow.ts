// Bidirectional flows as columns: opened, updated while they live, closed. Borrowed.
// From packets by decoders/flow, or from Zeek conn.log (closed only). Counts are cumulative; delta columns say what
// came since the flow's previous row, so that a detector can bin without a table of its own.
import { BATCH_ROWS } from './frame.ts';
import type { Origin } from './origin.ts';

export const FlowPhase = { Open: 0, Update: 1, Close: 2 } as const;

/** Zeek's conn_state words, which the field knows. */
export const FlowState = {
  OTH: 0,
  S0: 1,
  S1: 2,
  SF: 3,
  REJ: 4,
  S2: 5,
  S3: 6,
  RSTO: 7,
  RSTR: 8,
  RSTOS0: 9,
  RSTRH: 10,
  SH: 11,
  SHR: 12,
} as const;

export class FlowBatch {
  readonly kind = 'flow';
  origin: Origin = { file: '', placed: 'frame' };
  count = 0;
  /** Event time of this row. */
  readonly at = new Float64Array(BATCH_ROWS);
  /** Place of the flow's first packet (or of the log line). */
  readonly place = new Float64Array(BATCH_ROWS);
  /** Place of the packet that caused this row. */
  readonly lastPlace = new Float64Array(BATCH_ROWS);
  /** Number of the flow in this run, from 1. */
  readonly flow = new Float64Array(BATCH_ROWS);
  readonly phase = new Uint8Array(BATCH_ROWS);
  readonly firstAt = new Float64Array(BATCH_ROWS);
  readonly lastAt = new Float64Array(BATCH_ROWS);
  /** Eight words: originator, then responder. */
  readonly addresses = new Uint32Array(8 * BATCH_ROWS);
  readonly originatorPort = new Uint16Array(BATCH_ROWS);
  readonly responderPort = new Uint16Array(BATCH_ROWS);
  readonly protocol = new Uint8Array(BATCH_ROWS);
  readonly state = new Uint8Array(BATCH_ROWS);
  readonly originatorPackets = new Float64Array(BATCH_ROWS);
  readonly responderPackets = new Float64Array(BATCH_ROWS);
  /** IP bytes, headers included. */
  readonly originatorIpBytes = new Float64Array(BATCH_ROWS);
  readonly responderIpBytes = new Float64Array(BATCH_ROWS);
  /** Delivered payload above the transport layer. */
  readonly originatorPayloadBytes = new Float64Array(BATCH_ROWS);
  readonly responderPayloadBytes = new Float64Array(BATCH_ROWS);
  /** Payload since this flow's previous row. */
  readonly originatorPayloadDelta = new Float64Array(BATCH_ROWS);
  readonly responderPayloadDelta = new Float64Array(BATCH_ROWS);
  /** TLS server name (or HTTP host) of the flow: a range in `bytes`, length 0 where none was seen. */
  bytes: Uint8Array = new Uint8Array(BATCH_ROWS * 128);
  readonly nameOffset = new Int32Array(BATCH_ROWS);
  readonly nameBytes = new Int32Array(BATCH_ROWS);
  /** Port that a proxy (HTTP CONNECT or absolute form, SOCKS) was asked to go to at that name; 0 where none was asked. */
  readonly targetPort = new Uint16Array(BATCH_ROWS);
  /** JA4 of the client hello (TLS, DTLS, QUIC): 36 letters in `bytes`, 0 where no whole hello was seen. */
  readonly ja4Offset = new Int32Array(BATCH_ROWS);
  readonly ja4Bytes = new Int32Array(BATCH_ROWS);
  /** First protocol of the hello's ALPN. */
  readonly alpnOffset = new Int32Array(BATCH_ROWS);
  readonly alpnBytes = new Int32Array(BATCH_ROWS);
  /** SHA-256 of the server's certificate (32 octets), where TLS 1.2 or before shows it. */
  readonly certificateOffset = new Int32Array(BATCH_ROWS);
  readonly certificateBytes = new Int32Array(BATCH_ROWS);
  /** Zeek's history letters, at most fifteen. */
  readonly historyOffset = new Int32Array(BATCH_ROWS);
  readonly historyBytes = new Int32Array(BATCH_ROWS);
  /** One of `Service`. */
  readonly service = new Uint8Array(BATCH_ROWS);
  /** Packets on the wire for each one counted: 1 where all are, 0 where an exporter does not say. Counts are multiplied already. */
  readonly samplingRate = new Float64Array(BATCH_ROWS).fill(1);
}
