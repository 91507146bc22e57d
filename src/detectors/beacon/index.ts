export { beacon } from './beacon.ts';
