export type { TcapComponent, TcapMessage } from './tcap.ts';
export { TcapType, readTcap } from './tcap.ts';
