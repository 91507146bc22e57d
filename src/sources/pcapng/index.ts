export { pcapng } from './pcapng.ts';
