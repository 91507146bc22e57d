export { dnsClass, dnsRcode, dnsType } from './codes.ts';
export { Answers, type DnsEntry, DnsRows, emptyEntry } from './dns-rows.ts';
export { LINE_BYTES_MAX, LineReader } from './reader.ts';
export { type LineFormat, LineSource, type Ready, type Rows } from './source.ts';
