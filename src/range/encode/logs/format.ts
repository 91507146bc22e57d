import type { Exchange } from '../../worlds/dns/exchange.ts';

/** One kind of log: what it writes at a question and at an answer, whole lines with their ends, or nothing. */
export interface LogFormat {
  readonly file: string;
  /** What stands before the first line. */
  head(fromMicros: number): string;
  query(exchange: Exchange): string;
  response(exchange: Exchange): string;
}
