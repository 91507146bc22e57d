import type { LogFormat } from './format.ts';
import { NamedLines } from './named.ts';

export const infoblox: LogFormat = {
  name: 'infoblox',
  reads: 'Infoblox NIOS DNS syslog (queries, responses, RPZ in CEF)',
  doesNotTell: ['message ids and sizes', 'answers, where response logging is off'],
  mark: /^(?:[^\s"]+ +){0,6}named\[\d+\]: (?:infoblox-responses: |CEF:0\|Infoblox\||\d\d-[A-Z][a-z][a-z]-\d{4} [\d:.]+ client )/m,
  create: () => new NamedLines(),
};
