export type { AnalyzeOptions, Outcome } from './analyze.ts';
export { analyze } from './analyze.ts';
export { Engine } from './engine.ts';
export { Feed, listInputs } from './feed.ts';
export { Hub } from './hub.ts';
export { decoders, detectors, sources } from './registry.ts';
