export { hashLowerCased, LOWER, textToWire } from './wirename.ts';
