export { ndjsonFaults } from './faults.ts';
export { ndjson } from './ndjson.ts';
export { LINE_BYTES_MAX, parseRecordLine, type SlowRecord } from './record.ts';
