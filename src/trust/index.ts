export { assetKey, Trust } from './trust.ts';
