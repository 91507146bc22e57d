export { linearCount, ones } from './sketch.ts';
