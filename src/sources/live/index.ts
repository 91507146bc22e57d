export { LiveError, type LiveOptions, type LiveSource, liveFaults, openLive } from './live.ts';
export type { LiveCode, LiveLoss } from './tool.ts';
