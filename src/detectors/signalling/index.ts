export { signalling } from './signalling.ts';
