export { proxyware } from './proxyware.ts';
