import { flowLogs } from './conn.ts';
import { dnsLog } from './dns.ts';
import { operationLogs } from './operation.ts';
import { zeekSource } from './zeek.ts';

export type { ZeekLog, ZeekRows } from './log.ts';
export type { ZeekRow } from './row.ts';

/** All logs that are read; a new mapping is one entry. */
export const zeek = zeekSource([dnsLog, ...flowLogs, ...operationLogs]);
