export { PairTable } from './pairs.ts';
