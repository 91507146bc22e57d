import type { Exchange } from '../../worlds/dns/exchange.ts';
import { encodeQuery, encodeResponse, MESSAGE_BYTES_MAX } from '../dns-message.ts';

const scratch = new Uint8Array(MESSAGE_BYTES_MAX);

/** Octets of the messages, for logs that tell them. */
export function queryBytes(exchange: Exchange): number {
  return encodeQuery(exchange, scratch, 0);
}
export function responseBytes(exchange: Exchange): number {
  return encodeResponse(exchange, scratch, 0);
}
