export { dnstap } from './dnstap.ts';
export { dnstapListenFaults } from './faults.ts';
export { DnstapListener, type DnstapLoss, type DnstapOptions, openDnstap } from './listen.ts';
export { type DnstapCode, DnstapError, type DnstapWhere } from './where.ts';
