export { ip } from './ip.ts';
