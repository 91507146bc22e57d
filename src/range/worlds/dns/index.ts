export { Rtype } from './answers.ts';
export { dnsCityText } from './cityfile.ts';
export { type Client, type Role, roles } from './clients.ts';
export { copyExchange, Exchange, type ExchangeSource, exchanges, GeneratedSource, MergedSource } from './exchange.ts';
export { deliver, type MessageSink } from './messages.ts';
export { DnsWorld, type DnsWorldOptions, resolverIp } from './world.ts';
export type { Zones } from './zones.ts';
