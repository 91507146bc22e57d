export type { TcapComponent, TcapMessage } from './tcap.ts';
export { readTcap, TcapType } from './tcap.ts';
