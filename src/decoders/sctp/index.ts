export { sctp } from './sctp.ts';
