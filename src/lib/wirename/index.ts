export { hashWireName, LOWER, textToWire } from './wirename.ts';
