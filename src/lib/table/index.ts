export { type PackedPairs, PairTable } from './pairs.ts';
