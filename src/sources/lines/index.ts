export { dnsClass, dnsRcode, dnsType } from './codes.ts';
export { Answers, type DnsEntry, DnsRows, emptyEntry } from './dns-rows.ts';
export { FlowTexts, TEXT_BYTES_MAX } from './flow-texts.ts';
export { type ProxyTarget, proxyTarget } from './proxy-target.ts';
export { LINE_BYTES_MAX, LineReader } from './reader.ts';
export { type LineFormat, LineSource, type Ready, type Rows } from './source.ts';
