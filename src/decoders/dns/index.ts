export { dns } from './dns.ts';
