export { type AuditEntry, genesis, leafHash } from './chain.ts';
export { AuditBusy, AuditLog, type AuditSink, type OpenedAudit, openAudit } from './log.ts';
export { type AuditFault, type AuditProof, verify } from './verify.ts';
