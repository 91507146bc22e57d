export type { DecoderKind } from './contract.ts';
