export type { Action, Incident, Proof, State, StoryStep, Suspect, TrustRecord, Verdict } from './claims.ts';
export type { Fault } from './fault.ts';
export { FaultError } from './fault.ts';
export type { AssetRef, Coverage, Evidence, Finding, Reason, ResponseRecord, Severity, Subject } from './finding.ts';
export { atLeast, bitsToConfidence, findingId, severities } from './finding.ts';
export { isoTime, toJsonLine } from './json.ts';
export { ocsfOf } from './ocsf.ts';
export { pseudonymOfImsi, pseudonymOfMsisdn } from './pseudonym.ts';
export { type StixInput, stixBundle } from './stix.ts';
