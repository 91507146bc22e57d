export { sccp } from './sccp.ts';
