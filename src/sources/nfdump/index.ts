export { nfdump } from './nfdump.ts';
