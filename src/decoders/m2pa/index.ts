export { m2pa } from './m2pa.ts';
