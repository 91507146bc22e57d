// A decoder is described in #events (stage.ts): it takes batches and emits batches. This file holds what its folder
// exports: a kind, made anew for each run.
import type { Decoder, DecoderCard } from '#events';

/** What those who take a decoder's events don't need, so that it costs nothing. */
export interface DecoderOptions {
  /** No flows of port 53: rows of DNS messages tell of them. */
  readonly withoutDns?: boolean;
  /** TCP ports that some decoder reads streams of; all that are known unless told. */
  readonly tcpPorts?: readonly number[];
  /** Packets for each one that the exporter at these address words counts, as the operator sets it; 0 where it is not set. */
  samplingOf?(words: Uint32Array, at: number): number;
}

export interface DecoderKind {
  readonly card: DecoderCard;
  create(options?: DecoderOptions): Decoder;
}
