export type { Framing } from './frames.ts';
export { Frames } from './frames.ts';
export { ot, otPorts } from './ot.ts';
export { Rows, u16be, u16le, u32be, u32le } from './rows.ts';
