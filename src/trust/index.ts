export { assetKey, type Neighbourhoods, Trust } from './trust.ts';
