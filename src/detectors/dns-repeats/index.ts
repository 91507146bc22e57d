export { dnsRepeats } from './repeats.ts';
