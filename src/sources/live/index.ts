export {
  type LiveCode,
  LiveError,
  type LiveLoss,
  type LiveOptions,
  type LiveSource,
  liveFaults,
  openLive,
} from './live.ts';
