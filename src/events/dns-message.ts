// Whole DNS messages as a server hands them over, without the packets around them (dnstap). Borrowed: `bytes` is the source's.
import { BATCH_ROWS } from './frame.ts';
import type { Origin } from './origin.ts';

export class DnsMessageBatch {
  readonly kind = 'dns-message';
  origin: Origin = { file: '', placed: 'offset' };
  count = 0;
  bytes: Uint8Array = new Uint8Array(0);
  readonly at = new Float64Array(BATCH_ROWS);
  readonly place = new Float64Array(BATCH_ROWS);
  /** Eight words a row: the client (who asks), then the server; all 0 where the road does not tell. */
  readonly addresses = new Uint32Array(8 * BATCH_ROWS);
  readonly clientPort = new Uint16Array(BATCH_ROWS);
  readonly serverPort = new Uint16Array(BATCH_ROWS);
  /** 17 UDP, 6 TCP (also TLS and HTTPS: the server has decrypted them), 0 unknown. */
  readonly transport = new Uint8Array(BATCH_ROWS);
  /** The message without TCP's length prefix. */
  readonly offset = new Int32Array(BATCH_ROWS);
  readonly length = new Int32Array(BATCH_ROWS);
}
