export { flowCityText } from './cityfile.ts';
export { type Device, type Role, roles } from './devices.ts';
export { resolver, writeAsk, writeTalk } from './packets.ts';
export { day, hour, minute } from './routines.ts';
export { type RowOptions, renderFlowBatches } from './rows.ts';
export { type Ask, handshake, type Plot, roundTripOf, say, type Talk, type Wire, Writer } from './talk.ts';
export { FlowWorld, type FlowWorldOptions } from './world.ts';
