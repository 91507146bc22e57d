// A decoder is described in #events (stage.ts): it takes batches and emits batches. This file holds what its folder
// exports: a kind, made anew for each run.
import type { Decoder, DecoderCard } from '#events';

export interface DecoderKind {
  readonly card: DecoderCard;
  create(): Decoder;
}
