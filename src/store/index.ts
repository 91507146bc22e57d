export { ActionLedger, openActions } from './actions.ts';
export { type StoreCode, StoreError } from './errors.ts';
export { type EvidenceOptions, type EvidenceRow, EvidenceWriter, evidenceRows, pruneEvidence } from './evidence.ts';
export { type HuntAnswer, huntStore, huntTables } from './hunt.ts';
export {
  type ActionEntry,
  type Checkpoint,
  type FindingQuery,
  type LastCheckpoint,
  lockStore,
  openStore,
  type Store,
  type StoreOptions,
} from './store.ts';
export { type HuntValue, huntCell, huntJson } from './value.ts';
