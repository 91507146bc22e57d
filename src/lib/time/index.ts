export { parseIsoMicros } from './iso.ts';
