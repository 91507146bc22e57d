export { type BusCode, BusError, Channel, type ChannelOptions, type Port } from './channel.ts';
export { forkChannel } from './fork.ts';
export type { Action, BusMessage, BusRequest, Health, Hold, Late } from './message.ts';
