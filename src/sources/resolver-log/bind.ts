import type { LogFormat } from './format.ts';
import { NamedLines } from './named.ts';

export const bind: LogFormat = {
  name: 'bind',
  reads: 'BIND query and RPZ logs',
  doesNotTell: ['answers: rcodes only where RPZ rewrote or the query failed', 'message ids and sizes'],
  mark: /^(?:[^\s"]+ +){0,6}(?:named\[\d+\]: |client (?:@0x[0-9a-f]+ )?[0-9a-fA-F.:%]+#\d+[^\n]*: (?:query: |query failed|(?:disabled )?rpz ))/m,
  create: () => new NamedLines(),
};
