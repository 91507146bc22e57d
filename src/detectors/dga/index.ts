export { dga } from './dga.ts';
