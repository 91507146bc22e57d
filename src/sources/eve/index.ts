import { dnsEvents } from './dns.ts';
import { eveSource } from './eve.ts';
import { flowEvents, httpEvents, quicEvents, tlsEvents } from './flow.ts';

export type { EveEvent, EveKind, EveMapping } from './event.ts';

/** All event types that are read; a new mapping is one entry. */
export const eve = eveSource([dnsEvents, flowEvents, tlsEvents, quicEvents, httpEvents]);
