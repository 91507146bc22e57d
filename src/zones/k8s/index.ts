export { type K8sFaultCode, K8sFaults } from './faults.ts';
export { listing } from './listing.ts';
export { FILE_CHARACTERS_MAX, type ManifestFile, OBJECTS_MAX } from './manifests.ts';
export { Ports, type Protocol, type Span } from './ports.ts';
export { parseRange, type Range, rangeBlocks, rangeText } from './ranges.ts';
export { type Connection, type NetworkReach, type Reach, reach } from './reach.ts';
export { WORKLOADS_MAX } from './workloads.ts';
