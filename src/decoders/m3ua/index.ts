export { m3ua } from './m3ua.ts';
