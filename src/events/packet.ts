// IP packets as columns. Borrowed: `bytes` is the source's buffer (or a reassembly buffer), dead after the call.
import { BATCH_ROWS } from './frame.ts';
import type { Origin } from './origin.ts';

export class PacketBatch {
  readonly kind = 'packet';
  origin: Origin = { file: '', placed: 'frame' };
  count = 0;
  /** Payload ranges lie in `bytes`. */
  bytes: Uint8Array = new Uint8Array(0);
  readonly at = new Float64Array(BATCH_ROWS);
  readonly place = new Float64Array(BATCH_ROWS);
  /** Eight words a row: source address then destination (lib/address). */
  readonly addresses = new Uint32Array(8 * BATCH_ROWS);
  /** IP protocol number of the payload. */
  readonly protocol = new Uint8Array(BATCH_ROWS);
  /** 0 where the protocol has no ports or the fragment does not carry them. */
  readonly sourcePort = new Uint16Array(BATCH_ROWS);
  readonly destinationPort = new Uint16Array(BATCH_ROWS);
  /** TCP flags byte; 0 otherwise. */
  readonly tcpFlags = new Uint8Array(BATCH_ROWS);
  readonly tcpSequence = new Uint32Array(BATCH_ROWS);
  readonly tcpAcknowledgement = new Uint32Array(BATCH_ROWS);
  readonly tcpWindow = new Uint16Array(BATCH_ROWS);
  /** ICMP and ICMPv6 type << 8 | code; 0 otherwise. */
  readonly icmp = new Uint16Array(BATCH_ROWS);
  /** Whole IP datagram, header included, by its own length field; the sum over the fragments of one that was put together. */
  readonly ipBytes = new Int32Array(BATCH_ROWS);
  /** Bytes above TCP, UDP, SCTP (SCTP: chunks after the common header) or IP, by the length fields, not by what was captured. */
  readonly payloadBytes = new Int32Array(BATCH_ROWS);
  /** Where the captured payload lies in `bytes`; `payloadCaptured` of it is there. */
  readonly payloadOffset = new Int32Array(BATCH_ROWS);
  readonly payloadCaptured = new Int32Array(BATCH_ROWS);
  /** IP packets that the datagram came in: 1, or the number of its fragments (255 at the most). */
  readonly parts = new Uint8Array(BATCH_ROWS).fill(1);
  /** Outer VLAN id, 0 where untagged. */
  readonly vlan = new Uint16Array(BATCH_ROWS);
  /** Non-zero where this is a fragment other than the first that was not reassembled. */
  readonly fragment = new Uint8Array(BATCH_ROWS);
}
