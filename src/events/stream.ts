// In-order bytes of one direction of a TCP connection, as they become contiguous. Borrowed.
import type { Origin } from './origin.ts';

/** One chunk; decoders keep what they need of an unfinished message by `connection` and `fromClient`. */
export class StreamBatch {
  readonly kind = 'stream';
  origin: Origin = { file: '', placed: 'frame' };
  at = 0;
  place = 0;
  /** Number of the connection in this run, from 1; reused never. */
  connection = 0;
  /** True for bytes from the side that sent the SYN (or uses the higher port, where none was seen). */
  fromClient = true;
  /** Eight words: client address then server address. */
  readonly addresses = new Uint32Array(8);
  clientPort = 0;
  serverPort = 0;
  bytes: Uint8Array = new Uint8Array(0);
  offset = 0;
  length = 0;
  /** Bytes missing before this chunk; the message under way can't be finished when not 0. */
  gapBytes = 0;
  /** True on the last call for this direction (FIN, RST or time-out); length may then be 0. */
  ended = false;
}
